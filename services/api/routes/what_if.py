"""/api/what-if: what other thresholds would have let through; it changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import HTTPException, Query, Response

from services.api import what_if
from services.api.context import Uses, answer, resource
from services.api.problems import MistakesError
from services.api.routes.config import changed
from services.api.schemas.what_if import Question, WhatIf
from services.api.store import user_settings
from services.api.store import what_if as stored
from services.api.store.database import Database
from services.api.views.facts import Json
from shared.contracts import DAY_MS, SCAN_MS
from shared.gates import GATES
from shared.settings import RuntimeSettings

router = resource("what-if")
Setting = Annotated[list[str], Query(alias="set", max_length=60, description="score=72, as often as needed")]


@router.get("/api/what-if", response_model=WhatIf)
async def asked(
    context: Uses,
    settings: Setting = [],  # noqa: B006 FastAPI copies it
    days: Annotated[int, Query(ge=1, le=3_660)] = 7,
) -> Response:
    """Try thresholds over the stored decisions of the last days: `?set=score=72&set=fmqs=55`."""
    return await tried(context, Question(thresholds=parsed(settings), days=days))


@router.post("/api/what-if", response_model=WhatIf)
async def tried(context: Uses, question: Question) -> Response:
    """Try thresholds over the stored decisions of the last days; nothing is changed."""
    mine = context.service.environment.market
    if question.market not in (None, mine):
        raise HTTPException(422, f"market: this API records {mine}, not {question.market}")
    names = {gate.setting for gate in GATES.values()}
    if unknown := sorted(set(question.thresholds) - names):
        raise MistakesError(
            [f"there is no threshold {name!r}: there are {', '.join(sorted(names))}" for name in unknown]
        )
    held = await user_settings.changes(context.database)
    before = context.publisher.changed_by(held)
    after = RuntimeSettings.model_validate(changed(context, held, {"thresholds": question.thresholds}))
    try:
        return answer(await compared(context.database, question.days, (before, after)))
    except stored.TooManyError as error:
        raise HTTPException(422, str(error)) from error


def parsed(settings: Iterable[str]) -> dict[str, Any]:
    """Return the thresholds in *settings*, each NAME=VALUE; raise `MistakesError`."""
    found: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise MistakesError([f"set: {text!r} is not NAME=VALUE, such as score=72"])
        try:
            found[name.removeprefix("thresholds.")] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            raise MistakesError([f'set: {value!r} is not a JSON value, such as 72 or ["15m"]']) from None
    return found


async def compared(database: Database, days: int, variants: tuple[RuntimeSettings, RuntimeSettings]) -> Json:
    """Return the answer: the settings in force beside the changed ones."""
    newest = await stored.newest_scan(database)
    to = newest or 0
    since = max(0, to - days * DAY_MS)
    lead = stored.lead_of(since, variants)
    known_scans = await stored.scans(database, lead, variants[0])
    records = await stored.records(database, lead, variants)
    judged = await asyncio.to_thread(what_if.judge, stored.decoded(records), variants, known_scans, since)
    spans = what_if.spans(judged, max(one.lifecycle.expiry_hours for one in variants))
    facts = what_if.Stored(
        newest=to,
        followed=await stored.followed(database, since),
        free_at=await stored.free_at(database, since, variants[0]),
        courses=await stored.courses(database, spans),
    )
    now, then = (what_if.replay(one, settings, facts) for one, settings in zip(judged, variants, strict=True))
    within = [scan for scan in known_scans if scan > since]
    missing = days * DAY_MS // SCAN_MS - len(within)
    return {
        "days": days,
        "since": since,
        "scans": len(within),
        "missing": missing,
        "from": within[0] if within else None,
        "to": newest,
        "current": _counts(now, facts.followed) | {"recorded": await stored.recorded(database, since, to)},
        "changed": _counts(then, facts.followed),
        "gained": _only(then.opened, now.opened, facts.followed),
        "lost": _only(now.opened, then.opened, facts.followed),
        "note": _note(len(within), missing, max(now.by_closes, then.by_closes)),
    }


def _counts(found: what_if.Replayed, followed: Mapping[what_if.Place, what_if.KnownEnd]) -> Json:
    ended = [one for place in found.opened if (one := followed.get(place)) is not None and one.r_net is not None]
    results = [one.r_net for one in ended if one.r_net is not None]
    return {
        "signals": len(found.opened),
        "alerts": found.alerts,
        "appeared": found.judged.appeared,
        "passed": len(found.judged.passed),
        "with_outcome": len(ended),
        "mean_r_net": sum(results) / len(results) if results else None,
        "hit_rate": sum(one.hit for one in ended) / len(ended) if ended else None,
    }


def _only(
    mine: Sequence[what_if.Place],
    others: Sequence[what_if.Place],
    followed: Mapping[what_if.Place, what_if.KnownEnd],
) -> list[Json]:
    """Return the signals that are among *mine* alone, newest first."""
    theirs = set(others)
    return [
        {"symbol": place[0], "scan_id": place[2], "side": place[1], "r_net": one.r_net if one else None}
        for place in reversed(mine)
        if place not in theirs
        for one in (followed.get(place),)
    ]


def _note(scans: int, missing: int, by_closes: int) -> str | None:
    parts = []
    if not scans:
        parts.append("No settled scan is stored yet: let Sevengate run first.")
    elif missing:
        parts.append(f"{missing:,} of {scans + missing:,} scans are not stored: their signals are not counted.")
    if by_closes:
        parts.append(
            f"{by_closes:,} of these signals have no recorded outcome: how long they were open is judged"
            " by the closes at the scans, and their results are unknown."
        )
    return " ".join(parts) or None
