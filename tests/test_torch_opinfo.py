"""PyTorch's own tests of its losses, run against ours: OpInfo samples and error inputs from its wheel.

Every sample of every loss in PyTorch's database is tried: the value in each dtype against PyTorch's (computed in
float64 for halves), first and second derivatives by gradcheck and gradgradcheck. What is left out is left out by
PyTorch too: a loss whose OpInfo says that it has no second derivative.
"""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch.testing._internal needs it")

from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402
from torch.testing._internal.opinfo.core import DecorateInfo  # noqa: E402

from losscope.torch import functional  # noqa: E402

LOSSES = [op for op in op_db if op.name.removeprefix("nn.functional.") in functional.__all__]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
# What a value may be off by: float64 and float32 as they are, halves after one rounding.
TOLERANCE = {torch.float64: 1e-11, torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 2e-3}


@pytest.fixture(autouse=True)
def one_thread():
    """The samples are small: threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def ours(op):
    return getattr(functional, op.name.removeprefix("nn.functional."))


def theirs(op):
    return functional.torchs[op.name.removeprefix("nn.functional.")]


def wide(value):
    """Halves in float64, so that what is compared with is exact."""
    if isinstance(value, torch.Tensor) and value.dtype in (torch.bfloat16, torch.float16):
        return value.double()
    return value


def named(op) -> str:
    return op.name.removeprefix("nn.functional.") + (
        f"-{op.variant_test_name}" if op.variant_test_name else ""
    )


def samples(op, dtype, requires_grad):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from op.sample_inputs("cpu", dtype, requires_grad=requires_grad)


def close(got, exact, torchs, dtype):
    """Within one rounding or so of the exact result; or no further off than PyTorch, whose own function it may be."""
    room = TOLERANCE[dtype] * (1 + exact.abs()) + 1.01 * (torchs.to(exact.dtype) - exact).abs().nan_to_num(0)
    off = (got.to(exact.dtype) - exact).abs()
    assert got.shape == exact.shape
    assert bool(((off <= room) | (got == exact) | (got.isnan() & exact.isnan())).all()), (got, exact)


def test_all_losses_are_tried():
    assert {op.name.removeprefix("nn.functional.") for op in LOSSES} == set(functional.__all__)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("op", LOSSES, ids=named)
@pytest.mark.filterwarnings("ignore")
def test_values_and_gradients(op, dtype):
    if dtype not in op.dtypes:
        pytest.skip("PyTorch's own loss does not take this dtype")
    tried = 0
    for sample in samples(op, dtype, True):
        arguments = (sample.input, *sample.args)
        value = ours(op)(*arguments, **sample.kwargs)
        # The exact value needs no chunks, whose options would forbid float64.
        keywords = {name: wide(each) for name, each in sample.kwargs.items() if name != "options"}
        exact = theirs(op)(*(wide(each) for each in arguments), **keywords)
        torchs = theirs(op)(*arguments, **sample.kwargs)
        assert value.dtype == torchs.dtype
        close(value, exact, torchs, dtype)
        inputs = [each for each in arguments if isinstance(each, torch.Tensor) and each.requires_grad]
        if value.requires_grad:
            upstream = torch.randn_like(value)
            gradients = torch.autograd.grad(value, inputs, upstream, allow_unused=True)
            expected = torch.autograd.grad(exact, inputs, upstream.to(exact.dtype), allow_unused=True)
            torchs_gradients = torch.autograd.grad(torchs, inputs, upstream, allow_unused=True)
            for gradient, truth, torchs_gradient in zip(gradients, expected, torchs_gradients, strict=True):
                assert (gradient is None) == (truth is None)
                if gradient is not None:
                    close(gradient, truth, torchs_gradient, dtype)
        tried += 1
    assert tried


@pytest.mark.parametrize("op", [op for op in LOSSES if op.error_inputs_func], ids=named)
@pytest.mark.filterwarnings("ignore")
def test_errors(op):
    for case in op.error_inputs("cpu"):
        sample = case.sample_input
        with pytest.raises(case.error_type, match=case.error_regex):
            ours(op)(sample.input, *sample.args, **sample.kwargs)


@pytest.mark.parametrize("op", [op for op in LOSSES if op.supports_gradgrad], ids=named)
@pytest.mark.filterwarnings("ignore")
def test_gradgradcheck(op):
    as_pytorch_does(op, "test_fn_gradgrad")
    derivatives(op, torch.autograd.gradgradcheck)


@pytest.mark.parametrize("op", LOSSES, ids=named)
@pytest.mark.filterwarnings("ignore")
def test_gradcheck(op):
    as_pytorch_does(op, "test_fn_grad")
    derivatives(op, torch.autograd.gradcheck)


def as_pytorch_does(op, test):
    """Nothing to try of a function that is PyTorch's very own, or that PyTorch's database leaves out of this test."""
    if ours(op) is theirs(op):
        pytest.skip("this is PyTorch's own function, and its derivative PyTorch's to test")
    for each in op.decorators:
        if isinstance(each, DecorateInfo) and each.is_active(
            "TestBwdGradients", test, "cpu", torch.float64, {}
        ):
            pytest.skip(f"PyTorch leaves out its own {test} of this loss")


def derivatives(op, check):
    for sample in samples(op, torch.float64, True):
        arguments = (sample.input, *sample.args)
        places = [
            i for i, each in enumerate(arguments) if isinstance(each, torch.Tensor) and each.requires_grad
        ]

        def loss(*inputs, arguments=arguments, places=places, sample=sample):
            given = list(arguments)
            for place, each in zip(places, inputs, strict=True):
                given[place] = each
            value = ours(op)(*given, **sample.kwargs)
            return sample.output_process_fn_grad(value) if sample.output_process_fn_grad else value

        inputs = [arguments[place] for place in places]
        if loss(*inputs).requires_grad:
            check(loss, inputs, fast_mode=True, nondet_tol=op.gradcheck_nondet_tol)
