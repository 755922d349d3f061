"""A step's state as bytes: named arrays, packed without pickle, with a digest of their content."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.errors import StateError

State = dict[str, NDArray[Any]]


def pack(state: Mapping[str, NDArray[Any]]) -> bytes:
    """Named arrays as bytes (an uncompressed .npz, which NumPy reads anywhere)."""
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **{name: state[name] for name in sorted(state)})
    return out.getvalue()


def unpack(data: bytes) -> State:
    """What `pack` wrote.

    Raises
    ------
    StateError
        If the bytes are torn or hold anything but plain arrays.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as f:
            return {name: f[name] for name in f.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as e:
        raise StateError(f"the snapshot of {len(data)} bytes is not a state ({e}); take another one") from None


def digest(state: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over names, types, shapes and bytes."""
    h = hashlib.sha256()
    for name in sorted(state):
        a = np.ascontiguousarray(state[name])
        h.update(f"{name}|{a.dtype.str if a.dtype.names is None else a.dtype.descr}|{a.shape}|".encode())
        h.update(a.tobytes())
    return h.hexdigest()
