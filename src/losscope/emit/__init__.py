"""Derived formula -> source text: python (for Numba, NumPy and torch alike), LaTeX and plain text."""
