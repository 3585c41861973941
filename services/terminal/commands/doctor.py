"""`doctor`: what this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from services.terminal.checks import destinations as destination_checks
from services.terminal.checks import stores as store_checks
from services.terminal.checks.exchange import clock_offset, unreachable
from services.terminal.commands import status
from services.terminal.local import data_folder, listening, stores
from services.terminal.output import api_client, overrides
from shared.config import config_file
from shared.config.environment import Environment
from shared.kernels import build
from shared.settings import RuntimeSettings

Verdict = Literal["ok", "warning", "problem"]
DISK_BYTES: Final = 2_000_000_000
CLOCK_SECONDS: Final = 1.0
OLD_BACKUP_DAYS: Final = 8.0
WRONG_DATABASE: Final = "name the right one, or ./sevengate restore FILE"


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    verdict: Verdict
    name: str
    detail: str


async def examine(environment: Environment) -> list[Finding]:
    """Make every check; none raises."""
    findings = [*_guarded(python), *_guarded(disk, environment), *_guarded(memory), *_guarded(config, environment)]
    findings += [*_guarded(valkey, environment), *_guarded(postgres, environment), *_guarded(port, environment)]
    findings += [*_guarded(instance, environment), *_guarded(backups, environment)]
    findings += [
        *_guarded(kernels),
        *_guarded(dashboard),
        *_guarded(overridden, environment),
        *_guarded(growth, environment),
    ]
    findings += await destinations(environment)
    return findings + await exchange(environment)


def _guarded(check: Callable[..., Iterator[Finding]], *arguments: object) -> Iterator[Finding]:
    try:
        yield from check(*arguments)
    except (stores.StoreError, listening.ListenError) as error:
        yield Finding("problem", check.__name__, str(error))
    except Exception as error:
        yield Finding("problem", check.__name__, f"{type(error).__name__}: {error}")


def python() -> Iterator[Finding]:
    """Is Python new enough?"""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok" if sys.version_info >= (3, 11) else "problem", "python", version)


def disk(environment: Environment) -> Iterator[Finding]:
    """Is there room for the stores, and is the folder writable?"""
    folder = environment.data_dir
    probe = folder / ".doctor"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.write_text("", encoding="utf-8")
        probe.unlink()
    except OSError as error:
        advice = "give it to this user, or choose another with SEVENGATE_DATA_DIR"
        yield Finding("problem", "data folder", f"{folder} cannot be written ({error.strerror}): {advice}")
        return
    free = shutil.disk_usage(folder).free
    yield Finding("ok" if free > DISK_BYTES else "warning", "data folder", f"{folder}, {free / 1e9:.1f} GB free")


def memory(setting: Path = Path("/proc/sys/vm/overcommit_memory")) -> Iterator[Finding]:
    """Can Redis rewrite its file when memory is short?  It forks for that."""
    if not setting.exists():
        return
    allowed = setting.read_text().strip() == "1"
    advice = "vm.overcommit_memory is not 1: Redis may fail to rewrite its file (sysctl vm.overcommit_memory=1)"
    yield Finding("ok" if allowed else "warning", "memory", "vm.overcommit_memory is 1" if allowed else advice)


def config(environment: Environment) -> Iterator[Finding]:
    """Is config.yaml there and right?"""
    path = environment.config
    if not path.exists():
        yield Finding(
            "warning",
            "config",
            f"{path} does not exist: defaults apply, and no alert destinations are configured (run ./sevengate init)",
        )
        return
    try:
        settings = RuntimeSettings.model_validate(config_file.load(path))
    except config_file.ConfigError as error:
        for line in error.mistakes:
            yield Finding("problem", "config", line)
        return
    routed = len({name for route in settings.routes for name in route.destinations})
    verdict: Verdict = "ok" if routed else "warning"
    yield Finding(verdict, "config", f"{path}: {len(settings.destinations)} destinations, {routed} with a route")
    if path.stat().st_mode & 0o077 and settings.destinations:
        yield Finding("warning", "config", f"{path} holds secrets and others can read it: chmod 600 {path}")


def valkey(environment: Environment) -> Iterator[Finding]:
    """Does the bus answer, or can the embedded server be started?"""
    if data_folder.is_set("REDIS_URL"):
        yield Finding("ok", "redis", store_checks.check_redis(environment.redis_url, market=environment.market))
    else:
        yield Finding("ok", "embedded valkey", str(stores.valkey_server()))
    if environment.jobs_redis_url:
        yield Finding("ok", "jobs", store_checks.check_redis(environment.jobs_redis_url, "SEVENGATE_JOBS_REDIS_URL"))
    for found in store_checks.check_markets(environment):
        yield Finding("ok", "redis", found)


def postgres(environment: Environment) -> Iterator[Finding]:
    """Does the database answer, or can the embedded server be started?"""
    if data_folder.is_set("DATABASE_URL"):
        yield Finding("ok", "postgres", store_checks.check_database(environment.database_url.get_secret_value()))
    else:
        yield Finding("ok", "embedded postgres", str(stores.programs_for(environment.data_dir / "postgres")))


def instance(environment: Environment) -> Iterator[Finding]:
    """Is the database the one that this data folder has had?"""
    expected, folder = data_folder.instance(environment.data_dir), environment.data_dir / "postgres"
    if not expected:
        return
    if not data_folder.is_set("DATABASE_URL"):
        if not (folder / "PG_VERSION").exists():
            yield Finding("problem", "instance", f"{folder} is gone, its database was {expected[:8]}: {WRONG_DATABASE}")
        return
    held = store_checks.instance_of(environment.database_url.get_secret_value())
    if held == expected:
        yield Finding("ok", "instance", f"the database is this installation's ({held[:8]})")
        return
    whose = f"another installation's ({held[:8]})" if held else "empty"
    yield Finding("problem", "instance", f"the database is {whose}, this one's is {expected[:8]}: {WRONG_DATABASE}")


def backups(environment: Environment) -> Iterator[Finding]:
    """When was the last backup made?"""
    found = sorted(environment.backups.glob("*.zip"), key=lambda path: path.stat().st_mtime)
    if not found:
        advice = f"none in {environment.backups}: `config set backup.at 03:30` makes one every night"
        yield Finding("warning", "backups", advice)
        return
    days = (time.time() - found[-1].stat().st_mtime) / 86_400
    yield Finding("ok" if days < OLD_BACKUP_DAYS else "warning", "backups", f"{found[-1]}, {days:.1f} days old")


def port(environment: Environment) -> Iterator[Finding]:
    """Is the dashboard's port free, or does Sevengate run there?"""
    where = f"{environment.api_host}, port {environment.api_port}"
    if listening.is_free(environment.api_host, environment.api_port):
        yield Finding("ok", "dashboard", f"{where}: free")
    elif running := data_folder.running_api(environment.data_dir):
        yield Finding("ok", "dashboard", f"Sevengate runs at {running}")
    else:
        yield Finding("warning", "dashboard", f"{where}: in use by another program (SEVENGATE_API_PORT chooses)")


def dashboard() -> Iterator[Finding]:
    """Was the dashboard built?"""
    built = (stores.ROOT / "services/api/web/dist/index.html").exists()
    yield Finding("ok" if built else "warning", "dashboard", "built" if built else "not built: make setup")


def kernels() -> Iterator[Finding]:
    """Are the analysis' loops compiled?"""
    advice = "not compiled, or from other sources: analyses take longer (make setup compiles them, or says why not)"
    yield Finding("ok", "kernels", "compiled") if build.is_current() else Finding("warning", "kernels", advice)


def overridden(environment: Environment) -> Iterator[Finding]:
    """Which settings override config.yaml?  Only a running API knows."""
    if not (environment.api_url or data_folder.running_api(environment.data_dir)):
        return
    try:
        found = api_client.request("GET", "/api/config/changes")["items"]
    except api_client.ApiError as error:
        yield Finding("warning", "settings", str(error))
        return
    for item in found:
        yield Finding("warning", "settings", f"override config.yaml: {overrides.line(item)}")


def growth(environment: Environment) -> Iterator[Finding]:
    """How fast do the stores grow, when will the disk be full, is the archive whole?  Only a running API knows."""
    if not (environment.api_url or data_folder.running_api(environment.data_dir)):
        return
    try:
        found = api_client.request("GET", "/api/status")
    except api_client.ApiError as error:
        yield Finding("warning", "storage", str(error))
        return
    ((line, style),) = status.storage(found["storage"])
    yield Finding("ok" if style == status.WELL else "warning", "storage", line.removeprefix("storage").strip())
    for line, style in status.archive(found["archive"]):
        yield Finding("ok" if style == status.WELL else "problem", "archive", line.removeprefix("archive").strip())


async def destinations(environment: Environment) -> list[Finding]:
    """Can each destination be reached?  Nothing is sent."""
    try:
        settings = RuntimeSettings.model_validate(config_file.load(environment.config))
    except config_file.ConfigError:
        return []  # said already
    routed = {name for route in settings.routes for name in route.destinations}
    findings = []
    for name, destination in settings.destinations.items():
        title = f"{name} ({destination.channel})"
        unused = "" if name in routed else "; no route leads here"
        try:
            findings.append(Finding("ok", title, await destination_checks.check(destination, environment) + unused))
        except destination_checks.DestinationError as error:
            findings.append(Finding("problem" if name in routed else "warning", title, f"{error}{unused}"))
    return findings


async def exchange(environment: Environment) -> list[Finding]:
    """Does the exchange answer, and how far is this machine's clock from its clock?"""
    if problem := await unreachable(environment.binance_rest_url):
        return [Finding("warning", "binance", problem)]
    found = Finding("ok", "binance", environment.binance_rest_url)
    offset = await clock_offset(environment.binance_rest_url)
    small = abs(offset) < CLOCK_SECONDS
    advice = "" if small else ": the offset is measured and corrected, but switch on time synchronisation"
    return [found, Finding("ok" if small else "warning", "clock", f"{offset:+.2f} s from the exchange's{advice}")]
