"""Peers' rules by their names against what the peers' own code does, whole tails and ties among them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import QuantLib as ql
from scipy import stats

from qflib.errors import InputError
from qflib.shortfall import expected_shortfall
from qflib.shortfall.conventions import PEERS, RULES, rule_of


def samples() -> list[tuple[np.ndarray, float]]:
    rng = np.random.default_rng(5)
    made = []
    for i in range(60):
        n = int(rng.choice([40, 100, 101, 391, 400, 1000, 1001]))
        x = rng.standard_t(4, n)
        made += [(np.round(x, 1) if i % 3 == 0 else x, level) for level in (0.9, 0.95, 0.975)]
    return made


def figures(x: np.ndarray, level: float, convention: str) -> tuple[float, float]:
    r = expected_shortfall(x, level, kind="return", convention=convention)
    assert r.convention == convention
    return r.es, r.var


@pytest.mark.parametrize(("x", "level"), samples())
def test_peers(x: np.ndarray, level: float) -> None:
    alpha, n = round(1 - level, 6), len(x)
    # QuantLib itself
    one = ql.RiskStatistics()
    for v in x.tolist():
        one.add(v, 1.0)
    assert figures(x, level, "quantlib") == pytest.approx((one.expectedShortfall(level), one.valueAtRisk(level)))
    # empyrical 0.7.1, conditional_value_at_risk and value_at_risk
    cut = int((n - 1) * alpha)
    want = -np.mean(np.partition(x, cut)[: cut + 1]), -np.percentile(x, 100 * alpha)
    assert figures(x, level, "empyrical") == pytest.approx(want)
    # quantstats 0.0.86, both methods of conditional_value_at_risk
    s = pd.Series(x)
    z = stats.norm.ppf(1 - level)
    want = -s.mean() + s.std() * stats.norm.pdf(z) / (1 - level), -stats.norm.ppf(1 - level, s.mean(), s.std())
    assert figures(x, level, "quantstats") == pytest.approx(want)
    assert figures(x, level, "quantstats_historical")[0] == pytest.approx(-s[s <= s.quantile(1 - level)].mean())
    # skfolio 1.12.2 and riskfolio-lib 7.4.0: the definition, and each its own quantile
    k = (1 - level) * n
    worst = np.sort(x)
    i = min(n - 1, int(np.floor(k + 4 * np.finfo(float).eps * n)))
    exact = -worst[i] - float(np.sum(worst[:i] - worst[i])) / k
    assert figures(x, level, "skfolio") == pytest.approx((exact, -worst[i]))
    assert figures(x, level, "riskfolio") == pytest.approx((exact, -worst[int(np.ceil(alpha * n) - 1)]))


def test_names_lead_to_rules() -> None:
    x = np.random.default_rng(6).standard_t(4, 500)
    for peer, rule in PEERS.items():
        assert rule_of(peer) == rule
        decay = {"decay": 0.97} if rule in ("age_quarks", "ewma_volatility") else {}
        assert figures(x, 0.975, peer) == figures(x, 0.975, rule) if not decay else True
        a, b = (expected_shortfall(x, kind="pnl", convention=c, **decay) for c in (peer, rule))
        assert (a.es, a.var) == (b.es, b.var)
    assert not set(PEERS) & set(RULES)
    with pytest.raises(InputError, match=r"convention is 'excel'; expected rockafellar_uryasev, hull.*riskfolio"):
        rule_of("excel")


def test_performance_analytics_does_not_let_es_fall_below_var() -> None:
    x = np.r_[np.random.default_rng(7).normal(size=200), -9.0, -9.5]
    plain, bounded = (figures(x, 0.99, c) for c in ("modified", "performance_analytics"))
    assert bounded[1] == plain[1]
    assert bounded[0] == max(plain)
