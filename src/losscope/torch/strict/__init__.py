"""Tensors as strict as arrays: a loss of the catalogue on tensors, one module for each kind of kernel.

Each has one function, `evaluate`: the reduced loss, and the weight that a mean is over. A structure that has no module here
is run by `by_arrays`.
"""
