"""A gate is one file: an eighth one, put beside the others, comes through to decision, database and API answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

GATE = '''"""Gate 8: somebody is sure."""

from shared.gate import Gate, at_least


def judge(analysis, limits, earlier):
    return at_least(ENTRY.name, analysis.agreement, limits.sure, refusal="not sure enough")


ENTRY = Gate(
    number=8, name="sure", title="Sure", sentence="The analysis agrees.", value="agreement",
    setting="sure", kind=float, default=66.0, reasons=("not sure enough", "no data"), judge=judge,
)
'''
PROGRAM = """
import asyncio, json, sys
from services.api.recorder import Statements
from services.api.store import queries
from services.api.store.database import Database
from services.api.store.pages import Filter
from services.api.views.explanation import explanation
from services.gatekeeper import handler
from services.gatekeeper.domain.state import State
from shared.contracts import Decision
from shared.settings import RuntimeSettings
from tests.unit.gatekeeper.facts import analysis, opened

async def main():
    context = handler.JudgingContext("binance-um", RuntimeSettings(thresholds={"sure": 75.0}), 0)
    one = analysis()
    made = handler.settle_scan(State(), opened(one.symbol), {one.symbol: one}, context, opened_wall=0)
    decision = next(message for _, message in made.outputs if isinstance(message, Decision))
    database, statements = Database(sys.argv[1]), Statements()
    assert await database.start()
    statements.add(decision)
    async with database.connection() as connection:
        await database.ensure_partitions(connection, statements.scans)
        await statements.store(connection)
    row = (await database.rows("SELECT figures, j.verdicts FROM decisions JOIN judgements j USING (judgement_id)"))[0]
    found = await queries.decision(database, one.symbol, one.scan_id)
    await database.close()
    asked = row["verdicts"]["sure"]
    stored = {"value": row["figures"][asked["place"] - 1], "passed": asked["passed"], "reason": asked["reason"]}
    print(json.dumps({"row": stored, "answer": explanation(found)["gates"][-1]}))

asyncio.run(main())
"""


def test_an_eighth_gate_is_one_file(tmp_path: Path, fresh_database: str) -> None:
    """With no other file touched it has a setting, a verdict, a place in the row and in what the API answers."""
    for folder in ("shared", "services", "tests"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("web", "__pycache__", "golden", "data")
        )
    (tmp_path / "shared" / "gates" / "sure.py").write_text(GATE)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    argv = [sys.executable, "-c", PROGRAM, fresh_database]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout.splitlines()[-1])
    verdict = {"passed": False, "value": 70, "threshold": 75, "distance": -5, "reason": "not sure enough"}
    assert shown["row"] == {name: verdict[name] for name in ("value", "passed", "reason")}
    assert {name: shown["answer"][name] for name in verdict} == verdict
    assert shown["answer"]["gate"] == "sure"
