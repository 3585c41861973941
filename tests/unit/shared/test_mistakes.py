"""Mistakes in the settings become sentences, with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.config import config_file
from shared.config.environment import Environment


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("thresholds: {scores: 70}", "config.yaml:1: thresholds.scores: there is no such setting"),
        ("\nthresholds: {score: .inf}", "config.yaml:2: thresholds.score: has to be"),
        ("thresholds: {score: .nan}", "config.yaml:1: thresholds.score: has to be"),
        ("lifecycle:\n  cooldown_hours: .inf", "config.yaml:2: lifecycle.cooldown_hours: has to be a number that is"),
        ("anomaly: {volume_z: .nan}", "config.yaml:1: anomaly.volume_z: has to be a number that is finite"),
        ("analysis:\n  fmqs_weights: {funding: .nan}", "config.yaml:2: analysis.fmqs_weights.funding: has to be"),
        ("thresholds: {score: high}", "config.yaml:1: thresholds.score: has to be a number"),
        ("universe: {size: 1.5}", "config.yaml:1: universe.size: has to be a whole number"),
        ("universe: {size: 0}", "config.yaml:1: universe.size: has to be 1 or more"),
        ("universe: {include: BTCUSDT}", "config.yaml:1: universe.include: has to be a list"),
        ("universe: []", "config.yaml:1: universe: has to be names and values"),
        ("destinations: {phone: {chat_id: '1'}}", "config.yaml:1: destinations.phone: the channel is missing"),
        (
            "destinations: {phone: {channel: sms}}",
            "config.yaml:1: destinations.phone: there is no channel 'sms'; the channels are apprise, discord, email,",
        ),
        ("destinations:\n  mail: {channel: telegram}", "config.yaml:2: destinations.mail.chat_id: is missing"),
        ("a: &a [*a]", "config.yaml:1: this part contains itself"),
        ("thresholds: &t\n  score: {again: *t}", "config.yaml:1: this part contains itself"),
    ],
)
def test_a_mistake_is_one_line_for_a_person(text: str, said: str, tmp_path: Path) -> None:
    """File, line, place and what to write instead; no word of the validating library."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(config_file.ConfigError) as caught:
        config_file.load(path)
    (line,) = caught.value.mistakes
    assert line.removeprefix(f"{tmp_path}/").startswith(said)


def test_the_short_name_of_the_database_scheme_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """`postgres://`, as many hosters print it, is `postgresql://` to every library."""
    monkeypatch.setenv("SEVENGATE_DATABASE_URL", "postgres://me:x@db/sevengate")
    assert Environment().database_url.get_secret_value() == "postgresql://me:x@db/sevengate"


def test_another_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Postgres serves; the variable is named, its password is not."""
    monkeypatch.setenv("SEVENGATE_DATABASE_URL", "mysql://me:geheim@db/sevengate")
    with pytest.raises(SystemExit, match="SEVENGATE_DATABASE_URL: an address begins with postgresql://") as caught:
        Environment()
    assert "geheim" not in str(caught.value)
