"""Derived formula -> source text: python (for kernels, NumPy and torch alike), LaTeX and plain text."""
