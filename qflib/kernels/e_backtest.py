"""The e-backtest of expected shortfall and of VaR: evidence against forecasts, outcome by outcome, state in one array.

Wang, Wang and Ziegel (2022), E-backtesting, arXiv 2209.00991. With loss x, VaR z, ES r and tail mass α the e-values are
(x − z)₊ / (α (r − z)) of both together and 1{x > z} / α of VaR alone: none has a mean above 1 where the forecast is
adequate (z right, r not too small). The e-process Mₜ = Π (1 − λ + λ e) bets λ on each, chosen before the outcome is
known (equations 2 and 7); then P(sup M ≥ b) ≤ 1 / b, whenever one looks. Bets are

- `constant`: one λ for all;
- `gree`: the λ that would have gained most on the e-values so far (growth rate, empirical e-statistics);
- `grel`: the same on the losses so far, seen by the forecast of now (growth rate, empirical losses);
- `grem`: half the money on each of the two, M = (M of gree + M of grel) / 2.

The authors' code bounds λ by 1/2, begins with λ = 0, and takes a quadratic instead of the logarithm; here it is the
logarithm's own maximum, which bets some more on few outcomes. They bet on all that was, or on a window of it: here the
window bounds the state.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import inlined, kernel

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

MEASURES: Final = ("es", "var")
BETTINGS: Final = ("constant", "gree", "grel", "grem")
#: Evidence at which an alarm goes off: 2 early, 5 substantial, 10 strong.
ALARMS: Final = (2, 5, 10)

#: The authors' bet on their independent draws, their bound of a bet, and how many past outcomes a bet looks at.
BET: Final = 0.025
CAP: Final = 0.5
WINDOW: Final = 1_000

# Places in the state, whole numbers by its int64 view: past outcomes that count, tests so far, the next slot of the
# rings, how many they hold; as floats level, constant bet, bound, the newest e-value of each measure. Then for each
# measure and betting log M and its maximum, and the time at which it first passed each alarm (0: never); the ring of
# losses, and that of e-values of ES: they are above 0 where the loss is beyond VaR.
_WINDOW, _N, _SLOT, _HELD, _LEVEL, _BET, _CAP, _E = 0, 1, 2, 3, 4, 5, 6, 7
_LOG, _MOST, _TIMES, _HEAD = 9, 17, 25, 49
_CONSTANT, _GREE, _GREL, _GREM = 0, 1, 2, 3

_ROUNDS = 100  # halving alone needs 53


@kernel
def e_state(window: int, level: float, bet: float, cap: float) -> F8:
    """The state before any outcome, a float64 array: copy it to snapshot, use the copy to restore.

    Parameters
    ----------
    window
        Past outcomes that bets look at, 1 or more: the state holds two floats for each.
    level
        Confidence of the forecasts.
    bet
        The constant λ, in [0, 1).
    cap
        Greatest λ of the other bettings, in (0, 1).
    """
    state = np.zeros(_HEAD + 2 * window)
    ints = state.view(np.int64)
    ints[_WINDOW] = window
    state[_LEVEL], state[_BET], state[_CAP] = level, bet, cap
    state[_E], state[_E + 1] = np.nan, np.nan
    return state


@inlined
def _e_value(beyond: float, room: float) -> Any:
    """(x − z)₊ / (α (r − z)); a loss beyond a VaR that has no room to its ES was held impossible: infinite."""
    if not beyond > 0.0:
        return 0.0
    return beyond / room if room > 0.0 else np.inf


@kernel
def best_bet(e: F8, n: int, nothing: int, cap: float) -> float:
    """The λ in [0, cap] that maximises Σ log(1 − λ + λ e).

    Parameters
    ----------
    e
        (n,) or longer: e-values above 0. An infinite one counts by its limit, log λ.
    nothing
        How many more e-values are 0.
    cap
        Below 1.

    Notes
    -----
    The sum is concave; its derivative's zero is found by Newton's steps, halving where one would leave the bracket:
    O(n) a step, some 5 steps. Arithmetic is sequential: a function of the values in their order.
    """
    at_nothing, squares, infinite = 0.0 - nothing, 0.0 + nothing, 0
    for i in range(n):
        if math.isinf(e[i]):
            infinite += 1
        else:
            at_nothing += e[i] - 1.0
            squares += (e[i] - 1.0) * (e[i] - 1.0)
    if infinite == 0 and not at_nothing > 0.0:
        return 0.0
    if _slope(e, n, nothing, cap)[0] >= 0.0:
        return cap
    low, high = 0.0, cap
    bet = at_nothing / squares  # the authors' quadratic
    if not low < bet < high:
        bet = 0.5 * cap
    for _ in range(_ROUNDS):
        slope, bend = _slope(e, n, nothing, bet)
        if slope == 0.0:
            break
        if slope > 0.0:
            low = bet
        else:
            high = bet
        further = bet + slope / bend
        if not low < further < high:
            further = 0.5 * (low + high)
        done = abs(further - bet) <= 2.3e-16 * bet
        bet = further
        if done:
            break
    return bet


@kernel
def _slope(e: F8, n: int, nothing: int, bet: float) -> tuple[float, float]:
    """Derivative of the sum of logarithms, and its second one's size."""
    none = 1.0 / (1.0 - bet)
    slope, bend = -nothing * none, nothing * none * none
    for i in range(n):
        one = 1.0 / bet if math.isinf(e[i]) else (e[i] - 1.0) / (1.0 + bet * (e[i] - 1.0))
        slope += one
        bend += one * one
    return slope, bend


@inlined
def _best_of_hits(hits: int, n: int, alpha: float, cap: float) -> Any:
    """As `best_bet` where e-values are 0 or 1 / α: in closed form."""
    if n == 0:
        return 0.0
    return min(max((hits / n - alpha) / (1.0 - alpha), 0.0), cap)


@inlined
def _gain(bet: float, e: float) -> Any:
    """log(1 − λ + λ e); where nothing is bet nothing is gained, on an infinite e-value too."""
    if bet == 0.0:
        return 0.0
    return np.inf if math.isinf(e) else math.log(1.0 - bet + bet * e)


@inlined
def _half_each(a: float, b: float) -> Any:
    """log((exp a + exp b) / 2)."""
    most = max(a, b)
    return most if math.isinf(most) else most + math.log(0.5 * (math.exp(a - most) + math.exp(b - most)))


@kernel
def e_roll(state: F8, pnl: F8, var: F8, es: F8, times: I8, e: F8, bets: F8, log_e: F8) -> None:
    """Take outcomes and their forecasts in one by one; the evidence after each.

    Parameters
    ----------
    state
        Of `e_state`; changed.
    pnl
        (n,) outcomes, gains positive.
    var, es
        (n,) forecasts made before, positive losses. Where one of the three is NaN or infinite there is no test: the
        state stays. So where all three are 0: there was no position. An ES that is not above its VaR has no room
        beyond it.
    times
        (n,) when each outcome was known, above 0: an alarm is told with the time of its first crossing.
    e
        (n, 2) filled: e-values, by `MEASURES`; NaN where there is no test.
    bets
        (n, 2, 3) filled: λ, by `MEASURES` and the first three `BETTINGS`; NaN where there is no test.
    log_e
        (n, 2, 4) filled: log M, by `MEASURES` and `BETTINGS`. After a bet on an infinite e-value it is infinite for
        ever.

    Notes
    -----
    O(window) a test. Alarms are never taken back.
    """
    ints = state.view(np.int64)
    window, alpha, bet, cap = ints[_WINDOW], 1.0 - state[_LEVEL], state[_BET], state[_CAP]
    losses, past = state[_HEAD : _HEAD + window], state[_HEAD + window : _HEAD + 2 * window]
    work = np.empty(window)
    for i in range(len(pnl)):
        x, z = -pnl[i], var[i]
        room = alpha * (es[i] - z)
        known = math.isfinite(x) and math.isfinite(z) and math.isfinite(room)
        if not known or (x == 0.0 and z == 0.0 and es[i] == 0.0):
            e[i, :] = np.nan
            bets[i, :, :] = np.nan
            for m in range(2):
                log_e[i, m, :] = state[_LOG + 4 * m : _LOG + 4 * m + 4]
            continue
        held, slot = ints[_HELD], ints[_SLOT]
        e[i, 0] = _e_value(x - z, room)
        e[i, 1] = 1.0 / alpha if x > z else 0.0
        hits = 0
        for j in range(held):
            if past[j] > 0.0:
                work[hits] = past[j]
                hits += 1
        bets[i, 0, _GREE] = best_bet(work, hits, held - hits, cap)
        bets[i, 1, _GREE] = _best_of_hits(hits, held, alpha, cap)
        hits = 0
        for j in range(held):
            if losses[j] > z:
                work[hits] = _e_value(losses[j] - z, room)
                hits += 1
        bets[i, 0, _GREL] = best_bet(work, hits, held - hits, cap)
        bets[i, 1, _GREL] = _best_of_hits(hits, held, alpha, cap)
        for m in range(2):
            bets[i, m, _CONSTANT] = bet
            now, most = state[_LOG + 4 * m : _LOG + 4 * m + 4], state[_MOST + 4 * m : _MOST + 4 * m + 4]
            for k in range(3):
                now[k] += _gain(bets[i, m, k], e[i, m])
            now[_GREM] = _half_each(now[_GREE], now[_GREL])
            for k in range(4):
                most[k] = max(most[k], now[k])
                log_e[i, m, k] = now[k]
                for a in range(3):
                    at = _TIMES + 3 * (4 * m + k) + a
                    if ints[at] == 0 and now[k] >= math.log(ALARMS[a]):
                        ints[at] = times[i]
            state[_E + m] = e[i, m]
        losses[slot], past[slot] = x, e[i, 0]
        ints[_SLOT] = slot + 1 if slot + 1 < window else 0
        ints[_HELD] = min(held + 1, window)
        ints[_N] += 1


def figures_of(state: F8) -> tuple[int, F8, F8, F8, I8]:
    """Tests so far, newest e-values (2,), log M and its maxima (2, 4), times of the alarms (2, 4, 3); copies."""
    ints = state.view(np.int64)
    log_e, most = (state[at : at + 8].reshape(2, 4).copy() for at in (_LOG, _MOST))
    return int(ints[_N]), state[_E : _E + 2].copy(), log_e, most, ints[_TIMES:_HEAD].reshape(2, 4, 3).copy()


def same_test(a: F8, b: F8) -> bool:
    """Whether two states are of one window, level, bet and bound."""
    return (
        a.shape == b.shape
        and a[_WINDOW : _WINDOW + 1].tobytes() == b[_WINDOW : _WINDOW + 1].tobytes()
        and bool(np.array_equal(a[_LEVEL:_E], b[_LEVEL:_E]))
    )
