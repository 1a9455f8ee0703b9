"""The data sets that studies train on: scikit-learn's bundled ones, made ones whose truth is known, and the reader's."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

from losscope.errors import LossError, complain

MOST_ROWS = 2000
MOST_LEVELS = 20  # of a column of words that becomes one column a level
MADE_ROWS = 600
# In a folder of the reader's: file -> what is learnt; missing ones are left out.
REGRESSION = {
    "housing": "median_house_value",
    "tips": "tip",
    "engel": "foodexp",
    "coffee": "total_cup_points",
}
CLASSES = {"caravan": "Purchase"}


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


def made_numbers(noise: str, seed: int = 0) -> Data:
    """Friedman's function of five inputs (and five that say nothing) with noise of a known distribution."""
    random = np.random.default_rng([seed, 5])
    features, truth = datasets.make_friedman1(MADE_ROWS, random_state=seed)
    drawn = random.normal(size=MADE_ROWS) if noise == "normal" else random.standard_t(1.5, MADE_ROWS)
    return Data(f"made, {noise}", features, truth + 2 * drawn)


def made_classes(seed: int = 0) -> list[Data]:
    """Clouds on the corners of a cube, whose classes overlap, and two interleaved moons."""
    clouds = datasets.make_classification(
        MADE_ROWS, 12, n_informative=6, n_classes=4, flip_y=0.0, random_state=seed
    )
    moons = datasets.make_moons(MADE_ROWS, noise=0.3, random_state=seed)
    return [Data("clouds", *clouds, 4), Data("moons", *moons, 2)]


def of_folder(folder: Path) -> list[Data]:
    """Every set of REGRESSION and CLASSES, and MNIST, that lies anywhere in the folder."""
    if not folder.is_dir():
        raise LossError(complain("There is no such folder of data", got=str(folder)))
    found = [
        table(path, name, target)
        for name, target in (REGRESSION | CLASSES).items()
        for path in sorted(folder.rglob(f"{name}.csv"))[:1]
    ]
    return found + [mnist(path.parent) for path in sorted(folder.rglob("train-images-idx3-ubyte.gz"))[:1]]


def table(path: Path, name: str, target: str) -> Data:
    """A CSV: words become one column a level, what is missing the column's median."""
    frame = pd.read_csv(path)
    if target not in frame:
        columns = ", ".join(map(str, frame.columns[:8]))
        raise LossError(complain(f"{path.name} has no column {target!r}", got=columns))
    frame = frame[frame[target].notna()]
    if len(frame) > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, random_state=0)
    features = frame.drop(columns=target)
    words = [each for each in features if not pd.api.types.is_numeric_dtype(features[each])]
    features = features.drop(columns=[each for each in words if features[each].nunique() > MOST_LEVELS])
    features = pd.get_dummies(features, dtype=float)
    features = features.fillna(features.median())
    features = features.loc[:, features.std() > 0]
    if name in CLASSES:
        index, labels = pd.factorize(frame[target], sort=True)
        return Data(name, features.to_numpy(), index, len(labels))
    return Data(name, features.to_numpy(), frame[target].to_numpy())


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
