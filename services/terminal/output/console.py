"""Readable log lines: the services' JSON becomes one coloured line each."""

from __future__ import annotations

import atexit
import re
import sys
import threading
from datetime import datetime
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

STYLES: Final = {"debug": "dim", "info": "", "warning": "yellow", "error": "bold red", "critical": "bold red"}
LEVELS: Final = tuple(STYLES)
PALETTE: Final = ("cyan", "green", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta", "bright_blue")
STEP: Final = ("done", "of")
HIDDEN: Final = {"event", "level", "timestamp", "service", "logger", "instance"}
STORE: Final = re.compile(r"\d+:\S+ (?:(?P<at>\d+ \w+ \d{4} [\d:.]+) [.*#-] |\(\d+\) )(?P<event>.*)")  #: Valkey's lines
#: routine lines of the stores; `doctor` reports overcommitted memory
USUAL: Final = ("Memory overcommit", "Received SIGTERM", "ready to exit", "the database system is starting up")
WIDTH: Final = 11
BAR: Final = 30  #: cells of a progress bar in a log line


def style_of(name: str) -> str:
    """Return the colour of a process, the same in every run."""
    return PALETTE[sum(name.encode()) % len(PALETTE)]


def read_line(line: str) -> dict[str, Any]:
    """Return the fields of a log line; one that is not JSON is its own text, at debug level if it is routine."""
    if line.startswith("{"):
        try:
            fields = msgspec.json.decode(line)
        except msgspec.DecodeError:
            return {"event": line}
        if isinstance(fields, dict):
            return fields
    level = "debug" if any(words in line for words in USUAL) else "info"
    found = STORE.fullmatch(line)
    if found is None:
        return {"event": line, "level": level}
    at = datetime.strptime(found["at"], "%d %b %Y %H:%M:%S.%f").isoformat() if found["at"] else ""  # noqa: DTZ007 local
    return {"event": found["event"], "level": level, "timestamp": at}


def step_of(fields: dict[str, Any]) -> tuple[int, int] | None:
    """Return the steps done and their total, of a log line about progress; else None."""
    done, of = (fields.get(key) for key in STEP)
    return (done, of) if isinstance(done, int) and isinstance(of, int) and 0 <= done <= of and of else None


def bar(done: int, of: int) -> str:
    """Return a progress bar of characters."""
    filled = BAR * done // of
    return "━" * filled + "┄" * (BAR - filled)


def render(name: str, line: str) -> tuple[str, Text]:
    """Return the level of *line* from the process *name*, and the text to show."""
    fields = read_line(line)
    level = str(fields.get("level", "info"))
    clock = str(fields.get("timestamp", ""))[11:19]
    text = Text(f"{clock:8} ", style="dim")
    text.append(f"{name:<{WIDTH}} ", style=style_of(name))
    text.append(str(fields.get("event", "")), style=STYLES.get(level, ""))
    steps = step_of(fields)
    if steps is not None:
        text.append(f" {bar(*steps)} {steps[0]}/{steps[1]}")
    for key, value in fields.items():
        if key not in HIDDEN and key != "exception" and not (steps and key in STEP):
            text.append(f"  {key}=", style="dim").append(str(value), style="dim")
    if "exception" in fields:
        text.append(f"\n{fields['exception']}", style="red")
    return level, text


class Screen:
    """Where log lines and messages to the user go; one line at a time."""

    def __init__(self, *, quiet: bool = False, to_stderr: bool = False) -> None:
        self.console = Console(stderr=to_stderr, highlight=False, soft_wrap=True)
        self._least = LEVELS.index("warning" if quiet else "info")
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def log(self, name: str, line: str) -> None:
        """Show a log line of the process *name*; on a terminal progress moves a bar."""
        if not line.strip():
            return
        level, text = render(name, line)
        if level in LEVELS and LEVELS.index(level) < self._least:
            return
        fields = read_line(line)
        steps = step_of(fields)
        with self._lock:
            if steps is not None and self.console.is_terminal:
                self._move(f"{name}: {fields.get('event', '')}", *steps)
            else:
                self.console.print(text)

    def _move(self, what: str, done: int, of: int) -> None:
        """Show the bar, which stays on the last line until all is done."""
        if self._progress is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._progress = Progress(*columns, console=self.console)
            self._task = self._progress.add_task(what)
            self._progress.start()
            atexit.register(self._progress.stop)  # the cursor comes back even after an error
        self._progress.update(self._task, description=what, completed=done, total=of)
        if done == of:
            self._progress.stop()
            atexit.unregister(self._progress.stop)
            self._progress = None

    def say(self, message: str, style: str = "bold") -> None:
        """Print a message."""
        with self._lock:
            self.console.print(Text(message, style=style))

    def warn(self, message: str) -> None:
        """Print a message that needs attention."""
        self.say(message, "yellow")


def complain(message: str) -> None:
    """Say on standard error why the command failed."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(f"sevengate: {message}", style="bold red"))
    sys.stderr.flush()
