"""How every command fails, and how it prints JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, NoReturn

import typer

Json = Annotated[bool, typer.Option("--json", help="JSON on standard output; lists one object a line.")]


def refuse(message: str) -> NoReturn:
    """Say on standard error why the command failed, and leave."""
    from services.terminal.output.console import complain

    complain(message)
    raise typer.Exit(1)


def print_json(value: object) -> None:
    """Print *value* as JSON, in one line."""
    import msgspec

    typer.echo(msgspec.json.encode(value))


def print_lines(values: Iterable[object]) -> None:
    """Print *values* as JSON, one a line: every list of the command line comes like this."""
    for value in values:
        print_json(value)
