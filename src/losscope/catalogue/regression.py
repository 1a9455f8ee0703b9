"""Regression: a real prediction of a real target, judged by the residual r = prediction - target."""

from losscope.entry import fraction, nonnegative, positive
from losscope.structures.elementwise import elementwise

squared_error = elementwise(
    "squared_error",
    "r**2",
    summary="The square of the residual: estimates the mean, and lets an outlier pull without bound.",
    aliases=("mse", "l2"),
    reference="C. F. Gauss, Theoria Motus Corporum Coelestium (1809), book II, section 3.",
    equivalents={
        "torch": "MSELoss",
        "keras": "MeanSquaredError",
        "optax": "squared_error",
        "sklearn": "2 x HalfSquaredError",
    },
)

half_squared_error = elementwise(
    "half_squared_error",
    "r**2/2",
    summary="Half the square of the residual, so that the gradient is the residual itself.",
    aliases=("half_mse",),
    reference="C. F. Gauss, Theoria Motus Corporum Coelestium (1809), book II, section 3.",
    equivalents={
        "optax": "l2_loss",
        "sklearn": "HalfSquaredError",
        "xgboost": "reg:squarederror",
        "lightgbm": "regression",
    },
)

absolute_error = elementwise(
    "absolute_error",
    "abs(r)",
    summary="The size of the residual: estimates the median, and every residual pulls alike.",
    aliases=("mae", "l1", "lad"),
    ties="at r = 0 the gradient is 0, as in PyTorch (scikit-learn's AbsoluteError has -1 there)",
    reference="P. S. Laplace, Memoire sur la probabilite des causes par les evenements (1774).",
    equivalents={
        "torch": "L1Loss",
        "keras": "MeanAbsoluteError",
        "sklearn": "AbsoluteError",
        "xgboost": "reg:absoluteerror",
        "lightgbm": "regression_l1",
        "catboost": "MAE",
    },
)

smooth_l1 = elementwise(
    "smooth_l1",
    "where(abs(r) < beta, r**2/(2*beta), abs(r) - beta/2)",
    summary="Absolute error with its kink rounded off within beta; beta = 0 is absolute error.",
    parameters={"beta": nonnegative(1.0)},
    ties="at |r| = beta both branches have the same slope; the curvature there is 0",
    reference="R. Girshick, Fast R-CNN, ICCV (2015). doi:10.1109/ICCV.2015.169",
    equivalents={"torch": "SmoothL1Loss(beta)"},
)

huber = elementwise(
    "huber",
    "where(abs(r) <= delta, r**2/2, delta*(abs(r) - delta/2))",
    summary="Squared within delta, linear beyond: nearly the mean for clean data, no outlier pulls more than delta.",
    parameters={"delta": positive(1.0)},
    ties="at |r| = delta both branches have the same slope; the curvature there is 1",
    reference="P. J. Huber, Robust estimation of a location parameter, Ann. Math. Statist. 35 (1964). doi:10.1214/aoms/1177703732",
    equivalents={
        "torch": "HuberLoss(delta)",
        "keras": "Huber(delta)",
        "optax": "huber_loss(delta)",
        "sklearn": "HuberLoss",
        "lightgbm": "huber(alpha)",
        "catboost": "Huber(delta)",
    },
)

# Of a delta and a residual of any size: delta**2, delta*r and r/delta may be none of the dtype.
_SLOPE = "where(abs(r) < delta, r*cos_arctan(r/delta), delta*sin_arctan(r/delta))"

pseudo_huber = elementwise(
    "pseudo_huber",
    "delta**2*sqrt1px2m1(r/delta)",
    computed=(
        f"r*({_SLOPE}/(1 + cos_arctan(r/delta)))",
        _SLOPE,
        "cos_arctan(r/delta)**3",
    ),
    summary="A Huber loss without a seam: smooth everywhere, slope at most delta.",
    parameters={"delta": positive(1.0)},
    reference="P. Charbonnier et al., Deterministic edge-preserving regularization, IEEE TIP 6 (1997). doi:10.1109/83.551699",
    equivalents={"xgboost": "reg:pseudohubererror(huber_slope)"},
)

log_cosh = elementwise(
    "log_cosh",
    "log_cosh(r)",
    summary="Half the square for small residuals, |r| - log 2 for large; smooth everywhere, slope tanh(r).",
    aliases=("logcosh",),
    reference="P. J. Green, Bayesian reconstructions from emission tomography data using a modified EM algorithm, IEEE TMI 9 (1990). doi:10.1109/42.52985",
    equivalents={"keras": "LogCosh", "optax": "log_cosh", "catboost": "LogCosh"},
)

pinball = elementwise(
    "pinball",
    "where(r > 0, (1 - quantile)*r, -quantile*r)",
    summary="Weighs under- and over-prediction differently: estimates the given quantile.",
    aliases=("quantile", "quantile_loss"),
    parameters={"quantile": fraction(0.5)},
    ties="at r = 0 the gradient is -quantile, as in scikit-learn",
    reference="R. Koenker and G. Bassett, Regression quantiles, Econometrica 46 (1978). doi:10.2307/1913643",
    equivalents={
        "sklearn": "PinballLoss(quantile)",
        "xgboost": "reg:quantileerror(quantile_alpha)",
        "lightgbm": "quantile(alpha)",
        "catboost": "Quantile(alpha)",
    },
)
