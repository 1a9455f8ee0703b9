"""Losses as objectives of gradient-boosted trees: a module for each library, and what they share in `objective`.

>>> import losscope.boosting
>>> losscope.boosting.lightgbm("pseudo_huber:delta=0.3").how
'the slope divided by the residual: a parabola above the loss, so that no full step goes up'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from losscope.boosting.with_lightgbm import LightGBM

__all__ = ["lightgbm"]


def lightgbm(loss: Any, *, curvature: Any = None, start: Any = None) -> LightGBM:
    """A loss as LightGBM's objective: its gradient, a curvature that suits trees, weights, and a start.

    `loss`: a name such as "huber:delta=2", or a loss. Given to `lightgbm.train` as `params["objective"]`, it is a
    function of scores and data, g and h of each row:

        g = w dl/dz        h = w times the curvature of a parabola through l(z), and a leaf takes -sum(g)/sum(h)

    `curvature`: None derives the one that suits (`.how` says which): l'(r)/r where a loss of the residual r is
    concave in r^2, which no leaf can overshoot; the loss's own second derivative where that is positive everywhere;
    else its largest. Or a function (score, target) -> h that takes its place, as to repeat LightGBM's own.
    `start`: None takes the constant that minimises the loss on the targets; or a number (for classes, one each).
    `.train` starts there, and what it returns adds the start to each prediction.

    Labels are those of the loss (-1 and 1 for hinge); scores are what the loss takes (a logit, the log of a mean).
    Raises LossError where a loss has no gradient to descend, or compares vectors. Needs the extra "boosting".

    >>> import lightgbm as lgb, numpy as np
    >>> x = np.arange(200.0)[:, None]
    >>> objective = lightgbm("mse")
    >>> model = objective.train({"verbose": -1}, lgb.Dataset(x, 5 * x[:, 0]), 50)
    >>> bool(abs(model.predict(x[:1])[0]) < 100), float(model.start)
    (True, 497.5)

    Sources: Ke et al., LightGBM, NeurIPS (2017); Hunter and Lange, A tutorial on MM algorithms, Am. Stat. 58 (2004),
    doi:10.1198/0003130042836.
    """
    from losscope.boosting.with_lightgbm import LightGBM

    return LightGBM(loss, curvature, start)
