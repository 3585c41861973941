"""The anomaly's post: the tension between RSI and Hurst in words, a question that fits, and no form twice in a row."""

from __future__ import annotations

import itertools
import re

import pytest

from services.gatekeeper.domain import anomaly_words
from services.gatekeeper.domain.anomalies import form_of
from shared.contracts import AnomalyFigures

EVERY_FORM = range(anomaly_words.FORMS)


def figures(rsi: float | None = 81.7, hurst: float | None = 0.74, change: float | None = -0.007) -> AnomalyFigures:
    return AnomalyFigures(
        volume_z=6.3, change_24h=change, rsi=rsi, correlation=-0.12, hurst=hurst, hurst_error=0.05 if hurst else None
    )


def test_the_tension_is_said_in_words() -> None:
    """The model of it: overbought against a trend with memory."""
    said = anomaly_words.tension(figures(), 0)
    assert said == "RSI at 81.7 overbought, but Hurst 0.74 says the trend has memory: that's the tension."


@pytest.mark.parametrize("form", EVERY_FORM)
def test_every_form_names_both_figures_and_asks_about_entering(form: int) -> None:
    """The facts are the same in every form."""
    said = anomaly_words.tension(figures(), form)
    assert "RSI at 81.7 overbought" in said
    assert "Hurst 0.74 says the trend has memory" in said
    assert anomaly_words.question(figures(), form).endswith("?")


@pytest.mark.parametrize("form", EVERY_FORM)
def test_where_nothing_contradicts_no_tension_is_claimed(form: int) -> None:
    """Overbought and reverting point the same way; a neutral RSI points nowhere."""
    for same in (figures(hurst=0.31), figures(rsi=55.0)):
        assert "but" not in anomaly_words.tension(same, form)
        assert "tension:" not in anomaly_words.tension(same, form)


def test_a_question_fits_its_situation() -> None:
    """No question about a late long for an oversold coin; each situation has its own questions."""
    situations = [figures(rsi, hurst) for rsi, hurst in itertools.product((81.7, 55.0, 21.0), (0.74, 0.5, 0.31))]
    asked = [tuple(anomaly_words.question(one, form) for form in EVERY_FORM) for one in situations]
    assert all(len(set(questions)) == anomaly_words.FORMS for questions in asked)
    assert "late short" in anomaly_words.question(figures(rsi=21.0), 1)
    assert "late long" in anomaly_words.question(figures(), 1)


@pytest.mark.parametrize("form", EVERY_FORM)
def test_a_minus_is_a_minus_and_a_percent_has_its_space(form: int) -> None:
    """−0.7 %, not -0.7%."""
    said = anomaly_words.headline("XUSDT", figures(), form)
    assert "−0.7 %" in said
    assert "−0.12" in said
    assert not re.search(r"-\d|\d%", said)


def test_what_is_not_known_is_not_made_up() -> None:
    """A young coin has no Hurst, a younger one no RSI."""
    assert "too little history for Hurst" in anomaly_words.tension(figures(hurst=None), 0)
    assert "too little history" in anomaly_words.tension(figures(None, None, None), 0)


def test_no_form_comes_twice_in_a_row_and_replays_agree() -> None:
    """The next form follows from the id and the last one alone; all of them come."""
    last: int | None = None
    seen = []
    for scan in range(500):
        form = form_of(f"binance-um:anomaly:XUSDT:{scan}", last)
        assert form == form_of(f"binance-um:anomaly:XUSDT:{scan}", last)
        assert form != last
        seen.append(form)
        last = form
    assert set(seen) == set(EVERY_FORM)
