"""`sevengate config`: the running settings, by the API."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from services.terminal.output.answers import Json, print_json, print_lines, refuse

app = typer.Typer(no_args_is_help=True, help="The running settings, by the API.")


@app.command("get")
def config_get(
    path: Annotated[str, typer.Argument(help="thresholds.score; nothing: everything.")] = "", as_json: Json = False
) -> None:
    """Print a setting as YAML, or as JSON."""
    import yaml

    from services.terminal.commands import settings_paths

    try:
        value = settings_paths.value_at(_request("GET", "/api/config")["value"], path)
    except settings_paths.PathError as error:
        refuse(str(error))
    if as_json:
        print_json(value)
        return
    typer.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True).removesuffix("...\n").rstrip())


@app.command("set")
def config_set(
    path: Annotated[str, typer.Argument(help="thresholds.score")],
    value: Annotated[str, typer.Argument(help="A value, read as YAML; null: as config.yaml says.")],
    preview: Annotated[bool, typer.Option(help="Only show which signals a threshold would have given.")] = False,
    days: Annotated[int, typer.Option(min=1, max=90, help="Of the preview.")] = 7,
) -> None:
    """Change a setting without a restart; it then overrides config.yaml until `config reset`."""
    from services.terminal.commands import settings_paths

    try:
        change = settings_paths.change_at(path, value)
    except settings_paths.PathError as error:
        refuse(str(error))
    if preview:
        _preview(path, change, days)
        return
    answer = _request("PATCH", "/api/config", body=change)
    typer.echo(f"{path} is set (settings version {answer.get('version', '?')})")


def _preview(path: str, change: dict[str, Any], days: int) -> None:
    """Print the signals that the change would have given; refuse settings that are no threshold."""
    from services.terminal.output.preview import lines

    if list(change) != ["thresholds"] or not isinstance(change["thresholds"], dict):
        refuse(f"{path}: only thresholds.NAME has a preview")
    question = {"thresholds": change["thresholds"], "days": days}
    for line in lines(path, _request("POST", "/api/what-if", body=question)):
        typer.echo(line)


@app.command("changes")
def config_changes(as_json: Json = False) -> None:
    """List the settings that override config.yaml, with both values."""
    from services.terminal.output.overrides import line

    found = _request("GET", "/api/config/changes")["items"]
    if as_json:
        print_lines(found)
        return
    for item in found:
        typer.echo(line(item))
    if not found:
        typer.echo("none: everything is as config.yaml says")


@app.command("reset")
def config_reset(
    path: Annotated[str, typer.Argument(help="thresholds.score, thresholds, or `all`.")],
) -> None:
    """Give a setting, or all, back to config.yaml."""
    from services.terminal.commands import settings_paths

    found = [item["path"] for item in _request("GET", "/api/config/changes")["items"]]
    chosen = [name for name in found if path in ("all", name) or name.startswith(f"{path}.")]
    if not chosen:
        refuse(f"{path} does not override config.yaml (./sevengate config changes lists what does)")
    change: dict[str, Any] = {}
    for name in chosen:
        settings_paths.put(change, name, None)
    _request("PATCH", "/api/config", body=change)
    typer.echo(f"as config.yaml says again: {', '.join(chosen)}")


def _request(method: str, path: str, *, body: Any = None) -> Any:
    from services.terminal.output import api_client as client

    try:
        return client.request(method, path, body=body)
    except client.ApiError as error:
        refuse(str(error))
