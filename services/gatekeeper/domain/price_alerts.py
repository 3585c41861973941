"""Prices that people asked to be told of, evaluated on every tick and, where ticks are missing, on the bar.

above, below: told when the price is there, at once if it already is.  crosses: told when two prices
seen after each other lie on different sides.  moves: told when the price is the asked fraction away from
the lowest or highest of the window.  One that repeats is told again when its cooldown is over and
the price has come back in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from services.gatekeeper.domain.state import Prices, PriceState, Sample
from shared.contracts import SCAN_MS, Alert, PriceAlert, PriceBody

PARTS: Final = 48  #: of a window: its extremes are kept for each part
UNSEEN_MS: Final = 10_000  #: between two ticks, from which on what the price did there is asked of the bar
GAPS_KEPT: Final = 8


def on_price(
    asked: PriceAlert, state: PriceState, price: float, at: int, fired_at: int
) -> tuple[PriceState, float | None, bool]:
    """Return the state after *price*, the reference, and whether to tell it now."""
    if asked.condition == "moves":
        state, reference, met = _moved(asked, state, price, at)
    else:
        reference, met = state.price, _met(asked, state.price, price)
    rearmed = asked.repeat and (state.armed or asked.condition in ("crosses", "moves") or not met)
    state = msgspec.structs.replace(state, price=price, armed=state.armed or rearmed)
    cool = fired_at and at < fired_at + asked.cooldown_seconds * 1_000
    if not met or not state.armed or cool:
        return state, reference, False
    return msgspec.structs.replace(state, armed=False, samples=()), reference, True


def _met(asked: PriceAlert, before: float | None, price: float) -> bool:
    if asked.condition == "above":
        return price >= asked.value
    if asked.condition == "below":
        return price <= asked.value
    if before is None or before == asked.value:
        return False
    return (before < asked.value) != (price < asked.value) or price == asked.value


def _moved(asked: PriceAlert, state: PriceState, price: float, at: int) -> tuple[PriceState, float | None, bool]:
    """Measure from the window's lowest and highest; the samples keep those of each part of it."""
    width = max(1, asked.window_seconds * 1_000 // PARTS)
    samples = [sample for sample in state.samples if sample.at > at - asked.window_seconds * 1_000]
    reference = None
    met = False
    if samples:
        low, high = min(s.low for s in samples), max(s.high for s in samples)
        reference = low if price / low - 1 >= 1 - price / high else high
        met = abs(price / reference - 1) >= asked.value
    if samples and at // width == samples[-1].at // width:
        last = samples.pop()
        samples.append(Sample(at=last.at, low=min(last.low, price), high=max(last.high, price)))
    else:
        samples.append(Sample(at=at, low=price, high=price))
    return msgspec.structs.replace(state, samples=tuple(samples)), reference, met


def seen(prices: Prices, at: int) -> Prices:
    """Return *prices* after a tick at *at*; gaps that follow each other are one."""
    gaps = prices.gaps
    if at - prices.last_tick > UNSEEN_MS:
        goes_on = bool(gaps) and gaps[-1][1] == prices.last_tick
        began = gaps[-1][0] if goes_on else prices.last_tick
        gaps = (*(gaps[:-1] if goes_on else gaps), (began, at))[-GAPS_KEPT:]
    return msgspec.structs.replace(prices, last_tick=at, gaps=gaps)


def unseen(prices: Prices, close: int) -> bool:
    """Return whether ticks are missing from the bar that closed at *close*."""
    if prices.last_tick < close - UNSEEN_MS:
        return True
    return any(began < close and ended > close - SCAN_MS for began, ended in prices.gaps)


Told = tuple[PriceAlert, float, float | None]  #: the alert that fired, its price and what that is measured from


def evaluate(
    prices: Prices,
    asked: Iterable[PriceAlert],
    quoted: Mapping[str, tuple[float, ...]],
    at: int,
    *,
    now: int,
    while_down: bool = False,
) -> tuple[Prices, list[Alert]]:
    """Return the price states after *quoted* (symbol -> prices in their order, all at *at*) and what to tell."""
    states, fired, alerts = dict(prices.alerts), dict(prices.fired), []
    for one in asked:
        state, told = _show(one, _state_of(one, states, fired), quoted, at, fired)
        states[one.price_alert_id] = state
        alerts += [_alert(*what, at, now=now, while_down=while_down) for what in told]
    return _after(prices, states, fired), alerts


def look_back(
    prices: Prices, asked: Iterable[PriceAlert], bars: Mapping[str, tuple[float, ...]], close: int, *, now: int
) -> tuple[Prices, list[Alert]]:
    """Return what to tell of *bars* (symbol -> prices in their order) of which some ticks, or later ones, were seen.

    A bar is judged by itself and moves nothing back; what a tick told within it or later stands for all of it.
    """
    states, fired, alerts = dict(prices.alerts), dict(prices.fired), []
    for one in asked:
        name, before = one.price_alert_id, _state_of(one, states, fired)
        states[name] = before
        if fired.get(name, 0) > close - SCAN_MS:
            continue
        # one that repeats has to come back within the bar itself: it may have been ready only at its end
        armed = before.armed and not (one.repeat and name in fired)
        fresh = msgspec.structs.replace(before, price=None, samples=(), armed=armed)
        _, told = _show(one, fresh, bars, close, fired)
        alerts += [_alert(*what, close, now=now, while_down=True) for what in told]
        if told:
            states[name] = msgspec.structs.replace(before, armed=False)
    return _after(prices, states, fired), alerts


def _show(
    one: PriceAlert, state: PriceState, quoted: Mapping[str, tuple[float, ...]], at: int, fired: dict[str, int]
) -> tuple[PriceState, list[Told]]:
    """Show *one* its symbol's prices; return its state and what to tell, and note in *fired* that it was told."""
    told: list[Told] = []
    for price in quoted.get(one.symbol, ()) if at > one.created_at else ():
        if not (math.isfinite(price) and price > 0):
            continue
        state, reference, met = on_price(one, state, price, at, fired.get(one.price_alert_id, 0))
        if met:
            fired[one.price_alert_id] = at
            told.append((one, price, reference))
    return state, told


def _after(prices: Prices, states: dict[str, PriceState], fired: dict[str, int]) -> Prices:
    if states == prices.alerts and fired == prices.fired:
        return prices
    return msgspec.structs.replace(prices, alerts=states, fired=fired)


def _state_of(asked: PriceAlert, states: dict[str, PriceState], fired: dict[str, int]) -> PriceState:
    """Return what is remembered, or a new state; a changed price or condition starts anew."""
    known = states.get(asked.price_alert_id)
    if known is not None and (known.condition, known.value) == (asked.condition, asked.value):
        return known
    if known is not None:
        fired.pop(asked.price_alert_id, None)
    told = asked.price_alert_id in fired
    return PriceState(condition=asked.condition, value=asked.value, armed=not told)


def forget(prices: Prices, asked: Iterable[PriceAlert]) -> Prices:
    """Return *prices* without the alerts that nobody asks for any more."""
    standing = {one.price_alert_id for one in asked}
    if standing.issuperset(prices.alerts) and standing.issuperset(prices.fired):
        return prices
    return msgspec.structs.replace(
        prices,
        alerts={name: state for name, state in prices.alerts.items() if name in standing},
        fired={name: at for name, at in prices.fired.items() if name in standing},
    )


def _alert(asked: PriceAlert, price: float, reference: float | None, at: int, *, now: int, while_down: bool) -> Alert:
    return Alert(
        alert_id=f"price:{asked.price_alert_id}:{at}",
        kind="price",
        body=PriceBody(price_alert=asked, price=price, reference=reference, while_down=while_down),
        occurred_at=at,
        created_at=now,
        symbol=asked.symbol,
    )
