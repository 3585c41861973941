"""/api/record: results of signals, beside the break-even rate, the controls, and the setups that gates refused."""

from __future__ import annotations

from typing import Annotated, Final
from weakref import WeakKeyDictionary

import msgspec
from fastapi import HTTPException, Query, Response

from services.api.context import NOT_FOUND, Context, Uses, answer, resource
from services.api.record.served import ServedRecord
from services.api.schemas.record import FollowedSignal, Record
from services.api.store import outcomes
from services.api.store.database import Database
from shared.odds import line_of

router = resource("record")
Days = Annotated[int, Query(ge=1, le=3_650)]


@router.get("/api/record", response_model=Record)
async def whole(context: Uses, days: Days = 90) -> Response:
    """Return the record of the last *days* days: verdict, signals, controls, gates, cuts, equity and calibration."""
    return Response(await _served(context).get(context.database, days), media_type="application/json")


@router.get("/api/record/{signal_id}", response_model=FollowedSignal)
async def of_signal(context: Uses, signal_id: str, days: Days = 90) -> Response:
    """Return the outcomes of one signal or near miss and of its controls, and the results of similar setups."""
    found = await outcomes.of_subject(context.database, signal_id)
    own = next((one for one in found if one.outcome_id == signal_id), None)
    if own is None:
        raise HTTPException(NOT_FOUND, "nothing is followed under this id")
    return answer(
        {
            "outcome": msgspec.structs.asdict(own),
            "controls": [msgspec.structs.asdict(one) for one in found if one is not own],
            "line": line_of(await outcomes.similar(context.database, own, days)),
        }
    )


def _served(context: Context) -> ServedRecord:
    """Return what lives as long as the database's pool."""
    return _SERVED.setdefault(context.database, ServedRecord())


_SERVED: Final[WeakKeyDictionary[Database, ServedRecord]] = WeakKeyDictionary()
