"""What `--save` keeps: predictions of every test row, and the fitted models, as plain data that can be read again."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from losscope.comparison import models
from losscope.comparison.columns import tidied
from losscope.comparison.data import DataError, listed, named
from losscope.comparison.encode import seen
from losscope.comparison.forecast import Forecast, forecast
from losscope.comparison.learned import Columns, Numbers, Words
from losscope.comparison.mistakes import cut
from losscope.comparison.outcome import Outcome
from losscope.comparison.sealed import sealed, unsealed
from losscope.comparison.task import Encoding, Task
from losscope.comparison.training import Judging, train
from losscope.comparison.tuning import Job
from losscope.report.write import write_atomic

SCHEMA = "losscope.model/2"
PREDICTIONS, MODELS = "predictions.parquet", "models"  # a file and a folder


def save(outcome: Outcome, folder: Path) -> list[Path]:
    """Write `predictions.parquet`, and a model for each loss to `models/`: that of the first split, with its own best
    rate and parameters. Gives the paths."""
    found = [write_atomic(folder / PREDICTIONS, predictions(outcome).to_parquet(index=False))]
    for name in outcome.losses:
        choice = outcome.choices[name][0]
        if choice is None:
            continue
        job = Job(name, 0, 0, choice.rate, choice.parameters)
        fitted = train(
            job, outcome.settings, outcome.prepared[0], outcome.task, outcome.rivals[name], Judging()
        )[1]
        word = re.sub(r"[^\w.=@-]+", "_", name).strip("_")  # "huber:delta=?" is no name of a file everywhere
        file = folder / MODELS / f"{word}.json"
        found.append(write_atomic(file, sealed(_described(outcome, job, fitted))))
    return found


def predictions(outcome: Outcome) -> pd.DataFrame:
    """A row for each test row of each split, loss and seed: its number in the data, its target, what was predicted."""
    parts = []
    for name in outcome.losses:
        for split, prepared in enumerate(outcome.prepared):
            for seed, made in enumerate(outcome.forecasts(name, split)):
                target = prepared.target[prepared.test]
                truth = (
                    np.array(outcome.task.labels, dtype=object)[target].astype(str)
                    if outcome.task.labels
                    else target
                )
                about = {"loss": name, "split": split, "seed": seed, "row": prepared.test, "target": truth}
                parts.append(pd.DataFrame(about).join(as_frame(made, outcome.task.labels)))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def as_frame(made: Forecast, labels: tuple[Any, ...]) -> pd.DataFrame:
    """A forecast as columns: `prediction`; for classes the likeliest, with the probability of each or the score."""
    if made.prediction is not None:
        return pd.DataFrame({"prediction": made.prediction})
    assert made.chosen is not None
    columns: dict[str, Any] = {"prediction": np.array([str(label) for label in labels])[made.chosen]}
    if made.log_probability is not None:
        for at, label in enumerate(labels):
            columns[f"probability {label}"] = np.exp(made.log_probability[:, at])
    elif made.score is not None:
        columns["score"] = made.score
    return pd.DataFrame(columns)


@dataclass(frozen=True)
class Model:
    """A saved model: turns rows of a table into predictions.

    `pixels`: what features are divided by, where every feature is a pixel (then `columns` is None).
    """

    loss: str
    kind: str
    state: Mapping[str, Any]
    task: Task
    encoding: Encoding
    centre: float
    scale: float
    columns: Columns | None
    pixels: float | None
    names: tuple[str, ...]

    def predict(self, frame: pd.DataFrame, source: str = "the data frame") -> pd.DataFrame:
        """Predictions of each row; raises DataError where a column is missing, or a value that the model must have."""
        rows = self._rows(frame, source)
        features = self._features(self._read(rows))
        wrong = np.argwhere(~np.isfinite(features))
        if len(wrong):
            row, place = wrong[0]
            column = rows[self.names[place]]  # the columns of numbers come first, and only they can be wrong
            value = "nothing" if column.isna().iloc[row] else repr(cut(str(column.iloc[row])))
            raise DataError(
                f"{source} has {value} in row {row + 1} of the column {column.name!r}, where the model needs a number, "
                "and not too large a one: mend that value, or leave the row out"
            )
        outputs = models.module(self.kind).outputs(self.state, features)
        return as_frame(
            forecast(outputs, self.task, self.encoding, self.centre, self.scale), self.task.labels
        )

    def unread(self, frame: pd.DataFrame, source: str = "the data frame") -> list[str]:
        """What of the rows is no number where the model knows numbers, in words: it is taken as missing."""
        rows, found = self._rows(frame, source).reset_index(drop=True), []
        read = self._read(rows)
        for name in self._numbers.names:
            words = rows[name][~np.isfinite(read[name].to_numpy()) & rows[name].notna()].astype(str)
            if len(words):
                found.append(f"{name}: {listed([repr(word) for word in words.unique()], 5)} taken as missing")
        return found

    @property
    def _numbers(self) -> Numbers:
        """The columns of numbers: all, where they are pixels."""
        return Numbers(self.names) if self.columns is None else self.columns.numbers

    def _rows(self, frame: pd.DataFrame, source: str) -> pd.DataFrame:
        """The columns that the model was fitted to, as they were given."""
        frame = named(frame, source)
        missing = [name for name in self.names if name not in frame.columns]
        if missing:
            raise DataError(f"{source} has no column {listed(missing)}, which the model was fitted to")
        return frame[list(self.names)]

    def _read(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Columns as they are read for a comparison: numbers and dates where those were, and nothing else there."""
        tidy, _ = tidied(rows.reset_index(drop=True))
        read = tidy.reindex(columns=list(self.names))  # one that holds nothing of a table is still a column
        for name in self._numbers.names:
            date = name in self._numbers.first
            if read[name].dtype.kind not in ("M" if date else "iufb"):
                read[name] = _turned(read[name], date)
        return read

    def _features(self, read: pd.DataFrame) -> np.ndarray:
        """float32 (rows, columns); infinite or NaN where a number is too large, or a pixel missing."""
        with np.errstate(over="ignore"):
            if self.columns is None:
                return read.to_numpy(np.float32) / np.float32(self.pixels or 1.0)
            return self.columns.apply(read)


def load_model(path: str | Path) -> Model:
    """Read a model that `--save` has written. Raises DataError for what is none."""
    path = Path(path).expanduser()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"the model {str(path)!r} cannot be read ({error.strerror})") from None
    if SCHEMA.encode() not in content:
        raise DataError(
            f"{str(path)!r} is no model of this version: give a file that `losscope compare --save` has written to models/"
        )
    data = unsealed(content)
    if data is None:
        raise DataError(
            f"the model {str(path)!r} is damaged (it was cut or changed after it was saved): save it again with "
            "`losscope compare --save`"
        )
    columns = data["columns"]
    return Model(
        loss=data["loss"], kind=data["kind"], state={key: _unpacked(value) for key, value in data["state"].items()},
        task=Task(data["task"], data["target"], "", tuple(data["labels"])),
        encoding=Encoding(data["encoding"]["target"], data["encoding"]["link"]), centre=data["centre"],
        scale=data["scale"], columns=None if columns is None else _columns(columns), pixels=data["pixels"],
        names=tuple(data["names"]),
    )  # fmt: skip


def _turned(read: pd.Series, date: bool) -> pd.Series:
    """A column as the dates, or else the numbers, that its words are; the others are missing, as is all of a column of
    numbers where dates were, and the other way round."""
    words = read if read.dtype.kind == "O" else pd.Series(None, read.index, object)
    if date:
        texts = words.map(str, na_action="ignore")
        return pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
    return pd.to_numeric(words, errors="coerce").astype(np.float64)


def _described(outcome: Outcome, job: Job, fitted: models.Fitted) -> dict[str, Any]:
    prepared, rival = outcome.prepared[0], outcome.rivals[job.loss]
    view = seen(prepared, outcome.task, rival.encoding)
    labels = [label.item() if isinstance(label, np.generic) else label for label in outcome.task.labels]
    return {
        "schema": SCHEMA,
        "loss": job.loss,
        "formula": rival.loss.entry.formula,
        "parameters": dict(job.parameters) or dict(rival.loss.parameters),
        "kind": fitted.kind,
        "state": {key: _packed(value) for key, value in fitted.state.items()},
        "task": outcome.task.kind,
        "target": outcome.task.target,
        "labels": labels,
        "encoding": {"target": rival.encoding.target, "link": rival.encoding.link},
        "centre": view.centre,
        "scale": view.scale,
        "pixels": outcome.dataset.pixels,
        "columns": None if prepared.learned is None else asdict(prepared.learned),
        "names": list(
            outcome.dataset.features.columns if prepared.learned is None else prepared.learned.names
        ),
    }


def _columns(data: Mapping[str, Any]) -> Columns:
    numbers: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in data["numbers"].items()
    }
    words = [Words(each["name"], tuple(each["categories"]), each["rest"]) for each in data["words"]]
    return Columns(Numbers(**numbers), tuple(words))


def _packed(value: Any) -> Any:
    """Arrays as text: little-endian, in base64."""
    if not isinstance(value, np.ndarray):
        return value
    raw = np.ascontiguousarray(value)
    raw = raw.astype(raw.dtype.newbyteorder("<"))
    return {
        "dtype": raw.dtype.str,
        "shape": list(raw.shape),
        "base64": base64.b64encode(raw.tobytes()).decode("ascii"),
    }


def _unpacked(value: Any) -> Any:
    if not (isinstance(value, dict) and "base64" in value):
        return value
    raw = base64.b64decode(value["base64"], validate=True)
    return np.frombuffer(raw, dtype=np.dtype(value["dtype"])).reshape(value["shape"]).copy()
