"""Progress bars: a widget in a notebook that has widgets, else text."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Iterator
from typing import Any


def bar(**options: Any) -> Any:
    """A tqdm bar.

    Parameters
    ----------
    **options
        tqdm's.

    Examples
    --------
    >>> from qflib.progress import bar
    >>> bar(total=2, disable=True).total
    2
    """
    # without widgets tqdm.auto would warn in a notebook, and draw text all the same
    kind = "tqdm.auto" if importlib.util.find_spec("ipywidgets") else "tqdm"
    return importlib.import_module(kind).tqdm(**options)


def through_market(parts: Iterable[Any], start_ns: int, end_ns: int, what: str) -> Iterator[Any]:
    """Event columns passed on, under a bar of market seconds.

    Parameters
    ----------
    parts
        `MARKET_EVENTS` columns by rising receipt time.
    start_ns, end_ns
        Of the market time gone through.
    what
        Before the bar.

    Examples
    --------
    >>> from qflib.progress import through_market
    >>> list(through_market([], 0, 10**9, "book"))
    []
    """
    total = round(max(end_ns - start_ns, 0) / 1e9, 1)
    with bar(total=total, unit=" market s", desc=what) as shown:
        for part in parts:
            if len(part.receipt_ns):
                done = min(round((int(part.receipt_ns[-1]) - start_ns) / 1e9, 1), total)
                shown.update(max(0.0, done - shown.n))
            yield part
        shown.update(max(0.0, total - shown.n))


def through_batches(batches: Iterable[Any], start_ns: int, end_ns: int, what: str) -> Iterator[Any]:
    """Raw and clock batches passed on, under a bar of market seconds that the clocks move.

    Parameters
    ----------
    batches
        As `Feed.raw` gives them.
    start_ns, end_ns
        Of the market time gone through.
    what
        Before the bar.

    Examples
    --------
    >>> from qflib.progress import through_batches
    >>> list(through_batches([], 0, 10**9, "desk"))
    []
    """
    total = round(max(end_ns - start_ns, 0) / 1e9, 1)
    with bar(total=total, unit=" market s", desc=what) as shown:
        for batch in batches:
            if batch.kind == "clock":
                done = round((int(batch.tick.time_ns[0]) - start_ns) / 1e9, 1)
                shown.update(max(0.0, min(done, total) - shown.n))
            yield batch
