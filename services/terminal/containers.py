"""What the Compose service `init` does once: passwords, addresses and the settings, into the volume that all read.

Where a container named `simulator` runs, the services are pointed at it; else at Binance, or at
what the environment names.  Passwords that are there are kept.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from pathlib import Path
from typing import Final

import yaml

from shared.settings import Environment

SECRETS: Final = Path("/run/sevengate")
PROJECT: Final = Path("/project")
USER: Final = 10_001  #: the services' user and group in the image
OWNED: Final = (Path("/var/lib/sevengate"), Path("/redis"))  #: volumes the services' user writes
SHARED: Final = (Path("/postgres"), Path("/prometheus"))  #: their users' numbers differ from image to image
PRIVATE_NETWORKS: Final = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
SIMULATOR: Final = "http://simulator:8700"
SINK: Final = {"channel": "webhook", "url": "http://sink:8701/alerts", "allow": PRIVATE_NETWORKS}


def main() -> None:
    """Prepare the volumes."""
    simulated = reachable("simulator")
    redis_password, postgres_password = keep("redis-password"), keep("postgres-password")
    write("redis.conf", redis_config(redis_password))
    write("redis-url", f"redis://:{redis_password}@redis:6379/0")
    write("database-url", f"postgresql://postgres:{postgres_password}@postgres:5432/sevengate")
    for name, value in addresses(simulated=simulated).items():
        write(name, value)
    write("config.yaml", config(PROJECT / "config.yaml", simulated=simulated))
    for folder in OWNED:
        os.chown(folder, USER, USER)
    for folder in SHARED:
        folder.chmod(0o1777)
    print("ready:", "the simulated exchange" if simulated else "live Binance")


def reachable(host: str) -> bool:
    """Return whether Compose runs a service of this name."""
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def keep(name: str) -> str:
    """Return the password of this name, made the first time."""
    path = SECRETS / name
    if not path.exists():
        write(name, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8")


def write(name: str, text: str) -> None:
    """Write a file of the volume at once; every container that mounts it may read it."""
    fresh = SECRETS / f".{name}"
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o444)
    fresh.replace(SECRETS / name)


def redis_config(password: str) -> str:
    """Return redis.conf: a power cut takes at most the last second."""
    lines = ["dir /data", "appendonly yes", "appendfsync everysec", "aof-load-truncated yes", 'save ""']
    return "\n".join([*lines, "protected-mode yes", f"requirepass {password}", ""])


def addresses(*, simulated: bool) -> dict[str, str]:
    """Return the exchange's addresses and its clock's speed, by file name."""
    if simulated:
        return {
            "binance-rest-url": SIMULATOR,
            "binance-ws-url": SIMULATOR.replace("http", "ws"),
            "fear-greed-url": f"{SIMULATOR}/fng/",
            "clock-speed": os.environ.get("SEVENGATE_SIMULATOR_SPEED", "60"),
        }
    environment = Environment()
    return {
        "binance-rest-url": environment.binance_rest_url,
        "binance-ws-url": environment.binance_ws_url,
        "fear-greed-url": environment.fear_greed_url,
        "clock-speed": "1",
    }


def config(path: Path, *, simulated: bool) -> str:
    """Return the person's config.yaml; without one the defaults, and with the simulator a receiver beside it."""
    if path.is_file():
        return path.read_text(encoding="utf-8")
    if simulated:
        return yaml.safe_dump({"destinations": {"sink": SINK}, "routes": [{"destinations": ["sink"]}]})
    return "{}\n"


if __name__ == "__main__":
    if shutil.which("docker"):
        raise SystemExit("this is for the container `init`: docker compose up")
    main()
