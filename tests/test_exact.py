"""Promise 4: value, gradient and curvature within 8 units in the last place of the truth, over the whole range.

The truth is mpmath's, of the exact inputs. A problem is well conditioned where a last-place change of the inputs
moves the result by at most 4 such units; elsewhere (near a zero of the result, far out in an exponential) the bound
grows with what such a change does. No entry is excepted.
"""

from __future__ import annotations

from zlib import crc32

import mpmath
import numpy as np
import pytest
from mpmath import mpf

import losscope as ls
from judge import DIGITS, evaluate
from losscope.catalogue import entries
from losscope.derive import derive

ULPS = 8
WELL = 4  # ulp that a last-place change of the inputs may move a well-conditioned result
DTYPES = (np.float32, np.float64)


def spread(rng: np.random.Generator, dtype: type, count: int) -> np.ndarray:
    """Numbers of every size: signs and exponents over the finite range, and ordinary ones."""
    info = np.finfo(dtype)
    low, high = np.log10(float(info.tiny)) + 1, np.log10(float(info.max)) - 1
    wild = rng.choice([-1, 1], count) * 10 ** rng.uniform(low, high, count)
    tame = rng.normal(size=count) * rng.choice([0.01, 1, 10, 60], count)
    return np.concatenate([wild, tame]).astype(dtype)


def targets(rng: np.random.Generator, name: str, dtype: type, prediction: np.ndarray) -> np.ndarray:
    n = len(prediction)
    if name == "real":
        near = prediction * (1 + rng.integers(-9, 9, n) * np.finfo(dtype).eps).astype(dtype)
        return np.choose(rng.integers(0, 3, n), [np.zeros(n, dtype), spread(rng, dtype, n)[:n], near]).astype(
            dtype
        )
    if name == "sign":
        return rng.choice([-1, 1], n).astype(dtype)
    if name == "count":
        return rng.choice([0, 1, 2, 17, 1000], n).astype(dtype)
    return np.choose(
        rng.integers(0, 4, n), [np.zeros(n), np.ones(n), rng.random(n), 10 ** rng.uniform(-30, 0, n)]
    ).astype(dtype)


def points(loss: ls.Loss, dtype: type, count: int = 150) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(crc32(loss.name.encode()))
    prediction = spread(rng, dtype, count)
    if loss.entry.prediction.name == "probability":
        half = len(prediction) // 2
        low = 10 ** rng.uniform(-30, 0, half)
        prediction = np.concatenate([low, 1 - rng.random(half) * 10 ** rng.uniform(-6, 0, half)]).astype(
            dtype
        )
        prediction = prediction[(prediction > 0) & (prediction < 1)]
    return prediction, targets(rng, loss.entry.target.name, dtype, prediction)


def truths(loss: ls.Loss, dtype: type, prediction: float, target: float) -> tuple[list, list]:
    """The true value, gradient and curvature, and how far a last-place change of the inputs moves each."""
    derived = derive(loss.entry, loss.activation)
    eps = mpf(float(np.finfo(dtype).eps))
    forms = [derived.expanded(order) for order in range(3)]
    with mpmath.workdps(DIGITS):
        fixed = {name: mpf(float(dtype(value))) for name, value in loss.parameters.items()}
        at = {**fixed, "prediction": mpf(float(prediction)), "target": mpf(float(target))}
        true = [evaluate(form, at) for form in forms]
        moved = [mpf(0)] * 3
        for name in ("prediction", "target"):
            shifted = {**at, name: at[name] * (1 + eps)}
            if at[name]:
                moved = [
                    old + abs(evaluate(form, shifted) - value) for old, form, value in zip(moved, forms, true)
                ]
    return true, moved


def errors(dtype: type, computed: float, true: object, moved: object) -> tuple[float, float] | None:
    """(error, effect of a last-place change) in ulp; None where the truth is no normal number of the dtype."""
    info = np.finfo(dtype)
    size = abs(true)
    if size > mpf(float(info.max)):
        assert np.isinf(computed), (computed, true)
        return None
    if size < mpf(float(info.tiny)):
        assert abs(float(computed)) <= 4 * float(info.tiny) + 8 * float(moved), (computed, true)
        return None
    unit = mpf(float(np.spacing(dtype(abs(float(true))))))
    return float(abs(mpf(float(computed)) - true) / unit), float(moved / unit)


def within_bounds(loss: ls.Loss, dtype: type, prediction: np.ndarray, target: np.ndarray) -> None:
    if loss.structure == "activation":
        computed = loss.value_grad_curvature(prediction)
    elif loss.entry.over == "rows":
        value, *rest = loss.value_grad_curvature(prediction[:, None], target[:, None], reduction="none")
        computed = (value, *(each[:, 0] for each in rest))
    else:
        computed = loss.value_grad_curvature(prediction, target, reduction="none")
    for i in range(len(prediction)):
        true, moved = truths(loss, dtype, prediction[i], target[i])
        for order in range(3):
            found = errors(dtype, computed[order][i], true[order], moved[order])
            if found is None:
                continue
            error, shaken = found
            bound = ULPS if shaken <= WELL else ULPS + 2 * shaken
            assert error <= bound, (
                f"order {order} at prediction {prediction[i]!r}, target {target[i]!r}: {computed[order][i]!r} is {error:.1f} ulp from {mpmath.nstr(true[order], 20)} (inputs shaken: {shaken:.1f} ulp)"
            )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", entries())
def test_every_entry_is_exact(name: str, dtype: type) -> None:
    loss = ls.get(name)
    judged = {"classes": margins_within_bounds, "vectors": vectors_within_bounds}.get(loss.judges)
    if judged is not None:
        judged(loss, dtype)
    else:
        within_bounds(loss, dtype, *points(loss, dtype))


def near(dtype: type, computed: float, true: object, moved: object, *where: object) -> None:
    """Within 8 places of the truth, and twice as many as a last-place change of the inputs moves it."""
    seen = errors(dtype, computed, true, moved)
    assert seen is None or seen[0] <= ULPS + 2 * seen[1], (computed, mpmath.nstr(true, 20), seen, *where)


def margins_within_bounds(loss: ls.Loss, dtype: type) -> None:
    """Of the logits 0 and m the margin of the first is m itself: value, slope and curvature are the formula's."""
    margins = spread(np.random.default_rng(crc32(loss.name.encode())), dtype, 150)
    logits = np.stack([np.zeros_like(margins), margins], -1)
    computed = loss.value_grad_curvature(logits, np.zeros(len(margins), int), reduction="none")
    forms = [derive(loss.entry).expanded(order) for order in range(3)]
    eps = mpf(float(np.finfo(dtype).eps))
    for i, margin in enumerate(margins):
        with mpmath.workdps(DIGITS):
            at = {name: mpf(float(dtype(value))) for name, value in loss.parameters.items()}
            at["margin"] = mpf(float(margin))
            true = [evaluate(form, at) for form in forms]
            shifted = {**at, "margin": at["margin"] * (1 + eps)}
            moved = [abs(evaluate(form, shifted) - value) for form, value in zip(forms, true)]
        for order, found in enumerate((computed[0][i], computed[1][i, 1], computed[2][i, 1])):
            near(dtype, found, true[order], moved[order], loss.name, order, margin)


def measured(loss: ls.Loss, vectors: list, swap: bool) -> tuple:
    """The distance, the cosine (0 where none is measured), the distance's slope in each number of the first vector, and how
    large the terms are by whose rounding it may be off."""
    a, b, *rest = vectors

    def length(x: list) -> mpf:
        return mpmath.sqrt(mpmath.fsum(each**2 for each in x))

    def apart(x: list, y: list) -> tuple:
        difference = [one - other for one, other in zip(x, y)]
        size = length(difference)
        return size, [each / size if size else mpf(0) for each in difference]

    if loss.entry.measure == "cosine":
        sizes = length(a), length(b)
        cosine = mpmath.fsum(x * y for x, y in zip(a, b)) / (sizes[0] * sizes[1])
        slopes = [(cosine * x / sizes[0] - y / sizes[1]) / sizes[0] for x, y in zip(a, b)]
        return 1 - cosine, cosine, slopes, [mpf(0)] * len(a)
    distance, slopes = apart(a, b)
    terms = [mpf(0)] * len(a)
    for negative in rest:
        far, away = apart(a, negative)
        between, none = apart(b, negative)[0], [mpf(0)] * len(a)
        far, away = (between, none) if swap and between < far else (far, away)
        # Directions; but what is left where the lengths are nearly the same does not come from these.
        share = abs(distance - far) / (distance + far)
        terms = [share * (abs(x) + abs(y)) for x, y in zip(slopes, away)]
        distance, slopes = distance - far, [x - y for x, y in zip(slopes, away)]
    return distance, mpf(0), slopes, terms


def vectors_within_bounds(loss: ls.Loss, dtype: type) -> None:
    """Vectors of three numbers, some of them near each other, nearly opposite, or long beside the difference of two others,
    and the formula of their distance."""
    rng = np.random.default_rng(crc32(loss.name.encode()))
    first, second, third = rng.normal(size=(3, 80, 3))
    second[:10] = first[:10] * (1 + 1e-3 * rng.normal(size=(10, 3)))
    second[10:20] = -3 * first[10:20] * (1 + 1e-6 * rng.normal(size=(10, 3)))
    third[20:30] = second[20:30] * (1 + 1e-5 * rng.normal(size=(10, 3)))
    first[30:45] *= 10.0 ** np.arange(15)[:, None]
    second[45:60] *= 10.0 ** np.arange(15)[:, None]
    first, second, third = (each.astype(dtype) for each in (first, second, third))
    triplet = loss.entry.measure == "triplet"
    label = rng.choice([-1, 1], 80).astype(dtype)
    for options in (
        ({"negative": third}, {"negative": third, "swap": True}) if triplet else ({"label": label},)
    ):
        some_vectors_within_bounds(
            loss, dtype, [first, second, *([third] if triplet else [])], label, options
        )


def some_vectors_within_bounds(
    loss: ls.Loss, dtype: type, rows: list[np.ndarray], label: np.ndarray, options: dict
) -> None:
    value, gradient = loss.value_and_grad(*rows[:2], reduction="none", **options)
    forms = [derive(loss.entry).expanded(order) for order in range(2)]
    eps = mpf(float(np.finfo(dtype).eps))

    def truth(vectors: list, judged: mpf) -> tuple[list, list]:
        """Value and slopes, and the size of the terms of each."""
        distance, cosine, slopes, terms = measured(loss, vectors, options.get("swap", False))
        fixed = {name: mpf(float(dtype(number))) for name, number in loss.parameters.items()}
        at = {**fixed, "distance": distance, "cosine": cosine, "label": judged}
        slope = evaluate(forms[1], at)
        value = evaluate(forms[0], at)
        return [value, *(slope * each for each in slopes)], [mpf(0), *(abs(slope) * each for each in terms)]

    for i in range(len(label)):
        with mpmath.workdps(DIGITS):
            given = [each[i] for each in rows]
            vectors = [[mpf(float(each)) for each in vector] for vector in given]
            judged = mpf(float(label[i]))
            true, terms = truth(vectors, judged)
            moved = [eps * each for each in terms]
            for vector in vectors:
                for at in range(3):
                    kept, vector[at] = vector[at], vector[at] * (1 + eps)
                    found = truth(vectors, judged)[0]
                    moved = [old + abs(new - one) for old, new, one in zip(moved, found, true)]
                    vector[at] = kept
        for which, found in enumerate((value[i], *gradient[i])):
            near(dtype, found, true[which], moved[which], loss.name, which, given)


def softmax_rows(dtype: type) -> list[tuple[np.ndarray, np.ndarray]]:
    """Logits of every kind with targets: confident, wrong, tied, spread over hundreds."""
    rng = np.random.default_rng(20261121)
    rows = []
    for classes in (2, 3, 10, 40):
        for scale in (0.01, 1, 8, 25):
            logits = (rng.normal(size=(4, classes)) * scale).astype(dtype)
            rows.append((logits, rng.integers(0, classes, 4)))
    for confident in (20, 50, 80):
        rows.append(
            (np.array([[confident, 0, 0], [0, confident, -confident], [0, 0, 0]], dtype), np.array([0, 1, 2]))
        )
    return rows


def softmax_truth(logits: np.ndarray, shares: list, digits: int = 120) -> tuple[list, list, list, list]:
    """-sum p_c log softmax_c: value, gradient and diagonal of the Hessian, and the condition of the value."""
    with mpmath.workdps(digits):
        z = [mpf(float(each)) for each in logits]
        p = [mpf(float(each)) for each in shares]
        lse = mpmath.log(mpmath.fsum(mpmath.exp(each) for each in z))
        q = [mpmath.exp(each - lse) for each in z]
        value = mpmath.fsum(a * (lse - b) for a, b in zip(p, z))
        mass = mpmath.fsum(p)
        gradient = [mass * a - b for a, b in zip(q, p)]
        curvature = [mass * a * (1 - a) for a in q]
        return value, gradient, curvature, z


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_is_exact(dtype: type) -> None:
    """A logit moved by a last place moves exp(logit) by |logit| places: the bound grows with the largest."""
    for logits, target in softmax_rows(dtype):
        one_hot = np.eye(logits.shape[1], dtype=dtype)[target]
        by_index = ls.cross_entropy.value_grad_curvature(logits, target, reduction="none")
        by_row = ls.cross_entropy.value_grad_curvature(logits, one_hot, reduction="none")
        for row in range(len(logits)):
            value, gradient, curvature, z = softmax_truth(logits[row], one_hot[row])
            shaken = float(max(abs(each) for each in z))
            bound = ULPS + 2 * shaken
            for computed in (by_index, by_row):
                found = [(computed[0][row], value)]
                found += list(zip(computed[1][row], gradient)) + list(zip(computed[2][row], curvature))
                for got, true in found:
                    seen = errors(dtype, got, true, mpf(0))
                    assert seen is None or seen[0] <= bound, (
                        logits[row],
                        target[row],
                        got,
                        mpmath.nstr(true, 12),
                        seen,
                    )


@pytest.mark.parametrize("confident", [20, 50, 80])
def test_the_gradient_survives_confidence_in_float32(confident: float) -> None:
    """Where torch's float32 gradient is 0, ours is the truth to 8 ulp."""
    truth = 1 / (1 + mpmath.exp(mpf(confident)))
    _, gradient = ls.binary_cross_entropy.value_and_grad(
        np.array([confident], np.float32), np.array([1], np.float32)
    )
    assert errors(np.float32, -gradient[0], truth, mpf(0))[0] <= ULPS
    logits = np.array([[confident, 0]], np.float32)
    value, gradient = ls.cross_entropy.value_and_grad(logits, [0])
    assert errors(np.float32, -gradient[0, 0], truth, mpf(0))[0] <= ULPS
    assert value > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["mse@tanh", "huber@tanh", "log_cosh@tanh", "mae@tanh"])
def test_a_small_score_keeps_its_digits_through_tanh(name: str, dtype: str) -> None:
    loss, x = ls.get(name), np.geomspace(1e-18, 19, 60).astype(dtype)
    wide = x.astype("longdouble")
    outer = {
        "mse@tanh": lambda r: 2 * r,
        "mae@tanh": np.sign,
        "log_cosh@tanh": np.tanh,
        "huber@tanh": lambda r: r,
    }[name]
    for target, residual in ((0, np.tanh(wide)), (1, -2 * np.exp(-2 * wide) / (1 + np.exp(-2 * wide)))):
        found = loss.value_and_grad(x, np.full_like(x, target), reduction="none")[1]
        expected = outer(residual) / np.cosh(wide) ** 2
        np.testing.assert_allclose(found, expected.astype("float64"), rtol=16 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_of_a_certain_label_the_curvature_is_exact(dtype: str) -> None:
    loss = ls.get("weighted_binary_cross_entropy")
    for weight in (1e-8, 1e-3, 1.0, 1e3):
        nought, one = np.zeros(2, dtype), np.array([1, 0], dtype)
        found = loss.value_grad_curvature(nought, one, positive_weight=weight, reduction="none")[2]
        np.testing.assert_allclose(
            found, [np.dtype(dtype).type(weight) / 4, 0.25], rtol=4 * np.finfo(dtype).eps
        )


@pytest.mark.parametrize("name", [
    name for name, entry in entries().items()
    if entry.structure == "elementwise" and any(each.domain.name == "positive" for each in entry.parameters.values())
])  # fmt: skip
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_parameter_may_be_of_any_size(name: str, dtype: type) -> None:
    """Wherever the results themselves are numbers of the dtype."""
    loss, info = ls.get(name), np.finfo(dtype)
    prediction = np.array([0.3, 1.5, 1e5, 1e-5, -2.0, 0.9 * float(info.max)], dtype)
    for parameter in (each for each, one in loss.entry.parameters.items() if one.domain.name == "positive"):
        for size in 10.0 ** np.linspace(np.log10(info.tiny) * 0.7, np.log10(info.max) * 0.7, 9):
            bound = loss.bind(**{parameter: float(dtype(size))})
            for target in np.array([0, 1], dtype):
                within_bounds(bound, dtype, prediction, np.full_like(prediction, target))
