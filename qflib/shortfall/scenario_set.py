"""Joint scenarios of spot and implied volatility: what a portfolio is revalued under."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from qflib.errors import ChecksumError, DataError, InputError
from qflib.records import SCENARIO_SETS, SHOCKS
from qflib.records.schema import frozen
from qflib.shortfall.horizon import horizon_ns

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScenarioSet:
    """Joint shocks of several underlyings over one horizon.

    A scenario shocks all underlyings at once, so scenario P&L of positions adds up over instruments and underlyings.
    A rate of exchange is an underlying like others, named by its pair: "EUR/USD" is what one euro is worth in dollars.

    Parameters
    ----------
    underlyings
        Names, one a column.
    spot_return
        (n, n_underlyings): simple return of the forward over the horizon, above −1.
    vol_shift
        (n, n_underlyings): absolute shift of implied volatility, 0.01 = one point.
    horizon_ns
        The horizon in nanoseconds.
    n_historical
        The first so many scenarios happened; the others are simulated.
    names
        What the scenarios are called, one each, where that matters (stress); no part of the content: neither of
        `set_id` nor of the tables.

    Raises
    ------
    InputError
        If shapes differ, a shock is not finite, a return is −1 or less, or a name is missing or doubled.

    Examples
    --------
    >>> from qflib.shortfall import ScenarioSet
    >>> s = ScenarioSet(("ACME",), [[-0.02], [0.01]], [[0.01], [-0.005]], 86_400_000_000_000, 2)
    >>> s.n, s.set_id
    (2, '...')
    """

    underlyings: tuple[str, ...]
    spot_return: F8
    vol_shift: F8
    horizon_ns: int
    n_historical: int = 0
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.underlyings, str):
            raise InputError(
                f"underlyings are {self.underlyings!r}; expected a list of names, as [{self.underlyings!r}]"
            )
        names = tuple(str(u) for u in self.underlyings)
        spot = np.array(self.spot_return, np.float64, ndmin=2)
        vol = np.array(self.vol_shift, np.float64, ndmin=2)
        if not names or len(set(names)) != len(names) or "" in names:
            raise InputError(f"underlyings are {list(names)}; expected distinct names, one at least")
        if spot.ndim != 2 or spot.shape != vol.shape or spot.shape[1] != len(names):
            raise InputError(
                f"spot_return has shape {spot.shape} and vol_shift {vol.shape}; "
                f"expected (n, {len(names)}) for both, a column an underlying"
            )
        if len(spot) == 0:
            raise InputError("a scenario set of no scenarios; give one at least")
        if not (np.isfinite(spot).all() and np.isfinite(vol).all() and (spot > -1.0).all()):
            raise InputError("a shock is not finite or a spot_return is -1 or less; give simple returns above -1")
        if not 0 <= self.n_historical <= len(spot):
            raise InputError(f"n_historical is {self.n_historical} of {len(spot)} scenarios; expected 0 to {len(spot)}")
        if self.names is not None:
            told = tuple(str(x) for x in self.names)
            if len(told) != len(spot) or len(set(told)) != len(told):
                raise InputError(f"{len(told)} names for {len(spot)} scenarios; expected distinct ones, one each")
            object.__setattr__(self, "names", told)
        object.__setattr__(self, "underlyings", names)
        object.__setattr__(self, "horizon_ns", horizon_ns(int(self.horizon_ns)))
        # 0.0 for -0.0, so that equal shocks have equal bits and sets of equal shocks one id.
        object.__setattr__(self, "spot_return", frozen(spot + 0.0))
        object.__setattr__(self, "vol_shift", frozen(vol + 0.0))

    @property
    def n(self) -> int:
        """Number of scenarios."""
        return len(self.spot_return)

    def __len__(self) -> int:
        return self.n

    @property
    def index(self) -> pd.Index[Any]:
        """What P&L under the scenarios is indexed by, `scenario`: their names, or else numbers."""
        if self.names is None:
            return pd.RangeIndex(self.n, name="scenario")
        return pd.Index(self.names, name="scenario")

    @cached_property
    def set_id(self) -> str:
        """Hash of the content: 32 hexadecimal digits of its SHA-256."""
        told = f"qflib scenarios 1|{self.horizon_ns}|{self.n_historical}|{self.spot_return.shape}|"
        h = hashlib.sha256(told.encode())
        h.update("|".join(self.underlyings).encode())
        h.update(self.spot_return.astype("<f8").tobytes())
        h.update(self.vol_shift.astype("<f8").tobytes())
        return h.hexdigest()[:32]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScenarioSet) and self.set_id == other.set_id

    def __hash__(self) -> int:
        return hash(self.set_id)

    def shocks(self, underlying: str) -> tuple[F8, F8]:
        """Spot returns and vol shifts of one underlying, (n,) each, contiguous and read-only.

        Raises
        ------
        InputError
            If the set has no such underlying.
        """
        if underlying not in self.underlyings:
            raise InputError(f"the scenario set has no underlying {underlying!r}; it has {', '.join(self.underlyings)}")
        j = self.underlyings.index(underlying)
        return frozen(self.spot_return[:, j].copy()), frozen(self.vol_shift[:, j].copy())

    def with_fx(self, returns: Mapping[str, ArrayLike], base: str = "USD") -> ScenarioSet:
        """With rates of exchange as factors beside the underlyings, scenario by scenario.

        Parameters
        ----------
        returns
            Currency -> (n,) simple returns of its worth in `base`, above -1; a number is that of every scenario, 0.0
            that of a peg.
        base
            A market's `base`.

        Raises
        ------
        InputError
            If the set has the pair already, a name is a pair, or as `ScenarioSet`.

        Examples
        --------
        >>> from qflib.shortfall import ScenarioSet
        >>> s = ScenarioSet(("DAX",), [[-0.02], [0.01]], [[0.01], [-0.005]], 86_400_000_000_000)
        >>> s.with_fx({"EUR": [0.004, -0.001]}).underlyings
        ('DAX', 'EUR/USD')
        """
        names, columns = list(self.underlyings), [self.spot_return]
        for currency, moves in returns.items():
            if "/" in currency:
                raise InputError(f"{currency!r} is a pair; give the currency alone, its worth is in {base}")
            names.append(f"{currency}/{base}")
            try:
                columns.append(np.broadcast_to(np.asarray(moves, np.float64), (self.n,))[:, None])
            except (TypeError, ValueError):
                raise InputError(f"returns of {currency!r} are not {self.n} numbers; give one a scenario") from None
        more = np.zeros((self.n, len(returns)))
        shifts = np.hstack([self.vol_shift, more])
        return ScenarioSet(tuple(names), np.hstack(columns), shifts, self.horizon_ns, self.n_historical, self.names)

    def to_tables(self, chunk_rows: int = 50_000) -> list[tuple[Any, Any]]:
        """The set in chunks, each a (SCENARIO_SETS, SHOCKS) pair: some scenarios of one underlying, 16 bytes each.

        Raises
        ------
        InputError
            If chunk_rows is below 1.
        """
        if chunk_rows < 1:
            raise InputError(f"chunk_rows is {chunk_rows}; expected 1 or more")
        firsts = range(0, self.n, chunk_rows)
        chunks = len(firsts) * len(self.underlyings)
        made: list[tuple[Any, Any]] = []
        for j, underlying in enumerate(self.underlyings):
            for first in firsts:
                head = SCENARIO_SETS.make(
                    set_id=[self.set_id],
                    n_scenarios=[self.n],
                    n_historical=[self.n_historical],
                    horizon_ns=[self.horizon_ns],
                    chunk=[len(made)],
                    chunks=[chunks],
                    underlying=[underlying],
                    first=[first],
                )
                rows = slice(first, first + chunk_rows)
                shocks = SHOCKS.make(
                    spot_return=self.spot_return[rows, j].copy(), vol_shift=self.vol_shift[rows, j].copy()
                )
                made.append((head, shocks))
        return made

    @classmethod
    def from_tables(cls, chunks: Sequence[tuple[Any, Any]]) -> ScenarioSet:
        """The set from its chunks, in any order; chunks given twice count once.

        Raises
        ------
        DataError
            If a chunk is missing or belongs to another set.
        ChecksumError
            If the content does not have the id that the chunks tell.
        """
        if not chunks:
            raise DataError("no chunk of a scenario set; give all of its chunks")
        by_no = {int(head.chunk[0]): (head, shocks) for head, shocks in chunks}
        first = chunks[0][0]
        told, count = bytes(first.set_id[0]).decode(), int(first.chunks[0])
        if {bytes(h.set_id[0]).decode() for h, _ in chunks} != {told}:
            raise DataError(f"chunks of scenario set {told} and of another; give the chunks of one set")
        if missing := sorted(set(range(count)) - set(by_no)):
            raise DataError(f"scenario set {told} lacks chunk {missing[0]} of {count}; send it again")
        n = int(first.n_scenarios[0])
        parts: dict[str, list[Any]] = {}
        for i in range(count):
            head, shocks = by_no[i]
            mine = parts.setdefault(bytes(head.underlying[0]).decode(), [])
            if int(head.first[0]) != sum(len(p.spot_return) for p in mine):
                raise DataError(f"scenario set {told} has its chunk {i} out of place; it is torn")
            mine.append(shocks)
        whole = {u: SHOCKS.concat(p) for u, p in parts.items()}
        for u, shocks in whole.items():
            if len(shocks.spot_return) != n:
                raise DataError(f"scenario set {told} has {len(shocks.spot_return)} of {n} shocks of {u}; it is torn")
        made = cls(
            tuple(whole),
            np.stack([w.spot_return for w in whole.values()], axis=1),
            np.stack([w.vol_shift for w in whole.values()], axis=1),
            int(first.horizon_ns[0]),
            int(first.n_historical[0]),
        )
        if made.set_id != told:
            raise ChecksumError(f"scenario set {told} has content of id {made.set_id}; send it again")
        return made

    def to_frame(self) -> pd.DataFrame:
        """(n, 2 n_underlyings): columns (underlying, "spot_return" | "vol_shift"), index `scenario`."""
        data = np.stack([self.spot_return, self.vol_shift], axis=2).reshape(self.n, -1)
        columns = pd.MultiIndex.from_product([self.underlyings, ["spot_return", "vol_shift"]])
        return pd.DataFrame(data, self.index, columns)

    def plot(self) -> Any:
        """Scatter of spot return against vol shift, historical and simulated, an underlying a panel."""
        import hvplot.pandas  # noqa: F401  (registers .hvplot)

        long = pd.DataFrame(
            {
                "underlying": np.tile(self.underlyings, self.n),
                "spot_return": self.spot_return.ravel(),
                "vol_shift": self.vol_shift.ravel(),
                "origin": np.repeat(
                    np.where(np.arange(self.n) < self.n_historical, "historical", "simulated"), len(self.underlyings)
                ),
            }
        )
        return long.hvplot.scatter(
            x="spot_return", y="vol_shift", by="origin", groupby="underlying", dynamic=False, alpha=0.3, size=6
        ).layout()

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>" + str(self.to_frame().describe().loc[["mean", "std", "min", "max"]].to_html())

    def __repr__(self) -> str:
        horizon = pd.Timedelta(self.horizon_ns, unit="ns")
        return (
            f"ScenarioSet({self.n:,} scenarios, {self.n_historical:,} historical, of {', '.join(self.underlyings)}; "
            f"horizon {horizon}; id {self.set_id})"
        )
