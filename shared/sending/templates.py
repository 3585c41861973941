"""Renders user-given Jinja templates in a process of its own, with limits on time and memory.

A sandbox restricts what a template can reach, but not `'a' * 10**8` or nested loops.  One process renders
all templates; a template that exceeds its time ends it, and the next one starts another.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

LONGEST_BODY: Final = 262_144  #: characters of what a template may make
SECONDS: Final = 2.0  #: that one rendering may take
MEMORY: Final = 128 * 2**20  #: bytes that the process may take besides what it starts with
_lock: Final = threading.Lock()
_processes: Final[list[subprocess.Popen[str]]] = []


class TemplateFailed(Exception):  # noqa: N818 - a finding about a person's template
    """The template renders no body; the text says why."""


def render(template: str, value: dict[str, Any]) -> str:
    """Return *template* rendered with *value*, whose fields it sees by name and as `alert`."""
    with _lock:
        process = _processes[0] if _processes and _processes[0].poll() is None else _start()
        try:
            answer = _ask(process, json.dumps([template, value]))
        except (OSError, ValueError) as error:
            raise TemplateFailed("the template's process cannot be reached") from error
    if "error" in answer:
        raise TemplateFailed(str(answer["error"])[:200])
    return str(answer["body"])


def _start() -> subprocess.Popen[str]:
    for ended in _processes:
        ended.wait()
    process = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    _processes[:] = [process]
    return process


def _ask(process: subprocess.Popen[str], question: str) -> dict[str, Any]:
    """Return the process's answer; where it ended instead, say so."""
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(question + "\n")
    process.stdin.flush()
    if line := process.stdout.readline():
        return json.loads(line)  # type: ignore[no-any-return]
    process.wait()
    return {"error": f"it takes longer than {SECONDS:.0f} s or too much memory"}


@lru_cache(maxsize=64)
def _compiled(template: str) -> Any:
    return _environment().from_string(template)


@lru_cache(maxsize=1)
def _environment() -> Any:
    from jinja2 import StrictUndefined  # noqa: PLC0415 - 40 ms, in the child alone
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


def _answer(template: str, value: dict[str, Any]) -> dict[str, str]:
    """Return the body, or why there is none."""
    size, parts = 0, []
    try:
        for part in _compiled(template).generate(value, alert=value):
            size += len(part)
            if size > LONGEST_BODY:
                return {"error": "the body is too long"}
            parts.append(part)
    except MemoryError:
        return {"error": "it takes too much memory"}
    except Exception as error:  # any error is the template's
        return {"error": str(error) or type(error).__name__}
    return {"body": "".join(parts)}


class PlainFloat(float):
    """A number that is written without an exponent: 0.0000021413, not 2.1413e-06."""

    def __str__(self) -> str:
        return repr(float(self)) if "e" not in repr(float(self)) else f"{Decimal(repr(float(self))):f}"


def serve() -> None:
    """Render requests until the input ends; an alarm ends the process when one takes too long."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _environment()
    with open("/proc/self/statm", encoding="ascii") as sizes:
        limit = int(sizes.read().split()[0]) * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        answer = _answer(*json.loads(line, parse_float=PlainFloat))
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
