"""One file, one entry: a package's modules each define ENTRY, and the catalogue is what is found there."""

from __future__ import annotations

import importlib
import pkgutil
from types import MappingProxyType
from typing import Protocol, TypeVar


class Named(Protocol):
    """What every entry of a catalogue has."""

    @property
    def name(self) -> str: ...


Entry = TypeVar("Entry", bound=Named)


class CatalogueError(Exception):
    """A file of a catalogue is not one entry."""


def discover(package: str, kind: type[Entry]) -> MappingProxyType[str, Entry]:
    """Return the entries of *package* by name, in the order of their files' names.

    Modules whose name begins with an underscore are not entries.  Raises `CatalogueError` for a
    module without ENTRY, an ENTRY of another type, and a name that two files claim.
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
    return MappingProxyType(entries)
