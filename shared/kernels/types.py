"""The C type of everything in a kernel: of arrays and numbers, as their annotations and first values say."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from shared.kernels import Kernel, kernel_called

TYPES: Final[Mapping[str, str]] = {
    "Series": "const double[:]",
    "Rows": "const double[:, :]",
    "Places": "const Py_ssize_t[:]",
    "NewSeries": "double[:]",
    "NewRows": "double[:, :]",
    "NewPlaces": "Py_ssize_t[:]",
    "float": "double",
    "int": "Py_ssize_t",
    "bool": "bint",
    "None": "void",
}
WIDER: Final = ("bool", "int", "float")  #: of two numbers' types the later one holds both
WHOLE: Final = ("Places", "NewPlaces")  #: arrays of whole numbers
OF_ITEM: Final = {"Rows": "Series", "NewRows": "NewSeries", **dict.fromkeys(WHOLE, "int")}
OF_CALL: Final = {"len": "int", "int": "int", "float": "float", "bool": "bool"}


class KernelError(Exception):
    """A kernel has something that cannot be compiled."""


def annotated(annotation: ast.expr | None) -> str:
    """Return the type that *annotation* names; raises `KernelError` where it names none of a kernel's."""
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.slice, ast.Tuple):
        return "(" + ", ".join(map(annotated, annotation.slice.elts)) + ")"
    name = ast.unparse(annotation) if annotation is not None else "no type"
    if name not in TYPES:
        raise KernelError(f"{name} stands for no type of a kernel")
    return name


def c_type(name: str) -> str:
    """Return what C calls the type *name*, which may be a tuple of types."""
    return f"({', '.join(map(c_type, name[1:-1].split(', ')))})" if name.startswith("(") else TYPES[name]


def types_of(kernel: Kernel, function: ast.FunctionDef) -> dict[str, str]:
    """Return the type of each argument and local variable: the widest of what is put into it."""
    found = {each.arg: annotated(each.annotation) for each in function.args.args}
    given = dict(found)
    for node in ast.walk(function):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            given[node.target.id] = found[node.target.id] = annotated(node.annotation)
    typist = _Typist(kernel.plain, found)
    before: dict[str, str] = {}
    while found != before:
        before = dict(found)
        for name, kind in typist.assigned(function):
            if name not in given:
                found[name] = joined(found.get(name, kind), kind)
    return found


def joined(one: str, other: str) -> str:
    """Return the type that holds numbers of both types."""
    return one if one == other or other not in WIDER or one not in WIDER else max(one, other, key=WIDER.index)


class _Typist:
    """Reads the types of expressions; "" where not everything in one is known yet."""

    def __init__(self, plain: Callable[..., Any], known: Mapping[str, str]) -> None:
        self.globals: Mapping[str, Any] = plain.__globals__
        self.known = known

    def assigned(self, function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
        """Yield each variable with the type of what is put into it."""
        for node in ast.walk(function):
            if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
                yield node.target.id, "int"
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                if kind := self.of(ast.BinOp(node.target, node.op, node.value)):
                    yield node.target.id, kind
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    yield from self._put(target, node.value)

    def _put(self, target: ast.expr, value: ast.expr) -> Iterator[tuple[str, str]]:
        if isinstance(target, ast.Name) and (kind := self.of(value)):
            yield target.id, kind
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, part in zip(target.elts, value.elts, strict=True):
                yield from self._put(one, part)
        elif isinstance(target, ast.Tuple) and (kinds := self.of(value)).startswith("("):
            for one, kind in zip(target.elts, kinds[1:-1].split(", "), strict=True):
                if isinstance(one, ast.Name):
                    yield one.id, kind

    def of(self, node: ast.expr) -> str:  # noqa: PLR0911  # each kind of expression has an answer
        """Return the type of an expression."""
        match node:
            case ast.Constant(value=value):
                return type(value).__name__
            case ast.Name(id=name):
                return self.known.get(name) or self._global(name)
            case ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return "bool"
            case ast.UnaryOp(operand=operand):
                return self._all([operand], "int")
            case ast.BinOp(left=left, op=op, right=right):
                return "float" if isinstance(op, ast.Div | ast.Pow) else self._all([left, right], "int")
            case ast.BoolOp(values=values):
                return self._all(values)
            case ast.IfExp(body=body, orelse=orelse):
                return self._all([body, orelse])
            case ast.Call(func=ast.Name(id=name), args=args):
                return self._returned(name) or OF_CALL.get(name) or self._all(args)
            case ast.Call() | ast.Attribute():
                return "float"  # of math
            case ast.Subscript(value=ast.Attribute(attr="shape")):
                return "int"
            case ast.Subscript(value=value, slice=place):
                return "float" if isinstance(place, ast.Tuple) else OF_ITEM.get(self.of(value), "float")
        raise KernelError(f"{ast.unparse(node)} has no type in C")

    def _all(self, nodes: list[ast.expr], least: str = "bool") -> str:
        kinds = [self.of(node) for node in nodes]
        return max([*kinds, least], key=WIDER.index) if all(kind in WIDER for kind in kinds) else ""

    def _global(self, name: str) -> str:
        value = self.globals.get(name)
        return type(value).__name__ if isinstance(value, int) else "float" if isinstance(value, float) else ""

    def _returned(self, name: str) -> str:
        used = kernel_called(self.globals.get(name))
        if used is None:
            return ""
        return annotated(ast.parse(used.plain.__annotations__["return"], mode="eval").body)
