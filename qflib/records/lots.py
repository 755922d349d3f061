"""What one lot of an instrument stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from qflib.records.instruments import Instruments


def lot_units(instruments: Instruments) -> NDArray[np.float64]:
    """Units of the underlying (or quote currency, inverse) that one lot stands for, (instruments,); O(instruments).

    Examples
    --------
    >>> from qflib.records import Instrument, Instruments
    >>> coin = Instrument("BTC-PERPETUAL", kind="perpetual", underlying="BTC", inverse=True, contract_value=10.0)
    >>> lot_units(Instruments((Instrument("ACME.F", kind="spot", multiplier=100.0), coin))).tolist()
    [100.0, 10.0]
    """
    lots = instruments.lot_num / instruments.lot_den
    per_contract = [r.contract_value if is_inverse_future(r) else r.multiplier for r in instruments]
    return np.asarray(lots * np.array(per_contract), np.float64)


def is_inverse_future(instrument: Any) -> bool:
    """Whether P&L is in coin while the price is in quote currency; O(1).

    Examples
    --------
    >>> from qflib.records import Instrument
    >>> is_inverse_future(Instrument("ACME.F", kind="spot"))
    False
    """
    return bool(instrument.inverse and instrument.kind in ("future", "perpetual"))
