"""A message's text: a title and lines, plain or as HTML, cut to a channel's limit."""

from __future__ import annotations

import html
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A title and its lines."""

    title: str
    lines: tuple[str, ...]

    @property
    def plain(self) -> str:
        return "\n".join((self.title, *self.lines))

    @property
    def html(self) -> str:
        """The text with a bold title; markup in names is escaped."""
        return "\n".join(
            (f"<b>{html.escape(self.title)}</b>", *(html.escape(line, quote=False) for line in self.lines))
        )

    def cut(self, limit: int) -> Text:
        """Return as much of the text as *limit* UTF-16 units hold, whole lines, the title at least."""
        kept: list[str] = []
        title = self.title if units(self.title) < limit else _clip(self.title, limit - 2)
        left = limit - units(title)
        for line in self.lines:
            left -= units(line) + 1
            if left < 2:
                kept.append("…")
                break
            kept.append(line)
        return Text(title, tuple(kept))


def units(text: str) -> int:
    """Return the length as Telegram counts it: UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def _clip(text: str, limit: int) -> str:
    return text.encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore") + "…"
