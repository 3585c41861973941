"""One example of every message, each field filled with a value of its own.

``python -m tests.contract.examples N`` writes them as golden set N, once, when fields were appended on purpose.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import inspect

from shared import contracts

GOLDEN = Path(__file__).parent / "golden"


def fill(kind: inspect.Type, numbers: Iterator[int]) -> Any:  # noqa: PLR0911 - one for each kind
    """Return a value of *kind*; the values follow *numbers*, so that swapped fields differ."""
    match kind:
        case inspect.StructType():
            return kind.cls(**{field.name: fill(field.type, numbers) for field in kind.fields})
        case inspect.UnionType():
            return fill(next(part for part in kind.types if not isinstance(part, inspect.NoneType)), numbers)
        case inspect.LiteralType():
            return kind.values[next(numbers) % len(kind.values)]
        case inspect.VarTupleType():
            return (fill(kind.item_type, numbers), fill(kind.item_type, numbers))
        case inspect.TupleType():
            return tuple(fill(item, numbers) for item in kind.item_types)
        case inspect.DictType():
            return {fill(kind.key_type, numbers): fill(kind.value_type, numbers)}
        case inspect.BoolType():
            return next(numbers) % 2 == 0
        case inspect.IntType():
            return next(numbers)
        case inspect.FloatType():
            return next(numbers) + 0.25
        case inspect.BytesType():
            return contracts.pack([next(numbers)])
        case inspect.StrType() | inspect.AnyType():
            return f"é{next(numbers)}"
    raise TypeError(kind)


def examples() -> dict[str, contracts.Message]:
    """Return one example of each message, and one alert of each body, by name."""
    found: dict[str, contracts.Message] = {}
    for cls in get_args(contracts.Message):
        found[cls.__name__] = fill(inspect.type_info(cls), count(1))
    alert = found.pop("Alert")
    for body in get_args(contracts.AlertBody):
        filled = fill(inspect.type_info(body), count(101))
        found[f"Alert.{body.__name__}"] = msgspec.structs.replace(alert, body=filled)
    return found


def facts() -> list[type[contracts.Fact]]:
    """Return every part of every message; services build facts of their own, which do not travel."""
    found = [cls for cls in contracts.Fact.__subclasses__() if cls.__module__ == contracts.__name__]
    return sorted(found, key=lambda cls: cls.__name__)


def shape(cls: type[contracts.Fact]) -> list[str]:
    """Return the tag, then each field with its type, in wire order."""
    tag = cls.__struct_config__.tag
    return [str(tag), *[f"{field.name}: {cls.__annotations__[field.name]}" for field in msgspec.structs.fields(cls)]]


def rendering(message: contracts.Message) -> Any:
    """Return the message as JSON shows it."""
    return json.loads(msgspec.json.encode(message))


def main(number: str) -> None:
    golden = {
        "messages": {
            name: {"wire": contracts.encode(message).hex(), "json": rendering(message)}
            for name, message in examples().items()
        },
        "shapes": {cls.__name__: shape(cls) for cls in facts()},
    }
    GOLDEN.mkdir(exist_ok=True)
    with (GOLDEN / f"{number}.json").open("x", encoding="utf-8") as file:
        json.dump(golden, file, ensure_ascii=False, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
