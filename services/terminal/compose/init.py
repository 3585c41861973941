"""The Compose service `init`: writes passwords, addresses and settings into the volumes that the others read.

Where a container named `simulator` runs, the services use it; else Binance, or the addresses in the
environment.  Existing passwords are kept.  The set-up token is printed: `docker compose logs
init` shows what the dashboard asks for.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml

from shared.config import lasting_file, local_secrets, sealing
from shared.config.environment import Environment

SECRETS: Final = Path("/run/sevengate")
PRIVATE: Final = Path("/run/sevengate-private")  #: only for the services that need the settings' secrets
PROJECT: Final = Path("/project")
DATA: Final = Path("/var/lib/sevengate")  #: the API's own folder
USER: Final = 10_001  #: the services' user and group in the image
#: volumes the services' user writes
OWNED: Final = (DATA, Path("/backups"), Path("/exchange"), Path("/redis"), Path("/caddy"))
SHARED: Final = (
    Path("/postgres"),
    Path("/prometheus"),
    Path("/grafana"),
)  #: their users' numbers differ from image to image
PRIVATE_NETWORKS: Final = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
SIMULATOR: Final = "http://simulator:8700"
SINK: Final = {"channel": "webhook", "url": "http://sink:8701/alerts", "allow": PRIVATE_NETWORKS}


def main() -> None:
    """Prepare the volumes."""
    simulated = reachable("simulator")
    redis_password, postgres_password = keep("redis-password"), keep("postgres-password")
    keep("grafana-password")
    write("redis.conf", redis_config(redis_password))
    write("redis-url", f"redis://:{redis_password}@redis:6379/0")
    write("database-url", f"postgresql://postgres:{postgres_password}@postgres:5432/sevengate")
    for name, value in addresses(simulated=simulated).items():
        write(name, value)
    write("config.yaml", config(PROJECT / "config.yaml", simulated=simulated), folder=PRIVATE)
    keep("api-key", folder=PRIVATE)
    keep("settings-key", folder=PRIVATE, make=sealing.new_key)
    token = set_up_token(DATA)
    for folder in (*OWNED, DATA / local_secrets.TOKEN):
        os.chown(folder, USER, USER)
    for folder in SHARED:
        folder.chmod(0o1777)
    print("ready:", "the simulated exchange" if simulated else "live Binance")
    print("set-up token:", token)


def reachable(host: str) -> bool:
    """Return whether Compose runs a service of this name."""
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def new_password() -> str:
    return secrets.token_urlsafe(32)


def set_up_token(folder: Path) -> str:
    """Return what opens the dashboard's set-up, made the first time."""
    return local_secrets.read_or_make(folder, local_secrets.TOKEN, new_password)[0]


def keep(name: str, *, folder: Path | None = None, make: Callable[[], str] = new_password) -> str:
    """Return the password of this name; make it the first time."""
    path = (folder or SECRETS) / name
    if not path.exists():
        write(name, make(), folder=folder)
    return path.read_text(encoding="utf-8")


def write(name: str, text: str, *, folder: Path | None = None) -> None:
    """Write a file of a volume atomically; every container that mounts the volume may read it."""
    lasting_file.write((folder or SECRETS) / name, text, mode=0o444)


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
    """Return the user's config.yaml, or the defaults; with the simulator, a webhook receiver as destination."""
    if path.is_file():
        return path.read_text(encoding="utf-8")
    if simulated:
        return yaml.safe_dump({"destinations": {"sink": SINK}, "routes": [{"destinations": ["sink"]}]})
    return "{}\n"


if __name__ == "__main__":
    if shutil.which("docker"):
        raise SystemExit("this is for the container `init`: docker compose up")
    main()
