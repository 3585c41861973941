"""Keyset paging: a page continues after the last row of the previous one, also when rows were added meanwhile."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import msgspec

from services.api.store.database import MINE, Database, Row


class CursorError(ValueError):
    """The cursor is not one of ours."""


class Filter:
    """Conditions that are set, joined by AND; their text is the program's, their values are parameters."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.parameters: list[Any] = []

    def add(self, condition: str, value: Any) -> Filter:
        """Add *condition*, which has one placeholder, unless *value* is None."""
        if value is not None:
            self.conditions.append(condition)
            self.parameters.append(value)
        return self

    def behind(self, order: Order, cursor: str | None) -> Filter:
        """Leave only what comes after the row that *cursor* names."""
        if cursor is not None:
            at, name = decode_cursor(cursor)
            if order.name:
                # the first condition follows from the second; an index can begin there, which it cannot at an OR
                self.conditions.append(f"{order.at} <= %s AND ({order.at} < %s OR {order.name} > %s)")
                self.parameters += [at, at, name]
            else:
                self.add(f"{order.at} < %s", at)
        return self

    def copy(self) -> Filter:
        """Return the same conditions, to add others to."""
        made = Filter()
        made.conditions, made.parameters = [*self.conditions], [*self.parameters]
        return made

    def given(self) -> list[tuple[str, list[Any]]]:
        """Return each condition with its values."""
        values = iter(self.parameters)
        return [(text, [next(values) for _ in range(text.count("%s"))]) for text in self.conditions]

    @property
    def where(self) -> str:
        return f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


@dataclass(frozen=True)
class Order:
    """Newest first by *at*, an integer column; ties by *name*, a text column.  Together they are unique."""

    at: str
    name: str = ""

    def key(self, row: Row) -> tuple[int, str]:
        return row[self.at], row[self.name] if self.name else ""

    @property
    def clause(self) -> str:
        return f" ORDER BY {self.at} DESC" + (f", {self.name}" if self.name else "")


@dataclass(frozen=True)
class Page:
    """Some rows, and where the next ones begin."""

    rows: list[Row]
    next_cursor: str | None


async def read(
    database: Database,
    select: str,
    filters: Filter,
    order: Order,
    *,
    limit: int,
    cursor: str | None = None,
    of_market: bool = True,
) -> Page:
    """Return up to *limit* rows behind *cursor*, of this market where they are *of_market*; raise `CursorError`."""
    filters.behind(order, cursor)
    filters.conditions += [MINE] if of_market else []
    return cut(await rows_of(database, select, filters, order, limit), order, limit)


async def rows_of(database: Database, select: str, filters: Filter, order: Order, limit: int) -> list[Row]:
    """Return the first *limit* rows that fit, and one more where there is one."""
    query = f"{select}{filters.where}{order.clause} LIMIT %s"
    return await database.rows(query, [*filters.parameters, limit + 1], in_order=True)


def cut(rows: list[Row], order: Order, limit: int) -> Page:
    """Return the page of *limit* of *rows*; another follows where there are more."""
    following = encode_cursor(*order.key(rows[limit - 1])) if len(rows) > limit else None
    return Page(rows[:limit], following)


def encode_cursor(at: int, name: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([at, name])).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[int, str]:
    """Return the key in *cursor*; raise `CursorError`."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, name = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=tuple[int, str])
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise CursorError("not a cursor: give `next_cursor` of the page before, or nothing") from error
    if not -(2**63) <= at < 2**63 or "\0" in name:
        raise CursorError("not a cursor: give `next_cursor` of the page before, or nothing")
    return at, name
