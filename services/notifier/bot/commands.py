"""The Telegram bot's commands, answered from the API alone."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx

from services.notifier.bot.api_client import Api, said
from services.notifier.bot.explain_card import alert_from
from services.notifier.rendering.card import card_of
from services.notifier.rendering.text import ARROWS, clock, many, number, price, segments
from shared.gates import GATES
from shared.symbols import pair_of

HELP: Final = {
    "status": "services, last scan, database",
    "top": "highest scores of the newest scan: /top 10",
    "signals": "open signals",
    "why": f"the {len(GATES)} gates of a coin: /why SOL",
    "chart": "a coin's card: /chart SOL",
    "alert": "set a price alert: /alert BTC above 100000",
    "alerts": "your price alerts; /alerts remove ID",
    "mute": "mute a coin here: /mute DOGE 2h",
    "unmute": "end mutes here: /unmute DOGE",
    "quiet": "quiet hours here: /quiet 22:00-07:00, /quiet 2h, /quiet off",
    "settings": "thresholds, quiet hours and mutes",
    "help": "this list",
}
UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400}
LONGEST_MUTE_S: Final = 365 * 86_400
SYMBOL: Final = re.compile(r"^[^\x00-\x20\x7f/]{1,36}$")  #: what an exchange may call a coin
PRICE: Final = re.compile(r"^\d{1,3}(,\d{3})*(\.\d{1,12})?$|^\d{1,12}(\.\d{1,12})?$", re.ASCII)
HOURS: Final = re.compile(r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")


class Usage(Exception):  # noqa: N818 - an answer rather than an error
    """The command was not understood; the text says how to write it."""


@dataclass(frozen=True)
class Reply:
    """An answer: Telegram HTML, perhaps with a picture."""

    text: str
    picture: bytes | None = None


@dataclass(frozen=True)
class Place:
    """The chat that a command came from."""

    destinations: tuple[str, ...]  #: names of the destinations that are this chat
    timezone: str = "UTC"
    theme: str = "dark"


def symbol_of(text: str) -> str:
    """Return the pair for a coin's name: SOL is SOLUSDT."""
    name = text.strip().upper()
    if not SYMBOL.match(name):
        raise Usage(f"{text!r} is not a coin's name")
    return pair_of(name)


def seconds_of(text: str) -> int:
    """Return the seconds in "30m", "2h", "1d"."""
    found = re.fullmatch(r"(\d{1,5})\s*([mhd])", text.strip().lower())
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < seconds <= LONGEST_MUTE_S:
        raise Usage(f"{text!r} is not a time such as 30m, 2h or 1d")
    return seconds


def price_of(text: str) -> float:
    """Return the price in "100,000" or "0.0123"."""
    if not PRICE.match(text):
        raise Usage(f"{text!r} is not a price")
    return float(text.replace(",", ""))


def bold(text: str) -> str:
    return f"<b>{escape(text)}</b>"


def escape(text: Any) -> str:
    return html.escape(str(text), quote=False)


class Commands:
    """The commands by name; each takes its arguments and the chat it came from."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, Callable[[Sequence[str], Place], Awaitable[Reply]]] = {
            name: getattr(self, f"_{name}") for name in HELP
        }

    async def answer(self, name: str, words: Sequence[str], place: Place) -> Reply:
        """Return the answer to a command; every error becomes a sentence."""
        known = self._known.get(name)
        if known is None:
            return Reply(f"Unknown: /{escape(name)}. /help lists the commands.")
        try:
            return await known(words, place)
        except Usage as usage:
            return Reply(escape(usage))
        except httpx.HTTPStatusError as error:
            return Reply(escape(said(error)))
        except (httpx.HTTPError, OSError):
            return Reply("Sevengate's API does not answer now.")

    async def _help(self, words: Sequence[str], place: Place) -> Reply:
        return Reply("\n".join(f"/{name}: {escape(text)}" for name, text in HELP.items()))

    async def _status(self, words: Sequence[str], place: Place) -> Reply:
        status = await self._api.get("/api/status")
        lines = [bold("Sevengate"), f"exchange time {_time(status.get('exchange_time'), place)}"]
        if scan := status.get("last_scan"):
            lines.append(
                f"last scan {_time(scan.get('scan_id'), place)}: {scan.get('symbols', '–')} coins,"
                f" {scan.get('passed', '–')} passed, {number(scan.get('seconds'), 1)} s"
            )
        for name, service in (status.get("services") or {}).items():
            age = service.get("seconds_since_message")
            lines.append(f"{escape(name)}: " + ("nothing yet" if age is None else f"{age:.0f} s ago"))
        database = status.get("database") or {}
        lines.append("database: " + ("ok" if database.get("ok") else escape(database.get("reason", "away"))))
        return Reply("\n".join(lines))

    async def _top(self, words: Sequence[str], place: Place) -> Reply:
        count = int(words[0]) if words and words[0].isdecimal() else 10
        found = await self._api.get("/api/coins", limit=max(1, min(count, 30)))
        lines = [bold(f"Scan of {_time(found.get('scan_id'), place)}")]
        for rank, row in enumerate(found["items"], 1):
            mark = "✅" if row.get("passed") else f"{row.get('gates_passed', 0)}/{len(GATES)}"
            lines.append(
                f"{rank}. {ARROWS.get(row['side'], '')} {bold(row['symbol'])} {row['score']:.0f}"
                f" {segments(row.get('strength') or 0)} {mark}"
            )
        return Reply("\n".join(lines))

    async def _signals(self, words: Sequence[str], place: Place) -> Reply:
        items = (await self._api.get("/api/signals", status="open", limit=20))["items"]
        lines = [bold(many(len(items), "open signal"))]
        lines += [
            f"{ARROWS.get(item['side'], '')} {bold(item['symbol'])} from {price(item.get('entry'))},"
            f" stop {price(item.get('stop'))}, target {price(item.get('target'))}"
            f" · {_time(item.get('scan_id'), place)}"
            for item in items
        ]
        return Reply("\n".join(lines))

    async def _why(self, words: Sequence[str], place: Place) -> Reply:
        found = await self._explain(words, "/why SYMBOL")
        title = f"{ARROWS.get(found['side'], '')} {found['symbol']} {found['side']}: {found['outcome']}"
        lines = [bold(title), f"score {found['score']:.1f} · FMQS {number(found.get('fmqs'), 1)} · {found['regime']}"]
        for gate in found["gates"]:
            reason = "" if gate["passed"] else f": {escape(gate['reason'])}"
            lines.append(
                f"{'✅' if gate['passed'] else '❌'} {escape(gate['gate'])} {number(gate['value'], 2)}"
                f" against {number(gate['threshold'], 2)}{reason}"
            )
        lines.append(_time(found.get("scan_id"), place))
        return Reply("\n".join(lines))

    async def _chart(self, words: Sequence[str], place: Place) -> Reply:
        found = await self._explain(words, "/chart SYMBOL")
        alert = alert_from(found)
        picture = card_of(alert, theme=place.theme, timezone=place.timezone)
        return Reply(f"{bold(alert.symbol)} score {found['score']:.0f}, {escape(found['outcome'])}", picture)

    async def _explain(self, words: Sequence[str], usage: str) -> Any:
        if not words:
            raise Usage(usage)
        return await self._api.get(f"/api/coins/{quote(symbol_of(words[0]), safe='')}/explain")

    async def _alert(self, words: Sequence[str], place: Place) -> Reply:
        if len(words) != 3 or words[1].lower() not in ("above", "below", "crosses"):
            raise Usage("/alert SYMBOL above|below|crosses PRICE")
        body = {"symbol": symbol_of(words[0]), "condition": words[1].lower(), "value": price_of(words[2])}
        made = await self._api.send("POST", "/api/price-alerts", body)
        return Reply(
            f"Alert set: {bold(made['symbol'])} {made['condition']} {price(made['value'])}."
            f" Remove: /alerts remove {escape(made['price_alert_id'])}"
        )

    async def _alerts(self, words: Sequence[str], place: Place) -> Reply:
        if len(words) == 2 and words[0].lower() == "remove":
            await self._api.send("DELETE", f"/api/price-alerts/{quote(words[1], safe='')}")
            return Reply("Removed.")
        items = [item for item in (await self._api.get("/api/price-alerts"))["items"] if item.get("stands", True)]
        lines = [bold(many(len(items), "price alert"))]
        lines += [
            f"{bold(item['symbol'])} {item['condition']} {price(item['value'])} · <code>"
            f"{escape(item['price_alert_id'])}</code>"
            for item in items
        ]
        return Reply("\n".join(lines))

    async def _mute(self, words: Sequence[str], place: Place) -> Reply:
        if not 1 <= len(words) <= 2:
            raise Usage("/mute SYMBOL 2h")
        symbol, seconds = symbol_of(words[0]), seconds_of(words[1] if len(words) == 2 else "4h")
        await self._add_mutes(place, seconds, symbol)
        return Reply(f"{bold(symbol)} is muted here for {escape(words[1] if len(words) == 2 else '4h')}.")

    async def _add_mutes(self, place: Place, seconds: int, symbol: str = "") -> None:
        for name in place.destinations:
            body = {"seconds": seconds, "destination": name} | ({"symbol": symbol} if symbol else {})
            await self._api.send("POST", "/api/mutes", body)

    async def _unmute(self, words: Sequence[str], place: Place) -> Reply:
        symbol = symbol_of(words[0]) if words else None
        ended = await self._end_mutes(place, symbol)
        return Reply(f"{many(ended, 'mute')} ended.")

    async def _end_mutes(self, place: Place, symbol: str | None) -> int:
        """End this chat's mutes of *symbol*, all of them with None."""
        ending = [item for item in await self._mutes(place) if symbol is None or item["symbol"] == symbol]
        for item in ending:
            await self._api.send("DELETE", f"/api/mutes/{quote(item['mute_id'], safe='')}")
        return len(ending)

    async def _quiet(self, words: Sequence[str], place: Place) -> Reply:
        word = words[0].lower() if words else ""
        if HOURS.match(word):
            start, end = word.split("-")
            await self._set_quiet(place, {"start": start, "end": end})
            return Reply(f"Quiet here from {start} to {end} ({escape(place.timezone)}); a digest follows.")
        if word == "off":
            await self._set_quiet(place, None)
            await self._end_mutes(place, "")
            return Reply("No quiet hours here.")
        if word:
            await self._add_mutes(place, seconds_of(word))
            return Reply(f"Quiet here for {escape(word)}; a digest follows.")
        raise Usage(HELP["quiet"])

    async def _set_quiet(self, place: Place, hours: dict[str, str] | None) -> None:
        patch = {"destinations": {name: {"quiet_hours": hours} for name in place.destinations}}
        await self._api.send("PATCH", "/api/config", patch)

    async def _settings(self, words: Sequence[str], place: Place) -> Reply:
        settings = (await self._api.get("/api/config"))["value"]
        lines = [bold("Thresholds of a signal")]
        lines += [f"{escape(name)}: {escape(_plain(value))}" for name, value in settings["thresholds"].items()]
        lines += [f"coins: {settings['universe']['size']}", f"time zone: {escape(place.timezone)}"]
        for name in place.destinations:
            quiet = settings["destinations"].get(name, {}).get("quiet_hours")
            lines.append(f"{bold(name)} quiet hours: " + (f"{quiet['start']}-{quiet['end']}" if quiet else "none"))
        for mute in await self._mutes(place):
            lines.append(f"muted: {escape(mute['symbol'] or 'everything')} until {_time(mute['until'], place)}")
        return Reply("\n".join(lines))

    async def _mutes(self, place: Place) -> list[dict[str, Any]]:
        """Return this chat's own mutes."""
        items = (await self._api.get("/api/mutes"))["items"]
        return [item for item in items if item["destination"] in place.destinations]


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _time(at: Any, place: Place) -> str:
    return clock(int(at), place.timezone) if at else "–"
