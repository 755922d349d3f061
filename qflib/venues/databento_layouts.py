"""The layouts of DBN records by type and length, for every schema and version: databento_dbn's own.

Source: databento.com/docs/schemas-and-data-formats. Versions differ in a record's length where they differ at all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import databento_dbn as dbn
import numpy as np

UNDEFINED = (1 << 63) - 1  # a price
UNDEFINED_TIME = (1 << 64) - 1

MBP_0, MBP_1, MBP_10, STATUS, DEFINITION, IMBALANCE, STATISTICS = 0, 1, 10, 18, 19, 20, 24
ERROR, SYMBOL_MAPPING, SYSTEM = 21, 22, 23
OHLCV = (17, 32, 33, 34, 35, 36)
CMBP_1, CBBO_1S, CBBO_1M, TCBBO, BBO_1S, BBO_1M, TBBO = 177, 192, 193, 194, 195, 196, 197
MBO = 160


class Layout(NamedTuple):
    """How a record lies in its bytes, and what its columns are."""

    name: str
    dtype: np.dtype[Any]
    prices: frozenset[str]
    times: frozenset[str]
    hidden: frozenset[str]


def _layouts() -> dict[tuple[int, int], Layout]:
    """By record type and length; versions differ in length where they differ at all."""
    plain: list[tuple[tuple[int, ...], str, Any]] = [
        ((MBO,), "mbo", dbn.MBOMsg),
        ((MBP_0,), "trades", dbn.TradeMsg),
        ((MBP_1,), "mbp-1", dbn.MBP1Msg),
        ((TBBO,), "tbbo", dbn.MBP1Msg),
        ((MBP_10,), "mbp-10", dbn.MBP10Msg),
        ((BBO_1S,), "bbo-1s", dbn.BBOMsg),
        ((BBO_1M,), "bbo-1m", dbn.BBOMsg),
        ((CMBP_1,), "cmbp-1", dbn.CMBP1Msg),
        ((TCBBO,), "tcbbo", dbn.CMBP1Msg),
        ((CBBO_1S,), "cbbo-1s", dbn.CBBOMsg),
        ((CBBO_1M,), "cbbo-1m", dbn.CBBOMsg),
        (OHLCV, "ohlcv", dbn.OHLCVMsg),
        ((STATUS,), "status", dbn.StatusMsg),
        ((IMBALANCE,), "imbalance", dbn.ImbalanceMsg),
    ]
    versions = [
        ((DEFINITION,), "definition", "InstrumentDefMsg"),
        ((STATISTICS,), "statistics", "StatMsg"),
        ((ERROR,), "error", "ErrorMsg"),
        ((SYMBOL_MAPPING,), "symbol-mapping", "SymbolMappingMsg"),
        ((SYSTEM,), "system", "SystemMsg"),
    ]
    plain += [
        (types, name, getattr(module, cls)) for types, name, cls in versions for module in (dbn.v1, dbn.v2, dbn.v3)
    ]
    made: dict[tuple[int, int], Layout] = {}
    for types, name, cls in plain:
        dtype = np.dtype([(n, f"<{t}" if t[0] in "iu" else t) for n, t in cls._dtypes])
        layout = Layout(
            name,
            dtype,
            frozenset(cls._price_fields),
            frozenset(cls._timestamp_fields),
            frozenset(cls._hidden_fields) | {"length", "rtype"},
        )
        made |= {(t, dtype.itemsize): layout for t in types}
    return made


LAYOUTS = _layouts()
#: Types of records that a book needs nothing of.
PASSED_OVER = frozenset({DEFINITION, IMBALANCE, ERROR, SYMBOL_MAPPING, SYSTEM, *OHLCV})
