"""The command line's small parts: log lines, settings paths, claims on a folder, the first config."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from services.terminal.commands import init as initial
from services.terminal.commands import settings_paths
from services.terminal.local.data_folder import FolderInUseError, claim, empty
from services.terminal.local.stack import SimulatorPlan
from services.terminal.output import console, preview
from shared.settings import RuntimeSettings


def test_a_log_line_is_told_with_its_fields() -> None:
    """JSON becomes text and fields; the service's name is the prefix."""
    level, text = console.render(
        "fetcher", '{"event": "scan opened", "level": "warning", "symbols": 50, "service": "x"}'
    )
    assert level == "warning"
    assert text.plain.split() == ["fetcher", "scan", "opened", "symbols=50"]


@pytest.mark.parametrize(
    ("line", "level", "words"),
    [
        (
            "7:M 25 Nov 2026 16:05:01.453 # Can't save in background: fork",
            "info",
            "16:05:01 valkey Can't save in background",
        ),
        (
            "7:M 25 Nov 2026 16:03:54.447 # WARNING Memory overcommit must be enabled!",
            "debug",
            "16:03:54 valkey WARNING",
        ),
        ("7:signal-handler (1795622701) Received SIGTERM scheduling shutdown...", "debug", "valkey Received SIGTERM"),
        ("2026-11-25 16:02:24.813 UTC [9] FATAL:  the database system is starting up", "debug", "valkey 2026-11-25"),
        ("2026-11-25 16:02:24.813 UTC [9] PANIC:  no space left", "info", "valkey 2026-11-25"),
    ],
)
def test_what_a_store_says_at_every_start_and_stop_is_no_news(line: str, level: str, words: str) -> None:
    """Its lines read like the others', and the usual ones are debug lines."""
    told, text = console.render("valkey", line)
    assert told == level
    assert " ".join(text.plain.split()).startswith(words)


STEP = '{"event": "loading windows", "level": "info", "done": %d, "of": 150, "seconds": 1.5}'


def test_a_step_is_a_bar_in_a_log_line() -> None:
    """Outside a terminal each step is a line: the bar, and how much of how much."""
    _, text = console.render("fetcher", STEP % 75)
    assert text.plain.split() == ["fetcher", "loading", "windows", "━" * 15 + "┄" * 15, "75/150", "seconds=1.5"]


def test_steps_move_one_bar_on_a_terminal() -> None:
    """On a terminal the bar moves on its line; other lines stand above it; it ends with the last step."""
    screen = console.Screen()
    screen.console = Console(force_terminal=True, width=100, file=io.StringIO())
    screen.log("fetcher", STEP % 75)
    screen.log("api", "a line of its own")
    screen.log("fetcher", STEP % 150)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.console.file.getvalue())  # type: ignore[attr-defined]
    assert "a line of its own" in shown
    assert "150/150" in shown
    assert shown.count("\n") == 2


def test_what_is_not_json_is_told_as_it_is() -> None:
    """A traceback's line, or a broken JSON line, is not lost, and its brackets are no markup."""
    for line in ("  File x [bold]", '{"event": "cut o'):
        assert line.strip() in console.render("api", line)[1].plain


def test_settings_are_found_by_their_path() -> None:
    """A path leads to a value, an unknown one is an error."""
    settings = RuntimeSettings().dump()
    assert settings_paths.value_at(settings, "thresholds.score") == 65
    with pytest.raises(settings_paths.PathError, match=r"thresholds\.nothing"):
        settings_paths.value_at(settings, "thresholds.nothing")


def test_a_change_is_read_as_yaml() -> None:
    """Numbers, lists and words keep their kind."""
    assert settings_paths.change_at("universe.include", "[BTCUSDT]") == {"universe": {"include": ["BTCUSDT"]}}
    assert settings_paths.change_at("thresholds.score", "70") == {"thresholds": {"score": 70}}
    assert settings_paths.change_at("a", "2026-01-31") == {"a": "2026-01-31"}


@pytest.mark.parametrize(("path", "text"), [("a", "[1,"), ("a", ".nan"), ("a..b", "1"), ("", "1")])
def test_what_cannot_be_set_is_refused(path: str, text: str) -> None:
    """A broken value and a path with a hole are reported as sentences."""
    with pytest.raises(settings_paths.PathError):
        settings_paths.change_at(path, text)


def test_the_first_config_says_the_defaults(tmp_path: Path) -> None:
    """What `init` writes is valid, changes nothing, and only its owner reads it; it replaces nothing."""
    path = tmp_path / "config.yaml"
    assert initial.write(path)
    assert RuntimeSettings.model_validate(yaml.safe_load(path.read_text())) == RuntimeSettings()
    assert path.stat().st_mode & 0o077 == 0
    assert not initial.write(path)


def test_the_examples_in_the_first_config_are_right() -> None:
    """With its comment signs taken away, every example is valid too."""
    lines = []
    for line in initial.CONFIG.splitlines():
        example = line.startswith(("#   ", "# symbol_thresholds"))
        bare = line.replace("destinations: {}", "destinations:").replace("routes: []", "routes:")
        lines.append(line[2:] if example else bare)
    settings = RuntimeSettings.model_validate(yaml.safe_load("\n".join(lines)))
    assert set(settings.destinations) == {"phone", "room", "mail", "home"}
    assert len(settings.routes) == 2
    assert settings.thresholds_for("DOGEUSDT").score == 75


def test_a_folder_belongs_to_one_stack(tmp_path: Path) -> None:
    """A second instance on the same folder is refused with the first one's id; nothing of it is removed."""
    kept = tmp_path / "kept"
    with claim(tmp_path, "http://127.0.0.1:1"):
        kept.touch()
        with pytest.raises(FolderInUseError, match=r"in use by process \d+ \(http://127\.0\.0\.1:1\)"):
            claim(tmp_path, "http://127.0.0.1:2")
        with pytest.raises(FolderInUseError):
            empty(tmp_path, "http://127.0.0.1:2")
        assert kept.exists()
    empty(tmp_path, "http://127.0.0.1:2")
    assert not kept.exists()


def test_lockstep_is_not_a_speed() -> None:
    """The simulator gets one of both."""
    assert "--speed" not in SimulatorPlan(lockstep=True).argv(1)
    assert "--lockstep" not in SimulatorPlan().argv(1)


def test_a_preview_says_what_a_threshold_would_have_told() -> None:
    """Both sides, what they came to where that is known, the signals of either alone, and what is not known."""
    place = {"symbol": "AAAUSDT", "scan_id": 1_760_000_100_000, "side": "long", "r_net": -1.1}
    side = {"signals": 4, "alerts": 3, "with_outcome": 2, "hit_rate": 0.5, "mean_r_net": 0.35}
    found = {
        "days": 7,
        "scans": 2016,
        "current": side,
        "changed": side | {"signals": 15, "alerts": 15, "with_outcome": 0},
        "gained": [place] * 11,
        "lost": [place | {"r_net": None}],
        "note": "said honestly",
    }
    told = list(preview.lines("thresholds.score", found))
    assert told[1:4] == [
        "  now: 4 signals in 3 alerts; of 2 with an outcome 50% hit, +0.35 R net",
        "  with it:      15 signals in 15 alerts; no outcomes yet",
        "  + 2025-10-09 08:55 AAAUSDT long -1.10 R",
    ]
    assert told[13:] == ["  + and 1 more", "  - 2025-10-09 08:55 AAAUSDT long", "said honestly"]
