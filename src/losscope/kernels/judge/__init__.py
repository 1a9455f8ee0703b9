"""The judges: what each module of `losscope.kernels` computes, by plain array operations in float64, row by row and by the
book. Each has one function, `evaluate`."""
