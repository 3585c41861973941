"""A disk whose power is cut: what was not synced is gone, or a part of it is there."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

SOURCE: Final = Path(__file__).with_name("durable.c")
PAGE: Final = 4_096
#: what becomes of what nobody synced: none of it is there, or of each file some of its changed pages
Left = Literal["nothing", "some pages"]


class NoCompilerError(Exception):
    """There is no C compiler here, or it cannot make the library."""


def compiled(folder: Path) -> Path:
    """Return the library to preload, made in *folder*; raise `NoCompilerError`."""
    compiler, library = shutil.which("cc"), folder / "durable.so"
    if compiler is None:
        raise NoCompilerError("no C compiler (apt-get install gcc libc6-dev)")
    argv = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoCompilerError(done.stderr)
    return library


@dataclass
class Disk:
    """A folder, and a copy of it as of the last sync of each of its files."""

    root: Path  #: what the programs write to
    kept: Path  #: the copy
    library: Path  #: see `compiled`
    _calls: ctypes.CDLL = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.root = self.root.resolve()  # as the kernel names it
        self._calls = ctypes.CDLL(str(self.library))
        self._begin()

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to write on this disk."""
        return {"LD_PRELOAD": str(self.library), "POWER_ROOT": str(self.root), "POWER_KEPT": str(self.kept)}

    def cut(self) -> None:
        """From now on nothing more is synced; whoever tries waits until it is killed."""
        (self.kept / "off").touch()

    def come_back(self, left: Left = "nothing", source: random.Random | None = None) -> None:
        """Make the folder what the cut has left; every program that used it is dead."""
        after = self.kept / "after"
        shutil.copytree(self.kept / "tree", after)
        if left == "some pages":
            self._tear(after, source or random.Random())
        for path in (self.root, *self.root.rglob("*")):
            if (after / path.relative_to(self.root)).exists():
                shutil.copystat(path, after / path.relative_to(self.root))
        shutil.rmtree(self.root)
        after.rename(self.root)
        shutil.rmtree(self.kept)
        self._begin()

    def sync(self) -> None:
        """Sync all that is there."""
        for path in (*self.root.rglob("*"), self.root):
            descriptor = os.open(path, os.O_RDONLY)
            done = self._calls.power_keep(bytes(self.root), bytes(self.kept), descriptor)
            os.close(descriptor)
            if done < 0:
                raise OSError(f"{path} was not kept: does this file system tell when a file was born?")

    def _begin(self) -> None:
        """What is there now has always been there."""
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in (self.kept, self.kept / "inodes", self.kept / "tree"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)  # Postgres' user syncs, too
        self.sync()

    def _tear(self, after: Path, source: random.Random) -> None:
        """Let some of the pages be there that were written and not synced; a file that grew, to some length."""
        keys = {path.stat().st_ino: path.name for path in (self.kept / "inodes").iterdir()}
        for path in sorted(path for path in (self.kept / "tree").rglob("*") if path.is_file()):
            live = self.root / path.relative_to(self.kept / "tree")
            if not live.is_file() or self._key(live) != keys[path.stat().st_ino]:
                continue  # another file has the name by now, and the folder was not synced
            synced, written = path.read_bytes(), live.read_bytes()
            length = source.randint(len(synced), len(written)) if len(written) > len(synced) else len(synced)
            pages = bytearray(synced.ljust(length, b"\0"))
            for at in range(0, length, PAGE):
                page = written[at : min(at + PAGE, length)]
                # a file's length grows after its pages are there: no hole in what was appended
                if page and (at + PAGE > len(synced) or source.random() < 0.5):
                    pages[at : at + len(page)] = page
            (after / path.relative_to(self.kept / "tree")).write_bytes(pages)

    def _key(self, path: Path) -> str:
        key = ctypes.create_string_buffer(128)
        at_cwd = -100
        self._calls.power_key(at_cwd, bytes(path), key, len(key))
        return key.value.decode()
