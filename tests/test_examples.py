"""Every example that a docstring prints, of every module: found by walking the package, and run."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import losscope

MODULES = sorted(
    each.name
    for each in pkgutil.walk_packages(losscope.__path__, "losscope.")
    if not each.name.endswith("__main__")
)
OPTIONAL = ("torch", "lightgbm", "pandas", "sklearn", "matplotlib", "joblib", "pyarrow")


def test_there_are_modules() -> None:
    assert len(MODULES) > 200


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in OPTIONAL:
            raise
        pytest.skip(f"{error.name} is not installed")
    assert module.__doc__ or name.endswith("__init__"), "a module says what it is"
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0
