"""PyTorch's own tests of its losses, run against ours: OpInfo samples, error inputs and gradient checks of its wheel.

Every sample of every loss in PyTorch's database is tried, in every dtype that the loss takes: value and gradient
against PyTorch's own (computed in float64 for halves), within the tolerances of PyTorch's tests; derivatives by the
very checks of PyTorch's suite, backward and second ones, and in forward mode for those that are ours. Nothing is
skipped: what PyTorch's database says that PyTorch's loss lacks (a second derivative, forward mode) is not a case,
what it expects to fail may fail here.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch.testing._internal needs it")

from torch.testing._comparison import default_tolerances  # noqa: E402
from torch.testing._internal.common_methods_invocations import op_db  # noqa: E402
from torch.testing._internal.common_utils import TestGradients  # noqa: E402
from torch.testing._internal.opinfo.core import DecorateInfo  # noqa: E402

from losscope.torch import functional  # noqa: E402

TestGradients.__test__ = False  # PyTorch's class, whose checks are called here and not collected
HALVES = (torch.bfloat16, torch.float16)


def name_of(op) -> str:
    return op.name.removeprefix("nn.functional.")


def named(op) -> str:
    return name_of(op) + (f"-{op.variant_test_name}" if op.variant_test_name else "")


LOSSES = [op for op in op_db if name_of(op) in functional.__all__]
CASES = [
    pytest.param(op, dtype, id=f"{named(op)}-{str(dtype).removeprefix('torch.')}")
    for op in LOSSES
    for dtype in sorted(op.supported_dtypes("cpu"), key=str)
]


def checks(test, has):
    """A case for every loss that has what PyTorch's `test` checks (`has` says so), in the dtypes that it checks in.

    What PyTorch's database marks, to be skipped or as an expected failure, may fail here too.
    """
    return [
        pytest.param(
            op,
            dtype,
            id=f"{named(op)}-{str(dtype).removeprefix('torch.')}",
            marks=[pytest.mark.xfail(reason=f"PyTorch marks {'.'.join(test)} of this loss")]
            if any(
                isinstance(each, DecorateInfo) and each.is_active(test[0], test[1], "cpu", dtype, {})
                for each in op.decorators
            )
            else [],
        )
        for op in LOSSES
        if has(op)
        for dtype in (torch.float64, torch.complex128)
        if dtype in op.supported_backward_dtypes("cpu")
    ]


@pytest.fixture(autouse=True)
def one_thread():
    """The samples are small: threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def is_ours(op) -> bool:
    return ours(op) is not theirs(op)


def ours(op):
    return getattr(functional, name_of(op))


def theirs(op):
    return functional.torchs[name_of(op)]


def wide(value):
    """Halves in float64, leaves of their own, so that what is compared with is exact."""
    if isinstance(value, torch.Tensor) and value.dtype in HALVES:
        return value.detach().double().requires_grad_(value.requires_grad)
    return value


def close(got, exact, torchs, op):
    """Within PyTorch's tolerances of the exact result; or no further off than PyTorch, whose own function it may be."""
    assert (got.shape, got.dtype) == (exact.shape, torchs.dtype)
    relative, absolute = default_tolerances(got.dtype)
    off, far = ((each.to(exact.dtype) - exact).abs() for each in (got, torchs))
    if "linear" in op.name and got.dtype in HALVES and exact.numel():
        far = 2 * far.max()  # logits are rounded to halves, by either of the two, with luck on either side
    room = torch.maximum(absolute + relative * exact.abs(), far.nan_to_num(0))
    assert bool(((off <= room) | (got == exact) | (got.isnan() & exact.isnan())).all()), (got, exact)


def test_all_losses_are_tried():
    assert {name_of(op) for op in LOSSES} == set(functional.__all__)
    # None of PyTorch's losses is missing from ours.
    assert {name_of(op) for op in op_db if "loss" in op.name or "cross_entropy" in op.name} <= set(
        functional.__all__
    )


@pytest.mark.parametrize(("op", "dtype"), CASES)
@pytest.mark.filterwarnings("ignore")
def test_values_and_gradients(op, dtype):
    tried = 0
    for sample in op.sample_inputs("cpu", dtype, requires_grad=dtype in op.supported_backward_dtypes("cpu")):
        given = (sample.input, *sample.args)
        widened = [wide(each) for each in given]
        # The exact value needs no chunks, whose options would forbid float64.
        keywords = {name: wide(each) for name, each in sample.kwargs.items() if name != "options"}
        value, torchs = ours(op)(*given, **sample.kwargs), theirs(op)(*given, **sample.kwargs)
        exact = theirs(op)(*widened, **keywords)
        close(value, exact, torchs, op)
        tried += 1
        if not value.requires_grad:
            continue
        upstream = torch.randn_like(value)
        for gradient, truth, torchs_gradient in zip(
            gradients(value, given, upstream),
            gradients(exact, widened, upstream.to(exact.dtype)),
            gradients(torchs, given, upstream),
            strict=True,
        ):
            assert (gradient is None) == (truth is None)
            if gradient is not None:
                close(gradient, truth, torchs_gradient, op)
    assert tried


def gradients(value, given, upstream):
    wanted = [each for each in given if isinstance(each, torch.Tensor) and each.requires_grad]
    return torch.autograd.grad(value, wanted, upstream, allow_unused=True)


@pytest.mark.parametrize("op", [op for op in LOSSES if op.error_inputs_func], ids=named)
@pytest.mark.filterwarnings("ignore")
def test_errors(op):
    for case in op.error_inputs("cpu"):
        sample = case.sample_input
        with pytest.raises(case.error_type, match=case.error_regex):
            ours(op)(sample.input, *sample.args, **sample.kwargs)


@pytest.mark.parametrize(
    ("op", "dtype"), checks(("TestBwdGradients", "test_fn_grad"), lambda op: op.supports_autograd)
)
@pytest.mark.filterwarnings("ignore")
def test_gradients(op, dtype):
    TestGradients()._check_helper("cpu", dtype, op, ours(op), "gradcheck")


@pytest.mark.parametrize(
    ("op", "dtype"), checks(("TestBwdGradients", "test_fn_gradgrad"), lambda op: op.supports_gradgrad)
)
@pytest.mark.filterwarnings("ignore")
def test_second_derivatives(op, dtype):
    TestGradients()._check_helper("cpu", dtype, op, ours(op), "bwgrad_bwgrad")


@pytest.mark.parametrize(
    ("op", "dtype"),
    checks(("TestFwdGradients", "test_forward_mode_AD"), lambda op: op.supports_forward_ad and is_ours(op)),
)
@pytest.mark.filterwarnings("ignore")
def test_forward_mode(op, dtype):
    TestGradients()._check_helper(
        "cpu",
        dtype,
        op,
        ours(op),
        "gradcheck",
        check_forward_ad=True,
        check_backward_ad=False,
        check_batched_grad=False,
        check_batched_forward_grad=op.check_batched_forward_grad,
    )


@pytest.mark.parametrize(
    ("op", "dtype"),
    checks(
        ("TestFwdGradients", "test_fn_fwgrad_bwgrad"), lambda op: op.supports_fwgrad_bwgrad and is_ours(op)
    ),
)
@pytest.mark.filterwarnings("ignore")
def test_forward_mode_of_the_gradient(op, dtype):
    TestGradients()._check_helper("cpu", dtype, op, ours(op), "fwgrad_bwgrad")
