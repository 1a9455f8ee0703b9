"""One expression as Python text over primitives; parts that have a name are written by it.

In which order numbers are added and multiplied is decided by the expression alone, never by what has a name: so each
of a loss's expressions is the same arithmetic wherever it is written, alone or beside others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import sympy
from sympy import Piecewise, S

from losscope.emit.two_sided import two_sided_sigmoid, two_sided_softplus
from losscope.expression import PRIMITIVES

NAMES = {primitive: name for name, (_, primitive) in PRIMITIVES.items()} | {sympy.exp: "exp"}
NAMES |= {each: each.__name__ for each in (two_sided_softplus, two_sided_sigmoid)}
NAMES |= {sympy.Abs: "abs", sympy.sign: "sign", sympy.log: "log"}  # which SymPy brings in by itself
MULTIPLIED_OUT = 4  # the highest power that is written as factors, each of which may be divided by something

# How tightly an operator binds; a part that binds less is put in parentheses.
_SUM, _PRODUCT, _ATOM = 1, 2, 3


@dataclass
class Writer:
    """Writes expressions; `names` are those of parts that have been computed before."""

    names: dict[sympy.Basic, str]

    def text(self, expression: sympy.Basic) -> str:
        """One expression as Python source."""
        return self._write(expression, 0)

    def _write(self, e: sympy.Basic, context: int) -> str:
        written, binds = self._form(e)
        return f"({written})" if binds < context else written

    def _form(self, e: sympy.Basic) -> tuple[str, int]:
        if e in self.names:
            return self.names[e], _ATOM
        if e.is_Symbol:
            return str(e), _ATOM
        if e.is_Number or e.is_NumberSymbol:  # exp(1) is a number with a name
            return _number(e), _ATOM
        if e.is_Add:
            return self._sum(e), _SUM
        if e.is_Mul:
            return self._product(e)
        if e.is_Pow:
            return self._power(e.base, e.exp)
        if isinstance(e, Piecewise):
            return self._where(e.args), _ATOM
        if e.is_Relational:
            return f"{self._write(e.lhs, _SUM)} {e.rel_op} {self._write(e.rhs, _SUM)}", 0
        if isinstance(e, sympy.And | sympy.Or):
            operator = " & " if isinstance(e, sympy.And) else " | "
            return operator.join(f"({self._write(each, 0)})" for each in e.args), 0
        if e.func in NAMES:
            return f"{NAMES[e.func]}({', '.join(self._write(each, 0) for each in e.args)})", _ATOM
        raise NotImplementedError(f"no way to write {e.func}")  # a hole in the language, not a user's mistake

    def _sum(self, e: sympy.Basic) -> str:
        # Positive terms first: "1 - x", not "-x + 1". Before all others 1 - x, which is exact of a share of 0 or 1.
        terms = sorted(sympy.Add.make_args(e), key=lambda term: term.could_extract_minus_sign())
        share = next((each for each in terms if (-each).is_Symbol), None)
        if S.One in terms and share is not None:
            terms = [S.One, share, *(each for each in terms if each not in (S.One, share))]
        parts = [self._write(terms[0], _SUM)]
        for term in terms[1:]:
            if term.could_extract_minus_sign():
                parts.append(f" - {self._write(-term, _PRODUCT)}")
            else:
                parts.append(f" + {self._write(term, _PRODUCT)}")
        return "".join(parts)

    def _product(self, e: sympy.Basic) -> tuple[str, int]:
        coefficient, rest = e.as_coeff_Mul()
        if coefficient.is_negative:
            return "-" + self._write(sympy.Mul(-coefficient, rest), _PRODUCT), _PRODUCT
        if coefficient > 1:  # last: before a factor that is small it might overflow
            return f"{self._write(rest, _PRODUCT)}*{_number(coefficient)}", _PRODUCT
        powers: list[list[str]] = [] if coefficient == 1 else [[_number(coefficient)]]
        below: list[str] = []
        for factor in sympy.Mul.make_args(rest):
            base, exponent = (factor, S.One) if factor in self.names else factor.as_base_exp()
            if exponent.is_number and exponent.is_negative and factor.is_Pow:
                below.extend(self._factors(base, -exponent))
            elif factor.is_Pow and exponent.is_Integer:
                powers.append(self._factors(base, exponent))
            else:
                powers.append([self._write(factor, _PRODUCT)])
        # One factor of each power in turn: x*x*y is written x*y*x, which overflows and underflows only where all of it does.
        above = [each for turn in zip_longest(*powers) for each in turn if each]
        if not below:
            return "*".join(above), _PRODUCT
        if not above:
            above = [_number(S.One)]
        # Each factor below divides one above, in turn: x*x/(h*h) is written (x/h)*(x/h), which overflows neither in x*x
        # nor in h*h.
        for k, each in enumerate(below):
            turn = -1 - k % len(above)
            above[turn] = f"({above[turn]}/{each})"
        if len(above) == 1 and below:
            return above[0][1:-1], _PRODUCT
        return "*".join(above), _PRODUCT

    def _factors(self, base: sympy.Basic, exponent: sympy.Basic) -> list[str]:
        """base**exponent (a positive number) as factors: small whole powers are multiplied out."""
        if exponent.is_Integer and exponent <= MULTIPLIED_OUT:
            return [self._write(base, _ATOM)] * int(exponent)
        return [self._write(sympy.Pow(base, exponent), _ATOM)]

    def _power(self, base: sympy.Basic, exponent: sympy.Basic) -> tuple[str, int]:
        if exponent.is_number and exponent.is_negative:
            return f"{_number(S.One)}/{self._write(sympy.Pow(base, -exponent), _ATOM)}", _PRODUCT
        if exponent == S.Half:
            return f"sqrt({self._write(base, 0)})", _ATOM
        if exponent.is_Integer:
            return _whole_power(self._write(base, _ATOM), int(exponent)), _PRODUCT
        if exponent.is_Rational and exponent.q == 2:
            whole = _whole_power(self._write(base, _ATOM), int(exponent - S.Half))
            return f"{whole}*sqrt({self._write(base, 0)})", _PRODUCT
        return f"power({self._write(base, 0)}, {self._write(exponent, 0)})", _ATOM

    def _where(self, branches: Sequence[sympy.Basic]) -> str:
        (value, condition), *rest = branches
        if condition == sympy.true or not rest:
            return self._write(value, 0)
        return f"where({self._write(condition, 0)}, {self._write(value, 0)}, {self._where(rest)})"


def _number(e: sympy.Basic) -> str:
    value = float(e)
    return f"real({value!r})" if math.isfinite(value) else "real(1e999)"  # which Python reads as infinity


def _whole_power(base: str, exponent: int) -> str:
    if exponent <= MULTIPLIED_OUT:
        return "*".join([base] * exponent)
    half = _whole_power(base, exponent // 2)
    return f"({half})*({half})" + (f"*{base}" if exponent % 2 else "")
