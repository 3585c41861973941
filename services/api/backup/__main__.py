"""The program of backups: `save`, `restore`, `verify` and `upgrade`, on the database that the environment names.

`./sevengate backup` and the like run it with the embedded database's address; in a container it is run as it is:
``docker compose exec -T api python -m services.api.backup save - > FILE``.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from services.api.backup import restore, save, upgrade
from services.api.backup.archive import BackupError, Manifest, full_disk
from services.api.backup.save import Sources
from services.api.store.ownership import UnusableDatabaseError
from shared.config.environment import Environment

PIPE: Final = "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it; return 1 where it could not be done, with a sentence on standard error."""
    options = _parser().parse_args(arguments)
    environment = Environment()
    sources = Sources(
        environment.database_url.get_secret_value(),
        environment.config,
        environment.data_dir,
        getattr(options, "history", False),
        not getattr(options, "no_decisions", False),
        getattr(options, "archive", False),
        environment.archive,
    )
    output = io.BufferedWriter(io.FileIO(sys.stdout.fileno(), "w", closefd=False))
    try:
        with redirect_stdout(sys.stderr), full_disk("the place of the backup"):
            _do(options, sources, environment, output)
            output.flush()
    except (BackupError, UnusableDatabaseError) as error:
        print(f"sevengate: {error}", file=sys.stderr)
        return 1
    return 0


def _do(options: argparse.Namespace, sources: Sources, environment: Environment, output: IO[bytes]) -> None:
    if options.work == "save":
        to_pipe = options.file == PIPE
        manifest = save.write(sources, output) if to_pipe else save.to_file(sources, Path(options.file))
        print(_summary("saved", manifest))
        count, size = save.left_behind(sources)
        if count:
            files = f"{count} file{'s' if count > 1 else ''}"
            print(f"not in it: the archive of decisions, {files} ({size / 1e6:,.1f} MB); --archive adds it")
        print(f"it holds secrets ({', '.join(manifest.secrets)}): keep it as you keep a password")
    elif options.work == "verify":
        print(_summary("holds", restore.verify(sources.url, _source(options), environment.backups)))
    elif options.work == "restore":
        done = restore.restore(sources, _source(options), environment.backups, discard=options.discard)
        print(_summary("restored", done.manifest))
        if done.aside:
            print(f"the database that was in use is kept as {done.aside}; --discard drops it next time")
        if done.config is not None:
            print(f"the settings of the backup: {done.config}")
    else:
        done_upgrade = upgrade.upgrade(sources, environment.backups, print)
        print(
            f"upgraded; the backup of before is {done_upgrade.backup}" if done_upgrade.pending else "up to date already"
        )


def _source(options: argparse.Namespace) -> IO[bytes] | Path:
    return sys.stdin.buffer if options.file == PIPE else Path(options.file)


def _summary(done: str, manifest: Manifest) -> str:
    at = datetime.fromtimestamp(manifest.made_at / 1_000, UTC)
    rows = sum(table.rows for table in manifest.tables)
    without = f", without {', '.join(manifest.left_out)}" if manifest.left_out else ""
    return (
        f"{done}: {rows} rows of {len(manifest.tables)} tables{without}, as they were at {at:%Y-%m-%d %H:%M:%S} UTC"
        f" (Sevengate {manifest.version}, {manifest.source or 'unknown'} market)"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sevengate", description="Backups of the database and the settings.")
    work = parser.add_subparsers(dest="work", required=True)
    saving = work.add_parser("save", help="make a backup while everything runs; - is standard output")
    saving.add_argument("--history", action="store_true", help="the five-minute history's files too")
    saving.add_argument("--no-decisions", action="store_true", help="not every coin of every scan: most of the size")
    saving.add_argument("--archive", action="store_true", help="the archived months of decisions too")
    restoring = work.add_parser("restore", help="replace the database by a backup; Sevengate must not run")
    restoring.add_argument("--discard", action="store_true", help="drop the database that was in use")
    verifying = work.add_parser("verify", help="restore into a database that is dropped again")
    for each in (saving, restoring, verifying):
        each.add_argument("file")
    work.add_parser("upgrade", help="backup, verify, migrate; else everything as it was")
    return parser


if __name__ == "__main__":
    sys.exit(main())
