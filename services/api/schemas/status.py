"""Health: services, lags, ages, stores, dead letters, and the form of an error."""

from __future__ import annotations

from typing import Any, Literal

from services.api.schemas.base import Shown
from services.api.schemas.coins import Card, ScanShown


class Problem(Shown):
    """Why a request was refused, as RFC 9457 words it (application/problem+json)."""

    type: str
    """about:blank, or a page that explains this kind"""
    title: str
    status: int
    detail: str
    """one sentence that says what to do"""
    errors: list[str]
    """one line for each mistake: where, and what is wrong"""


class Health(Shown):
    """Whether this process makes progress."""

    service: str
    healthy: bool
    database: Literal["ok", "away"]


class Ready(Shown):
    """Whether it can serve everything: its bus and its database answer."""

    ready: bool
    waiting_for: list[str]


class Version(Shown):
    """What runs here."""

    name: str
    version: str
    api: int
    """grows when an answer loses or renames a field"""
    python: str
    instance: str
    """of the database: the same for as long as its data"""
    source: str
    """where the market data comes from; empty: not known yet"""
    features: list[str]


class ServiceAge(Shown):
    """The state of a service."""

    seconds_since_message: float | None
    """since its newest message; null: none yet"""
    waiting_for: str
    """what it waits for; empty: it works"""
    remarks: list[str]
    """remarks for users, one sentence each: requests that the exchange retired, how its stamps are read"""


class StreamLag(Shown):
    """How far a reader is behind."""

    stream: str
    group: str
    length: int
    undelivered: int
    pending: int
    oldest_pending_seconds: float
    trimmed_unread: int


class DatabaseShown(Shown):
    """Whether Postgres answers."""

    ok: bool
    reason: str


class RecorderShown(Shown):
    """What was stored since this process started."""

    stored: int
    waiting_for: str
    lost: int


class Counts(Shown):
    """How much there is; decisions by the planner's estimate."""

    signals: int
    about: list[Literal["signals", "scans"]]
    """those that are estimates, too, because there are many"""
    open_signals: int
    alerts: int
    """of the 24 hours up to the last settled scan"""
    scans: int
    last_settled: int | None
    decisions_estimated: int
    deliveries: dict[str, int]
    """attempts of the last 24 hours, by status"""


class StorageShown(Shown):
    """What the stores take, bytes, and how that grew a day over the last week; null: not known (yet)."""

    database_bytes: int | None
    database_bytes_a_day: float | None
    bus_bytes: int | None
    """memory"""
    bus_bytes_a_day: float | None
    archive_bytes: int | None
    """of all markets"""
    archive_bytes_a_day: float | None
    disk_free: int
    """where the data is kept"""
    disk_bytes: int
    full_in_days: float | None
    """when the disk will be full, at the pace of the last week; null also where the free space does not shrink"""


class ArchiveShown(Shown):
    """The months of decisions that are files."""

    months: int
    rows: int
    first: str | None
    """the oldest month, as 2026-05; null: there is none"""
    last: str | None
    problems: list[str]
    """files that are missing or damaged, and why the last month could not be archived; questions about them fail"""


class DataAges(Shown):
    """Ages of the data itself, seconds of the exchange's clock; null: none yet."""

    price: float | None
    scan: float | None
    """since the close that the newest scan judged"""
    funding: float | None
    """median over the coins, at their scan"""
    open_interest: float | None
    ratios: float | None


class Status(Shown):
    """Everything about the scanner's health."""

    now: int
    version: str
    uptime_seconds: float
    market: str
    """what this answer is about"""
    markets: list[str]
    """what this API serves: any of them may be asked for with `market`, the first is meant without it"""
    exchange_time: int | None
    clock_speed: float
    settings_version: int | None
    last_scan: ScanShown | None
    open_scan: ScanShown | None
    top_coin: Card | None
    ages: DataAges
    weight_used: int | None
    """of the exchange's request weight in this minute, by all fetchers; null: not known"""
    weight_limit: int | None
    """what the exchange allows in a minute"""
    services: dict[str, ServiceAge]
    streams: list[StreamLag] | None
    """null: the bus does not answer"""
    database: DatabaseShown
    recorder: RecorderShown
    listeners: int
    counts: Counts | None
    storage: StorageShown
    archive: ArchiveShown | None
    """null: the database does not answer"""


class DeadLetterShown(Shown):
    """A message that no handler could process, with the error."""

    dead_id: str
    stream: str
    group: str
    entry_id: str
    error: str
    tries: int
    bytes: int
    message: dict[str, Any] | None
    """null where it cannot be read"""


class DeadLetters(Shown):
    """All dead letters, oldest first."""

    items: list[DeadLetterShown]


class RefreshResult(Shown):
    """What the fetcher did for the last refresh."""

    at: int
    """when it was done, wall clock, UNIX ms"""
    polled: list[str]
    """"prices", "marks": what had not come by itself"""
    coins: int
    """whose open interest and ratios were asked for ahead of their turn"""
    problem: str
    """why not all of it could be had; empty: all was"""


class RefreshState(Shown):
    """The result of the last refresh, and the age of the data."""

    requested_at: int | None
    """wall clock, UNIX ms; null: none yet"""
    done: RefreshResult | None
    """null: the fetcher has not done it (yet)"""
    price_age: float | None
    """seconds of the exchange's clock"""
    derivatives_age: float | None


class Refreshed(Shown):
    """What a refresh asked for."""

    requested_at: int
    """wall clock, UNIX ms"""
    coalesced: bool
    """an earlier request still covers this one"""
    price_age: float | None
    """seconds of the exchange's clock"""
    derivatives_age: float | None
