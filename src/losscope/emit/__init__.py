"""Derived formula -> source text: python (for Numba, NumPy and torch alike) and LaTeX."""
