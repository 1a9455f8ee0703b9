"""losscope: exact, fast loss functions from one formula each, and an instrument that shows what each of them does
to training.

    import losscope as ls

    ls.huber(prediction, target, delta=1.5)                 # a scalar mean; prediction first, then target
    value, gradient = ls.huber.value_and_grad(prediction, target)
    ls.squared_error.through("sigmoid")                     # the loss of sigmoid(score); derivatives follow
    ls.define("mine", "where(abs(r) <= c, r**2/2, c*abs(r))", c=2.0)
    ls.losses()                                             # the names of all

Every loss and activation of the catalogue is an attribute, by its name or an alias. Everything is imported when
it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from losscope.forks import undisturbed

__version__ = "0.1.0"

_PUBLIC = {
    "Loss": "loss.loss", "Total": "loss.total", "get": "loss.loss", "losses": "loss.names", "activations": "loss.names",
    "define": "definition", "compare": "comparison", "LossError": "errors", "LossTypeError": "errors",
    "InexactWarning": "exactness.told",
    "entropy": "information", "one_hot": "information",
    "set_num_threads": "kernels.threads", "get_num_threads": "kernels.threads",
    "release_memory": "kernels.memory",
}  # fmt: skip

if TYPE_CHECKING:
    from losscope.comparison import compare as compare
    from losscope.definition import define as define
    from losscope.errors import LossError as LossError
    from losscope.errors import LossTypeError as LossTypeError
    from losscope.exactness.told import InexactWarning as InexactWarning
    from losscope.information import entropy as entropy
    from losscope.information import one_hot as one_hot
    from losscope.kernels.memory import release_memory as release_memory
    from losscope.kernels.threads import get_num_threads as get_num_threads
    from losscope.kernels.threads import set_num_threads as set_num_threads
    from losscope.loss.loss import Loss as Loss
    from losscope.loss.loss import get as get
    from losscope.loss.names import activations as activations
    from losscope.loss.names import losses as losses
    from losscope.loss.total import Total as Total


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'losscope' has no attribute {name!r}")
    with undisturbed:
        if name in _PUBLIC:
            value = getattr(import_module(f"losscope.{_PUBLIC[name]}"), name)
        else:
            value = _entry(name)
    globals()[name] = value
    return value


def _entry(name: str) -> Any:
    catalogue = import_module("losscope.catalogue")
    if name not in catalogue.names():
        from losscope.errors import did_you_mean

        close = did_you_mean(name, [*catalogue.names(), *_PUBLIC])
        if find_spec(f"losscope.{name}"):
            close = f"It is a module, to be imported: import losscope.{name}"
        # without the name of the attribute, for which Python would add a "Did you mean" of its own
        raise AttributeError(
            f"module 'losscope' has no attribute {name!r}. {close}", obj=sys.modules[__name__]
        )
    return import_module("losscope.loss.loss").get(name)


def __dir__() -> list[str]:
    return sorted(["__version__", *_PUBLIC, *import_module("losscope.catalogue").names()])
