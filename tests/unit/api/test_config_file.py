"""config.yaml: each mistake is reported with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.config.config_file import ConfigError, load, merge

MISTAKES = [
    ("universe:\n  size: 150\nthresholds:\n  score: 165\n", ":4: thresholds.score: has to be 100 or less"),
    ("universe:\n  sice: 150\n", ":2: universe.sice: there is no such setting"),
    ("universe: {size: 1\nfeed: {}\n", ":2: "),
    ("- 1\n- 2\n", ":1: the top level"),
    ("universe:\n  size: 5\nuniverse:\n  size: 6\n", ":3: universe stands here a second time"),
    ("routes:\n  - destinations: [phone]\n", ":2: routes.0.destinations.0: there is no destination 'phone'"),
    (
        "routes:\n  - destinations:\n      - a\n      - '{b}'\n",
        ":4: routes.0.destinations.1: there is no destination '{b}'",
    ),
    (
        "presentation:\n  theme: dark\n  timezone: Europe/Berlim\n",
        ":3: presentation.timezone: 'Europe/Berlim' is not a time zone",
    ),
    (
        "destinations:\n  a:\n    channel: webhook\n    url: http://10.0.0.1/\n",
        ":2: destinations.a.webhook: url: 10.0.0.1 is not public",
    ),
    (
        "destinations:\n  phone:\n    channel: telegram\n    chat_id: 12\n    color: red\n",
        ":5: destinations.phone.color: there is no such setting",
    ),
    ("destinations:\n  phone:\n    channel: pigeon\n", ":2: destinations.phone: there is no channel 'pigeon'"),
    (
        'destinations:\n  a: {channel: telegram, chat_id: "1"}\n'
        "routes:\n  - destinations: [a]\n  - destinations: [a]\n    min_score: 500\n",
        ":6: routes.1.min_score",
    ),
]


@pytest.mark.parametrize(("text", "told"), MISTAKES)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    """File, line, place and what is wrong, one line each."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert any(mistake.startswith(f"{path}{told}") for mistake in caught.value.mistakes), caught.value.mistakes


def test_secrets_are_not_repeated_in_mistakes(tmp_path: Path) -> None:
    """A mistake is reported without the value."""
    path = tmp_path / "config.yaml"
    path.write_text("destinations:\n  a:\n    channel: discord\n    url: [verysecret]\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "verysecret" not in str(caught.value)


def test_no_file_and_an_empty_file_mean_the_defaults(tmp_path: Path) -> None:
    """Nothing has to be written to begin."""
    assert load(tmp_path / "none.yaml") == {}
    (tmp_path / "config.yaml").write_text("# nothing yet\n")
    assert load(tmp_path / "config.yaml") == {}


MERGES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [  # examples of RFC 7396, appendix A
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("values", "patch", "merged"), MERGES)
def test_changes_are_json_merge_patches(values: dict[str, Any], patch: dict[str, Any], merged: dict[str, Any]) -> None:
    """As the standard's own examples say."""
    assert merge(values, patch) == merged
