"""The handler: a commit for each snapshot, an exception for each that cannot be handled, nothing else."""

from __future__ import annotations

from services.analyzer import handler
from shared.bus import Commit, Delivery, Token
from shared.contracts import Analysis, PriceTick, Stream
from shared.settings import RuntimeSettings, Thresholds
from tests.unit.analyzer import bars


def delivered(message: object, entry: str = "1-0") -> Delivery:
    return Delivery(Token(Stream.SNAPSHOTS, "analyzer", entry), message)  # type: ignore[arg-type]


def test_each_delivery_gets_its_own_answer() -> None:
    """A message that does not belong there fails alone; its neighbours are committed with their own tokens."""
    snapshot = bars.snapshot()
    good, bad = delivered(snapshot, "1-0"), delivered(PriceTick(at=0, prices={}), "2-0")
    first, second, third = handler.handle([good, bad, delivered(snapshot, "3-0")], lambda _: RuntimeSettings())
    assert isinstance(second, TypeError)
    for answer, entry in ((first, "1-0"), (third, "3-0")):
        assert isinstance(answer, Commit)
        assert [token.entry_id for token in answer.tokens] == [entry]
        assert [(stream, type(message)) for stream, message in answer.outputs] == [(Stream.ANALYSES, Analysis)]


def test_the_settings_that_the_snapshot_names_are_used() -> None:
    """A snapshot of settings version 1 is analysed with version 1, whatever came since."""
    asked: list[int] = []

    def settings_at(version: int) -> RuntimeSettings:
        asked.append(version)
        return RuntimeSettings(thresholds=Thresholds(score=70))

    handler.handle([delivered(bars.snapshot())], settings_at)
    assert asked == [1]


def test_btc_is_worked_out_once_a_scan() -> None:
    """Snapshots of one scan carry the same closes of BTC: they are turned into returns once."""
    handler.btc_benchmark.cache_clear()
    snapshot = bars.snapshot()
    for _ in range(3):
        handler.analyse(snapshot, RuntimeSettings())
    assert handler.btc_benchmark.cache_info().misses == 1
