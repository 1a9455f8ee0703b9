"""Linear models fitted under a loss: L2 by least squares, L1 by an exact linear programme, others by BFGS.

`design` has shape (n, k) with its column of ones where an intercept is wanted; `target` shape (n,).
"""

from __future__ import annotations

from typing import Any

SQUARED, ABSOLUTE = ("squared_error", "half_squared_error"), ("absolute_error",)


def with_ones(x: Any) -> Any:
    """A column of ones and the inputs: coefficients are intercept, slope(s)."""
    import numpy

    x = numpy.asarray(x, "float64")
    return numpy.column_stack([numpy.ones(len(x)), x])


def fit(loss: Any, design: Any, target: Any) -> Any:
    """The coefficients that make the summed loss least, by the method that suits the loss."""
    if loss.entry.name in SQUARED and loss.activation is None:
        return least_squares(design, target)
    if loss.entry.name in ABSOLUTE and loss.activation is None:
        return least_absolute(design, target)
    return minimised(loss, design, target)


def least_squares(design: Any, target: Any) -> Any:
    """L2, by an orthogonal decomposition."""
    import numpy

    return numpy.linalg.lstsq(design, target, rcond=None)[0]


def least_absolute(design: Any, target: Any) -> Any:
    """L1, exactly: minimise sum(u + v) with design @ b + u - v = target, u and v >= 0 (SciPy's HiGHS)."""
    return _programme(design, target)[0]


def _programme(
    design: Any, target: Any, at_most: float | None = None, objective: Any = None
) -> tuple[Any, float]:
    """Solve for the least sum of sizes; or, among the solutions whose sum is at most `at_most`, for the least
    `objective @ b`."""
    import numpy
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, eye_array, hstack

    rows, columns = design.shape
    identity = eye_array(rows)
    sizes = numpy.concatenate([numpy.zeros(columns), numpy.ones(2 * rows)])
    cost = sizes if objective is None else numpy.concatenate([objective, numpy.zeros(2 * rows)])
    limit: dict[str, Any] = {} if at_most is None else {"A_ub": csr_array(sizes[None]), "b_ub": [at_most]}
    found = linprog(
        cost,
        A_eq=hstack([csr_array(design), identity, -identity], format="csr"),
        b_eq=target,
        bounds=[(None, None)] * columns + [(0, None)] * (2 * rows),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        **limit,
    )
    if found.status != 0:
        raise ArithmeticError(f"the linear programme was not solved: {found.message}")
    return found.x[:columns], float(found.fun)


def absolute_interval(design: Any, target: Any) -> Any:
    """The least and the greatest value of each coefficient over all L1 solutions, shape (k, 2)."""
    import numpy

    coefficients, least = _programme(design, target)
    slack = least + 1e-9 * max(least, 1e-3)  # room for rounding only
    ends = []
    for column in range(design.shape[1]):
        unit = numpy.eye(design.shape[1])[column]
        ends.append(
            [_programme(design, target, slack, unit)[1], -_programme(design, target, slack, -unit)[1]]
        )
    # An interval as narrow as the room left for rounding is a point, and its ends are no surer than that.
    points = [
        [low, high] if high - low > 1e-6 else [here, here] for (low, high), here in zip(ends, coefficients)
    ]
    return numpy.round(points, 7) + 0.0


def summed(loss: Any, coefficients: Any, design: Any, target: Any) -> float:
    """The summed loss at these coefficients."""
    return float(loss(design @ coefficients, target, reduction="sum"))


def minimised(loss: Any, design: Any, target: Any) -> Any:
    """A smooth loss by BFGS with the library's gradient. The columns are made orthonormal first: then the
    problem is as well conditioned as it can be. A loss that is not convex has local minima: it starts from
    several places.
    """
    import numpy
    from scipy.optimize import minimize

    basis, back = numpy.linalg.qr(design)
    basis, back = basis * numpy.sqrt(len(target)), back / numpy.sqrt(len(target))

    def mean(coefficients: Any) -> tuple[float, Any]:
        value, gradient = loss.value_and_grad(basis @ coefficients, target)
        return float(value), basis.T @ gradient

    starts = [least_squares(design, target)]
    if not _convex(loss):
        starts += [least_absolute(design, target), _through_few(loss, design, target)]
    found = []
    for start in starts:
        run = minimize(mean, back @ start, jac=True, method="BFGS", options={"gtol": 1e-10, "maxiter": 500})
        found.append((run.fun, tuple(numpy.linalg.solve(back, run.x))))
    return numpy.array(min(found)[1])


def _convex(loss: Any) -> bool:
    """Whether the slope never falls, over a wide axis (`facts.convex` says so, too, at a price)."""
    import numpy

    size = numpy.geomspace(1e-3, 1e4, 400)
    error = numpy.concatenate([-size[::-1], size])
    slope = loss.value_and_grad(error, numpy.zeros_like(error), reduction="none")[1]
    return bool((numpy.diff(slope) >= -1e-9).all())


def _through_few(loss: Any, design: Any, target: Any, tries: int = 100) -> Any:
    """The best of a hundred fits that each go exactly through as many random points as there are
    coefficients: some of them touch no outlier."""
    import numpy

    random, best = numpy.random.default_rng(0), (float("inf"), least_squares(design, target))
    for _ in range(tries):
        few = random.choice(len(target), design.shape[1], replace=False)
        if abs(numpy.linalg.det(design[few])) > 1e-9:
            coefficients = numpy.linalg.solve(design[few], target[few])
            value = summed(loss, coefficients, design, target)
            best = min(best, (value, coefficients), key=lambda each: each[0])
    return best[1]
