"""What an export answers."""

from __future__ import annotations

from typing import Literal

from services.api.schemas.base import Shown


class ExportBegun(Shown):
    """Where an export can be had, or the job that writes it."""

    job_id: str | None
    """null: the address answers at once"""
    total: int
    """signals that fit"""
    url: str | None
    """relative to the API's root; null: ask for the job"""


class ExportJob(Shown):
    """How far an export is."""

    job_id: str
    status: Literal["waiting", "running", "done", "failed"]
    rows: int
    """written so far"""
    total: int
    """when it began"""
    problem: str
    """why it failed"""
    url: str | None
    """of the file, once it is done"""
