"""losscope: exact, fast loss functions from one formula each."""

__version__ = "0.1.0"
