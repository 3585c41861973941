"""Turns what walk.py stored into docs/scoring.md and its plots.

    python docs/scoring/report.py FIRST_HALF_FOLDER SECOND_HALF_FOLDER

Signals are counted as the gatekeeper does: the seven gates, persistence over the scan exactly five minutes before, one
open signal a symbol and side until its target or stop is touched or 24 hours have passed, an hour's cooldown after.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rescore import REGIMES, SETTINGS, Walked, load, rescored

from services.analyzer.domain.score import CEILING, GROUP_WEIGHTS, GROUPS, LOUDNESS, VOLATILE_VOLUME

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
HERE: Final = Path(__file__).parent
GATES: Final = ("score", "fmqs", "squeeze", "volume", "groups", "timeframes", "persistence")
JUDGED: Final = ("15m", "1h", "4h")
SCANS_A_DAY: Final = 288
FIVE: Final = 300_000


def gates(one: Walked, *, without: Sequence[str] = (), groups: int = SETTINGS.thresholds.groups) -> Flags:
    """Return which of the seven gates each scan passes, shape (7, scans); those in *without* always pass."""
    limits, side = SETTINGS.thresholds, one["side"]
    side_scores = [np.where(side > 0, one[f"{name} long"], one[f"{name} short"]) for name in JUDGED]
    passed = {
        "score": one["score"] >= limits.score,
        "fmqs": np.nan_to_num(one["fmqs"], nan=-1.0) >= limits.fmqs,
        "squeeze": (one["squeeze_15m"] + one["squeeze_1h"]) == 0,
        "volume": (one["ratio_3"] >= limits.volume_ratio)
        & (side * one["taker_delta"] > 0)
        & (side * one["obv_slope"] > 0),
        "groups": one["groups"] >= groups,
        "timeframes": sum((score >= limits.score).astype(int) for score in side_scores) >= limits.timeframes,
    }
    for name in without:
        passed[name] = np.ones(len(side), dtype=bool)
    appeared = np.all(list(passed.values()), axis=0)
    before = np.zeros(len(side), dtype=bool)
    before[1:] = appeared[:-1] & (side[:-1] == side[1:]) & (np.diff(one["scan_id"]) == FIVE)
    return np.array([*passed.values(), before], dtype=np.bool_)


def marginal(flags: Flags, gate: int) -> Flags:
    """Return the scans that this gate alone refuses."""
    return np.asarray(np.delete(flags, gate, axis=0).all(axis=0) & ~flags[gate])


def signals(one: Walked, candidates: Flags) -> list[int]:
    """Return the scans at which a signal opens: one open one a side, and a cooldown after its end."""
    opened, free = [], {1.0: -np.inf, -1.0: -np.inf}
    for at in np.flatnonzero(candidates):
        side, now = float(one["side"][at]), float(one["scan_id"][at])
        if now >= free[side]:
            opened.append(int(at))
            free[side] = end_of(one, int(at)) + SETTINGS.lifecycle.cooldown_hours * 3_600_000
    return opened


def end_of(one: Walked, at: int) -> float:
    """Return when the signal that opens at *at* touches its target or stop, or expires."""
    expiry = one["scan_id"][at] + SETTINGS.lifecycle.expiry_hours * 3_600_000
    side, stop, target = one["side"][at], one["stop"][at], one["target"][at]
    later = slice(at + 1, None)
    high, low = one["high"][later], one["low"][later]
    touched = (low <= stop) | (high >= target) if side > 0 else (high >= stop) | (low <= target)
    ends = one["scan_id"][later][touched & (one["scan_id"][later] <= expiry)]
    return float(ends[0]) if len(ends) else float(expiry)


@dataclass
class Half:
    """What one half of the span gave."""

    walked: list[Walked]
    without: tuple[str, ...] = ()
    groups: int = SETTINGS.thresholds.groups

    def __post_init__(self) -> None:
        self.flags = [gates(one, without=self.without, groups=self.groups) for one in self.walked]
        self.opened = self.opened_by(len(GATES))
        self.coin_days = sum(len(one.rows) for one in self.walked) / SCANS_A_DAY

    @property
    def score(self) -> Floats:
        return np.concatenate([one["score"] for one in self.walked])

    @property
    def regime(self) -> Floats:
        return np.concatenate([one["regime"] for one in self.walked])

    def opened_by(self, first: int) -> list[list[int]]:
        """Return each symbol's scans at which a signal would open were there only the first so many gates."""
        return [signals(one, flags[:first].all(axis=0)) for one, flags in zip(self.walked, self.flags, strict=True)]

    def of_signals(self, name: str) -> Floats:
        """Return a column's values at the scans that open a signal."""
        return np.concatenate([one[name][opened] for one, opened in zip(self.walked, self.opened, strict=True)])

    def count(self) -> int:
        return sum(len(opened) for opened in self.opened)

    def a_day(self, count: float) -> float:
        """Return *count* as a figure a day for 40 coins."""
        return count / self.coin_days * 40

    def passing(self, first: int) -> float:
        """Return the scans a day that pass the first so many gates."""
        return self.a_day(sum(int(flags[:first].all(axis=0).sum()) for flags in self.flags))

    def own(self, gate: int) -> float:
        """Return the share of scans that pass a gate on its own."""
        return float(np.concatenate([flags[gate] for flags in self.flags]).mean())

    def marginal(self, gate: int) -> int:
        return sum(int(marginal(flags, gate).sum()) for flags in self.flags)

    def weak(self) -> float:
        """Return the share of signals whose ratio is below the threshold."""
        ratios = self.of_signals("reward_to_risk")
        return float((ratios < SETTINGS.analysis.weak_ratio).mean()) if len(ratios) else float("nan")

    def span(self) -> str:
        days = sorted({int(day) for one in self.walked for day in (one["scan_id"] - FIVE) // 86_400_000})
        dates = [str(np.datetime64(day, "D")) for day in days]
        coins = f"{len(self.walked)} coins, {len(self.score):,} scans of a coin"
        return f"{coins}, {len(dates)} days from {dates[0]} to {dates[-1]}"


def distribution(half: Half) -> list[str]:
    """Return the table of the score by regime."""
    lines = ["| regime | share | median | 90 % | 99 % | 99.9 % | ≥ 65 |", "|---|---|---|---|---|---|---|"]
    for number, name in [(-1, "all"), *enumerate(REGIMES)]:
        scores = half.score if number < 0 else half.score[half.regime == number]
        if not len(scores):
            continue
        low, high, top, most = np.percentile(scores, [50, 90, 99, 99.9])
        share = len(scores) / len(half.score)
        passing = (scores >= SETTINGS.thresholds.score).mean()
        lines.append(f"| {name} | {share:.1%} | {low:.1f} | {high:.1f} | {top:.1f} | {most:.1f} | {passing:.2%} |")
    return lines


def gate_table(half: Half) -> list[str]:
    """Return the table of the gates."""
    lines = [
        "| gate | passes on its own | scans a day that pass it and all before | signals a day with it and all before "
        "| scans refused by it alone |",
        "|---|---|---|---|---|",
    ]
    for number, name in enumerate(GATES):
        alone = "left out" if name in half.without else f"{half.marginal(number)}"
        opened = half.a_day(sum(len(one) for one in half.opened_by(number + 1)))
        passing = half.passing(number + 1)
        lines.append(f"| {number + 1} {name} | {half.own(number):.1%} | {passing:.1f} | {opened:.1f} | {alone} |")
    return lines


def group_thresholds(half: Half) -> list[str]:
    """Return what gate 5 would do at other thresholds."""
    lines = ["| groups asked for | refused by gate 5 alone | by gate 6 alone | signals a day |", "|---|---|---|---|"]
    for least in (3, 4, 5, 6):
        other = Half(half.walked, half.without, least)
        lines.append(f"| {least} | {other.marginal(4)} | {other.marginal(5)} | {other.a_day(other.count()):.1f} |")
    return lines


def summary(half: Half) -> str:
    regimes, sides = half.of_signals("regime"), half.of_signals("side")
    told = ", ".join(f"{int((regimes == number).sum())} {name}" for number, name in enumerate(REGIMES))
    ranging = REGIMES.index("RANGING")
    still = (half.of_signals("15m regime") == ranging) | (half.of_signals("4h regime") == ranging)
    told += f" (1h ranging and 15m or 4h as well: {int((still & (regimes == ranging)).sum())})"
    return (
        f"{half.count()} signals: **{half.a_day(half.count()):.1f} a day for 40 coins** "
        f"(one open signal a coin and side, cooldown {SETTINGS.lifecycle.cooldown_hours:g} h); "
        f"{half.weak():.0%} of them WEAK; {told}; {int((sides > 0).sum())} long, {int((sides < 0).sum())} short."
    )


def ranging(half: Half) -> list[str]:
    """Return how far scores reach where the market ranges, as shipped and with RANGING turned up."""
    lines = [
        "| RANGING: loudness, ceiling | median of all | where all three intervals range: 99 %, highest "
        "| 1h ranges and scores ≥ 65 by itself | of those ≥ 3, ≥ 5 groups agree | of those the score is ≥ 65 |",
        "|---|---|---|---|---|---|",
    ]
    shipped = LOUDNESS["RANGING"], CEILING["RANGING"]
    for loudness, ceiling in (shipped, (2.0, 1.0)):
        LOUDNESS["RANGING"], CEILING["RANGING"] = loudness, ceiling
        lines.append(f"| {loudness:g}, {ceiling:g} | " + " | ".join(reach(half)) + " |")
    LOUDNESS["RANGING"], CEILING["RANGING"] = shipped
    return lines


def reach(half: Half) -> list[str]:
    """Return a row of `ranging` with the constants that hold now."""
    limit, median, quiet, setups = SETTINGS.thresholds.score, [], [], []
    for one in half.walked:
        made = rescored(one)
        ranges = {name: one[f"{name} regime"] == REGIMES.index("RANGING") for name in JUDGED}
        own = np.where(made["side"] > 0, made["1h long"], made["1h short"])
        setup = ranges["1h"] & (own >= limit)
        median.append(made["score"])
        quiet.append(made["score"][np.all(list(ranges.values()), axis=0)])
        setups.append(np.stack((made["groups"][setup], made["score"][setup])))
    groups, scores = np.concatenate(setups, axis=1)
    still = np.concatenate(quiet)
    return [
        f"{np.median(np.concatenate(median)):.1f}",
        f"{np.percentile(still, 99):.1f}, {still.max():.1f}",
        f"{len(groups)}",
        f"{int((groups >= 3).sum())}, {int((groups >= 5).sum())}",
        f"{int((scores >= limit).sum())}",
    ]


def plot(halves: dict[str, Half], target: Path) -> None:
    """Draw the score's histogram by regime, one panel a half."""
    width, height, margin = 420, 300, 40
    image = Image.new("RGB", (width * len(halves), height), "white")
    draw = ImageDraw.Draw(image)
    colours = {"RANGING": "#3b7dd8", "TRENDING": "#1a9850", "VOLATILE": "#d73027"}
    for panel, (title, half) in enumerate(halves.items()):
        left = panel * width + margin
        draw.text((left, 8), f"{title}: share of scans by score, each regime by itself", fill="black")
        for tick in range(0, 101, 20):
            x = left + tick * (width - 60) / 100
            draw.line((x, height - 30, x, height - 26), fill="black")
            draw.text((x - 6, height - 24), str(tick), fill="black")
        draw.line((left, height - 30, left + width - 60, height - 30), fill="black")
        gate = left + SETTINGS.thresholds.score * (width - 60) / 100
        draw.line((gate, 30, gate, height - 30), fill="#bbbbbb")
        for number, name in enumerate(REGIMES):
            counts, _ = np.histogram(half.score[half.regime == number], bins=50, range=(0, 100))
            tall = counts / max(1, counts.sum()) / 0.13 * (height - 70)
            points = [
                (left + (at + 0.5) * (width - 60) / 50, height - 30 - float(value)) for at, value in enumerate(tall)
            ]
            draw.line(points, fill=colours[name], width=2)
            draw.text((left + width - 130, 30 + 14 * number), name, fill=colours[name])
    image.save(target)


def constants() -> list[str]:
    """Return the weights and loudness that spread the score."""
    lines = ["| group | " + " | ".join(GROUP_WEIGHTS) + " |", "|---" * (1 + len(GROUP_WEIGHTS)) + "|"]
    lines += [
        f"| {group} | " + " | ".join(f"{weights[group]:.2f}" for weights in GROUP_WEIGHTS.values()) + " |"
        for group in GROUPS
    ]
    loud = ", ".join(f"{name} {value:g}" for name, value in LOUDNESS.items())
    most = ", ".join(f"{name} {value:g}" for name, value in CEILING.items())
    return [
        *lines,
        "",
        f"Loudness: {loud}; the volume group in VOLATILE {VOLATILE_VOLUME:g}.  Ceiling: {most}.",
        "A vote counts as ceiling × (vote × loudness, held within ±1).",
    ]


def section(title: str, half: Half) -> list[str]:
    left_out = Half(half.walked, ("fmqs",))
    return [
        f"## {title}",
        "",
        half.span() + ".",
        "",
        *distribution(half),
        "",
        *gate_table(half),
        "",
        summary(half),
        "",
        "With gate 2 left out: " + summary(left_out),
        "",
        *group_thresholds(half),
        "",
        *ranging(half),
        "",
    ]


def main(first: Path, second: Path) -> None:
    halves: dict[str, Any] = {"first half": Half(load(first)), "second half": Half(load(second))}
    plot(halves, HERE.parent / "scoring.png")
    text = (HERE / "head.md").read_text(encoding="utf-8").rstrip().splitlines()
    lines = [*text, "", "## Constants", "", *constants(), ""]
    lines += section("First half: what the constants were chosen on", halves["first half"])
    lines += section("Second half: not used for choosing the constants", halves["second half"])
    lines += ["![Score by regime](scoring.png)"]
    (HERE.parent / "scoring.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
