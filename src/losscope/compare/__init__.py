"""Data in -> models trained under several losses -> comparison out.

>>> from losscope.compare import compare
>>> result = compare(["mse", "huber"], "diabetes", model="linear", epochs=2, seeds=1, grid=1)
>>> result.losses
('squared_error', 'huber')
"""

from losscope.compare.comparison import Comparison, Summary, compare
from losscope.compare.data import DataError

__all__ = ["Comparison", "DataError", "Summary", "compare"]
