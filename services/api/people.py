"""What people set, in Postgres: changed settings, price alerts, mutes; and what a lost bus is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from psycopg.types.json import Jsonb

from services.api.database import Database
from shared.bus import from_wire
from shared.contracts import Alert, LifecycleEvent, Mute, OpenSignal, PriceAlert, StateRestored
from shared.settings import RuntimeSettings

HOUR_MS: Final = 3_600_000
_ADD_PRICE_ALERT: Final = """
    INSERT INTO price_alerts
        (price_alert_id, symbol, condition, value, window_seconds, repeat, cooldown_seconds, note, created_at)
    VALUES (%(price_alert_id)s, %(symbol)s, %(condition)s, %(value)s, %(window_seconds)s, %(repeat)s,
        %(cooldown_seconds)s, %(note)s, %(created_at)s)
"""
_ADD_MUTE: Final = """
    INSERT INTO mutes (mute_id, until, symbol, side, kind, destination)
    VALUES (%(mute_id)s, %(until)s, %(symbol)s, %(side)s, %(kind)s, %(destination)s)
"""
_FIRED: Final = """
    SELECT p.*, f.fired_at FROM price_alerts p LEFT JOIN LATERAL (
        SELECT a.occurred_at AS fired_at FROM alerts a
        WHERE a.kind = 'price' AND a.subject = p.price_alert_id ORDER BY a.occurred_at DESC LIMIT 1
    ) f ON true WHERE NOT p.removed ORDER BY p.created_at DESC, p.price_alert_id
"""


@dataclass(frozen=True)
class People:
    """Everything people have set."""

    changes: tuple[dict[str, Any], ...]  #: JSON merge patches in the order in which they were made
    price_alerts: tuple[PriceAlert, ...]
    mutes: tuple[Mute, ...]


async def load(database: Database, now: int) -> People:
    """Return what stands at *now*, wall clock: neither ended mutes nor spent price alerts."""
    return People(
        await changes(database),
        tuple(msgspec.convert(row, Standing).of() for row in await price_alerts(database) if stands(row)),
        tuple(msgspec.convert(row, MuteRow).of() for row in await mutes(database, now)),
    )


class Standing(msgspec.Struct):
    """A price alert's row."""

    price_alert_id: str
    symbol: str
    condition: Any
    value: float
    window_seconds: int
    repeat: bool
    cooldown_seconds: int
    note: str
    created_at: int

    def of(self) -> PriceAlert:
        return PriceAlert(**msgspec.structs.asdict(self))


class MuteRow(msgspec.Struct):
    """A mute's row."""

    mute_id: str
    until: int
    symbol: str
    side: Any
    kind: Any
    destination: str

    def of(self) -> Mute:
        return Mute(**msgspec.structs.asdict(self))


def stands(row: dict[str, Any]) -> bool:
    """Return whether a price alert can still fire."""
    return bool(row["repeat"]) or row["fired_at"] is None


async def changes(database: Database) -> tuple[dict[str, Any], ...]:
    """Return all that people changed on top of config.yaml, oldest first.

    They stay apart because two merge patches cannot always be written as one.
    """
    rows = await database.rows("SELECT patch FROM settings_changes ORDER BY change_id")
    return tuple(row["patch"] for row in rows)


async def save_change(database: Database, patch: dict[str, Any], at: int) -> None:
    await database.execute("INSERT INTO settings_changes (at, patch) VALUES (%s, %s)", [at, Jsonb(patch)])


async def save_version(database: Database, version: int, at: int, masked: dict[str, Any]) -> None:
    """Keep what a version stamped on decisions meant."""
    await database.execute(
        "INSERT INTO settings_versions (version, at, value) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [version, at, Jsonb(masked)],
    )


async def price_alerts(database: Database) -> list[dict[str, Any]]:
    """Return every price alert that was not removed, with when it last fired."""
    return await database.rows(_FIRED)


async def add_price_alert(database: Database, alert: PriceAlert) -> None:
    await database.execute(_ADD_PRICE_ALERT, msgspec.structs.asdict(alert))


async def remove_price_alert(database: Database, price_alert_id: str) -> bool:
    """Return whether there was one to remove."""
    return bool(
        await database.execute(
            "UPDATE price_alerts SET removed = true WHERE price_alert_id = %s AND NOT removed", [price_alert_id]
        )
    )


async def mutes(database: Database, now: int) -> list[dict[str, Any]]:
    """Return the mutes that have not ended at *now*, wall clock."""
    return await database.rows("SELECT * FROM mutes WHERE until > %s ORDER BY until, mute_id", [now])


async def add_mute(database: Database, mute: Mute) -> None:
    await database.execute(_ADD_MUTE, msgspec.structs.asdict(mute))


async def remove_mute(database: Database, mute_id: str) -> bool:
    """Return whether there was one to remove."""
    return bool(await database.execute("DELETE FROM mutes WHERE mute_id = %s", [mute_id]))


async def restored_state(database: Database, settings: RuntimeSettings, version: int, now: int) -> StateRestored:
    """Return what Postgres knows, for services whose bus lost it; *now* is wall clock."""
    newest = (await database.rows("SELECT max(scan_id) AS scan_id FROM scans WHERE settled_at IS NOT NULL"))[0]
    settled = int(newest["scan_id"] or 0)
    opened = await database.rows("SELECT * FROM signals WHERE status = 'open' ORDER BY scan_id, signal_id")
    fired = await database.rows(
        "SELECT subject, max(occurred_at) AS at FROM alerts WHERE kind = 'price' GROUP BY subject"
    )
    appeared = await _appearances(database, settled)
    return StateRestored(
        version=version,
        open_signals=tuple(_open_signal(row) for row in opened),
        appearances={row["symbol"]: (row["scan_id"], row["side"]) for row in appeared},
        cooldowns=await _cooldowns(database, settings),
        price_alert_states={row["subject"]: row["at"] for row in fired},
        delivered=await _delivered(database, now),
        settled_scan=settled,
        told=await _told(database),
        rows={row["symbol"]: row["length"] for row in appeared},
        untold=await _untold(database, settings, now),
    )


def _open_signal(row: dict[str, Any]) -> OpenSignal:
    names = (
        *("signal_id", "alert_id", "symbol", "side", "scan_id", "entry", "stop", "target", "atr", "score"),
        *("best_r", "worst_r", "label", "announced"),
    )
    return OpenSignal(**{name: row[name] for name in names}, estimated=tuple(row["estimated"]))


async def _appearances(database: Database, settled: int) -> list[dict[str, Any]]:
    """Return each symbol's last appearance of the last two hours in a sound scan: an older one can start no row."""
    return await database.rows(
        "SELECT DISTINCT ON (symbol) symbol, scan_id, side, 1 + COALESCE(persistence_value, 0)::int AS length "
        "FROM decisions LEFT JOIN scans USING (scan_id) WHERE appeared AND outcome <> 'late' "
        "AND COALESCE(degraded, '') = '' AND scan_id > %s ORDER BY symbol, scan_id DESC",
        [settled - 2 * HOUR_MS],
    )


async def _told(database: Database) -> dict[str, tuple[LifecycleEvent, ...]]:
    """Return what was told of each open signal; an alert's id ends with its event."""
    rows = await database.rows(
        "SELECT signal_id, array_agg(substring(alerts.alert_id FROM '[^:]+$') ORDER BY occurred_at) AS events "
        "FROM signals JOIN alerts ON subject = signal_id AND kind = 'lifecycle' WHERE status = 'open' GROUP BY 1"
    )
    return {row["signal_id"]: tuple(row["events"]) for row in rows}


async def _untold(database: Database, settings: RuntimeSettings, now: int) -> tuple[Alert, ...]:
    """Return the alerts that a destination may have missed; which ones have had it is told beside them."""
    wanted = {name for route in settings.routes for name in route.destinations}
    rows = await database.rows(
        "SELECT record FROM alerts WHERE held_by = '' AND created_at > %s AND %s > (SELECT count(DISTINCT destination) "
        "FROM deliveries WHERE deliveries.alert_id = alerts.alert_id AND status <> 'retrying') "
        "ORDER BY created_at, occurred_at, parent_id",
        [now - int(settings.delivery.expiry_seconds * 1_000), len(wanted)],
    )
    found = [from_wire(bytes(row["record"])) for row in rows]
    return tuple(alert for alert in found if isinstance(alert, Alert))


async def _cooldowns(database: Database, settings: RuntimeSettings) -> dict[str, int]:
    signals = await database.rows(
        "SELECT symbol || ':' || side AS key, max(closed_at) AS at FROM signals WHERE closed_at IS NOT NULL GROUP BY 1"
    )
    anomalies = await database.rows(
        "SELECT 'anomaly:' || symbol AS key, max(occurred_at) AS at FROM alerts WHERE kind = 'anomaly' GROUP BY 1"
    )
    after_signal = int(settings.lifecycle.cooldown_hours * HOUR_MS)
    after_anomaly = int(settings.anomaly.cooldown_hours * HOUR_MS)
    return {row["key"]: row["at"] + after_signal for row in signals} | {
        row["key"]: row["at"] + after_anomaly for row in anomalies
    }


async def _delivered(database: Database, now: int) -> tuple[str, ...]:
    """Return what came to an end in the last day; deliveries expire long before that."""
    rows = await database.rows(
        "SELECT DISTINCT alert_id || ':' || destination AS key FROM deliveries WHERE status <> 'retrying' AND at > %s",
        [now - 24 * HOUR_MS],
    )
    return tuple(sorted(row["key"] for row in rows))
