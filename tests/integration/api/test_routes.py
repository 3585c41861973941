"""The routes over real stores: what they answer, and that nothing makes them fail."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from services.api.app import create_app
from services.api.context import Context
from services.api.recorder import CONSUMER, GROUP, STREAMS
from shared.config.sealing import settings_from
from shared.contracts import DAY_MS, HOUR_MS, SCAN_MS, PriceTick, Stream
from tests.integration.api import facts
from tests.integration.api.conftest import owner

HOSTILE = "<IMG SRC=X ONERROR=ALERT(1)>"


async def record_a_signal(api: Context) -> None:
    later = facts.SCAN + SCAN_MS
    messages: dict[Stream, list[Any]] = {
        Stream.SCANS: [facts.opened(), facts.settled(), facts.opened(later), facts.settled(later, passed=1)],
        Stream.DECISIONS: [facts.decision(), facts.decision("BBBUSDT", later, score=50.0)],
        Stream.DECISIONS_PASSED: [facts.decision(scan_id=later, passed=True)],
        Stream.ALERTS: [facts.signal_alert(scan_id=later)],
        Stream.DELIVERIES: [facts.report(f"signal:AAAUSDT:long:{later}")],
    }
    for stream, sent in messages.items():
        await api.bus.publish(stream, sent)
        for message in sent:
            api.board.take(message)
    await api.recorder.record(await api.bus.read(GROUP, CONSUMER, STREAMS, block_ms=50))


async def test_what_happened_can_be_read(api: Context, client: httpx.AsyncClient) -> None:
    """Signals, scans, decisions, alerts, deliveries, the ranking and the explanation agree."""
    await record_a_signal(api)
    later = facts.SCAN + SCAN_MS
    (signal,) = (await client.get("/api/signals", params={"status": "open"})).json()["items"]
    assert (signal["signal_id"], signal["status"]) == (f"AAAUSDT:long:{later}", "open")
    one = (await client.get(f"/api/signals/{signal['signal_id']}")).json()
    assert one["alerts"][0]["headline"] == "AAAUSDT long, score 72"
    assert [scan["scan_id"] for scan in (await client.get("/api/scans")).json()["items"]] == [later, facts.SCAN]
    found = (await client.get("/api/decisions", params={"symbol": "aaausdt", "scan_id": later})).json()["items"]
    assert [row["outcome"] for row in found] == ["alerted"]
    assert [row["symbol"] for row in (await client.get("/api/coins?limit=5")).json()["items"]] == ["AAAUSDT", "BBBUSDT"]
    alert = (await client.get(f"/api/alerts/signal:{signal['signal_id']}")).json()
    assert [report["status"] for report in alert["deliveries"]] == ["sent"]


async def test_a_signal_keeps_what_its_alert_said_it_is_worth(api: Context, client: httpx.AsyncClient) -> None:
    """In the list, of the stored row and of the live board alike; null where an earlier version told it."""
    await record_a_signal(api)
    (signal,) = (await client.get("/api/signals")).json()["items"]
    assert signal["worth"] == api.board.signals[signal["signal_id"]]["worth"]
    assert (signal["worth"]["cost_r"], signal["worth"]["break_even"]) == (0.06, pytest.approx(1.06 / (1 + 5.5 / 2.5)))
    assert signal["worth"]["record"].startswith("like this: 31 of 100")
    await api.database.execute("UPDATE signals SET worth = NULL")
    assert (await client.get(f"/api/signals/{signal['signal_id']}")).json()["worth"] is None


async def test_explain_gives_the_seven_gates_for_now_and_for_then(api: Context, client: httpx.AsyncClient) -> None:
    """Each gate has value, threshold, distance and reason; a time picks the scan at or before it."""
    await record_a_signal(api)
    now = (await client.get("/api/coins/aaa/explain")).json()
    assert [gate["gate"] for gate in now["gates"]] == list(facts.GATES)
    assert (now["passed"], now["gates"][0]["value"], now["gates"][0]["distance"]) == (True, 72, 7)
    assert len(now["chart"]["close"]) == 96
    then = (await client.get("/api/coins/AAAUSDT/explain", params={"at": "2025-09-04T15:39:59"})).json()
    assert (then["scan_id"], then["passed"]) == (facts.SCAN, False)
    assert then["gates"][6]["reason"] == "not in the scan before"
    assert (await client.get("/api/coins/AAAUSDT/explain?at=2020-01-01")).status_code == 404
    assert (await client.get("/api/coins/AAAUSDT/explain?at=soon")).status_code == 422


async def test_paging_gives_everything_once(api: Context, client: httpx.AsyncClient) -> None:
    """Pages follow each other without gap or repetition and end with null."""
    scans = [facts.opened(facts.SCAN + n * SCAN_MS) for n in range(7)]
    await api.bus.publish(Stream.SCANS, scans)
    await api.recorder.record(await api.bus.read(GROUP, CONSUMER, STREAMS, block_ms=50))
    seen: list[int] = []
    cursor: dict[str, str] | None = {}
    while cursor is not None:
        page = (await client.get("/api/scans", params={"limit": 3, **cursor})).json()
        seen += [scan["scan_id"] for scan in page["items"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert seen == [scan.scan_id for scan in reversed(scans)]


async def test_price_alerts_live_and_die(api: Context, client: httpx.AsyncClient) -> None:
    """A price alert is created with the exchange's time, listed, and removed."""
    api.board.take(PriceTick(at=123_456, prices={"AAAUSDT": 1.0}))
    wanted = {"symbol": "aaausdt", "condition": "moves", "value": 0.05, "window_seconds": 600}
    made = (await client.post("/api/price-alerts", json=wanted)).json()
    assert (made["symbol"], made["created_at"]) == ("AAAUSDT", 123_456)
    assert [row["stands"] for row in (await client.get("/api/price-alerts")).json()["items"]] == [True]
    assert (await client.delete(f"/api/price-alerts/{made['price_alert_id']}")).status_code == 204
    assert (await client.delete(f"/api/price-alerts/{made['price_alert_id']}")).status_code == 404
    bad = wanted | {"window_seconds": 0}
    assert (await client.post("/api/price-alerts", json=bad)).status_code == 422


async def test_mutes_live_and_die(client: httpx.AsyncClient) -> None:
    """A mute for some seconds is listed until it is ended."""
    made = (await client.post("/api/mutes", json={"symbol": "aaausdt", "seconds": 60})).json()
    assert [row["symbol"] for row in (await client.get("/api/mutes")).json()["items"]] == ["AAAUSDT"]
    assert (await client.delete(f"/api/mutes/{made['mute_id']}")).status_code == 204
    assert (await client.get("/api/mutes")).json()["items"] == []
    assert (await client.post("/api/mutes", json={"until": 5})).status_code == 422
    assert (await client.post("/api/mutes", json={})).status_code == 422


async def test_settings_change_without_showing_secrets(api: Context, client: httpx.AsyncClient) -> None:
    """A secret goes in, is published, and never comes out; sent back masked it stays."""
    url = "https://discord.com/api/webhooks/1/verysecret"
    patch = {"destinations": {"club": {"channel": "discord", "url": url}}, "heartbeat_url": "https://x.example/secret"}
    answer = await client.patch("/api/config", json=patch)
    assert answer.status_code == 200
    shown = (await client.get("/api/config")).json()
    assert "secret" not in answer.text + str(shown)
    assert shown["value"]["destinations"]["club"]["url"] == "********"
    back = {"destinations": {"club": shown["value"]["destinations"]["club"] | {"muted": True}}}
    assert (await client.patch("/api/config", json=back)).status_code == 200
    (event,) = [event for event in await api.bus.newest_settings() if type(event).__name__ == "SettingsChanged"]
    assert "secret" not in str(event)
    opened = settings_from(event.value, api.service.environment.sealing_key)  # type: ignore[union-attr]
    assert opened.dump()["destinations"]["club"]["url"] == url
    assert opened.destinations["club"].muted
    assert (await client.patch("/api/config", json={"destinations": None})).json()["value"]["destinations"] == {}
    undone = (await client.get("/api/config/history")).json()["items"]
    assert len(undone) == 3
    assert "secret" not in str(undone)


async def test_a_wrong_setting_is_refused_and_changes_nothing(client: httpx.AsyncClient) -> None:
    """The answer names the place; the version stays."""
    before = (await client.get("/api/config")).json()["version"]
    answer = await client.patch("/api/config", json={"thresholds": {"score": 101}})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("thresholds.score: ")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await client.get("/api/config")).json()["version"] == before


async def test_concurrent_changes_are_all_kept(client: httpx.AsyncClient) -> None:
    """Ten changes at once to ten places all stand in the end."""
    changes = [{"symbol_thresholds": {f"C{n}USDT": {"score": 50 + n}}} for n in range(10)]
    answers = await asyncio.gather(*(client.patch("/api/config", json=change) for change in changes))
    assert {answer.status_code for answer in answers} == {200}
    value = (await client.get("/api/config")).json()["value"]
    assert {name: item["score"] for name, item in value["symbol_thresholds"].items()} == {
        f"C{n}USDT": 50 + n for n in range(10)
    }


async def test_every_route_needs_a_credential_beyond_this_machine(api: Context) -> None:
    """From another machine every route of data answers 401; a key in the address is no credential."""
    await api.publisher.publish()
    transport = httpx.ASGITransport(app=create_app(api), client=("10.0.0.9", 5))
    checked = 0
    async with httpx.AsyncClient(transport=transport, base_url="http://192.168.1.2") as client:
        document = (await client.get("/api/openapi.json", headers=owner(api))).json()
        for path, methods in document["paths"].items():
            for method in methods:
                if path in ("/health", "/ready") or (path, method) == ("/api/session", "post"):
                    continue
                address = path.replace("{", "").replace("}", "")
                refused = await client.request(method, address, params={"key": "x", "api_key": "x"})
                assert refused.status_code == 401, (method, path)
                checked += 1
        assert checked > 30
        for headers in (owner(api), {"x-api-key": owner(api)["Authorization"].split()[1]}):
            assert (await client.get("/api/coins", headers=headers)).status_code == 200
        assert (await client.get("/")).status_code == 200


async def test_without_postgres_the_live_part_goes_on(api: Context, client: httpx.AsyncClient) -> None:
    """History answers 503; ranking, explanation, status and health answer from memory."""
    await record_a_signal(api)
    api.database.ready = False
    assert (await client.get("/api/signals")).status_code == 503
    for path in ("/api/coins", "/api/coins/AAAUSDT/explain", "/api/status", "/health", "/api/config"):
        assert (await client.get(path)).status_code == 200, path
    assert (await client.get("/api/status")).json()["database"]["ok"] is False


async def test_status_counts_and_lags(api: Context, client: httpx.AsyncClient) -> None:
    """Freshness, lag of every reader, and counts are there."""
    await record_a_signal(api)
    status = (await client.get("/api/status")).json()
    assert status["counts"]["open_signals"] == 1
    assert status["services"]["gatekeeper"]["seconds_since_message"] < 600  # the test's own time
    lags = {(row["stream"], row["group"]): row["undelivered"] for row in status["streams"]}
    assert lags["alerts", "api"] == 0
    assert lags["alerts", "notifier"] == 1


async def test_alerts_and_deliveries_are_counted_over_a_day(api: Context, client: httpx.AsyncClient) -> None:
    """Alerts before the last settled scan, deliveries before now; what is older costs the query nothing."""
    await record_a_signal(api)
    earlier = facts.signal_alert(scan_id=facts.SCAN - DAY_MS)
    now = time.time_ns() // 1_000_000
    ages = {"sent": 1, "rejected": 23, "suppressed": 25}  # hours
    reports = [facts.report(earlier.alert_id, status=status, at=now - age * HOUR_MS) for status, age in ages.items()]
    await api.bus.publish(Stream.ALERTS, [earlier])
    await api.bus.publish(Stream.DELIVERIES, reports)
    await api.recorder.record(await api.bus.read(GROUP, CONSUMER, STREAMS, block_ms=50))
    counts = (await client.get("/api/status")).json()["counts"]
    assert counts["alerts"] == 1
    assert counts["deliveries"] == {"sent": 1, "rejected": 1}


async def test_a_hostile_name_is_data_and_nothing_else(api: Context, client: httpx.AsyncClient) -> None:
    """Markup in a symbol comes back as JSON with nosniff, never as a page."""
    api.board.take(facts.decision(HOSTILE))
    answer = await client.get("/api/coins")
    assert answer.json()["items"][0]["symbol"] == HOSTILE
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "script-src 'self'" in answer.headers["content-security-policy"]


async def test_dead_letters_are_shown_and_put_back(api: Context, client: httpx.AsyncClient) -> None:
    """A message that could not be stored is listed with its error and returns to its stream."""
    await api.bus.publish(Stream.DELIVERIES, [facts.report("a\x00")])
    await api.recorder.record(await api.bus.read(GROUP, CONSUMER, STREAMS, block_ms=50))
    for _ in range(6):
        await api.recorder.record(await api.bus.claim(GROUP, CONSUMER, Stream.DELIVERIES, min_idle_ms=0))
    (letter,) = (await client.get("/api/dead-letters")).json()["items"]
    assert (letter["stream"], letter["message"]["type"]) == ("deliveries", "DeliveryReport")
    assert (await client.post(f"/api/dead-letters/{letter['dead_id']}/put-back")).status_code == 204
    assert (await client.post(f"/api/dead-letters/{letter['dead_id']}/put-back")).status_code == 404
    assert (await client.get("/api/dead-letters")).json()["items"] == []
