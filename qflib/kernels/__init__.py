"""Kernels: NumPy and Numba only, batch in, batch out; one file is one mathematical object."""
