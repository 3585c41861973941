"""From the `alerts` stream to real servers and back on `deliveries`, with the faults that happen on the way."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections import Counter
from functools import partial
from itertools import pairwise

import msgspec
import psutil
import pytest
from standardwebhooks import Webhook

from services.notifier.cli import sample_alerts as samples
from shared.contracts import Alert, DeliveryReport, Mute
from tests.integration.notifier.conftest import LOCAL, ROOT, Stage, now_ms
from tests.integration.notifier.sinks import Sink, hang, refuse, status
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.asyncio, pytest.mark.timeout(600)]
PHONE = {"channel": "telegram", "chat_id": "42"}
SECRET = "whsec_c2V2ZW5nYXRlLXNldmVuZ2F0ZS1zZXZlbmdhdGU="


def numbered(number: int) -> Alert:
    """Return one of many different, fresh signals."""
    return samples.signal(f"C{number}USDT", created_at=now_ms(), scan_id=samples.SCAN + number)


def settled(count: int):  # type: ignore[no-untyped-def]
    """Return the condition that *count* deliveries have ended."""
    return lambda reports: sum(report.status != "retrying" for report in reports) >= count


def told(reports: list[DeliveryReport]) -> list[tuple[str, str, str]]:
    """Return each report: destination, status, reason."""
    return sorted((report.destination, report.status, report.reason) for report in reports)


async def test_an_alert_reaches_each_destination_once(stage: Stage, fresh_signal: Alert) -> None:
    """An alert that comes twice is sent once to each, and reported with the other side's message id."""
    await stage.route(
        house=stage.webhook(), phone=PHONE, room={"channel": "discord", "url": stage.sink.url, "allow": LOCAL}
    )
    await stage.tell(fresh_signal, fresh_signal)
    reports = await stage.until(settled(3))
    assert told(reports) == [("house", "sent", ""), ("phone", "sent", ""), ("room", "sent", "")]
    await asyncio.sleep(0.5)
    assert len(stage.sink.received) == 2
    assert [name for name, _ in stage.bot_api.calls] == ["sendPhoto"]
    assert all(report.reference for report in reports if report.destination != "house")


async def test_a_webhook_is_signed_and_its_card_free_json_is_versioned(stage: Stage, fresh_signal: Alert) -> None:
    """The scheme's own library verifies what arrived."""
    await stage.route(house=stage.webhook(secret=SECRET))
    await stage.tell(fresh_signal)
    await stage.until(settled(1))
    got = stage.sink.received[0]
    headers = {name.lower(): value for name, value in got.headers.items()}
    assert Webhook(SECRET).verify(got.body.decode(), headers)["version"] == 1
    assert headers["host"] == f"127.0.0.1:{stage.sink.port}"


async def test_a_time_out_after_sending_is_unknown_and_not_repeated(stage: Stage, fresh_signal: Alert) -> None:
    """FAULTS 29: what may have arrived is counted as unknown and left at that."""
    stage.sink.answers.append(hang(5))
    await stage.configure(
        destinations={"house": stage.webhook()}, routes=[{"destinations": ["house"]}], delivery={"timeout_seconds": 1.0}
    )
    await stage.tell(fresh_signal)
    reports = await stage.until(settled(1))
    assert told(reports) == [("house", "unknown", "no answer in time")]
    await asyncio.sleep(3)
    assert len(stage.sink.received) == 1


async def test_a_time_out_is_repeated_where_the_settings_say_so(stage: Stage, fresh_signal: Alert) -> None:
    """With `repeat_unknown` the second attempt is made and recorded."""
    stage.sink.answers.append(hang(5))
    await stage.configure(
        destinations={"house": stage.webhook()},
        routes=[{"destinations": ["house"]}],
        delivery={"timeout_seconds": 1.0, "repeat_unknown": True},
    )
    await stage.tell(fresh_signal)
    reports = await stage.until(settled(2))
    assert [(report.attempt, report.status) for report in reports] == [(1, "unknown"), (2, "sent")]


async def test_telegram_says_when_to_come_back(stage: Stage, fresh_signal: Alert) -> None:
    """FAULTS 30: `retry_after` is obeyed, then the message arrives once."""
    stage.bot_api.answers.append(refuse(429, "Too Many Requests: retry after 3", retry_after=3))
    await stage.route(phone=PHONE)
    await stage.tell(fresh_signal)
    reports = await stage.until(settled(1))
    assert [(report.status, report.reason) for report in reports] == [("retrying", "http 429"), ("sent", "")]
    first, second = (got.at for got in stage.bot_api.received)
    assert 3.0 <= second - first < 8.0


async def test_a_webhook_says_when_to_come_back(stage: Stage, fresh_signal: Alert) -> None:
    """A `Retry-After` header is obeyed like Discord's."""
    stage.sink.answers.append(status(429, headers={"Retry-After": "3"}))
    await stage.route(house=stage.webhook())
    await stage.tell(fresh_signal)
    await stage.until(settled(1))
    first, second = (got.at for got in stage.sink.received)
    assert 3.0 <= second - first < 8.0


async def test_marks_in_a_name_arrive_escaped_and_fall_back_to_plain_text(stage: Stage) -> None:
    """FAULTS 31: `<` and `_` in a symbol are inert, and a refused markup is sent as plain text."""
    stage.bot_api.answers.append(refuse(400, "Bad Request: can't parse entities: unsupported start tag"))
    await stage.route(phone=PHONE)
    await stage.tell(samples.signal("<img onerror=x>_USDT", created_at=now_ms()))
    await stage.until(settled(1))
    (_, first), (_, second) = stage.bot_api.calls
    assert "&lt;img onerror=x&gt;_USDT" in first["caption"]
    assert first["parse_mode"] == "HTML"
    assert "<img onerror=x>_USDT" in second["caption"]
    assert "parse_mode" not in second


async def test_a_group_without_pictures_is_told_in_words(stage: Stage, fresh_signal: Alert) -> None:
    """A right that the group does not give costs the card, not the alert; a topic that is gone suspends."""
    stage.bot_api.answers.append(refuse(400, "Bad Request: not enough rights to send photos to the chat"))
    await stage.route(phone={**PHONE, "topic_id": 7})
    await stage.tell(fresh_signal)
    await stage.until(settled(1))
    (picture, _), (words, fields) = stage.bot_api.calls
    assert (picture, words) == ("sendPhoto", "sendMessage")
    assert "<b>▲ LONG SOLUSDT</b>" in fields["text"]
    stage.bot_api.answers.append(refuse(400, "Bad Request: message thread not found"))
    await stage.tell(numbered(1), numbered(2))
    reports = await stage.until(settled(3))
    assert [report.reason for report in reports] == ["", "http 400", "suspended"]


async def test_a_group_that_became_a_supergroup_is_followed(stage: Stage) -> None:
    """FAULTS 32: the new chat id is used at once and ever after."""
    moved = "Bad Request: group chat was upgraded to a supergroup chat"
    stage.bot_api.answers.append(refuse(400, moved, migrate_to_chat_id=-1009))
    await stage.route(phone={**PHONE, "chat_id": "-5"})
    await stage.tell(numbered(1))
    await stage.until(settled(1))
    await stage.tell(numbered(2))
    await stage.until(settled(2))
    assert [fields["chat_id"] for _, fields in stage.bot_api.calls] == ["-5", "-1009", "-1009"]


async def test_a_bot_that_was_kicked_is_suspended_and_the_others_hear_of_it(stage: Stage) -> None:
    """FAULTS 33: 403 suspends the destination, says so elsewhere, and new settings end it."""
    stage.bot_api.answers.append(refuse(403, "Forbidden: bot was kicked from the group chat"))
    await stage.configure(
        destinations={"phone": PHONE, "house": stage.webhook()},
        routes=[{"destinations": ["phone"], "kinds": ["signal"]}],
    )
    await stage.tell(numbered(1))
    await stage.until(settled(2))
    await stage.tell(numbered(2))
    reports = await stage.until(settled(3))
    assert told(reports) == [
        ("house", "sent", ""),
        ("phone", "rejected", "http 403"),
        ("phone", "rejected", "suspended"),
    ]
    assert "Deliveries to phone are suspended" in json.loads(stage.sink.received[0].body)["title"]
    assert len(stage.bot_api.received) == 1
    await stage.configure(destinations={"phone": {**PHONE, "chat_id": "43"}}, routes=[{"destinations": ["phone"]}])
    await stage.tell(numbered(3))
    assert (await stage.until(settled(4)))[-1].status == "sent"


async def test_a_dead_process_between_alert_and_delivery_tells_once(idle_stage: Stage, fresh_signal: Alert) -> None:
    """FAULTS 34: alerts wait in the stream and in the queues; the restarted processes deliver each once."""
    stage = idle_stage
    await stage.route(house=stage.webhook())
    notifier = stage.start("services.notifier")
    await stage.tell(*(numbered(number) for number in range(20)))
    await asyncio.sleep(2.5)
    notifier.kill()
    stage.start("services.notifier")
    stage.start("services.notifier.deliverer")
    reports = await stage.until(settled(20))
    await asyncio.sleep(0.5)
    bodies = [json.loads(got.body)["alert_id"] for got in stage.sink.received]
    assert len(bodies) == len(set(bodies)) == 20
    assert {report.status for report in reports if report.status != "retrying"} == {"sent"}


async def test_a_worker_killed_while_sending_leaves_an_unknown(idle_stage: Stage, fresh_signal: Alert) -> None:
    """The mark that it left open is found, recorded as unknown, and nothing is sent twice."""
    stage = idle_stage
    stage.sink.answers.append(hang(30))
    await stage.configure(
        destinations={"house": stage.webhook()}, routes=[{"destinations": ["house"]}], delivery={"timeout_seconds": 20}
    )
    stage.start("services.notifier")
    deliverer = stage.start("services.notifier.deliverer")
    await stage.tell(fresh_signal)
    while not stage.sink.received:
        await asyncio.sleep(0.05)
    workers = psutil.Process(deliverer.pid).children(recursive=True)
    deliverer.kill()
    psutil.wait_procs(workers, timeout=PATIENCE_S)
    assert not any(worker.is_running() for worker in workers), "the workers outlived the deliverer"
    stage.start("services.notifier.deliverer")
    reports = await stage.until(settled(1))
    assert told(reports) == [("house", "unknown", "died while sending")]
    assert len(stage.sink.received) == 1


#: a worker that is killed when the function named by its second argument is called
DOOMED = """
import os, signal, sys
from services.notifier.deliverer import worker
from services.notifier.delivery import attempt, delivery_log
from shared.config.environment import Environment
owners = {"worker": worker.DestinationWorker, "delivery_log": delivery_log.DeliveryLog, "attempt": attempt}
owner, function = sys.argv[2].split(".")
setattr(owners[owner], function, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
worker.DestinationThread(sys.argv[1], Environment()).run()
"""
SENT, UNKNOWN = ("sent", ""), ("unknown", "died while sending")
#: the moment of death -> the function that is not lived through, what is reported, how often it arrives
DEATHS = {
    "taken-from-the-queue": ("worker.prepare_execution", SENT, 1),
    "registered-as-begun": ("worker.prepare_job_execution", SENT, 1),
    "before-the-mark": ("delivery_log.begin", SENT, 1),
    "after-the-mark": ("attempt.dispatch", UNKNOWN, 0),
    "after-sending": ("delivery_log.close", UNKNOWN, 1),
    "after-the-report": ("worker.handle_job_success", SENT, 1),
}


async def test_a_worker_killed_at_any_moment_loses_and_doubles_nothing(idle_stage: Stage, fresh_signal: Alert) -> None:
    """Up to its mark a delivery is done again, from its mark to its report it is unknown; each is reported once."""
    stage = idle_stage
    await stage.route(**{name: stage.webhook(f"/{name}") for name in DEATHS})
    stage.start("services.notifier")
    await stage.tell(fresh_signal)
    doomed = [
        subprocess.Popen([sys.executable, "-c", DOOMED, name, moment], env=stage.environment, cwd=ROOT)  # noqa: ASYNC220
        for name, (moment, _, _) in DEATHS.items()
    ]
    for worker in doomed:
        assert await asyncio.to_thread(worker.wait, 60) == -signal.SIGKILL
    stage.start("services.notifier.deliverer")
    await stage.until(settled(len(DEATHS)), 90)
    await asyncio.sleep(20)  # jobs of dead workers are looked for every 15 s: none is done a second time
    assert told(await stage.reports()) == sorted((name, *said) for name, (_, said, _) in DEATHS.items())
    arrived = Counter(got.path.removeprefix("/") for got in stage.sink.received)
    assert {name: arrived[name] for name in DEATHS} == {name: count for name, (_, _, count) in DEATHS.items()}


async def test_a_hanging_destination_delays_no_other(stage: Stage) -> None:
    """FAULTS 35: ten alerts reach the sound destination while the other one hangs."""
    hanging = await Sink().start()
    hanging.answers.extend(hang(60) for _ in range(10))
    await stage.configure(
        destinations={"dead": stage.webhook(sink=hanging), "house": stage.webhook()},
        routes=[{"destinations": ["dead", "house"]}],
        delivery={"timeout_seconds": 40},
    )
    await stage.tell(*(numbered(number) for number in range(11)))
    reports = await stage.until(lambda found: sum(report.destination == "house" for report in found) >= 11)
    assert sum(report.destination == "dead" for report in reports) < 11, "one waited for the other"
    assert {report.status for report in reports if report.destination == "house"} == {"sent"}
    await hanging.stop()


async def test_a_refused_connection_is_tried_again(stage: Stage, fresh_signal: Alert) -> None:
    """Nothing was sent, so it is tried until the other side is up."""
    sink = await Sink().start()
    port = sink.port
    await stage.route(house=stage.webhook(sink=sink))
    await sink.stop()
    await stage.tell(fresh_signal)
    await stage.until(bool)
    await sink.start(port)
    reports = await stage.until(settled(1))
    assert reports[0].status == "retrying"
    assert reports[-1].status == "sent"
    assert len(sink.received) == 1
    await sink.stop()


async def test_an_alert_too_old_is_stored_and_not_sent(stage: Stage) -> None:
    """The wall time since the alert was made decides."""
    await stage.route(house=stage.webhook())
    await stage.tell(samples.signal(created_at=now_ms() - 3_600_000))
    assert told(await stage.until(settled(1))) == [("house", "expired", "too late")]
    assert not stage.sink.received


async def test_what_postgres_knows_to_be_delivered_is_not_sent_again(stage: Stage) -> None:
    """An emptied bus that brings the alert again finds it among the restored."""
    first, second = numbered(1), numbered(2)
    await stage.configure(
        destinations={"house": stage.webhook()},
        routes=[{"destinations": ["house"]}],
        restored=(f"{first.alert_id}:house",),
    )
    await stage.tell(first, second)
    await stage.until(settled(1))
    await asyncio.sleep(0.3)
    assert [json.loads(got.body)["alert_id"] for got in stage.sink.received] == [second.alert_id]


async def test_a_muted_and_a_held_alert_are_suppressed_and_told_in_a_digest(idle_stage: Stage) -> None:
    """What is held back is reported at once, and listed when the mute is lifted, long before its end."""
    stage = idle_stage
    await stage.route(house=stage.webhook())
    await stage.mute(Mute(mute_id="m", until=now_ms() + 3_600_000, destination="house"))
    stage.start("services.notifier")
    stage.start("services.notifier.deliverer")
    await stage.tell(numbered(1), msgspec.structs.replace(numbered(2), held_by="quiet hours"))
    reports = await stage.until(settled(2))
    assert told(reports) == [("house", "suppressed", "muted"), ("house", "suppressed", "muted")]
    await asyncio.sleep(12)  # digests are looked for every ten seconds
    assert not stage.sink.received
    await stage.mute()
    await stage.until(settled(3))
    (digest,) = (json.loads(got.body) for got in stage.sink.received)
    assert digest["body"]["code"] == "digest"
    assert "C1USDT" in digest["text"]
    assert "C2USDT" in digest["text"]


async def test_a_reply_names_its_parent_even_when_the_parent_is_late(stage: Stage) -> None:
    """The lifecycle waits for the signal's message id; without a delivered parent it stands alone."""
    stage.bot_api.answers.append(refuse(429, "Too Many Requests: retry after 2", retry_after=2))
    await stage.route(phone={**PHONE, "topic_id": 7})
    alone = msgspec.structs.replace(samples.lifecycle(created_at=now_ms()), alert_id="x", parent_id="never told")
    await stage.tell(samples.signal(created_at=now_ms()), samples.lifecycle(created_at=now_ms()), alone)
    reports = await stage.until(settled(3))
    reference = next(r.reference for r in reports if ":signal:" in r.alert_id and r.status == "sent")
    replies = [
        json.loads(fields["reply_parameters"]) for _, fields in stage.bot_api.calls if "reply_parameters" in fields
    ]
    assert [str(reply["message_id"]) for reply in replies] == [reference]
    assert {fields["message_thread_id"] for _, fields in stage.bot_api.calls} == {"7"}
    assert len(stage.bot_api.calls) == 4


async def test_a_new_destination_needs_no_restart(stage: Stage) -> None:
    """Settings that add a destination start its worker."""
    await stage.route(house=stage.webhook())
    await stage.tell(numbered(1))
    await stage.until(settled(1))
    await stage.route(house=stage.webhook(), shed=stage.webhook("/shed"))
    for number in range(2, 60):  # until the notifier has heard of it
        await stage.tell(numbered(number))
        found = await stage.until(partial(_is_told, alert=numbered(number), name="house"))
        if any(report.destination == "shed" for report in found):
            break
    found = await stage.until(lambda found: any(report.destination == "shed" for report in found))
    assert told(found)[-1] == ("shed", "sent", "")


def _is_told(reports: list[DeliveryReport], alert: Alert, name: str) -> bool:
    return any(report.alert_id == alert.alert_id and report.destination == name for report in reports)


async def test_a_forbidden_address_is_never_called(stage: Stage, fresh_signal: Alert) -> None:
    """FAULTS 38: a name that leads to this machine is refused when sent, and so is a redirect."""
    stage.sink.answers.append(status(302, headers={"Location": "http://169.254.169.254/"}))
    name = socket.gethostname()
    await stage.route(inside={"channel": "webhook", "url": f"http://{name}:{stage.sink.port}/"}, away=stage.webhook())
    await stage.tell(fresh_signal)
    reports = await stage.until(settled(2))
    assert told(reports) == [("away", "rejected", "redirected"), ("inside", "rejected", "forbidden address")]
    assert len(stage.sink.received) == 1


async def test_a_burst_into_one_chat_keeps_its_order_and_its_pace(stage: Stage) -> None:
    """Five alerts at once arrive in order, at most one a second."""
    await stage.route(phone=PHONE)
    await stage.tell(*(numbered(number) for number in range(5)))
    await stage.until(settled(5))
    captions = [fields["caption"] for _, fields in stage.bot_api.calls]
    assert [f"C{number}USDT" in caption for number, caption in enumerate(captions)] == [True] * 5
    granted = await stage.bus.redis.zrange(stage.bus.key(f"rate:minute:{PHONE['chat_id']}"), 0, -1, withscores=True)
    assert len(granted) == 5
    assert all(after - before >= 1_000 for (_, before), (_, after) in pairwise(granted))
