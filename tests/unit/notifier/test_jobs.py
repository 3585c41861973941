"""What a queue holds."""

from __future__ import annotations

import base64

import pytest

from services.notifier import jobs
from services.notifier.cli import sample_alerts as samples
from services.notifier.delivery import queues
from shared.bus import to_wire
from shared.contracts import PriceTick


def test_what_was_packed_is_read_again() -> None:
    """Whole, through JSON's characters."""
    alert = samples.signal("币安人生USDT")
    packed = queues.pack(alert)
    assert packed.isascii()
    assert queues.unpack(packed) == alert


@pytest.mark.parametrize(
    "data", ["", "%%%", base64.b64encode(b"\x28\xb5\x2f\xfdx").decode(), base64.b64encode(b"{}").decode()]
)
def test_what_another_version_left_in_a_queue_ends_there(data: str) -> None:
    """It is not tried ten thousand times: nothing would ever read it."""
    with pytest.raises(queues.Unreadable):
        queues.unpack(data)
    assert jobs.deliver(data, "house") is None


def test_another_message_is_no_alert() -> None:
    """A queue holds alerts only."""
    with pytest.raises(queues.Unreadable, match="not an alert: PriceTick"):
        queues.unpack(base64.b64encode(to_wire(PriceTick(at=1, prices={}))).decode())
