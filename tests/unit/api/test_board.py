"""The board: the newest of everything, and what its listeners hear."""

from __future__ import annotations

import contextlib

import msgspec
import pytest

from services.api import views
from services.api.live.board import Board
from services.api.live.broadcast import MOST_LISTENERS, MOST_OF_ADDRESS, QUEUE, Broadcast, TooManyListenersError
from services.api.live.follow import Read, readable, split, update
from services.api.live.sse import events
from shared.bus.wire import PackedSnapshot, to_wire
from shared.contracts import SCAN_MS, PriceTick, Stream, Verdict
from tests.integration.api import facts


def test_an_older_decision_does_not_replace_a_newer_one() -> None:
    """Late and repeated decisions change nothing and are not shown again."""
    board = Board()
    assert board.take(facts.decision(scan_id=facts.SCAN + SCAN_MS)) != []
    assert board.take(facts.decision()) == []
    assert board.newest_scan == facts.SCAN + SCAN_MS


def test_a_coin_that_left_the_universe_leaves_the_table() -> None:
    """Rows of the scan before wait for their turn; older ones are gone."""
    board = Board()
    for symbol, scans in (("GONEUSDT", 0), ("SLOWUSDT", 1), ("NEWUSDT", 2)):
        board.take(facts.decision(symbol, facts.SCAN + scans * SCAN_MS))
    assert {row["symbol"] for row in board.cards()} == {"SLOWUSDT", "NEWUSDT"}


def test_a_coin_has_its_newest_snapshot() -> None:
    """A repeated older one changes nothing; a coin without one, or with a damaged one, has none."""
    board, newest = Board(), facts.SCAN + SCAN_MS
    for symbol, scan_id in (("AUSDT", newest), ("AUSDT", facts.SCAN), ("BUSDT", newest)):
        board.take(PackedSnapshot(symbol, scan_id, to_wire(facts.snapshot(symbol, scan_id))))
    board.take(PackedSnapshot("CUSDT", newest, b"rubbish"))
    assert board.snapshot("AUSDT") == facts.snapshot("AUSDT", newest)
    assert [board.snapshot(symbol) for symbol in ("CUSDT", "DUSDT")] == [None, None]


def test_an_unreadable_entry_leaves_the_page_as_it_is() -> None:
    """What comes after it is shown."""
    entries = [(Stream.TICKS, "1-0", b"\xffrubbish"), (Stream.TICKS, "2-0", to_wire(PriceTick(at=1, prices={})))]
    assert list(readable(entries)) == [PriceTick(at=1, prices={})]


def test_waiting_scans_do_not_displace_the_last_that_ended() -> None:
    """However far a stage is behind, the page knows the last settled scan."""
    board = Board()
    board.take(facts.opened())
    board.take(facts.settled())
    for number in range(1, 200):
        board.take(facts.opened(facts.SCAN + number * SCAN_MS))
    last, waiting = board.last_scan(), board.open_scan()
    assert last is not None
    assert waiting is not None
    assert (last["scan_id"], waiting["scan_id"]) == (facts.SCAN, facts.SCAN + 199 * SCAN_MS)
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
    """Passed first, then by score, ties by name: the same decisions always give the same order, and the same top."""
    board = Board()
    for symbol, score in (("B", 50.0), ("A", 50.0), ("C", 90.0)):
        board.take(facts.decision(symbol, score=score))
    board.take(facts.decision("D", score=66.0, passed=True))
    assert [card["symbol"] for card in board.cards()] == ["D", "C", "A", "B"]
    top = board.top()
    assert top is not None
    assert top["symbol"] == "D"
    assert Board().top() is None


async def test_a_listener_goes_on_where_it_left_off() -> None:
    """A sign of life comes first, then what was missed, then what happens, each with its id."""
    board, broadcast = Board(), Broadcast()
    broadcast.send("scan", {"scan_id": 1})
    left_off = broadcast.newest_id
    broadcast.send("scan", {"scan_id": 2})
    with broadcast.listening() as queue:
        stream = events(queue, board, broadcast, left_off)
        assert (await anext(stream)).startswith(b"event: heartbeat\ndata: {")
        assert await anext(stream) == f'event: scan\ndata: {{"scan_id":2}}\nid: {broadcast.mark}-2\n\n'.encode()
        broadcast.send("scan", {"scan_id": 3})
        assert b'data: {"scan_id":3}' in await anext(stream)
    assert len(broadcast) == 0


@pytest.mark.parametrize("after", ["gone-1", "{mark}-1", "{mark}-99", "{mark}-x", "nonsense"])
async def test_a_gap_that_is_not_remembered_asks_for_a_new_snapshot(after: str) -> None:
    """Another process' id, one too old, one of the future and nonsense: `resync`, with the newest id."""
    broadcast = Broadcast(remembered_bytes=300)
    for number in range(20):
        broadcast.send("scan", {"scan_id": number})
    with broadcast.listening() as queue:
        stream = events(queue, Board(), broadcast, after.format(mark=broadcast.mark))
        await anext(stream)
        event = await anext(stream)
    assert event.startswith(b"event: resync\n")
    assert f"id: {broadcast.newest_id}".encode() in event


async def test_a_listener_too_far_behind_is_let_go() -> None:
    """A page that does not read costs bounded memory; it connects again and goes on."""
    broadcast = Broadcast()
    with broadcast.listening() as queue:
        for number in range(QUEUE + 10):
            broadcast.send("scan", number)
        assert queue.qsize() == QUEUE
        assert len(broadcast) == 0
        kept = [queue.get_nowait() for _ in range(QUEUE)]
    assert kept[-1] is None


def test_listeners_are_bounded_by_address_and_in_all() -> None:
    """One more than an address may have is refused; others still come in."""
    broadcast = Broadcast()
    with contextlib.ExitStack() as held:
        for _ in range(MOST_OF_ADDRESS):
            broadcast.admit("10.0.0.9")
            held.enter_context(broadcast.listening("10.0.0.9"))
        with pytest.raises(TooManyListenersError):
            broadcast.admit("10.0.0.9")
        for number in range(MOST_LISTENERS - MOST_OF_ADDRESS):
            broadcast.admit(f"a{number}")
            held.enter_context(broadcast.listening(f"a{number}"))
        with pytest.raises(TooManyListenersError):
            broadcast.admit("somebody else")
    broadcast.admit("10.0.0.9")


def test_many_cards_are_one_event_and_of_prices_the_newest_counts() -> None:
    """A batch of messages wakes the page once for its cards and once for its prices."""
    board, broadcast = Board(), Broadcast()
    ticks = [PriceTick(at=facts.SCAN + n, prices={"AAAUSDT": 100.0 + n}) for n in range(3)]
    update(board, broadcast, [facts.decision("AAAUSDT"), *ticks, facts.decision("BBBUSDT")])
    sent = broadcast.since(f"{broadcast.mark}-0")
    assert sent is not None
    assert [event.split(b"\n")[0] for event in sent] == [b"event: cards", b"event: prices"]
    cards = msgspec.json.decode(sent[0].split(b"\n")[1].removeprefix(b"data: "))["items"]
    assert {card["symbol"] for card in cards} == {"AAAUSDT", "BBBUSDT"}
    assert b'"AAAUSDT":102.0' in sent[1]


def test_a_scan_ends_after_its_cards() -> None:
    """A page orders its coins when a scan ends: it has the scan's cards by then, in whichever order they were read."""
    board, broadcast = Board(), Broadcast()
    update(board, broadcast, [facts.opened(), facts.settled(), facts.decision("AAAUSDT")])
    sent = broadcast.since(f"{broadcast.mark}-0")
    assert sent is not None
    assert [event.split(b"\n")[0] for event in sent] == [b"event: cards", b"event: scan"]
    assert b'"settled_at":null' not in sent[1]


def test_the_end_of_a_scan_waits_while_its_decisions_are_read() -> None:
    """They are read a page at a time: what else was read meanwhile does not wait."""
    messages: list[Read] = [facts.settled(), facts.decision("AAAUSDT")]
    ready, held = split(messages, more=True)
    assert (ready, held) == ([messages[1]], [messages[0]])
    assert split([*held, facts.decision("BBBUSDT")], more=False) == ([messages[0], facts.decision("BBBUSDT")], [])


def test_the_levels_that_were_told_stand_before_those_of_the_newest_scan() -> None:
    """While a signal is open its own stop and target are shown, with the label of the newest price."""
    board = Board()
    board.take(facts.signal_alert())
    later = facts.analysis(scan_id=facts.SCAN + SCAN_MS)
    moved = msgspec.structs.replace(later.levels, stop=90.0, target=120.0, cost_r=0.25)  # type: ignore[type-var]
    board.take(facts.decision(analysis=msgspec.structs.replace(later, levels=moved)))
    board.take(PriceTick(at=facts.SCAN + 2 * SCAN_MS, prices={"AAAUSDT": 98.4}))
    (card,) = board.cards()
    assert (card["levels"]["of"], card["levels"]["stop"], card["levels"]["target"]) == ("signal", 98.0, 106.0)
    assert (card["price"], card["live_label"]) == (98.4, "DANGER")
    assert (card["levels"]["worth"]["cost_r"], card["worth"]["cost_r"]) == (0.06, 0.25)
    assert card["levels"]["worth"]["break_even"] == pytest.approx(1.06 / (1 + 5.5 / 2.5))
    board.take(facts.lifecycle_alert("stop", result_r=-1.0))
    (card,) = board.cards()
    assert (card["levels"]["of"], card["levels"]["stop"], card["live_label"]) == ("scan", 90.0, "")


@pytest.mark.parametrize(
    ("price", "label"),
    [(97.9, "SL HIT"), (98.6, "DANGER"), (99.2, "CAUTION"), (100.6, ""), (103.0, "MOVED"), (107, "TP HIT")],
)
def test_the_live_label_says_where_the_price_stands(price: float, label: str) -> None:
    """Entry 100.5, stop 98, target 106, ATR 1.7."""
    (signal,) = views.alerts.signals(facts.signal_alert())
    assert views.live_label.live_label(signal, price) == label


def test_a_gate_says_what_it_lacks() -> None:
    """Figures where they explain it, else the reason; nothing where it passed."""
    thin = Verdict(gate="volume", passed=False, value=0.8, threshold=1.2, distance=-0.4, reason="volume too low")
    blind = msgspec.structs.replace(thin, value=None, reason="no volume data")
    assert views.gates.missing(thin) == "volume 0.80 of 1.20"
    assert views.gates.missing(blind) == "volume: no volume data"
    assert views.gates.missing(msgspec.structs.replace(thin, passed=True)) == ""
