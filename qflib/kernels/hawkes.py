"""The Hawkes process with an exponential kernel: likelihood with gradient, compensator, exact simulation.

lambda(t) = mu + alpha * sum over t_i < t of exp(-beta (t - t_i)): Hawkes, "Spectra of some self-exciting and mutually
exciting point processes", Biometrika 58 (1971).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel
from qflib.kernels.random_stream import next_uniform

# Places of `memory`: the last event's time; A, the sum of exp(-beta age) just after it; D, that of age exp(-beta age);
# sums over events of log lambda, 1 / lambda, A / lambda, D / lambda; events.
LAST, DECAYED, AGED, LOG, BY_MU, BY_ALPHA, BY_BETA, EVENTS, N_MEMORY = range(9)


@kernel
def fold_likelihood(
    times: NDArray[np.float64], mu: float, alpha: float, beta: float, memory: NDArray[np.float64]
) -> None:
    """Fold events into the sums of the log-likelihood. O(events).

    Ozaki, "Maximum likelihood estimation of Hawkes' self-exciting point processes" (1979).

    Parameters
    ----------
    times
        (events,) rising, from the beginning of the observation at 0.
    mu, alpha, beta
        Base rate, jump and decay, all above 0.
    memory
        (N_MEMORY,), zero at first, kept between calls.
    """
    for i in range(len(times)):
        gap = times[i] - memory[LAST]
        decay = math.exp(-beta * gap)
        aged = decay * (memory[AGED] + gap * memory[DECAYED])
        decayed = decay * memory[DECAYED]
        rate = mu + alpha * decayed
        memory[LOG] += math.log(rate)
        memory[BY_MU] += 1.0 / rate
        memory[BY_ALPHA] += decayed / rate
        memory[BY_BETA] -= alpha * aged / rate
        memory[LAST], memory[DECAYED], memory[AGED] = times[i], decayed + 1.0, aged
        memory[EVENTS] += 1.0


@kernel
def likelihood_of(
    memory: NDArray[np.float64], end: float, mu: float, alpha: float, beta: float
) -> tuple[float, float, float, float]:
    """Log-likelihood of an observation from 0 to `end`, and its derivatives by mu, alpha and beta. O(1).

    Parameters
    ----------
    memory
        What `fold_likelihood` left, with the same parameters.
    end
        Of the observation, not before the last event.
    mu, alpha, beta
        As there.
    """
    gap = end - memory[LAST]
    decay = math.exp(-beta * gap)
    left = decay * memory[DECAYED]
    aged = decay * (memory[AGED] + gap * memory[DECAYED])
    gone = memory[EVENTS] - left
    value = memory[LOG] - mu * end - alpha / beta * gone
    by_beta = memory[BY_BETA] + alpha / beta**2 * gone - alpha / beta * aged
    return value, memory[BY_MU] - end, memory[BY_ALPHA] - gone / beta, by_beta


@kernel
def fold_compensator(
    times: NDArray[np.float64],
    mu: float,
    alpha: float,
    beta: float,
    memory: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the intensity's integral between successive events: unit exponentials if the model holds. O(events).

    Time rescaling: Brown, Barbieri, Ventura, Kass and Frank, Neural Computation 14 (2002), section 2.

    Parameters
    ----------
    times
        (events,) rising, from 0.
    mu, alpha, beta
        As `fold_likelihood`.
    memory
        (2,) the last event's time and its decayed sum, zero at first; kept between calls.
    out
        (events,).
    """
    for i in range(len(times)):
        gap = times[i] - memory[0]
        out[i] = mu * gap - alpha / beta * memory[1] * math.expm1(-beta * gap)
        memory[0], memory[1] = times[i], memory[1] * math.exp(-beta * gap) + 1.0


@kernel
def simulate(
    mu: float,
    alpha: float,
    beta: float,
    end: float,
    rng: NDArray[np.int64],
    memory: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """Draw events up to `end`, exactly. O(events).

    Dassios and Zhao, "Exact simulation of Hawkes process with exponentially decaying intensity", Electronic
    Communications in Probability 18 (2013), algorithm 3.1.

    Parameters
    ----------
    mu, alpha, beta
        As `fold_likelihood`; alpha < beta, or events may never cease.
    end
        Of the simulation.
    rng
        State of `random_stream`.
    memory
        (2,) the last event's time and the intensity above `mu` just after it, zero at first; kept between calls.
    out
        Filled from 0.

    Returns
    -------
    n
        Events drawn. As many as `out` holds: call again for more.
    """
    for n in range(len(out)):
        gap = -math.log(next_uniform(rng)) / mu
        u = next_uniform(rng)
        if memory[1] > 0.0:
            d = 1.0 + beta * math.log(u) / memory[1]
            if d > 0.0:
                gap = min(gap, -math.log(d) / beta)
        if memory[0] + gap > end:
            memory[0], memory[1] = end, memory[1] * math.exp(-beta * (end - memory[0]))
            return n
        memory[0] += gap
        memory[1] = memory[1] * math.exp(-beta * gap) + alpha
        out[n] = memory[0]
    return len(out)
