"""The card that the bot draws from what the API explains."""

from __future__ import annotations

import json

import pytest

from services.api import views
from services.notifier.bot.explain_card import alert_from
from services.notifier.rendering.text import text_of
from shared.contracts import Comparable, SignalBody
from shared.odds import line_of
from tests.integration.api import facts

LIKE_THIS = Comparable(side="long", low=2.0, high=2.5, n=412, hit_rate=0.31, break_even=0.38, days=90)


@pytest.mark.parametrize("record", [LIKE_THIS, None], ids=["a record", "none yet"])
def test_the_card_has_the_records_line(record: Comparable | None) -> None:
    """How setups like this one went, with their number, or that nothing is known yet."""
    decision = facts.decision(analysis=facts.analysis(comparable=record))
    found = json.loads(json.dumps(views.explanation.explanation(decision)))
    alert = alert_from(found)
    assert isinstance(alert.body, SignalBody)
    assert alert.body.analysis.comparable == record
    assert line_of(record).capitalize() in text_of(alert).lines
