"""Loops over bars, written in Python and compiled ahead of time: docs/adr/0034.

    @kernel
    def running_total(values: Series, total: NewSeries) -> None: ...

`kernel` gives the compiled function where `make setup` has built it from exactly this source, and the function itself
where not: slower, with the same values.  What a kernel may contain is said in `shared.kernels.source`.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any, Final, TypeVar, cast

MODULE: Final = "sevengate_kernels"
FOLDER: Final = Path(__file__).resolve().parents[2] / "build" / "kernels"
LIBRARY: Final = FOLDER / f"{MODULE}{EXTENSION_SUFFIXES[0]}"  #: one for each Python and machine
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel as it was written, and as it is called."""

    name: str  #: module and function
    digest: str  #: of what it computes: a library that was built from something else is not used
    plain: Callable[..., Any]
    called: Callable[..., Any]

    @property
    def compiled(self) -> bool:
        """Return whether the library has it."""
        return self.called is not self.plain


#: Every kernel of the modules that have been imported, by name.
KERNELS: Final[dict[str, Kernel]] = {}


def kernel(function: Function) -> Function:
    """Return *function* as set-up compiled it, or *function* where it has not, or from another source."""
    name, digest = f"{function.__module__}.{function.__qualname__}", digest_of(function)
    built, compiled = _library().get(name, ("", function))
    called = cast(Function, compiled) if built == digest else function
    KERNELS[name] = Kernel(name, digest, function, called)
    return called


def digest_of(function: Callable[..., Any]) -> str:
    """Return a digest of what *function* computes: its code, its types, the numbers and the kernels that it uses."""
    code = function.__code__
    used = [_meaning(function, name) for name in code.co_names]
    parts = (code.co_code, code.co_consts, code.co_varnames, used, sorted(function.__annotations__.items()))
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()


def _meaning(function: Callable[..., Any], name: str) -> str:
    """Return what the global *name* stands for in *function*."""
    value = function.__globals__.get(name)
    if isinstance(value, int | float):
        return repr(value)
    used = kernel_called(value)
    return used.digest if used else name


def kernel_called(value: object) -> Kernel | None:
    """Return the kernel that *value* is, if it is one."""
    return next((each for each in KERNELS.values() if each.called is value), None)


def plain_kernels() -> list[str]:
    """Return the names of the kernels that are not compiled."""
    return [each.name for each in KERNELS.values() if not each.compiled]


@contextmanager
def uncompiled() -> Iterator[None]:
    """Run every kernel of the imported modules as it was written, while the block runs."""
    held = [
        (module, name, each)
        for module in list(sys.modules.values())
        for name, value in list(vars(module).items())
        if callable(value) and (each := kernel_called(value)) is not None
    ]
    for module, name, each in held:
        setattr(module, name, each.plain)
    try:
        yield
    finally:
        for module, name, each in held:
            setattr(module, name, each.called)


_built: dict[str, tuple[str, Callable[..., Any]]] | None = None


def _library() -> Mapping[str, tuple[str, Callable[..., Any]]]:
    """Return each compiled kernel with the digest of its source; nothing where there is no library, or a broken one."""
    global _built  # noqa: PLW0603  # it is loaded with the first kernel, once
    if _built is None:
        _built = {}
        if LIBRARY.exists():
            loader = ExtensionFileLoader(MODULE, str(LIBRARY))
            spec = spec_from_loader(MODULE, loader)
            try:
                module = module_from_spec(spec)  # type: ignore[arg-type]
                loader.exec_module(module)
            except ImportError:  # of another machine, or cut off
                return _built
            _built = module.KERNELS
    return _built
