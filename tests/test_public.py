"""The public face: what an import loads, what is found, and that what is written runs."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys

import numpy as np
import pytest

import losscope as ls
from conftest import ACTIVATIONS, ALL, LOSSES, batch, beside
from losscope import catalogue, domain, structures
from losscope.cli import main
from losscope.describe import describe, example

HEAVY = ["sympy", "llvmlite", "torch", "scipy", "numpy", "sklearn", "pandas", "matplotlib", "rich", "jax"]


def loaded_by(code: str) -> set[str]:
    """The top-level packages in sys.modules after running code in a fresh process."""
    code += "\nimport sys; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ast.literal_eval(done.stdout.strip().splitlines()[-1]))


def test_import_loads_nothing_heavy() -> None:
    assert not loaded_by("import losscope") & set(HEAVY)
    names = (
        "import losscope as ls; ls.losses(); ls.activations(); dir(ls); ls.LossError; ls.get_num_threads()"
    )
    assert not loaded_by(names) & {"sympy", "llvmlite", "torch", "scipy", "pandas"}


def test_looking_a_loss_up_loads_no_compiler() -> None:
    code = "import losscope as ls; ls.huber.bind(delta=2).through('sigmoid').name; ls.get('mse@tanh')"
    assert not loaded_by(code) & {"sympy", "llvmlite", "torch", "scipy"}


def test_the_functions_of_torch_load_no_more_than_torch() -> None:
    pytest.importorskip("torch")
    more = loaded_by("import losscope.torch.functional") - loaded_by("import torch")
    assert not more & {"sympy", "scipy", "pandas", "sklearn", "matplotlib", "rich"}


def test_a_call_loads_no_torch() -> None:
    assert "torch" not in loaded_by("import losscope as ls; ls.huber([1.0], [0.0])")


def test_every_name_is_found() -> None:
    names = dir(ls)
    assert names == sorted(names)
    for name in [
        *catalogue.names(),
        "Loss",
        "Total",
        "get",
        "losses",
        "activations",
        "define",
        "entropy",
        "one_hot",
        "InexactWarning",
    ]:
        assert name in names
        assert getattr(ls, name) is getattr(ls, name)
    for name, entry in catalogue.names().items():
        assert getattr(ls, name).entry is catalogue.entries()[entry]
        assert ls.get(name).entry is catalogue.entries()[entry]
        assert ls.get(name.upper().replace("_", "-")).entry is catalogue.entries()[entry]


def test_no_module_stands_in_the_way_of_a_name() -> None:
    """A module that is imported becomes an attribute of the package, in the place of a function of that name."""
    modules = {module.name for module in pkgutil.iter_modules(ls.__path__)}
    assert modules
    assert not modules & {*ls._PUBLIC, *catalogue.names()}


def test_the_lists_are_whole() -> None:
    assert ls.losses() == LOSSES
    assert ls.activations() == ACTIVATIONS
    assert {"squared_error", "huber", "binary_cross_entropy", "cross_entropy", "kl_divergence"} <= set(
        ls.losses()
    )
    assert {"identity", "sigmoid", "tanh", "relu", "leaky_relu", "softplus", "exp"} <= set(ls.activations())
    assert not set(ls.losses()) & set(ls.activations())


def test_every_file_of_the_catalogue_is_read() -> None:
    for module in pkgutil.iter_modules(catalogue.__path__):
        found = importlib.import_module(f"losscope.catalogue.{module.name}")
        defined = {value.name for value in vars(found).values() if type(value).__name__ == "Entry"}
        assert defined <= set(ALL)
        assert defined, f"{module.name} holds no entry"


def test_names_are_unique() -> None:
    every = [name for entry in catalogue.entries().values() for name in (entry.name, *entry.aliases)]
    assert len(every) == len(set(every))
    assert not set(every) & set(ls._PUBLIC)


@pytest.mark.parametrize("name", ALL)
def test_every_entry_is_documented(name: str) -> None:
    entry = catalogue.entries()[name]
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert entry.summary.strip().endswith(".")
    assert entry.reference or entry.equivalents
    assert entry.task
    assert structures.get(entry.structure)
    for parameter in entry.parameters.values():
        assert not parameter.domain.excludes(parameter.default)


DOMAINS = [name for name, each in vars(domain).items() if isinstance(each, domain.Domain) and each.outside]


@pytest.mark.parametrize("prediction", ["real", *DOMAINS])
@pytest.mark.filterwarnings("ignore::losscope.InexactWarning")
def test_the_example_of_a_loss_of_ones_own_runs_as_it_is_printed(prediction: str) -> None:
    for target in ("real", *DOMAINS):
        mine = ls.define("mine", "(z - y)**2", prediction=prediction, target=target)
        (line,) = re.findall(r">>> (.*)", describe(mine))
        assert line.startswith("mine(")
        assert np.isfinite(eval(line, {"mine": mine}))


@pytest.mark.parametrize(
    ("formula", "has"),
    [("r**2", True), ("(z - y)*r", True), ("z*sqrt(z**2 + 1)", False), ("softplus(z)*y", False), ("prediction*target", False)],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::losscope.InexactWarning")
def test_the_residual_is_explained_where_it_stands(formula: str, has: bool) -> None:
    mine = ls.define("mine", formula)
    for loss in (mine, mine.through("tanh")):
        assert ("r = prediction - target" in describe(loss)) is has


def test_the_warning_of_lost_digits_is_public() -> None:
    assert not loaded_by("import losscope; losscope.InexactWarning") & {"sympy", "llvmlite", "torch", "scipy"}
    with pytest.warns(ls.InexactWarning):
        ls.define("mine", "log(1 + erf(r)) + r**2 + r")


@pytest.mark.parametrize("name", ALL)
def test_every_entry_describes_itself_and_its_example_runs(name: str) -> None:
    loss = ls.get(name)
    text = describe(loss)
    assert loss.__doc__ == text
    for part in (loss.entry.summary, loss.entry.formula, "Shapes:", "Raises LossError"):
        assert part in text
    for part in [
        *loss.parameters,
        *loss.entry.aliases,
        loss.entry.ties,
        loss.entry.infinite,
        loss.entry.reference,
    ]:
        assert part in text
    code = re.findall(r">>> (.*)", text)
    assert code == example(loss)
    names: dict = {}
    for line in code[:-1]:
        exec(line, names)
    assert np.isfinite(eval(code[-1], names)).all()


def test_a_loss_through_an_activation_is_not_described_as_the_loss_alone(capsys) -> None:
    entry = ls.mse.entry
    assert main(["show", "mse@sigmoid"]) == 0
    for text in (describe(ls.get("mse@sigmoid")), capsys.readouterr().out):
        assert "squared_error through sigmoid" in text
        for part in (entry.summary, entry.reference, entry.equivalents["torch"]):
            assert part not in text


@pytest.mark.parametrize("name", ALL)
def test_every_entry_shows_its_formulas(name: str) -> None:
    loss = ls.get(name)
    for order in range(3):
        text = loss.latex(order)
        assert text.count("{") == text.count("}")
        assert text.count(r"\left") == text.count(r"\right")
    assert loss._repr_latex_() == f"$\\displaystyle {loss.latex()}$"
    allowed = {"prediction", "target", "margin", "distance", "cosine", "label", *loss.parameters}
    for formula in (loss.formula, loss.gradient_formula, loss.curvature_formula):
        assert {str(each) for each in formula.free_symbols} <= allowed
    assert loss.formula.free_symbols


def test_the_formulas_are_the_losses() -> None:
    import sympy

    r = sympy.Symbol("prediction", real=True) - sympy.Symbol("target", real=True)
    assert sympy.simplify(ls.mse.formula - r**2) == 0
    assert sympy.simplify(ls.mse.gradient_formula - 2 * r) == 0
    assert ls.mse.curvature_formula == 2
    assert "hat" in ls.mse.latex() or ls.mse.latex() == "r^{2}"


@pytest.mark.parametrize("name", LOSSES)
def test_call_value_and_total_take_keywords(name: str) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 4)
    rest = beside(loss, 4)
    assert loss(prediction=prediction, target=target, **rest) == loss(prediction, target, **rest)


def test_help_of_the_class_is_of_the_class() -> None:
    assert "A loss function" in ls.Loss.__doc__
    assert ls.huber.__doc__ != ls.Loss.__doc__


@pytest.mark.parametrize(
    "name", [each.name for each in vars(domain).values() if isinstance(each, domain.Domain)]
)
def test_domains(name: str) -> None:
    inside = {
        "real": [-9, 9], "probability": [0, 0.5, 1], "nonnegative": [0, 3], "count": [0, 3], "exponent": [0, 3], "positive": [1e-300],
        "fraction": [0.5], "sign": [-1, 1], "label": [0, 1], "class": [0, 1],
    }[name]  # fmt: skip
    outside = {
        "probability": [-1e-9, 1.0000001, np.inf], "nonnegative": [-1e-300], "count": [-1], "exponent": [-1], "positive": [0, -1],
        "fraction": [0, 1, 2], "sign": [0, 0.5, 2, -2], "label": [0.5, -1, 2],
    }.get(name, [])  # fmt: skip
    this = next(
        each for each in vars(domain).values() if isinstance(each, domain.Domain) and each.name == name
    )
    assert this.contains(inside).all()
    assert not this.contains(outside).any()
    assert this.contains([np.nan]).all()  # NaN goes through, to the result


def test_a_module_that_is_not_imported_says_how() -> None:
    code = "import losscope\ntry: losscope.comparison\nexcept AttributeError as error: print(error)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert "import losscope.comparison" in told


def test_a_loss_is_made_by_get_not_by_its_class() -> None:
    with pytest.raises(ls.LossTypeError, match=r"Use losscope\.get"):
        ls.Loss("mse")
