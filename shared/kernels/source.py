"""Kernels as one Cython module: the same functions, with C types.

A kernel is a function of a module, without defaults, that loops over numbers.  It may use its arguments, local
variables, numbers that its module defined before it, other kernels, `math`, `len`, `range`, `min`, `max` and `abs`.
It gets and fills arrays (`Series`, `NewSeries`…), and returns nothing, a number, or a tuple of numbers.  The type of
a local variable is the widest of what is put into it.

Indices are not checked and never negative; division by zero gives infinity or NaN, as with NumPy's numbers; whole
numbers that are divided (`//`, `%`) must not be negative.
"""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Final

from shared.kernels import Kernel, kernel_called
from shared.kernels.types import KernelError, annotated, c_type, types_of

BUILTINS: Final = {"len", "range", "min", "max", "abs", "float", "int", "bool"}
MATHS: Final = {"nan": "NAN", "inf": "INFINITY", "pi": "M_PI"}  #: as C calls them
OBJECTS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda, ast.List, ast.Dict, ast.Set)
HEADER: Final = """\
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: nonecheck=False, binding=False, embedsignature=False
from libc cimport math
"""


def module_source(kernels: Iterable[Kernel]) -> str:
    """Return a Cython module of *kernels*; its `KERNELS` holds each one's digest and function by name."""
    kernels = list(kernels)
    table = ",\n".join(f"    {each.name!r}: ({each.digest!r}, {_c_name(each)})" for each in kernels)
    return "\n\n".join([HEADER, *map(function_source, kernels), f"KERNELS = {{\n{table}\n}}\n"])


def function_source(kernel: Kernel) -> str:
    """Return *kernel* as a function of Cython that touches no object; raises `KernelError` where it cannot be one."""
    [function] = ast.parse(textwrap.dedent(inspect.getsource(kernel.plain))).body
    assert isinstance(function, ast.FunctionDef)  # noqa: S101  # `kernel` decorates nothing else
    try:
        if found := next((each for each in ast.walk(function) if isinstance(each, OBJECTS)), None):
            raise KernelError(f"{ast.unparse(found)} makes objects")
        return _written(kernel, function)
    except KernelError as error:
        raise KernelError(f"{kernel.name}: {error}") from None


def _written(kernel: Kernel, function: ast.FunctionDef) -> str:
    types, writer = types_of(kernel, function), _Writer(kernel)
    arguments = [each.arg for each in function.args.args]
    given = ", ".join(f"{c_type(types[name])} {name}" for name in arguments)
    head = f"cpdef inline {c_type(annotated(function.returns))} {_c_name(kernel)}({given}) noexcept nogil:\n"
    lines = [f"cdef {c_type(kind)} {name}" for name, kind in types.items() if name not in arguments]
    body = [writer.visit(each) for each in function.body if not _is_docstring(each)]
    lines += [ast.unparse(ast.fix_missing_locations(each)) for each in body if each is not None]
    return head + textwrap.indent("\n".join(lines or ["pass"]), "    ")


def _c_name(kernel: Kernel) -> str:
    return kernel.name.replace(".", "__")


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


class _Writer(ast.NodeTransformer):
    """Puts numbers and C's names in the place of a kernel's globals, and takes the types out of its body."""

    def __init__(self, kernel: Kernel) -> None:
        self.globals: Mapping[str, Any] = kernel.plain.__globals__
        self.locals = set(kernel.plain.__code__.co_varnames)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        if node.value is None:
            return None
        return ast.Assign(targets=[node.target], value=self.visit(node.value), lineno=node.lineno)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if node.attr == "shape":
            return node
        if isinstance(node.value, ast.Name) and self.globals.get(node.value.id) is math:
            return ast.Name(f"math.{MATHS.get(node.attr, node.attr)}", ast.Load())
        raise KernelError(f"{ast.unparse(node)}: math and the shape of arrays have attributes, nothing else")

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.locals:
            return node
        value = self.globals.get(node.id)
        if (used := kernel_called(value)) is not None:
            return ast.Name(_c_name(used), ast.Load())
        if isinstance(value, float) and not math.isfinite(value):
            raise KernelError(f"{node.id} is {value}: say math.nan or math.inf")
        if isinstance(value, int | float):
            return ast.Name(f"({value + 0!r})" if isinstance(value, int) else f"({float(value)!r})", ast.Load())
        if node.id in BUILTINS:
            return node
        raise KernelError(f"{node.id} is neither a number, a kernel, nor a local variable")
