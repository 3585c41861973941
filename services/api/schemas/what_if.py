"""What other thresholds would have come to."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from services.api.schemas.base import Shown
from shared.contracts import Side


class Question(Shown):
    """Thresholds to try over what is stored; it changes nothing."""

    thresholds: dict[str, Any] = Field(default_factory=dict, description="by the names of the settings")
    days: int = Field(default=7, ge=1, le=3_660, description="before the newest scan that is stored")
    market: str | None = Field(default=None, max_length=40, description="the one that this API records")

    model_config = ConfigDict(json_schema_extra={"examples": [{"thresholds": {"score": 72}, "days": 7}]})


class Variant(Shown):
    """What one set of thresholds comes to over the stored scans."""

    signals: int
    """what would have opened: coins that were open or cooled down on that side are left out"""
    alerts: int
    """alerts about them: a group counts once; mutes and routes are left out"""
    appeared: int
    """decisions that pass every gate but those that look back"""
    passed: int
    """decisions that pass all gates, in scans that could raise a signal"""
    with_outcome: int
    """signals whose outcome is known"""
    mean_r_net: float | None
    """of those; null: none"""
    hit_rate: float | None
    """share of those that reached the target first"""


class Current(Variant):
    """The settings in force, replayed by the same rules."""

    recorded: int
    """signals that were opened in fact, under the settings of then"""


class Place(Shown):
    """A signal that only one of the two lets through."""

    symbol: str
    scan_id: int
    side: Side
    r_net: float | None
    """its result in R; null: it was not followed, or has not ended yet"""


class WhatIf(Shown):
    """The stored scans under the settings in force and under those that were asked for."""

    days: int
    """as asked for"""
    since: int
    """where those days begin, UNIX ms"""
    scans: int
    """stored scans among them"""
    missing: int
    """scans of that time that are not stored: before the first start, while it stood, or past the retention"""
    from_: int | None = Field(alias="from")
    """the oldest stored scan among them"""
    to: int | None
    """the newest stored scan"""
    current: Current
    changed: Variant
    gained: list[Place]
    lost: list[Place]
    note: str | None
    """what to know before believing it"""
