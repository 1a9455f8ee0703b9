"""The same loss in every framework that is installed: what each gives, or what it says. Run, never recorded."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.special import log_softmax

import losscope as ls
from losscope.studies.views import Record

Loss = Callable[[Any, Any], Any]


def keras() -> Any:
    """Keras on whichever of its backends is installed, where the user has not chosen one."""
    backend = next((each for each in ("tensorflow", "torch", "jax") if find_spec(each)), "numpy")
    os.environ.setdefault("KERAS_BACKEND", backend)
    return import_module("keras")


def squared_error() -> Mapping[str, Loss]:
    """The mean squared error as each framework's users write it: (prediction, target) -> a number."""
    return {
        "NumPy": lambda p, t: ((p - t) ** 2).mean(),
        "scikit-learn": lambda p, t: import_module("sklearn.metrics").mean_squared_error(t, p),
        "PyTorch": lambda p, t: _torch().mse_loss(_tensor(p), _tensor(t).double()),
        "Keras, the class": lambda p, t: keras().losses.MeanSquaredError()(t, p),
        "Keras, the function": lambda p, t: np.mean(
            keras().ops.convert_to_numpy(keras().losses.mean_squared_error(t, p))
        ),
        "TensorFlow": lambda p, t: _tensorflow().reduce_mean(_tensorflow().square(p - t)),
        "JAX": lambda p, t: ((_jax().asarray(p) - _jax().asarray(t)) ** 2).mean(),
        "losscope": lambda p, t: ls.get("mse")(p, np.asarray(t, "float64")),
    }


def cross_entropy() -> Mapping[str, tuple[Loss, Loss]]:
    """Cross-entropy of logits with class indices, and with one-hot rows."""
    return {
        "NumPy": (lambda z, k: -log_softmax(z, -1)[np.arange(len(k)), k].mean(), lambda z, q: -(q * log_softmax(z, -1)).sum(-1).mean()),
        "PyTorch": (lambda z, k: _torch().cross_entropy(_tensor(z), _tensor(k)), lambda z, q: _torch().cross_entropy(_tensor(z), _tensor(q))),
        "Keras": (
            lambda z, k: keras().losses.SparseCategoricalCrossentropy(from_logits=True)(k, z),
            lambda z, q: keras().losses.CategoricalCrossentropy(from_logits=True)(q, z),
        ),
        "JAX": (
            lambda z, k: -import_module("jax").nn.log_softmax(z)[np.arange(len(k)), k].mean(),
            lambda z, q: -(q * import_module("jax").nn.log_softmax(z)).sum(-1).mean(),
        ),
        "losscope": (lambda z, k: ls.get("cross_entropy")(z, k), lambda z, q: ls.get("cross_entropy")(z, q)),
    }  # fmt: skip


def _torch() -> Any:
    return import_module("torch").nn.functional


def _tensor(values: Any) -> Any:
    return import_module("torch").as_tensor(values)


def _jax() -> Any:
    return import_module("jax.numpy")


def _tensorflow() -> Any:
    return import_module("tensorflow")


def attempt(framework: str, loss: Loss, prediction: Any, target: Any) -> Record | None:
    """What it gives and what it says; None where it is not installed."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            number = float(loss(prediction, target))
        except ModuleNotFoundError:
            return None
        except (ValueError, RuntimeError, TypeError, IndexError, ArithmeticError) as error:
            return {"framework": framework, "number": None, "error": _short(str(error)), "warning": ""}
        except Exception as error:  # a framework's own kind of error for a shape it refuses
            if type(error).__module__.partition(".")[0] not in ("tensorflow", "keras", "jax"):
                raise
            return {"framework": framework, "number": None, "error": _short(str(error)), "warning": ""}
    said = " ".join(str(each.message) for each in heard if issubclass(each.category, UserWarning))
    return {"framework": framework, "number": number, "error": "", "warning": _short(said)}


def attempts(losses: Mapping[str, Loss], prediction: Any, target: Any) -> list[Record]:
    """All that are installed."""
    found = (attempt(name, loss, prediction, target) for name, loss in losses.items())
    return [each for each in found if each is not None]


def _short(text: str, limit: int = 170) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: text.rfind(" ", 0, limit)] + " ..."
