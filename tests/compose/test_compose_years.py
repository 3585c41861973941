"""What happens to a home server in years, one thing after the other: nothing that was recorded or sent is lost.

Needs a Docker engine: `make test-compose`, which prints the table of what was done, how long it took until scans
were settled again, and what Postgres held.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.chaos.recorded import recorded
from tests.compose.accidents import Line, Survives, kill, remove_volume, survives
from tests.compose.project import ROOT, Project, json_lines, until, until_received, until_scanning, untold

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

KILLED = ("analyzer", "gatekeeper", "evaluator", "notifier", "deliverer", "api", "fetcher", "redis", "postgres")
SERVICES = ("fetcher", "analyzer", "gatekeeper", "evaluator", "notifier", "deliverer", "api")
OF_ANY_RELEASE = ("scans", "decisions", "signals", "alerts", "deliveries")
RELEASES = sorted((ROOT / "tests" / "integration" / "api" / "schemas").glob("*.sql"))
BACKUP = ("python", "-m", "services.api.backup")


@pytest.fixture
def after(compose: Project, lines: list[Line]) -> Survives:
    """Makes an accident and checks that rows are kept and each alert is sent once."""
    return survives(compose, lines)


def test_scaled_down_and_up(compose: Project, after: Survives) -> None:
    """One analyzer instead of three, and three again."""

    def scale() -> None:
        for analyzers in (1, 3):
            compose.up(analyzers)
            assert len(json_lines(compose("ps", "--format", "json", "analyzer"))) == analyzers

    after("analyzers 3, 1, 3", scale)


@pytest.mark.parametrize("service", KILLED)
def test_a_container_is_killed(compose: Project, after: Survives, service: str) -> None:
    """SIGKILL to every container of a service, which is then started again as after a host's trouble."""

    def accident() -> None:
        kill(compose.containers(service))
        compose("start", service)
        compose.until_healthy()

    after(f"{service} killed", accident)


def test_everything_is_killed_at_once(compose: Project, after: Survives) -> None:
    """As when the host loses its power; up again in the worst order: the stores last."""

    def accident() -> None:
        kill(compose.containers())
        for service in ("sink", "analyzer", "deliverer", "simulator"):  # before what they need
            compose("start", service)
        compose.up()

    after("all killed, up in another order", accident)


def test_the_bus_is_lost(compose: Project, after: Survives) -> None:
    """The volume of Redis is gone: what Postgres has is neither lost nor sent again.

    An alert that was sent, and not yet reported to Postgres, is sent once more.
    """

    def accident() -> None:
        kill(compose.containers("redis"))
        compose("rm", "-f", "redis", "init")  # init, too, mounts the volume
        remove_volume(f"{compose.name}_redis")
        reported = {row[0] for row in compose.rows("SELECT alert_id FROM deliveries")}
        compose.may_repeat.update(compose.received().keys() - reported)
        compose.up()

    after("the volume of Redis lost", accident)


def test_backed_up_wiped_and_restored(compose: Project, after: Survives) -> None:
    """A backup while everything runs; the database's volume is lost; an empty one is refused; the backup comes back."""

    def accident() -> None:
        compose("stop", *SERVICES)
        compose.received()  # the last `up` makes everything anew
        compose.run("up", "-d", "--wait", "--no-deps", "api")  # only it, so that nothing new is recorded
        backup = compose.run("exec", "-T", "api", *BACKUP, "save", "-")
        compose("stop", "api")
        compose("rm", "-f", "-s", "postgres", "init")
        remove_volume(f"{compose.name}_postgres")
        start_postgres(compose)
        compose("start", "api")
        refused = "this database is empty, and this installation's is"
        until(lambda: refused in compose("logs", "--no-color", "--tail", "50", "api"), refused)
        compose("stop", "api")
        compose.run("run", "--rm", "-T", "--no-deps", "api", *BACKUP, "restore", "-", "--discard", given=backup)
        compose.up()

    after("backed up, wiped, restored", accident)


def start_postgres(compose: Project) -> None:
    """Start Postgres alone, with a volume that `init` has prepared."""
    compose("up", "-d", "--no-deps", "init")
    until(lambda: not compose("ps", "-q", "--status", "running", "init"), "init has ended")
    compose("up", "-d", "--wait", "--no-deps", "postgres")


def lay(compose: Project, dump: Path) -> None:
    """Begin again, with a database that a release has left."""
    compose.begin_anew()
    start_postgres(compose)
    password = "PGPASSWORD=$(cat /run/sevengate/postgres-password)"
    load = f"{password} psql -h 127.0.0.1 -U postgres -qv ON_ERROR_STOP=1 sevengate"
    compose.run("exec", "-T", "postgres", "sh", "-c", load, given=dump.read_bytes())


@pytest.mark.parametrize("release", RELEASES, ids=[path.stem for path in RELEASES])
def test_upgraded_from_a_release(compose: Project, lines: list[Line], release: Path) -> None:
    """The volume of a release's database, upgraded as docs/server.md says: its rows are there, and all runs on."""
    lay(compose, release)
    before, started = recorded(compose.rows, OF_ANY_RELEASE), time.monotonic()
    assert all(before.tables.values())
    compose("run", "--rm", "-T", "--no-deps", "api", *BACKUP, "upgrade")
    compose.up()
    until_scanning(compose)
    seconds = time.monotonic() - started
    until_received(compose, "signal:")
    until(lambda: not untold(compose, before.tables["alerts"]), "every alert told", 60)
    now = recorded(compose.rows)
    assert before.missing(now) == []
    lines.append(Line(f"upgraded from {release.stem}", seconds, f"{now}; lost 0, twice {compose.twice()}"))
