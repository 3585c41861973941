"""Validation errors as sentences in the terms of config.yaml: settings and lists, not fields and tuples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

#: by pydantic's type of error; each gets the error's context
SENTENCES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "extra_forbidden": lambda _: "there is no such setting",
    "missing": lambda _: "is missing",
    "union_tag_not_found": lambda _: "the channel is missing, such as `channel: webhook`",
    "union_tag_invalid": lambda c: f"there is no channel {c['tag']!r}; the channels are {_plain(c['expected_tags'])}",
    "literal_error": lambda c: f"has to be {c['expected']}",
    "finite_number": lambda _: "has to be a number that is finite",
    "float_type": lambda _: "has to be a number",
    "float_parsing": lambda _: "has to be a number",
    "int_type": lambda _: "has to be a whole number",
    "int_parsing": lambda _: "has to be a whole number",
    "int_from_float": lambda _: "has to be a whole number",
    "bool_type": lambda _: "has to be true or false",
    "bool_parsing": lambda _: "has to be true or false",
    "string_type": lambda _: "has to be text",
    "dict_type": lambda _: "has to be names and values",
    "model_type": lambda _: "has to be names and values",
    "model_attributes_type": lambda _: "has to be names and values",
    "tuple_type": lambda _: "has to be a list, such as [a, b]",
    "list_type": lambda _: "has to be a list, such as [a, b]",
    "too_short": lambda c: f"has to have at least {c['min_length']}",
    "greater_than": lambda c: f"has to be more than {c['gt']:g}",
    "greater_than_equal": lambda c: f"has to be {c['ge']:g} or more",
    "less_than": lambda c: f"has to be less than {c['lt']:g}",
    "less_than_equal": lambda c: f"has to be {c['le']:g} or less",
}


def sentence(error: Mapping[str, Any]) -> str:
    """Return what is wrong, of one entry of `ValidationError.errors()`; own messages stand as they are."""
    say = SENTENCES.get(error["type"])
    return say(error.get("ctx", {})) if say is not None else str(error["msg"]).removeprefix("Value error, ")


def _plain(tags: str) -> str:
    return tags.replace("'", "")
