"""`.env.example` names every variable that a user may set, with a sentence."""

from __future__ import annotations

import re
from pathlib import Path

from dotenv import dotenv_values

from shared.config.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / ".env.example").read_text(encoding="utf-8")
NAMED = set(re.findall(r"^#(SEVENGATE_[A-Z_]+)=", TEXT, re.MULTILINE))
#: variables between the launcher, the tests and the development scripts, not for users
INTERNAL = {"SEVENGATE_PROJECT", "SEVENGATE_DASHBOARD", "SEVENGATE_SETUP_LOCKED", "SEVENGATE_LOCK"}
INTERNAL |= {"SEVENGATE_JUDGE_LAST_CLOSE"}  # of `scan --once`
READ = re.compile(r"""environ(?:\.get\(|\.pop\(|\[)\s*"(SEVENGATE_[A-Z_]*[A-Z])\"|\$\{?(SEVENGATE_[A-Z_]*[A-Z])""")


def read_by_the_code() -> set[str]:
    """Return every variable that a program, a script or the Compose file reads."""
    named = {f"SEVENGATE_{name.upper()}" for name in Environment.model_fields}
    paths = [ROOT / "docker-compose.yml", ROOT / "sevengate", ROOT / "Makefile", *(ROOT / "scripts").glob("*.sh")]
    paths += [path for folder in ("services", "shared", "deploy") for path in (ROOT / folder).rglob("*.py")]
    for path in paths:
        found = READ.findall(path.read_text(encoding="utf-8"))
        named |= {name for pair in found for name in pair if name}
    return named - INTERNAL


def test_every_variable_that_is_read_is_explained_and_no_other() -> None:
    """A new variable needs its line here; one that is gone loses it."""
    assert read_by_the_code() == NAMED


def test_every_variable_has_a_sentence_above_it() -> None:
    """Above each stands a comment that ends as a sentence does."""
    lines = TEXT.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#SEVENGATE_", line):
            assert re.match(r"# \S.*\.$", lines[number - 1]), line


def test_as_it_stands_it_sets_nothing(tmp_path: Path) -> None:
    """Copied to .env unchanged, everything stays at its default."""
    (tmp_path / ".env").write_text(TEXT, encoding="utf-8")
    assert not dotenv_values(tmp_path / ".env")
