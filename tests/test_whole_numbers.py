"""Whole numbers that float32 or float64 does not hold: computed exactly, or refused; never changed without a word."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import losscope as ls


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32", "uint64"])
@pytest.mark.parametrize("floating", ["float16", "float32"])
def test_beside_float32_they_are_computed_in_float64(dtype: str, floating: str) -> None:
    """2^24 + 1 is no float32: NumPy's own residual is 1."""
    prediction = np.array([2**15, 3], floating)
    target = np.array([2**24 + 1, 3], dtype)
    value, gradient = ls.mae.value_and_grad(prediction, target, reduction="sum")
    assert value == 2**24 + 1 - 2**15
    assert gradient.dtype == floating
    assert gradient.tolist() == [-1, 0]
    if dtype in ("int32", "int64"):
        x = torch.tensor(prediction, requires_grad=True)
        found = ls.mse(x, torch.tensor(target), reduction="none")
        assert found.dtype is x.dtype
        found.sum().backward()
        assert x.grad.dtype is x.dtype
    assert ls.mae(np.float32([16777216]), np.array([16777217], dtype)) == 1


def test_halves_of_tensors_do_not_round_them_either() -> None:
    for dtype in (torch.bfloat16, torch.float16):
        for whole in (torch.int16, torch.int64):
            x = torch.tensor([2048.0], dtype=dtype)
            assert ls.mae(x, torch.tensor([2049], dtype=whole)) == 1


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63 - 1])
def test_those_that_float64_does_not_hold_are_refused(number: int) -> None:
    words = rf"target\[1\] is out of its domain. Got: {number}. Expected: a whole number that float64 holds"
    with pytest.raises(ls.LossError, match=words):
        ls.mae([1.0, 2.0], [3, number])
    with pytest.raises(ls.LossError, match=words):
        ls.mae(torch.tensor([1.0, 2.0]), torch.tensor([3, number]))
    with pytest.raises(ls.LossError, match="prediction"):
        ls.contrastive(np.array([[number, 1]]), np.array([[1, 1]]))
    assert ls.mae([0.0], [2**60]) == 2**60  # which it holds
    # What needs all 64 bits has another type of NumPy's in a list than in an array.
    for prediction, kind in itertools.product(([0.0], torch.tensor([0.0])), (list, np.uint64)):
        assert ls.mae(prediction, kind([2**63])) == 2**63
        with pytest.raises(ls.LossError, match="18446744073709551615"):
            ls.mae(prediction, kind([2**64 - 1]))
    for prediction in (
        [0.0, 0.0],
        torch.tensor([0.0, 0.0]),
    ):  # beside a fraction NumPy rounds it without a word
        with pytest.raises(ls.LossError, match=words):
            ls.mae(prediction, [0.5, number])
    pandas = pytest.importorskip("pandas")
    if number > 0:  # a column with a gap is one of floats to NumPy
        with pytest.raises(ls.LossError, match=rf"target\[0\] .* Got: {number}"):
            ls.mae([1.0, 0.0], pandas.Series([number, None], dtype="Int64"), weight=[1, 0])
    assert ls.mae([1.0, 0.0], pandas.Series([3, None], dtype="Int64"), weight=[1, 0]) == 2
    assert ls.cross_entropy([[0.0, 0.0]] * 2, [0, number], ignore_index=number) == np.log(
        2
    )  # no number, a name


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "float64"])
def test_a_weight_that_is_missing_is_no_number_in_a_column_and_in_a_table(dtype):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(
        {name: pandas.array([number], dtype=dtype) for name, number in (("a", 1), ("b", None))}
    )
    assert np.isnan(ls.mse([[1.0, 2.0]], [[0.0, 0.0]], weight=table))
    assert np.isnan(ls.mse([1.0, 2.0], [0.0, 0.0], weight=table.T[0]))
    there = table.astype("Float64").fillna(3)
    assert ls.mse([[1.0, 2.0]], [[0.0, 0.0]], weight=there) == (1 + 3 * 4) / 4


def test_classes_of_which_some_are_missing_are_said_to_be():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(
        ls.LossTypeError, match=r"target has rows without a class. Got: 1 of 2, the first is target\[1\]"
    ):
        ls.cross_entropy(np.eye(2), pandas.Series([1, None], dtype="Int64"))


COLUMNS = [
    "Int64",
    "UInt64",
    "Float64",
    "boolean",
    "int64",
    "bool",
    "float64",
]  # of pandas: nullable, and plain


@pytest.mark.parametrize("beside", COLUMNS)
@pytest.mark.parametrize("dtype", COLUMNS)
def test_a_table_is_its_columns(dtype: str, beside: str) -> None:
    """A gap is NaN in each of them, of whatever dtype, and a whole number that is rounded is refused in each."""
    pandas = pytest.importorskip("pandas")
    gaps = [None, 1] if dtype[0].isupper() or dtype == "boolean" else [0, 1]
    columns = [pandas.Series(gaps, dtype=dtype), pandas.Series([1, 0], dtype=beside)]
    table = pandas.concat(columns, axis=1, keys=["x", "x"])
    expected = [ls.mae([1.0, 1.0], each, reduction="none") for each in columns]
    found = ls.mae(np.ones((2, 2)), table, reduction="none")
    np.testing.assert_array_equal(found, np.stack(expected, -1))
    assert np.isnan(found).sum() == gaps.count(None)
    weighed = ls.mae(np.ones((2, 2)), table, weight=[[gaps[0] is not None, 1], [1, 1]], reduction="sum")
    assert weighed == np.nansum(expected)
    if "nt" in dtype and (None in gaps or "loat" in beside):  # what NumPy makes of it is floats
        table.iloc[1, 0] = 2**53 + 1
        with pytest.raises(ls.LossError, match=r"target\[1, 0\] .* Got: 9007199254740993"):
            ls.mae(np.ones((2, 2)), table, weight=np.ones((2, 2)))


def test_one_of_64_bits_is_not_rounded_beside_a_negative_one() -> None:
    with pytest.raises(
        ls.LossError, match=r"prediction\[1, 0\] is out of its domain. Got: 9223372036854775809"
    ):
        ls.mae([[-1], [2**63 + 1]], [[0], [2**63]])
    assert ls.mae([[-1], [2**63]], [[0], [2**63]]) == 0.5


def test_one_larger_than_any_float_is_named() -> None:
    for arguments, options in (
        ([[10**400], [0]], {}),
        ([[1.0], [10**400]], {}),
        ([[1.0], [0.0]], {"weight": [10**400]}),
    ):
        with pytest.raises(
            ls.LossTypeError, match=r"\[0\] is a whole number that is larger than any floating-point number"
        ):
            ls.mae(*arguments, **options)


def test_an_array_of_whole_numbers_as_objects_is_converted_to_such() -> None:
    with pytest.raises(ls.LossTypeError, match=r"Use prediction.astype\('float64'\)"):
        ls.mae([10**22], [0])
    with pytest.raises(ls.LossTypeError, match=r"Use target.astype\('int64'\)"):
        ls.cross_entropy(np.eye(2), np.array([0, 1], object))
    with pytest.raises(ls.LossError, match="delta must be a number that a float holds"):
        ls.huber([3], [0], delta=10**400)


def test_weights_that_are_too_large() -> None:
    with pytest.raises(ls.LossError, match=r"weight\[1\] is out of its domain. Got: 1e\+300. Expected: a number that float32 holds"):  # fmt: skip
        ls.mse(np.float32([1, 2]), np.float32([0, 0]), weight=[1.0, 1e300])
    assert ls.mse([1.0, 2.0], [0.0, 0.0], weight=[1e308, 1e308]) == 2.5
    numbers = np.array([[1.0, 2.0], [0.0, 0.0], [1e308, 1e308]])
    for prediction, target, weight in (numbers, torch.tensor(numbers)):
        with pytest.raises(ls.LossError, match="too large to be added up"):
            ls.mse.total(prediction, target, weight=weight)


def test_constants_are_worked_out_before_float32_meets_them() -> None:
    tiny = ls.define("constants", "r**2*1e60*exp(-200)")
    value, gradient, curvature = tiny.value_grad_curvature(np.float32([0.0, 1e10]), np.float32([0.0, 0.0]), reduction="none")  # fmt: skip
    worth = 1e60 * np.exp(-200.0)
    np.testing.assert_allclose(value, [0, worth * 1e20], rtol=1e-6)
    np.testing.assert_allclose(gradient, [0, 2e10 * worth], rtol=1e-6)
    np.testing.assert_allclose(curvature, 2 * worth, rtol=1e-6)
