"""What the primitives are made of in each dtype: coefficients (`coefficients.py` prints them) and the layout of the bits."""

from __future__ import annotations

from dataclasses import dataclass

from losscope.engine.lanes import F32, F64, Lanes

Polynomial = tuple[float, ...]  # highest power first


@dataclass(frozen=True)
class Table:
    """One dtype. 2**k of a result is made in two factors, 2**(k + raise) and 2**-raise, as no exponent is as low as that of
    the least denormal: the product with the first is exact, the second rounds once, into the denormal range too."""

    mantissa_bits: int
    bias: int
    raised: int  # the exponent by which results are raised before they may become denormal
    round: float  # x + round is x rounded to a whole number, which then stands in the low bits of the sum
    ln2: tuple[float, float]  # log(2) in two parts; of the first, products with an exponent are exact
    exp_range: tuple[float, float]  # exp is 0 below, inf above
    expm1_low: float  # expm1 is -1 below
    tiny: float  # expm1(x) and log1p(x) are x below
    to_normal: int  # the power of two by which denormals are raised
    sqrt_half: int  # the bits of sqrt(1/2)
    exp_tail: Polynomial  # (exp(r) - 1 - r)/r**2 for |r| <= log(2)/2
    expm1mx: Polynomial  # the same for |x| <= 1
    log1p_unit: Polynomial  # (log1p(u) - u)/u**2 for 0 <= u <= 1; in double precision (2 atanh(s) - 2s)/s**3 at s**2, s <= 1/3
    log_tail: Polynomial  # the first for sqrt(1/2) <= 1 + u <= sqrt(2); in double precision the second for |s| <= 3 - 2 sqrt(2)
    tanh: Polynomial  # (tanh(x)/x - 1)/x**2 at x**2 <= 81/256
    log_cosh: Polynomial  # log(cosh(x))/x**2 at x**2 <= 9/16

    @property
    def exp(self) -> Polynomial:
        """exp(r) for |r| <= log(2)/2."""
        return (*self.exp_tail, 1.0, 1.0)


SINGLE = Table(
    mantissa_bits=23,
    bias=127,
    raised=30,
    round=1.5 * 2.0**23,
    ln2=(0.693359375, -0.00021219444170128554),
    exp_range=(-107.0, 89.0),
    expm1_low=-20.0,
    tiny=2.0**-40,
    to_normal=24,
    sqrt_half=0x3F3504F3,
    exp_tail=(
        0.0013863780768588185,
        0.00836748257279396,
        0.041667237877845764,
        0.16666534543037415,
        0.5,
    ),
    expm1mx=(
        2.817530685206293e-06,
        2.5336486942251213e-05,
        0.0001983619440579787,
        0.0013885777443647385,
        0.008333348669111729,
        0.04166671633720398,
        0.1666666716337204,
        0.5,
    ),
    log1p_unit=(
        -0.003677468979731202,
        0.02187543362379074,
        -0.06092149764299393,
        0.11025132238864899,
        -0.155695378780365,
        0.1977432370185852,
        -0.2497509866952896,
        0.3333224952220917,
        -0.5,
    ),
    log_tail=(
        -0.08082127571105957,
        0.12867441773414612,
        -0.13042005896568298,
        0.14180804789066315,
        -0.16633513569831848,
        0.20002363622188568,
        -0.25000545382499695,
        0.33333316445350647,
        -0.5,
    ),
    tanh=(
        -0.006588049232959747,
        0.021306438371539116,
        -0.053911518305540085,
        0.1333315372467041,
        -0.3333333432674408,
    ),
    log_cosh=(
        -0.0004345691413618624,
        0.002021454507485032,
        -0.00670265406370163,
        0.022217145189642906,
        -0.08333314210176468,
        0.5,
    ),
)

DOUBLE = Table(
    mantissa_bits=52,
    bias=1023,
    raised=60,
    round=1.5 * 2.0**52,
    ln2=(0.6931471805592082, 7.371002565167799e-13),
    exp_range=(-749.0, 710.0),
    expm1_low=-38.0,
    tiny=2.0**-60,
    to_normal=54,
    sqrt_half=0x3FE6A09E667F3BCD,
    exp_tail=(
        2.49783858508884e-08,
        2.762518989503759e-07,
        2.755764086201335e-06,
        2.4801508675668876e-05,
        0.0001984126946620955,
        0.0013888888926801082,
        0.008333333333500047,
        0.04166666666660395,
        0.16666666666666433,
        0.5,
    ),
    expm1mx=(
        7.759332065148473e-13,
        1.163705537791664e-11,
        1.6057256959433317e-10,
        2.0874504735281918e-09,
        2.5052122897668303e-08,
        2.7557334210420064e-07,
        2.7557319160870397e-06,
        2.480158725119598e-05,
        0.0001984126984141003,
        0.001388888888896677,
        0.0083333333333332,
        0.04166666666666627,
        0.16666666666666666,
        0.5,
    ),
    log1p_unit=(
        0.1560709633630773,
        0.0750646351546068,
        0.10841427458106424,
        0.11734830267101917,
        0.13335128845176528,
        0.15384546811490415,
        0.18181819795704895,
        0.22222222200448624,
        0.2857142857157381,
        0.39999999999999664,
        0.6666666666666666,
    ),
    log_tail=(
        0.13074311120882426,
        0.13270135713975864,
        0.15386179414316595,
        0.1818179699765525,
        0.22222222375370979,
        0.28571428570904206,
        0.4000000000000061,
        0.6666666666666666,
    ),
    tanh=(
        -2.0133151377580066e-05,
        8.443871064720163e-05,
        -0.00023422646695026107,
        0.0005888007066585975,
        -0.0014556351306776777,
        0.003592107194358531,
        -0.008863234175656279,
        0.021869488485463256,
        -0.05396825396731298,
        0.13333333333332728,
        -0.3333333333333333,
    ),
    log_cosh=(
        1.728981690958019e-07,
        -1.0932374090216544e-06,
        3.961541715026719e-06,
        -1.1710011563897482e-05,
        3.268449734074818e-05,
        -9.096428400174201e-05,
        0.000256575901226082,
        -0.0007386023834690037,
        0.002186948808026086,
        -0.006746031743916869,
        0.02222222222217294,
        -0.08333333333333293,
        0.5,
    ),
)

# (2 atanh(s) - 2s)/s**3 at s**2 for |s| <= 3 - 2 sqrt(2), as far as powers in single precision need it
ATANH_SHORT = (
    0.23287355123273296,
    0.28553024318717196,
    0.4000008993083612,
    0.6666666666666666,
)

_TABLES = {F32: SINGLE, F64: DOUBLE}


def table(x: Lanes) -> Table:
    """The table of the dtype of lanes."""
    if x.element not in _TABLES:
        raise TypeError(f"a primitive takes lanes of float32 or float64, not {x.element}")
    return _TABLES[x.element]
