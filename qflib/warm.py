"""Compile the kernels into their cache: ``python -m qflib.warm [desk] [notebooks]``.

A kernel is compiled at its first call, so each family is called once, on as little as makes it run; the families are
spread over processes, because compiling is what a first start waits for.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from qflib.machine import processors


def market_data() -> None:
    """The simulator, and normalize."""
    from qflib.market import SimulatedMarket
    from qflib.steps.normalize import Normalize

    feed = SimulatedMarket(seed=1, duration="100ms", underlyings=1)
    normalize = Normalize(feed.instruments)
    for raw in feed.raw():
        normalize.feed(raw)


def books() -> None:
    """The exchange's books: one event, then an order that trades, and one that may only rest; more room for them."""
    from qflib.kernels.book_state import grow, new_state
    from qflib.market.instruments import simulated_instruments
    from qflib.records import MARKET_EVENTS, Batch, EventKind, Header
    from qflib.steps.exchange import Exchange

    table = simulated_instruments(1)
    exchange, source = Exchange(table), Header(table[0].source)
    offer = MARKET_EVENTS.make(
        kind=[int(EventKind.ADD)], flags=[1], side=[2], order_id=[1], price_ticks=[100], qty=[1], receipt_ns=[1]
    )
    exchange.feed(Batch.of("market", source, events=offer))
    exchange.feed(Batch.of("order", orders=_orders()))
    grow(new_state(1))


def publication() -> None:
    """What the exchange publishes, and its state: done while the books compile."""
    from qflib.market.instruments import simulated_instruments
    from qflib.records import TICK, Batch, Header
    from qflib.steps.exchange import Exchange

    table = simulated_instruments(1)
    exchange, source = Exchange(table), Header(table[0].source)
    for time_ns in (1, 10**9):
        exchange.feed(Batch.of("clock", source, tick=TICK.make(time_ns=[time_ns])))
    exchange.state()


def _orders() -> Any:
    from qflib.records import ORDERS, OrderOption

    return ORDERS.make(
        action=[1, 1], side=[1, 1], ord_type=[1, 2], qty=[1, 1], account=["A", "A"], portfolio=["P", "P"],
        client_order_id=["1", "2"], book=[1, 1], price_ticks=[0, 50], time_in_force=[0, 1],
        options=[0, OrderOption.POST_ONLY | OrderOption.TELL_QUEUE],
    )  # fmt: skip


def risk() -> None:
    """Exposures and portfolio: volatilities, Greeks, scenario P&L, expected shortfall, evidence against it."""
    import numpy as np

    from qflib.desk.opening import scenario_controls
    from qflib.market import SimulatedMarket
    from qflib.records import EXECUTIONS, ROLLING, TICK, TOPS, Batch, ExecType
    from qflib.records.topics import EXCHANGE_MARKS
    from qflib.shortfall import scenarios
    from qflib.steps.exposures import Exposures, ExposuresConfig
    from qflib.steps.portfolio import Portfolio
    from qflib.steps.portfolio.evidence import Evidence
    from qflib.steps.portfolio.outcomes import Outcomes

    feed = SimulatedMarket(seed=1, duration="100ms", underlyings=1)
    table, now = feed.instruments, feed.start.value
    option = next(i for i, r in enumerate(table) if r.kind == "option")
    # a grid even for one option, so that its kernels are called
    exposures, portfolio = Exposures(table, ExposuresConfig(grid_from=1)), Portfolio(table)
    exposures.feed(
        Batch.of(
            "execution",
            key=table[0].underlying,
            executions=EXECUTIONS.make(
                exec_type=[int(ExecType.BOOKING)] * 2, instrument=[0, option], qty=[1, 1], price=[100.0, 5.0],
                portfolio=["P"] * 2,
            ),
        )
    )  # fmt: skip
    mid = int(table.to_ticks(option, max(100.0 - table[option].strike, 0.0) + 5.0))
    tops = TOPS.make(
        instrument=[0, option], bid_ticks=[9_999, mid], bid_qty=[1, 1], ask_ticks=[10_001, mid + 2], ask_qty=[1, 1],
        time_ns=[now, now],
    )  # fmt: skip
    tables = {"tick": TICK.make(time_ns=[now]), "tops": tops}
    after = now + 11 * 10**9  # in the next look of the minimum-variance fit
    moved = TOPS.make(**tops._asdict() | {"bid_ticks": [10_000, mid], "ask_ticks": [10_002, mid + 4], "time_ns": after})
    later = {"tick": TICK.make(time_ns=[after]), "tops": moved}
    for control in scenario_controls(scenarios.default(feed.history, n_historical=50, n_simulated=50)):
        shocks = {"scenario_set": control.scenario_set, "shocks": control.shocks, "controls": control.controls}
        for made in exposures.feed(Batch.of("marks", topic=EXCHANGE_MARKS, key=control.key, **tables, **shocks)):
            portfolio.feed(made)
    for made in exposures.feed(Batch.of("marks", topic=EXCHANGE_MARKS, key=table[0].underlying, **later)):
        portfolio.feed(made)
    valued = exposures._revaluation.value(exposures._ledger.of(0, 0), 0, after)
    if valued is not None:  # a fit that gains nothing yet adds nothing yet
        exposures._min_variance.correction(0, valued)
    Evidence((0.975,)).update(ROLLING.make(portfolio=["P"], outcome=["hypothetical"], level=[0.975], pnl=[1.0]))
    Outcomes((0.975,), 1, 1)._weigh(np.zeros((1, 2)))


def monitoring() -> None:
    """What an onlooker makes of tops."""
    from qflib.desk.market_quality import Quality
    from qflib.market.instruments import simulated_instruments
    from qflib.records import TOPS

    quality = Quality(simulated_instruments(1))
    for second in (1, 2):
        now = second * 10**9
        tops = TOPS.make(instrument=[0], bid_ticks=[1], bid_qty=[1], ask_ticks=[2], ask_qty=[1], time_ns=[now])
        quality.take(tops, now)


def frontier() -> None:
    """What the API and the Hedge page compute on request: full revaluation, and ES of every size of a hedge."""
    import pandas as pd

    import qflib as qf
    from qflib.hedging import Portfolio, QuotedBook
    from qflib.hedging.frontier import hedge_frontier
    from qflib.shortfall import scenarios

    feed = qf.datasets.load("sim", seed=1, duration="100ms")
    assert feed.history is not None
    option = next(r.symbol for r in feed.instruments if r.kind == "option")
    hedge = next(r.symbol for r in feed.instruments if r.kind == "future")
    held = pd.DataFrame({"instrument": [option, hedge], "qty": [-10.0, 1.0], "avg_price": [1.0, 100.0]})
    scen = scenarios.default(feed.history, n_historical=50, n_simulated=50)
    book = QuotedBook(hedge, 99.99, 100.01, 50.0, 50.0)
    hedge_frontier(Portfolio.from_frame(held), feed.market(), scen, instrument=hedge, book=book, held=1.0)


def notebooks() -> None:
    """Book replay with features, prices, surfaces; a book row by row, and resynchronised."""
    import qflib as qf
    from qflib.pricing import fit_smiles
    from qflib.records import MARKET_EVENTS

    feed = qf.datasets.load("sim", seed=1, duration="1s")
    book = qf.OrderBook("ACME.F")
    book.replay(feed, sample="100ms", features=["micro_price", "ofi", "imbalance"])
    book.replay(feed, sample="event").qf.features()
    book.cost_to_trade("buy", 10)
    row = MARKET_EVENTS.make(kind=[3], side=[1], order_id=[0], qty=[1])
    book.apply(MARKET_EVENTS.to_struct(row), policy="count")
    book.apply(row, policy="resync")
    book.orders()
    fit_smiles(feed.chain("ACME", at=feed.end))
    qf.black76("call", 100.0, 100.0, 0.5, 0.2)


def hedges() -> None:
    """A hedge simulated under each kind of paths; coin-settled chains, hedged, explained and as a market."""
    import qflib as qf
    from qflib.desk.sim_chains import simulated_chains
    from qflib.hedging import explain_inverse_by_greeks, paths, rules, simulate_hedges

    for model in (None, paths.HestonModel(0.25, 0.25), paths.JumpModel(0.2)):
        simulate_hedges([rules.Delta(), rules.STEADY], model, paths=1, looks=2)
    chains = simulated_chains(snapshots=2)
    m = chains.moves
    explain_inverse_by_greeks(*[m[c].to_numpy() for c in ("right", "forward", "strike", "years", "vol")])
    qf.fit_surface(chains.chain("BTC", chains.times[0]))


def matching_engine() -> None:
    """Orders, an auction's price, what stands and its digest."""
    from qflib.kernels.engine_clock import pack_expiries
    from qflib.kernels.engine_state import new_engine
    from qflib.orderbook import MatchingEngine

    engine = MatchingEngine("ACME.F")
    engine.submit("ACME.F", "sell", 5, 100.0)
    engine.indicative("ACME.F")
    engine.load(engine.state())
    engine.depth("ACME.F")
    pack_expiries(new_engine(1))  # when many orders good till a time have gone


def recordings() -> None:
    """ITCH, the one venue that is decoded by a kernel of its own; a rolling figure."""
    from qflib.records import Header, Instrument, Instruments
    from qflib.shortfall import RollingES
    from qflib.venues.itch import Decoder
    from qflib.venues.venue import frames_of

    added = b"\x00\x24A" + b"\x00\x01" + bytes(8) + bytes(7) + b"\x01B" + b"\x00\x00\x00\x64ACME    " + bytes(4)
    decoder = Decoder(Instruments((Instrument("ACME", venue="itch", source="itch:0"),)), "itch:0")
    decoder.decode(frames_of([1], [0], [added]), Header())
    decoder.load(decoder.state())
    RollingES(10).update(-1.0)


def reference_work() -> None:
    """The benchmarks' fixed piece of work."""
    from qflib.kernels.reference_work import lehmer_steps

    lehmer_steps(1)


#: what a desk needs, longest first; and what notebooks need beside it
DESK: tuple[Callable[[], None], ...] = (books, publication, risk, market_data, frontier, monitoring)
NOTEBOOKS: tuple[Callable[[], None], ...] = (matching_engine, notebooks, hedges, recordings, reference_work)


def timed(family: Callable[[], None]) -> tuple[str, float]:
    """Run one family; its name and seconds."""
    start = time.perf_counter()
    family()
    return family.__name__.replace("_", " "), time.perf_counter() - start


def main() -> None:
    """Call the families of ``desk`` or ``notebooks``, or of both; tell what each took."""
    groups = {"desk": DESK, "notebooks": NOTEBOOKS}
    chosen = [family for name in sys.argv[1:] or groups for family in groups[name]]
    with ProcessPoolExecutor(max_workers=min(len(chosen), processors())) as pool:
        for name, seconds in pool.map(timed, chosen):
            print(f"compiled {name}: {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
