"""Smiles for all sessions: made in a thread where a page asks, as often as the view has new ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.recomputed import Recomputed

if TYPE_CHECKING:
    from qflib.views import Views
    from qflib.views.vols import VolState

_LEAST_S = 0.4  # between two asks of the view, which fits once a second at most


class Fitted(NamedTuple):
    """The newest smiles, or why there are none, or no newer ones."""

    state: VolState | None
    error: str


class VolFits:
    """One a process.

    Parameters
    ----------
    views
        The read model.
    submit
        Has a job done in a thread.
    """

    def __init__(self, views: Views, submit: Callable[[Callable[[], None]], Any]) -> None:
        self._views, self._fits = views, Recomputed(submit, _LEAST_S)

    def get(self, underlying: str) -> Fitted:
        """What there is, at once; has newer ones made."""
        made = self._fits.get(underlying, lambda: self._views.vols.fit(underlying))
        return Fitted(self._views.vols.latest(underlying), made.error)
