"""Any call of a loss of PyTorch's, made of ours instead: the same answer, gradients, warnings, or the same error.

One law over all functions. Hypothesis draws a call: shapes, dtypes, layouts, numbers (infinities, NaN, denormals),
which tensors want gradients, keywords, wrong ones among them, and the circumstances (autocast, a second backward, a
gradient of the gradient, inference, a tensor written to before the backward). PyTorch answers first, in the dtype
given and once more in float64; ours has to be as near to that as PyTorch's is, or nearer.
"""

from __future__ import annotations

import contextlib
import copy
import pickle
import re
import warnings
from dataclasses import dataclass, replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from losscope.torch import functional, nn  # noqa: E402

EXAMPLES = 60
law = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
REDUCTIONS = ["mean", "sum", "none"]


# --- tensors


@dataclass(frozen=True)
class Made:
    """A tensor to be made anew for each call: leaves of their own, so that gradients do not meet."""

    shape: tuple[int, ...]
    numbers: str
    seed: int
    dtype: Any = torch.float32
    layout: str = "contiguous"
    wanted: bool = False
    classes: int = 0
    ignored: int = -100

    def make(self, dtype: Any = None) -> Any:
        drawn = NUMBERS[self.numbers](self, torch.Generator().manual_seed(self.seed))
        tensor = drawn if self.classes else drawn.to(self.dtype)
        tensor = LAYOUTS[self.layout](tensor)
        if dtype is not None and tensor.is_floating_point():
            tensor = tensor.to(dtype)
        tensor = tensor.detach()
        return tensor.requires_grad_() if self.wanted and tensor.is_floating_point() else tensor


def uniform(it, generator):
    return torch.rand(it.shape, generator=generator, dtype=torch.float64)


def one_of(*choices):
    def draw(it, generator):
        return torch.tensor(choices, dtype=torch.float64)[
            torch.randint(0, len(choices), it.shape, generator=generator)
        ]

    return draw


def classes(it, generator):
    drawn = torch.randint(0, max(1, it.classes), it.shape, generator=generator)
    return torch.where(uniform(it, generator) < 0.2, it.ignored, drawn)


def lists(it, generator):
    """Each row names some classes, and ends by -1."""
    drawn = torch.randint(0, max(1, it.classes), it.shape, generator=generator)
    return torch.where(uniform(it, generator) < 0.4, -1, drawn)


INF, NAN = float("inf"), float("nan")
NUMBERS = {
    "scores": lambda it, g: 2 * torch.randn(it.shape, generator=g, dtype=torch.float64),
    "far": lambda it, g: 60 * torch.randn(it.shape, generator=g, dtype=torch.float64),
    "probabilities": uniform,
    "rows": lambda it, g: torch.randn(it.shape, generator=g, dtype=torch.float64).softmax(-1 if len(it.shape) < 2 else 1),
    "logs": lambda it, g: torch.randn(it.shape, generator=g, dtype=torch.float64).log_softmax(-1),
    "edges": one_of(0.0, 1.0, 0.5, 0.999),
    "signs": one_of(-1.0, 1.0),
    "labels": one_of(0.0, 0.5, -2.0, 1.0, -1.0),
    "counts": one_of(0.0, 1.0, 2.0, 7.0),
    "weights": one_of(0.0, 1.0, 0.25, 3.0),
    "variances": one_of(0.0, 1e-9, 0.3, 2.0),
    "strange": one_of(0.0, -0.0, 1e-40, 1e30, -1e30, INF, -INF, NAN, 1.0, -2.0),
    "vast": one_of(0.0, -0.0, 1e-40, 3e4, -3e4, 1.0, -2.0),
    "classes": classes,
    "lists": lists,
}  # fmt: skip


def expanded(x):
    return x[:1].expand(x.shape) if x.ndim and x.shape[0] else x


LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: x.mT.contiguous().mT if x.ndim > 1 else x,
    "with holes": lambda x: x.repeat_interleave(2, -1)[..., ::2] if x.ndim else x,
    "expanded": expanded,
    "from within": lambda x: torch.cat([x.new_zeros(3), x.reshape(-1)])[3:].view(x.shape),
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x,
}  # fmt: skip

SHAPES = st.one_of(
    st.sampled_from([(), (1,), (0,), (1, 1), (3, 0), (7,), (2, 5), (1023,), (1024,), (1025,), (5, 205), (33, 31)]),
    st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
)  # fmt: skip


@st.composite
def tensors(draw, shape, *numbers, dtype, strange, **more):
    kind = draw(st.sampled_from(numbers if draw(st.integers(0, 9)) else (*numbers, strange)))
    layout = draw(st.sampled_from(list(LAYOUTS))) if draw(st.booleans()) else "contiguous"
    wanted = draw(st.integers(0, 3)) == 0
    return Made(shape, kind, draw(st.integers(0, 999)), dtype, layout, wanted, **more)


# --- calls

INPUT = {
    "binary_cross_entropy": ("probabilities", "edges"), "kl_div": ("logs",), "poisson_nll_loss": ("scores", "variances"),
}  # fmt: skip
TARGET = {
    "binary_cross_entropy": ("probabilities", "edges"), "binary_cross_entropy_with_logits": ("probabilities", "edges"),
    "multilabel_soft_margin_loss": ("edges",), "poisson_nll_loss": ("counts",), "kl_div": ("probabilities", "edges", "logs"),
    "soft_margin_loss": ("signs", "labels"), "hinge_embedding_loss": ("signs", "labels"), "margin_ranking_loss": ("signs", "labels"),
}  # fmt: skip
NUMBER = st.sampled_from([1.0, 0.5, 0.0, 3, -0.5, 1e-6, NAN])
FLAG = st.sampled_from([False, True])
WEIGHED = (
    "mse_loss",
    "l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "multilabel_soft_margin_loss",
)
KEYWORDS = {
    "smooth_l1_loss": {"beta": NUMBER}, "huber_loss": {"delta": NUMBER}, "hinge_embedding_loss": {"margin": NUMBER},
    "margin_ranking_loss": {"margin": NUMBER}, "poisson_nll_loss": {"log_input": FLAG, "full": FLAG, "eps": st.sampled_from([1e-8, 0.1])},
    "gaussian_nll_loss": {"full": FLAG, "eps": st.sampled_from([1e-6, 0.5])},
    "multi_margin_loss": {"margin": NUMBER, "p": st.sampled_from([1, 2, 3])},
    "cosine_embedding_loss": {"margin": st.sampled_from([0.0, 0.5, -0.3])},
    "triplet_margin_loss": {"margin": NUMBER, "p": st.sampled_from([2, 2.0, 1, 3]), "swap": FLAG, "eps": st.sampled_from([1e-6, 1e-3])},
    "triplet_margin_with_distance_loss": {"margin": NUMBER, "swap": FLAG},
    "cross_entropy": {"label_smoothing": st.sampled_from([0.0, 0.0, 0.1, 1.0, 1.5, -0.1])},
    "linear_cross_entropy": {"label_smoothing": st.sampled_from([0.0, 0.0, 0.1, 1.0])},
}  # fmt: skip
WRONG = [None, "a", "1", [1.0], 2, 1.5, True, 1j, object]


def narrowed(draw, shape):
    """A shape that broadcasts to another, or is it, or is wrong."""
    if not draw(st.integers(0, 12)):
        return (*shape, 2)
    kept = shape[draw(st.integers(0, len(shape))) :] if draw(st.booleans()) else shape
    return tuple(1 if draw(st.integers(0, 4)) == 0 else size for size in kept)


@st.composite
def calls(draw, name):
    """Positional arguments and keywords of a call."""
    dtype = draw(st.sampled_from(FLOATS[:2] if draw(st.booleans()) else FLOATS))

    def other():
        return dtype if draw(st.integers(0, 7)) else draw(st.sampled_from([*FLOATS, torch.int64]))

    def tensor(shape, *numbers, **more):
        return draw(tensors(shape, *numbers, **{"dtype": other(), "strange": strange, **more}))

    keywords: dict[str, Any] = {}
    # Of infinite scores there are limits, where PyTorch has NaN.
    rows = ("cross_entropy", "linear_cross_entropy", "multilabel_margin_loss", "multi_margin_loss")
    # And lengths, exponentials that overflow in PyTorch.
    lengths = (
        "cosine_embedding_loss",
        "triplet_margin_loss",
        "triplet_margin_with_distance_loss",
        "soft_margin_loss",
    )
    strange = "vast" if name in rows else "scores" if name in lengths else "strange"
    if name in (
        "cross_entropy",
        "nll_loss",
        "linear_cross_entropy",
        "multi_margin_loss",
        "multilabel_margin_loss",
    ):
        count, rows = draw(st.sampled_from([1, 2, 3, 10, 130])), draw(st.sampled_from([0, 1, 4, 17]))
        if name in ("multi_margin_loss", "multilabel_margin_loss"):
            rows = max(1, rows)  # of none, PyTorch's value is what stood in memory
        further = (
            draw(st.sampled_from([(), (), (2,), (3, 2)])) if name in ("cross_entropy", "nll_loss") else ()
        )
        ignored = draw(st.sampled_from([-100, -1, 0, 1]))
        single = draw(st.integers(0, 5)) == 0
        shape = (count,) if single else (rows, count, *further)
        rest = () if single else (rows, *further)
        kind = {"dtype": torch.int64, "classes": count, "ignored": ignored}
        target = tensor(rest, "classes", **kind)
        if name == "multilabel_margin_loss":
            target = tensor(shape, "lists", **kind)
        elif name in ("cross_entropy", "linear_cross_entropy") and draw(st.integers(0, 3)) == 0:
            target = tensor(shape, "rows", "probabilities")
        elif name == "multi_margin_loss":
            target = replace(target, ignored=0)
        ignores = name in ("cross_entropy", "nll_loss") or (name == "linear_cross_entropy" and draw(FLAG))
        if ignores and (target.classes or draw(FLAG)):
            keywords["ignore_index"] = ignored
        arguments = [tensor(shape, "scores", "far"), target]
        if name == "linear_cross_entropy":
            features = draw(st.sampled_from([1, 3]))
            arguments = [tensor((*rest, features), "scores"), tensor((count, features), "scores"), target]
            if draw(FLAG):
                keywords["linear_bias"] = tensor((count,), "scores")
        if name != "multilabel_margin_loss" and draw(st.integers(0, 2)) == 0:
            keywords["weight"] = tensor((count,), "weights")
    else:
        shape = draw(SHAPES)
        if name.startswith(("cosine", "triplet")):
            shape = draw(st.sampled_from([(3,), (1, 1), (4, 3), (2, 130), (0, 3), (3, 0), (2, 3, 4)]))
        arguments = [
            tensor(shape, *INPUT.get(name, ("scores", "far"))),
            tensor(
                shape if draw(st.integers(0, 9)) else narrowed(draw, shape), *TARGET.get(name, ("scores",))
            ),
        ]
        if name == "margin_ranking_loss":
            arguments.insert(1, tensor(shape, "scores"))
        if name == "binary_cross_entropy":  # its slope in the target is that of the value, PyTorch's infinite
            arguments[1] = replace(
                arguments[1], wanted=arguments[0].numbers == "probabilities" and arguments[1].wanted
            )
        if name == "kl_div":  # no number's logarithm has a slope at 0, nor beyond
            keywords["log_target"] = arguments[1].numbers == "logs"
            arguments[1] = replace(
                arguments[1], wanted=arguments[1].wanted and arguments[1].numbers != "edges"
            )
        if name == "gaussian_nll_loss":
            scalar = draw(st.sampled_from([0.5, 0.0, -1.0, 2]))
            arguments.append(
                tensor(narrowed(draw, shape), "variances", "probabilities")
                if draw(st.integers(0, 4))
                else scalar
            )
        if name == "cosine_embedding_loss":
            signs = ("signs", "labels") if draw(st.integers(0, 5)) == 0 else ("signs",)
            arguments = [
                tensor(shape, "scores"),
                tensor(shape, "scores"),
                replace(tensor(shape[:-1], *signs), wanted=False),
            ]
        if name.startswith("triplet"):
            arguments = [replace(tensor(shape, "scores"), seed=seed) for seed in range(3)]
        if name in WEIGHED and draw(st.integers(0, 2)) == 0:
            keywords["weight"] = tensor(narrowed(draw, shape), "weights")
        if name == "binary_cross_entropy_with_logits" and draw(FLAG):
            keywords["pos_weight"] = tensor(narrowed(draw, shape), "weights")
    for keyword, values in KEYWORDS.get(name, {}).items():
        if draw(FLAG):
            keywords[keyword] = draw(values)
    if draw(st.integers(0, 3)):
        reductions = [*REDUCTIONS, "batchmean"] if name == "kl_div" else REDUCTIONS
        keywords["reduction"] = draw(st.sampled_from(reductions))
    elif draw(st.integers(0, 3)) == 0 and name not in (
        "huber_loss",
        "gaussian_nll_loss",
        "linear_cross_entropy",
        "triplet_margin_with_distance_loss",
    ):
        keywords[draw(st.sampled_from(["size_average", "reduce"]))] = draw(FLAG)
    if draw(st.integers(0, 14)) == 0:  # something is wrong
        wrong = draw(st.sampled_from(WRONG))
        if draw(FLAG) and keywords:
            keywords[draw(st.sampled_from(sorted(keywords)))] = wrong
        else:
            arguments[draw(st.integers(0, len(arguments) - 1))] = wrong
    return arguments, keywords


# --- answers


def unrolled(arguments, keywords):
    return [each for each in (*arguments, *keywords.values()) if isinstance(each, torch.Tensor)]


CIRCUMSTANCES = ("plain", "again", "twice", "no grad", "inference", "autocast", "written to")


def answer(function, arguments, keywords, circumstance, seed, dtype=None):
    """What a call gives, as a dict: numbers and what is said of them, or the error; and the warnings."""
    made = [each.make(dtype) if isinstance(each, Made) else each for each in arguments]
    named = {key: each.make(dtype) if isinstance(each, Made) else each for key, each in keywords.items()}
    found: dict[str, Any] = {"numbers": [], "facts": []}
    around = {
        "no grad": torch.no_grad, "inference": torch.inference_mode, "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    }.get(circumstance, contextlib.nullcontext)  # fmt: skip
    if dtype is not None and circumstance == "autocast":
        around = contextlib.nullcontext
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            with around():
                value = function(*made, **named)
            put(found, value)
            if circumstance == "written to":
                given_tensors = unrolled(made, named)
                with torch.no_grad(), contextlib.suppress(RuntimeError):  # one of an expanded tensor
                    given_tensors[seed % len(given_tensors)].add_(1)
            leaves = [each for each in unrolled(made, named) if each.requires_grad]
            if value.requires_grad and leaves:
                generator = torch.Generator().manual_seed(seed)
                upstream = torch.randn(value.shape, generator=generator, dtype=torch.float64)
                upstream = upstream.bfloat16().to(value.dtype)  # the same number in each dtype
                if circumstance == "twice":
                    upstream.requires_grad_()
                    first = torch.autograd.grad(value, leaves, upstream, create_graph=True, allow_unused=True)
                    put(found, *first)
                    moved = sum(
                        (each.double() * torch.sin(torch.arange(each.numel()).view(each.shape) + 1.0)).sum()
                        for each in first
                        if each is not None and each.requires_grad
                    )
                    if isinstance(moved, torch.Tensor):
                        put(
                            found,
                            *torch.autograd.grad(
                                moved, [*leaves, upstream], allow_unused=True, materialize_grads=True
                            ),
                        )
                elif circumstance == "again":
                    for factor in (1, 3):
                        put(
                            found,
                            *torch.autograd.grad(
                                value, leaves, factor * upstream, retain_graph=True, allow_unused=True
                            ),
                        )
                    (value.sum() if value.ndim else value).backward()
                    put(found, *(each.grad for each in leaves))
                else:
                    put(found, *torch.autograd.grad(value, leaves, upstream, allow_unused=True))
        except Exception as error:
            found["error"] = (type(error), str(error))
    found["said"] = [(each.category, str(each.message)) for each in said]
    return found


def put(found, *tensors):
    for each in tensors:
        found["numbers"].append(None if each is None else each.detach().clone())
        found["facts"].append(
            None if each is None else (each.dtype, each.shape, each.requires_grad, strides(each))
        )


def strides(tensor):
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]


LACKS = ("not implemented", "not differentiable", "derivative for")  # what PyTorch has none of, ours may have
ROUGH = {torch.float64: 1e-6, torch.float32: 2e-5, torch.bfloat16: 2e-2, torch.float16: 4e-3}


def compare(name, call, circumstance, seed):
    """Nothing, or what differs between ours and PyTorch's."""
    torchs = answer(functional.torchs[name], *call, circumstance, seed)
    ours = answer(getattr(functional, name), *call, circumstance, seed)
    wrong, right = ours.get("error"), torchs.get("error")
    if right is not None and any(each in right[1] for each in LACKS):
        return None
    if right is not None and "modified by an inplace" in right[1]:
        if wrong is not None:
            return (
                None
                if wrong[0] is right[0] and "modified by an inplace" in wrong[1]
                else ("error", wrong, right)
            )
        right, torchs = None, answer(functional.torchs[name], *call, "plain", seed)
    if wrong is not None and "modified by an inplace" in wrong[1] and right is None:
        return None  # PyTorch has saved something else, which was not written to
    if (wrong and (wrong[0], worded(wrong))) != (right and (right[0], worded(right))):
        return "error", wrong, right
    if ours["said"] != torchs["said"]:
        return "warnings", ours["said"], torchs["said"]
    if laid_out(ours, call) != laid_out(torchs, call):
        return "facts", ours["facts"], torchs["facts"]
    exact = answer(
        functional.torchs[name],
        *call,
        "plain" if circumstance == "written to" else circumstance,
        seed,
        torch.float64,
    )
    if [fact and fact[1] for fact in exact["facts"]] != [fact and fact[1] for fact in torchs["facts"]]:
        exact = torchs
    strange = any(
        isinstance(each, Made) and each.numbers == "strange" for each in (*call[0], *call[1].values())
    )
    answers = zip(ours["numbers"], torchs["numbers"], exact["numbers"], strict=True)
    for place, (got, pytorchs, true) in enumerate(answers):
        if strange and place and circumstance == "twice":
            continue
        eps = EPS_OF.get(name, 0.0) * (
            10 if circumstance == "twice" else 1
        )  # and of its own slope over the cube
        if got is not None and not near(got, pytorchs, true, strange and place, eps):
            return "numbers", got, pytorchs, true
    return None


def laid_out(answer, call):
    """Dtypes, shapes, and strides, which of other layouts are whatever comes first in PyTorch's way."""
    tensors = [each for each in (*call[0], *call[1].values()) if isinstance(each, Made)]
    layouts = {each.layout for each in tensors}
    return [
        fact and fact[: 4 if layouts == {"contiguous"} and place < 2 else 3]
        for place, fact in enumerate(answer["facts"])
    ]


def worded(error):
    """The words of an error, without the addresses in them."""
    return re.sub(r"0x[0-9a-f]+", "", error[1])


# PyTorch adds 1e-12 to squared lengths: the slope of a short vector's cosine is then off by about that over its square.
EPS_OF = {"cosine_embedding_loss": 1e-6}


def near(got, given, true, slope_of_nan, eps=0.0):
    """As near to the true numbers as PyTorch's, or within a rounding or so of them; or PyTorch's own. The slope of
    a loss that is NaN or infinite is NaN, or the limit, and PyTorch's one of the two."""
    rough = ROUGH.get(got.dtype, 0)
    wide, torchs, true = got.double(), given.double(), true.double()
    room = (
        rough * (true.abs() + true[true.isfinite()].abs().max() if true.isfinite().any() else 0) + rough**1.5
    )
    room = room + eps
    off, far = (wide - true).abs(), (torchs - true).abs()
    if slope_of_nan:
        got, given, wide = (
            torch.where(wide.isnan() | torchs.isnan(), NAN, each) for each in (got, given, wide)
        )
    same = (got == given) | (got == true.to(got.dtype)) | (got.isnan() & (given.isnan() | true.isnan()))
    return bool((same | (off <= room + 2 * far.nan_to_num(0, 0, 0))).all())


@pytest.fixture(autouse=True)
def kernels_for_few_scores_too(monkeypatch):
    from losscope.torch import multiclass_margin

    monkeypatch.setattr(multiclass_margin, "SMALL", 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


NAMES = [name for name in functional.__all__ if getattr(functional, name) is not functional.torchs[name]]
# (ctc_loss computes nothing: it lays its targets out and hands over; tests/test_torch_inputs.py has its law.)
NAMES.remove("ctc_loss")


@pytest.mark.parametrize("name", NAMES)
def test_any_call_has_pytorchs_answer(name):
    @law
    @given(calls(name), st.sampled_from(CIRCUMSTANCES), st.integers(0, 99))
    def answers(call, circumstance, seed):
        differs = compare(name, call, circumstance, seed)
        assert differs is None, differs

    answers()


@pytest.mark.parametrize("name", NAMES)
def test_nan_in_is_nan_out(name):
    x, y = torch.tensor([[0.5, NAN, 0.25]] * 2), torch.tensor([[1.0, 1.0, 0.0]] * 2)
    further = {
        "margin_ranking_loss": (y, y), "gaussian_nll_loss": (y, y + 0.5), "cosine_embedding_loss": (y, torch.ones(2)),
        "triplet_margin_loss": (y, y), "triplet_margin_with_distance_loss": (y, y), "multi_margin_loss": (torch.tensor([0, 0]),),
        "multilabel_margin_loss": (torch.tensor([[0, -1, 0]] * 2),), "cross_entropy": (torch.tensor([0, 0]),),
        "linear_cross_entropy": (torch.ones(4, 3), torch.tensor([0, 0])),
    }.get(name, (y,))  # fmt: skip
    keywords = {"reduction": "sum"}
    if name == "binary_cross_entropy":
        with pytest.raises(RuntimeError, match="between 0 and 1"):
            getattr(functional, name)(x, *further, **keywords)
    else:
        assert getattr(functional, name)(x, *further, **keywords).isnan()


# --- what the law cannot see, or sees too rarely


@pytest.mark.parametrize(
    "of", [lambda w: w.view(1, 1), lambda w: w.expand(3), lambda w: w.expand(1, 3), lambda w: w]
)
def test_an_expanded_pos_weight_is_read_where_it_has_memory(of):
    x, y = torch.randn(4, 3, dtype=torch.float64), torch.rand(4, 3, dtype=torch.float64)
    weight = of(torch.tensor([2.0], dtype=torch.float64))
    for reduction in REDUCTIONS:
        torch.testing.assert_close(
            functional.binary_cross_entropy_with_logits(x, y, pos_weight=weight, reduction=reduction),
            functional.torchs["binary_cross_entropy_with_logits"](
                x, y, pos_weight=weight, reduction=reduction
            ),
        )


def test_nothing_at_all_under_transforms():
    for name in ("mse_loss", "kl_div", "binary_cross_entropy_with_logits"):
        loss = getattr(functional, name)
        keywords = {"reduction": "batchmean"} if name == "kl_div" else {}
        empty = torch.func.grad(lambda x, loss=loss, keywords=keywords: loss(x, x.detach(), **keywords))(
            torch.empty(0, 3)
        )
        assert empty.shape == (0, 3)


def test_nan_does_not_hide_a_variance_that_is_none():
    x, y = torch.ones(3), torch.zeros(3)
    with pytest.raises(ValueError, match="negative"):
        functional.gaussian_nll_loss(x, y, torch.tensor([NAN, -1.0, 1.0]))
    values = functional.gaussian_nll_loss(x, y, torch.tensor([NAN, 1e-9, 1.0]), reduction="none")
    assert values[1].isfinite()
    assert values[1] < 1e6  # of a variance of 1e-6


def test_two_losses_of_one_name_are_no_two_operators():
    from losscope.torch import operators
    from losscope.torch.elementwise import Pointwise

    other = Pointwise("squared_error", refuses=True)
    with pytest.raises(ValueError, match="two losses"):
        operators.register(other)
    assert other.in_a_graph is None  # so that a graph takes PyTorch's own


# --- compiled

COMPILED = {
    "huber_loss": {"delta": 0.5}, "binary_cross_entropy_with_logits": {}, "kl_div": {"reduction": "batchmean"},
    "multilabel_soft_margin_loss": {"reduction": "sum"}, "cross_entropy": {"label_smoothing": 0.1},
}  # fmt: skip


def scored(name, rows, dtype):
    generator = torch.Generator().manual_seed(rows)
    x = torch.randn(rows, 5, generator=generator).to(dtype).requires_grad_()
    if name == "cross_entropy":
        return x, torch.randint(0, 5, (rows,), generator=generator)
    return x, torch.rand(rows, 5, generator=generator).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_for_any_number_of_rows_and_rounded_once(name, dtype):
    loss, graphs = getattr(functional, name), []

    def counted(graph, inputs):
        from torch._dynamo.backends.debugging import aot_eager

        graphs.append(graph)
        return aot_eager(graph, inputs)

    torch._dynamo.reset()
    compiled = torch.compile(
        lambda x, y: loss(x, y, **COMPILED[name]), backend=counted, fullgraph=True, dynamic=True
    )
    for rows in (4, 7, 11, 6):
        x, y = scored(name, rows, dtype)
        wide = x.detach().double().requires_grad_()
        exact = functional.torchs[name](wide, y.double() if y.is_floating_point() else y, **COMPILED[name])
        value = compiled(x, y)
        torch.testing.assert_close(value, exact.to(dtype))
        upstream = torch.full_like(value, 3.3)
        got = torch.autograd.grad(value, x, upstream)[0]
        true = torch.autograd.grad(exact, wide, upstream.double())[0]
        # Half a unit in the last place is one rounding of what float32 is right to.
        unit = torch.finfo(dtype).eps * true.abs() + (
            torch.finfo(dtype).smallest_normal if dtype is torch.float16 else 1e-8
        )
        assert ((got.double() - true).abs() <= (0.51 if dtype is not torch.float32 else 40) * unit).all()
    assert len(graphs) <= 2


@pytest.mark.parametrize("name", [*COMPILED, "multilabel_margin_loss"])
def test_transforms_in_a_compiled_graph(name):
    """An operator of torch's has no rules for `torch.func`."""
    loss, keywords = getattr(functional, name), COMPILED.get(name, {})
    x, y = scored(name, 4, torch.float64)
    x = x.detach()
    if name == "multilabel_margin_loss":
        y = torch.tensor([[1, 2, -1, 0, 0], [3, -1, 1, 1, 1], [-1] * 5, [0, 1, 2, 3, 4]])
    each = {**keywords, "reduction": "sum"}
    for way in (
        lambda x, y: torch.func.grad(lambda z: loss(z, y, **keywords))(x),
        lambda x, y: torch.func.vmap(torch.func.grad(lambda z, t: loss(z, t, **each)))(x, y),
        lambda x, y: torch.func.jvp(lambda z: loss(z, y, **keywords), (x,), (torch.ones_like(x),))[1],
        lambda x, y: loss(x, y, **keywords),
    ):
        torch._dynamo.reset()
        compiled = torch.compile(way, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(x, y), way(x, y))


def test_a_score_of_nan_in_a_compiled_graph_is_one_of_its_slopes():
    """As under `torch.func`; relu has the slope 1 there."""
    x, y = torch.tensor([[torch.nan, 1.0, 0.0, 2.0]], requires_grad=True), torch.tensor([[0, 2, -1, 1]])
    torch._dynamo.reset()
    compiled = torch.compile(functional.multilabel_margin_loss, backend="aot_eager")
    value = compiled(x, y)
    assert value.isnan()
    found = torch.autograd.grad(value, x)[0]
    expected = torch.func.grad(functional.multilabel_margin_loss)(x.detach(), y)
    torch.testing.assert_close(found, expected, equal_nan=True)
    assert found.isnan().sum() == 3


@pytest.mark.parametrize("wanted", [False, True])
def test_a_weight_neither_breaks_a_graph_nor_is_forgotten_there(wanted):
    x, y, w = torch.randn(3, 2, requires_grad=True), torch.rand(3, 2), torch.rand(3, 2)
    y.requires_grad_(wanted)
    for loss in (functional.mse_loss, functional.l1_loss, functional.huber_loss):
        torch._dynamo.reset()
        compiled = torch.compile(
            lambda x, loss=loss: loss(x, y, weight=w), backend="aot_eager", fullgraph=True
        )
        value, expected = compiled(x), loss(x, y, weight=w)
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(torch.autograd.grad(value, x), torch.autograd.grad(expected, x))


# --- classes

ARGUMENTS = {
    "CrossEntropyLoss": {"weight": torch.ones(3), "label_smoothing": 0.1}, "LinearCrossEntropyLoss": {"in_features": 3, "num_classes": 4},
    "BCEWithLogitsLoss": {"pos_weight": torch.ones(3)}, "MultiMarginLoss": {"weight": torch.ones(3), "p": 2}, "HuberLoss": {"delta": 2.0},
    "TripletMarginWithDistanceLoss": {"distance_function": torch.nn.PairwiseDistance(eps=1e-5)},
}  # fmt: skip


@pytest.mark.parametrize("name", nn.FUNCTION_OF)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_module_is_pytorchs_in_all_that_can_be_asked_of_it(name):
    modules = []
    for package in (nn, torch.nn.modules.loss):
        torch.manual_seed(0)
        modules.append(getattr(package, name)(**ARGUMENTS.get(name, {})))
    ours, theirs = modules
    assert repr(ours) == repr(theirs)
    assert vars(ours).keys() == vars(theirs).keys()
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    ours.load_state_dict(theirs.state_dict())
    assert inspect_of(ours) == inspect_of(theirs)
    assert repr(pickle.loads(pickle.dumps(ours))) == repr(copy.deepcopy(ours)) == repr(theirs)
    for wrong in ((), (1,), (None, None), (1, 2, 3, 4, 5)):
        said = []
        for module in modules:
            with pytest.raises(Exception) as error:
                module(*wrong)
            said.append((error.type, str(error.value)))
        assert said[0] == said[1]


def inspect_of(module):
    import inspect

    return (
        inspect.signature(type(module)),
        inspect.signature(type(module).forward),
        type(module).forward.__qualname__,
    )
