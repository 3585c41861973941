"""Build the kernels: python -m shared.kernels.build

Writes those of `KERNEL_FOLDERS` as one Cython module and compiles that into `build/kernels` of this checkout, where
`shared.kernels` looks for it.  Does nothing where the sources are those that it was built from.  Ends with 1 and a
sentence where it cannot be built.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from shared.kernels import FOLDER, KERNELS, LIBRARY, MODULE
from shared.kernels.source import module_source
from shared.kernels.types import KernelError

ROOT: Final = FOLDER.parents[1]
KERNEL_FOLDERS: Final = ("services/analyzer/domain",)  #: whose modules have kernels
STAMP: Final = LIBRARY.with_suffix(".stamp")
MARK: Final = "@kernel\n"
#: What makes C's numbers those of Python: no product and sum in one rounding, on every machine.
FLAGS: Final = ("-O3", "-fPIC", "-fwrapv", "-fno-strict-aliasing", "-ffp-contract=off", "-fno-fast-math", "-w")
SHARED: Final = ("-bundle", "-undefined", "dynamic_lookup") if sys.platform == "darwin" else ("-shared",)


class BuildError(Exception):
    """The kernels cannot be built here; the message says what is missing."""


def build() -> bool:
    """Build the kernels; return whether there was anything to do."""
    if is_current():
        return False
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_current():  # another process has built them
            return False
        digest = _digest()
        for path in _sources():
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        with TemporaryDirectory(dir=FOLDER) as scratch:
            os.replace(_compiled(Path(scratch)), LIBRARY)
        STAMP.write_text(digest)
    return True


def is_current() -> bool:
    """Return whether the library was built from the sources that are here."""
    return LIBRARY.exists() and STAMP.exists() and STAMP.read_text() == _digest()


def _sources() -> list[Path]:
    """Return the modules that have kernels."""
    paths = [path for folder in KERNEL_FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in paths if MARK in path.read_text("utf-8")]


def _digest() -> str:
    """Return a digest of the kernels' modules, and of what builds them."""
    paths = [*sorted(Path(__file__).parent.glob("*.py")), *_sources()]
    return hashlib.blake2b(b"".join(path.read_bytes() for path in paths), digest_size=12).hexdigest()


def _compiled(scratch: Path) -> Path:
    """Return the compiled library, in *scratch*."""
    compiler, headers = _compiler(), Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        raise BuildError(f"Python.h is not in {headers} (on Debian: apt-get install python3-dev)")
    (scratch / f"{MODULE}.pyx").write_text(module_source(KERNELS.values()), "utf-8")
    translate = [sys.executable, "-m", "cython", "-3", f"{MODULE}.pyx", "-o", f"{MODULE}.c"]
    _run(translate, scratch, "Cython refused them; is it installed? ('make setup')")
    link = [*compiler, *FLAGS, *SHARED, f"-I{headers}", f"{MODULE}.c", "-o", LIBRARY.name, "-lm"]
    _run(link, scratch, f"{compiler[0]} refused them")
    return scratch / LIBRARY.name


def _compiler() -> list[str]:
    """Return the C compiler's command: CC, the one that Python was built with, or one that is there."""
    for command in (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc", "gcc", "clang"):
        words = shlex.split(command or "")
        if words and shutil.which(words[0]):
            return words[:1]
    raise BuildError("there is no C compiler (on Debian: apt-get install gcc libc6-dev)")


def _run(command: Sequence[str], folder: Path, refusal: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{refusal}\n{done.stdout}{done.stderr}".strip())


def main() -> int:
    """Run the command."""
    try:
        if build():
            print(f"sevengate: compiled {len(KERNELS)} kernels", file=sys.stderr)
    except (BuildError, KernelError, OSError) as error:
        print(f"sevengate: the kernels could not be compiled: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
