"""What is said and drawn."""

from __future__ import annotations

import io

import msgspec
import numpy as np
import pytest
from PIL import Image

from services.notifier import samples
from services.notifier.candles import round_prices, spread
from services.notifier.canvas import Canvas, font, theme_of
from services.notifier.card import card_of
from services.notifier.channels.discord import escape, payload
from services.notifier.channels.outcome import Outgoing
from services.notifier.text import CAPTION, Text, price, text_of, units
from shared.contracts import Alert
from shared.settings import RuntimeSettings

CARDS = {
    "signal": samples.signal(),
    "short": samples.signal("币安人生USDT", "short"),
    "target": samples.lifecycle("target"),
    "stop": samples.lifecycle("stop"),
    "group": samples.group(),
    "price": samples.price(),
    "anomaly": samples.anomaly(),
}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_sharp_and_small(name: str, theme: str) -> None:
    """1280 pixels wide, 64 colours, less than 150 kB."""
    data = card_of(CARDS[name], theme=theme)
    assert data is not None
    picture = Image.open(io.BytesIO(data))
    assert picture.width == 1280
    assert len(picture.convert("RGB").getcolors(1_000) or ()) <= 64
    assert len(data) < 150_000


def test_characters_outside_latin_have_glyphs() -> None:
    """币安人生 is drawn by a font that has it: no two of its characters look like the missing one."""
    shown = {bytes(font(20, 700, True).getmask(mark)) for mark in "币安人生한あ"}
    missing = bytes(font(20, 700, True).getmask("\U000e0fff"))
    assert len(shown) == 6
    assert missing not in shown


def test_a_card_without_bars_levels_or_figures_is_drawn() -> None:
    """What is missing is shown as missing."""
    alert = samples.signal()
    analysis = msgspec.structs.replace(
        alert.body.analysis,  # type: ignore[union-attr]
        levels=None,
        fmqs=None,
        timeframes=(),
        chart=b"",
        sentiment=None,
    )
    bare = msgspec.structs.replace(alert, body=msgspec.structs.replace(alert.body, analysis=analysis))
    assert card_of(bare)
    assert "SOLUSDT" in text_of(bare).title


def test_a_long_text_stays_within_its_room() -> None:
    """A hundred characters are clipped, not written over the neighbour."""
    canvas = Canvas(200, 40, theme_of("dark"))
    assert canvas.fitted(0, 20, "X" * 100, 20, (255, 255, 255), 120) <= 120


@pytest.mark.parametrize("alert", [*CARDS.values(), samples.system()], ids=lambda alert: alert.alert_id)
def test_every_kind_has_words(alert: Alert) -> None:
    """The title names what it is about, and the caption fits Telegram's limit."""
    text = text_of(alert, "Europe/Berlin")
    assert text.title
    assert units(text.cut(CAPTION).plain) <= CAPTION
    if alert.kind != "system":
        assert "13:00 CET" in text.plain


def test_a_caption_is_cut_at_a_line_and_counts_as_telegram_does() -> None:
    """An emoji counts twice; the cut leaves whole lines."""
    text = Text("🔔 title", tuple(f"line {number} 🔔" for number in range(400)))
    cut = text.cut(CAPTION)
    assert units(cut.plain) <= CAPTION
    assert cut.lines[-1] == "…"
    assert cut.lines[:-1] == text.lines[: len(cut.lines) - 1]


def test_an_estimated_alert_says_so() -> None:
    """The mark reaches the words."""
    assert "estimated: derivatives" in text_of(samples.anomaly()).plain


def test_discord_mentions_nobody_and_shows_markdown_as_text() -> None:
    """FAULTS 39: `allowed_mentions` is empty, and marks are escaped."""
    alert = samples.signal("@everyone_**X**")
    outgoing = Outgoing(alert, "room", text_of(alert), RuntimeSettings(), card=lambda: None)
    message = payload(outgoing, with_card=False)
    assert message["allowed_mentions"] == {"parse": []}
    assert "\\@everyone\\_\\*\\*X" in message["embeds"][0]["title"]
    assert escape("a_b") == "a\\_b"


@pytest.mark.parametrize(
    ("value", "tick", "shown"),
    [(100_012.4, 0, "100,012.4"), (0.00001234, 1e-8, "0.00001234"), (142.0, 0.01, "142.00"), (0.4127, 0, "0.4127")],
)
def test_a_price_has_the_ticks_decimals(value: float, tick: float, shown: str) -> None:
    """Without a tick size six significant digits are enough."""
    assert price(value, tick) == shown


def test_labels_keep_their_distance() -> None:
    """Neither each other nor the edge is covered."""
    moved = spread([50.0, 52.0, 51.0, 98.0], 18, 10, 90)
    assert np.diff(sorted(moved)).min() >= 18 - 1e-9
    assert max(moved) <= 90


def test_grid_prices_are_round() -> None:
    """About as many as asked for, on round numbers."""
    assert round_prices(133.0, 147.0, 5) == [135.0, 140.0, 145.0]
