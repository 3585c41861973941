"""One resolver: a coin's name, and its symbol."""

from __future__ import annotations

import pytest

from shared.settings import RuntimeSettings
from shared.symbols import pair_of, pattern_of, resolve


@pytest.mark.parametrize(
    ("written", "symbol"),
    [
        *(("link", "LINKUSDT"), (" BTC ", "BTCUSDT"), ("btcusdt", "BTCUSDT"), ("BTCUSDC", "BTCUSDC")),
        *(("BTC-USDT-SWAP", "BTC-USDT-SWAP"), ("1000pepe", "1000PEPEUSDT")),
    ],
)
def test_a_coin_is_named_as_people_name_it(written: str, symbol: str) -> None:
    """Small letters, blanks, and without the quote."""
    assert pair_of(written) == symbol


def test_what_is_known_comes_before_what_is_likely() -> None:
    """A coin that trades in USDC alone is found by its short name; an unknown one is the pair it most likely is."""
    assert resolve("link", {"LINKUSDC", "BTCUSDT"})[0] == "LINKUSDC"
    assert resolve("ETHBTC", {"ETHBTC"})[0] == "ETHBTC"
    assert "NOPEUSDT" in resolve("nope", {"BTCUSDT"})


def test_settings_take_coins_as_people_write_them() -> None:
    """In the universe, in thresholds of single coins, in routes; patterns stay patterns."""
    found = RuntimeSettings.model_validate(
        {
            "universe": {"exclude": ["btcusdt"], "include": ["sol"]},
            "symbol_thresholds": {"btcusdt": {"score": 80}},
            "destinations": {"phone": {"channel": "telegram", "chat_id": "1"}},
            "routes": [{"destinations": ["phone"], "symbols": ["link", "btc*"]}],
        }
    )
    assert (found.universe.exclude, found.universe.include) == (("BTCUSDT",), ("SOLUSDT",))
    assert found.thresholds_for("BTCUSDT").score == 80
    assert found.routes[0].symbols == ("LINKUSDT", "BTC*")
    assert pattern_of("*usdt") == "*USDT"
