"""Backups: made while the database is written to, verified before they count, and restored completely."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from services.api.backup import restore, save, scratch, tables
from services.api.backup.archive import MANIFEST, BackupError, Nowhere, Rows, Table
from services.api.backup.save import Sources
from services.api.recorder import Statements
from services.api.store import ownership
from services.api.store.archive.closing import MarketArchive, close_month
from services.api.store.database import Database
from shared.config.environment import MARKET
from tests.conftest import ROOT
from tests.integration.api import facts

NOTE = """
    INSERT INTO price_alerts (market, price_alert_id, symbol, condition, value, window_seconds, repeat,
        cooldown_seconds, note, created_at)
    VALUES ('binance-um', %s, 'BTCUSDT', 'above', 0.1::float8 + 0.2::float8, 0, false, 0, %s, 1)
"""
CHANGE = """INSERT INTO settings_changes (at, patch) VALUES (%s, '{"destinations": {"room": {"url": "secret"}}}')"""


@pytest.fixture
def sources(fresh_database: str, tmp_path: Path) -> Sources:
    """A database with rows of every awkward kind, and a settings' file."""
    asyncio.run(record(fresh_database))
    with psycopg.connect(fresh_database) as connection:
        connection.execute(NOTE.encode(), ["p1", "a tab\t, a \\ and a\nline"])
        connection.execute(NOTE.encode(), ["p2", "\\."])
        for at in range(3):
            connection.execute(CHANGE.encode(), [at])
    config = tmp_path / "config.yaml"
    config.write_text("thresholds: {score: 71}\n")
    return Sources(fresh_database, config, tmp_path / "data")


async def record(url: str) -> None:
    """Store what the other services would send, of two months, as the API does."""
    database, statements = Database(url), Statements()
    assert await database.start()
    for scan in (facts.SCAN, facts.SCAN + 40 * 86_400_000):
        for number in range(50):
            statements.add(facts.decision(f"C{number}USDT", scan))
    statements.add(facts.signal_alert())
    statements.add(facts.report(facts.signal_alert().alert_id))
    async with database.connection() as connection:
        await database.ensure_partitions(connection, statements.scans)
        await statements.store(connection)
    await database.close()


def contents(url: str) -> dict[str, Table]:
    """Return how many rows every table has, and which."""
    found = {}
    with tables.connect(url) as connection:
        for name, names in tables.columns(connection).items():
            found[name] = tables.copy_out(connection, name, names, Nowhere())
    return found


def databases(url: str) -> set[str]:
    """Return the names of this test's databases and of scratch ones."""
    with scratch.server(url) as connection:
        names = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
    return {name for name in names if name.startswith((scratch.name_in(url), "sevengate_scratch"))}


def wipe(url: str) -> None:
    with scratch.server(url) as connection:
        name = sql.Identifier(scratch.name_in(url))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))


@pytest.fixture
def writing(sources: Sources) -> Iterator[None]:
    """A writer that adds a scan and its settings' version together, all the time."""
    done, begun = threading.Event(), threading.Event()

    def write() -> None:
        number = 0
        with psycopg.connect(sources.url) as connection:
            while not done.is_set():
                number += 1
                connection.execute("INSERT INTO scans (market, scan_id) VALUES ('binance-um', %s)", [number])
                connection.execute("INSERT INTO settings_versions VALUES (%s, 1, '{}')", [number])
                connection.commit()
                begun.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(30)
    yield
    done.set()
    thread.join()


def test_a_backup_while_writing_is_of_one_moment(sources: Sources, writing: None, tmp_path: Path) -> None:
    """What was committed together is there together, whichever table is read last."""
    manifest = save.to_file(sources, tmp_path / "b.zip")
    rows = {table.name: table.rows for table in manifest.tables}
    assert rows["scans"] == rows["settings_versions"] > 0
    assert restore.verify(sources.url, tmp_path / "b.zip", tmp_path) == manifest


def test_wiped_and_restored_every_row_is_equal(sources: Sources, tmp_path: Path) -> None:
    """Values, order of changes, partitions, the instance and the settings' file come back; the file is private."""
    path = tmp_path / "b.zip"
    save.to_file(sources, path)
    assert path.stat().st_mode & 0o777 == 0o600
    before = contents(sources.url)
    wipe(sources.url)
    sources.config.unlink()
    done = restore.restore(sources, path, tmp_path, discard=True)
    assert contents(sources.url) == before
    assert sources.config.read_text() == "thresholds: {score: 71}\n"
    assert done.config == sources.config
    assert (sources.data_dir / "instance").read_text() == done.manifest.instance
    assert databases(sources.url) == {scratch.name_in(sources.url)}
    with psycopg.connect(sources.url) as connection:  # numbers go on behind those that are there
        ownership.examine(connection, sources.data_dir, done.manifest.migrations)
        row = connection.execute(f"{CHANGE} RETURNING change_id".encode(), [9]).fetchone()
        assert row == (4,)


def test_what_was_there_is_kept_beside_it(sources: Sources, tmp_path: Path) -> None:
    """A restore over rows does not destroy them; settings that differ are not overwritten."""
    save.to_file(sources, tmp_path / "b.zip")
    sources.config.write_text("thresholds: {score: 80}\n")
    with psycopg.connect(sources.url) as connection:
        connection.execute("INSERT INTO scans (market, scan_id) VALUES ('binance-um', 1)")
    later = contents(sources.url)
    done = restore.restore(sources, tmp_path / "b.zip", tmp_path)
    assert contents(scratch.named(sources.url, done.aside)) == later
    assert contents(sources.url) != later
    assert sources.config.read_text() == "thresholds: {score: 80}\n"
    assert done.config is not None
    assert done.config.read_text() == "thresholds: {score: 71}\n"


def test_rows_are_compared_whatever_their_order() -> None:
    """PostgreSQL fills pages as it likes: the same rows are the same table, another row is another one."""

    def digest(*pieces: bytes) -> tuple[int, str]:
        rows = Rows()
        for piece in pieces:
            rows.take(piece)
        return rows.count, rows.digest

    assert digest(b"1\ta\n2\tb\n") == digest(b"2\t", b"b\n1\ta", b"\n")
    assert digest(b"1\ta\n2\tb\n") != digest(b"1\tb\n2\ta\n")
    assert digest(b"1\ta\n") != digest(b"1\ta\n1\ta\n")


def test_rows_that_were_restored_as_others_are_noticed(sources: Sources, tmp_path: Path) -> None:
    """An archive that is whole, of rows that the manifest does not know: nothing is changed."""
    save.to_file(sources, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        manifest = archive.read(MANIFEST)
        changed = archive.read("database/decisions.copy").replace(b"C7USDT", b"C77USDT", 1)
        kept = hashlib.sha256(archive.read("database/decisions.copy")).hexdigest()
    manifest = manifest.replace(kept.encode(), hashlib.sha256(changed).hexdigest().encode())
    path = rewritten(tmp_path / "b.zip", {MANIFEST: manifest, "database/decisions.copy": changed})
    with pytest.raises(BackupError, match="the restored rows of decisions differ from the backup"):
        restore.restore(sources, path, tmp_path)


def test_secrets_are_marked(sources: Sources, tmp_path: Path) -> None:
    """The manifest names the members that hold passwords."""
    manifest = save.to_file(sources, tmp_path / "b.zip")
    assert manifest.secrets == ("config.yaml", "database/settings_changes.copy")


def test_the_history_comes_along_when_it_is_wanted(sources: Sources, tmp_path: Path) -> None:
    """Its files are put back where they are missing."""
    month = sources.data_dir / "history" / "BTCUSDT" / "2025-09.parquet"
    month.parent.mkdir(parents=True)
    month.write_bytes(b"PAR1")
    save.to_file(Sources(sources.url, sources.config, sources.data_dir, history=True), tmp_path / "b.zip")
    month.unlink()
    restore.restore(sources, tmp_path / "b.zip", tmp_path, discard=True)
    assert month.read_bytes() == b"PAR1"
    assert "history/BTCUSDT/2025-09.parquet" not in save.to_file(sources, tmp_path / "c.zip").digests


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(sources: Sources, tmp_path: Path, kept: float) -> None:
    """Nothing is touched, whichever part of it is left."""
    path, before = tmp_path / "b.zip", contents(sources.url)
    save.to_file(sources, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept if kept >= 1 else kept * len(data))])
    with pytest.raises(BackupError, match="is no whole backup: it was cut off"):
        restore.restore(sources, path, tmp_path)
    assert contents(sources.url) == before
    assert databases(sources.url) == {scratch.name_in(sources.url)}


def test_a_changed_byte_is_noticed(sources: Sources, tmp_path: Path) -> None:
    """The manifest's digests count, not the archive's own checks."""
    save.to_file(sources, tmp_path / "b.zip")
    changed = rewritten(tmp_path / "b.zip", {"database/scans.copy": b"binance-um\t7\n"})
    with pytest.raises(BackupError, match=r"is damaged in database/scans.copy: use another backup"):
        restore.restore(sources, changed, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (b'"0001.initial"', b'"0001.initial", "9999.later"', "was made by a newer Sevengate .* upgrade this one first"),
        (b'"format": 1', b'"format": 2', "has format 2, this version reads 1: restore it with"),
        (b'"name": "mutes"', b'"name": "other"', r"is not of this Sevengate's tables \(other, mutes differ\)"),
        (b'"format": 1', b'"fromage": 1', "is not a backup that this version can read"),
    ],
)
def test_a_foreign_or_newer_backup_is_refused(
    sources: Sources, tmp_path: Path, old: bytes, new: bytes, sentence: str
) -> None:
    """It says which version it needs, and changes nothing."""
    save.to_file(sources, tmp_path / "b.zip")
    before = contents(sources.url)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        manifest = archive.read(MANIFEST).replace(old, new)
        moved = {"database/other.copy": archive.read("database/mutes.copy")} if b"mutes" in old else {}
    if moved:
        manifest = manifest.replace(b"database/mutes.copy", b"database/other.copy")
    with pytest.raises(BackupError, match=sentence):
        restore.restore(sources, rewritten(tmp_path / "b.zip", {MANIFEST: manifest, **moved}), tmp_path)
    assert contents(sources.url) == before
    assert databases(sources.url) == {scratch.name_in(sources.url)}


def rewritten(path: Path, members: dict[str, bytes]) -> Path:
    """Return a copy of the archive with other *members*."""
    other = path.with_name("rewritten.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            if name not in members:
                new.writestr(name, old.read(name))
        for name, data in members.items():
            new.writestr(name, data)
    return other


def test_a_database_in_use_is_not_replaced(sources: Sources, tmp_path: Path) -> None:
    """A running Sevengate is reported."""
    save.to_file(sources, tmp_path / "b.zip")
    with (
        psycopg.connect(sources.url),
        pytest.raises(BackupError, match=r"1 connections use the database .*: stop Sevengate first"),
    ):
        restore.restore(sources, tmp_path / "b.zip", tmp_path)


def test_decisions_can_be_left_out(sources: Sources, tmp_path: Path) -> None:
    """Everything else comes back; that they are missing is said."""
    before = contents(sources.url)
    lean = Sources(sources.url, sources.config, sources.data_dir, decisions=False)
    assert save.to_file(lean, tmp_path / "b.zip").left_out == save.DECISIONS
    restore.restore(sources, tmp_path / "b.zip", tmp_path, discard=True)
    after = contents(sources.url)
    assert [after.pop(name).rows for name in save.DECISIONS] == [0, 0, 0]
    assert [before.pop(name).rows for name in save.DECISIONS] == [100, 1, 100]
    assert after == before


def test_a_file_that_is_there_is_not_overwritten(sources: Sources, tmp_path: Path) -> None:
    """An older backup is not lost to a slip."""
    (tmp_path / "b.zip").write_text("older")
    with pytest.raises(BackupError, match="exists already: remove it, or choose another name"):
        save.to_file(sources, tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_text() == "older"


def test_a_full_disk_is_said_and_leaves_nothing(sources: Sources, tmp_path: Path, program: Program) -> None:
    """The device that is always full: a sentence, and no half of a file."""
    ended = program("save", "-", stdout=Path("/dev/full"))
    assert ended.returncode == 1
    said = ended.stderr.decode().splitlines()[-1]
    assert said == (
        "sevengate: there is no room left in the place of the backup: nothing was changed; make room and try again"
    )


def test_a_full_disk_of_the_database_is_said_and_leaves_nothing(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy to check it in does not fit: the database in use is as it was, and the copy is gone."""
    save.to_file(sources, tmp_path / "b.zip")
    before = contents(sources.url)

    def full(url: str, only: object = None) -> None:
        raise psycopg.errors.DiskFull("could not extend file")

    monkeypatch.setattr(scratch, "migrate", full)
    with pytest.raises(BackupError, match="the database's disk is full: nothing was changed; make room"):
        restore.restore(sources, tmp_path / "b.zip", tmp_path)
    assert contents(sources.url) == before
    assert databases(sources.url) == {scratch.name_in(sources.url)}


def test_through_pipes(sources: Sources, tmp_path: Path, program: Program) -> None:
    """As it is done with containers: out of one and into another."""
    made = program("save", "-")
    assert made.returncode == 0, made.stderr
    assert b"it holds secrets (config.yaml, " in made.stderr
    before = contents(sources.url)
    wipe(sources.url)
    back = program("restore", "-", "--discard", given=made.stdout)
    assert back.returncode == 0, back.stderr
    assert contents(sources.url) == before
    with zipfile.ZipFile(io.BytesIO(made.stdout)) as archive:
        assert archive.read("config.yaml") == b"thresholds: {score: 71}\n"


class Program:
    """`python -m services.api.backup` on the test's database."""

    def __init__(self, sources: Sources) -> None:
        self.environment = os.environ | {
            "SEVENGATE_DATABASE_URL": sources.url,
            "SEVENGATE_DATA_DIR": str(sources.data_dir),
            "SEVENGATE_CONFIG": str(sources.config),
        }

    def __call__(
        self, *arguments: str, given: bytes = b"", stdout: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        argv = [sys.executable, "-m", "services.api.backup", *arguments]
        with open(stdout or os.devnull, "wb") as file:
            return subprocess.run(
                argv,
                cwd=ROOT,
                env=self.environment,
                input=given,
                stdout=file if stdout else subprocess.PIPE,
                stderr=subprocess.PIPE,
                check=False,
            )


@pytest.fixture
def program(sources: Sources) -> Program:
    return Program(sources)


def test_the_archive_comes_back_with_a_backup_that_has_it(sources: Sources, tmp_path: Path) -> None:
    """Without it the backup says how much is not in it; a file that is there stays."""
    close_month(MarketArchive(sources.url, MARKET, sources.archived), "2025-09")
    (path,) = sources.archived.glob("decisions/*/*.parquet")
    whole = path.read_bytes()
    assert save.left_behind(sources) == (1, len(whole))
    save.to_file(sources, tmp_path / "without.zip")
    wanting = replace(sources, archive=True)
    assert save.left_behind(wanting) == (0, 0)
    save.to_file(wanting, tmp_path / "with.zip")
    path.unlink()
    restore.restore(sources, tmp_path / "without.zip", tmp_path / "spool", discard=True)
    assert not path.exists()
    restore.restore(sources, tmp_path / "with.zip", tmp_path / "spool", discard=True)
    assert path.read_bytes() == whole
    with psycopg.connect(sources.url) as connection:
        row = connection.execute("SELECT month, file, rows FROM archived_months").fetchone()
    assert row == ("2025-09", path.name, 50)


def test_the_program_says_that_the_archive_is_not_in_a_backup(sources: Sources, tmp_path: Path) -> None:
    """And with --archive nothing of the kind."""
    close_month(MarketArchive(sources.url, MARKET, sources.archived), "2025-09")
    own = {"SEVENGATE_DATABASE_URL": sources.url, "SEVENGATE_DATA_DIR": str(sources.data_dir)}
    own |= {"SEVENGATE_CONFIG": str(sources.config)}
    said = []
    for number, words in enumerate(([], ["--archive"])):
        command = [sys.executable, "-m", "services.api.backup", "save", str(tmp_path / f"{number}.zip"), *words]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | own, check=True, capture_output=True, text=True)
        said.append(done.stderr)
    assert "not in it: the archive of decisions, 1 file (" in said[0]
    assert "not in it" not in said[1]
