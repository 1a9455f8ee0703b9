"""The definitions against those of PyTorch, scikit-learn and SciPy, where they define the same."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

import losscope as ls
from conftest import CLASSES, batch

SEED = 20


def functional() -> object:
    pytest.importorskip("torch")
    return importlib.import_module("torch.nn.functional")


def by_torch(call: object, prediction: np.ndarray, *rest: object) -> tuple[float, np.ndarray]:
    """Value and gradient of call(prediction, *rest) in float64."""
    torch = pytest.importorskip("torch")
    leaf = torch.tensor(prediction, requires_grad=True)
    value = call(leaf, *(torch.as_tensor(each) for each in rest))
    value.sum().backward()
    return value.detach().numpy(), leaf.grad.numpy()


def agree(ours: tuple, theirs: tuple, **near: float) -> None:
    near = {"rtol": 1e-11, "atol": 1e-13, **near}
    assert_allclose(ours[0], theirs[0], **near)
    assert_allclose(ours[1], theirs[1], **near)


REDUCTIONS = ["mean", "sum", "none"]
TWINS = {
    "mse": ("mse_loss", {}, {}), "mae": ("l1_loss", {}, {}), "huber": ("huber_loss", {"delta": 0.7}, {"delta": 0.7}),
    "smooth_l1": ("smooth_l1_loss", {"beta": 0.7}, {"beta": 0.7}), "bce": ("binary_cross_entropy_with_logits", {}, {}),
    "bce_of_probability": ("binary_cross_entropy", {}, {}), "poisson": ("poisson_nll_loss", {}, {"log_input": True}),
}  # fmt: skip


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", TWINS)
def test_torch_functional(name: str, reduction: str) -> None:
    twin, ours, theirs = TWINS[name]
    loss = ls.get(name).bind(**ours)
    prediction, target = batch(loss, 50, SEED)
    call = getattr(functional(), twin)
    agree(
        loss.value_and_grad(prediction, target, reduction=reduction),
        by_torch(lambda p, t: call(p, t, reduction=reduction, **theirs), prediction, target),
    )


def test_at_ties_as_torch() -> None:
    F = functional()
    r = np.array([0.0, 1.0, -1.0, 2.0])
    zero = np.zeros(4)
    for loss, call in [(ls.mae, F.l1_loss), (ls.huber, F.huber_loss), (ls.smooth_l1, F.smooth_l1_loss)]:
        ours = loss.value_and_grad(r, zero, reduction="none")
        agree(ours, by_torch(lambda p, t, call=call: call(p, t, reduction="none"), r, zero))
    for name in ("relu", "leaky_relu"):
        agree(ls.get(name).value_and_grad(r), by_torch(getattr(F, name), r))


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu", "softplus"])
def test_torch_activations(name: str) -> None:
    score = np.random.default_rng(SEED).normal(size=60) * 4
    # torch.softplus turns linear at 20, which these do not reach.
    agree(ls.get(name).value_and_grad(score), by_torch(getattr(functional(), name), score))


CROSS_ENTROPY = [
    {}, {"label_smoothing": 0.1}, {"weight": True}, {"weight": True, "label_smoothing": 0.2}, {"ignored": True},
    {"ignored": True, "weight": True, "label_smoothing": 0.2},
]  # fmt: skip


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("options", CROSS_ENTROPY, ids=lambda each: "+".join(each) or "plain")
def test_torch_cross_entropy_of_indices(options: dict, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    logits, target = batch(ls.cross_entropy, 30, SEED)
    ours, theirs = {}, {}
    if "label_smoothing" in options:
        ours["label_smoothing"] = theirs["label_smoothing"] = options["label_smoothing"]
    if "weight" in options:
        ours["class_weight"] = np.array([0.5, 2.0, 1.0, 0.1])
        theirs["weight"] = torch.tensor(ours["class_weight"])
    if "ignored" in options:
        target[::4] = 2
        ours["ignore_index"] = theirs["ignore_index"] = 2
    call = functional().cross_entropy
    agree(
        ls.cross_entropy.value_and_grad(logits, target, reduction=reduction, **ours),
        by_torch(lambda p, t: call(p, t, reduction=reduction, **theirs), logits, target),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_torch_cross_entropy_of_rows(smoothing: float, reduction: str) -> None:
    logits, _ = batch(ls.cross_entropy, 30, SEED)
    rows = np.random.default_rng(SEED).dirichlet(np.ones(CLASSES), 30)
    call = functional().cross_entropy
    agree(
        ls.cross_entropy.value_and_grad(logits, rows, label_smoothing=smoothing, reduction=reduction),
        by_torch(lambda p, t: call(p, t, label_smoothing=smoothing, reduction=reduction), logits, rows),
    )


def test_torch_cross_entropy_over_several_axes() -> None:
    """torch has the classes on axis 1, we on the last."""
    rng = np.random.default_rng(SEED)
    logits, target = rng.normal(size=(3, 5, 2, CLASSES)), rng.integers(0, CLASSES, (3, 5, 2))
    value, gradient = ls.cross_entropy.value_and_grad(logits, target)
    theirs = by_torch(functional().cross_entropy, np.moveaxis(logits, -1, 1).copy(), target)
    agree((value, np.moveaxis(gradient, -1, 1)), theirs)


def test_torch_kl_div_of_distributions() -> None:
    """batchmean over rows that sum to 1; the gradient in the prediction differs by the 1 that we add per element."""
    p, q = np.random.default_rng(SEED).dirichlet(np.ones(CLASSES), (2, 30))
    F = functional()
    theirs = by_torch(lambda a, t: F.kl_div(a.log(), t, reduction="batchmean"), q, p)
    value, gradient = ls.kl_divergence.value_and_grad(q, p)
    agree((value, gradient - 1 / 30), theirs)


def test_a_divergence_of_distributions_is_the_usual_one_and_each_slope_less_by_1() -> None:
    """What Keras computes: the term that sums to 0 for distributions has a slope of 1 in each number."""
    rng = np.random.default_rng(3)
    target, prediction = rng.dirichlet(np.ones(5), 20), rng.dirichlet(np.ones(5), 20)
    value, gradient = ls.kl_divergence.value_and_grad(prediction, target, reduction="none")
    assert_allclose(value, (target * np.log(target / prediction)).sum(-1), rtol=1e-12)
    assert_allclose(gradient - 1, -target / prediction, rtol=1e-12)
    assert "each slope is less by 1" in ls.kl_divergence.entry.equivalents["keras"]
    with pytest.raises(ls.LossError, match="between 0 and 1"):  # amounts, which optax's takes
        ls.kl_divergence(prediction * 2, target * 2 + 1)


@pytest.mark.parametrize(
    ("name", "library", "names"),
    [
        ("huber", "sklearn", ["HuberLoss"]),
        ("log_cosh", "catboost", ["LogCosh"]),
        ("binary_cross_entropy", "catboost", ["CrossEntropy"]),
        ("binary_cross_entropy", "lightgbm", ["cross_entropy"]),
        ("binary_cross_entropy", "xgboost", ["binary:logitraw", "reg:logistic"]),
    ],
)
def test_names_under_which_libraries_have_the_same_loss(name: str, library: str, names: list[str]) -> None:
    for each in names:
        assert each in ls.get(name).entry.equivalents[library]


SKLEARN = {
    "half_squared_error": ("HalfSquaredError", {}, {}), "mae": ("AbsoluteError", {}, {}),
    "pinball": ("PinballLoss", {"quantile": 0.3}, {"quantile": 0.3}), "bce": ("HalfBinomialLoss", {}, {}),
    "poisson": ("HalfPoissonLoss", {}, {}), "huber": ("HuberLoss", {"delta": 0.7}, {"delta": 0.7}),
}  # fmt: skip


@pytest.mark.parametrize("name", SKLEARN)
def test_scikit_learn(name: str) -> None:
    module = pytest.importorskip("sklearn._loss.loss")
    kind, ours, theirs = SKLEARN[name]
    loss = ls.get(name).bind(**ours)
    prediction, target = batch(loss, 50, SEED)
    if name == "bce":
        target = np.round(target)
    twin = getattr(module, kind)(**theirs)
    if name == "huber":
        twin.closs.delta = ours["delta"]  # else it is a quantile of the data
    value, gradient = twin.loss_gradient(y_true=target, raw_prediction=prediction)
    agree(loss.value_and_grad(prediction, target, reduction="none"), (value, gradient))
    if name in ("half_squared_error", "bce", "poisson"):
        hessian = twin.gradient_hessian(y_true=target, raw_prediction=prediction)[1]
        curvature = loss.value_grad_curvature(prediction, target, reduction="none")[2]
        assert_allclose(curvature, np.broadcast_to(hessian, curvature.shape), rtol=1e-11)


def test_scikit_learn_multinomial() -> None:
    module = pytest.importorskip("sklearn._loss.loss")
    logits, target = batch(ls.cross_entropy, 30, SEED)
    twin = module.HalfMultinomialLoss(n_classes=CLASSES)
    value, gradient = twin.loss_gradient(y_true=target.astype(float), raw_prediction=logits)
    hessian = twin.gradient_hessian(y_true=target.astype(float), raw_prediction=logits)[1]
    ours = ls.cross_entropy.value_grad_curvature(logits, target, reduction="none")
    agree(ours, (value, gradient))
    assert_allclose(ours[2], hessian, rtol=1e-11)


def test_scikit_learn_zero_one_and_log_loss() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(SEED)
    score, sign = rng.normal(size=100), rng.choice([-1.0, 1.0], 100)
    assert ls.zero_one(score, sign) == pytest.approx(metrics.zero_one_loss(sign, np.where(score > 0, 1, -1)))
    assert ls.hinge(score, sign) == pytest.approx(metrics.hinge_loss(sign, score))
    probability = special.expit(score)
    label = (sign + 1) / 2
    assert ls.bce_of_probability(probability, label) == pytest.approx(metrics.log_loss(label, probability))
    assert ls.bce(score, label) == pytest.approx(metrics.log_loss(label, probability))


def test_scipy() -> None:
    rng = np.random.default_rng(SEED)
    r, zero = rng.normal(size=50) * 3, np.zeros(50)
    for delta in (0.5, 2.0):
        assert_allclose(ls.huber(r, zero, delta=delta, reduction="none"), special.huber(delta, r), rtol=1e-13)
        ours = ls.pseudo_huber(r, zero, delta=delta, reduction="none")
        assert_allclose(ours, special.pseudo_huber(delta, r), rtol=1e-12)
    p, q = rng.dirichlet(np.ones(6), (2, 20))
    assert_allclose(ls.kl_divergence(q, p, reduction="none"), special.kl_div(p, q).sum(-1), rtol=1e-11)
    assert_allclose(ls.kl_divergence(q, p, reduction="none"), special.rel_entr(p, q).sum(-1), rtol=1e-11)


@pytest.mark.parametrize("base", [2, 10, np.e])
def test_scipy_entropy(base: float) -> None:
    from scipy import stats

    p = np.random.default_rng(SEED).dirichlet(np.ones(6), (3, 4))
    assert_allclose(ls.entropy(p, base=base), stats.entropy(p, base=base, axis=-1), rtol=1e-13)
    assert ls.entropy([1.0, 0.0]) == 0
    assert ls.entropy([0.5, 0.5], base=2) == 1


def test_focal_by_its_paper() -> None:
    """FL(p_t) = -(1 - p_t)^gamma log(p_t)."""
    logits = np.random.default_rng(SEED).normal(size=50) * 3
    for gamma in (0.5, 2.0, 5.0):
        for label in (0.0, 1.0):
            p = special.expit(logits if label else -logits)
            ours = ls.binary_focal(logits, np.full(50, label), gamma=gamma, reduction="none")
            assert_allclose(ours, -((1 - p) ** gamma) * np.log(p), rtol=1e-11)


def test_squared_hinge_and_log_cosh_by_hand() -> None:
    rng = np.random.default_rng(SEED)
    score, sign = rng.normal(size=50) * 2, rng.choice([-1.0, 1.0], 50)
    ours = ls.squared_hinge.value_and_grad(score, sign, reduction="none")
    slack = np.maximum(0, 1 - score * sign)
    agree(ours, (slack**2, -2 * sign * slack))
    agree(
        ls.log_cosh.value_and_grad(score, 0 * sign, reduction="none"),
        (np.log(np.cosh(score)), np.tanh(score)),
    )
    p, q = rng.dirichlet(np.ones(6), (2, 20))
    assert_allclose(
        ls.cross_entropy_of_probability(q, p, reduction="none"), -(p * np.log(q)).sum(-1), rtol=1e-13
    )
