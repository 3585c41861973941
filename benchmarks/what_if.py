"""What-if over a week of a whole market in a real Postgres: its time, and as a ratio to judging row by row in Python.

Run as ``python -m benchmarks.what_if [--coins 150] [--days 7]``; the last line is JSON.  Decisions are made up: scores,
FMQS, volume, groups and timeframes wander by themselves about where real ones lie, in rows of real size.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import psycopg

from services.analyzer.handler import analyse
from services.api.routes.what_if import compared
from services.api.store import inserts
from services.api.store.database import Database, migrate
from services.api.store.ladder import narrow
from services.api.store.ladder.record import readable
from services.gatekeeper.domain import gates
from services.terminal.local import stores
from shared.config.environment import MARKET
from shared.contracts import SCAN_MS, Analysis, Decision, Verdict
from shared.settings import RuntimeSettings, Thresholds
from tests.conftest import running
from tests.unit.analyzer.bars import snapshot

FIRST: Final = 1_757_376_000_000
LEAST_SCORE: Final = 59.0  #: below it no question reads the record: it is one of the right size
ROW_BY_ROW: Final = 10_000  #: rows of the comparison, which is too slow for all
ROUNDS: Final = 5
QUESTIONS: Final[dict[str, dict[str, Any]]] = {
    "score 72": {"score": 72},
    "score 60": {"score": 60},
    "volume 1.0, fmqs 40": {"volume_ratio": 1.0, "fmqs": 40},
    "groups 4": {"groups": 4},
    "squeeze of 4h too": {"squeeze_intervals": ["15m", "1h", "4h"]},
    "persistence 0": {"persistence": 0},
}


def wandering(noise: np.random.Generator, scans: int, coins: int, mean: float, spread: float) -> np.ndarray[Any, Any]:
    """Return values, shape (scans, coins), that stay near the last one and have *mean* and *spread*."""
    keep = 0.9
    values = np.empty((scans, coins))
    values[0] = noise.normal(0, spread, coins)
    for number in range(1, scans):
        values[number] = keep * values[number - 1] + noise.normal(0, spread * (1 - keep**2) ** 0.5, coins)
    return values + mean


class MadeUpMarket:
    """Decisions by scan."""

    def __init__(self, scans: int, coins: int) -> None:
        noise = np.random.default_rng(7)
        self.symbols = [f"C{number:03}USDT" for number in range(coins)]
        self.score = np.clip(wandering(noise, scans, coins, 47, 11), 0, 100)
        self.fmqs = np.clip(wandering(noise, scans, coins, 52, 9), 0, 100)
        self.ratio = np.exp(wandering(noise, scans, coins, 0, 0.5))
        self.groups = np.clip(np.round(wandering(noise, scans, coins, 4, 1.2)), 0, 6)
        self.squeezed = wandering(noise, scans, coins, 0, 1) > 0.8
        self.flow = wandering(noise, scans, coins, 0, 1) > 0
        self.close = 100 * np.exp(np.cumsum(noise.normal(0, 0.002, (scans, coins)), axis=0))
        self.template = analyse(snapshot(), RuntimeSettings())
        self._settings = RuntimeSettings().thresholds
        low = msgspec.structs.replace(self.template, score=40.0, chart=b"")
        self.judgements: dict[int, dict[str, Any]] = {}
        self._usual = self._row(low)

    def analysis(self, scan: int, coin: int) -> Analysis:
        """Return one that says what this market says at *scan*."""
        made, score, close = self.template, float(self.score[scan, coin]), float(self.close[scan, coin])
        assert made.fmqs is not None
        assert made.levels is not None
        assert made.volume is not None
        replace = msgspec.structs.replace
        frames = tuple(
            replace(
                frame, long_score=score + shift, short_score=20.0, squeeze=bool(self.squeezed[scan, coin] and place)
            )
            for place, (frame, shift) in enumerate(zip(made.timeframes, (0.0, 4.0, 1.0, -6.0), strict=False))
        )
        return replace(
            made,
            symbol=self.symbols[coin],
            scan_id=FIRST + scan * SCAN_MS,
            side="long",
            score=score,
            long_score=score,
            short_score=20.0,
            timeframes=frames,
            groups=tuple(replace(g, agrees=bool(n < self.groups[scan, coin])) for n, g in enumerate(made.groups)),
            fmqs=replace(made.fmqs, value=float(self.fmqs[scan, coin]), capped_by=""),
            levels=replace(made.levels, entry=close, stop=close * 0.98, target=close * 1.03),
            volume=replace(
                made.volume,
                ratio_3=float(self.ratio[scan, coin]),
                taker_delta=1.0 if self.flow[scan, coin] else -1.0,
                obv_slope=1.0,
                zero_volume=False,
            ),
            chart=b"",
        )

    def whole(self, scan: int) -> Iterator[Decision]:
        """Yield the decisions of one scan."""
        for coin in range(len(self.symbols)):
            analysis = self.analysis(scan, coin)
            yield self._decision(analysis, gates.judge(analysis, self._settings, None))

    def rows(self, scan: int) -> Iterator[dict[str, Any]]:
        """Yield the rows of one scan by column, as the recorder would store them; low scores share their figures."""
        for coin, symbol in enumerate(self.symbols):
            score = float(self.score[scan, coin])
            if score >= LEAST_SCORE:
                row = self._row(self.analysis(scan, coin))
            else:
                row = self._usual | {"symbol": symbol, "scan_id": FIRST + scan * SCAN_MS, "side": "long"}
                row |= {"score": score, "long_score": score, "entry": float(self.close[scan, coin])}
            yield {"market": MARKET, **row}

    def _row(self, analysis: Analysis) -> dict[str, Any]:
        decision = self._decision(analysis, gates.judge(analysis, self._settings, None))
        judgement = narrow.judgement(decision)
        self.judgements[judgement["judgement_id"]] = judgement
        return inserts.decision(decision, judgement["judgement_id"])

    def _decision(self, analysis: Analysis, verdicts: tuple[Verdict, ...]) -> Decision:
        return Decision(
            decision_id=f"{MARKET}:{analysis.symbol}:{analysis.scan_id}",
            analysis=analysis,
            verdicts=verdicts,
            appeared=gates.appeared(verdicts),
            passed=False,
            outcome="rejected",
            settings_version=1,
        )


def fill(url: str, market: MadeUpMarket, scans: int) -> None:
    """Store the whole market."""
    with psycopg.connect(url, autocommit=True, options=f"-c sevengate.market={MARKET}") as connection:
        connection.execute("CREATE TABLE decisions_all PARTITION OF decisions DEFAULT")
        value = json.dumps({"thresholds": Thresholds().model_dump(mode="json"), "symbol_thresholds": {}})
        connection.execute("INSERT INTO settings_versions VALUES (1, 0, %s)", [value])
        with connection.cursor() as cursor:
            columns = list(next(market.rows(0)))
            with cursor.copy(f"COPY decisions ({', '.join(columns)}) FROM STDIN") as copy:
                for scan in range(scans):
                    for row in market.rows(scan):
                        copy.write_row([row[name] for name in columns])
            cursor.executemany(inserts.JUDGEMENT.encode(), list(market.judgements.values()))
            wholes = [
                inserts.whole(one)
                for scan in range(-(-ROW_BY_ROW // len(market.symbols)))
                for one in market.whole(scan)
            ]
            cursor.executemany(inserts.WHOLE.encode(), wholes)
            cursor.executemany(
                "INSERT INTO scans (market, scan_id, settled_at, seconds, settings_version) VALUES (%s, %s, 1, 1, 1)",
                [(MARKET, FIRST + scan * SCAN_MS) for scan in range(scans)],
            )
        connection.execute("ANALYZE")


async def row_by_row(database: Database) -> float:
    """Return the seconds that a row takes: read whole, decoded, judged by every gate."""
    began = time.perf_counter()
    rows = await database.rows("SELECT record FROM whole_decisions ORDER BY scan_id, symbol LIMIT %s", [ROW_BY_ROW])
    limits = Thresholds()
    for row in rows:
        message = readable(row["record"])
        assert isinstance(message, Decision)
        gates.judge(message.analysis, limits, None)
    return (time.perf_counter() - began) / len(rows)


async def measure(url: str, days: int, decisions: int) -> dict[str, Any]:
    """Return the medians, seconds."""
    database = Database(url, MARKET)
    assert await database.start(), database.reason
    found: dict[str, Any] = {}
    try:
        naive = await row_by_row(database) * decisions
        for name, thresholds in QUESTIONS.items():
            variants = RuntimeSettings(), RuntimeSettings(thresholds=Thresholds(**thresholds))
            seconds = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                answer = await compared(database, days, variants)
                seconds.append(time.perf_counter() - began)
            median = sorted(seconds)[ROUNDS // 2]
            counts = {part: answer[part]["signals"] for part in ("current", "changed")}
            found[name] = {"seconds": round(median, 3), "times faster": round(naive / median, 1), **counts}
    finally:
        await database.close()
    return found | {"row by row, seconds": round(naive, 1), "decisions": decisions}


def main() -> None:
    """Fill a Postgres of its own, ask, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--coins", type=int, default=150)
    parser.add_argument("--days", type=int, default=7)
    arguments = parser.parse_args()
    scans = arguments.days * 288
    with tempfile.TemporaryDirectory() as folder:
        store = stores.postgres(Path(folder), durable=False)
        with running(store.argv, stop=signal.SIGINT):
            stores.wait_for_postgres(store.url)
            migrate(store.url)
            began = time.perf_counter()
            fill(store.url, MadeUpMarket(scans, arguments.coins), scans)
            sys.stderr.write(f"filled in {time.perf_counter() - began:.0f} s\n")
            found = asyncio.run(measure(store.url, arguments.days, scans * arguments.coins))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
