"""Every id carries the market, and is the old one without it."""

from __future__ import annotations

import pytest

from shared import ids

SCAN = 1_760_000_100_000
SIGNAL = ids.signal_id("okx-swap", "BTC-USDT-SWAP", "long", SCAN)


@pytest.mark.parametrize(
    ("made", "without_market"),
    [
        (ids.decision_id("okx-swap", "BTC-USDT-SWAP", SCAN), f"BTC-USDT-SWAP:{SCAN}"),
        (SIGNAL, f"BTC-USDT-SWAP:long:{SCAN}"),
        (ids.signal_alert_id(SIGNAL), f"signal:BTC-USDT-SWAP:long:{SCAN}"),
        (ids.lifecycle_alert_id(SIGNAL, "stop"), f"lifecycle:BTC-USDT-SWAP:long:{SCAN}:stop"),
        (ids.group_id("okx-swap", "short", SCAN), f"group:short:{SCAN}"),
        (ids.price_alert_alert_id("okx-swap", "p1", SCAN), f"price:p1:{SCAN}"),
        (ids.anomaly_alert_id("okx-swap", "BTC-USDT-SWAP", SCAN), f"anomaly:BTC-USDT-SWAP:{SCAN}"),
        (ids.system_alert_id("okx-swap", "restored:2"), "system:restored:2"),
    ],
)
def test_an_id_is_the_market_and_the_id_of_old(made: str, without_market: str) -> None:
    """Taking the market off gives the id that 0.1.0 gave."""
    assert made == f"okx-swap:{without_market}"


def test_a_signal_of_old_keeps_its_ids_to_its_end() -> None:
    """A signal that was open when the market came into the ids: a tick's alert is confirmed under the same id."""
    old = f"BTCUSDT:long:{SCAN}"
    assert ids.signal_alert_id(old) == f"signal:{old}"
    assert ids.lifecycle_alert_id(old, "target") == f"lifecycle:{old}:target"
