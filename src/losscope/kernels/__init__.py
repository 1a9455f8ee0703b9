"""How formulas are run: by kernels and, as the judge, by plain array operations."""
