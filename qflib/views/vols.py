"""Vols: the smiles of the option quotes now, fitted when somebody asks, at most once a second an underlying."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import pandas as pd

from qflib.errors import DataError, InputError
from qflib.views.forwards import expiry_forwards
from qflib.views.stamp import Stamp

if TYPE_CHECKING:
    from qflib.pricing import Smiles
    from qflib.records import Instrument
    from qflib.views.books import BookView

_LEAST_S = 1.0  # between two fits of an underlying


@dataclass(frozen=True, slots=True)
class VolState:
    """The smiles of an underlying, and what they are of.

    Parameters
    ----------
    smiles
        Vols, fit and flags.
    stamp
        Of the newest book in it, options' or the forward's.
    quoted_ns
        When Kafka had the newest option quote in it.
    fitted_ns
        When it was computed, by this machine's clock.
    took_ms
        How long that took.
    """

    smiles: Smiles
    stamp: Stamp
    quoted_ns: int
    fitted_ns: int
    took_ms: float


@dataclass
class _Slot:
    lock: Lock = field(default_factory=Lock)
    state: VolState | None = None
    error: Exception | None = None  # of the last try, if it failed
    at: float = float("-inf")


class VolView:
    """The smiles of a desk's underlyings; nothing is computed where nobody asks.

    Each expiry is taken at its own forward, as `expiry_forwards` finds it.

    Parameters
    ----------
    books
        The view of the books.
    clock
        Seconds; for tests.

    Examples
    --------
    >>> from qflib.records import Instrument, Instruments
    >>> from qflib.views import BookView
    >>> view = VolView(BookView(Instruments((Instrument("ACME.F", kind="spot", underlying="ACME"),))))
    >>> view.underlyings, view.latest("ACME") is None
    ((), True)
    """

    def __init__(self, books: BookView, clock: Callable[[], float] = time.monotonic) -> None:
        self._books, self._clock = books, clock
        table = books.instruments
        options = {r.underlying for r in table if r.kind == "option"}
        #: Those with options, in the table's order.
        self.underlyings = tuple(u for u in table.underlyings if u in options)
        self._slots = {u: _Slot() for u in self.underlyings}
        self._members = {u: [(i, r.kind) for i, r in enumerate(table) if r.underlying == u] for u in self.underlyings}

    def latest(self, underlying: str) -> VolState | None:
        """The last smiles that were computed; None where there are none."""
        slot = self._slots.get(underlying)
        return None if slot is None else slot.state

    def quoted(self, underlying: str) -> Stamp:
        """Of the newest option quote of an underlying; O(its instruments)."""
        return self._newest(underlying, options=True)

    def fit(self, underlying: str) -> VolState:
        """The smiles of now: computed here where a quote has changed and the last are a second old, else the last.

        Who asks while another thread computes waits for what that gives; what failed is told again for a second.

        Raises
        ------
        InputError
            If the underlying is unknown or has no options.
        DataError
            If nothing has been told of its options yet.

        Notes
        -----
        O(quotes times expiries) a step of the fit.
        """
        slot = self._slots.get(underlying)
        if slot is None:
            has = ", ".join(self.underlyings[:8]) or "none has"
            raise InputError(f"underlying {underlying[:64]!r} has no options in the table; these have: {has}")
        with slot.lock:
            newest, young = self._newest(underlying), self._clock() - slot.at < _LEAST_S
            if slot.error is not None:
                if young:
                    raise slot.error.with_traceback(None)
            elif slot.state is not None and (young or slot.state.stamp.seq == newest.seq):
                return slot.state
            quoted = self.quoted(underlying)
            if quoted.seq < 0:
                raise DataError(
                    f"nothing has been told of the options of {underlying} yet; ask again when they are quoted"
                )
            slot.at = self._clock()
            try:
                slot.state, slot.error = self._fit(underlying, newest, quoted), None
            except Exception as e:
                slot.error = e
                raise
            return slot.state

    def _fit(self, underlying: str, newest: Stamp, quoted: Stamp) -> VolState:
        from qflib.desk.chains import chain_of
        from qflib.pricing import fit_smiles

        begun = time.perf_counter()
        table, when = self._books.instruments, pd.Timestamp(newest.time_ns, unit="ns", tz="UTC")
        tops = self._books.tops_frame(underlying)
        chain = chain_of(table, underlying, tops, when)
        futures = [r for i, kind in self._members[underlying] if kind == "future" and _lives(r := table[i], when)]
        smiles = fit_smiles(chain.assign(forward=expiry_forwards(chain, futures, tops)))
        took_ms = 1e3 * (time.perf_counter() - begun)
        return VolState(smiles, newest, quoted.append_ns, time.time_ns(), took_ms)

    def _newest(self, underlying: str, *, options: bool = False) -> Stamp:
        """All of an underlying's records lie in one partition: the greatest sequence is the newest."""
        stamps = [
            b.stamp
            for i, kind in self._members.get(underlying, ())
            if (kind == "option" or not options) and (b := self._books.latest(i)) is not None
        ]
        return max(stamps, key=lambda s: s.seq, default=Stamp())


def _lives(r: Instrument, when: pd.Timestamp) -> bool:
    return r.expiry is None or r.expiry > when
