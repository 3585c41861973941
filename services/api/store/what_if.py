"""What Postgres holds for a what-if: columns of all decisions, and the analyses of those that may pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from services.api.store.archive import reading
from services.api.store.database import MINE, Database, Row
from services.api.store.ladder import narrow
from services.api.store.ladder.whole import decision_of
from services.api.what_if import Course, KnownEnd, Place, ScanFacts
from shared.contracts import HOUR_MS, SCAN_MS, Analysis, Side
from shared.gates import GATES
from shared.settings import RuntimeSettings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST: Final = 40_000  #: records that are judged anew at one asking
NEAR: Final = 1e-3  #: what a stored float4 may have lost of a score

_NEWEST: Final = f"SELECT max(scan_id) AS newest FROM scans WHERE {MINE} AND settled_at IS NOT NULL"
_SCANS: Final = f"""
    SELECT s.scan_id, s.degraded <> '' AS degraded,
        s.degraded <> '' OR s.seconds > %(stale)s OR held.scan_id IS NOT NULL AS inhibited
    FROM scans s LEFT JOIN
    (SELECT DISTINCT scan_id FROM decisions WHERE {MINE} AND appeared AND outcome = 'inhibited' AND scan_id > %(lead)s)
    AS held USING (scan_id) WHERE {MINE} AND settled_at IS NOT NULL AND s.scan_id > %(lead)s ORDER BY s.scan_id
"""
_VERSIONS: Final = "SELECT version, value -> 'thresholds' AS general, value -> 'symbol_thresholds' AS own"
_SIGNALS: Final = f"""
    SELECT symbol, side, scan_id, status, closed_at FROM signals
    WHERE {MINE} AND scan_id > %(after)s
"""
_FOLLOWED: Final = f"""
    SELECT symbol, side, scan_id, result, ended_at, r_net FROM outcomes
    WHERE {MINE} AND kind IN ('signal', 'near miss') AND scan_id > %(since)s
"""
_RECORDED: Final = f"SELECT count(*) AS n FROM signals WHERE {MINE} AND scan_id > %s AND scan_id <= %s"
#: Columns leave as packed big-endian bytes: a row object for each decision would cost more than the query.
_COURSES: Final = f"""
    SELECT symbol, string_agg(int8send(scan_id), ''::bytea) AS scan_id,
        string_agg(float8send(close), ''::bytea) AS close,
        string_agg(float8send(long_score), ''::bytea) AS long_score,
        string_agg(float8send(short_score), ''::bytea) AS short_score
    FROM (
        SELECT d.symbol, d.scan_id, coalesce(d.entry, 'NaN') AS close,
            CASE WHEN d.side = 'long' THEN d.score ELSE d.long_score END AS long_score,
            CASE WHEN d.side = 'short' THEN d.score ELSE d.short_score END AS short_score
        FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS span (symbol, after, until)
        JOIN decisions d ON d.symbol = span.symbol AND d.scan_id > span.after AND d.scan_id <= span.until
        WHERE {MINE} AND d.problem = '' AND d.outcome <> 'late' ORDER BY d.symbol, d.scan_id
    ) AS seen GROUP BY symbol
"""


#: Gates ask for nothing that a narrow row lacks; `record` is of rows that have not been made narrow yet.
_JUDGED: Final = f"""
    SELECT {", ".join(f"d.{name}" for name in narrow.COLUMNS)}, j.verdicts, j.common, d.record
    FROM decisions d LEFT JOIN judgements j ON j.judgement_id = d.judgement_id
"""


#: The archive's decisions with what their judgement says, as `_JUDGED` has it: not that of rows of an earlier version.
_ASKED: Final = "(SELECT *, CASE WHEN judgement_id IS NOT NULL THEN verdicts::JSON END AS asked FROM read_parquet(?))"
_INHIBITED: Final = "WHERE appeared AND outcome = 'inhibited' AND scan_id > ?"
_ARCHIVED_COURSES: Final = """
    SELECT d.symbol, d.scan_id, coalesce(d.entry, 'NaN'::DOUBLE) AS close,
        CASE WHEN d.side = 'long' THEN d.score ELSE d.long_score END::DOUBLE AS long_score,
        CASE WHEN d.side = 'short' THEN d.score ELSE d.short_score END::DOUBLE AS short_score
    FROM (SELECT unnest(?::VARCHAR[]) AS symbol, unnest(?::BIGINT[]) AS after, unnest(?::BIGINT[]) AS until) AS span
    JOIN read_parquet(?) AS d ON d.symbol = span.symbol AND d.scan_id > span.after AND d.scan_id <= span.until
    WHERE d.problem = '' AND d.outcome <> 'late' ORDER BY d.symbol, d.scan_id
"""


class TooManyError(Exception):
    """The thresholds are so wide that more than `MOST` records would have to be judged; the text says what to do."""


async def newest_scan(database: Database) -> int | None:
    """Return the newest settled scan."""
    newest: int | None = (await database.rows(_NEWEST))[0]["newest"]
    return newest


async def scans(database: Database, lead: int, settings: RuntimeSettings) -> dict[int, ScanFacts]:
    """Return the settled scans after *lead*, oldest first; one that settled too late could raise no signal."""
    rows = await database.rows(_SCANS, {"lead": lead, "stale": settings.scanning.stale_after_seconds})
    archived: set[int] = set()  #: inhibited scans of which the archive has the decisions
    for month in await reading.since(database, lead):
        archived |= {row["scan_id"] for row in await reading.rows(database, month, ["scan_id"], _INHIBITED, [lead])}
    return {row["scan_id"]: ScanFacts(row["degraded"], row["inhibited"] or row["scan_id"] in archived) for row in rows}


async def records(database: Database, lead: int, variants: Sequence[RuntimeSettings]) -> list[Row]:
    """Return the rows after *lead* that any of *variants* may let through, oldest first; see `decoded`.

    Raises `TooManyError`.
    """
    versions = await database.rows(f"{_VERSIONS} FROM settings_versions")
    condition, parameters = may_pass(versions, variants)
    rows = await database.rows(
        f"{_JUDGED} WHERE d.{MINE} AND d.scan_id > %s AND d.problem = '' AND d.outcome <> 'late' "
        f"AND {condition} ORDER BY d.scan_id, d.symbol LIMIT %s",
        [lead, *parameters, MOST + 1],
    )
    rows = await _with_archived(database, rows, lead, condition, parameters)
    if len(rows) > MOST:
        raise TooManyError(
            f"these thresholds let so much through that more than {MOST:,} decisions would have to be judged anew:"
            " ask for fewer days, or for thresholds nearer to those in force"
        )
    return rows


async def _with_archived(
    database: Database, rows: list[Row], lead: int, condition: str, parameters: Sequence[Any]
) -> list[Row]:
    """Return *rows* of Postgres with those of archived months that meet *condition*, oldest first."""
    found = {(row["scan_id"], row["symbol"]): row for row in rows}
    stored = len(found)
    asked = condition.replace("j.verdicts", "d.asked").replace("%s", "?")
    where = f"AS d WHERE d.scan_id > ? AND d.problem = '' AND d.outcome <> 'late' AND {asked} LIMIT ?"
    for month in await reading.since(database, lead):
        values = [lead, *parameters, MOST + 1]
        for row in await reading.rows(database, month, reading.NARROW, where, values, source=_ASKED):
            found.setdefault((row["scan_id"], row["symbol"]), row)
        if len(found) > MOST:
            break
    return rows if len(found) == stored else [found[key] for key in sorted(found)]


def decoded(held: Iterable[Row]) -> Iterator[Analysis]:
    """Yield the analyses in *held*, one by one: decoded they are many times as large."""
    for row in held:
        decision = decision_of(row)
        if decision is not None:
            yield decision.analysis


def may_pass(versions: Sequence[Row], variants: Sequence[RuntimeSettings]) -> tuple[str, list[Any]]:
    """Return the condition, with its parameters, that every decision meets which one of *variants* lets through.

    PostgreSQL and DuckDB understand it alike; `j.verdicts` is what the judgement says.

    Where a version of the settings asked a gate the same as all variants, its stored verdict stands; else its stored
    value must reach the lowest threshold, where it has one that is a number and that no other threshold bears upon.
    """
    least = {
        name: min(min(_each(variant, gate.setting)) for variant in variants)
        for name, gate in GATES.items()
        if not gate.looks_back and not gate.reads and isinstance(gate.default, int | float)
    }
    groups: dict[frozenset[str], list[int]] = {}
    for row in versions:
        same = frozenset(
            name
            for name, gate in GATES.items()
            if not gate.looks_back and all(_same(row, variant, (gate.setting, *gate.reads)) for variant in variants)
        )
        groups.setdefault(same, []).append(row["version"])
    parts, parameters = ["FALSE"], []
    for same, members in groups.items():
        text, values = _passes(same, least)
        parts.append(f"(d.settings_version = ANY(%s) AND {text})")
        parameters += [members, *values]
    text, values = _passes(frozenset(), least)
    parts.append(f"(NOT d.settings_version = ANY(%s) AND {text})")
    parameters += [[row["version"] for row in versions], *values]
    return f"d.score >= %s AND ({' OR '.join(parts)})", [least.get("score", 0.0) - NEAR, *parameters]


def _passes(same: frozenset[str], least: Mapping[str, float]) -> tuple[str, list[Any]]:
    texts: list[str] = ["TRUE"]
    values: list[Any] = []
    for name in sorted(same):
        texts.append("coalesce((j.verdicts -> %s ->> 'passed')::boolean, TRUE)")
        values += [name]
    for name, threshold in sorted(least.items()):
        if name not in same:
            texts.append(
                "((j.verdicts -> %s) IS NULL"
                " OR NULLIF(d.figures[(j.verdicts -> %s ->> 'place')::int], 'NaN'::real) >= %s)"
            )
            values += [name, name, threshold - NEAR]
    return " AND ".join(texts), values


def _each(variant: RuntimeSettings, setting: str) -> list[float]:
    """Return what *setting* is in general and for each coin that has its own."""
    own = [getattr(variant.thresholds_for(symbol), setting) for symbol in variant.symbol_thresholds]
    return [float(value) for value in (getattr(variant.thresholds, setting), *own)]


def _same(row: Row, variant: RuntimeSettings, settings: tuple[str, ...]) -> bool:
    """Return whether the version in *row* asked in all *settings* what *variant* asks."""
    general = variant.thresholds.model_dump(mode="json")
    own = {symbol: one.model_dump(mode="json") for symbol, one in variant.symbol_thresholds.items()}
    held = row["general"] or {}
    return (row["own"] or {}) == own and all(name in held and held[name] == general[name] for name in settings)


async def free_at(database: Database, since: int, settings: RuntimeSettings) -> dict[tuple[str, Side], int]:
    """Return until when signals that opened up to *since* keep a coin's side from opening another."""
    rules = settings.lifecycle
    expiry, cooldown = int(rules.expiry_hours * HOUR_MS), int(rules.cooldown_hours * HOUR_MS)
    rows = await database.rows(_SIGNALS, {"after": since - expiry - cooldown})
    found: dict[tuple[str, Side], int] = {}
    for row in rows:
        if row["scan_id"] <= since:
            end = row["closed_at"] or row["scan_id"] + expiry
            name = row["symbol"], row["side"]
            found[name] = max(found.get(name, 0), end + cooldown)
    return found


async def followed(database: Database, since: int) -> dict[Place, KnownEnd]:
    """Return the outcomes of the signals and near misses after *since*."""
    found: dict[Place, KnownEnd] = {}
    for row in await database.rows(_SIGNALS, {"after": since}):
        if row["status"] in ("target", "stop"):
            found[row["symbol"], row["side"], row["scan_id"]] = KnownEnd(row["closed_at"])
    for row in await database.rows(_FOLLOWED, {"since": since}):
        touched = row["ended_at"] if row["result"] in ("target", "stop") else None
        place = row["symbol"], row["side"], row["scan_id"]
        found[place] = KnownEnd(touched, row["r_net"] if row["result"] else None, hit=row["result"] == "target")
    return found


async def recorded(database: Database, since: int, until: int) -> int:
    """Return how many signals were opened in fact after *since* and up to *until*."""
    count: int = (await database.rows(_RECORDED, [since, until]))[0]["n"]
    return count


async def courses(database: Database, spans: Mapping[str, Sequence[tuple[int, int]]]) -> dict[str, Course]:
    """Return what is stored of each coin within its spans (after, up to)."""
    flat = [(symbol, after, until) for symbol, parts in spans.items() for after, until in parts]
    columns = [list(column) for column in zip(*flat, strict=True)] or [[], [], []]
    rows = await database.rows(_COURSES, columns)
    parts = {row["symbol"]: [_course(row)] for row in rows}
    for month in await reading.since(database, min(columns[1])) if flat else []:
        for symbol, course in (await reading.ask(database, month, partial(_archived_courses, columns))).items():
            parts.setdefault(symbol, []).append(course)
    return {symbol: _joined(courses) for symbol, courses in parts.items()}


def _course(row: Row) -> Course:
    scan_id = np.frombuffer(row["scan_id"], ">i8").astype(np.int64)
    order = np.argsort(scan_id)
    figures = (np.frombuffer(row[name], ">f8").astype(np.float64) for name in ("close", "long_score", "short_score"))
    return Course(scan_id[order], *(figure[order] for figure in figures))


def _archived_courses(columns: list[list[Any]], duck: DuckDBPyConnection, path: str) -> dict[str, Course]:
    """Return the courses that the file *path* has within the spans that *columns* name."""
    found = duck.execute(_ARCHIVED_COURSES, [*columns, path]).fetchnumpy()
    symbols, starts = np.unique(np.asarray(found["symbol"], dtype=str), return_index=True)
    ends = [*starts[1:], len(found["scan_id"])]
    figures = [np.asarray(found[name]) for name in ("scan_id", "close", "long_score", "short_score")]
    return {
        str(symbol): Course(*(figure[start:end] for figure in figures))
        for symbol, start, end in zip(symbols, starts, ends, strict=True)
    }


def _joined(courses: Sequence[Course]) -> Course:
    """Return one coin's *courses* as one; of a scan that is in two of them, the first."""
    if len(courses) == 1:
        return courses[0]
    columns = [
        np.concatenate([getattr(course, name) for course in courses])
        for name in ("scan_id", "close", "long_score", "short_score")
    ]
    _, places = np.unique(columns[0], return_index=True)
    return Course(*(column[places] for column in columns))


def lead_of(since: int, variants: Sequence[RuntimeSettings]) -> int:
    """Return where reading begins, so that streaks which reach into the time after *since* are whole."""
    longest = max(int(max(_each(one, gate.setting))) for one in variants for gate in GATES.values() if gate.looks_back)
    return since - (longest + 1) * SCAN_MS
