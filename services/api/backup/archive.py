"""The file of a backup: a ZIP archive with a manifest that is written last and says what has to be in it.

``manifest.json`` lists every member with its SHA-256, so that a file that was cut off or changed is
recognised before anything is done with it.  Tables are in PostgreSQL's text form of COPY.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

import msgspec

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
PIECE: Final = 1 << 20  #: bytes that are in memory at a time
FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class BackupError(Exception):
    """A backup cannot be made or used; the text says why and what to do."""


class Partition(msgspec.Struct, frozen=True):
    """One month of a partitioned table."""

    name: str
    parent: str
    bounds: str  #: as PostgreSQL writes it: FOR VALUES FROM (…) TO (…)


class Table(msgspec.Struct, frozen=True):
    """One table's rows."""

    name: str
    columns: tuple[str, ...]
    rows: int
    digest: str  #: of its rows in any order: see `Rows`

    @property
    def member(self) -> str:
        """Where its rows are in the archive."""
        return member_of(self.name)


def member_of(table: str) -> str:
    """Return where the rows of *table* are in an archive."""
    return f"database/{table}.copy"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of, and what has to be in it."""

    format: int
    version: str  #: of Sevengate
    made_at: int  #: wall clock, UNIX ms
    instance: str
    source: str  #: real, simulated
    migrations: tuple[str, ...]
    partitions: tuple[Partition, ...]
    tables: tuple[Table, ...]
    digests: dict[str, str]  #: SHA-256 by member
    secrets: tuple[str, ...]  #: the members that hold passwords or tokens
    left_out: tuple[str, ...] = ()  #: tables whose rows are not in it on purpose


class Readable(Protocol):
    """Something that gives bytes until it gives none."""

    def read(self, size: int, /) -> bytes:
        """Return at most *size* bytes."""


class Writable(Protocol):
    """Something that takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Take *data*."""


class Digesting:
    """Hands bytes on and knows their SHA-256."""

    def __init__(self, sink: Writable) -> None:
        self._sink, self._hash = sink, hashlib.sha256()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hand *data* on."""
        piece = bytes(data)
        self._hash.update(piece)
        self._sink.write(piece)

    @property
    def digest(self) -> str:
        """The SHA-256 of what went through."""
        return self._hash.hexdigest()


class Rows:
    """Counts the rows of a COPY and adds up their SHA-256s: PostgreSQL gives equal tables in different orders."""

    def __init__(self) -> None:
        self.count, self._sum, self._rest = 0, 0, b""

    def take(self, piece: bytes) -> None:
        """Add what *piece* completes; in text form a row is a line."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self.count += len(lines)
        for line in lines:
            self._sum += int.from_bytes(hashlib.sha256(line).digest())

    @property
    def digest(self) -> str:
        """What two tables of the same rows have in common, and no others."""
        return f"{self._sum % (1 << 256):064x}"


class Nowhere:
    """Takes bytes and forgets them."""

    def write(self, data: bytes) -> None:
        """Forget *data*."""


class Writer:
    """An archive that is being made; what it is written to need not be seekable."""

    def __init__(self, target: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self.digests: dict[str, str] = {}

    @contextmanager
    def member(self, name: str) -> Iterator[Digesting]:
        """Give what writes the member *name*."""
        with self._zip.open(name, "w", force_zip64=True) as file:
            through = Digesting(file)
            yield through
        self.digests[name] = through.digest

    def abandon(self) -> None:
        """Write nothing more: an archive that is not finished stays without its manifest."""
        self._zip.fp = None

    def add_file(self, name: str, path: Path) -> None:
        """Add the file *path* as the member *name*."""
        with path.open("rb") as file, self.member(name) as member:
            while piece := file.read(PIECE):
                member.write(piece)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, which makes the archive whole."""
        self._zip.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        self._zip.close()


class Archive:
    """A backup that is read: its manifest holds, and `check` says whether the rest does."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        try:
            self._zip = zipfile.ZipFile(file)
            self.manifest = msgspec.json.decode(self._zip.read(MANIFEST), type=Manifest)
        except (zipfile.BadZipFile, KeyError, EOFError) as error:
            raise BackupError(f"{name} is no whole backup: it was cut off, or is another kind of file") from error
        except msgspec.MsgspecError as error:
            raise BackupError(f"{name} is not a backup that this version can read: {error}") from error
        if self.manifest.format != FORMAT:
            raise BackupError(
                f"{name} has format {self.manifest.format}, this version reads {FORMAT}: restore it with Sevengate"
                f" {self.manifest.version} or newer"
            )

    @contextmanager
    def open(self, member: str) -> Iterator[Readable]:
        """Give the bytes of *member*; raise `BackupError` where they are damaged."""
        try:
            with self._zip.open(member) as file:
                yield file
        except (zipfile.BadZipFile, KeyError, EOFError, OSError) as error:
            raise BackupError(f"{self.name} is damaged in {member}: use another backup") from error

    def check(self) -> None:
        """Read everything once; raise `BackupError` where a byte is not as it was written."""
        for member, digest in self.manifest.digests.items():
            through = Digesting(Nowhere())
            with self.open(member) as file:
                while piece := file.read(PIECE):
                    through.write(piece)
            if through.digest != digest:
                raise BackupError(f"{self.name} is damaged in {member}: use another backup")


@contextmanager
def reading(source: IO[bytes] | Path, spool: Path) -> Iterator[Archive]:
    """Give the backup in *source*; what cannot be sought in, such as a pipe, is kept in *spool* meanwhile."""
    if isinstance(source, Path):
        try:
            file = source.open("rb")
        except OSError as error:
            raise BackupError(f"{source} cannot be read: {error.strerror}") from error
        with file:
            yield Archive(file, str(source))
        return
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    with full_disk(spool), tempfile.TemporaryFile(dir=spool) as kept:
        while piece := source.read(PIECE):
            kept.write(piece)
        yield Archive(kept, "the backup on standard input")


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a file that takes the place *path* when it is whole and on the disk; only its owner may read it."""
    if path.exists():
        raise BackupError(f"{path} exists already: remove it, or choose another name")
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with (
            full_disk(path.parent),
            os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
        ):
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def full_disk(place: object) -> Iterator[None]:
    """Say in a sentence that there is no room at *place*."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise BackupError(f"there is no room left in {place}: nothing was changed; make room and try again") from error
