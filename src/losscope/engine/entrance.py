"""Kernels as functions of Python: one entrance, made of the same instructions, that every kernel is called through.

A call from Python through ctypes costs a microsecond for each eight arguments, of a loss of a thousand elements a good
part, and the address of a NumPy array costs another. The entrance is a built-in function of CPython: it reads whole
numbers, arrays (as their addresses), None (as 0) and numbers into the words of a call on the stack, lets other threads run,
calls the kernel, and gives back its results.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy
from llvmlite import ir

from losscope.engine import machine
from losscope.engine.function import Function
from losscope.engine.kernel import RESULTS, Signature
from losscope.engine.lanes import F64, I8, I64, POINTER, VOID, Lanes, declared

NAME = "losscope_entrance"
BEFORE = len(RESULTS) + 1  # the words before those that a call is given
_METH_FASTCALL = 0x80
_BORROWED = (
    "PyLong_AsLongLong", "PyLong_AsVoidPtr", "PyFloat_AsDouble", "PyErr_Occurred", "PyErr_SetString", "PyEval_SaveThread",
    "PyEval_RestoreThread", "Py_BuildValue",
)  # fmt: skip
# Where an object holds its type, and an array its address (NumPy's public C layout, the same since version 1.7).
_TYPE, _ADDRESS = object.__basicsize__ - 8, object.__basicsize__


class _Plan(ctypes.Structure):
    """What the entrance is bound to: the kernel's address, and how many words of either kind it takes."""

    _fields_ = [("kernel", ctypes.c_void_p), ("wholes", ctypes.c_int64), ("count", ctypes.c_int64)]


class _Definition(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_plans: list[Any] = []  # they live as long as the functions that are bound to them: for ever


def callable_for(address: int, signature: Signature) -> Callable[..., tuple[int, float, float]]:
    """The kernel at an address as a function of its words, in the signature's order; it returns status, sum and weight.

    A whole number may be given as the array whose address it is, or as None for 0. Other threads of Python run meanwhile.
    TypeError for another number of words, or other kinds.
    """
    plan = _Plan(address, len(signature.wholes), len(signature.wholes) + len(signature.numbers))
    _plans.append(plan)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    made: Callable[..., tuple[int, float, float]] = make(
        ctypes.byref(_definition()), ctypes.addressof(plan), None
    )
    return made


@cache
def _definition() -> _Definition:
    imports = {
        name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in _BORROWED
    }
    for name, known in (("type_error", TypeError), ("none", None), ("ndarray", numpy.ndarray)):
        imports[f"losscope_{name}"] = id(known)
    address = machine.load(machine.object_file(entrance().module), NAME, imports)
    return _Definition(
        b"kernel", address, _METH_FASTCALL, b"A compiled loop, called with the words of its signature."
    )


def _arrays_are_where_they_say() -> bool:
    """Whether this build of Python and NumPy lays out objects as others do."""
    array = numpy.empty(3)
    at = lambda offset: ctypes.c_void_p.from_address(id(array) + offset).value
    return at(_TYPE) == id(numpy.ndarray) and at(_ADDRESS) == array.ctypes.data


# Longer than others: the steps of one call in their order, each a few instructions that use the step before.
def entrance() -> Function:
    """PyObject *entrance(PyObject *self, PyObject *const *arguments, Py_ssize_t count)"""
    f = Function(ir.Module(NAME), NAME, [POINTER, POINTER, I64], POINTER)
    bound, arguments, count = f.given
    b = f.builder
    plan = f.call("PyLong_AsVoidPtr", POINTER, bound)
    kernel, wholes, expected = (
        Lanes(b, b.load(b.gep(plan.value, [I64(which)], source_etype=I64), typ=I64)) for which in range(3)
    )
    null = ir.Constant(POINTER, None)
    none, ndarray = (_known(f, name) for name in ("losscope_none", "losscope_ndarray"))
    arrays = _arrays_are_where_they_say()

    def load(address: Any, offset: int, kind: Any) -> Any:
        return b.load(b.gep(address, [I64(offset)], source_etype=I8), typ=kind)

    def item(i: Lanes) -> Any:
        return b.load(b.gep(arguments.value, [i.value], source_etype=POINTER), typ=POINTER)

    with b.if_then((count != expected).value, likely=False):
        error, text = _known(f, "losscope_type_error"), _text(f, "a kernel takes another number of words")
        f.call("PyErr_SetString", VOID, error, text)
        b.ret(null)
    words = b.alloca(I64, (expected + BEFORE).value)
    words.type = POINTER

    def place(i: Lanes) -> Any:
        return b.gep(words, [(i + BEFORE).value], source_etype=I64)

    def whole(i: Lanes) -> list[Lanes]:
        given = item(i)
        is_array = (
            b.icmp_unsigned("==", load(given, _TYPE, POINTER), ndarray)
            if arrays
            else ir.Constant(ir.IntType(1), 0)
        )
        is_none = b.icmp_unsigned("==", given, none)
        (value,) = f.choose(
            Lanes(b, is_array),
            lambda: [Lanes(b, load(given, _ADDRESS, I64))],
            lambda: f.choose(
                Lanes(b, is_none),
                lambda: [f.whole(0)],
                lambda: [f.call("PyLong_AsLongLong", I64, Lanes(b, given))],
            ),
        )
        b.store(value.value, place(i))
        return []

    def number(i: Lanes) -> list[Lanes]:
        b.store(f.call("PyFloat_AsDouble", F64, Lanes(b, item(i))).value, place(i))
        return []

    for i in range(BEFORE):  # a result that a kernel does not set is 0
        b.store(I64(0), b.gep(words, [I64(i)], source_etype=I64))
    f.loop(f.whole(0), wholes, 1, [], whole)
    f.loop(wholes, expected, 1, [], number)
    wrong = f.call("PyErr_Occurred", POINTER)
    with b.if_then(b.icmp_unsigned("!=", wrong.value, null), likely=False):
        b.ret(null)
    state = f.call("PyEval_SaveThread", POINTER)
    b.call(b.inttoptr(kernel.value, ir.FunctionType(VOID, [POINTER]).as_pointer()), [words])
    f.call("PyEval_RestoreThread", VOID, state)
    results = [
        b.load(b.gep(words, [I64(i)], source_etype=I64), typ=kind) for i, kind in enumerate((I64, F64, F64))
    ]
    build = declared(f.module, "Py_BuildValue", POINTER, [POINTER], var_arg=True)
    f.finish(Lanes(b, b.call(build, [_text(f, "Ldd").value, *results])))
    return f


def _known(f: Function, name: str) -> Any:
    """The address of an object of Python's."""
    return f.builder.bitcast(ir.GlobalVariable(f.module, I8, name), POINTER)


def _text(f: Function, text: str) -> Lanes:
    """A constant text of C."""
    data = bytearray(text.encode() + b"\0")
    kind = ir.ArrayType(I8, len(data))
    found = ir.GlobalVariable(f.module, kind, f"text{len(f.module.globals)}")
    found.global_constant, found.initializer, found.linkage = True, ir.Constant(kind, data), "internal"
    return Lanes(f.builder, f.builder.bitcast(found, POINTER))
