"""Log lines for people: the services' JSON becomes one coloured line each."""

from __future__ import annotations

import sys
import threading
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.text import Text

STYLES: Final = {"debug": "dim", "info": "", "warning": "yellow", "error": "bold red", "critical": "bold red"}
LEVELS: Final = tuple(STYLES)
PALETTE: Final = ("cyan", "green", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta", "bright_blue")
HIDDEN: Final = {"event", "level", "timestamp", "service", "logger", "instance"}
WIDTH: Final = 11


def style_of(name: str) -> str:
    """Return the colour of a process, the same in every run."""
    return PALETTE[sum(name.encode()) % len(PALETTE)]


def read_line(line: str) -> dict[str, Any]:
    """Return the fields of a log line; one that is not JSON is a text of its own."""
    if line.startswith("{"):
        try:
            fields = msgspec.json.decode(line)
        except msgspec.DecodeError:
            return {"event": line}
        if isinstance(fields, dict):
            return fields
    return {"event": line}


def render(name: str, line: str) -> tuple[str, Text]:
    """Return the level of *line*, which the process *name* said, and how to show it."""
    fields = read_line(line)
    level = str(fields.get("level", "info"))
    clock = str(fields.get("timestamp", ""))[11:19]
    text = Text(f"{clock:8} ", style="dim")
    text.append(f"{name:<{WIDTH}} ", style=style_of(name))
    text.append(str(fields.get("event", "")), style=STYLES.get(level, ""))
    for key, value in fields.items():
        if key not in HIDDEN and key != "exception":
            text.append(f"  {key}=", style="dim").append(str(value), style="dim")
    if "exception" in fields:
        text.append(f"\n{fields['exception']}", style="red")
    return level, text


class Screen:
    """Where log lines and messages to the person go; one line at a time."""

    def __init__(self, *, quiet: bool = False, to_stderr: bool = False) -> None:
        self.console = Console(stderr=to_stderr, highlight=False, soft_wrap=True)
        self._least = LEVELS.index("warning" if quiet else "info")
        self._lock = threading.Lock()

    def log(self, name: str, line: str) -> None:
        """Show what the process *name* said."""
        if not line.strip():
            return
        level, text = render(name, line)
        if level not in LEVELS or LEVELS.index(level) >= self._least:
            with self._lock:
                self.console.print(text)

    def say(self, message: str, style: str = "bold") -> None:
        """Tell the person something."""
        with self._lock:
            self.console.print(Text(message, style=style))


def complain(message: str) -> None:
    """Tell the person on standard error why nothing came of it."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(f"sevengate: {message}", style="bold red"))
    sys.stderr.flush()
