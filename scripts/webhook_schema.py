"""Write docs/webhook.schema.json: the webhook's body, version 1, from the contracts themselves."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from services.notifier.rendering.webhook_payload import LEFT_OUT, VERSION  # noqa: E402
from shared import contracts  # noqa: E402
from shared.contracts import AlertBody, AlertKind  # noqa: E402

TARGET = ROOT / "docs" / "webhook.schema.json"
SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    type(None): {"type": "null"},
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema."""
    definitions: dict[str, Any] = {}
    body = of(AlertBody, definitions)
    number = {"type": ["number", "null"]}
    fields: dict[str, Any] = {
        "version": {"const": VERSION},
        "type": {"enum": [f"sevengate.{kind}" for kind in get_args(AlertKind)]},
        "alert_id": {"type": "string", "description": "the same alert has the same id, whenever it is sent"},
        "kind": {"enum": list(get_args(AlertKind))},
        "occurred_at": {"type": "integer", "description": "the exchange's clock, UNIX ms"},
        "created_at": {"type": "integer", "description": "wall clock, UNIX ms"},
        "scan_id": {"type": "integer", "description": "close of the five-minute bar, UNIX ms; 0 without one"},
        "symbol": {"type": "string"},
        "side": {"enum": ["long", "short", None]},
        "parent_id": {"type": "string", "description": "the alert that this one answers to; empty without one"},
        "estimated": {"type": "array", "items": {"type": "string"}, "description": "what was not observed"},
        "title": {"type": "string"},
        "text": {"type": "string", "description": "title and lines as plain text"},
        "score": number,
        "strength": {"type": ["integer", "null"], "description": "1 to 5"},
        "weak": {"type": "boolean"},
        "regimes": {"type": "array", "items": {"type": "string"}},
        "levels": {
            "type": ["object", "null"],
            "properties": {name: {"type": "number"} for name in LEVELS},
        },
        "body": {**body, "description": "everything that is known, by kind"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sevengate webhook, version 1",
        "type": "object",
        "required": list(fields),
        "properties": fields,
        "$defs": definitions,
    }


LEVELS = ("entry", "stop", "target", "reward_to_risk", "result_r")


def of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:  # noqa: PLR0911 - one a kind of type
    """Return the schema of a type of the contracts."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    if kind is Any:
        return {}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [of(item, definitions) for item in arguments]}
    if origin is tuple:
        return {"type": "array", "items": of(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": of(arguments[1], definitions)}
    return _struct(kind, definitions)


def _struct(kind: type[msgspec.Struct], definitions: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__
    if name not in definitions:
        definitions[name] = {}
        hints = get_type_hints(kind, vars(contracts))
        shown = [field for field in kind.__struct_fields__ if field not in LEFT_OUT]
        # a number that is not finite is sent as null
        properties = {field: _nullable(of(hints[field], definitions)) for field in shown}
        definitions[name] = {"type": "object", "required": shown, "properties": properties}
    return {"$ref": f"#/$defs/{name}"}


def _nullable(found: dict[str, Any]) -> dict[str, Any]:
    return {"type": ["number", "null"]} if found == SIMPLE[float] else found


def main() -> None:
    """Write the file."""
    TARGET.write_text(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"docs/{TARGET.name}: {len(schema()['$defs'])} definitions")


if __name__ == "__main__":
    main()
