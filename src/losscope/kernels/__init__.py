"""How formulas are run: on the CPU (Numba) and, as the judge, by plain array operations."""
