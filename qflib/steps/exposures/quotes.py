"""What exposures knows of the market: tops, depth, and the implied volatility each option was last quoted at."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.implied_vol import OK
from qflib.kernels.implied_vol_blocks import lognormal_implied_vol_batch
from qflib.kernels.position_values import YEAR_NS
from qflib.records import DEPTH, Instruments, TradingStatus
from qflib.steps.state import State

#: An option for whose lender nobody has asked.
_NOT_ASKED = -2
_EXPIRED = int(TradingStatus.EXPIRED)  # an enumeration's members are looked up slowly


class Quotes:
    """Latest marks of every instrument. Volatilities stick to their strikes between quotes."""

    def __init__(self, instruments: Instruments, rate: float) -> None:
        n = len(instruments)
        rows = instruments.rows
        self._instruments = instruments
        self._rate = rate
        self._tick = instruments.tick_num / instruments.tick_den
        self.is_option = np.array([r.kind == "option" for r in rows], bool)
        #: an underlying's futures, next to expire first, then perpetuals
        self._hedges: list[list[tuple[int, int]]] = [[] for _ in instruments.underlyings]
        for i, r in enumerate(rows):
            if r.kind in ("future", "perpetual"):
                expiry_ns = int(instruments.expiry_ns[i]) or int(np.iinfo(np.int64).max)
                self._hedges[int(instruments.underlying_index[i])].append((i, expiry_ns))
        for found in self._hedges:
            found.sort(key=lambda h: (h[1], h[0]))
        of = self.underlying = instruments.underlying_index
        self._spots = [
            [i for i, r in enumerate(rows) if r.kind == "spot" and of[i] == u] for u in range(len(self._hedges))
        ]
        self.carrier = np.full(n, -1, np.int64)
        for i in np.flatnonzero(self.is_option).tolist():
            later = [f for f, expiry_ns in self._hedges[int(of[i])] if expiry_ns >= instruments.expiry_ns[i]]
            self.carrier[i] = later[0] if later else -1
        self.inverse = np.array([r.inverse for r in rows], bool)
        self.strike = np.array([r.strike for r in rows], np.float64)
        self.right = np.array([{"call": 1.0, "put": -1.0}.get(r.right, 0.0) for r in rows], np.float64)
        self.expiry_ns = instruments.expiry_ns
        self.tops = np.zeros((n, 8), np.int64)  # bid, bid qty, ask, ask qty, last, last qty, status, time
        self.mid = np.full(n, np.nan)
        self.vol = np.full(n, np.nan)
        self.own = np.full(n, np.nan)  # the forward that `vol` was implied at,
        self.implied_ns = np.zeros(n, np.int64)  # and when
        self.depth: dict[int, Any] = {}
        self._lender = np.full(n, _NOT_ASKED)  # whose volatility an unquoted option has; -1: nobody's

    def update(self, tops: Any, depth: Any) -> None:
        """Fold a marks batch: tops first, then the volatilities that the new quotes imply."""
        at = tops.instrument.astype(np.int64)
        if len(at):
            self.tops[at] = np.stack([a.astype(np.int64) for a in tops[1:9]], axis=1)
            t = self.tops[at]
            two_sided = (t[:, 1] > 0) & (t[:, 3] > 0)
            mid = 0.5 * (t[:, 0] + t[:, 2]) * self._tick[at]
            # with one side gone the last mid stands: the last trade may be far older
            last = np.where(t[:, 5] > 0, t[:, 4] * self._tick[at], np.nan)
            self.mid[at] = np.where(two_sided, mid, np.where(np.isfinite(self.mid[at]), self.mid[at], last))
            self._imply(at[self.is_option[at] & two_sided])
        told = set(depth.instrument.tolist())
        for i in sorted(told):
            self.depth[i] = depth if len(told) == 1 else DEPTH.take(depth, depth.instrument == i)

    def forward(self, underlying: int, time_ns: int) -> float:
        """Mark of an underlying: its nearest living future's mid, else its spot's, else its last future's last one.

        NaN where nothing was ever quoted.
        """
        at = self.reference(underlying, time_ns)
        return float(self.mid[at]) if at >= 0 else float("nan")

    def reference(self, underlying: int, time_ns: int) -> int:
        """Whose mid `forward` is; -1 where nothing was ever quoted."""
        at = self.hedge_instrument(underlying, time_ns)
        found = [at] if at >= 0 else []
        found += [*self._spots[underlying], *(i for i, _ in reversed(self._hedges[underlying]))]
        return next((i for i in found if math.isfinite(self.mid[i])), -1)

    def mid_or(self, instrument: int, otherwise: float) -> float:
        """An instrument's mid, where it has one."""
        return float(self.mid[instrument]) if instrument >= 0 and math.isfinite(self.mid[instrument]) else otherwise

    def forwards(self, instruments: NDArray[np.int64], forward: float) -> NDArray[np.float64]:
        """Each option's own forward: the mid of the future it expires with or before, else the underlying's mark."""
        own = self.carrier[instruments]
        mids = self.mid[np.maximum(own, 0)]
        return np.where((own >= 0) & np.isfinite(mids), mids, forward)

    def hedge_instrument(self, underlying: int, time_ns: int) -> int:
        """The future that expires next, or the perpetual; -1 where there is none alive."""
        for i, expiry_ns in self._hedges[underlying]:
            if expiry_ns > time_ns and self.tops[i, 6] != _EXPIRED:
                return i
        return -1

    def vols_of(self, options: NDArray[np.int64]) -> NDArray[np.float64]:
        """Own volatilities, else those of the nearest quoted strike, of the nearest expiry; NaN: none quoted yet."""
        vol = self.vol[options]
        missing = options[np.isnan(vol)]
        if len(missing):
            for i in missing[self._lender[missing] == _NOT_ASKED].tolist():
                self._lender[i] = self._nearest(i)
            lenders = self._lender[missing]
            vol[np.isnan(vol)] = np.where(lenders >= 0, self.vol[lenders], np.nan)
        return vol

    def _nearest(self, instrument: int) -> int:
        same = self._instruments.underlying_index == self._instruments.underlying_index[instrument]
        quoted = np.flatnonzero(same & np.isfinite(self.vol))
        if not len(quoted):
            return -1
        away = np.lexsort(
            (
                quoted,
                np.abs(self.strike[quoted] - self.strike[instrument]),
                np.abs(self.expiry_ns[quoted] - self.expiry_ns[instrument]),
            )
        )
        return int(quoted[away[0]])

    def _offer(self, new: list[int]) -> None:
        """Options quoted for the first time lend to those they are nearest to."""
        for instrument in np.flatnonzero(self._lender != _NOT_ASKED).tolist() if new else ():
            lender = int(self._lender[instrument])
            near = new if lender < 0 else [lender, *new]
            same = [
                i
                for i in near
                if self._instruments.underlying_index[i] == self._instruments.underlying_index[instrument]
            ]
            if same:
                self._lender[instrument] = min(same, key=lambda i: self._away(instrument, i))

    def _away(self, instrument: int, lender: int) -> tuple[int, float, int]:
        expiry = abs(int(self.expiry_ns[lender]) - int(self.expiry_ns[instrument]))
        return expiry, abs(float(self.strike[lender]) - float(self.strike[instrument])), lender

    def state(self) -> State:
        """Everything folded so far."""
        rows = [self.depth[i] for i in sorted(self.depth)]
        return {
            "quotes.tops": self.tops,
            "quotes.mid": self.mid,
            "quotes.vol": self.vol,
            "quotes.own": self.own,
            "quotes.implied_ns": self.implied_ns,
            "quotes.depth": DEPTH.to_struct(DEPTH.concat(rows)),
        }

    def load(self, state: State) -> None:
        """Go on from a state."""
        self.tops, self.mid, self.vol = (state[f"quotes.{k}"].copy() for k in ("tops", "mid", "vol"))
        # of a state from before they were kept: an option's next quote tells them
        self.own = state.get("quotes.own", np.full(len(self.vol), np.nan)).copy()
        self.implied_ns = state.get("quotes.implied_ns", np.zeros(len(self.vol), np.int64)).copy()
        self._lender = np.full(len(self.vol), _NOT_ASKED)
        depth = DEPTH.from_struct(state["quotes.depth"])
        self.depth = {int(i): DEPTH.take(depth, depth.instrument == i) for i in np.unique(depth.instrument)}

    def _imply(self, options: NDArray[np.int64]) -> None:
        if not len(options):
            return
        time_ns = self.tops[options, 7]
        underlying = int(self._instruments.underlying_index[options[0]])
        forward = self.forward(underlying, int(time_ns.max()))
        if not forward > 0:
            return
        years = np.maximum(self.expiry_ns[options] - time_ns, 0) / YEAR_NS
        own = self.forwards(options, forward)
        price = np.where(self.inverse[options], self.mid[options] * own, self.mid[options])
        n = len(options)
        vol, status = np.empty(n), np.empty(n, np.int8)
        rate = np.full(n, self._rate)
        # Black-76 is Black-Scholes-Merton on a forward that pays the rate
        lognormal_implied_vol_batch(
            price, self.right[options], own, self.strike[options], years, rate, rate, vol, status
        )
        good = status == OK
        new = options[good][np.isnan(self.vol[options[good]])]
        self.vol[options[good]] = vol[good]
        self._offer(new.tolist())
        self.own[options[good]], self.implied_ns[options[good]] = own[good], time_ns[good]
