"""Microstructure measures written from their papers, slowly: no state carried, everything looked up anew."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import pairwise

INF = float("inf")
NAN = float("nan")


def level_flows(rows: list[list[tuple[float, float, float, float]]]) -> list[list[float]]:
    """Xu, Gould and Howison, by cases; a row is a list of levels (bid, bid_qty, ask, ask_qty)."""
    out = [[NAN] * len(rows[0])]
    for before, now in pairwise(rows):
        flows = []
        for (bid0, r0, ask0, q0), (bid1, r1, ask1, q1) in zip(before, now, strict=True):
            b0, b1 = bid0 if r0 else -INF, bid1 if r1 else -INF
            a0, a1 = ask0 if q0 else INF, ask1 if q1 else INF
            bought = r1 if b1 > b0 else r1 - r0 if b1 == b0 else -r0
            sold = q1 if a1 < a0 else q1 - q0 if a1 == a0 else -q0
            flows.append(bought - sold)
        out.append(flows)
    return out


def trade_rows(rows: list[tuple[bool, int, float, int]], delay_ns: int) -> tuple[list[float], list[float], list[float]]:
    """Sign, mid before and mid later of each trade; rows (is a trade, time, mid or price, side) in order."""
    signs, mids, laters = [], [], []
    for i, (is_trade, time, price, side) in enumerate(rows):
        if not is_trade:
            continue
        quotes = [m for t, _, m, _ in rows[:i] if not t]
        mid = quotes[-1] if quotes else NAN
        prices = [p for t, _, p, _ in rows[: i + 1] if t]
        changes = [math.copysign(1, b - a) for a, b in pairwise(prices) if a != b]
        by_tick = changes[-1] if changes else 0.0
        signs.append(side or (1 if price > mid else -1 if price < mid else by_tick))
        mids.append(mid)
        if rows[-1][1] > time + delay_ns:
            after = [m for t, at, m, _ in rows if not t and at <= time + delay_ns]
            laters.append(after[-1] if after else NAN)
    return signs, mids, laters


def bar_groups(trades: list[tuple[int, float, float, float]], period_ns: int = 0, size: float = 0) -> list[list[int]]:
    """Which trades each bar holds."""
    groups: list[list[int]] = []
    for i, (time, *_) in enumerate(trades):
        new = not groups
        if groups and period_ns:
            new = trades[groups[-1][0]][0] // period_ns != time // period_ns
        elif groups:
            new = sum(trades[j][2] for j in groups[-1]) >= size
        groups.append([i]) if new else groups[-1].append(i)
    return groups


def bars(trades: list[tuple[int, float, float, float]], period_ns: int = 0, size: float = 0) -> list[dict[str, float]]:
    """Bars of (time, price, quantity, sign): all figures of each from its trades and what came before it."""
    groups = bar_groups(trades, period_ns, size)
    returns = [0.0, *(math.log(b[1] / a[1]) for a, b in pairwise(trades))]
    out = []
    for g in groups:
        prices, qtys = [trades[i][1] for i in g], [trades[i][2] for i in g]
        if period_ns:
            start = trades[g[0]][0] // period_ns * period_ns
            end = start + period_ns
        else:
            start, end = trades[max(g[0] - 1, 0)][0], trades[g[-1]][0]
        start = max(start, trades[0][0])
        held = [(t, p) for t, p, *_ in trades[: g[-1] + 1]]
        steps = [(max(t, start), p) for (t, p), (u, _) in pairwise([*held, (end, 0.0)]) if u >= start]
        ends = [t for t, _ in steps[1:]] + [end]
        area = sum(p * (u - t) for (t, p), u in zip(steps, ends, strict=True))
        out.append(
            {
                "open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1], "volume": sum(qtys),
                "vwap": sum(p * q for p, q in zip(prices, qtys, strict=True)) / sum(qtys),
                "twap": area / (end - start) if end > start else prices[-1],
                "trades": len(g),
                "signed_volume": sum(trades[i][2] * trades[i][3] for i in g),
                "realised_variance": sum(returns[i] ** 2 for i in g),
                "bipower_variation": math.pi / 2 * sum(abs(returns[i] * returns[i - 1]) for i in g if i > 0),
            }
        )  # fmt: skip
    return out


def bars_beside_quotes(
    quotes: list[tuple[int, list[tuple[float, float, float, float]]]],
    trades: list[tuple[int, float, float, int]],
    delay_ns: int,
    period_ns: int = 0,
    size: float = 0,
) -> list[dict[str, float]]:
    """The book's measures in bars of (time, price, quantity, side); a quote is a time and levels, as `level_flows`."""

    def mid_of(quote: list[tuple[float, float, float, float]]) -> float:
        bid, bid_qty, ask, ask_qty = quote[0]
        return (bid + ask) / 2 if bid_qty and ask_qty else NAN

    def newest(until_ns: int) -> list[tuple[float, float, float, float]] | None:
        seen = [levels for t, levels in quotes if t <= until_ns]
        return seen[-1] if seen else None

    # a trade stands before the quotes of its time
    rows = sorted(
        [(t, True, price, side) for t, price, _, side in trades] + [(t, False, mid_of(q), 0) for t, q in quotes],
        key=lambda r: (r[0], not r[1]),
    )
    signs, mids, _ = trade_rows([(is_trade, t, price, side) for t, is_trade, price, side in rows], delay_ns)
    paid = []
    for (t, price, _, _), sign, mid in zip(trades, signs, mids, strict=True):
        before, after = newest(t - 1), newest(t + delay_ns) if t + delay_ns <= rows[-1][0] else None
        quoted = before[0][2] - before[0][0] if before and before[0][1] and before[0][3] else NAN
        effective = 2 * sign * (price - mid) if sign else NAN
        realised_ = 2 * sign * (price - mid_of(after)) if sign and after else NAN
        spreads = {"quoted": quoted, "effective": effective, "realised": realised_, "impact": effective - realised_}
        paid.append(spreads)
    flows = level_flows([q for _, q in quotes])
    out, since = [], -1
    for g in bar_groups([(t, p, q, float(s)) for t, p, q, s in trades], period_ns, size):
        end = (trades[g[0]][0] // period_ns + 1) * period_ns - 1 if period_ns else trades[g[-1]][0]
        book = newest(end)
        made = dict.fromkeys(("mid", "spread", "weighted_mid", "imbalance"), NAN)
        if book and book[0][1] and book[0][3]:
            bid, bid_qty, ask, ask_qty = book[0]
            share = bid_qty / (bid_qty + ask_qty)
            made |= {"mid": (bid + ask) / 2, "spread": ask - bid, "imbalance": 2 * share - 1}
            made["weighted_mid"] = share * ask + (1 - share) * bid
        for m in range(len(flows[0])):
            told = [f[m] for (t, _), f in zip(quotes, flows, strict=True) if since < t <= end and not math.isnan(f[m])]
            made[f"ofi_{m}"] = sum(told) if book else NAN
        made["ofi"] = made["ofi_0"]
        for name in ("quoted", "effective", "realised", "impact"):
            kept = [(paid[i][name], trades[i][2]) for i in g if not math.isnan(paid[i][name])]
            made[name] = sum(v * q for v, q in kept) / sum(q for _, q in kept) if kept else NAN
        out.append(made)
        since = end
    return out


def realised(prices: list[tuple[int, float]], period_ns: int) -> tuple[float, float, int]:
    """Realised variance, bipower variation and returns of the prices before each multiple of the period."""
    first, last = prices[0][0] // period_ns + 1, prices[-1][0] // period_ns
    samples = [[p for t, p in prices if t < k * period_ns][-1] for k in range(first, last + 1)]
    steps = [math.log(b / a) for a, b in pairwise(samples)]
    return sum(r * r for r in steps), math.pi / 2 * sum(abs(a * b) for a, b in pairwise(steps)), len(steps)


def hawkes_likelihood(times: list[float], end: float, mu: float, alpha: float, beta: float) -> float:
    """The definition: the sum of log intensities less the integral. O(n^2)."""
    logs = (math.log(mu + sum(alpha * math.exp(-beta * (t - s)) for s in times[:i])) for i, t in enumerate(times))
    return sum(logs) - mu * end - sum(alpha / beta * (1 - math.exp(-beta * (end - t))) for t in times)


def hawkes_compensator(t: float, times: list[float], mu: float, alpha: float, beta: float) -> float:
    """The integral of the intensity from 0 to t."""
    return mu * t + sum(alpha / beta * (1 - math.exp(-beta * (t - s))) for s in times if s < t)


def bucket_holds(k: int, bid_qty: float, ask_qty: float, buckets: int) -> bool:
    """Whether the imbalance is in bucket k, an edge being of the bucket nearer to the middle."""
    share, middle = Fraction(bid_qty) / Fraction(bid_qty + ask_qty), buckets // 2
    low, high = Fraction(k, buckets), Fraction(k + 1, buckets)
    if k == middle:
        return low <= share <= high
    return low <= share < high if k < middle else low < share <= high


def micro_price(
    quotes: list[tuple[float, float, float, float]], tick: float, buckets: int, moves: int = 400
) -> dict[tuple[int, int], float]:
    """Stoikov's G* by state (spread, bucket): expected moves of the mid, summed move by move and step by step."""
    still: dict[tuple[int, int], Counter[tuple[int, int]]] = {}
    moved: dict[tuple[int, int], Counter[tuple[int, int]]] = {}
    jumps: Counter[tuple[int, int]] = Counter()
    visits: Counter[tuple[int, int]] = Counter()
    for (b0, a0, q0, r0), (b1, a1, q1, r1) in pairwise(quotes):
        jump = (b1 + a1 - b0 - a0) / 2
        for sign, (x0, y0, x1, y1) in ((1, (q0, r0, q1, r1)), (-1, (r0, q0, r1, q1))):
            was, now = (
                (round((a - b) / tick), min(k for k in range(buckets) if bucket_holds(k, x, y, buckets)))
                for a, b, x, y in ((a0, b0, x0, y0), (a1, b1, x1, y1))
            )
            visits[was] += 1
            jumps[was] += sign * jump
            (moved if jump else still).setdefault(was, Counter())[now] += 1

    def until_moved(start: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
        """The expectation of `start` at the state from which the mid moves first."""
        now = dict(start)
        for _ in range(moves):
            now = {
                s: start[s] + sum(n / visits[s] * now.get(t, 0) for t, n in still.get(s, Counter()).items())
                for s in visits
            }
        return now

    g = until_moved({s: jumps[s] / visits[s] for s in visits})
    total = dict(g)
    for _ in range(60):
        g = until_moved(
            {s: sum(n / visits[s] * g.get(t, 0) for t, n in moved.get(s, Counter()).items()) for s in visits}
        )
        total = {s: total[s] + g[s] for s in visits}
    return total


def up_probabilities(largest: int, sweeps: int) -> dict[tuple[int, int], float]:
    """P(ask empties first) of a symmetric walk in the quarter plane cut at `largest`, by relaxation."""
    n = largest
    p = {(b, a): b / (a + b) for b in range(n + 1) for a in range(n + 1) if a + b}
    for _ in range(sweeps):
        for b in range(1, n):
            for a in range(1, n):
                p[b, a] = (p[b + 1, a] + p[b - 1, a] + p[b, a + 1] + p[b, a - 1]) / 4
        for k in range(1, n):
            p[k, 0], p[0, k] = 1.0, 0.0
    return p


def depletion(queue: int, horizon: float, arrival: float, departure: float, largest: int, steps: int) -> float:
    """P(a queue empties before the horizon) by small steps of Kolmogorov's equation."""
    p = [0.0] * (largest + 1)
    p[queue] = 1.0
    dt = horizon / steps
    for _ in range(steps):
        q = p[:]
        for k in range(1, largest):
            q[k] -= (arrival + departure) * dt * p[k]
            q[k + 1] += arrival * dt * p[k]
            q[k - 1] += departure * dt * p[k]
        p = q
    return p[0]


def schedule_cost(
    trades: list[float], tau: float, volatility: float, gamma: float, eta: float, epsilon: float, aversion: float
) -> float:
    """Cost + aversion * variance of any schedule, from prices as the paper makes them."""
    left, price, proceeds, variance = sum(trades), 0.0, 0.0, 0.0
    for n in trades:
        sign = math.copysign(1, n) if n else 0.0
        proceeds += n * (price - epsilon * sign - eta * n / tau)
        price -= gamma * n
        left -= n
        variance += volatility**2 * tau * left**2
    return -proceeds + aversion * variance
