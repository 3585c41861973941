"""Times in parameters: UNIX ms or ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(text: str) -> int:
    """Read UNIX ms, or ISO 8601 (UTC where no zone is named); raise ValueError with what is wrong."""
    if text.isdecimal():
        return int(text)
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"not a time: {text!r}; say 2026-01-31T14:05, or UNIX ms") from error
    return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1_000)
