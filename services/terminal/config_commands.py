"""`sevengate config`: the running settings, by the API."""

from __future__ import annotations

from typing import Annotated

import typer

from services.terminal.answers import Json, print_json, refuse

app = typer.Typer(no_args_is_help=True, help="The running settings, by the API.")


@app.command("get")
def config_get(
    path: Annotated[str, typer.Argument(help="thresholds.score; nothing: everything.")] = "", as_json: Json = False
) -> None:
    """Print a setting as YAML, or as JSON."""
    import yaml

    from services.terminal import client, settings_paths

    try:
        value = settings_paths.value_at(client.request("GET", "/api/config")["value"], path)
    except (client.ApiError, settings_paths.PathError) as error:
        refuse(str(error))
    if as_json:
        print_json(value)
        return
    typer.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True).removesuffix("...\n").rstrip())


@app.command("set")
def config_set(
    path: Annotated[str, typer.Argument(help="thresholds.score")],
    value: Annotated[str, typer.Argument(help="A value, read as YAML.")],
) -> None:
    """Change a setting without a restart."""
    from services.terminal import client, settings_paths

    try:
        answer = client.request("PATCH", "/api/config", body=settings_paths.change_at(path, value))
    except (client.ApiError, settings_paths.PathError) as error:
        refuse(str(error))
    typer.echo(f"{path} is set (settings version {answer.get('version', '?')})")
