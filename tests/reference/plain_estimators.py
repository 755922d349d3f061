"""Estimates of microstructure by textbook formulas over all the data at once, with exact sums where sums matter."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

Quote = tuple[float, float, float, float]  # bid, ask, bid quantity, ask quantity; NaN and 0 where a side is empty


def queue_rates(times_ns: list[int], quotes: list[Quote]) -> tuple[float, float, float, float]:
    """Arrival and departure a second and side, mean order, seconds; by cases, as exact fractions."""
    came: list[Fraction] = []
    went: list[Fraction] = []
    for (bid0, ask0, q0, r0), (bid1, ask1, q1, r1) in pairwise(quotes):
        # Prices from either side's view: the higher, the better.
        for was, had, now, has in ((bid0, q0, bid1, q1), (-ask0, r0, -ask1, r1)):
            if math.isnan(was):
                continue  # nothing stood there
            if math.isnan(now) or now < was:
                went.append(Fraction(had))  # all of it
            elif now == was and has > had:
                came.append(Fraction(has) - Fraction(had))
            elif now == was and has < had:
                went.append(Fraction(had) - Fraction(has))
    seconds = Fraction(times_ns[-1] - times_ns[0], 10**9)
    size = (sum(came) + sum(went)) / (len(came) + len(went))
    return float(sum(came) / size / seconds / 2), float(sum(went) / size / seconds / 2), float(size), float(seconds)


def covariance(rows: list[list[float]]) -> list[list[float]]:
    """Sum of products of deviations from the means over n - 1, exact until the end."""
    n, columns = len(rows), [[Fraction(x) for x in column] for column in zip(*rows, strict=True)]
    means = [sum(c) / n for c in columns]
    apart = [[x - m for x in c] for c, m in zip(columns, means, strict=True)]
    return [[float(sum(x * y for x, y in zip(a, b, strict=True)) / (n - 1)) for b in apart] for a in apart]


def principal_components(matrix: list[list[float]], sweeps: int = 60) -> tuple[list[float], list[list[float]]]:
    """Eigenvalues, largest first, and their vectors, by Jacobi's rotations (1846)."""
    n = len(matrix)
    a = [row[:] for row in matrix]
    v = [[float(i == j) for j in range(n)] for i in range(n)]
    for _ in range(sweeps):
        for p in range(n):
            for q in range(p + 1, n):
                if a[p][q] == 0:
                    continue
                angle = math.atan2(2 * a[p][q], a[q][q] - a[p][p]) / 2
                c, s = math.cos(angle), math.sin(angle)
                for k in range(n):
                    a[k][p], a[k][q] = c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]
                for k in range(n):
                    a[p][k], a[q][k] = c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]
                for k in range(n):
                    v[k][p], v[k][q] = c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]
    order = sorted(range(n), key=lambda i: -a[i][i])
    return [a[i][i] for i in order], [[v[k][i] for k in range(n)] for i in order]


def integrated_weights(rows: list[list[float]]) -> tuple[list[float], list[float]]:
    """Cont, Cucuringu and Zhang: the first component over its sizes' sum, and the parts of variance explained."""
    values, vectors = principal_components(covariance(rows))
    sign = math.copysign(1, sum(vectors[0]))
    size = sum(abs(w) for w in vectors[0])
    return [sign * w / size for w in vectors[0]], [max(x, 0.0) / sum(max(y, 0.0) for y in values) for x in values]


def line(x: list[float], y: list[float]) -> tuple[float, float, float, float]:
    """Slope, intercept, the slope's standard error and R2, from exact sums."""
    kept = [(Fraction(a), Fraction(b)) for a, b in zip(x, y, strict=True) if not (math.isnan(a) or math.isnan(b))]
    n = len(kept)
    mx, my = sum(a for a, _ in kept) / n, sum(b for _, b in kept) / n
    sxx = sum((a - mx) ** 2 for a, _ in kept)
    slope = sum((a - mx) * (b - my) for a, b in kept) / sxx
    rest = sum((b - my - slope * (a - mx)) ** 2 for a, b in kept)
    syy = sum((b - my) ** 2 for _, b in kept)
    error = math.sqrt(rest / (n - 2) / sxx)
    return float(slope), float(my - slope * mx), error, float(1 - rest / syy) if syy else math.nan


def kyle_lambda(prices: list[float], flows: list[float]) -> tuple[float, float, float, float]:
    """The line of a bar's change of price on its flow; the first bar has no change."""
    return line(flows[1:], [b - a for a, b in pairwise(prices)])


def resiliency(levels: list[float]) -> tuple[float, float, float]:
    """kappa, its standard error and the mean of L_t - L_t-1 = kappa (mean - L_t-1) + e_t."""
    slope, intercept, error, _ = line(levels[:-1], [b - a for a, b in pairwise(levels)])
    return -slope, error, intercept / -slope


def impact_of_exponent(x: list[float], z: list[float], delta: float) -> tuple[float, float, float, float]:
    """Coefficient of z = y x^delta, its standard error, squares left, R2: normal equations with exact sums."""
    power, told = [Fraction(a**delta) for a in x], [Fraction(b) for b in z]
    square = sum(p * p for p in power)
    y = sum(p * b for p, b in zip(power, told, strict=True)) / square
    rest = sum((b - y * p) ** 2 for p, b in zip(power, told, strict=True))
    mean = sum(told) / len(told)
    spread = sum((b - mean) ** 2 for b in told)
    error = math.sqrt(rest / (len(x) - 1) / square)
    return float(y), error, float(rest), float(1 - rest / spread) if spread else math.nan


def impact(x: list[float], z: list[float], low: float, high: float) -> tuple[float, float]:
    """Coefficient and exponent: for each exponent of ever finer grids the best coefficient, and the best of them."""
    for _ in range(8):
        grid = [low + (high - low) * k / 20 for k in range(21)]
        best = min(range(21), key=lambda k: impact_of_exponent(x, z, grid[k])[2])
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, 20)]
    delta = (low + high) / 2
    return impact_of_exponent(x, z, delta)[0], delta
