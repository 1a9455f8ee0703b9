"""Formulas run on the CPU: Numba kernels, generated once and cached on disk."""
