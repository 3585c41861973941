"""Sections of documents that scripts write, between two marks."""

from __future__ import annotations


def replaced(text: str, begin: str, end: str, section: str) -> str:
    """Return *text* with *section* between the marks *begin* and *end*."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{section}\n{end}{after}"
