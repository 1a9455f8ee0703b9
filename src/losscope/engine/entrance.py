"""Kernels as functions of Python: one entrance, made of the same instructions, that every kernel is called through.

A call from Python through ctypes costs a microsecond for each eight arguments, of a loss of a thousand elements a good
part. The entrance is a built-in function of CPython: it reads whole numbers and numbers into the words of a call on the
stack, lets other threads run, calls the kernel, and gives back its results.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import binding as llvm
from llvmlite import ir

from losscope.engine import machine
from losscope.engine.function import Function
from losscope.engine.kernel import RESULTS, Signature
from losscope.engine.lanes import F64, I64, POINTER, Lanes, declared

NAME = "losscope_entrance"
_METH_FASTCALL = 0x80
BEFORE = len(RESULTS) + 1  # the words before those that a call is given
_BORROWED = (
    "PyLong_AsLongLong", "PyLong_AsVoidPtr", "PyFloat_AsDouble", "PyErr_Occurred", "PyErr_SetString", "PyEval_SaveThread",
    "PyEval_RestoreThread", "Py_BuildValue",
)  # fmt: skip


class _Plan(ctypes.Structure):
    """What the entrance is bound to: the kernel's address, and how many words of either kind it takes."""

    _fields_ = [("kernel", ctypes.c_void_p), ("wholes", ctypes.c_int64), ("count", ctypes.c_int64)]


class _Definition(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = [("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)]


_plans: list[Any] = []  # they live as long as the functions that are bound to them: for ever


def callable_for(address: int, signature: Signature) -> Callable[..., tuple[int, float, float]]:
    """The kernel at an address as a function of its words, in the signature's order; it returns status, sum and weight.

    Absent addresses are 0. Other threads of Python run meanwhile. TypeError for another number of words, or other kinds.
    """
    plan = _Plan(address, len(signature.wholes), len(signature.wholes) + len(signature.numbers))
    _plans.append(plan)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    made: Callable[..., tuple[int, float, float]] = make(ctypes.byref(_definition()), ctypes.addressof(plan), None)
    return made


@cache
def _definition() -> _Definition:
    for name in _BORROWED:
        llvm.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)
    llvm.add_symbol("losscope_type_error", id(TypeError))
    address = machine.load(machine.object_file(entrance().module), NAME)
    return _Definition(b"kernel", address, _METH_FASTCALL, b"A compiled loop, called with the words of its signature.")


def entrance() -> Function:
    """PyObject *entrance(PyObject *self, PyObject *const *arguments, Py_ssize_t count)"""
    f = Function(ir.Module(NAME), NAME, [POINTER, POINTER, I64], POINTER)
    bound, arguments, count = f.given
    b = f.builder
    plan = f.call("PyLong_AsVoidPtr", POINTER, bound)
    field = lambda which: Lanes(b, b.load(b.gep(plan.value, [I64(which)], source_etype=I64), typ=I64))
    kernel, wholes, expected = field(0), field(1), field(2)
    null = ir.Constant(POINTER, None)

    def item(i: Lanes) -> Any:
        return b.load(b.gep(arguments.value, [i.value], source_etype=POINTER), typ=POINTER)

    with b.if_then((count != expected).value, likely=False):
        text = _text(f, "a kernel takes another number of words")
        error = ir.GlobalVariable(f.module, ir.IntType(8), "losscope_type_error")
        f.call("PyErr_SetString", ir.VoidType(), b.bitcast(error, POINTER), text)
        b.ret(null)
    words = b.alloca(I64, (expected + BEFORE).value)
    words.type = POINTER

    def place(i: Lanes) -> Any:
        return b.gep(words, [(i + BEFORE).value], source_etype=I64)

    def read_whole(i: Lanes) -> list[Lanes]:
        b.store(f.call("PyLong_AsLongLong", I64, item(i)).value, place(i))
        return []

    def read_number(i: Lanes) -> list[Lanes]:
        b.store(f.call("PyFloat_AsDouble", F64, item(i)).value, place(i))
        return []

    f.loop(f.whole(0), wholes, 1, [], read_whole)
    f.loop(wholes, expected, 1, [], read_number)
    wrong = f.call("PyErr_Occurred", POINTER)
    with b.if_then(b.icmp_unsigned("!=", wrong.value, null), likely=False):
        b.ret(null)
    state = f.call("PyEval_SaveThread", POINTER)
    b.call(b.inttoptr(kernel.value, ir.FunctionType(ir.VoidType(), [POINTER]).as_pointer()), [words])
    f.call("PyEval_RestoreThread", ir.VoidType(), state)
    results = [b.load(b.gep(words, [I64(i)], source_etype=I64), typ=kind) for i, kind in enumerate((I64, F64, F64))]
    build = declared(f.module, "Py_BuildValue", POINTER, [POINTER], var_arg=True)
    f.finish(Lanes(b, b.call(build, [_text(f, "Ldd"), *results])))
    return f


def _text(f: Function, text: str) -> Any:
    """A constant text of C."""
    data = bytearray(text.encode() + b"\0")
    kind = ir.ArrayType(ir.IntType(8), len(data))
    found = ir.GlobalVariable(f.module, kind, f"text{len(f.module.globals)}")
    found.global_constant, found.initializer, found.linkage = True, ir.Constant(kind, data), "internal"
    return f.builder.bitcast(found, POINTER)


