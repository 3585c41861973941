"""The base of all answers' models, and models made from the messages between the services."""

from __future__ import annotations

import functools
import types
import typing
from typing import Any, Final

import msgspec
from pydantic import BaseModel, ConfigDict, create_model

LATEST: Final = 253_402_300_799_999  #: the end of the year 9999, ms
TEXT: Final = r"^[^\x00]*$"  #: what Postgres can hold


class Shown(BaseModel):
    """A part of an answer: it has these fields and no others."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@functools.cache
def model_of(fact: type[msgspec.Struct]) -> type[Shown]:
    """Return the model of *fact* as `views.facts.as_json` shows it: without packed columns."""
    fields = {name: kind for name, kind in typing.get_type_hints(fact).items() if name in fact.__struct_fields__}
    shown: dict[str, Any] = {name: (_shown(kind), ...) for name, kind in fields.items() if kind is not bytes}
    made: type[Shown] = create_model(fact.__name__, __base__=Shown, __doc__=fact.__doc__, **shown)
    return made


def _shown(kind: Any) -> Any:
    """Return the type with which *kind* comes out as JSON."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal or kind is Ellipsis:
        return kind
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return model_of(kind)
    if origin in (typing.Union, types.UnionType):
        return functools.reduce(lambda one, other: one | other, (_shown(part) for part in parts))
    if origin is tuple:
        return list[_shown(parts[0])]  # type: ignore[misc]
    if origin is dict:
        return dict[parts[0], _shown(parts[1])]  # type: ignore[valid-type,misc]
    return kind
