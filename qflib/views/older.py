"""What the history tells of before a reader's first offsets: topics keep a day, a desk runs for longer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from qflib.errors import MalformedRecordError, TornBatchError
from qflib.history.kept import BATCHES, KEPT
from qflib.history.reading import columns_of
from qflib.history.where import Condition, field
from qflib.records import Batch, ControlKind, ExecType, OrderAction, OrderStatus, Reason
from qflib.records.codec import decode
from qflib.records.topics import ORDERS_EXECUTED, ORDERS_INCOMING, RISK_METRICS
from qflib.views.places import Place

if TYPE_CHECKING:
    from qflib.history import History

_ORIGIN = ("partition", "offset", "row")
_SETS = 2  # scenario sets: the newest may not be whole
_log = structlog.get_logger(__name__)
_OVER = (int(ExecType.REJECTED), int(ExecType.CANCELLED), int(ExecType.EXPIRED))


class Rows(NamedTuple):
    """Rows of a column table by the time that Kafka had them, and where each comes from."""

    columns: Any
    cursors: list[tuple[int, int, int, int]]  # append time in ms, partition, offset, row


class Older:
    """A cluster's history before some offsets.

    Parameters
    ----------
    history
        The store.
    cluster
        Kafka's id of the cluster.
    starts
        The first offset, by topic and partition, that does not belong to it.

    Notes
    -----
    Each question is O(rows) of few columns of its table.
    """

    def __init__(self, history: History, cluster: str, starts: Mapping[Place, int]) -> None:
        self._history, self._cluster, self._starts = history, cluster, starts
        self._known = cluster in history.clusters

    def controls(self) -> list[Batch]:
        """Control records, as they were sent: limits, kill switches, and the newest scenario sets."""
        told = self._scan("controls", ORDERS_INCOMING, ["partition", "offset", "kind", "name"])
        told = self._in_order(told, ORDERS_INCOMING)
        is_set = pc.equal(told["kind"], int(ControlKind.SCENARIO_SET))
        newest = list(dict.fromkeys(reversed(told.filter(is_set)["name"].to_pylist())))[:_SETS]
        bounds = pc.is_in(told["kind"], pa.array([int(ControlKind.LIMIT), int(ControlKind.KILL_SWITCH)], pa.int32()))
        wanted = told.filter(pc.or_(bounds, pc.and_(is_set, pc.is_in(told["name"], pa.array(newest, pa.string())))))
        places = dict.fromkeys(zip(wanted["partition"].to_pylist(), wanted["offset"].to_pylist(), strict=True))
        values = self._values(ORDERS_INCOMING, wanted)
        made = []
        for at in places:
            try:
                batch = decode(values.get(at) or b"")
            except (MalformedRecordError, TornBatchError) as e:
                _log.warning("control passed over", partition=at[0], offset=at[1], reason=str(e))
                continue
            if batch.kind == "control":
                made.append(batch)
        return made

    def hedges(self) -> tuple[Any, Any, Any]:
        """Hedge decisions, and orders and executions of hedges; columns by rising place."""
        hedge, priced = field("hedge_no") > 0, field("price") > 0
        told = field("exec_type").isin([int(ExecType.FILL), int(ExecType.REJECTED)])
        return (
            self._columns("hedges", RISK_METRICS, priced),
            self._columns("orders", ORDERS_INCOMING, hedge),
            self._columns("executions", ORDERS_EXECUTED, hedge & told),
        )

    def orders(self) -> tuple[Rows, Rows]:
        """Requests that may still trade, and executions of them and of requests that are not older themselves."""
        if self._before(ORDERS_INCOMING) is None and self._before(ORDERS_EXECUTED) is None:
            return _no_rows("orders"), _no_rows("executions")
        names = [*_ORIGIN, "account", "client_order_id"]
        sent = self._history.scan("orders", [*names, "action"], self._mine()) if self._known else _none("orders")
        sent = sent.append_column("key", _key(sent, "client_order_id"))
        old = self._is_older(sent, ORDERS_INCOMING)
        executed = self._scan("executions", ORDERS_EXECUTED,
                              [*names, "orig_client_order_id", "exec_type", "ord_status", "reason"])  # fmt: skip
        executed = executed.append_column("key", _key(executed, "client_order_id"))
        executed = executed.append_column("orig", _key(executed, "orig_client_order_id"))
        new = pc.not_equal(sent["action"], int(OrderAction.CANCEL))
        may_trade = sent.filter(pc.and_(old, new))["key"]
        may_trade = may_trade.filter(pc.invert(pc.is_in(may_trade, _over(executed))))
        later = sent.filter(pc.invert(old))["key"]
        named = pc.or_(pc.is_in(later, executed["key"]), pc.is_in(later, executed["orig"]))
        wanted = _chained(pc.unique(pa.chunked_array([*may_trade.chunks, *later.filter(named).chunks], pa.string())),
                          executed)  # fmt: skip
        of = pc.or_(pc.is_in(executed["key"], wanted), pc.is_in(executed["orig"], wanted))
        return (
            self._rows("orders", ORDERS_INCOMING, sent.filter(pc.and_(old, pc.is_in(sent["key"], wanted)))),
            self._rows("executions", ORDERS_EXECUTED, executed.filter(of)),
        )

    def _mine(self) -> Condition:
        return field("cluster") == self._cluster

    def _before(self, topic: str) -> Condition | None:
        """Rows of a topic's records that lie before their partition's start; None: there are none."""
        ends = [(p, n) for (t, p), n in self._starts.items() if t == topic and n > 0]
        return reduce(or_, ((field("partition") == p) & (field("offset") < n) for p, n in ends)) if ends else None

    def _is_older(self, rows: pa.Table, topic: str) -> pa.ChunkedArray:
        older = pa.chunked_array([pa.repeat(False, rows.num_rows)])
        for (t, p), n in self._starts.items():
            if t == topic:
                at = pc.and_(pc.equal(rows["partition"], p), pc.less(rows["offset"], n))
                older = pc.or_(older, at)
        return older

    def _scan(self, table: str, topic: str, columns: list[str] | None, where: Condition | None = None) -> pa.Table:
        before = self._before(topic)
        if before is None or not self._known:
            return _none(table, columns)
        asked = self._mine() & before
        return self._history.scan(table, columns, asked if where is None else asked & where)

    def _columns(self, table: str, topic: str, where: Condition) -> Any:
        rows = self._scan(table, topic, None, where)
        return columns_of(KEPT[table], rows.sort_by([(c, "ascending") for c in _ORIGIN]))

    def _rows(self, table: str, topic: str, places: pa.Table) -> Rows:
        """Whole rows of these places."""
        wanted = places.select(_ORIGIN)
        if not wanted.num_rows:
            return _no_rows(table)
        rows = self._history.scan(table, None, self._mine() & _offsets(wanted))
        rows = rows.join(wanted, keys=list(_ORIGIN), join_type="inner")
        rows = self._in_order(rows, topic)
        origin = (rows[c].to_pylist() for c in ("append_ns", *_ORIGIN))
        cursors = [(ns // 1_000_000, p, o, row) for ns, p, o, row in zip(*origin, strict=True)]
        return Rows(columns_of(KEPT[table], rows), cursors)

    def _in_order(self, rows: pa.Table, topic: str) -> pa.Table:
        """Rows with their append time, by it."""
        if not rows.num_rows:
            return rows.append_column("append_ns", pa.array([], pa.int64()))
        where = self._mine() & (field("topic") == topic) & _offsets(rows)
        appended = self._history.scan(BATCHES, ["partition", "offset", "append_ns"], where)
        joined = rows.join(appended, keys=["partition", "offset"], join_type="inner")
        by = [c for c in ("append_ns", *_ORIGIN) if c in joined.column_names]
        return joined.sort_by([(c, "ascending") for c in by])

    def _values(self, topic: str, places: pa.Table) -> dict[tuple[int, int], bytes | None]:
        if not places.num_rows:
            return {}
        where = self._mine() & (field("topic") == topic) & _offsets(places)
        rows = self._history.scan(BATCHES, ["partition", "offset", "value"], where)
        return {(r["partition"], r["offset"]): r["value"] for r in rows.to_pylist()}


def _none(table: str, columns: list[str] | None = None) -> pa.Table:
    schema = KEPT[table].schema
    return pa.table({n: pa.array([], schema.field(n).type) for n in columns or schema.names})


def _no_rows(table: str) -> Rows:
    return Rows(columns_of(KEPT[table], _none(table)), [])


def _offsets(places: pa.Table) -> Condition:
    """Rows of these offsets, as a condition; an offset of another partition may pass."""
    ends = pc.min_max(places["offset"])
    offsets, partitions = pc.unique(places["offset"]), pc.unique(places["partition"])
    # by the ends, files are left out
    inside: Condition = (field("offset") >= ends["min"].as_py()) & (field("offset") <= ends["max"].as_py())
    return inside & field("partition").isin(partitions) & field("offset").isin(offsets)


def _key(rows: pa.Table, name: str) -> pa.ChunkedArray:
    """Account and an id, as one text; null where there is no id."""
    joined = pc.binary_join_element_wise(rows["account"], rows[name], "\x00")
    return pc.if_else(pc.equal(rows[name], ""), pa.scalar(None, pa.string()), joined)


def _over(executed: pa.Table) -> pa.Array:
    """Names of requests that will not trade: their own executions say so, or those of what cancelled or replaced it."""
    again = pc.equal(executed["reason"], int(Reason.DUPLICATE_CLIENT_ORDER_ID))  # it speaks of a second request
    kind = executed["exec_type"]
    ended = pc.or_(pc.is_in(kind, pa.array(_OVER, pa.int32())),
                   pc.equal(executed["ord_status"], int(OrderStatus.FILLED)))  # fmt: skip
    by_other = pc.is_in(kind, pa.array((int(ExecType.CANCELLED), int(ExecType.REPLACED)), pa.int32()))
    own = executed.filter(pc.and_(ended, pc.invert(again)))["key"]
    return pc.unique(pa.chunked_array([*own.chunks, *executed.filter(by_other)["orig"].chunks], pa.string()))


def _chained(names: pa.Array, executed: pa.Table) -> pa.Array:
    """These names, and those that they replaced or were replaced by."""
    replaced = executed.filter(pc.equal(executed["exec_type"], int(ExecType.REPLACED)))
    while True:
        before = replaced.filter(pc.is_in(replaced["key"], names))["orig"]
        after = replaced.filter(pc.is_in(replaced["orig"], names))["key"]
        more = pc.unique(pa.chunked_array([names, *before.chunks, *after.chunks], pa.string()))
        if len(more) == len(names):
            return more
        names = more
