"""Where a formula is looked at: numbers of every size that a dtype has, ordinary ones, and those beside which formulas
break (0, 1, the parameters, a target that nearly equals the prediction).

Numbers "of every size" are uniform in their bits, as in P. Panchekha et al., Automatically improving accuracy for
floating point expressions, PLDI (2015). doi:10.1145/2737924.2737959
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy

from losscope.entry import Parameter

NAMED = ("sign", "label", "count")  # domains of single numbers: there is nothing between them
BETWEEN = {"probability": (0.0, 1.0), "cosine": (-1.0, 1.0)}  # domains that end at a number other than 0
HIGHEST = 5  # exponent
MARGIN = 12  # powers of two, left out at both ends of a dtype's range: there 2x may be no number


def points(
    arguments: Mapping[str, str], parameters: Mapping[str, Parameter], dtype: str, count: int, seed: int
) -> dict[str, numpy.ndarray]:
    """Name -> `count` numbers of the dtype, for arguments (name -> the name of their domain) and parameters."""
    rng = numpy.random.default_rng(seed)
    chosen = {name: _parameter(rng, each, dtype, count) for name, each in parameters.items()}
    at: dict[str, numpy.ndarray] = {}
    for name, domain in arguments.items():
        at[name] = _argument(rng, domain, list(chosen.values()), dtype, count)
    if "prediction" in at and arguments.get("target") in ("real", "nonnegative", "positive", "count"):
        _residuals(rng, at, arguments["prediction"], arguments["target"])
    with numpy.errstate(over="ignore"):
        found = {name: each.astype(dtype) for name, each in (at | chosen).items()}
    if "prediction" in found and arguments.get("target") in ("real", "nonnegative", "positive"):
        found["target"] = numpy.where(_hardly_apart(found), found["prediction"], found["target"])
    return found


def usual(at: Mapping[str, numpy.ndarray], dtype: str) -> dict[str, numpy.ndarray]:
    """Those points whose numbers, and the residual, are as far from the ends of the dtype as all that are drawn."""
    info = numpy.finfo(dtype)
    least, most = float(info.tiny) * 2.0**MARGIN, float(info.max) / 2.0**MARGIN
    inside = [(x == 0) | ((numpy.abs(x) >= least) & (numpy.abs(x) <= most)) for x in at.values()]
    if "prediction" in at and "target" in at:
        inside.append(~_hardly_apart(at))
    return {name: x[numpy.all(inside, 0)] for name, x in at.items()}


def _hardly_apart(at: Mapping[str, numpy.ndarray]) -> numpy.ndarray:
    """Where prediction and target differ by less than any number that is drawn."""
    prediction = at["prediction"]
    off = numpy.abs(prediction.astype("float64") - at["target"].astype("float64"))
    return (off > 0) & (off < float(numpy.finfo(prediction.dtype).tiny) * 2.0**MARGIN)


def by_bits(rng: numpy.random.Generator, dtype: str, count: int) -> numpy.ndarray:
    """Normal numbers, every exponent as often as every other but for the last few at both ends."""
    info = numpy.finfo(dtype)
    exponents = numpy.arange(info.minexp + MARGIN, info.maxexp - MARGIN)
    each = numpy.concatenate([rng.permutation(exponents) for _ in range(count // len(exponents) + 1)])
    sizes = numpy.ldexp(rng.uniform(1, 2, count), each[:count])
    return (rng.choice([-1, 1], count) * sizes).astype(dtype)


def ordinary(rng: numpy.random.Generator, count: int) -> numpy.ndarray:
    """Between about 1e-7 and 1e3, either sign."""
    return rng.choice([-1, 1], count) * 10 ** rng.uniform(-7, 3, count)


def _near(rng: numpy.random.Generator, places: numpy.ndarray, dtype: str) -> numpy.ndarray:
    """Each place, or up to a dozen last places beside it, or a thousandth, or a tenth."""
    steps = rng.choice([0, 1, float(numpy.finfo(dtype).eps) * 2, 1e-3, 0.1], len(places)) * rng.integers(
        -6, 7, len(places)
    )
    return places * (1 + steps * (numpy.abs(steps) < 1))


def _parameter(rng: numpy.random.Generator, given: Parameter, dtype: str, count: int) -> numpy.ndarray:
    """The default half of the time; else other sizes of it, and those numbers where powers change their kind, or others
    near them."""
    default = float(given.default)
    if given.domain.name == "fraction":
        other = numpy.where(rng.random(count) < 0.5, rng.random(count), 10 ** rng.uniform(-5, -1, count))
        other = numpy.clip(other, 1e-6, 1 - 1e-6)
    elif given.domain.name == "exponent":  # a power of 60 is off by what its base is, sixty times
        other = numpy.where(
            rng.random(count) < 0.3, rng.integers(0, HIGHEST + 1, count), HIGHEST * rng.random(count)
        )
    else:
        size = abs(default) or 1.0
        # What is given as a fraction may have to be one.
        highest = -float(numpy.log2(size)) if 0 < default < 1 else 5.0
        other = (numpy.sign(default) or 1.0) * size * 2 ** rng.uniform(-5, highest, count)
        special = rng.choice([size, size, size] if 0 < default < 1 else [1.0, 2.0, size], count)
        special *= 1 + rng.choice([-1, 0, 0, 1], count) * 10 ** rng.uniform(-7, -1, count)
        if 0 < default < 1:
            special = numpy.minimum(special, 1.0)
        other = numpy.where(rng.random(count) < 0.3, (numpy.sign(default) or 1.0) * special, other)
    return numpy.where(rng.random(count) < 0.5, default, other)


def _argument(
    rng: numpy.random.Generator, domain: str, parameters: list[numpy.ndarray], dtype: str, count: int
) -> numpy.ndarray:
    if domain == "sign":
        return rng.choice([-1.0, 1.0], count)
    if domain == "label":
        return rng.choice([0.0, 1.0], count)
    if domain == "cosine":
        return rng.uniform(-1, 1, count)
    if domain == "count":
        return rng.choice([0.0, 1.0, 2.0, 5.0, 17.0, 1000.0, 123457.0], count)
    if domain == "probability":
        low = float(numpy.log10(float(numpy.finfo(dtype).tiny)))
        tiny, inside = 10 ** rng.uniform(low + 1, 0, count), rng.random(count)
        close = 1 - 10 ** rng.uniform(-6, 0, count)
        kinds = [tiny, inside, inside, close, numpy.zeros(count), numpy.ones(count)]
        return numpy.choose(rng.integers(0, 6, count), kinds)
    places = numpy.stack([numpy.zeros(count), numpy.ones(count), *parameters])
    near = _near(rng, places[rng.integers(0, len(places), count), numpy.arange(count)], dtype)
    kinds = [
        by_bits(rng, dtype, count).astype("float64"),
        ordinary(rng, count),
        ordinary(rng, count),
        near * rng.choice([-1, 1], count),
    ]
    drawn = numpy.choose(rng.choice([0, 0, 0, 1, 1, 2, 3], count), kinds)
    return numpy.abs(drawn) if domain in ("nonnegative", "positive") else drawn


def _residuals(
    rng: numpy.random.Generator, at: dict[str, numpy.ndarray], prediction: str, target: str
) -> None:
    """Half of the targets are 0 (the prediction is then the residual), some lie close to the prediction."""
    count = len(at["prediction"])
    kind = rng.integers(0, 6, count)
    if target == "real":
        at["target"][kind < 3] = 0.0
        close = at["prediction"] * (1 - rng.choice([-1, 1], count) * 10 ** rng.uniform(-7, 0, count))
        at["target"] = numpy.where(kind == 3, close, at["target"])
    elif prediction in ("real", "nonnegative", "positive", "probability"):
        close = at["target"] * (1 + rng.choice([-1, 1], count) * 10 ** rng.uniform(-7, 0, count))
        at["prediction"] = numpy.where(kind == 3, numpy.abs(close), at["prediction"])
    if target == "positive":
        at["target"][at["target"] == 0] = 1.0
    if prediction == "positive":
        at["prediction"][at["prediction"] == 0] = 1.0
