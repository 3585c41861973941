"""`sevengate keys`: who may use the API from elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from services.terminal.output.answers import Json, print_json, refuse

app = typer.Typer(no_args_is_help=True, help="The API's keys: who may use it from elsewhere.")
Name = Annotated[str, typer.Argument(help="What it is for, such as grafana.")]


@app.command("list")
def list_keys(as_json: Json = False) -> None:
    """List all keys, without their secrets."""
    keys = _ask("GET", "/api/keys")["items"]
    if as_json:
        print_json(keys)
        return
    for key in keys:
        used = f"used {_day(key['used_at'])}" if key["used_at"] else "never used"
        typer.echo(f"{key['name']:24} {key['rights']:6} made {_day(key['made_at'])}, {used}")
    if not keys:
        typer.echo("No keys (./sevengate keys make NAME makes one).")


@app.command("make")
def make(
    name: Name, write: Annotated[bool, typer.Option("--write", help="It may change things, not only read.")] = False
) -> None:
    """Make a key and print it: it is shown this once."""
    made = _ask("POST", "/api/keys", {"name": name, "rights": "write" if write else "read"})
    typer.echo(made["key"])


@app.command("revoke")
def revoke(name: Name) -> None:
    """Revoke a key; requests with it are refused from now on."""
    found = [key for key in _ask("GET", "/api/keys")["items"] if name in (key["name"], key["key_id"])]
    if not found:
        refuse(f"no key is called {name!r} (./sevengate keys list)")
    _ask("DELETE", f"/api/keys/{found[0]['key_id']}")
    typer.echo(f"{found[0]['name']} is revoked")


def _ask(method: str, path: str, body: Any = None) -> Any:
    from services.terminal.output import api_client as client

    try:
        return client.request(method, path, body=body)
    except client.ApiError as error:
        refuse(str(error))


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d")
