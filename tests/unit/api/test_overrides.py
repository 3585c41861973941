"""Overrides are applied to config.yaml; null means: as the file says."""

from __future__ import annotations

from typing import Any

import pytest

from services.api.overrides import apply, differences, fold

FILE: dict[str, Any] = {
    "thresholds": {"score": 70},
    "destinations": {"a": {"channel": "telegram", "chat_id": "1", "topic_id": 7}},
}
CASES: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
    ([{"thresholds": {"score": 80}}], {"thresholds": {"score": 80}}),
    ([{"thresholds": {"score": 80}}, {"thresholds": {"score": None}}], {"thresholds": {"score": 70}}),
    ([{"thresholds": {"score": 80, "fmqs": 60}}, {"thresholds": None}], {"thresholds": {"score": 70}}),
    ([{"thresholds": {"fmqs": 60}}], {"thresholds": {"score": 70, "fmqs": 60}}),
    ([{"destinations": {"a": {"muted": True}}}], {"destinations": {"a": {**FILE["destinations"]["a"], "muted": True}}}),
    ([{"destinations": {"a": None}}], {"destinations": FILE["destinations"]}),
    (
        [{"destinations": {"a": {"channel": "discord", "url": "x"}}}],
        {"destinations": {"a": {"channel": "discord", "url": "x"}}},
    ),
    ([{"destinations": {"gone": {"muted": True}}}], {"destinations": FILE["destinations"]}),
    (
        [{"destinations": {"b": {"channel": "discord", "url": "x"}}}, {"destinations": {"b": None}}],
        {"destinations": FILE["destinations"]},
    ),
]


@pytest.mark.parametrize(("patches", "expected"), CASES)
def test_changes_lie_on_top_of_the_file(patches: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    """Null goes back to the file, another channel is another destination, and remains of a removed one are nothing."""
    assert apply(FILE, fold(patches)) == FILE | expected


def test_an_edit_of_the_file_counts_wherever_nothing_overrides_it() -> None:
    """Once set and set back, a key follows the file again; its neighbour always did."""
    held = fold([{"thresholds": {"score": 80}}, {"thresholds": {"score": None}}, {"thresholds": {"fmqs": 60}}])
    edited = FILE | {"thresholds": {"score": 55, "groups": 3}}
    assert apply(edited, held)["thresholds"] == {"score": 55, "groups": 3, "fmqs": 60}


def test_differences_name_the_place_and_both_values() -> None:
    """Sections are walked, lists are one value, what is absent is None."""
    before = {"a": {"b": 1, "c": [1]}, "d": 2}
    after = {"a": {"b": 1, "c": [1, 2]}, "e": {"f": 3}}
    assert differences(before, after) == [("a.c", [1], [1, 2]), ("d", 2, None), ("e.f", None, 3)]
