"""The tables of risk: Greeks, exposures, scenario P&L, positions, value at risk and expected shortfall, hedges.

The rules of `qflib.records.tables` hold here too.
"""

from __future__ import annotations

from qflib.records.schema import Column as C
from qflib.records.schema import Table

GREEKS = Table(
    "Greeks",
    (
        C("portfolio", "text", 1),
        C("underlying", "text", 2),
        C("book", "u32", 3, "Book; 0: both"),
        C("value", "f64", 4, "reporting currency"),
        C("delta", "f64", 5, "reporting currency per 1.00 of the underlying"),
        C("gamma", "f64", 6),
        C("vega", "f64", 7, "a 1.00 of volatility"),
        C("theta", "f64", 8, "a year"),
        C("rho", "f64", 9),
        C("vanna", "f64", 10),
        C("volga", "f64", 11),
        C("cash_delta", "f64", 12, "delta times the underlying's price"),
        C("realised", "f64", 13, "realised P&L, fees in"),
        C("unrealised", "f64", 14),
        C("forward", "f64", 15, "the underlying's mark they are taken at"),
        C("time_ns", "i64", 16, "market time they are taken at"),
        C("as_of_ns", "i64", 17, "receipt time of the underlying's newest event they reflect"),
    ),
    "Aggregated Greeks an underlying.",
)
EXPOSURE = Table(
    "Exposure",
    (
        C("portfolio", "text", 1),
        C("underlying", "text", 2),
        C("set_id", "text", 3, "the scenario set of the vectors"),
        C("time_ns", "i64", 4, "market time"),
        C("as_of_ns", "i64", 5, "receipt time of the newest event it reflects"),
        C("forward", "f64", 6, "the underlying's mark"),
        C("actual_pnl", "f64", 7, "realised and unrealised since the start, reporting currency"),
        C("closing", "u32", 8, "1: the source has ended"),
        C("unpriced", "u32", 9, "positions that nothing quoted prices: left out"),
        C("outcome_ns", "i64", 10, "horizon of the forecast vectors; 0: none"),
        C("vector_error", "f64", 11, "greatest error found when the vectors' grids were tried; 0: option by option"),
    ),
    "What an ExposureBatch speaks of; one row.",
)
VECTORS = Table(
    "Vectors",
    (
        C("client", "f64", 1, "P&L of client positions a scenario"),
        C("hedge", "f64", 2, "P&L of hedges held a scenario"),
    ),
    "Scenario P&L in reporting currency; one row a scenario.",
)
POSITIONS = Table(
    "Positions",
    (
        C("portfolio", "text", 1),
        C("instrument", "u32", 2),
        C("book", "u32", 3),
        C("qty", "i64", 4, "signed lots"),
        C("avg_price", "f64", 5),
        C("mark", "f64", 6, "price it is valued at"),
        C("implied_vol", "f64", 7, "NaN where there is none"),
        C("value", "f64", 8, "reporting currency"),
        C("delta", "f64", 9),
        C("unrealised", "f64", 10),
        C("realised", "f64", 11),
        C("fees", "f64", 12),
        C("lot_value", "f64", 13, "settlement currency; its change is the P&L of one lot"),
        C("fx", "f64", 14, "reporting currency a unit of settlement currency"),
        C("gamma", "f64", 15),
        C("vega", "f64", 16),
        C("theta", "f64", 17),
        C(
            "own_forward",
            "f64",
            18,
            "an option's, where it is another than the underlying's mark; 0: that",
            sparse=True,
        ),
    ),
    "Positions an instrument.",
)
HEDGE_INSTRUMENTS = Table(
    "HedgeInstruments",
    (
        C("instrument", "u32", 1),
        C("position", "i64", 2, "hedge lots held"),
        C("working", "i64", 3, "signed lots of hedge orders alive"),
        C("last_hedge_no", "u64", 4, "the last hedge order reflected"),
        C("last_rejected", "u64", 5, "the last hedge order refused; 0: none"),
        C("bid_ticks", "i64", 6),
        C("bid_qty", "i64", 7),
        C("ask_ticks", "i64", 8),
        C("ask_qty", "i64", 9),
        C("unit_delta", "f64", 10, "reporting-currency delta of one lot"),
        C("unit_cash", "f64", 11, "reporting-currency value of one tick of one lot"),
    ),
    "What the hedger may trade, and what became of what it sent.",
)
RISK = Table(
    "Risk",
    (
        C("portfolio", "text", 1),
        C("level", "f64", 2, "confidence"),
        C("horizon_ns", "i64", 3),
        C("set_id", "text", 4),
        C("n_scenarios", "u32", 5),
        C("dynamics", "text", 6, "sticky_strike, ..."),
        C("decay", "u32", 7, "1: time decay is in"),
        C("time_ns", "i64", 8),
        C("as_of_ns", "i64", 9, "the oldest exposure summed"),
        C("es_unhedged", "f64", 10, "client positions; positive is a loss, reporting currency"),
        C("es_current", "f64", 11, "client positions and hedges held"),
        C("es_target", "f64", 12, "after the orders proposed that take, with their cost; those that rest are left out"),
        C("var_unhedged", "f64", 13),
        C("var_current", "f64", 14),
        C("var_target", "f64", 15),
        C("n_tail", "u32", 16),
        C("target_cost", "f64", 17, "the cost in es_target"),
        C("newest_ns", "i64", 18, "receipt time of the newest event reflected"),
        C("unpriced", "u32", 19, "positions that nothing quoted prices: left out"),
        C("vector_error", "f64", 20, "greatest error found in a scenario's P&L when its grids were tried; 0: exact"),
    ),
    "Value at risk and expected shortfall; one row a level.",
)
LIMITS = Table(
    "Limits",
    (
        C("portfolio", "text", 1),
        C("name", "text", 2),
        C("value", "f64", 3),
        C("bound", "f64", 4),
        C("breached", "u32", 5),
    ),
    "Limits and where they stand.",
)
HEDGES = Table(
    "Hedges",
    (
        C("portfolio", "text", 1),
        C("instrument", "u32", 2),
        C("qty", "i64", 3, "signed lots proposed"),
        C("price", "f64", 4, "expected average price"),
        C("cost", "f64", 5, "expected cost against mid, reporting currency"),
        C("hedge_no", "u64", 6, "0: proposed, not sent"),
        C("net_delta", "f64", 7, "before"),
        C("band", "f64", 8, "half-width of the no-trade band in delta"),
    ),
    "Hedge decisions.",
)
ROLLING = Table(
    "Rolling",
    (
        C("portfolio", "text", 1),
        C("outcome", "text", 2, "hypothetical or actual"),
        C("level", "f64", 3),
        C("window", "u32", 4),
        C("n", "u32", 5, "outcomes in the window"),
        C("es", "f64", 6, "positive is a loss"),
        C("var", "f64", 7),
        C("pnl", "f64", 8, "the newest outcome"),
        C("time_ns", "i64", 9),
        C("period_ns", "i64", 10),
        C("forecast_es", "f64", 11, "of the same period, made at its start; NaN: none"),
        C("forecast_var", "f64", 12),
        C("decay", "f64", 13, "weight of an outcome as a share of the next one's, in es_weighted; 0: none was made"),
        C("es_weighted", "f64", 14, "exponentially weighted, over the window"),
        C("var_weighted", "f64", 15),
    ),
    "Rolling expected shortfall of outcomes.",
)
EVIDENCE = Table(
    "Evidence",
    (
        C("portfolio", "text", 1),
        C("level", "f64", 2),
        C("measure", "text", 3, "es or var"),
        C("betting", "text", 4, "constant, gree, grel or grem"),
        C("n", "u64", 5, "forecasts tested so far"),
        C("e", "f64", 6, "the newest e-value; infinite where a loss was held impossible"),
        C("log_e", "f64", 7, "logarithm of the e-process: evidence that forecasts are too small"),
        C("log_e_max", "f64", 8, "its maximum so far, whose inverse exponential is a p-value"),
        C("alarm", "u32", 9, "greatest of 2, 5 and 10 that the e-process has ever passed; 0: none"),
        C("alarm_ns", "i64", 10, "market time at which it first passed it; 0: never"),
        C("pnl", "f64", 11, "the newest hypothetical outcome"),
        C("forecast_es", "f64", 12, "of the same period, made at its start; NaN: none, and no test"),
        C("forecast_var", "f64", 13),
        C("time_ns", "i64", 14),
        C("period_ns", "i64", 15),
    ),
    "Evidence against forecasts of ES and VaR, by the e-backtest; a row a level, measure and betting.",
)
COMPONENTS = Table(
    "Components",
    (
        C("portfolio", "text", 1),
        C("by", "text", 2, "position or greek: each sums to es by itself"),
        C("underlying", "text", 3, "empty: of all"),
        C("instrument", "u32", 4, "of a position; 4294967295: of none"),
        C("book", "u32", 5, "Book; 0: both"),
        C("name", "text", 6, "of a Greek; rest: what the other rows leave of es; empty: a position"),
        C("contribution", "f64", 7, "positive adds to the shortfall, reporting currency"),
        C("level", "f64", 8, "confidence"),
        C("es", "f64", 9, "es_current of the report they are of"),
        C("time_ns", "i64", 10, "of that report"),
        C("set_id", "text", 11, "its scenario set"),
    ),
    "Euler contributions to the expected shortfall of client positions and hedges held; once in an outcome's horizon.",
)
EXPLAIN = Table(
    "Explain",
    (
        C("portfolio", "text", 1),
        C("underlying", "text", 2),
        C("book", "u32", 3),
        C("from_ns", "i64", 4, "market time of the first valuation: all figures are from there on"),
        C("time_ns", "i64", 5, "market time of the last one"),
        C("delta", "f64", 6, "reporting currency, as all that follow"),
        C("gamma", "f64", 7),
        C("vega", "f64", 8),
        C("theta", "f64", 9),
        C("rho", "f64", 10),
        C("vanna", "f64", 11),
        C("volga", "f64", 12),
        C("charm", "f64", 13),
        C("veta", "f64", 14),
        C("carry", "f64", 15, "basis moves of own forwards against the underlying's mark; coin P&L held, by the coin"),
        C("fees", "f64", 16, "a cost is negative"),
        C("slippage", "f64", 17, "trades against the marks they came upon; a cost is negative"),
        C("unexplained", "f64", 18, "the rest"),
        C("total", "f64", 19, "change of realised and unrealised P&L, fees in"),
    ),
    "P&L explained by the Greeks at each revaluation's start, summed since from_ns: a difference of two rows is a "
    "period's. Figures are multiples of 2^-20: while they are below 2^33 (8.6e9) parts sum to total, and rows "
    "subtract, without rounding; above, to float64's last digits.",
)
MIN_VARIANCE = Table(
    "MinVariance",
    (
        C("portfolio", "text", 1),
        C("underlying", "text", 2),
        C("time_ns", "i64", 3, "market time of the newest move in the fit"),
        C("n", "u64", 4, "moves of quoted options in the fit"),
        C("a", "f64", 5, "delta = Black-Scholes delta + vega / (forward * sqrt(years)) * (a + b delta + c delta^2)"),
        C("b", "f64", 6),
        C("c", "f64", 7),
        C("gain", "f64", 8, "1 - squared errors over those of the Black-Scholes delta, one step ahead; NaN: none yet"),
        C("used", "u32", 9, "1: the fit gains; the hedger adds the correction where its band asks"),
        C("correction", "f64", 10, "to the portfolio's Black-Scholes delta, reporting currency per 1.00"),
    ),
    "The minimum-variance delta of an underlying, fitted online.",
)
