"""The disk forgets what was not synced, and nothing else: with programs that write to it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.power.disk import PAGE, Disk, NoCompilerError, compiled

WRITE = """
import os

def put(name, text, sync):
    with open(name, "ab") as file:
        file.write(text)
        file.flush()
        if sync:
            sync(file.fileno())

def sync_folder(name):
    folder = os.open(name, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)

os.chdir(os.environ["POWER_ROOT"])
"""


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """An empty one."""
    try:
        return Disk(tmp_path / "disk", tmp_path / "kept", compiled(tmp_path))
    except NoCompilerError as error:
        pytest.skip(str(error))


def write(disk: Disk, program: str) -> None:
    """Run *program* on *disk*."""
    subprocess.run([sys.executable, "-c", WRITE + program], env={**os.environ, **disk.environment}, check=True)


def contents(disk: Disk) -> dict[str, bytes]:
    """Return the files and what is in them."""
    return {str(path.relative_to(disk.root)): path.read_bytes() for path in disk.root.rglob("*") if path.is_file()}


def test_only_what_was_synced_is_left(disk: Disk) -> None:
    """A file's later bytes and a file that nobody synced are gone; what was there before is not."""
    write(disk, "put('old', b'old', os.fsync)")
    disk.cut()
    disk.come_back()
    write(disk, "put('a', b'one', os.fdatasync); put('a', b'two', None); put('b', b'never', None)")
    disk.cut()
    disk.come_back()
    assert contents(disk) == {"old": b"old", "a": b"one"}


def test_a_name_lasts_when_its_folder_is_synced(disk: Disk) -> None:
    """A renamed file has its old name until then, a removed one is there; a number that comes again is another file."""
    write(disk, "put('a', b'new', os.fsync); os.rename('a', 'b'); put('c', b'c', os.fsync); os.remove('c')")
    write(disk, "put('d', b'd', os.fsync)")  # may have the number of c
    disk.cut()
    disk.come_back()
    assert contents(disk) == {"a": b"new", "c": b"c", "d": b"d"}
    write(disk, "os.rename('a', 'b'); os.remove('c'); sync_folder('.')")
    disk.cut()
    disk.come_back()
    assert contents(disk) == {"b": b"new", "d": b"d"}


def test_a_renamed_folder_brings_its_files(disk: Disk) -> None:
    """As a database that is made beside its place."""
    write(
        disk, "os.makedirs('new/base'); put('new/base/1', b'1', os.fsync); os.rename('new', 'data'); sync_folder('.')"
    )
    disk.cut()
    disk.come_back()
    assert contents(disk) == {"data/base/1": b"1"}


def test_without_power_nothing_is_synced(disk: Disk) -> None:
    """A sync after the cut does not return."""
    disk.cut()
    program = "put('a', b'late', None); print('written', flush=True); put('a', b'late', os.fsync)"
    environment = {**os.environ, **disk.environment}
    with subprocess.Popen([sys.executable, "-c", WRITE + program], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()
    disk.come_back()
    assert contents(disk) == {}


def test_some_pages_may_be_left(disk: Disk) -> None:
    """Of what was not synced some pages are there, and of an appended file a beginning without a hole."""
    length = 20 * PAGE
    write(
        disk, f"put('log', b'x', os.fsync); put('log', b'y' * {length}, None); put('table', b'o' * {length}, os.fsync)"
    )
    write(disk, f"open('table', 'r+b').write(b'n' * {length})")
    disk.cut()
    disk.come_back("some pages", random.Random(1))
    found = contents(disk)
    assert found["log"] == b"x" + b"y" * (len(found["log"]) - 1)
    assert 1 < len(found["log"]) < length
    assert set(found["table"]) == set(b"on")
