"""Text -> expression: what a loss may be written in.

A formula is read by walking Python's own syntax tree and admitting only arithmetic, comparisons inside `where`, and
the functions of `expression`; nothing is ever evaluated as Python.
"""

from __future__ import annotations

import ast
import decimal
import re
import sys
import unicodedata
from collections.abc import Mapping
from keyword import iskeyword
from typing import Any

import sympy
from sympy import Rational, S

from losscope.errors import LossError, complain, did_you_mean, no_end, shown, visible
from losscope.expression import PRIMITIVES
from losscope.expression.choices import compared, where
from losscope.expression.from_sympy import in_our_words
from losscope.expression.products import xdivy, xlog1py, xlogy
from losscope.expression.spellings import SPELLINGS

LONGEST_FORMULA = 4000
LARGEST_CONSTANT_BITS = 1024
LARGEST_MAGNITUDE = 300  # decimal places before or after the point
LARGEST_EXPONENT = 64
DEEPEST_NESTING = 20
DEEPEST_CONDITIONS = 2  # where(...) within comparisons within where(...)
MOST_TERMS = 20_000  # of a second derivative, about: beyond, deriving takes minutes

_COMPARISONS: dict[type[ast.cmpop], Any] = {
    ast.Lt: sympy.StrictLessThan, ast.LtE: sympy.LessThan,
    ast.Gt: sympy.StrictGreaterThan, ast.GtE: sympy.GreaterThan,
}  # fmt: skip

# What people write instead of it, where there is an instead.
_INSTEAD: dict[type[ast.AST], str] = {
    ast.IfExp: "Write where(condition, a, b)",
    ast.BoolOp: "Nest where(...) for more than one condition",
}

# What people write of other languages, and of mathematics, that Python's grammar has no place for: a sign, and what to say.
_NO_GRAMMAR = {
    r"(?<![<>=!])=(?!=)": "a formula has no =: a comparison is one of <, <=, >, >=",
    r"\|": "the size of r is written abs(r)",
}
# A number with a letter right behind it. Python reads 1or as `1 or`, with a warning of its own.
_NUMBER_BEFORE_LETTER = re.compile(
    r"(?<![\w.])(?>0[xX][0-9a-fA-F_]+|0[oObB][0-7_]+|(?>[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?>[eE][+-]?[0-9][0-9_]*)?)[^\W\d_]"
)


def parse(text: str, names: Mapping[str, Any], ours: bool = False) -> sympy.Expr:
    """Read a formula over `names` (name -> SymPy expression).

    >>> from losscope.expression import symbol
    >>> parse("where(abs(r) <= 1, r**2/2, abs(r) - 1/2)", {"r": symbol("r")})
    Piecewise((r**2/2, absolute(r) <= 1), (absolute(r) - 1/2, True))

    What is `ours`, printed by us from an expression, may be as long and as deep as it is.

    Raises LossError, with a caret under the place, for anything that is not a formula.
    """
    return _Parser(text, names, ours).read()


def check_text(formula: Any) -> None:
    """Raise LossError for a formula that is no text, or an empty one."""
    if not isinstance(formula, str):
        raise LossError(complain("A formula must be text", got=shown(formula), expected='e.g. "r**2/2"'))
    if not formula.strip():
        raise LossError(complain("The formula is empty", got=shown(formula), expected='e.g. "r**2/2"'))


def in_one_line(formula: str) -> str:
    """A formula without its comments, which end with their lines, and with one blank where there are several.

    >>> in_one_line("r**2  # squared\\n + abs(r)")
    'r**2 + abs(r)'
    """
    lines = [line.partition("#")[0] for line in formula.splitlines()]
    return " ".join(" ".join(lines).split())


def as_read(name: str) -> str:
    """A name as Python reads it, which takes letters of one meaning for one."""
    return unicodedata.normalize("NFKC", name)


def places(text: str, names: Mapping[str, Any]) -> list[tuple[int, Any, Any]]:
    """Each part of a formula: where it stands, its syntax, and the expression that it is."""
    parser = _Parser(text, names)
    parser.read()
    return [
        (parser.column(node), node, value) for node, value in parser.places if isinstance(value, sympy.Expr)
    ]


def value_of(constant: Any) -> float:
    """The true value of a constant; NaN of what is no number."""
    from losscope.truth import truths

    return float(truths([constant], [], [()])[0, 0, 0])


def is_finite(number: Any) -> bool:
    """Whether a constant is a real number that a float64 can hold."""
    return number.is_Rational or abs(value_of(number)) <= sys.float_info.max


def is_zero(number: Any) -> bool:
    """Whether a constant is 0, as sin(pi) is."""
    if number.is_zero or not number.is_number or number.is_Rational:
        return bool(number.is_zero)
    return value_of(number) == 0


def holds(comparison: Any) -> Any:
    """A comparison of constants, decided."""
    one = sympy.Piecewise((S.One, comparison), (S.Zero, True), evaluate=False)
    return sympy.true if value_of(one) == 1 else sympy.false


def _size(node: ast.AST) -> tuple[float, float, float]:
    """About how many terms the value, the gradient and the curvature of a part of a formula have."""
    if isinstance(node, ast.BinOp):
        a, b = _size(node.left), _size(node.right)
        if isinstance(node.op, ast.Add | ast.Sub):
            return (a[0] + b[0], a[1] + b[1], a[2] + b[2])
        product = (a[0] + b[0], a[1] + b[1] + (a[0] * bool(b[1]) + b[0] * bool(a[1])), 0.0)
        return (*product[:2], a[2] + b[2] + 2 * (a[1] + b[1]) * bool(a[1] and b[1]) + product[1])
    if isinstance(node, ast.Name):
        return (1.0, 1.0, 0.0)
    if isinstance(node, ast.Constant):
        return (1.0, 0.0, 0.0)
    parts = [_size(each) for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr)]
    value, slope, bend = (sum(each[order] for each in parts) for order in range(3))
    if isinstance(node, ast.Call):
        return (
            (1 + value, 1 + value + slope, 2 * (1 + value) + slope + bend) if slope else (1 + value, 0.0, 0.0)
        )
    return (value, slope, bend)


class _Parser:
    def __init__(self, text: str, names: Mapping[str, Any], ours: bool = False):
        self.text, self.names, self.ours = text, names, ours
        self.places: list[tuple[ast.AST, Any]] = []  # each part of the formula, and what it became

    def read(self) -> sympy.Expr:
        check_text(self.text)
        if len(self.text) > LONGEST_FORMULA and not self.ours:
            raise LossError(
                complain(
                    "The formula is too long",
                    got=f"{len(self.text)} characters",
                    expected=f"at most {LONGEST_FORMULA}",
                )
            )
        if not self.ours:
            self.refuse_signs()
        self.text = in_one_line(self.text)
        check_text(self.text)
        if not self.ours:
            self.refuse_other_grammar()
        try:
            tree = ast.parse(self.text, mode="eval")
            if not self.ours:
                self.refuse_depth(tree.body)
                self.refuse_explosion(tree.body)
            result = self.visit(tree.body)
            if self.ours:
                result = in_our_words(result)
        except SyntaxError as error:
            at = (error.offset or 1) - 1
            if error.end_offset == 0 and error.msg == "invalid syntax":
                at = len(self.text)  # where Python expects more it points to the start
            raise self.unread(*self.in_our_grammar(at, error.msg)) from None
        except (RecursionError, MemoryError):
            raise LossError(no_end(self.text)) from None
        if not isinstance(result, sympy.Expr):
            raise self.error(tree.body, "A formula must be a number, not a condition")
        return result

    def refuse_signs(self) -> None:
        """What can be neither read nor shown: half a character, or a code that a terminal obeys."""
        signs = enumerate(self.text)
        wrong = next((i for i, each in signs if visible(each) != each and not each.isspace()), None)
        if wrong is not None:
            raise LossError(
                complain(
                    f"Character {wrong} of the formula is none that can be written",
                    got=ascii(self.text[wrong]),
                    expected="ASCII letters, digits and operators",
                )
            )

    def refuse_other_grammar(self) -> None:
        """What Python would read, and warn of."""
        if quote := re.search("['\"]", self.text):
            raise self.unread(quote.start(), "text has no place in a formula")
        if product := _NUMBER_BEFORE_LETTER.search(self.text):
            raise self.unread(product.end() - 1, "a product is written 2*x")

    def in_our_grammar(self, at: int, why: str) -> tuple[int, str]:
        """Where a formula does not parse, and why: what Python says of it, or what the sign is that has no place in one."""
        for sign, hint in _NO_GRAMMAR.items():
            if found := re.search(sign, self.text):
                return found.start(), hint
        if why != "invalid syntax":
            return at, why
        words = (each for each in re.finditer(r"[^\W\d]\w*", self.text) if iskeyword(each[0]))
        return next(((each.start(), f"{each[0]} is a reserved word of Python") for each in words), (at, ""))

    def unread(self, at: int, why: str = "") -> LossError:
        """What is said of text that does not parse from the character `at` on."""
        return LossError(
            f"This formula does not parse{f' ({why})' if why else ''}:\n  {self.text}\n  {' ' * at}^"
        )

    def refuse_depth(self, tree: ast.AST) -> None:
        """Functions within functions, and powers within powers, whose derivatives no machine would hold."""
        depth = self.nesting(tree)
        if depth > DEEPEST_NESTING:
            raise LossError(
                complain(
                    "The formula is nested too deeply",
                    got=f"functions and powers that stand {depth} deep within one another",
                    expected=f"at most {DEEPEST_NESTING}",
                )
            )

    def refuse_explosion(self, tree: ast.AST) -> None:
        """Derivatives of products grow with the square of the number of factors, and those of conditions within
        conditions with a power of their depth."""
        deepest = self.conditions(tree)
        if deepest > DEEPEST_CONDITIONS:
            raise self.error(
                tree, f"Comparisons stand {deepest} deep within comparisons", f"At most {DEEPEST_CONDITIONS}"
            )
        terms, worst = sum(_size(tree)), tree
        if terms > MOST_TERMS:
            while parts := [each for each in ast.iter_child_nodes(worst) if sum(_size(each)) > MOST_TERMS]:
                worst = parts[0]
            raise self.error(
                worst,
                f"The derivatives of this formula would have some {terms:.2g} terms",
                "Split it, or leave factors out",
            )

    def conditions(self, tree: ast.AST) -> int:
        """How many comparisons with a where(...), a maximum or a minimum in them stand within one another."""
        inside = max((self.conditions(each) for each in ast.iter_child_nodes(tree)), default=0)
        branching = isinstance(tree, ast.Compare) and any(
            isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "where"
            for each in ast.walk(tree)
        )
        return inside + branching

    def error(self, node: ast.AST, what: str, hint: str = "") -> LossError:
        place = " " * self.column(node) + "^"
        return LossError(f"{what}:\n  {self.text}\n  {place}" + (f"\n{hint}" if hint else ""))

    def column(self, node: ast.AST) -> int:
        """Which character a part begins with: Python counts bytes."""
        before = self.text.encode()[: getattr(node, "col_offset", 0)]
        return len(before.decode(errors="ignore"))

    def visit(self, node: ast.AST) -> Any:
        method = getattr(self, "visit_" + type(node).__name__, None)
        if method is None:
            made_of = "numbers, names, + - * / **, comparisons inside where(...), and: " + ", ".join(
                PRIMITIVES
            )
            hint = _INSTEAD.get(type(node), f"A formula is made of {made_of}")
            raise self.error(node, f"`{ast.unparse(node)}` has no place in a formula", hint)
        return method(node) if self.ours else self.bounded(node, method(node))

    def nesting(self, tree: ast.AST) -> int:
        """How deeply functions and powers stand inside one another: derivatives grow with it faster than any
        machine. (Terms in a row do not count.)"""
        deepest, open_nodes = 0, [(tree, 0)]
        while open_nodes:
            node, depth = open_nodes.pop()
            depth += isinstance(node, ast.Call) or (
                isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)
            )
            deepest = max(deepest, depth)
            open_nodes += [(each, depth) for each in ast.iter_child_nodes(node)]
        return deepest

    def bounded(self, node: ast.AST, value: Any) -> Any:
        """Constants stay small: 9**9**9 must not eat the machine."""
        if isinstance(value, sympy.Expr):
            value = in_our_words(value)
            if any(
                each.exp.is_Rational and abs(each.exp) > LARGEST_EXPONENT for each in value.atoms(sympy.Pow)
            ):
                raise self.error(node, f"Powers multiply to one beyond {LARGEST_EXPONENT}")
            for atom in value.atoms(sympy.Rational):
                if max(abs(atom.p).bit_length(), atom.q.bit_length()) > LARGEST_CONSTANT_BITS:
                    raise self.error(node, "This constant is out of all proportion")
            if value.has(S.ComplexInfinity, S.NaN, S.ImaginaryUnit, S.Infinity, S.NegativeInfinity):
                raise self.error(node, "This is not a finite real number")
            # SymPy takes a power of a `where` in each of its branches.
            branches = [each for each, _ in value.args] if isinstance(value, sympy.Piecewise) else [value]
            if not isinstance(node, ast.Constant) and any(
                each.is_number and not is_finite(each) for each in branches
            ):
                raise self.error(node, "This is not a finite real number")
        self.places.append((node, value))
        return value

    def visit_Constant(self, node: ast.Constant) -> sympy.Expr:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise self.error(node, "Only numbers may stand here")
        if isinstance(node.value, int):
            return sympy.Integer(node.value)
        source = ast.get_source_segment(self.text, node) or repr(node.value)
        try:
            written = decimal.Decimal(source.replace("_", ""))
        except decimal.InvalidOperation:  # an exponent of 19 digits
            written = None
        # before 10**999999999 is worked out
        if written is None or (abs(written.adjusted()) > LARGEST_MAGNITUDE and not self.ours):
            raise self.error(node, "This constant is out of all proportion")
        return Rational(str(written))  # exactly what was written: 0.1 is one tenth

    def visit_Name(self, node: ast.Name) -> sympy.Expr:
        if node.id in self.names:
            return self.names[node.id]
        if node.id == "pi":
            return sympy.pi
        if node.id in PRIMITIVES:
            raise self.error(node, f"{node.id} is a function and wants arguments")
        raise self.error(
            node,
            f"Unknown name {node.id!r}",
            did_you_mean(node.id, self.names) + " (give other names as parameters, e.g. define(..., c=1.5))",
        )

    def visit_UnaryOp(self, node: ast.UnaryOp) -> sympy.Expr:
        operand = self.number(node.operand)
        if isinstance(node.op, ast.USub):
            return -operand
        if isinstance(node.op, ast.UAdd):
            return operand
        raise self.error(node, "This operator has no place in a formula")

    def visit_BinOp(self, node: ast.BinOp) -> sympy.Expr:
        residual = self.residual(node)
        if residual is not None:
            return residual
        if self.ours and isinstance(node.op, ast.BitAnd | ast.BitOr):
            both = sympy.And if isinstance(node.op, ast.BitAnd) else sympy.Or
            return both(self.visit(node.left), self.visit(node.right))
        left, right = self.number(node.left), self.number(node.right)
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                if is_zero(right):
                    raise self.error(node, "Division by zero")
                return left / right
            case ast.Pow():
                return self.power(node, left, right)
        hint = ""
        if isinstance(node.op, ast.BitXor):
            hint = "Powers are written x**2"
        elif isinstance(node.op, ast.BitAnd | ast.BitOr):
            hint = "Nest where(...) for more than one condition"
        raise self.error(node, "This operator has no place in a formula", hint)

    def residual(self, node: ast.BinOp) -> sympy.Expr | None:
        """`prediction - target` is the residual, one symbol: SymPy would spread 3*(a - b) to 3*a - 3*b,
        which cancels."""
        if (
            isinstance(node.op, ast.Sub)
            and isinstance(node.left, ast.Name)
            and isinstance(node.right, ast.Name)
            and "r" in self.names
        ):
            pair = (str(self.names.get(node.left.id)), str(self.names.get(node.right.id)))
            if pair == ("prediction", "target"):
                return self.names["r"]
            if pair == ("target", "prediction"):
                return -self.names["r"]
        return None

    def power(self, node: ast.BinOp, base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
        if exponent.is_Rational and (abs(exponent) > LARGEST_EXPONENT or exponent.q > LARGEST_EXPONENT):  # type: ignore[attr-defined]
            raise self.error(
                node,
                f"An exponent that is a number must be between -{LARGEST_EXPONENT} and {LARGEST_EXPONENT}, "
                f"with a denominator up to {LARGEST_EXPONENT}",
            )
        if base.is_number and not exponent.is_number and not base.is_positive:
            raise self.error(node, "Only a positive number has every power")
        return base**exponent

    def visit_Compare(self, node: ast.Compare) -> Any:
        if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARISONS:
            equal = any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops)
            raise self.error(
                node,
                "Only one of <, <=, >, >= may stand in a comparison",
                "Whether two numbers are equal is not asked" if equal
                else "Nest where(...) for more than one condition",
            )  # fmt: skip
        left, right = self.number(node.left), self.number(node.comparators[0])
        comparison = compared(_COMPARISONS[type(node.ops[0])], left, right, evaluate=False)
        if not comparison.free_symbols:
            return holds(comparison)
        return in_our_words(comparison) if comparison.has(sympy.Piecewise) else comparison

    def visit_Call(self, node: ast.Call) -> Any:
        known = PRIMITIVES | SPELLINGS
        if not isinstance(node.func, ast.Name) or node.func.id not in known:
            name = ast.unparse(node.func)
            if self.is_factor(node.func):
                raise self.error(
                    node, f"`{name}` is no function", "A product is written with *, as in 2*(r + 1)"
                )
            last = name.rpartition(".")[2]
            hint = f"Write {last}(...)" if "." in name and last in known else did_you_mean(last, known)
            raise self.error(node, f"Unknown function {name!r}", hint)
        count, primitive = known[node.func.id]
        if node.keywords:
            raise self.error(
                node.keywords[0],
                f"{node.func.id} takes its arguments without names",
                "If = is meant to compare, a comparison is one of <, <=, >, >=",
            )
        if len(node.args) != count:
            raise self.error(
                node,
                f"{node.func.id} takes {count} argument{'s' * (count > 1)}, got {len(node.args)}",
                "where(condition, a, b) is a where the condition holds, and b elsewhere"
                * (primitive is where),
            )
        if primitive is where:
            condition = self.visit(node.args[0])
            if isinstance(condition, sympy.Expr):
                raise self.error(node.args[0], "The first argument of where must be a comparison")
            branches = self.number(node.args[1]), self.number(node.args[2])
            return where(condition, *branches)
        arguments = [self.number(each) for each in node.args]
        if primitive is xdivy and is_zero(arguments[1]):
            raise self.error(node, "Division by zero")
        found = primitive(*arguments)
        if isinstance(found, xlogy | xlog1py) and found.args[1].is_number and not is_finite(found.fdiff(1)):
            raise self.error(node.args[1], "This has no finite logarithm")
        return found

    def is_factor(self, node: ast.AST) -> bool:
        """Whether what stands before a bracket is surely no function: a number, a name that has a value, a sum ..."""
        return isinstance(node, ast.Constant | ast.BinOp | ast.UnaryOp) or (
            isinstance(node, ast.Name) and (node.id in self.names or node.id == "pi")
        )

    def number(self, node: ast.AST) -> sympy.Expr:
        value = self.visit(node)
        if not isinstance(value, sympy.Expr):
            raise self.error(node, "A condition may only stand as the first argument of where")
        return value
