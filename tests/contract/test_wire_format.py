"""The wire format changes only on purpose: fields are appended, with a default, and old messages still decode."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from shared import contracts
from tests.contract.examples import GOLDEN, examples, facts, rendering, shape

SETS: dict[int, Any] = {
    int(path.stem): json.loads(path.read_text(encoding="utf-8")) for path in sorted(GOLDEN.glob("*.json"))
}
NEWEST = SETS[max(SETS)]
#: what a field that is gone is called now: it keeps its place and type, and is always empty
GONE = {"timings: dict[str, float]": "reserved: dict[str, float]"}
#: what a field that means the same is called now
RENAMED = {
    "confidence: float": "agreement: float",
    "confidence_parts: dict[str, float]": "agreement_parts: dict[str, float]",
}
#: a text that is one of a few words now: on the wire it is the same text
NARROWED = {"outcome: str": "outcome: DecisionOutcome", "code: str": "code: SystemCode"}


@pytest.mark.parametrize("name", sorted(examples()))
def test_wire_form_is_the_golden_one(name: str) -> None:
    """Every message encodes to exactly the newest golden bytes and shows the golden values."""
    message, golden = examples()[name], NEWEST["messages"][name]
    assert contracts.encode(message).hex() == golden["wire"]
    assert rendering(message) == golden["json"]


@pytest.mark.parametrize(("number", "name"), [(number, name) for number in SETS for name in SETS[number]["messages"]])
def test_golden_messages_decode(number: int, name: str) -> None:
    """What any earlier version wrote still decodes, with its values in their places."""
    golden = SETS[number]["messages"][name]
    shown = rendering(contracts.decode(bytes.fromhex(golden["wire"])))
    assert _begins_with(shown, golden["json"])


def _begins_with(new: Any, old: Any) -> bool:
    """Return whether *new* is *old* but for elements appended to its arrays."""
    if isinstance(old, list):
        return len(new) >= len(old) and all(map(_begins_with, new, old))
    if isinstance(old, dict):
        return set(new) == set(old) and all(_begins_with(new[key], old[key]) for key in old)
    return bool(new == old)


@pytest.mark.parametrize(("number", "name"), [(number, name) for number in SETS for name in SETS[number]["shapes"]])
def test_fields_are_only_appended(number: int, name: str) -> None:
    """A fact keeps its tag and its fields in order; what is new has a default, what is gone keeps its place."""
    old = [(GONE | RENAMED | NARROWED).get(field, field) for field in SETS[number]["shapes"][name]]
    cls = {cls.__name__: cls for cls in facts()}[name]
    assert shape(cls)[: len(old)] == old
    later = msgspec.structs.fields(cls)[len(old) - 1 :]
    assert [field.name for field in later if field.required] == []


def test_golden_set_is_complete() -> None:
    """The newest golden set knows every message and every fact."""
    assert set(NEWEST["messages"]) == set(examples())
    assert set(NEWEST["shapes"]) == {cls.__name__ for cls in facts()}


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\x91\xa9nonsense/", b"\x91\xa1\x80", contracts.encode(examples()["PriceTick"])[:-1]]
)
def test_anything_else_is_refused(data: bytes) -> None:
    """Bytes that are no message raise a decoding error and nothing else."""
    with pytest.raises(msgspec.DecodeError):
        contracts.decode(data)
