"""Write the part of docs/alerts.md about channels from the channels themselves."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.sections import replaced  # noqa: E402
from shared.destinations import CHANNELS  # noqa: E402
from shared.sending.channel import Channel  # noqa: E402

TARGET = ROOT / "docs" / "alerts.md"
BEGIN = "<!-- channels: made by scripts/channels_page.py -->"
END = "<!-- end of channels -->"


def generated() -> str:
    """Return the section: examples, limits, and a paragraph about each channel."""
    examples = [f"  {name}: {_flow(value)}" for channel in _all() for name, value in channel.examples.items()]
    rows = [f"| {channel.title} | {_size(channel)} | {channel.limits.pace} |" for channel in _all()]
    table = ["| channel | longest text | pace |", "| --- | --- | --- |", *rows]
    words = [
        textwrap.fill(f"- **{channel.title}**: {channel.summary}", 140, subsequent_indent="  ", break_on_hyphens=False)
        for channel in _all()
    ]
    return "\n".join(["```yaml", "destinations:", *examples, "```", "", *table, "", *words])


def _all() -> list[Channel]:
    return list(CHANNELS.values())


def _size(channel: Channel) -> str:
    limits = channel.limits
    if not limits.text:
        return "no limit of its own"
    return f"{limits.text:,}" if limits.text == limits.caption else f"{limits.text:,}; {limits.caption:,} with a card"


def _flow(value: object) -> str:
    """Return *value* as YAML's flow style, which JSON is but for the quotes of names."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(item)}" for name, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def page(text: str) -> str:
    """Return *text* with the section between its two marks made anew."""
    return replaced(text, BEGIN, END, generated())


if __name__ == "__main__":
    TARGET.write_text(page(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
