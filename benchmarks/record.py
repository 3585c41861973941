"""The record page's query over 100,000 outcomes in a Postgres of its own, ms.

First: nothing is held yet.  Restarted: another process, which finds the last answer in Postgres.  After an outcome: the
last record is served while the new one is computed.  Signal: the line of one signal.
Run as ``python -m benchmarks.record [outcomes]``; the last line is JSON.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from services.api.record.served import ServedRecord
from services.api.store import outcomes
from services.api.store.database import Database
from services.terminal.local import listening, stores

ROUNDS = 40
FILL = """
INSERT INTO outcomes SELECT current_setting('sevengate.market'), CASE kind WHEN 0 THEN id ELSE id || '#' || kind END,
    (ARRAY['signal', 'other side', 'other coin', 'other moment', 'near miss'])[kind + 1], id, 'C' || n %% 71 || 'USDT',
    CASE n %% 2 WHEN 0 THEN 'long' ELSE 'short' END, at, 100, CASE n %% 2 WHEN 0 THEN 99 ELSE 101 END,
    CASE n %% 2 WHEN 0 THEN 100 + reward ELSE 100 - reward END, 1,
    CASE WHEN won THEN 'target' ELSE 'stop' END, at + 3600000, 100, false, 60,
    CASE WHEN won THEN reward ELSE -1 END, CASE WHEN won THEN reward ELSE -1 END, 0.14, 0,
    CASE WHEN won THEN reward ELSE -1 END - 0.14, 0, 0, 0, '',
    CASE kind WHEN 4 THEN (ARRAY['score', 'fmqs', 'volume', 'groups'])[n %% 4 + 1] ELSE '' END,
    65 + n %% 30, 60, 1 / (1 + reward), 55, (ARRAY['TRENDING', 'RANGING', 'VOLATILE'])[n %% 3 + 1], 1 + n %% 5, reward,
    reward < 1.5, 1, '[]', 100 / (1 + reward), 'plain'
FROM (SELECT n, kind, 's' || n AS id, 1760000000000 + n * (86400000::bigint * 90 / (%(n)s / 5)) AS at,
    1 + random() * 2.5 AS reward, random() < 0.33 AS won
    FROM generate_series(1, %(n)s / 5) AS n, generate_series(0, 4) AS kind) AS made
"""


async def timed(ask: Callable[[], Awaitable[object]], rounds: int) -> float:
    """Return the median of *rounds* calls, ms."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - began) * 1_000)
    return round(float(np.median(taken)), 1)


async def measure(url: str, count: int) -> dict[str, float]:
    """Return what each kind of question takes, ms."""
    database = Database(url)
    while not await database.start():
        await asyncio.sleep(0.1)
    async with database.connection() as connection:
        await connection.execute(FILL.encode(), {"n": count})
    async with database.connection() as connection:
        await connection.execute(b"ANALYZE outcomes")
    served = ServedRecord()
    found = {"first": await timed(lambda: served.get(database, 90), 1)}
    found["held"] = await timed(lambda: served.get(database, 90), ROUNDS)
    found["restarted"] = await timed(lambda: ServedRecord().get(database, 90), ROUNDS)
    async with database.connection() as connection:
        await connection.execute(b"UPDATE outcomes SET ended_at = ended_at + 300000 WHERE outcome_id = 's200'")
        await connection.execute(b"DELETE FROM outcomes WHERE outcome_id = 's300'")
    found["after an outcome"] = await timed(lambda: served.get(database, 90), 1)
    own = (await outcomes.of_subject(database, f"s{count // 7}"))[0]
    found["signal"] = await timed(lambda: outcomes.similar(database, own, 90), ROUNDS)
    await database.close()
    return found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        store = stores.postgres(Path(folder), durable=False, port=listening.free_port())
        process = subprocess.Popen(store.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            stores.wait_for_postgres(store.url)
            print(json.dumps(asyncio.run(measure(store.url, count)) | {"outcomes": count}))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


if __name__ == "__main__":
    main()
