"""Look for credentials among the committed files: what has the shape of one, and is none of the examples."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
SHAPES: Final = {
    "Telegram bot token": rb"\b\d{8,10}:AA[\w-]{33}\b",
    "Discord webhook": rb"discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,}",
    "private key": rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}",
    "GitHub token": rb"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    "AWS key": rb"\bAKIA[0-9A-Z]{16}\b",
    "Slack token": rb"\bxox[abprs]-[\w-]{20,}",
    "key of this API": rb"\bsg_[\w-]{43}\b",
    "password in an address": rb"(?:postgres(?:ql)?|rediss?)://\w*:[\w-]{20,}@",
}
FOUND: Final = {name: re.compile(shape) for name, shape in SHAPES.items()}


def found_in(data: bytes) -> list[tuple[int, str]]:
    """Return line and kind of everything in *data* that looks like a credential; one letter repeated is an example."""
    matches = [(match, kind) for kind, shape in FOUND.items() for match in shape.finditer(data)]
    return sorted(
        (data.count(b"\n", 0, match.start()) + 1, kind) for match, kind in matches if len(set(match.group()[-20:])) > 5
    )


def main() -> int:
    """Print each with its place, never the credential itself; return 1 where there is one."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    hits = [(path, *hit) for path in paths if path.is_file() for hit in found_in(path.read_bytes())]
    for path, line, kind in hits:
        print(f"{path.relative_to(ROOT)}:{line}: looks like a {kind}: remove it and revoke it", file=sys.stderr)
    return 1 if hits else 0


if __name__ == "__main__":
    sys.exit(main())
