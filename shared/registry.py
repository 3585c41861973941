"""Catalogues of one file per entry: each module of a package defines ENTRY, and `discover` collects them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from itertools import pairwise
from types import MappingProxyType
from typing import Protocol, TypeVar


class Named(Protocol):
    """The attributes of every catalogue entry."""

    @property
    def name(self) -> str: ...


Entry = TypeVar("Entry", bound=Named)


class CatalogueError(Exception):
    """A file of a catalogue does not define one valid entry."""


def discover(
    package: str, kind: type[Entry], *, number: Callable[[Entry], int] | None = None
) -> MappingProxyType[str, Entry]:
    """Return the entries of *package* by name, in the order of their files' names, or of *number*.

    Modules whose name begins with an underscore are not entries.  Raises `CatalogueError` for a
    module without ENTRY, an ENTRY of another type, and a name or a number that two files claim.
    """
    entries: dict[str, Entry] = {}
    for module in sorted(pkgutil.iter_modules(importlib.import_module(package).__path__), key=lambda found: found.name):
        if module.name.startswith("_") or module.ispkg:
            continue
        entry = getattr(importlib.import_module(f"{package}.{module.name}"), "ENTRY", None)
        if not isinstance(entry, kind):
            raise CatalogueError(f"{package}.{module.name} defines no ENTRY of type {kind.__name__}")
        if entry.name in entries:
            raise CatalogueError(f"{package}.{module.name} repeats the name {entry.name!r}")
        entries[entry.name] = entry
    return MappingProxyType(entries if number is None else _numbered(package, entries, number))


def _numbered(package: str, entries: dict[str, Entry], number: Callable[[Entry], int]) -> dict[str, Entry]:
    ordered = sorted(entries.values(), key=number)
    for one, following in pairwise(ordered):
        if number(one) == number(following):
            raise CatalogueError(f"{package}: {one.name!r} and {following.name!r} both have number {number(one)}")
    return {entry.name: entry for entry in ordered}
