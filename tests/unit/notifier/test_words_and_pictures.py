"""What is said and drawn."""

from __future__ import annotations

import io

import msgspec
import numpy as np
import pytest
from PIL import Image, ImageFont, features

from services.notifier import samples
from services.notifier.candles import round_prices, spread
from services.notifier.canvas import Canvas, theme_of
from services.notifier.card import card_of
from services.notifier.channels.discord import escape, payload
from services.notifier.channels.outcome import Outgoing
from services.notifier.fonts import ABSENT, face_of, font, runs
from services.notifier.text import CAPTION, Text, common_tick, price, text_of, units
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


@pytest.mark.parametrize("name", ["币安人生", "한국", "あア", "دوجكوين", "น้ำเหรียญ", "हिन्दी", "Ωλ", "Жук", "₿é"])
def test_every_character_of_a_name_has_a_glyph(name: str) -> None:
    """One font draws the whole name, and none of its characters is the box of a missing one."""
    ((text, face),) = runs(name)
    assert text == name
    box = bytes(font(face, 20, 700).getmask(ABSENT))
    assert box not in {bytes(font(face, 20, 700).getmask(mark)) for mark in name}


@pytest.mark.skipif(not features.check("raqm"), reason="FriBiDi is not installed: letters are not joined")
@pytest.mark.parametrize("name", ["دوجكوين", "हिन्दी", "น้ำ"])
def test_letters_that_depend_on_their_neighbours_are_joined(name: str) -> None:
    """Arabic runs from right to left, Devanagari and Thai put signs above and before: not letter after letter."""
    ((_, face),) = runs(name)
    used = font(face, 20, 700)
    assert used.getlength(name) != sum(used.getlength(mark) for mark in name)
    unshaped = ImageFont.truetype(used.path, used.size, layout_engine=ImageFont.Layout.BASIC)
    assert used.getbbox(name) != unshaped.getbbox(name)


def test_a_name_in_two_scripts_changes_the_font_and_an_unknown_sign_is_spelled() -> None:
    """The quote beside the coin is Inter's; what no font has is its code point rather than a box."""
    assert [text for text, _ in runs("币安人生USDT")] == ["币安人生", "USDT"]
    assert [text for text, _ in runs("دوجUSDT")] == ["دوج", "USDT"]
    assert "".join(text for text, _ in runs("𐎠X")) == "[103A0]X"
    assert face_of("\U000103a0") is None


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


def test_the_card_shows_the_timeframes_that_count() -> None:
    """15m, 1h and 4h; what five minutes say is analysed too, but is no part of the score."""

    def with_lean(interval: str) -> bytes | None:
        alert = samples.signal()
        analysis = alert.body.analysis  # type: ignore[union-attr]
        frames = tuple(
            msgspec.structs.replace(frame, long_score=5.0) if frame.interval == interval else frame
            for frame in analysis.timeframes
        )
        body = msgspec.structs.replace(alert.body, analysis=msgspec.structs.replace(analysis, timeframes=frames))
        return card_of(msgspec.structs.replace(alert, body=body))

    shown = card_of(samples.signal())
    assert with_lean("5m") == shown
    assert len({shown, *(with_lean(interval) for interval in ("15m", "1h", "4h"))}) == 4


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


def test_prices_that_stand_together_have_the_same_decimals() -> None:
    """142 beside 146.6 is 142.0."""
    tick = common_tick(142.0, 146.6)
    assert [price(value, tick) for value in (142.0, 146.6)] == ["142.0", "146.6"]
    assert price(95_000.0, common_tick(95_000.0, 96_000.0)) == "95,000"


def test_grid_prices_are_round() -> None:
    """About as many as asked for, on round numbers."""
    assert round_prices(133.0, 147.0, 5) == [135.0, 140.0, 145.0]
