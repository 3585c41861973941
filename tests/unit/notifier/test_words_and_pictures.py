"""What is said and drawn."""

from __future__ import annotations

import io
import re
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image, ImageFont, features

from services.notifier.cli import sample_alerts as samples
from services.notifier.cli.test_alert import line_of
from services.notifier.delivery.delivery_log import report_of
from services.notifier.rendering.candle_chart import round_prices, shown_range, spread
from services.notifier.rendering.canvas import DARK, LIGHT, Canvas, Colour, Theme, theme_of
from services.notifier.rendering.card import card_of
from services.notifier.rendering.fonts import ABSENT, face_of, font, runs
from services.notifier.rendering.text import clock, common_tick, price, significant, text_of
from shared.channels.discord import escape, payload
from shared.channels.telegram import CAPTION
from shared.contracts import (
    Alert,
    AnomalyBody,
    GroupBody,
    LifecycleEvent,
    PriceBody,
    SignalBody,
    TradeLevels,
    pack,
    unpack,
)
from shared.sending.channel import Outgoing
from shared.sending.text import Text, units
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


def test_prices_with_many_decimals_stay_on_the_panel() -> None:
    """Ten decimals make the axis wider; right of the panel there is nothing but the ground."""
    alert = samples.signal("1000PEPEUSDT")
    assert isinstance(alert.body, SignalBody)
    analysis = alert.body.analysis
    assert isinstance(analysis.levels, TradeLevels)
    bars = unpack(analysis.chart).reshape(6, -1).copy()
    bars[1:5] *= 1e-8
    levels = msgspec.structs.replace(
        analysis.levels, entry=142e-8, stop=139.9e-8, target=146.6e-8, supports=(), resistances=()
    )
    tiny = msgspec.structs.replace(analysis, chart=pack(bars), levels=levels, tick_size=1e-10)
    data = card_of(msgspec.structs.replace(alert, body=msgspec.structs.replace(alert.body, analysis=tiny)))
    picture = Image.open(io.BytesIO(data or b"")).convert("RGB")
    margin = picture.crop((1_244, 164, 1_280, 700))  # beside the chart
    assert margin.getcolors() == [(margin.width * margin.height, DARK.ground)]


def test_a_long_name_and_a_long_price_keep_apart() -> None:
    """What stands on the right of the header is smaller where the name and its chip leave little room."""
    alert = samples.anomaly()
    assert isinstance(alert.body, AnomalyBody)
    body = msgspec.structs.replace(alert.body, price=0.00012345)
    data = card_of(msgspec.structs.replace(alert, symbol="W" * 21 + "USDT", body=body))
    header = np.asarray(Image.open(io.BytesIO(data or b"")).convert("RGB").crop((40, 40, 1_240, 90)))
    empty = (header == DARK.ground).all(axis=(0, 2))
    chip = np.flatnonzero((header == DARK.warning).all(axis=2).any(axis=0)).max()
    assert empty[chip + 2 : chip + 20].all()


def test_an_anomalys_card_lists_what_followed_earlier_ones() -> None:
    """A row for each horizon; without a record one line that says so, and the card is as much shorter."""
    alert = samples.anomaly()
    assert isinstance(alert.body, AnomalyBody)
    heights = []
    for known in (3, 2, 0):
        body = msgspec.structs.replace(alert.body, aftermath=alert.body.aftermath[:known])
        data = card_of(msgspec.structs.replace(alert, body=body))
        heights.append(Image.open(io.BytesIO(data or b"")).height)
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == 3


def test_every_signal_says_what_it_costs_needs_and_is_worth() -> None:
    """In text, of a signal and of each member of a group: R, targets of 100, and how similar setups went."""
    line = "Like this: 31 of 100 reach the target first, 34 are needed; 412 in 90 days"
    signal = text_of(samples.signal()).plain
    assert "Costs 0.09 R · needs 34 of 100 to reach the target" in signal
    assert line in signal
    body = samples.group().body
    assert isinstance(body, GroupBody)
    group = text_of(samples.group()).plain
    assert group.count("R, needs ") == len(body.members)
    assert group.count("no record yet") + group.count(line[1:]) == len(body.members)


@pytest.mark.parametrize("event", ["target", "stop", "invalidated", "expired", "danger", "caution", "moved"])
def test_every_event_of_a_signal_says_what_it_costs_needs_and_is_worth(event: LifecycleEvent) -> None:
    """In text and on the card, which grows by the line; one that an earlier version opened says nothing about it."""
    alert = samples.lifecycle(event)
    line = "Costs 0.09 R, needs 34 of 100 · like this: 31 of 100 reach the target first, 34 are needed; 412 in 90 days"
    assert line in text_of(alert).lines
    earlier = msgspec.structs.replace(alert, body=msgspec.structs.replace(alert.body, worth=None))
    assert "Costs" not in text_of(earlier).plain
    grown, before = card_of(alert), card_of(earlier)
    assert grown is not None
    assert before is not None
    assert Image.open(io.BytesIO(grown)).height - Image.open(io.BytesIO(before)).height == 48


def test_one_huge_wick_does_not_flatten_the_chart() -> None:
    """A wick to a third of the price is shown as far as half of the bodies' range; bodies are shown whole."""
    bars = unpack(samples.chart()).reshape(6, -1).copy()
    usual = shown_range(bars)
    bars[3, 40] /= 3
    low, high = shown_range(bars)
    bodies = bars[[1, 4]]
    assert high == usual[1]
    assert low == pytest.approx(bodies.min() - 0.5 * (bodies.max() - bodies.min()))
    assert shown_range(bars[:, :0]) == ()


def luminance(colour: Colour) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_words_stand_out_from_the_panel(theme: Theme) -> None:
    """Every colour of words has WCAG's contrast for small text, 4.5 to 1."""
    words = (theme.ink, theme.dim, theme.faint, theme.long, theme.short, theme.accent, theme.warning)
    for colour in words:
        bright, dark = sorted((luminance(colour), luminance(theme.panel)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, colour


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Europe/Berlin", "01 Jan 2026 13:00 CET"),
        ("America/Argentina/Buenos_Aires", "01 Jan 2026 09:00 UTC-03"),
        ("Asia/Kathmandu", "01 Jan 2026 17:45 UTC+0545"),
    ],
)
def test_a_time_names_its_zone(zone: str, shown: str) -> None:
    """A zone without a name of its own shows as its distance from UTC."""
    assert clock(samples.SCAN, zone) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.42, "0.42"), (-123.4, "−123"), (1.84213, "1.84"), (-4.2e-9, "−0.0000000042"), (None, "–")]
)
def test_figures_keep_three_significant_digits(value: float | None, shown: str) -> None:
    """A histogram of a coin at 0.000001 is not 0.000."""
    assert significant(value) == shown


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


def test_a_young_coin_is_called_so() -> None:
    """A signal of a coin with a short history says on which intervals it is short, in its words and on its picture."""
    plain = samples.signal()
    assert isinstance(plain.body, SignalBody)
    analysis = msgspec.structs.replace(plain.body.analysis, young=("1h", "4h"))
    alert = msgspec.structs.replace(plain, body=msgspec.structs.replace(plain.body, analysis=analysis))
    assert "young" not in text_of(plain).plain
    assert "young: short history on 1h, 4h" in text_of(alert).plain
    assert card_of(alert) != card_of(plain)


def test_discord_mentions_nobody_and_shows_markdown_as_text() -> None:
    """FAULTS 39: `allowed_mentions` is empty, and marks are escaped."""
    alert = samples.signal("@everyone_**X**")
    outgoing = Outgoing(alert, "room", text_of(alert), RuntimeSettings(), card=lambda: None)
    message = payload(outgoing, with_card=False)
    assert message["allowed_mentions"] == {"parse": []}
    assert "\\@everyone\\_\\*\\*X" in message["embeds"][0]["title"]
    assert escape("a_b") == "a\\_b"


def test_a_long_group_fits_discords_embed_in_whole_lines() -> None:
    """Escaped marks count: 4096 characters of description, 256 of title, and no line is broken off."""
    alert = samples.group()
    assert isinstance(alert.body, GroupBody)
    members = tuple(msgspec.structs.replace(member, symbol="_*" * 12) for member in alert.body.members * 10)
    long = msgspec.structs.replace(alert, body=msgspec.structs.replace(alert.body, members=members))
    outgoing = Outgoing(long, "room", text_of(long), RuntimeSettings(), card=lambda: None)
    (embed,) = payload(outgoing, with_card=True)["embeds"]
    assert len(embed["title"]) <= 256
    assert 3_500 < len(embed["description"]) <= 4_096
    *lines, last = embed["description"].split("\n")
    assert last == "…"
    assert all(line.endswith(("%", "no record yet", "90 days")) for line in lines)


@pytest.mark.parametrize(
    ("value", "tick", "shown"),
    [
        (100_012.4, 0, "100,012.4"),
        (0.00001234, 1e-8, "0.00001234"),
        (142.0, 0.01, "142.00"),
        (0.4127, 0, "0.4127"),
        (2.1413e-06, 0, "0.0000021413"),
        (2.1413e-06, 1e-10, "0.0000021413"),
        (1.23456789123e-05, 0, "0.00001234568"),
        (5e-12, 1e-13, "0.0000000000050"),
    ],
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


def test_tiny_prices_are_told_apart_everywhere() -> None:
    """A coin at 0.0000021413: price and stop differ in every text, and nothing is written with an exponent."""
    tiny = msgspec.structs.replace(
        samples.lifecycle("stop").body, entry=2.1413e-06, stop=2.1404e-06, target=2.1500e-06, price=2.1409e-06
    )
    lifecycle = text_of(msgspec.structs.replace(samples.lifecycle("stop"), body=tiny)).plain
    assert "now 0.0000021409" in lifecycle
    assert "Stop 0.0000021404" in lifecycle
    wanted = msgspec.structs.replace(samples.price().body.price_alert, value=2.1404e-06)  # type: ignore[union-attr]
    fired = msgspec.structs.replace(samples.price().body, price_alert=wanted, price=2.1409e-06)
    price_alert = text_of(msgspec.structs.replace(samples.price(), body=fired)).title
    assert price_alert == "🔔 BTCUSDT above 0.0000021404, now 0.0000021409"
    anomaly = msgspec.structs.replace(samples.anomaly().body, price=2.1413e-06)
    titled = text_of(msgspec.structs.replace(samples.anomaly(), body=anomaly)).title
    assert "0.0000021413" in titled
    assert not re.search(r"\de[-−]", lifecycle + price_alert + titled)


@pytest.mark.parametrize("alert", [*CARDS.values(), samples.system()], ids=lambda alert: alert.alert_id)
def test_every_text_has_one_minus_sign_and_a_space_before_percent(alert: Alert) -> None:
    """−0.7 % everywhere, never -0.7%."""
    said = text_of(alert).plain
    assert not re.search(r"(?<![\w.])-\d", said), said
    assert not re.search(r"\d%", said), said


@pytest.mark.parametrize(
    ("condition", "value", "title"),
    [
        ("above", 100_000.0, "🔔 BTCUSDT above 100,000, now 100,012.4"),
        ("crosses", 100_000.0, "🔔 BTCUSDT crossed 100,000, now 100,012.4"),
        ("moves", 0.01, "🔔 BTCUSDT moved +1.2 % to 100,012.4"),
    ],
)
def test_a_price_alerts_headline_has_condition_and_price(condition: Any, value: float, title: str) -> None:
    """What was asked for, and what it is now."""
    body = samples.price().body
    assert isinstance(body, PriceBody)
    wanted = msgspec.structs.replace(body.price_alert, condition=condition, value=value)
    alert = msgspec.structs.replace(samples.price(), body=msgspec.structs.replace(body, price_alert=wanted))
    assert text_of(alert).title == title


def test_time_already_spent_is_not_when_the_next_attempt_comes() -> None:
    """`retrying in 0.06 s` promised what had passed."""
    report = report_of(samples.signal(), "phone", "telegram", 1, "retrying", reason="http 500", seconds=0.06)
    assert line_of(report) == "phone (telegram): not delivered yet, will be tried again, http 500 (after 0.06 s)"
