"""`doctor`: what this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
import psycopg
import redis

from services.terminal import stores
from services.terminal.run import unreachable
from shared import config_file
from shared.settings import Environment, RuntimeSettings

Verdict = Literal["ok", "warning", "problem"]
DISK_BYTES = 2_000_000_000
CLOCK_SECONDS = 1.0


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    verdict: Verdict
    name: str
    detail: str


async def examine(environment: Environment) -> list[Finding]:
    """Make every check; none raises."""
    findings = [*_guarded(python), *_guarded(disk, environment), *_guarded(memory), *_guarded(config, environment)]
    findings += [*_guarded(embedded), *_guarded(redis_server), *_guarded(database_server), *_guarded(port, environment)]
    findings += [*_guarded(dashboard), *_guarded(telegram, environment)]
    problem = await unreachable(environment.binance_rest_url)
    findings.append(Finding("warning" if problem else "ok", "binance", problem or environment.binance_rest_url))
    if not problem:
        findings.append(await clock(environment))
    return findings


def _guarded(check: Callable[..., Iterator[Finding]], *arguments: object) -> Iterator[Finding]:
    try:
        yield from check(*arguments)
    except Exception as error:
        yield Finding("problem", check.__name__.replace("_", " "), f"{type(error).__name__}: {error}")


def python() -> Iterator[Finding]:
    """Is Python new enough?"""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok" if sys.version_info >= (3, 11) else "problem", "python", version)


def disk(environment: Environment) -> Iterator[Finding]:
    """Is there room for the stores, and may we write?"""
    folder = environment.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".doctor"
    probe.write_text("", encoding="utf-8")
    probe.unlink()
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
            "warning", "config", f"{path} does not exist: the defaults hold, nobody is told (./sevengate init)"
        )
        return
    try:
        settings = RuntimeSettings.model_validate(config_file.load(path))
    except config_file.ConfigError as error:
        for line in error.mistakes:
            yield Finding("problem", "config", line)
        return
    told = len({name for route in settings.routes for name in route.destinations})
    verdict: Verdict = "ok" if told else "warning"
    yield Finding(verdict, "config", f"{path}: {len(settings.destinations)} destinations, {told} of them routed to")
    if path.stat().st_mode & 0o077 and settings.destinations:
        yield Finding("warning", "config", f"{path} holds secrets and others can read it: chmod 600 {path}")


def embedded() -> Iterator[Finding]:
    """Are the embedded stores' programs here?"""
    if not os.environ.get("SEVENGATE_DATABASE_URL"):
        yield Finding("ok", "embedded postgres", str(stores.postgres_binaries()))
    if not os.environ.get("SEVENGATE_REDIS_URL"):
        yield Finding("ok", "embedded valkey", str(stores.valkey_server()))


def redis_server() -> Iterator[Finding]:
    """Does the bus that was named answer?"""
    if url := os.environ.get("SEVENGATE_REDIS_URL"):
        with redis.Redis.from_url(url, socket_timeout=3.0, socket_connect_timeout=3.0) as client:
            server = client.info("server")
        yield Finding("ok", "redis", f"{urlsplit(url).hostname}: {server.get('redis_version')}")


def database_server() -> Iterator[Finding]:
    """Does the database that was named answer?"""
    if url := os.environ.get("SEVENGATE_DATABASE_URL"):
        with psycopg.connect(url, connect_timeout=3) as connection:
            yield Finding("ok", "postgres", f"{connection.info.host}: {connection.info.server_version}")


def port(environment: Environment) -> Iterator[Finding]:
    """Is the dashboard's port free, or ours?"""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        taken = probe.connect_ex(("127.0.0.1", environment.api_port)) == 0
    state = "in use (by Sevengate itself, if it is running)" if taken else "free"
    yield Finding("ok", "dashboard port", f"{environment.api_port} is {state}")


def dashboard() -> Iterator[Finding]:
    """Was the dashboard built?"""
    built = (stores.ROOT / "services/api/web/dist/index.html").exists()
    yield Finding("ok" if built else "warning", "dashboard", "built" if built else "not built: make setup")


def telegram(environment: Environment) -> Iterator[Finding]:
    """Is there a bot token?"""
    there = bool(environment.telegram_token.get_secret_value())
    yield Finding("ok", "telegram", "a token is set" if there else "no SEVENGATE_TELEGRAM_TOKEN: no Telegram")


async def clock(environment: Environment) -> Finding:
    """How far is this machine's clock from the exchange's?"""
    async with httpx.AsyncClient(timeout=10.0) as client:
        before = time.time()
        answer = await client.get(f"{environment.binance_rest_url.rstrip('/')}/fapi/v1/time")
        after = time.time()
    offset = int(answer.json()["serverTime"]) / 1_000 - (before + after) / 2
    small = abs(offset) < CLOCK_SECONDS
    advice = "" if small else ": the offset is measured and corrected, but switch on time synchronisation"
    return Finding("ok" if small else "warning", "clock", f"{offset:+.2f} s from the exchange's{advice}")
