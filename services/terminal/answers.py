"""What every command says when nothing comes of it, and how it prints JSON."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def refuse(message: str) -> NoReturn:
    """Say why nothing came of it, and leave."""
    from services.terminal.console import complain

    complain(message)
    raise typer.Exit(1)


def print_json(value: object) -> None:
    """Print *value* as JSON."""
    import msgspec

    typer.echo(msgspec.json.encode(value))
