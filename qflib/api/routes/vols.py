"""Implied vols of an underlying's options, now."""

from __future__ import annotations

from litestar import get
from litestar.params import FromPath
from litestar.response import Response

from qflib.api.problems import ProblemError
from qflib.api.routes.route import State, json, named, route
from qflib.api.vols import VolForm, vol_form
from qflib.errors import DataError


@get("/v1/vols/{underlying:path}", **route("read", "market"))
async def vols(state_of: State, underlying: FromPath[str]) -> Response[VolForm]:
    """Smiles of an underlying: bid and ask vols of each option, the fitted surface, flags of static arbitrage.

    Computed when asked for, at most once a second an underlying; a fit that is not to be had says why in `reason`.
    """
    name, view = named(underlying), state_of.views.vols
    if name not in view.underlyings:
        has = ", ".join(view.underlyings[:8]) or "none has"
        detail = f"underlying {name[:64]!r} has no options in /v1/instruments; these have: {has}"
        raise ProblemError(404, "unknown_underlying", detail)

    def work() -> VolForm:
        try:
            return vol_form(view.fit(name), state_of.now_ns())
        except DataError as e:
            raise ProblemError(404, "no_quotes_yet", str(e)) from None

    return json(await state_of.encoded(work))
