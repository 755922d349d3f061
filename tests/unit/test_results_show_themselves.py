"""What a public function or method gives shows itself in a notebook: as HTML, a result also as frame and picture."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pytest

import qflib as qf

PACKAGES = ("qflib", "qflib.orderbook", "qflib.pricing", "qflib.hedging", "qflib.shortfall", "qflib.desk")
#: Connections, what goes on, errors, and what steps hand each other: used, not looked at.
NO_RESULTS = {
    "Trial",
    "Live",
    "AsyncLive",
    "Desk",
    "ApiError",
    "Batch",
    "BookState",
    "Decimals",
    "Decoded",
    "Valued",
    "QuotedBook",
}
#: They are worked with, or a few figures without a picture.
NO_PICTURE = {"Instruments", "Portfolio", "EngineJournal", "Feed", "LiveOrder", "Figures"}


def classes() -> dict[str, type]:
    """Every class of the public packages by its name, and of the clients' results."""
    found: dict[str, type] = {}
    for name in (*PACKAGES[1:], "qflib.api.client", "qflib.records"):
        package = importlib.import_module(name)
        for info in pkgutil.iter_modules(package.__path__, f"{name}."):
            module = importlib.import_module(info.name)
            found |= {n: c for n, c in vars(module).items() if inspect.isclass(c) and c.__module__.startswith("qflib.")}
    public = [getattr(importlib.import_module(p), n) for p in PACKAGES for n in importlib.import_module(p).__all__]
    return found | {c.__name__: c for c in public if inspect.isclass(c)}  # a step may have the same name


def returned(of: Any) -> Iterator[str]:
    """Names of classes in what a function, or a class's public methods, are annotated to return."""
    parts = [of]
    if inspect.isclass(of):
        parts = []
        for n, member in inspect.getmembers_static(of):
            if not n.startswith("_"):
                inner = member.fget if isinstance(member, property) else member
                inner = inner.func if isinstance(inner, cached_property) else inner
                parts.append(getattr(inner, "__func__", inner))
    for part in parts:
        told = getattr(part, "__annotations__", {}).get("return", "") if callable(part) else ""
        yield from re.findall(r"\b[A-Z]\w+", str(told).replace("type[", ""))


def results() -> list[type]:
    known = classes()
    public = {n: getattr(importlib.import_module(p), n) for p in PACKAGES for n in importlib.import_module(p).__all__}
    names = {n for of in public.values() for n in returned(of)}
    names |= {n for n in public if n in known and hasattr(known[n], "to_frame")}
    return sorted((known[n] for n in names if n in known and n not in NO_RESULTS), key=lambda c: c.__name__)


@pytest.mark.parametrize("result", results(), ids=lambda c: c.__name__)
def test_a_result_shows_itself(result: type) -> None:
    assert {"_repr_html_", "_repr_mimebundle_"} & set(dir(result)), (
        f"{result.__module__}.{result.__name__} is shown by its repr alone"
    )
    if not NO_PICTURE & {c.__name__ for c in result.__mro__} and "to_frame" in dir(result):
        assert "plot" in dir(result), f"{result.__module__}.{result.__name__} has no picture"


def test_the_walk_finds_what_it_should() -> None:
    found = {c.__name__ for c in results()}
    assert {"ESResult", "HedgePlan", "Surface", "TradeCost", "Ladder", "HawkesFit", "PaperTrades", "LiveBook"} <= found
    assert len(found) > 40


def test_accessors_of_a_frame_are_those_of_the_design() -> None:
    import pandas as pd

    assert qf.__version__  # registers it
    named = {"implied_vol", "greeks", "expected_shortfall", "features", "bars", "plot_book", "plot_smile"}
    assert named <= set(dir(pd.DataFrame().qf))


def test_fits_have_pictures() -> None:
    import holoviews as hv
    import numpy as np

    from qflib.pricing import fit_heston, fit_sabr, sabr_vol

    strikes = np.linspace(80.0, 120.0, 9)
    vols = sabr_vol(strikes, 100.0, 0.5, 0.2, 1.0, -0.3, 0.6)
    sabr = fit_sabr(strikes, vols, 100.0, 0.5, beta=1.0)
    years = np.repeat([0.25, 1.0], 9)
    heston = fit_heston(np.tile(strikes, 2), years, np.tile(vols, 2), 100.0)
    for fit in (sabr, heston):
        assert hv.render(fit.plot(), backend="bokeh") is not None
    line, dots = sabr.plot()
    assert np.interp(100.0, line.dimension_values(0), line.dimension_values(1)) == pytest.approx(0.2, abs=0.02)
    assert len(dots) == 9
