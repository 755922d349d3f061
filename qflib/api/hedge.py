"""The JSON forms of hedges: where they stand, what re-hedging costs, their frontier, and how well they did."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from msgspec import Struct

from qflib.api.shapes import age_ms, rfc3339
from qflib.records.decimals import decimal_text
from qflib.views.hedging import period_of
from qflib.views.rehedging import Frontiers, HedgeState, Rehedge, hedge_states, realised_cut

if TYPE_CHECKING:
    from qflib.views import Views
    from qflib.views.report import Report


class RehedgeForm(Struct, frozen=True):
    """A trade in the hedge instrument now: signed quantity, what the book holds of it, its cost against the mid."""

    qty: str
    filled: str
    avg_price: str | None
    cost: float | None
    fees: float | None


class HedgeRow(Struct, frozen=True):
    """One underlying's hedge; contracts of the instrument, deltas in the reporting currency per 1.00 of the price.

    `correction` is what the least-variance fit that is in use adds to the clients' delta; `ratio` is the hedged share
    of both. The next order falls where the price leaves `next_below` to `next_above`, gamma and band as they are now;
    null: at none.
    """

    underlying: str
    instrument: str | None
    client_delta: float | None
    hedge_delta: float | None
    correction: float | None
    gamma: float | None
    ratio: float | None
    unit_delta: float | None
    net: float | None
    position: float | None
    working: float | None
    neutral: float | None
    halfwidth: float | None
    mid: float | None
    half_spread: float | None
    next_below: float | None
    next_above: float | None
    to_neutral: RehedgeForm
    to_edge: RehedgeForm
    book_seq: int
    book_age_ms: int | None


class EffectivenessForm(Struct, frozen=True):
    """How much of the clients' P&L the hedges took away, over past periods; ES is of one period's P&L."""

    underlying: str | None
    effectiveness: float | None
    es_before: float | None
    es_after: float | None
    slope: float | None
    slope_se: float | None
    r2: float | None
    n: int
    passes: bool


class HedgeForm(Struct, frozen=True):
    """The hedges of a portfolio.

    `cost` is what this portfolio's fills have cost against the mid since `since`, `fees` theirs; null: none is known.
    `es_cut_per_cost` is what hedges take off the report's ES now, a unit of both. `effectiveness` has the whole first,
    then each underlying.
    """

    portfolio: str
    seq: int
    time: str
    time_ns: int
    age_ms: int
    currency: str
    risk_aversion: float | None
    es_unhedged: float | None
    es_current: float | None
    since: str | None
    cost: float | None
    fees: float | None
    es_cut_per_cost: float | None
    period_ns: int
    items: list[HedgeRow]
    effectiveness: list[EffectivenessForm]


class FrontierPoint(Struct, frozen=True):
    """A size of the hedge: contracts, share of the delta-neutral size, ES without cost, and cost.

    `cost` takes the whole off the live book, `cost_now` goes there from what is held; null: the book has not so much.
    """

    qty: float
    ratio: float | None
    es: float
    cost: float | None
    cost_now: float | None


class FrontierForm(Struct, frozen=True):
    """ES of the whole portfolio against the cost of one underlying's hedge, from none to over-hedged."""

    portfolio: str
    underlying: str
    instrument: str
    level: float
    currency: str
    set_id: str
    seq: int
    book_seq: int
    time: str
    time_ns: int
    age_ms: int
    held: float
    neutral: float
    best: float
    points: list[FrontierPoint]


def hedge_form(views: Views, report: Report, now_ns: int) -> HedgeForm:
    """The hedges of a report as JSON shows them; O(positions + reports remembered)."""
    stamp, config, band = report.stamp, views.deployment.config, views.deployment.hedger
    counts = views.risk.hedge_counts(report.portfolio)
    since, known = int(counts["since_ns"]), bool(counts["fills"])
    states = hedge_states(views, report)
    told = [
        made
        for u in ("", *(s.underlying for s in states))
        if (made := _effectiveness(views, report.portfolio, u)) is not None
    ]
    return HedgeForm(
        report.portfolio, stamp.seq, rfc3339(stamp.time_ns), stamp.time_ns, age_ms(stamp.append_ns, now_ns),
        config.currency, None if band is None else band.risk_aversion, report.figure("es_unhedged"),
        report.figure("es_current"), rfc3339(since) if since else None,
        counts["cost"] if known else None, counts["fees"] if known else None,
        realised_cut(report, counts["cost"] + counts["fees"]), period_of(config.outcome_ns),
        [_row(views, s, now_ns) for s in states], told,
    )  # fmt: skip


def frontier_form(frontiers: Frontiers, portfolio: str, underlying: str, now_ns: int) -> FrontierForm:
    """A frontier as JSON shows it; computed at most once in a while."""
    made = frontiers.get(portfolio, underlying)
    f, report, stamp = made.frontier, made.report, made.report.stamp
    columns = (f.points[c].tolist() for c in FrontierPoint.__struct_fields__)
    return FrontierForm(
        portfolio, underlying, f.instrument, f.level, f.currency, report.batch.risk.set_id[0].decode(), stamp.seq,
        made.book_seq, rfc3339(stamp.time_ns), stamp.time_ns, age_ms(stamp.append_ns, now_ns), f.held, f.neutral,
        f.best, [FrontierPoint(*row) for row in zip(*columns, strict=True)],
    )  # fmt: skip


def _row(views: Views, s: HedgeState, now_ns: int) -> HedgeRow:
    told = {n: getattr(s, n) for n in HedgeRow.__struct_fields__ if n not in ("book_age_ms", "instrument")}
    told["to_neutral"], told["to_edge"] = _trade(s.to_neutral), _trade(s.to_edge)
    age = age_ms(s.book_append_ns, now_ns) if s.book_append_ns else None
    return HedgeRow(instrument=s.instrument or None, book_age_ms=age, **told)


def _trade(t: Rehedge) -> RehedgeForm:
    price = decimal_text(t.avg_price) if isfinite(t.avg_price) else None
    return RehedgeForm(decimal_text(t.qty), decimal_text(t.filled), price, t.cost, t.fees)


def _effectiveness(views: Views, portfolio: str, underlying: str) -> EffectivenessForm | None:
    e = views.hedging.effectiveness(portfolio, underlying, period_of(views.deployment.config.outcome_ns))
    if e is None:
        return None
    figures = (e.effectiveness, e.es_before, e.es_after, e.slope, e.slope_se, e.r2)
    return EffectivenessForm(underlying or None, *figures, e.n, e.passes)
