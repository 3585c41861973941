"""Mutes and quiet hours of all destinations; those of a single destination are the notifier's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from shared.contracts import Alert, Mute
from shared.mutes import Subject, is_quiet, local, mutes_of
from shared.settings import RuntimeSettings

QUIET: Final = "quiet hours"


def held_by(alert: Alert, mutes: Iterable[Mute], settings: RuntimeSettings, now: int) -> str:
    """Return the mute or quiet hours that hold *alert* back, empty without; of several mutes the one that ends last."""
    subject = Subject(alert.kind, alert.side, (alert.symbol,) if alert.symbol else ())
    matching = mutes_of(subject, mutes, now)
    if matching:
        return f"mute {max(matching, key=lambda mute: (mute.until, mute.mute_id)).mute_id}"
    return QUIET if is_quiet(settings.quiet_hours, alert.kind, local(settings.presentation.timezone, now)) else ""
