"""Every table and every record of the house, once.

Field numbers are published: a column is added with a new number, never renumbered, never reused.
Times are int64 nanoseconds UTC, prices integer ticks, quantities integer lots unless a column says otherwise.
"""

from __future__ import annotations

from qflib.records.risk_tables import (
    COMPONENTS,
    EVIDENCE,
    EXPLAIN,
    EXPOSURE,
    GREEKS,
    HEDGE_INSTRUMENTS,
    HEDGES,
    LIMITS,
    MIN_VARIANCE,
    POSITIONS,
    RISK,
    ROLLING,
    VECTORS,
)
from qflib.records.schema import Column as C
from qflib.records.schema import Record, Table
from qflib.records.step_tables import VALUES

FRAMES = Table(
    "Frames",
    (
        C("receipt_ns", "i64", 1, "when the frame was received"),
        C("position", "u64", 2, "place in the source: a line, byte or message number"),
        C("length", "u32", 3, "bytes of `payload` that are this frame's"),
        C("payload", "blob", 4, "the venue's own bytes, frame after frame"),
    ),
    "Frames as they came, of one connection.",
)
CONNECTION = Table(
    "Connection",
    (
        C("venue", "text", 1, "the venue's name in the table of venues"),
        C("connection", "text", 2, "which of its connections"),
        C("former_seq", "i64", 3, "last seq of the former epoch; -1: none"),
    ),
    "Where frames come from; one row.",
)
TICK = Table(
    "Tick",
    (
        C("time_ns", "i64", 1, "the source's time"),
        C("closing", "u32", 2, "1: the source has ended"),
    ),
    "The clock of a source; one row.",
)
MARKET_EVENTS = Table(
    "MarketEvents",
    (
        C("kind", "u32", 1, "EventKind"),
        C("flags", "u32", 2, "EventFlag bits"),
        C("instrument", "u32", 3, "row of the instrument table"),
        C("side", "u32", 4, "Side"),
        C("order_id", "u64", 5, "the venue's order id; 0: none"),
        C("price_ticks", "i64", 6),
        C("qty", "i64", 7, "lots; a TradingStatus where kind is STATUS"),
        C("venue_ns", "i64", 8, "the venue's own time; 0: not told"),
        C("receipt_ns", "i64", 9, "when we received it"),
    ),
    "What happened at the venues.",
)
SIGNALS = Table(
    "Signals",
    (
        C("signal_id", "text", 1),
        C("strategy", "text", 2),
        C("instrument", "u32", 3),
        C("direction", "i32", 4, "-1, 0 or 1"),
        C("strength", "f64", 5, "0 to 1"),
        C("horizon_ns", "i64", 6),
        C("valid_until_ns", "i64", 7),
        C("receipt_ns", "i64", 8),
    ),
    "Trading signals of external strategies.",
)
ORDERS = Table(
    "Orders",
    (
        C("action", "u32", 1, "OrderAction"),
        C("instrument", "u32", 2),
        C("side", "u32", 3, "Side"),
        C("ord_type", "u32", 4, "OrderType"),
        C("time_in_force", "u32", 5, "TimeInForce"),
        C("price_ticks", "i64", 6, "limit price; 0 at market"),
        C("qty", "i64", 7, "lots, positive"),
        C("account", "text", 8),
        C("portfolio", "text", 9),
        C("book", "u32", 10, "Book"),
        C("client_order_id", "text", 11, "unique an account"),
        C("orig_client_order_id", "text", 12, "the order to cancel or replace"),
        C("hedge_no", "u64", 13, "the hedger's own number an instrument; 0: not a hedge"),
        C("request_hash", "u64", 14, "first 8 bytes of the SHA-256 of the request"),
        C("sent_ns", "i64", 15, "market time at the sender"),
        C("options", "u32", 16, "OrderOption bits", sparse=True),
        C("expire_ns", "i64", 17, "market time at which a GTD order ends; 0: another one", sparse=True),
    ),
    "Orders as sent.",
)
BOOKINGS = Table(
    "Bookings",
    (
        C("booking_id", "text", 1, "applied once; a content hash where it comes from a file"),
        C("action", "u32", 2, "BookingAction"),
        C("instrument", "u32", 3),
        C("qty", "i64", 4, "signed lots"),
        C("price", "f64", 5, "average price in quote currency"),
        C("account", "text", 6),
        C("portfolio", "text", 7),
        C("book", "u32", 8, "Book"),
        C("to_account", "text", 9),
        C("to_portfolio", "text", 10),
        C("exec_id", "u64", 11, "the execution to bust"),
    ),
    "Positions booked, moved, exercised or undone by hand.",
)
CONTROLS = Table(
    "Controls",
    (
        C("control_id", "text", 1, "applied once"),
        C("kind", "u32", 2, "ControlKind"),
        C("portfolio", "text", 3, "empty: all"),
        C("instrument", "u32", 4, "ALL_INSTRUMENTS: all"),
        C("name", "text", 5, "the limit, or the scenario set's id"),
        C("value", "f64", 6),
    ),
    "Limits, kill switch, hedging, scenario sets.",
)
SCENARIO_SETS = Table(
    "ScenarioSets",
    (
        C("set_id", "text", 1, "hash of the content"),
        C("n_scenarios", "u32", 2),
        C("n_historical", "u32", 3, "the first so many are historical"),
        C("horizon_ns", "i64", 4),
        C("chunk", "u32", 5),
        C("chunks", "u32", 6),
        C("underlying", "text", 7, "whose shocks the chunk holds"),
        C("first", "u32", 8, "the chunk's first scenario"),
    ),
    "A chunk of a scenario set: some scenarios of one underlying; one row.",
)
SHOCKS = Table(
    "Shocks",
    (
        C("spot_return", "f64", 1, "simple return of the forward over the horizon"),
        C("vol_shift", "f64", 2, "absolute shift of implied volatility"),
    ),
    "Shocks of one underlying, joint with the others' by row; one row a scenario.",
)
EXECUTIONS = Table(
    "Executions",
    (
        C("exec_type", "u32", 1, "ExecType"),
        C("ord_status", "u32", 2, "OrderStatus"),
        C("reason", "u32", 3, "Reason"),
        C("instrument", "u32", 4),
        C("side", "u32", 5, "Side"),
        C("exec_id", "u64", 6, "unique a partition, rising by 1"),
        C("order_id", "u64", 7, "the exchange's id of our order"),
        C("contra_id", "u64", 8, "the order on the other side: the venue's id, or ours"),
        C("price_ticks", "i64", 9),
        C("qty", "i64", 10, "lots of this execution; signed for bookings, transfers and settlements"),
        C("cum_qty", "i64", 11),
        C("leaves_qty", "i64", 12),
        C("price", "f64", 13, "quote currency; exact where it need not be on a tick"),
        C("fee", "f64", 14, "settlement currency, positive is paid"),
        C("cash", "f64", 15, "settlement currency, positive is received"),
        C("liquidity", "u32", 16, "Liquidity"),
        C("account", "text", 17),
        C("portfolio", "text", 18),
        C("book", "u32", 19, "Book"),
        C("client_order_id", "text", 20),
        C("orig_client_order_id", "text", 21),
        C("hedge_no", "u64", 22),
        C("request_hash", "u64", 23),
        C("time_ns", "i64", 24, "exchange time"),
        C("to_portfolio", "text", 25, "where a transfer goes"),
        C("queue_ahead", "i64", 26, "venue lots in front of it at its price, of an order with TELL_QUEUE", sparse=True),
    ),
    "What became of orders and positions.",
)
PLACES = Table(
    "Places",
    (
        C("instrument", "u32", 1),
        C("order_id", "u64", 2, "the exchange's id of our order"),
        C("account", "text", 3),
        C("client_order_id", "text", 4),
        C("queue_ahead", "i64", 5, "venue lots in front of it at its price"),
        C("leaves_qty", "i64", 6),
        C("time_ns", "i64", 7, "market time"),
    ),
    "Where our resting orders stand in the venue's queues, of those with TELL_QUEUE whose place has changed.",
)
TOPS = Table(
    "Tops",
    (
        C("instrument", "u32", 1),
        C("bid_ticks", "i64", 2),
        C("bid_qty", "i64", 3, "0: no bid"),
        C("ask_ticks", "i64", 4),
        C("ask_qty", "i64", 5, "0: no ask"),
        C("last_ticks", "i64", 6, "last trade"),
        C("last_qty", "i64", 7, "0: no trade yet"),
        C("status", "u32", 8, "TradingStatus"),
        C("time_ns", "i64", 9, "receipt time of the newest event it reflects"),
        C("bid_depth", "i64", 10, "lots on the best five bid levels"),
        C("ask_depth", "i64", 11, "lots on the best five ask levels"),
    ),
    "Top of book, or an option's quote.",
)
DEPTH = Table(
    "Depth",
    (
        C("instrument", "u32", 1),
        C("side", "u32", 2),
        C("level", "u32", 3, "0 is the best"),
        C("price_ticks", "i64", 4),
        C("qty", "i64", 5),
    ),
    "Levels of the book, best first.",
)
TRADES = Table(
    "Trades",
    (
        C("instrument", "u32", 1),
        C("side", "u32", 2, "the aggressor's"),
        C("price_ticks", "i64", 3),
        C("qty", "i64", 4),
        C("venue_ns", "i64", 5),
        C("receipt_ns", "i64", 6),
    ),
    "Venue trades.",
)
DEAD = Table(
    "Dead",
    (
        C("topic", "text", 1, "where it came from"),
        C("source", "text", 2),
        C("epoch", "u64", 3),
        C("seq", "u64", 4),
        C("position", "u64", 5, "the frame's place in its source"),
        C("reason", "u32", 6, "DeadReason"),
        C("detail", "text", 7),
        C("receipt_ns", "i64", 8),
        C("length", "u32", 9),
        C("payload", "blob", 10, "the input's own bytes"),
    ),
    "Inputs that could not be used, with the reason.",
)

INPUT_MARKS = Table(
    "InputMarks",
    (
        C("input", "text", 1, "topic of the input"),
        C("offset", "u64", 2, "its offset in the partition that the mark lies in"),
        C("source", "text", 3, "who numbered it; empty where it could not be read"),
        C("epoch", "u64", 4),
        C("seq", "u64", 5),
        C("crc", "u32", 6, "the checksum in its header; 0 where it could not be read"),
        C("dead", "u32", 7, "1: it went to the dead letters"),
        C("version", "text", 8, "of the step that took it in"),
    ),
    "An input that a stage has taken in: the order of the marks is the order in which its inputs were merged.",
)
SNAPSHOTS = Table(
    "Snapshots",
    (
        C("snapshot_id", "text", 1, "SHA-256 of the whole state"),
        C("chunk", "u32", 2),
        C("chunks", "u32", 3),
        C("length", "u64", 4, "bytes of the whole state"),
        C("version", "text", 5, "of the step whose state it is"),
        C("batches", "u64", 6, "inputs taken in since the beginning"),
        C("journal_offset", "i64", 7, "marks below this are in the state; -1: not known"),
        C("graceful", "u32", 8, "1: taken at a graceful stop, nothing follows it"),
        C("payload", "blob", 9, "the chunk's bytes"),
    ),
    "A chunk of a state; one row.",
)
NEXT_OFFSETS = Table(
    "NextOffsets",
    (
        C("input", "text", 1, "topic of an input"),
        C("offset", "u64", 2, "the first that is not in the state"),
    ),
    "How far a state has read; one row an input, in the last chunk.",
)

ALL_INSTRUMENTS = 0xFFFF_FFFF

RAW = Record("raw", "RawBatch", 1, (("connection", CONNECTION, 1), ("frames", FRAMES, 2)))
CLOCK = Record("clock", "Clock", 2, (("tick", TICK, 1),))
MARKET = Record("market", "MarketBatch", 3, (("events", MARKET_EVENTS, 1),))
SIGNAL = Record("signal", "SignalBatch", 4, (("signals", SIGNALS, 1),))
ORDER = Record("order", "OrderBatch", 5, (("orders", ORDERS, 1),))
BOOKING = Record("booking", "BookingBatch", 6, (("bookings", BOOKINGS, 1),))
CONTROL = Record(
    "control", "ControlBatch", 7, (("controls", CONTROLS, 1), ("scenario_set", SCENARIO_SETS, 2), ("shocks", SHOCKS, 3))
)
EXECUTION = Record("execution", "ExecutionBatch", 8, (("executions", EXECUTIONS, 1),))
MARKS = Record(
    "marks",
    "MarksBatch",
    9,
    (
        ("tick", TICK, 1),
        ("tops", TOPS, 2),
        ("depth", DEPTH, 3),
        ("controls", CONTROLS, 4),
        ("scenario_set", SCENARIO_SETS, 5),
        ("shocks", SHOCKS, 6),
    ),
)
EXPOSURES = Record(
    "exposures",
    "ExposureBatch",
    10,
    (
        ("exposure", EXPOSURE, 1),
        ("greeks", GREEKS, 2),
        ("vectors", VECTORS, 3),
        ("positions", POSITIONS, 4),
        ("hedge_instruments", HEDGE_INSTRUMENTS, 5),
        ("depth", DEPTH, 6),
        ("controls", CONTROLS, 7),
        ("scenario_set", SCENARIO_SETS, 8),
        ("shocks", SHOCKS, 9),
        ("forecast", VECTORS, 10),
        ("explain", EXPLAIN, 11),
        ("min_variance", MIN_VARIANCE, 12),
    ),
)
RISK_REPORT = Record(
    "risk",
    "RiskReport",
    11,
    (
        ("risk", RISK, 1),
        ("positions", POSITIONS, 2),
        ("greeks", GREEKS, 3),
        ("limits", LIMITS, 4),
        ("hedges", HEDGES, 5),
        ("explain", EXPLAIN, 6),
        ("min_variance", MIN_VARIANCE, 7),
    ),
)
ANALYTICS = Record(
    "analytics",
    "AnalyticsBatch",
    12,
    (
        ("tops", TOPS, 1),
        ("depth", DEPTH, 2),
        ("trades", TRADES, 3),
        ("rolling", ROLLING, 4),
        ("orders", ORDERS, 5),
        ("places", PLACES, 6),
        ("components", COMPONENTS, 8),
        ("evidence", EVIDENCE, 7),
        ("values", VALUES, 9),
    ),
)
DEAD_LETTER = Record("dead", "DeadLetter", 13, (("dead", DEAD, 1),))
INPUT_MARK = Record("mark", "InputMark", 14, (("marks", INPUT_MARKS, 1),))
SNAPSHOT = Record("snapshot", "Snapshot", 15, (("snapshot", SNAPSHOTS, 1), ("next", NEXT_OFFSETS, 2)))

RECORDS: tuple[Record, ...] = (
    RAW,
    CLOCK,
    MARKET,
    SIGNAL,
    ORDER,
    BOOKING,
    CONTROL,
    EXECUTION,
    MARKS,
    EXPOSURES,
    RISK_REPORT,
    ANALYTICS,
    DEAD_LETTER,
    INPUT_MARK,
    SNAPSHOT,
)
BY_KIND: dict[str, Record] = {r.kind: r for r in RECORDS}
TABLES: tuple[Table, ...] = tuple({t.name: t for r in RECORDS for _, t, _ in r.tables}.values())
