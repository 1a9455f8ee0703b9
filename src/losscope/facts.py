"""What can be said of a loss without data, derived from its formula: convex, bounded influence, kinks ..."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy

from losscope import structures


@dataclass(frozen=True)
class Facts:
    """Derived from the formula and its derivatives, at the loss's own parameters; for a loss that is not of the
    residual alone, at a few typical targets. Those of a loss of distances are in the distance, for both labels.

    `lipschitz` is the steepest slope (None: unbounded); `bounded_influence` whether an outlier's pull stays
    bounded; `redescending` whether it fades to nothing; `jumps` where the loss itself jumps and `kinks` where the
    slope does, in the residual (or the raw prediction); `efficiency` the asymptotic efficiency under Gaussian noise of
    unit scale, of a loss of the residual alone (None for others); `exactness` what the certificate says of its numbers.
    """

    convex: bool
    smooth: bool
    lipschitz: float | None
    bounded_influence: bool
    redescending: bool
    symmetric: bool
    nonnegative: bool
    kinks: tuple[float, ...]
    jumps: tuple[float, ...]
    efficiency: float | None
    exactness: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


# Scores (or residuals) from tiny to huge on both sides; the losses here are tame in between.
_SIZES = numpy.unique(numpy.concatenate([numpy.geomspace(1e-6, 1e8, 1401), numpy.linspace(0.01, 20, 2000)]))
AXIS = numpy.concatenate([-_SIZES[::-1], [0.0], _SIZES])


@dataclass(frozen=True)
class Curve:
    """A loss along an axis of predictions, against one target (None: it has none)."""

    loss: Any
    target: float | None
    axis: numpy.ndarray
    value: numpy.ndarray
    slope: numpy.ndarray

    def at(self, order: int, axis: numpy.ndarray) -> numpy.ndarray:
        """The value (0) or the slope (1) elsewhere on the axis."""
        return along(self.loss, self.target, axis)[order]


@numpy.errstate(all="ignore")
def facts(loss: Any) -> Facts:
    """Work the facts out."""
    axis, targets = _ground(loss)
    curves = [Curve(loss, target, axis, *along(loss, target, axis)) for target in targets]
    jumps, kinks = (
        sorted({place for curve in curves for place in jumps_of(curve, order)}) for order in (0, 1)
    )
    steepest = max(_steepest(curve) for curve in curves)
    bounded = all(_levels_off(curve) for curve in curves)
    return Facts(
        convex=not jumps and all(_rises(curve) for curve in curves),
        smooth=not jumps and not kinks,
        lipschitz=_round(steepest) if bounded else None,
        bounded_influence=bounded,
        redescending=bounded and steepest > 0 and all(_far_out(curve) < 1e-3 * steepest for curve in curves),
        symmetric=all(_even(curve) for curve in curves),
        nonnegative=all(_nonnegative(curve) for curve in curves),
        kinks=tuple(kinks),
        jumps=tuple(jumps),
        efficiency=_efficiency(loss),
        exactness=str(loss.certificate),
    )


def along(loss: Any, target: float | None, axis: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Value and slope along an axis."""
    from losscope.kernels.reference import along

    value, slope, _ = along(loss, axis, target)
    return numpy.asarray(value), numpy.asarray(slope)


def _ground(loss: Any) -> tuple[numpy.ndarray, list[float | None]]:
    """The predictions and the targets to look at: all of the domain, in a few typical places."""
    structure = structures.get(loss.structure)
    low, high = structure.span(loss.entry, loss.activation)
    axis = (
        numpy.linspace(1e-6, 1 - 1e-6, 4001)
        if (low, high) == (0, 1)
        else AXIS[(low <= AXIS) & (high >= AXIS)]
    )
    found = structure.typical(loss.entry, loss._derived.of_residual_alone)
    if loss.activation is not None and loss.entry.target.name == "real":
        low, high = _reach(loss.activation)
        found = [target for target in found if target is not None and low <= target <= high]
    return axis, found


def _reach(activation: Any) -> tuple[float, float]:
    """From where to where an activation goes: a target beyond it does not occur.

    >>> import losscope as ls
    >>> _reach(ls.sigmoid.entry), _reach(ls.relu.entry)
    ((0.0, 1.0), (0.0, 100000000.0))
    """
    import losscope

    value = along(losscope.get(activation.name), 0.0, AXIS)[0]
    return float(value.min()), float(value.max())


def _rises(curve: Curve) -> bool:
    """A convex function's slope never falls (by more than rounding)."""
    slope = curve.slope[numpy.isfinite(curve.slope)]
    return bool((numpy.diff(slope) >= -1e-9 * (1 + numpy.abs(slope[1:]))).all())


def _steepest(curve: Curve) -> float:
    return float(numpy.abs(curve.slope[numpy.isfinite(curve.slope)]).max(initial=0.0))


def _levels_off(curve: Curve) -> bool:
    """Whether the slope is finite, and no larger at the far ends than a thousand times closer in."""
    distance, size = numpy.abs(curve.axis), numpy.abs(curve.slope)
    far = distance.max()
    # Probabilities have their far ends at 0 and 1.
    inside = (curve.axis >= 1e-3) & (curve.axis <= 1 - 1e-3) if far <= 1 else distance <= 1e-3 * far
    return bool(numpy.isfinite(size).all() and size.max() <= 1.01 * size[inside].max())


def _far_out(curve: Curve) -> float:
    """The slope at the far ends, the larger of the two."""
    return float(numpy.abs(curve.slope[[0, -1]]).max())


def _even(curve: Curve) -> bool:
    value = curve.value
    return bool(len(value) % 2 and numpy.allclose(value, value[::-1], rtol=1e-9, equal_nan=True))


def _nonnegative(curve: Curve) -> bool:
    return bool((curve.value[~numpy.isnan(curve.value)] >= 0).all())


@numpy.errstate(all="ignore")
def jumps_of(curve: Curve, order: int) -> list[float]:
    """Where the value (order 0) or the slope (1) jumps: neighbours that stay apart however close they move. All at
    once: a steep loss has thousands of neighbours to look between."""
    along = (curve.value, curve.slope)[order]
    beside = numpy.flatnonzero(numpy.abs(numpy.diff(along)) > 1e-3)
    low, high = curve.axis[beside], curve.axis[beside + 1]
    left, right = along[beside], along[beside + 1]
    for _ in range(80):
        middle = (low + high) / 2
        here = curve.at(order, middle)
        nearer = numpy.abs(here - left) > numpy.abs(right - here)
        high, right = numpy.where(nearer, middle, high), numpy.where(nearer, here, right)
        low, left = numpy.where(nearer, low, middle), numpy.where(nearer, left, here)
    apart = numpy.isfinite(left) & numpy.isfinite(right)  # what overflows does not jump
    found = (low + high)[apart & (numpy.abs(right - left) > 1e-4 * (1 + numpy.abs(left)))] / 2
    return [round(float(x), 6) + 0.0 for x in found]


def _efficiency(loss: Any) -> float | None:
    """(E psi')^2 / E psi^2 under N(0, 1), with psi the slope; of losses of the residual alone."""
    if not loss._derived.of_residual_alone:
        return None
    x = numpy.linspace(-12, 12, 480001)
    psi = along(loss, 0.0, x)[1]
    density = numpy.exp(-(x**2) / 2)
    density /= density.sum()
    if not numpy.isfinite(psi).all():
        return None
    spread = float((psi**2 * density).sum() - (psi * density).sum() ** 2)
    # E psi' = E[x psi] (integration by parts) needs no derivative at the kinks.
    return _round(float((x * psi * density).sum()) ** 2 / spread, 4) if spread > 0 else None


def _round(x: float, digits: int = 9) -> float:
    return float(f"{x:.{digits}g}")
