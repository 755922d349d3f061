"""Every message of NASDAQ TotalView-ITCH 5.0: type, name, fields. Big-endian; symbols are padded with spaces.

Source: Nasdaq TotalView-ITCH 5.0 specification, section 1 (with ``O``, the direct listing, of 2021). Prices are in
1/10,000 dollar, those of ``V`` in 1/100,000,000; times are nanoseconds since midnight in New York.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_HEAD = "type:S1 stock_locate:u2 tracking_number:u2 timestamp:u6 "
_ORDER = "order_reference_number:u8 "
_ADD = _ORDER + "buy_sell_indicator:S1 shares:u4 stock:S8 price:u4 "

#: Type, name, fields after the head.
_TABLE = (
    ("S", "system_event", "event_code:S1"),
    ("R", "stock_directory",
     "stock:S8 market_category:S1 financial_status_indicator:S1 round_lot_size:u4 round_lots_only:S1 "
     "issue_classification:S1 issue_sub_type:S2 authenticity:S1 short_sale_threshold_indicator:S1 ipo_flag:S1 "
     "luld_reference_price_tier:S1 etp_flag:S1 etp_leverage_factor:u4 inverse_indicator:S1"),
    ("H", "stock_trading_action", "stock:S8 trading_state:S1 reserved:S1 reason:S4"),
    ("Y", "reg_sho_restriction", "stock:S8 reg_sho_action:S1"),
    ("L", "market_participant_position",
     "mpid:S4 stock:S8 primary_market_maker:S1 market_maker_mode:S1 market_participant_state:S1"),
    ("V", "mwcb_decline_level", "level_1:u8 level_2:u8 level_3:u8"),
    ("W", "mwcb_status", "breached_level:S1"),
    ("K", "ipo_quoting_period_update",
     "stock:S8 ipo_quotation_release_time:u4 ipo_quotation_release_qualifier:S1 ipo_price:u4"),
    ("J", "luld_auction_collar",
     "stock:S8 auction_collar_reference_price:u4 upper_auction_collar_price:u4 lower_auction_collar_price:u4 "
     "auction_collar_extension:u4"),
    ("h", "operational_halt", "stock:S8 market_code:S1 operational_halt_action:S1"),
    ("A", "add_order", _ADD),
    ("F", "add_order_mpid", _ADD + "attribution:S4"),
    ("E", "order_executed", _ORDER + "executed_shares:u4 match_number:u8"),
    ("C", "order_executed_with_price", _ORDER + "executed_shares:u4 match_number:u8 printable:S1 execution_price:u4"),
    ("X", "order_cancel", _ORDER + "cancelled_shares:u4"),
    ("D", "order_delete", _ORDER),
    ("U", "order_replace",
     "original_order_reference_number:u8 new_order_reference_number:u8 shares:u4 price:u4"),
    ("P", "trade", _ADD + "match_number:u8"),
    ("Q", "cross_trade", "shares:u8 stock:S8 cross_price:u4 match_number:u8 cross_type:S1"),
    ("B", "broken_trade", "match_number:u8"),
    ("I", "net_order_imbalance",
     "paired_shares:u8 imbalance_shares:u8 imbalance_direction:S1 stock:S8 far_price:u4 near_price:u4 "
     "current_reference_price:u4 cross_type:S1 price_variation_indicator:S1"),
    ("N", "retail_price_improvement", "stock:S8 interest_flag:S1"),
    ("O", "direct_listing",
     "stock:S8 open_eligibility_status:S1 minimum_allowable_price:u4 maximum_allowable_price:u4 "
     "near_execution_price:u4 near_execution_time:u8 lower_price_range_collar:u4 upper_price_range_collar:u4"),
)  # fmt: skip


class Message(NamedTuple):
    """A type of message: its letter, its name, and its layout, in which a 6-byte time is two fields (high, low)."""

    type: str
    name: str
    dtype: np.dtype[Any]


def _layout(fields: str) -> np.dtype[Any]:
    out: list[tuple[str, str]] = []
    for field in fields.split():
        name, kind = field.split(":")
        if kind == "u6":
            out += [(f"{name}_high", ">u2"), (f"{name}_low", ">u4")]
        else:
            out.append((name, kind if kind[0] == "S" else f">{kind}"))
    return np.dtype(out)


#: By type, in the order of the specification.
MESSAGES: dict[str, Message] = {t: Message(t, name, _layout(_HEAD + fields)) for t, name, fields in _TABLE}

#: (2, 256) int64, read-only: by a type's byte the message's length (0: no such type), and where its stock stands (0:
#: it has none).
SHAPES: NDArray[np.int64] = np.zeros((2, 256), np.int64)
for _m in MESSAGES.values():
    SHAPES[0, ord(_m.type)] = _m.dtype.itemsize
    if _m.dtype.fields is not None and "stock" in _m.dtype.fields:
        SHAPES[1, ord(_m.type)] = _m.dtype.fields["stock"][1]
SHAPES.setflags(write=False)


def columns(kind: str, bodies: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Messages of one type as columns of native integers and text without its padding.

    Parameters
    ----------
    kind
        The type's letter.
    bodies
        (messages, length) bytes, without the two-byte lengths.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.venues.itch_messages import columns
    >>> body = b"S" + bytes([0, 7, 0, 0]) + (34_200 * 10**9).to_bytes(6) + b"Q"
    >>> made = columns("S", np.frombuffer(body, np.uint8).reshape(1, -1))
    >>> made["stock_locate"].tolist(), made["timestamp"].tolist(), made["event_code"].tolist()
    ([7], [34200000000000], ['Q'])
    """
    rows = np.ascontiguousarray(bodies).view(MESSAGES[kind].dtype).reshape(-1)
    made: dict[str, NDArray[Any]] = {}
    for name in rows.dtype.names or ():
        values = rows[name]
        if name.endswith("_high"):
            low = rows[f"{name[:-5]}_low"]
            made[name[:-5]] = (values.astype(np.int64) << 32) | low
        elif values.dtype.kind == "S":
            made[name] = np.array([v.decode("latin-1").rstrip(" ") for v in values.tolist()], object)
        elif not name.endswith("_low"):
            made[name] = values.astype(np.uint64 if values.dtype.itemsize == 8 else np.int64)
    return made
