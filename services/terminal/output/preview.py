"""What a threshold would have changed, in a few lines; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

MOST: Final = 10  #: signals that are named of either kind


def lines(path: str, found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the answer *found* of `/api/what-if` says of the setting *path*."""
    now, then = found["current"], found["changed"]
    yield f"{path}, over the {found['scans']:,} scans stored of the last {found['days']} days; nothing is changed"
    yield f"  now: {_came_to(now)}"
    yield f"  with it:      {_came_to(then)}"
    for word, sign in (("gained", "+"), ("lost", "-")):
        for item in found[word][:MOST]:
            yield f"  {sign} {_signal(item)}"
        if len(found[word]) > MOST:
            yield f"  {sign} and {len(found[word]) - MOST} more"
    if found["note"]:
        yield found["note"]


def _came_to(side: Mapping[str, Any]) -> str:
    text = f"{side['signals']} signals in {side['alerts']} alerts"
    if not side["with_outcome"]:
        return f"{text}; no outcomes yet"
    return (
        f"{text}; of {side['with_outcome']} with an outcome {side['hit_rate']:.0%} hit, {side['mean_r_net']:+.2f} R net"
    )


def _signal(item: Mapping[str, Any]) -> str:
    at = datetime.fromtimestamp(item["scan_id"] / 1_000, UTC)
    result = "" if item["r_net"] is None else f" {item['r_net']:+.2f} R"
    return f"{at:%Y-%m-%d %H:%M} {item['symbol']} {item['side']}{result}"
