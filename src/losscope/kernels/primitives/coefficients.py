"""Prints the polynomial coefficients of `tables.py`.

Run `python -m losscope.kernels.primitives.coefficients`. Each is a minimax fit (Remez exchange, mpmath at 60 digits)
of a smooth quotient f on the reduced interval, rounded to the dtype. f(0) is fixed beforehand, so that it
stays exact. Not imported at run time.
"""

import numpy as np
from mpmath import mp, mpf


def series(term):
    """x -> sum of term(n) * x**n over n = 0..99; each series below converges fast where it is used."""
    terms = [mpf(term(n)) for n in range(100)][::-1]
    return lambda x: mp.polyval(terms, x)


def log1p_tail(x):
    """(log1p(x) - x)/x**2."""
    return (mp.log1p(x) - x) / x**2 if abs(x) > 1e-9 else -mpf(1) / 2 + x / 3


def log_cosh_over_square(w):
    """log(cosh(x))/x**2 at w = x**2."""
    return mp.log(mp.cosh(mp.sqrt(w))) / w if w > 1e-9 else mpf(1) / 2 - w / 12


def tanh_tail(w):
    """(tanh(x)/x - 1)/x**2 at w = x**2."""
    x = mp.sqrt(w)
    return (mp.tanh(x) / x - 1) / w if w > 1e-9 else -mpf(1) / 3 + 2 * w / 15


def fits():
    """Name (a field of `Table`) -> f, f(0), interval, weight of an error in f, coefficients in float32 and float64 (0: unused)."""
    exp_tail = series(lambda n: 1 / mp.factorial(n + 2))  # (exp(r) - 1 - r)/r**2
    atanh_tail = series(lambda n: mpf(2) / (2 * n + 3))  # (2 atanh(s) - 2s)/s**3 at s**2
    half, root, third = mp.log(2) / 2 * mpf("1.0001"), mp.sqrt(2), mpf(2) / 3
    in_exp = lambda r: r**2 / mp.exp(r)
    in_log1p = lambda x: x**2 / mp.log1p(x) if abs(x) > 1e-9 else abs(x)
    equal = lambda x: mpf(1)
    return {
        "exp_tail": (exp_tail, mpf("0.5"), [-half, half], in_exp, 5, 10),
        "expm1mx": (exp_tail, mpf("0.5"), [-1, 1], equal, 8, 14),
        "log1p_unit": (log1p_tail, mpf("-0.5"), [0, 1], in_log1p, 9, 0),
        "log_tail": (log1p_tail, mpf("-0.5"), [1 / root - 1, root - 1], equal, 9, 0),
        "log_tail of atanh": (atanh_tail, third, [0, (3 - 2 * root) ** 2], equal, 0, 8),
        "ATANH_SHORT": (atanh_tail, third, [0, (3 - 2 * root) ** 2], equal, 0, 4),  # of float32's power
        "log1p_unit of atanh": (atanh_tail, third, [0, mpf(1) / 9], equal, 0, 11),
        "tanh": (tanh_tail, -third / 2, [0, mpf(81) / 256], equal, 5, 11),
        "log_cosh": (log_cosh_over_square, mpf("0.5"), [0, mpf(9) / 16], equal, 6, 13),
    }


def minimax(function, at_zero, interval, weight, count):
    """Coefficients of f, f(0) given, that minimise the largest |weight * error|, and that error.

    Fitted is (f - f(0))/x with weight |x|: the powers 0, 1, ... have the Haar property that Remez needs, the
    powers 1, 2, ... lack it where the interval holds 0.
    """
    low, high = map(mpf, interval)
    grid = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * i / 1500) for i in range(1501)]
    grid = [x for x in grid if abs(x) > 1e-6]
    values = [(function(x) - at_zero) / x for x in grid]
    weights = [abs(x) * weight(x) for x in grid]
    chosen = [round(i * (len(grid) - 1) / count) for i in range(count + 1)][:count]
    for iteration in range(12):
        matrix = mp.matrix(count, count)
        # An unweighted start: its error changes sign as often as the weighted one, and no pivot is tiny.
        scale = weights if iteration else [mpf(1)] * len(grid)
        for row, i in enumerate(chosen):
            for power in range(count - 1):
                matrix[row, power] = grid[i] ** power * scale[i]
            matrix[row, count - 1] = (-1) ** row
        solution = mp.lu_solve(matrix, mp.matrix([values[i] * scale[i] for i in chosen]))
        coefficients = [solution[power] for power in reversed(range(count - 1))]
        errors = [(v - mp.polyval(coefficients, x)) * w for x, v, w in zip(grid, values, weights)]
        peaks = [0]  # the largest error between two changes of sign
        for i in range(1, len(grid)):
            if errors[i] * errors[peaks[-1]] < 0:
                peaks.append(i)
            elif abs(errors[i]) > abs(errors[peaks[-1]]):
                peaks[-1] = i
        while len(peaks) > count:
            peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
        if len(peaks) < count:
            break
        chosen = peaks
    return [*coefficients, at_zero], max(map(abs, errors))


def main():
    """Print every fit, highest power first, with its largest weighted error."""
    mp.dps = 60
    for name, (function, at_zero, interval, weight, *counts) in fits().items():
        for count, dtype in zip(counts, (np.float32, np.float64)):
            if count:
                coefficients, error = minimax(function, at_zero, interval, weight, count)
                rounded = [np.array(mp.nstr(c, 25), dtype).item() for c in coefficients]
                print(f"# {dtype.__name__}: error {mp.nstr(error, 2)}")
                print(f"{name}=({', '.join(map(repr, rounded))}),", flush=True)


if __name__ == "__main__":
    main()
