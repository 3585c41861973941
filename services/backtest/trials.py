"""Every trial is kept: the more settings were tried on the same bars, the less the best of them means.

A trial is one set of settings over one span of one recording; the same one again is not another trial.  The deflated
Sharpe ratio says how probable it is that the best of so many is above nothing: Bailey and López de Prado (2014), The
Deflated Sharpe Ratio.  A "return" is a day's sum of net R.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from scipy import stats

from services.backtest.recorded.survey import CoinSurvey
from services.backtest.request import changed
from services.backtest.run import Backtest
from services.evaluator.domain.statistics import day_of
from shared.contracts import Floats, Outcome
from shared.settings import RuntimeSettings

EULER: Final = 0.5772156649015329
LEAST_DAYS: Final = 10  #: for a Sharpe ratio
GOOD: Final = 0.95


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the file."""

    trial: str  #: digest of recording, span and settings
    recording: str  #: digest of the files
    at: str  #: wall clock, ISO 8601
    first: int  #: scan
    last: int
    coins: int
    settings: dict[str, Any]  #: those that differ from the shipped ones
    n: int  #: signals that ended
    mean_r_net: float | None
    sharpe: float | None  #: of a day's sum of net R, per day
    verdict: str
    holdout: bool = False  #: it looked at the last third


@dataclass(frozen=True)
class Judgement:
    """What a trial means among those before it."""

    trials: int  #: different ones of the same recording, this one included
    openings: int  #: trials that looked at the last third
    deflated: float  #: probability that its Sharpe ratio is above what the best of so many worthless ones shows
    lines: list[str] = field(default_factory=list)


def daily(outcomes: Sequence[Outcome], first: int, last: int) -> Floats:
    """Return the sum of net R of each day's signals, days without any included."""
    days = range(int(day_of([first])[0]), int(day_of([last - 1])[0]) + 1)
    ended = [one for one in outcomes if one.kind == "signal" and one.result]
    places = day_of([one.scan_id - 1 for one in ended]) - days.start
    return np.bincount(places, [one.r_net for one in ended], len(days)).astype(np.float64)[: len(days)]


def trial_of(
    found: Backtest, settings: RuntimeSettings, coins: Sequence[CoinSurvey], *, holdout: bool, verdict: str
) -> Trial:
    """Return the trial of *settings* whose results were *found* over *coins*."""
    recording = digest([(coin.symbol, coin.first, coin.end, coin.holes) for coin in coins])
    ended = [one.r_net for one in found.outcomes if one.kind == "signal" and one.result]
    ratio = sharpe(daily(found.outcomes, found.first, found.last))
    return Trial(
        trial=digest(recording, found.first, found.last, settings.model_dump(mode="json")),
        recording=recording,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        first=found.first,
        last=found.last,
        coins=len(found.coins),
        settings=changed(settings),
        n=len(ended),
        mean_r_net=float(np.mean(ended)) if ended else None,
        sharpe=None if math.isnan(ratio) else ratio,
        verdict=verdict,
        holdout=holdout,
    )


def sharpe(returns: Floats) -> float:
    """Return mean ÷ deviation; NaN of fewer than ten days or of what does not move."""
    if len(returns) < LEAST_DAYS or np.std(returns, ddof=1) <= 0:
        return math.nan
    return float(np.mean(returns) / np.std(returns, ddof=1))


def deflated(returns: Floats, tried: Sequence[float]) -> float:
    """Return the probability that the Sharpe ratio of *returns* is above the best of as many worthless trials.

    *tried* are the Sharpe ratios of all trials, this one included; NaN where the days are too few.
    """
    own = sharpe(returns)
    if math.isnan(own):
        return math.nan
    known = [one for one in tried if not math.isnan(one)]
    limit = best_of_worthless(len(known), float(np.std(known, ddof=1))) if len(known) > 1 else 0.0
    skew, kurtosis = float(stats.skew(returns)), float(stats.kurtosis(returns, fisher=False))
    spread = max(1e-12, 1 - skew * own + (kurtosis - 1) / 4 * own**2)
    return float(stats.norm.cdf((own - limit) * math.sqrt(len(returns) - 1) / math.sqrt(spread)))


def best_of_worthless(count: int, deviation: float) -> float:
    """Return the Sharpe ratio to be expected of the best of *count* trials that are worth nothing."""
    quantiles = stats.norm.ppf([1 - 1 / count, 1 - 1 / (count * math.e)])
    return deviation * float((1 - EULER) * quantiles[0] + EULER * quantiles[1])


def digest(*parts: Any) -> str:
    """Return a short digest of JSON-able *parts*."""
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()


class TrialLog:
    """The trials in a file of JSON lines, and how often each recording's last third was opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> list[Trial]:
        """Return every trial, oldest first; a line that cannot be read is passed over."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                found.append(msgspec.json.decode(line, type=Trial))
            except msgspec.DecodeError:
                continue
        return found

    def add(self, trial: Trial) -> None:
        """Append *trial*."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(trial) + b"\n")


def judge(trial: Trial, returns: Floats, known: Sequence[Trial]) -> Judgement:
    """Return what *trial* means among *known*, which hold it as well."""
    same = {one.trial: one for one in known if one.recording == trial.recording}
    tried = [math.nan if one.sharpe is None else one.sharpe for one in same.values()]
    probability = deflated(returns, tried)
    openings = sum(one.holdout for one in known if one.recording == trial.recording)
    lines = [f"trials on these bars: {len(same)}; " + _said(probability)]
    if openings:
        lines.append(f"the last third was looked at {openings} {'time' if openings == 1 else 'times'}")
    return Judgement(len(same), openings, probability, lines)


def _said(probability: float) -> str:
    if math.isnan(probability):
        return f"no deflated Sharpe ratio: it needs {LEAST_DAYS} days with signals of different results"
    verdict = "it holds" if probability >= GOOD else f"below {GOOD}: not distinguishable from luck"
    return f"deflated Sharpe ratio over all of them {probability:.3f} ({verdict})"


def as_lines(trials: Sequence[Trial]) -> list[str]:
    """Return the trials for a terminal."""
    lines = [f"{'when':20} {'recording':17} {'coins':>5} {'n':>6} {'net R':>7} {'Sharpe':>7}  settings"]
    for one in trials:
        net = "–" if one.mean_r_net is None else f"{one.mean_r_net:+.3f}"
        ratio = "–" if one.sharpe is None else f"{one.sharpe:+.3f}"
        said = ", ".join(f"{path}={value}" for path, value in one.settings.items()) or "as shipped"
        holdout = "  (last third)" if one.holdout else ""
        what = f"{one.at[:19]:20} {one.recording:17} {one.coins:5} {one.n:6} {net:>7} {ratio:>7}"
        lines.append(f"{what}  {said}{holdout}")
    return lines


def as_records(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return the trials as JSON-able values."""
    return [msgspec.to_builtins(one) for one in trials]
