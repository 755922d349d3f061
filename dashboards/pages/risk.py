"""Risk: shortfall, its limit and causes, outcomes and evidence against forecasts, Greeks, moves, hedges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.components.bullet import Bullet
from dashboards.components.moves import Moves
from dashboards.components.table import Table
from dashboards.components.waterfall import Waterfall
from dashboards.desk import SPOT, VOL
from dashboards.pages import risk_components
from dashboards.pages.page import Page
from dashboards.pages.risk_evidence import PROOF, Judged
from dashboards.pages.risk_pictures import Pictures
from dashboards.pages.risk_tables import GREEKS, HEDGES, greek_rows, hedge_rows
from dashboards.tile import Age, Tile

if TYPE_CHECKING:
    from dashboards.access import Login
    from dashboards.desk import SharedDesk
    from qflib.views.report import Report


class RiskPage(Page):
    """The desk's portfolio."""

    name, title = "risk", "Risk"

    def __init__(self, desk: SharedDesk, login: Login) -> None:
        super().__init__(desk, login)
        self.bullet, self.moves = Bullet(ready=self._restart), Moves(ready=self._restart)
        self.by_position, self.by_greek = Waterfall(ready=self._restart), Waterfall(ready=self._restart)
        self.greeks = Table(GREEKS, ready=self._restart, empty="No report yet.")
        self.hedges = Table(HEDGES, ready=self._restart, empty="No hedge has been traded yet.")
        self.pictures = Pictures(self.views.risk, self.views.shortfall, desk.portfolio)
        self.judged = Judged(self.views.shortfall, desk.portfolio)
        self.proof = Table(PROOF, ready=self._restart, empty="No outcome yet.")
        self._seq, self._ladder_ns, self._caused_ns = -1, -1, -1
        self._caused = (-1, 0)  # sequence and append time of the report that the contributions are of
        self._drawn: Report | None = None  # what the slow tiles show
        self.tiles = [
            Tile("bullet", "Loss over a day", self.bullet, self.report_age, desk.portfolio),
            Tile("es", "Expected shortfall", self.pictures.es, self._drawn_age),
            Tile("outcomes", "Outcomes against VaR", self.pictures.outcomes, self._outcome_age),
            Tile("pnl", "P&L", self.pictures.pnl, self._drawn_age),
            Tile("ladder2", "P&L by spot and vol", self.moves, self._ladder_age),
            Tile(
                "greeks", "Greeks", self.greeks, self._drawn_age, "cash gamma of 1 %, vega of a point, theta of a day"
            ),
            Tile("hedges", "Hedges", self.hedges, self._hedge_age),
            Tile("by_position", "Who causes the shortfall", self.by_position, self._caused_age),
            Tile("by_greek", "Shortfall by Greek", self.by_greek, self._caused_age),
            Tile("evidence", "Evidence against ES", self.judged.evidence, self._evidence_age),
            Tile("measured", "ES of outcomes", self.judged.es, self._outcome_age),
            Tile("proof", "Evidence now", self.proof, self._proof_age),
        ]

    def fast(self) -> None:
        """The bullet: a report comes up to four times a second."""
        report = self.views.risk.latest(self.desk.portfolio)
        if report is not None and report.stamp.seq != self._seq:
            self._seq = report.stamp.seq
            self._tell_bullet(report)

    def slow(self) -> None:
        """Pictures, tables, the ladder of moves."""
        report = self._drawn = self.views.risk.latest(self.desk.portfolio)
        self.pictures.extend()
        self.judged.extend(self.pictures.seen)
        self.proof.show(self.judged.rows)
        self.hedges.show(hedge_rows(self.views))
        self._tell_causes()
        made = self.desk.ladder()
        if made is not None and made.at_ns != self._ladder_ns and self.moves.is_ready:
            self._ladder_ns = made.at_ns
            grid = {} if made.pnl is None else {"spot": SPOT, "vol": VOL, "pnl": made.pnl.tolist()}
            self.moves.send(grid or {"text": made.error})
        if report is not None:
            self.greeks.show(greek_rows(report))

    def _restart(self) -> None:
        self._seq = self._ladder_ns = self._caused_ns = -1
        for table in (self.greeks, self.hedges, self.proof):
            table.again()
        self.fast()
        self.slow()

    def _tell_bullet(self, report: Report) -> None:
        risk, limits = report.risk, report.limits
        es = limits.loc["max_es"] if "max_es" in limits.index else None
        rows = []
        for k, (level, r) in enumerate(risk.iterrows()):
            for name in ("es", "var"):
                bound = float(es["bound"]) if es is not None and name == "es" and k == 0 else None
                rows.append(
                    {
                        "name": f"{'ES' if name == 'es' else 'VaR'} {100 * float(level):g} %",
                        **{n: float(r[f"{name}_{n}"]) for n in ("current", "unhedged", "target")},
                        "limit": bound, "breached": bool(bound is not None and es is not None and es["breached"]),
                    }
                )  # fmt: skip
        now = report.figure("es_current")
        before = report.figure("es_unhedged")
        cut = f"{1 - now / before:.0%} less than unhedged" if before > 0 else ""
        used = f"{now / float(es['bound']):.0%} of the limit" if es is not None and float(es["bound"]) > 0 else ""
        big = [
            ["ES now", _money(now), "bad" if es is not None and es["breached"] else "", used or cut],
            ["P&L", _money(report.pnl, signed=True), "up" if report.pnl > 0 else "down", self.desk.currency],
            ["Hedging has cost", _money(self.views.risk.hedge_counts()["cost"]), "", "against the mid"],
        ]
        level = f"{100 * float(risk.index[0]):g} %"
        text = "no limit is set (limits.es)" if es is None else f"of ES {level} alone"
        self.bullet.send(
            {"rows": rows, "big": big, "limited": None if es is None else float(es["bound"]), "text": text}
        )

    def _tell_causes(self) -> None:
        """Anew where others have been told: once in an outcome's horizon."""
        view, portfolio = self.views.components, self.desk.portfolio
        at_ns = view.time_ns(portfolio)
        if at_ns == self._caused_ns or not (self.by_position.is_ready and self.by_greek.is_ready):
            return
        self._caused_ns, self._caused = at_ns, self.pictures.report_at(at_ns)
        told = view.latest(portfolio)
        text = "" if at_ns else "No report has told yet who causes it."
        self.by_position.send({"rows": risk_components.position_rows(told), "text": text, "zero": True, "worse": True})
        self.by_greek.send({"rows": risk_components.greek_rows(told), "text": text, "worse": True})

    def _caused_age(self) -> Age:
        """Of the report that the contributions are of."""
        horizon = self.views.deployment.config.outcome_ns / 1e9
        note = f"positive adds to it; every {horizon:g} s"
        return Age(*self._caused, self.report_age().alive_ns, note)

    def _drawn_age(self) -> Age:
        """Of the report that the slow tiles show: the newest is up to a second ahead of it."""
        alive_ns = self.report_age().alive_ns
        return Age(-1, 0, alive_ns) if self._drawn is None else self.aged(self._drawn, alive_ns)

    def _outcome_age(self) -> Age:
        """Of the report at the end of the last outcome's period."""
        n, exceeded = self.pictures.counted
        horizon = self.views.deployment.config.outcome_ns / 1e9
        note = f"{exceeded} of {n} beyond, {horizon:g} s each" if n else f"the first after {horizon:g} s"
        return Age(*self.pictures.outcome, self.report_age().alive_ns, note)

    def _evidence_age(self) -> Age:
        """Of the same report: the greatest alarm in a word, the whole of it beside the table."""
        return self._outcome_age()._replace(note=f"{self.judged.said.partition(':')[0]}; log of 1 bet")

    def _proof_age(self) -> Age:
        return self._outcome_age()._replace(note=self.judged.said)

    def _ladder_age(self) -> Age:
        """Of the report whose positions were revalued."""
        made, alive_ns = self.desk.ladder(), self.report_age().alive_ns
        if made is None:
            return Age(-1, 0, alive_ns)
        note = f"full revaluation, {made.took_ms:.0f} ms"
        if made.left_out:
            note += f"; without {', '.join(made.left_out[:3])}"
        return Age(made.seq, made.append_ns, alive_ns, note)

    def _hedge_age(self) -> Age:
        """Of the last fill; the hedger is alive while reports come."""
        counts = self.views.risk.hedge_counts()
        note = f"{counts['orders']:,.0f} orders, {counts['fills']:,.0f} fills, {counts['rejects']:,.0f} rejects"
        return Age(*self.desk.last_hedge.told, self.report_age().alive_ns, note)


def _money(value: float, *, signed: bool = False) -> str:
    text = f"{value:+,.0f}" if signed else f"{value:,.0f}"
    return text.replace("-", "−")
