"""What mutes and quiet hours hold back from everybody; what holds at one destination is the notifier's matter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from shared.contracts import Alert, Mute
from shared.settings import RuntimeSettings
from shared.silence import Subject, is_quiet, local, mutes_of

QUIET: Final = "quiet hours"


def held_by(alert: Alert, mutes: Iterable[Mute], settings: RuntimeSettings, now: int) -> str:
    """Return what holds *alert* back, empty when nothing does; of several mutes the one that ends last."""
    subject = Subject(alert.kind, alert.side, (alert.symbol,) if alert.symbol else ())
    matching = mutes_of(subject, mutes, now)
    if matching:
        return f"mute {max(matching, key=lambda mute: (mute.until, mute.mute_id)).mute_id}"
    return QUIET if is_quiet(settings.quiet_hours, alert.kind, local(settings.presentation.timezone, now)) else ""
