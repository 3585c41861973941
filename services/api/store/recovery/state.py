"""The state in Postgres, for services whose bus lost theirs."""

from __future__ import annotations

from typing import Any

from services.api.store import outcomes
from services.api.store.database import MINE, Database
from services.api.views.worth import of_row
from shared.bus import from_wire
from shared.contracts import DAY_MS, HOUR_MS, Alert, LifecycleEvent, OpenSignal, StateRestored
from shared.settings import RuntimeSettings


async def restored_state(database: Database, settings: RuntimeSettings, version: int, now: int) -> StateRestored:
    """Return the state in Postgres, for services whose bus lost theirs; *now* is wall clock, ms."""
    newest = (
        await database.rows(f"SELECT max(scan_id) AS scan_id FROM scans WHERE {MINE} AND settled_at IS NOT NULL")
    )[0]
    settled = int(newest["scan_id"] or 0)
    opened = await database.rows(f"SELECT * FROM signals WHERE {MINE} AND status = 'open' ORDER BY scan_id, signal_id")
    fired = await database.rows(
        f"SELECT subject, max(occurred_at) AS at FROM alerts WHERE {MINE} AND kind = 'price' GROUP BY subject"
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
        told=await _alerted_events(database),
        rows={row["symbol"]: row["length"] for row in appeared},
        untold=await _undelivered(database, settings, now),
        following=await outcomes.followed(database),
    )


def _open_signal(row: dict[str, Any]) -> OpenSignal:
    names = (
        *("signal_id", "alert_id", "symbol", "side", "scan_id", "entry", "stop", "target", "atr", "score"),
        *("best_r", "worst_r", "label", "announced"),
    )
    return OpenSignal(
        **{name: row[name] for name in names}, estimated=tuple(row["estimated"]), worth=of_row(row["worth"])
    )


async def _appearances(database: Database, settled: int) -> list[dict[str, Any]]:
    """Return each symbol's appearance of the last two hours in a sound scan; no streak continues an older one."""
    return await database.rows(
        "SELECT DISTINCT ON (symbol) symbol, scan_id, side, 1 + "
        "COALESCE(NULLIF(figures[(j.verdicts -> 'persistence' ->> 'place')::int], 'NaN'), "
        "(d.verdicts -> 'persistence' ->> 'value')::float8, 0)::int AS length "
        "FROM decisions d LEFT JOIN judgements j USING (judgement_id) LEFT JOIN scans USING (market, scan_id) "
        f"WHERE {MINE} AND appeared AND outcome <> 'late' "
        "AND COALESCE(degraded, '') = '' AND scan_id > %s ORDER BY symbol, scan_id DESC",
        [settled - 2 * HOUR_MS],
    )


async def _alerted_events(database: Database) -> dict[str, tuple[LifecycleEvent, ...]]:
    """Return the events alerted of each open signal; an alert's id ends with its event."""
    rows = await database.rows(
        "SELECT signal_id, array_agg(substring(alerts.alert_id FROM '[^:]+$') ORDER BY occurred_at) AS events "
        f"FROM signals JOIN alerts USING (market) WHERE subject = signal_id AND kind = 'lifecycle' "
        f"AND {MINE} AND status = 'open' GROUP BY 1"
    )
    return {row["signal_id"]: tuple(row["events"]) for row in rows}


async def _undelivered(database: Database, settings: RuntimeSettings, now: int) -> tuple[Alert, ...]:
    """Return the alerts that a destination may have missed; `_delivered` names the destinations that have them."""
    wanted = {name for route in settings.routes for name in route.destinations}
    rows = await database.rows(
        f"SELECT record FROM alerts WHERE {MINE} AND held_by = '' AND created_at > %s AND %s > "
        "(SELECT count(DISTINCT destination) "
        "FROM deliveries WHERE deliveries.market = alerts.market "
        "AND deliveries.alert_id = alerts.alert_id AND status <> 'retrying') "
        "ORDER BY created_at, occurred_at, parent_id",
        [now - int(settings.delivery.expiry_seconds * 1_000), len(wanted)],
    )
    found = [from_wire(bytes(row["record"])) for row in rows]
    return tuple(alert for alert in found if isinstance(alert, Alert))


async def _cooldowns(database: Database, settings: RuntimeSettings) -> dict[str, int]:
    signals = await database.rows(
        "SELECT symbol || ':' || side AS key, max(closed_at) AS at FROM signals "
        f"WHERE {MINE} AND closed_at IS NOT NULL GROUP BY 1"
    )
    anomalies = await database.rows(
        "SELECT 'anomaly:' || symbol AS key, max(occurred_at) AS at FROM alerts "
        f"WHERE {MINE} AND kind = 'anomaly' GROUP BY 1"
    )
    after_signal = int(settings.lifecycle.cooldown_hours * HOUR_MS)
    after_anomaly = int(settings.anomaly.cooldown_hours * HOUR_MS)
    return {row["key"]: row["at"] + after_signal for row in signals} | {
        row["key"]: row["at"] + after_anomaly for row in anomalies
    }


async def _delivered(database: Database, now: int) -> tuple[str, ...]:
    """Return the deliveries that ended in the last day; deliveries expire long before that."""
    rows = await database.rows(
        "SELECT DISTINCT alert_id || ':' || destination AS key FROM deliveries "
        f"WHERE {MINE} AND status <> 'retrying' AND at > %s",
        [now - DAY_MS],
    )
    return tuple(sorted(row["key"] for row in rows))
