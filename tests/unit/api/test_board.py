"""The board: the newest of everything, and what its listeners hear."""

from __future__ import annotations

import asyncio

import msgspec

from services.api import present
from services.api.board import QUEUE, Board, Broadcast, events
from shared.contracts import SCAN_MS
from tests.integration.api import facts


def test_an_older_decision_does_not_replace_a_newer_one() -> None:
    """Late and repeated decisions change nothing and are not shown again."""
    board = Board()
    assert board.take(facts.decision(scan_id=facts.SCAN + SCAN_MS)) is not None
    assert board.take(facts.decision()) is None
    assert board.newest_scan == facts.SCAN + SCAN_MS


def test_a_coin_that_left_the_universe_leaves_the_table() -> None:
    """Rows of the scan before wait for their turn; older ones are gone."""
    board = Board()
    for symbol, scans in (("GONEUSDT", 0), ("SLOWUSDT", 1), ("NEWUSDT", 2)):
        board.take(facts.decision(symbol, facts.SCAN + scans * SCAN_MS))
    assert {row["symbol"] for row in board.rows()} == {"SLOWUSDT", "NEWUSDT"}


def test_waiting_scans_do_not_displace_the_last_that_ended() -> None:
    """However far a stage is behind, the page knows the last settled scan."""
    board = Board()
    board.take(facts.opened())
    board.take(facts.settled())
    for number in range(1, 200):
        board.take(facts.opened(facts.SCAN + number * SCAN_MS))
    shown = [scan["scan_id"] for scan in board.whole()["scans"]]
    assert shown[-1] == facts.SCAN
    assert shown[0] == facts.SCAN + 199 * SCAN_MS
    assert len(board.scans) == 51


def test_signals_live_and_end_on_the_board() -> None:
    """Label, early end and end follow the lifecycle alerts; a later end changes nothing."""
    board = Board()
    board.take(facts.signal_alert())
    (signal,) = board.signals.values()
    board.take(facts.lifecycle_alert("caution"))
    board.take(facts.lifecycle_alert("target", early=True))
    assert (signal["status"], signal["label"], signal["announced"]) == ("open", "caution", "target")
    board.take(facts.lifecycle_alert("target"))
    board.take(facts.lifecycle_alert("stop", result_r=-1.0))
    assert (signal["status"], signal["result_r"]) == ("target", 2.2)


def test_the_ranking_is_total() -> None:
    """Passed first, then by score, ties by name: the same rows always give the same order."""
    rows = [
        present.row(facts.decision(symbol, score=score)) for symbol, score in (("B", 50.0), ("A", 50.0), ("C", 90.0))
    ]
    rows.append(present.row(facts.decision("D", score=66.0, passed=True)))
    assert [row["symbol"] for row in present.rank(rows)] == ["D", "C", "A", "B"]


async def test_a_listener_gets_the_board_then_changes() -> None:
    """The first event is whole; what follows is what happened."""
    board, broadcast = Board(), Broadcast()
    board.take(facts.decision())
    stream = events(board, broadcast, asyncio.Event())
    first = await anext(stream)
    assert msgspec.json.decode(first.partition(b"data: ")[2])["rows"][0]["symbol"] == "AAAUSDT"
    broadcast.send("scan", {"scan_id": 1})
    assert await anext(stream) == b'event: scan\ndata: {"scan_id":1}\n\n'
    await stream.aclose()  # type: ignore[attr-defined]
    assert len(broadcast) == 0


async def test_a_listener_too_far_behind_is_let_go() -> None:
    """A page that does not read costs bounded memory; it connects again and begins with the whole board."""
    broadcast = Broadcast()
    with broadcast.listening() as queue:
        for number in range(QUEUE + 10):
            broadcast.send("scan", number)
        assert queue.qsize() == QUEUE
        assert len(broadcast) == 0
        kept = [queue.get_nowait() for _ in range(QUEUE)]
    assert kept[-1] is None
