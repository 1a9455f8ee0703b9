"""The language of formulas: what a loss may be written in.

A formula is text. `parse` turns it into a SymPy expression by walking Python's own syntax tree and
admitting only arithmetic, comparisons inside `where`, and the primitives below; nothing is ever evaluated as
Python. Each primitive knows its derivative in a form that does not cancel (`sigmoid(x)*sigmoid(-x)`, never
`s*(1 - s)`), so that plain symbolic differentiation of a well-chosen formula stays exact in float32.

At a kink the derivative is a decision: `abs` has slope 0 at 0 (so has `sign`), `maximum(a, b)` and
`minimum(a, b)` take the slope of `b` where both are equal, and `where` the slope of the branch taken.
"""

from __future__ import annotations

import ast
import decimal
from collections.abc import Mapping
from typing import Any

import sympy
from sympy import Function, Piecewise, Rational, S

from losscope.errors import LossError, complain, did_you_mean

LONGEST_FORMULA = 4000
LARGEST_CONSTANT_BITS = 1024
LARGEST_MAGNITUDE = 300  # decimal places before or after the point
LARGEST_EXPONENT = 64
DEEPEST_NESTING = 20


class sigmoid(Function):
    r"""1 / (1 + exp(-x)). Derivative sigmoid(x) sigmoid(-x)."""

    is_real = True

    def fdiff(self, argindex=1):
        (x,) = self.args
        return sigmoid(x) * sigmoid(-x)

    @classmethod
    def eval(cls, x):
        return Rational(1, 2) if x.is_zero else None


class softplus(Function):
    """log(1 + exp(x)). Derivative sigmoid(x)."""

    is_real = True

    def fdiff(self, argindex=1):
        return sigmoid(self.args[0])


class log(Function):
    """Natural logarithm, which undoes exp and turns log(sigmoid(x)) into -softplus(-x)."""

    is_real = True

    def fdiff(self, argindex=1):
        return 1 / self.args[0]

    @classmethod
    def eval(cls, x):
        if isinstance(x, sympy.exp):
            return x.args[0]
        if isinstance(x, sigmoid):
            return -softplus(-x.args[0])
        return S.Zero if x == 1 else None


class log1p(Function):
    """log(1 + x). Derivative 1 / (1 + x)."""

    is_real = True

    def fdiff(self, argindex=1):
        return 1 / (1 + self.args[0])

    @classmethod
    def eval(cls, x):
        if isinstance(x, sympy.exp):
            return softplus(x.args[0])
        if isinstance(-x, sigmoid):
            return -softplus((-x).args[0])
        return S.Zero if x.is_zero else None


class expm1(Function):
    """exp(x) - 1. Derivative exp(x)."""

    is_real = True

    def fdiff(self, argindex=1):
        return sympy.exp(self.args[0])

    @classmethod
    def eval(cls, x):
        return S.Zero if x.is_zero else None


class log1pmx(Function):
    """log(1 + x) - x, right for small x. Derivative -x / (1 + x)."""

    is_real = True

    def fdiff(self, argindex=1):
        (x,) = self.args
        return -x / (1 + x)


class expm1mx(Function):
    """exp(x) - 1 - x, right for small x. Derivative expm1(x)."""

    is_real = True

    def fdiff(self, argindex=1):
        return expm1(self.args[0])


class xlogy(Function):
    """x log(y), and 0 where x is 0."""

    is_real = True

    def fdiff(self, argindex=1):
        x, y = self.args
        return log(y) if argindex == 1 else xdivy(x, y)

    @classmethod
    def eval(cls, x, y):
        logarithm = log(y)
        return None if isinstance(logarithm, log) else x * logarithm


class xlog1py(Function):
    """x log(1 + y), and 0 where x is 0."""

    is_real = True

    def fdiff(self, argindex=1):
        x, y = self.args
        return log1p(y) if argindex == 1 else xdivy(x, 1 + y)

    @classmethod
    def eval(cls, x, y):
        logarithm = log1p(y)
        return None if isinstance(logarithm, log1p) else x * logarithm


class xdivy(Function):
    """x / y, and 0 where x is 0."""

    is_real = True

    def fdiff(self, argindex=1):
        x, y = self.args
        return 1 / y if argindex == 1 else -xdivy(xdivy(x, y), y)


class xmuly(Function):
    """x y, and 0 where x is 0, be y infinite."""

    is_real = True

    def fdiff(self, argindex=1):
        return self.args[2 - argindex]

    @classmethod
    def eval(cls, x, y):
        return x * y if x.is_number or y.is_number else None


class tanh(Function):
    """Hyperbolic tangent. Derivative sech2(x)."""

    is_real = True

    def fdiff(self, argindex=1):
        return sech2(self.args[0])

    @classmethod
    def eval(cls, x):
        return S.Zero if x.is_zero else None


class sech2(Function):
    """1 / cosh(x)^2. Derivative -2 tanh(x) sech2(x)."""

    is_real = True

    def fdiff(self, argindex=1):
        (x,) = self.args
        return -2 * tanh(x) * sech2(x)


class log_cosh(Function):
    """log(cosh(x)), right for small and for large x. Derivative tanh(x)."""

    is_real = True

    def fdiff(self, argindex=1):
        return tanh(self.args[0])


class sign(Function):
    """-1, 0 or 1. Derivative 0 (the jump at 0 carries no slope)."""

    is_real = True

    def fdiff(self, argindex=1):
        return S.Zero


class absolute(Function):
    """|x|. Derivative sign(x): 0 at the kink."""

    is_real = True

    def fdiff(self, argindex=1):
        return sign(self.args[0])

    @classmethod
    def eval(cls, x):
        if x.is_nonnegative:
            return x
        return absolute(-x) if x.could_extract_minus_sign() else None


class maximum(Function):
    """The larger of two; NaN if either is. Slope of the second where both are equal."""

    is_real = True

    def fdiff(self, argindex=1):
        a, b = self.args
        return Piecewise(
            (S.One if argindex == 1 else S.Zero, a > b), (S.Zero if argindex == 1 else S.One, True)
        )


class minimum(Function):
    """The smaller of two; NaN if either is. Slope of the second where both are equal."""

    is_real = True

    def fdiff(self, argindex=1):
        a, b = self.args
        return Piecewise(
            (S.One if argindex == 1 else S.Zero, a < b), (S.Zero if argindex == 1 else S.One, True)
        )


class sqrt1px2m1(Function):
    """sqrt(1 + x^2) - 1, right for small and for large x. Derivative sin_arctan(x)."""

    is_real = True

    def fdiff(self, argindex=1):
        return sin_arctan(self.args[0])


class sin_arctan(Function):
    """x / sqrt(1 + x^2). Derivative cos_arctan(x)^3."""

    is_real = True

    def fdiff(self, argindex=1):
        return cos_arctan(self.args[0]) ** 3


class cos_arctan(Function):
    """1 / sqrt(1 + x^2). Derivative -sin_arctan(x) cos_arctan(x)^2."""

    is_real = True

    def fdiff(self, argindex=1):
        (x,) = self.args
        return -sin_arctan(x) * cos_arctan(x) ** 2


def where(condition, yes, no):
    """`yes` where the condition holds, else `no`."""
    return Piecewise((yes, condition), (no, True))


PRIMITIVES: dict[str, tuple[int, Any]] = {
    "abs": (1, absolute), "sign": (1, sign), "exp": (1, sympy.exp), "log": (1, log), "sqrt": (1, sympy.sqrt),
    "log1p": (1, log1p), "expm1": (1, expm1), "log1pmx": (1, log1pmx), "expm1mx": (1, expm1mx),
    "softplus": (1, softplus), "sigmoid": (1, sigmoid), "tanh": (1, tanh), "sech2": (1, sech2),
    "log_cosh": (1, log_cosh), "sqrt1px2m1": (1, sqrt1px2m1), "sin_arctan": (1, sin_arctan),
    "cos_arctan": (1, cos_arctan), "xlogy": (2, xlogy), "xlog1py": (2, xlog1py), "xdivy": (2, xdivy), "xmuly": (2, xmuly), "minimum": (2, minimum), "maximum": (2, maximum),
    "where": (3, where),
}  # fmt: skip

_COMPARISONS: dict[type[ast.cmpop], Any] = {
    ast.Lt: sympy.StrictLessThan, ast.LtE: sympy.LessThan,
    ast.Gt: sympy.StrictGreaterThan, ast.GtE: sympy.GreaterThan,
}  # fmt: skip


# What people write instead of it, where there is an instead.
_INSTEAD: dict[type[ast.AST], str] = {
    ast.IfExp: "Write where(condition, a, b)",
    ast.BoolOp: "Nest where(...) for more than one condition",
}


def symbol(name: str) -> sympy.Symbol:
    """The real symbol that a name stands for."""
    return sympy.Symbol(name, real=True)


def in_our_words(expression: Any) -> Any:
    """SymPy's own functions, which it brings in by itself (sqrt(r**2) is |r|, 2**r has a logarithm in its
    slope), as the primitives that every target knows."""
    for theirs, ours in ((sympy.Abs, absolute), (sympy.log, log), (sympy.sign, sign), (sympy.ITE, _either)):
        if expression.has(theirs):
            expression = expression.replace(theirs, ours)
    return expression


def _either(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` if the condition, else `no`, of conditions: what a comparison with a where(...) becomes."""
    return sympy.Or(sympy.And(condition, yes), sympy.And(sympy.Not(condition), no))


def parse(text: str, names: Mapping[str, Any]) -> sympy.Expr:
    """Read a formula over `names` (name -> SymPy expression).

    >>> parse("where(abs(r) <= 1, r**2/2, abs(r) - 1/2)", {"r": symbol("r")})
    Piecewise((r**2/2, absolute(r) <= 1), (absolute(r) - 1/2, True))

    Raises LossError, with a caret under the place, for anything that is not a formula.
    """
    return _Parser(text, names).read()


class _Parser:
    def __init__(self, text: str, names: Mapping[str, Any]):
        self.text, self.names = text, names

    def read(self) -> sympy.Expr:
        if not isinstance(self.text, str) or not self.text.strip():
            raise LossError(complain("A formula must be text", got=repr(self.text), expected='e.g. "r**2/2"'))
        if len(self.text) > LONGEST_FORMULA:
            raise LossError(
                complain(
                    "The formula is too long",
                    got=f"{len(self.text)} characters",
                    expected=f"at most {LONGEST_FORMULA}",
                )
            )
        self.text = " ".join(self.text.split())
        try:
            tree = ast.parse(self.text, mode="eval")
            if self.nesting(tree.body) > DEEPEST_NESTING:
                raise RecursionError
            result = self.visit(tree.body)
        except SyntaxError as error:
            at = (error.offset or 1) - 1
            if error.end_offset == 0 and error.msg == "invalid syntax":
                at = len(self.text)  # where Python expects more it points to the start
            place = " " * at + "^"
            raise LossError(f"This formula does not parse ({error.msg}):\n  {self.text}\n  {place}") from None
        except (RecursionError, MemoryError):
            raise LossError(complain("The formula is nested too deeply")) from None
        if not isinstance(result, sympy.Expr):
            raise self.error(tree.body, "A formula must be a number, not a condition")
        return result

    def error(self, node: ast.AST, what: str, hint: str = "") -> LossError:
        place = " " * getattr(node, "col_offset", 0) + "^"
        return LossError(f"{what}:\n  {self.text}\n  {place}" + (f"\n{hint}" if hint else ""))

    def visit(self, node: ast.AST) -> Any:
        method = getattr(self, "visit_" + type(node).__name__, None)
        if method is None:
            made_of = "numbers, names, + - * / **, comparisons inside where(...), and: " + ", ".join(
                PRIMITIVES
            )
            hint = _INSTEAD.get(type(node), f"A formula is made of {made_of}")
            raise self.error(node, f"`{ast.unparse(node)}` has no place in a formula", hint)
        return self.bounded(node, method(node))

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
        return value

    def visit_Constant(self, node: ast.Constant) -> sympy.Expr:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise self.error(node, "Only numbers may stand here")
        if isinstance(node.value, int):
            return sympy.Integer(node.value)
        source = ast.get_source_segment(self.text, node) or repr(node.value)
        written = decimal.Decimal(source.replace("_", ""))
        if abs(written.adjusted()) > LARGEST_MAGNITUDE:  # before 10**999999999 is worked out
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
        left, right = self.number(node.left), self.number(node.right)
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                if right.is_zero:
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
        return base**exponent

    def visit_Compare(self, node: ast.Compare) -> Any:
        if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARISONS:
            raise self.error(
                node,
                "Only one of <, <=, >, >= may stand in a comparison",
                "Nest where(...) for more than one condition",
            )
        return _COMPARISONS[type(node.ops[0])](self.number(node.left), self.number(node.comparators[0]))

    def visit_Call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name) or node.func.id not in PRIMITIVES:
            name = ast.unparse(node.func)
            last = name.rpartition(".")[2]
            hint = (
                f"Write {last}(...)" if "." in name and last in PRIMITIVES else did_you_mean(last, PRIMITIVES)
            )
            raise self.error(node, f"Unknown function {name!r}", hint)
        count, primitive = PRIMITIVES[node.func.id]
        if node.keywords or len(node.args) != count:
            raise self.error(
                node,
                f"{node.func.id} takes {count} argument{'s' * (count > 1)}, got {len(node.args) + len(node.keywords)}",
            )
        if primitive is where:
            condition = self.visit(node.args[0])
            if isinstance(condition, sympy.Expr):
                raise self.error(node.args[0], "The first argument of where must be a comparison")
            return where(condition, self.number(node.args[1]), self.number(node.args[2]))
        return primitive(*(self.number(each) for each in node.args))

    def number(self, node: ast.AST) -> sympy.Expr:
        value = self.visit(node)
        if not isinstance(value, sympy.Expr):
            raise self.error(node, "A condition may only stand as the first argument of where")
        return value
