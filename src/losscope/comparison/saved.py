"""What `--save` keeps: predictions of every test row, and the fitted models, as plain data that can be read again."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from losscope.comparison import models
from losscope.comparison.columns import no_column, tidied, without_no_cells
from losscope.comparison.data import DataError, listed, named
from losscope.comparison.encode import seen
from losscope.comparison.forecast import Forecast, forecast
from losscope.comparison.formats import TEXT, plainly
from losscope.comparison.learned import Columns, Numbers, Words, texts_of
from losscope.comparison.mistakes import cut
from losscope.comparison.outcome import Outcome
from losscope.comparison.sealed import sealed, unsealed
from losscope.comparison.sources import content_of
from losscope.comparison.task import Encoding, Task
from losscope.comparison.training import Judging, train
from losscope.comparison.tuning import Job
from losscope.report.write import write_atomic

SCHEMA = "losscope.model/5"
PREDICTIONS, MODELS = "predictions.parquet", "models"  # a file and a folder
LONG_WORD = 60  # beyond it the name of a file is cut, so that it has no more than 255 bytes in any script
YES_OR_NO = {
    "True",
    "False",
    "missing",
}  # the categories of a column of booleans with gaps, however a file writes them


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
        file = folder / MODELS / f"{_word(name)}.json"
        found.append(write_atomic(file, sealed(_described(outcome, job, fitted))))
    return found


def _word(name: str) -> str:
    """A loss's name as that of a file: "huber:delta=?" is none everywhere, and a long one is none anywhere.

    >>> _word("huber:delta=?"), len(_word("a" * 300)), _word("a" * 300) == _word("a" * 299)
    ('huber_delta=', 67, False)
    """
    word = re.sub(r"[^\w.=@-]+", "_", name).strip("_")
    return word if len(word) <= LONG_WORD else f"{word[:50]}_{hashlib.sha256(word.encode()).hexdigest()[:16]}"


def predictions(outcome: Outcome) -> pd.DataFrame:
    """A row for each test row of each split, loss and seed: its number in the data, its target, what was predicted."""
    parts = []
    numbers = outcome.dataset.row_numbers
    for name in outcome.losses:
        for split, prepared in enumerate(outcome.prepared):
            for seed, made in enumerate(outcome.forecasts(name, split)):
                target = prepared.target[prepared.test]
                truth = (
                    np.array(outcome.task.labels, dtype=object)[target].astype(str)
                    if outcome.task.labels
                    else target
                )
                about = {
                    "loss": name,
                    "split": split,
                    "seed": seed,
                    "row": numbers[prepared.test],
                    "target": truth,
                }
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

    `pixels`: what features are divided by, where every feature is a pixel (then `columns` is None). `formats`: how the
    columns of the training data were written.
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
    formats: Mapping[str, str]

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
        """What of the rows the model does not know, in words: no number where it knows numbers, or another category; and
        what it has in its place."""
        rows, found = self._rows(frame, source).reset_index(drop=True), []
        read, odd = self._read(rows), {name: no_column(rows[name]) for name in self.names}
        found += [f"{name}: {what} taken as missing" for name, what in odd.items() if what]
        gaps = {name: _missing(read[name]) for name in self._numbers.names}
        for name, missing in gaps.items():
            words = rows[name][missing & rows[name].notna()].astype(str)
            if len(words) and not odd[name]:
                found.append(f"{name}: {listed([repr(word) for word in words.unique()], 5)} taken as missing")
        filled = [
            f"{name} ({gaps[name].sum():,}, with {value})"
            for name, value in self._numbers.filled_with.items()
            if gaps[name].any()
        ]
        found += [f"missing values filled with the training median: {listed(filled)}"] if filled else []
        return found + [remark for each in self._words for remark in _unseen(read[each.name], each)]

    @property
    def known(self) -> dict[str, str]:
        """How a file of rows is to be read: its words as the text they are, and the rest as the training data were."""
        words = [each.name for each in self._words if not YES_OR_NO.issuperset(each.categories)]
        return {**self.formats, **dict.fromkeys(words, TEXT)}

    @property
    def _words(self) -> tuple[Words, ...]:
        return () if self.columns is None else self.columns.words

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
        rows, numbers = rows.reset_index(drop=True), list(self._numbers.names)
        for name in rows:
            rows[name] = without_no_cells(rows[name])
        for name, form in self.formats.items():
            rows[name] = plainly(rows[name], form)
        tidy, _, _ = tidied(rows[numbers])
        read = tidy.reindex(columns=numbers)  # one that holds nothing of a table is still a column
        for name in self._numbers.names:
            date = name in self._numbers.first
            if read[name].dtype.kind not in ("M" if date else "iufb"):
                read[name] = _turned(read[name], date)
        return pd.concat([read, *(_as_words(rows[each.name], each) for each in self._words)], axis=1)

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
        content = content_of(path)
    except OSError as error:
        raise DataError(f"the model {str(path)!r} cannot be read ({error.strerror})") from None
    if SCHEMA.encode() not in content:
        raise DataError(
            f"{str(path)!r} is no model of this version: give a file that `losscope compare --save` has written to models/"
        )
    data = unsealed(content)
    try:
        model = _of(data or {})
        model.predict(pd.DataFrame(0, [0], list(model.names)))  # it has all that it takes to predict
    except (LookupError, TypeError, ValueError, AttributeError):
        raise DataError(
            f"the model {str(path)!r} is damaged (it was cut or changed after it was saved): save it again with "
            "`losscope compare --save`"
        ) from None
    return model


def _of(data: Mapping[str, Any]) -> Model:
    """The model that these data describe."""
    columns = data["columns"]
    return Model(
        loss=data["loss"], kind=data["kind"], state={key: _unpacked(value) for key, value in data["state"].items()},
        task=Task(data["task"], data["target"], "", tuple(data["labels"])),
        encoding=Encoding(data["encoding"]["target"], data["encoding"]["link"]), centre=data["centre"],
        scale=data["scale"], columns=None if columns is None else _columns(columns), pixels=data["pixels"],
        names=tuple(data["names"]), formats=data["formats"],
    )  # fmt: skip


def _as_words(values: pd.Series, words: Words) -> pd.Series:
    """A column of words. Whole numbers with gaps come as floating-point ones: 1.0 is the category 1, if there is one."""
    values = values.astype(object)
    whole = values.map(lambda each: f"{each:.0f}" if isinstance(each, float) and each.is_integer() else None)
    return values.where(~whole.isin(words.categories), whole)


def _unseen(values: pd.Series, words: Words) -> Iterator[str]:
    """What of a column of words the training rows had not, and what it is taken as."""
    texts, there = texts_of(values)
    new = ~pd.Series(texts).isin([*words.categories, *words.rare]).to_numpy()
    what = [repr(word) for word in pd.unique(texts[new & there])] + ["an empty cell"] * bool(
        (new & ~there).any()
    )
    if what:
        taken = "one of its rare" if words.rare else "none of its"
        yield f"{words.name}: {listed(what, 5)} unknown to the model, taken as {taken} categories"


def _missing(values: pd.Series) -> np.ndarray:
    """Where there is no number, nor a date."""
    infinite = np.isinf(values) if values.dtype.kind == "f" else False
    return np.asarray(values.isna() | infinite, bool)


def _turned(read: pd.Series, date: bool) -> pd.Series:
    """A column as the dates, or else the numbers, that its words are; the others are missing, as is all of a column of
    numbers where dates were, and the other way round."""
    words = read if read.dtype.kind == "O" else pd.Series(None, read.index, object)
    if date:
        texts = words.map(str, na_action="ignore")
        return pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
    # Yes and no are numbers, too, and text where a word stands among them.
    truth = words.map(
        lambda word: {"true": 1.0, "false": 0.0}.get(str(word).strip().lower()), na_action="ignore"
    )
    return pd.to_numeric(words, errors="coerce").astype(np.float64).fillna(truth.astype(np.float64))


def _described(outcome: Outcome, job: Job, fitted: models.Fitted) -> dict[str, Any]:
    prepared, rival = outcome.prepared[0], outcome.rivals[job.loss]
    view = seen(prepared, outcome.task, rival.encoding)
    labels = [label.item() if isinstance(label, np.generic) else label for label in outcome.task.labels]
    learned, dataset = prepared.learned, outcome.dataset
    names = list(dataset.features.columns if learned is None else learned.names)
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
        "pixels": dataset.pixels,
        "columns": None if learned is None else asdict(learned),
        "names": names,
        "formats": {name: form for name, form in dataset.formats.items() if name in names},
    }


def _columns(data: Mapping[str, Any]) -> Columns:
    given = {each.name: data["numbers"][each.name] for each in fields(Numbers)}
    numbers: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
    }
    words = [Words(each["name"], tuple(each["categories"]), tuple(each["rare"])) for each in data["words"]]
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
