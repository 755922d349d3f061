"""Four weights reproduce every cubic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflib.kernels.lagrange import cubic_weights

COEFFICIENT = st.floats(-10, 10)


@given(t=st.floats(-1, 2), c=st.tuples(COEFFICIENT, COEFFICIENT, COEFFICIENT, COEFFICIENT))
def test_a_cubic_is_read_exactly(t: float, c: tuple[float, float, float, float]) -> None:
    nodes = np.polyval(c, np.array([-1.0, 0.0, 1.0, 2.0]))
    assert np.dot(cubic_weights(t), nodes) == pytest.approx(np.polyval(c, t), abs=1e-11)
