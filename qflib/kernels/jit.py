"""The one way kernels are compiled: cached on disk, without the GIL, IEEE arithmetic in the order written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(f: Callable[P, R]) -> Callable[P, R]:
    """Compile for the stream: sequential, no fastmath, so results do not depend on where batches are cut."""
    return njit(cache=True, nogil=True, error_model="numpy")(f)


def short_kernel(f: Callable[P, R]) -> Callable[P, R]:
    """As `kernel`, the GIL kept: to let it go and take it again costs 50 ns, more than what this does in one call."""
    return njit(cache=True, error_model="numpy")(f)


def inlined(f: Callable[P, R]) -> Callable[P, R]:
    """As `kernel`, inlined into its caller."""
    return njit(inline="always", nogil=True, error_model="numpy")(f)


def simd_kernel(f: Callable[P, R]) -> Callable[P, R]:
    """Compile heavy numerics that are a function of their input alone: vectorised, with a stated error bound."""
    return njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "nnan", "ninf", "arcp"})(f)


def lean_kernel(f: Callable[P, R]) -> Callable[P, R]:
    """As `kernel`, without reference counts, for what is called an event: it must not make arrays."""
    without_counts: dict[str, Any] = {"_nrt": False}  # an option that numba's own types leave out
    compiled: Callable[P, R] = njit(cache=True, nogil=True, error_model="numpy", **without_counts)(f)
    return compiled


def folded(f: Callable[P, R]) -> Callable[P, R]:
    """As `lean_kernel`, folded into its callers by LLVM: where `inlined` would make them long to compile."""
    without_counts: dict[str, Any] = {"_nrt": False, "forceinline": True}
    compiled: Callable[P, R] = njit(cache=True, nogil=True, error_model="numpy", **without_counts)(f)
    return compiled
