"""The data sets that studies train on: scikit-learn's bundled ones, and MNIST where the reader has it."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets

from losscope.errors import LossError, complain

MOST_ROWS = 2000


@dataclass(frozen=True)
class Data:
    """features: (rows, columns); target: (rows,) numbers, or classes from 0."""

    name: str
    features: np.ndarray
    target: np.ndarray
    classes: int = 0  # 0: regression

    def standardised(self) -> np.ndarray:
        """Every column with mean 0 and standard deviation 1, float32."""
        features = np.asarray(self.features, "float64")
        spread = features.std(0)
        return ((features - features.mean(0)) / np.where(spread > 0, spread, 1)).astype("float32")

    def scaled(self) -> np.ndarray:
        """All columns divided by the one largest value, as pixels often are, float32."""
        return (self.features / np.abs(self.features).max()).astype("float32")


def bundled(names: Iterable[str]) -> list[Data]:
    """diabetes, digits, iris, wine, breast_cancer."""
    found = []
    for name in names:
        features, target = getattr(datasets, f"load_{name}")(return_X_y=True)
        classes = 0 if name == "diabetes" else int(target.max()) + 1
        found.append(Data(name.replace("_", " "), features, target, classes))
    return found


def mnist(folder: Path, rows: int = MOST_ROWS) -> Data:
    """The first training digits, each pixel the mean of two by two: 14 by 14."""
    images = _idx(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 14, 2, 14, 2)[:rows]
    labels = _idx(folder / "train-labels-idx1-ubyte.gz", 8)[:rows]
    return Data("MNIST", images.mean((2, 4)).reshape(len(labels), -1), labels, 10)


def _idx(path: Path, header: int) -> Any:
    if not path.is_file():
        raise LossError(
            complain(f"There is no {path.name}", got=str(path.parent), expected="MNIST in its IDX format")
        )
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)
