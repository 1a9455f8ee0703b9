"""Losses as papers write them: the text of each, what it is of, and where it comes from."""

from __future__ import annotations

from typing import Any, NamedTuple


class Written(NamedTuple):
    formula: str
    source: str
    facts: dict[str, Any] = {}


def of(formula: str, source: str, **facts: Any) -> Written:
    return Written(formula, source, facts)


SIGN: dict[str, Any] = {"target": "sign"}
LABEL: dict[str, Any] = {"target": "label"}
POSITIVE: dict[str, Any] = {"target": "positive", "prediction": "positive"}

PAPERS: dict[str, Written] = {
    # residuals
    "cauchy": of("c**2/2*log(1 + (r/c)**2)", "M. J. Black and P. Anandan, CVIU 63 (1996). doi:10.1006/cviu.1996.0006", c=2.385),
    "lorentzian": of("log(1 + r**2/(2*s**2))", "M. J. Black and A. Rangarajan, IJCV 19 (1996). doi:10.1007/BF00131148", s=1.0),
    "geman_mcclure": of("r**2/(c**2 + r**2)", "S. Geman and D. McClure, Bull. ISI 52 (1987).", c=1.0),
    "geman_mcclure_half": of("(r**2/2)/(1 + r**2)", "Z. Zhang, Image Vis. Comput. 15 (1997). doi:10.1016/S0262-8856(96)01112-2"),
    "scaled_geman_mcclure": of("s*r**2/(s + r**2)", "Q.-Y. Zhou et al., Fast global registration, ECCV (2016). doi:10.1007/978-3-319-46475-6_47", s=1.0),
    "welsch": of("c**2/2*(1 - exp(-(r/c)**2))", "J. E. Dennis and R. E. Welsch, Commun. Stat. B 7 (1978). doi:10.1080/03610917808812083", c=2.985),
    "correntropy": of("1 - exp(-r**2/(2*s**2))", "W. Liu et al., Correntropy, IEEE TSP 55 (2007). doi:10.1109/TSP.2007.896065", s=1.0),
    "tukey": of("where(abs(r) <= c, c**2/6*(1 - (1 - (r/c)**2)**3), c**2/6)", "A. E. Beaton and J. W. Tukey, Technometrics 16 (1974). doi:10.1080/00401706.1974.10489171", c=4.685),
    "tukey_as_minimum": of("c**2/6*(1 - (1 - min(1, (r/c)**2))**3)", "A. E. Beaton and J. W. Tukey, Technometrics 16 (1974). doi:10.1080/00401706.1974.10489171", c=4.685),
    "andrews": of("where(abs(r) <= pi*c, c**2*(1 - cos(r/c)), 2*c**2)", "D. F. Andrews, Technometrics 16 (1974). doi:10.1080/00401706.1974.10489233", c=1.339),
    "fair": of("c**2*(abs(r)/c - log(1 + abs(r)/c))", "R. C. Fair, Ann. Econ. Soc. Meas. 3 (1974).", c=1.4),
    "ramsay": of("(1 - exp(-a*abs(r))*(1 + a*abs(r)))/a**2", "J. O. Ramsay, JASA 72 (1977). doi:10.1080/01621459.1977.10480611", a=0.3),
    "huber": of("where(abs(r) <= d, r**2/2, d*abs(r) - d**2/2)", "P. J. Huber, Ann. Math. Stat. 35 (1964). doi:10.1214/aoms/1177703732", d=1.345),
    "pseudo_huber": of("d**2*(sqrt(1 + (r/d)**2) - 1)", "R. Hartley and A. Zisserman, Multiple View Geometry (2003). doi:10.1017/CBO9780511811685", d=2.0),
    "l1_l2": of("2*(sqrt(1 + r**2/2) - 1)", "Z. Zhang, Image Vis. Comput. 15 (1997). doi:10.1016/S0262-8856(96)01112-2"),
    "charbonnier": of("sqrt(r**2 + e**2)", "P. Charbonnier et al., ICIP (1994). doi:10.1109/ICIP.1994.413553", e=0.001),
    "charbonnier_zero": of("sqrt(r**2 + 1e-6) - 1e-3", "W.-S. Lai et al., Deep Laplacian pyramid networks, CVPR (2017). doi:10.1109/CVPR.2017.618"),
    "generalised_charbonnier": of("(r**2 + e**2)**a", "D. Sun et al., Secrets of optical flow, CVPR (2010). doi:10.1109/CVPR.2010.5539939", e=0.001, a=0.45),
    "barron": of("abs(a - 2)/a*(((r/c)**2/abs(a - 2) + 1)**(a/2) - 1)", "J. T. Barron, A general and adaptive robust loss, CVPR (2019). doi:10.1109/CVPR.2019.00446", a=1.0, c=1.0),
    "log_cosh": of("log(cosh(r))", "P. J. Green, IEEE TMI 9 (1990). doi:10.1109/42.52985"),
    "log_cosh_scaled": of("c**2*log(cosh(r/c))", "R. A. Saleh and A. Saleh, arXiv (2022). doi:10.48550/arXiv.2208.04564", c=1.205),
    "xtanh": of("r*tanh(r)", "Q. Wang et al., Ann. Data Sci. 9 (2022). doi:10.1007/s40745-020-00253-5"),
    "xsigmoid": of("2*r*sigmoid(r) - r", "Q. Wang et al., Ann. Data Sci. 9 (2022). doi:10.1007/s40745-020-00253-5"),
    "asinh": of("r*log(r + sqrt(1 + r**2)) - sqrt(1 + r**2) + 1", "G. Aubert and P. Kornprobst, Mathematical Problems in Image Processing (2006). doi:10.1007/978-0-387-44588-5"),
    "arctan": of("r*atan(r) - log(1 + r**2)/2", "P. J. Rousseeuw and A. M. Leroy, Robust Regression (1987). doi:10.1002/0471725382"),
    "smooth_absolute": of("(log(1 + exp(a*r)) + log(1 + exp(-a*r)) - 2*log(2))/a", "M. Schmidt et al., Fast optimization methods for L1, ECML (2007). doi:10.1007/978-3-540-74958-5_28", a=2.0),
    "smooth_erf": of("r*erf(r/(sqrt(2)*s)) + s*sqrt(2/pi)*(exp(-r**2/(2*s**2)) - 1)", "S. Voronin et al., Appl. Comput. Harmon. Anal. (2015). doi:10.48550/arXiv.1409.8527", s=1.0),
    "skew_normal": of("r**2/2 - log(2*ndtr(a*r))", "A. Azzalini, A class of distributions which includes the normal ones, Scand. J. Stat. 12 (1985).", a=2.0),
    "tobit": of("where(y > 0, r**2/2, -log(ndtr(-z)))", "J. Tobin, Econometrica 26 (1958). doi:10.2307/1907382"),
    "linex": of("exp(a*r) - a*r - 1", "H. R. Varian, A Bayesian approach to real estate assessment (1975); A. Zellner, JASA 81 (1986). doi:10.1080/01621459.1986.10478289", a=1.0),
    "linex_plain": of("exp(r) - r - 1", "A. Zellner, JASA 81 (1986). doi:10.1080/01621459.1986.10478289"),
    "pinball": of("max(q*(-r), (q - 1)*(-r))", "R. Koenker and G. Bassett, Econometrica 46 (1978). doi:10.2307/1913643", q=0.9),
    "smooth_pinball": of("q*(-r) + a*log(1 + exp(r/a))", "S. Zheng, Gradient descent algorithms for quantile regression, Int. J. Mach. Learn. Cybern. 2 (2011). doi:10.1007/s13042-011-0031-2", q=0.3, a=0.5),
    "expectile": of("where(r > 0, (1 - t)*r**2, t*r**2)", "W. K. Newey and J. L. Powell, Econometrica 55 (1987). doi:10.2307/1911031", t=0.8),
    "epsilon_insensitive": of("max(0, abs(r) - e)", "H. Drucker et al., Support vector regression machines, NIPS (1996).", e=0.1),
    "berhu": of("where(abs(r) <= c, abs(r), (r**2 + c**2)/(2*c))", "A. B. Owen, Contemp. Math. 443 (2007). doi:10.1090/conm/443/08555; I. Laina et al., 3DV (2016). doi:10.1109/3DV.2016.32", c=0.2),
    "balanced_l1": of("where(abs(r) < 1, a/b*(b*abs(r) + 1)*log(b*abs(r) + 1) - a*abs(r), g*abs(r) + g/b - a)", "J. Pang et al., Libra R-CNN, CVPR (2019). doi:10.1109/CVPR.2019.00091", a=0.5, b=19.0855, g=1.5),
    "wing": of("where(abs(r) < w, w*log(1 + abs(r)/e), abs(r) - (w - w*log(1 + w/e)))", "Z.-H. Feng et al., Wing loss, CVPR (2018). doi:10.1109/CVPR.2018.00238", w=10.0, e=2.0),
    "student": of("(n + 1)/2*log(1 + r**2/(n*s**2))", "K. L. Lange et al., JASA 84 (1989). doi:10.1080/01621459.1989.10478852", n=4.0, s=1.0),
    "gumbel": of("r/b + exp(-r/b) - 1", "E. J. Gumbel, Statistics of Extremes (1958). doi:10.7312/gumb92958; D. Garg et al., Extreme Q-learning, ICLR (2023). doi:10.48550/arXiv.2301.02328", b=1.0),
    "logistic_density": of("r + 2*log(1 + exp(-r)) - 2*log(2)", "N. Balakrishnan, Handbook of the Logistic Distribution (1991). doi:10.1201/9781482277098"),
    "bounded_exponential": of("1 - 1/(1 + r**2)**2", "Z. Zhang, Image Vis. Comput. 15 (1997). doi:10.1016/S0262-8856(96)01112-2"),
    "smooth_epsilon_insensitive": of("log(1 + exp(r - e)) + log(1 + exp(-r - e))", "O. Dekel et al., Smooth epsilon-insensitive regression by loss symmetrization, JMLR 6 (2005).", e=0.5),
    "symmetric_relative_error": of("2*abs(z - y)/(abs(z) + abs(y))", "S. Makridakis, Int. J. Forecasting 9 (1993). doi:10.1016/0169-2070(93)90079-3"),
    "cosine_angle": of("1 - cos(r)", "S. Prokudin et al., Deep directional statistics, ECCV (2018). doi:10.1007/978-3-030-01240-3_33"),
    # margins
    "logistic": of("log(1 + exp(-y*z))", "J. Friedman et al., Ann. Stat. 28 (2000). doi:10.1214/aos/1016218223", **SIGN),
    "exponential": of("exp(-y*z)", "Y. Freund and R. E. Schapire, JCSS 55 (1997). doi:10.1006/jcss.1997.1504", **SIGN),
    "probit": of("-log((1 + erf(y*z/sqrt(2)))/2)", "C. I. Bliss, Ann. Appl. Biol. 22 (1935). doi:10.1111/j.1744-7348.1935.tb07713.x", **SIGN),
    "sigmoid_loss": of("1 - tanh(y*z)", "L. Mason et al., Boosting algorithms as gradient descent, NIPS (1999).", **SIGN),
    "savage": of("1/(1 + exp(y*z))**2", "H. Masnadi-Shirazi and N. Vasconcelos, NIPS (2008).", **SIGN),
    "tangent": of("(2*atan(y*z) - 1)**2", "H. Masnadi-Shirazi et al., CVPR (2010). doi:10.1109/CVPR.2010.5540136", **SIGN),
    "smooth_hinge": of("where(y*z >= 1, 0, where(y*z <= 0, 1/2 - y*z, (1 - y*z)**2/2))", "J. D. M. Rennie and N. Srebro, IJCAI workshop (2005).", **SIGN),
    "smoothed_plus": of("(1 - y*z + sqrt((1 - y*z)**2 + 4*a**2))/2", "C. Chen and O. L. Mangasarian, Comput. Optim. Appl. 5 (1996). doi:10.1007/BF00249052", a=0.1, **SIGN),
    "modified_huber": of("where(y*z >= -1, max(0, 1 - y*z)**2, -4*y*z)", "T. Zhang, ICML (2004). doi:10.1145/1015330.1015332", **SIGN),
    "ramp": of("min(1, max(0, 1 - y*z))", "R. Collobert et al., Trading convexity for scalability, ICML (2006). doi:10.1145/1143844.1143870", **SIGN),
    "unhinged": of("1 - y*z", "B. van Rooyen et al., NIPS (2015). doi:10.48550/arXiv.1505.07634", **SIGN),
    "generalised_cross_entropy": of("(1 - sigmoid(y*z)**q)/q", "Z. Zhang and M. R. Sabuncu, NeurIPS (2018). doi:10.48550/arXiv.1805.07836", q=0.7, **SIGN),
    "alpha_loss": of("a/(a - 1)*(1 - sigmoid(y*z)**(1 - 1/a))", "T. Sypherd et al., IEEE Trans. Inf. Theory 68 (2022). doi:10.1109/TIT.2022.3169440", a=2.0, **SIGN),
    "mean_absolute_probability": of("2 - 2*sigmoid(y*z)", "A. Ghosh et al., AAAI (2017). doi:10.1609/aaai.v31i1.10894", **SIGN),
    "focal": of("-(1 - sigmoid(y*z))**g*log(sigmoid(y*z))", "T.-Y. Lin et al., Focal loss, ICCV (2017). doi:10.1109/ICCV.2017.324", g=2.0, **SIGN),
    "poly1": of("-log(sigmoid(y*z)) + e*(1 - sigmoid(y*z))", "Z. Leng et al., PolyLoss, ICLR (2022). doi:10.48550/arXiv.2204.12511", e=2.0, **SIGN),
    "taylor_cross_entropy": of("(1 - sigmoid(y*z)) + (1 - sigmoid(y*z))**2/2", "L. Feng et al., IJCAI (2020). doi:10.24963/ijcai.2020/305", **SIGN),
    "square_exponential_brier": of("(1 - sigmoid(y*z))**2", "G. W. Brier, Mon. Weather Rev. 78 (1950). doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2", **SIGN),
    "asymmetric": of("where(y > 0, -log(sigmoid(z)), -max(sigmoid(z) - m, 0)**4*log(1 - max(sigmoid(z) - m, 0)))", "T. Ridnik et al., Asymmetric loss, ICCV (2021). doi:10.1109/ICCV48922.2021.00015", m=0.05, **SIGN),
    "tempered_logarithm": of("(1 - sigmoid(y*z)**(1 - t))/(1 - t)", "E. Amid et al., Bi-tempered logistic loss, NeurIPS (2019). doi:10.48550/arXiv.1906.03361", t=0.5, **SIGN),
    # labels of 0 and 1
    "brier": of("(y - sigmoid(z))**2", "G. W. Brier, Mon. Weather Rev. 78 (1950). doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2", **LABEL),
    "absolute_probability": of("abs(y - 1/(1 + exp(-z)))", "A. Ghosh et al., Neurocomputing 160 (2015). doi:10.1016/j.neucom.2014.09.081", **LABEL),
    "focal_of_labels": of("-(1 - (y*sigmoid(z) + (1 - y)*(1 - sigmoid(z))))**g*log(y*sigmoid(z) + (1 - y)*(1 - sigmoid(z)))", "T.-Y. Lin et al., Focal loss, ICCV (2017). doi:10.1109/ICCV.2017.324", g=2.0, **LABEL),
    "generalised_cross_entropy_of_labels": of("(1 - (y*sigmoid(z) + (1 - y)*(1 - sigmoid(z)))**q)/q", "Z. Zhang and M. R. Sabuncu, NeurIPS (2018). doi:10.48550/arXiv.1805.07836", q=0.7, **LABEL),
    "ordinal_logit": of("-log(1/(1 + exp(-(b - z))) - 1/(1 + exp(-(a - z))))", "P. McCullagh, Regression models for ordinal data, JRSS B 42 (1980). doi:10.1111/j.2517-6161.1980.tb01109.x", a=-1.0, b=1.0),
    "complementary_log_log": of("-y*log(1 - exp(-exp(z))) + (1 - y)*exp(z)", "R. A. Fisher, Phil. Trans. R. Soc. A 222 (1922). doi:10.1098/rsta.1922.0009", **LABEL),
    # counts, rates, densities
    "poisson": of("exp(z) - y*z", "J. A. Nelder and R. W. M. Wedderburn, JRSS A 135 (1972). doi:10.2307/2344614", target="count"),
    "gamma_log": of("z + y*exp(-z)", "P. McCullagh and J. A. Nelder, Generalized Linear Models (1989). doi:10.1007/978-1-4899-3242-6", target="positive"),
    "gamma_deviance": of("2*((y - z)/z - log(y/z))", "P. McCullagh and J. A. Nelder, Generalized Linear Models (1989). doi:10.1007/978-1-4899-3242-6", **POSITIVE),
    "itakura_saito": of("y/z - log(y/z) - 1", "C. Fevotte et al., Neural Comput. 21 (2009). doi:10.1162/neco.2008.04-08-771", **POSITIVE),
    "poisson_deviance": of("2*(y*log(y/z) - y + z)", "D. D. Lee and H. S. Seung, NIPS (2000).", **POSITIVE),
    "squared_log": of("(log(1 + z) - log(1 + y))**2/2", "P. Tofallis, J. Oper. Res. Soc. 66 (2015). doi:10.1057/jors.2014.103", target="nonnegative", prediction="nonnegative"),
    "negative_binomial": of("lgamma(1/a) + lgamma(y + 1) - lgamma(y + 1/a) + (y + 1/a)*log(1 + a*exp(z)) - y*(z + log(a))", "J. M. Hilbe, Negative Binomial Regression (2011). doi:10.1017/CBO9780511973420", target="count", a=0.5),
    "tweedie": of("exp((2 - p)*z)/(2 - p) - y*exp((1 - p)*z)/(1 - p)", "B. Jorgensen, JRSS B 49 (1987). doi:10.1111/j.2517-6161.1987.tb01685.x", target="nonnegative", p=1.5),
    "gaussian_log_variance": of("(log(2*pi) + z + y**2/exp(z))/2", "D. A. Nix and A. S. Weigend, ICNN (1994). doi:10.1109/ICNN.1994.374138"),
    "gaussian_divergence": of("-log(z) + (z**2 + y**2)/2 - 1/2", "D. P. Kingma and M. Welling, ICLR (2014). doi:10.48550/arXiv.1312.6114", prediction="positive"),
    "binomial_deviance": of("2*(y*log(y/z) + (1 - y)*log((1 - y)/(1 - z)))", "P. McCullagh and J. A. Nelder, Generalized Linear Models (1989). doi:10.1007/978-1-4899-3242-6", target="probability", prediction="probability"),
    "matusita": of("(sqrt(y) - sqrt(z))**2", "K. Matusita, Ann. Math. Stat. 26 (1955). doi:10.1214/aoms/1177728422", target="nonnegative", prediction="nonnegative"),
    "laplace_log_scale": of("abs(y)*exp(-z) + z + log(2)", "A. Kendall and Y. Gal, NeurIPS (2017). doi:10.48550/arXiv.1703.04977"),
    "hyperbolic_distance": of("acosh(1 + 2*r**2)", "M. Nickel and D. Kiela, Poincare embeddings, NeurIPS (2017). doi:10.48550/arXiv.1705.08039"),
}  # fmt: skip
