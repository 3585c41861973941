"""Settings, mutes and price alerts by REST: what is refused, what is undone, what is overridden."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from services.api.context import Context, now_ms
from services.notifier.bot.bot_reports import BotReports
from shared.bus import Commit, CommitResult, StateChange
from shared.contracts import PriceTick, RefreshRequested, Stream
from shared.reports import FETCHER, REFRESHED, WEIGHT, HeardChat, RefreshDone, Token, WeightUsed
from tests.integration.api import facts
from tests.integration.api.test_routes import record_a_signal

CLUB = {"channel": "discord", "url": "https://discord.com/api/webhooks/1/hush"}


async def score_of(client: httpx.AsyncClient) -> float:
    return float((await client.get("/api/config")).json()["value"]["thresholds"]["score"])


async def test_null_means_as_config_yaml_says(api: Context, client: httpx.AsyncClient) -> None:
    """Set, listed with both values, set back; and an edit of the file counts at the next start."""
    api.publisher.values = {"thresholds": {"score": 70}}
    await client.patch("/api/config", json={"thresholds": {"score": 80}})
    listed = (await client.get("/api/config/changes")).json()["items"]
    assert listed == [{"path": "thresholds.score", "file": 70, "value": 80}]
    await client.patch("/api/config", json={"thresholds": {"score": None}})
    assert await score_of(client) == 70
    assert (await client.get("/api/config/changes")).json()["items"] == []
    api.publisher.values = {"thresholds": {"score": 55}}
    await api.publisher.publish()
    assert await score_of(client) == 55


async def test_a_change_is_undone_and_those_after_it_stand(client: httpx.AsyncClient) -> None:
    """Each change is listed with who made it; undone once, it counts no more."""
    await client.patch("/api/config", json={"thresholds": {"score": 80}})
    await client.patch("/api/config", json={"thresholds": {"fmqs": 60}})
    newest, oldest = (await client.get("/api/config/history")).json()["items"]
    assert (newest["patch"], oldest["by"]) == ({"thresholds": {"fmqs": 60}}, "command line")
    undo = f"/api/config/history/{oldest['change_id']}/undo"
    assert (await client.post(undo)).status_code == 200
    value = (await client.get("/api/config")).json()["value"]["thresholds"]
    assert (value["score"], value["fmqs"]) == (65, 60)
    assert (await client.post(undo)).status_code == 404
    assert [item["undone"] for item in (await client.get("/api/config/history")).json()["items"]] == [False, True]


async def test_a_change_can_be_tried_without_saving_it(client: httpx.AsyncClient) -> None:
    """What would change, or every mistake; nothing is kept."""
    tried = (await client.post("/api/config/validate", json={"thresholds": {"score": 80}})).json()
    assert (tried["valid"], tried["changes"]) == (
        True,
        [{"path": "thresholds.score", "before": 65, "after": 80}],
    )
    wrong = (await client.post("/api/config/validate", json={"thresholds": {"score": 800}})).json()
    assert (wrong["valid"], len(wrong["mistakes"])) == (False, 1)
    assert await score_of(client) == 65
    assert (await client.get("/api/config/history")).json()["items"] == []


async def test_coins_have_many_names_and_unknown_ones_are_refused(api: Context, client: httpx.AsyncClient) -> None:
    """A price alert and a mute of what is not watched would never do anything; settings say what they name in vain."""
    api.board.take(PriceTick(at=facts.SCAN, prices={"LINKUSDT": 10.0, "BTCUSDT": 1.0}))
    wanted = {"symbol": "link", "condition": "above", "value": 5}
    assert (await client.post("/api/price-alerts", json=wanted)).json()["symbol"] == "LINKUSDT"
    assert (await client.post("/api/mutes", json={"symbol": "Link", "seconds": 60})).json()["symbol"] == "LINKUSDT"
    for path, body in (
        ("/api/price-alerts", wanted | {"symbol": "lnik"}),
        ("/api/mutes", {"symbol": "lnik", "seconds": 60}),
    ):
        refused = await client.post(path, json=body)
        assert refused.status_code == 422
        assert refused.json()["detail"] == "symbol: lnik is not among the 2 watched coins; did you mean LINKUSDT?"
    patch = {"universe": {"include": ["btc", "nope"]}, "symbol_thresholds": {"link": {"score": 70}}}
    shown = (await client.patch("/api/config", json=patch)).json()
    assert shown["value"]["universe"]["include"] == ["BTCUSDT", "NOPEUSDT"]
    assert list(shown["value"]["symbol_thresholds"]) == ["LINKUSDT"]
    assert shown["notes"] == ["universe.include: NOPEUSDT is not among the 2 watched coins"]


async def test_a_mute_of_no_destination_is_refused(client: httpx.AsyncClient) -> None:
    """The answer says which there are."""
    await client.patch("/api/config", json={"destinations": {"club": CLUB}})
    refused = await client.post("/api/mutes", json={"destination": "clab", "seconds": 60})
    assert refused.json()["detail"] == "destination: there is no destination 'clab'; there are: club"
    assert (await client.post("/api/mutes", json={"destination": "club", "seconds": 60})).status_code == 201


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/signals?staus=open", "unknown parameter 'staus'"),
        ("/api/signals?status=opened", "status: "),
        ("/api/decisions?outcome=lost", "outcome: "),
        ("/api/scans?offset=3", "unknown parameter 'offset'"),
        ("/api/version?x=1", "unknown parameter 'x': it takes market"),
        ("/api/signals?cursor=nonsense", "not a cursor"),
        ("/api/scans?since=soon", "not a time: 'soon'"),
    ],
)
async def test_what_a_route_does_not_know_is_refused(client: httpx.AsyncClient, path: str, said: str) -> None:
    """A misspelled filter would answer with everything."""
    refused = await client.get(path)
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith(said)


async def test_an_answer_that_is_held_already_is_not_sent_again(client: httpx.AsyncClient) -> None:
    """304 for the ETag that was given; a change gives another."""
    first = await client.get("/api/config")
    held = {"If-None-Match": first.headers["etag"]}
    again = await client.get("/api/config", headers=held)
    assert (again.status_code, again.content) == (304, b"")
    await client.patch("/api/config", json={"thresholds": {"score": 80}})
    assert (await client.get("/api/config", headers=held)).status_code == 200


async def test_refreshes_of_ten_seconds_are_one(api: Context, client: httpx.AsyncClient) -> None:
    """The fetcher is asked once, by the bus."""
    answers = [(await client.post("/api/refresh")).json() for _ in range(3)]
    assert [answer["coalesced"] for answer in answers] == [False, True, True]
    (asked,) = [event for event in await api.bus.newest_settings() if isinstance(event, RefreshRequested)]
    assert asked.at == answers[2]["requested_at"]


async def test_what_the_fetcher_did_for_a_refresh_and_its_weight_are_shown(
    api: Context, client: httpx.AsyncClient
) -> None:
    """As it left them in its state; what belongs to an earlier request, or to another minute, is not told."""
    asked = (await client.post("/api/refresh")).json()["requested_at"]
    await _leave(api, 0, REFRESHED, RefreshDone(version=asked - 1, at=asked, coins=3))
    await _leave(api, 1, WEIGHT, WeightUsed(used=123, limit=2_400, at=now_ms() - 60_000))
    assert (await client.get("/api/refresh")).json()["done"] is None
    assert (await client.get("/api/status")).json()["weight_used"] is None
    await _leave(api, 2, REFRESHED, RefreshDone(version=asked, at=asked + 5, polled=("prices",), coins=3))
    await _leave(api, 3, WEIGHT, WeightUsed(used=123, limit=2_400, at=now_ms()))
    done = {"at": asked + 5, "polled": ["prices"], "coins": 3, "problem": ""}
    assert (await client.get("/api/refresh")).json()["done"] == done
    status = (await client.get("/api/status")).json()
    assert (status["weight_used"], status["weight_limit"]) == (123, 2_400)


async def _leave(api: Context, version: int, name: str, value: RefreshDone | WeightUsed) -> None:
    change = StateChange(FETCHER, version, {name: msgspec.json.encode(value)})
    assert await api.bus.commit(Commit(state=change)) is CommitResult.COMMITTED


@pytest.mark.parametrize("token", ["missing", "refused", "unreachable"])
async def test_a_token_that_does_not_work_comes_with_advice(
    api: Context, client: httpx.AsyncClient, token: Token
) -> None:
    """Before the notifier has said anything, that is said; chats of more than an hour ago are left out."""
    assert (await client.post("/api/setup/telegram")).json()["token"] == "unknown"
    old = HeardChat(chat_id="7", title="x", kind="private", at=now_ms() - 2 * 3_600_000)
    reports = BotReports(api.bus)
    await reports.heard(old)
    await reports.token(token)
    found = (await client.post("/api/setup/telegram")).json()
    assert (found["token"], found["chats"]) == (token, [])
    assert found["advice"]


async def test_a_test_alert_and_a_repeated_one_go_to_one_destination(api: Context, client: httpx.AsyncClient) -> None:
    """They leave by the alerts' stream; a signal that is sent again opens no second one."""
    await record_a_signal(api)
    await client.patch("/api/config", json={"destinations": {"club": CLUB}})
    sent = await client.post("/api/destinations/club/test")
    (signal,) = (await client.get("/api/signals")).json()["items"]
    wanted = {"alert_id": signal["alert_id"], "destination": "club"}
    again = await client.post("/api/deliveries/resend", json=wanted)
    assert (sent.status_code, again.status_code) == (202, 202)
    found = [message for _, _, message in await api.bus.tail({Stream.ALERTS: "0-0"})][-2:]
    assert [message.alert_id for message in found] == [sent.json()["alert_id"], again.json()["alert_id"]]  # type: ignore[union-attr]
    assert {message.destinations for message in found} == {("club",)}  # type: ignore[union-attr]
    assert (await client.post("/api/destinations/clab/test")).status_code == 404
    assert (await client.post("/api/deliveries/resend", json=wanted | {"destination": "clab"})).status_code == 422
    assert (await client.post("/api/deliveries/resend", json=wanted | {"alert_id": "none"})).status_code == 404


async def test_the_history_comes_as_a_file(api: Context, client: httpx.AsyncClient) -> None:
    """A line of names with their units, then every signal."""
    await record_a_signal(api)
    names, line = (await client.get("/api/export/signals.csv?status=open")).text.splitlines()
    found = dict(zip(names.split(","), line.split(","), strict=True))
    assert (found["symbol"], found["opened_utc"], found["status"]) == ("AAAUSDT", "2025-09-04 15:40:00", "open")
    told = (await client.get("/api/signals")).json()["items"][0]["worth"]
    assert float(found["cost_r"]) == round(told["cost_r"], 4)
    assert bool(found["similar_signals"]) == bool(told["comparable"])
    assert (await client.get("/api/export/signals.csv?status=closed")).text.count("\n") == 1
