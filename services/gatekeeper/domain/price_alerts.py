"""Price alerts, evaluated on every tick and, where ticks are missing, on the bar.

above, below: fire when the price is beyond the value, at once if it already is.  crosses: fires when two
prices, one after the other, are on different sides of the value.  moves: fires when the price is the given
fraction away from the lowest or highest price of the window.  A repeating alert fires again when its
cooldown is over and the price has come back in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from services.gatekeeper.domain.state import PriceState, PriceWatch, Sample
from shared import ids
from shared.contracts import SCAN_MS, Alert, PriceAlert, PriceBody

PARTS: Final = 48  #: of a window: its extremes are kept for each part
UNSEEN_MS: Final = 10_000  #: the gap between two ticks from which on the bar is evaluated as well
GAPS_KEPT: Final = 8


def on_price(
    asked: PriceAlert, state: PriceState, price: float, at: int, fired_at: int
) -> tuple[PriceState, float | None, bool]:
    """Return the state after *price*, the reference, and whether the alert fires now."""
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
    """Return state, reference and condition for a move from the window's lowest or highest price."""
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


def seen(prices: PriceWatch, at: int) -> PriceWatch:
    """Return *prices* after a tick at *at*; adjacent gaps are merged."""
    gaps = prices.gaps
    if at - prices.last_tick > UNSEEN_MS:
        goes_on = bool(gaps) and gaps[-1][1] == prices.last_tick
        began = gaps[-1][0] if goes_on else prices.last_tick
        gaps = (*(gaps[:-1] if goes_on else gaps), (began, at))[-GAPS_KEPT:]
    return msgspec.structs.replace(prices, last_tick=at, gaps=gaps)


def unseen(prices: PriceWatch, close: int) -> bool:
    """Return whether ticks are missing from the bar that closed at *close*."""
    if prices.last_tick < close - UNSEEN_MS:
        return True
    return any(began < close and ended > close - SCAN_MS for began, ended in prices.gaps)


Fired = tuple[PriceAlert, float, float | None]  #: the alert that fired, its price and its reference


def evaluate(
    prices: PriceWatch,
    asked: Iterable[PriceAlert],
    quoted: Mapping[str, tuple[float, ...]],
    at: int,
    *,
    now: int,
    market: str,
    while_down: bool = False,
) -> tuple[PriceWatch, list[Alert]]:
    """Return the price states after *quoted* and the alerts that fired.

    *quoted* maps a symbol to its prices in their order, all at *at*.
    """
    states, fired, alerts = dict(prices.alerts), dict(prices.fired), []
    for one in asked:
        state, new = _apply(one, _state_of(one, states, fired), quoted, at, fired)
        states[one.price_alert_id] = state
        alerts += [_alert(market, *each, at, now=now, while_down=while_down) for each in new]
    return _after(prices, states, fired), alerts


def look_back(
    prices: PriceWatch,
    asked: Iterable[PriceAlert],
    bars: Mapping[str, tuple[float, ...]],
    close: int,
    *,
    now: int,
    market: str,
) -> tuple[PriceWatch, list[Alert]]:
    """Return the alerts that fired within *bars* of which some ticks, or later ones, were seen.

    *bars* maps a symbol to its prices in their order.  Each bar is judged alone and does not change the
    remembered price.  An alert that fired on a tick within the bar or later does not fire again.
    """
    states, fired, alerts = dict(prices.alerts), dict(prices.fired), []
    for one in asked:
        name, before = one.price_alert_id, _state_of(one, states, fired)
        states[name] = before
        if fired.get(name, 0) > close - SCAN_MS:
            continue
        # a repeating alert has to come back within the bar: it may have been armed only at its end
        armed = before.armed and not (one.repeat and name in fired)
        fresh = msgspec.structs.replace(before, price=None, samples=(), armed=armed)
        _, new = _apply(one, fresh, bars, close, fired)
        alerts += [_alert(market, *each, close, now=now, while_down=True) for each in new]
        if new:
            states[name] = msgspec.structs.replace(before, armed=False)
    return _after(prices, states, fired), alerts


def _apply(
    one: PriceAlert, state: PriceState, quoted: Mapping[str, tuple[float, ...]], at: int, fired: dict[str, int]
) -> tuple[PriceState, list[Fired]]:
    """Apply its symbol's prices to *one*; return its state and its firings, and note them in *fired*."""
    new: list[Fired] = []
    for price in quoted.get(one.symbol, ()) if at > one.created_at else ():
        if not (math.isfinite(price) and price > 0):
            continue
        state, reference, met = on_price(one, state, price, at, fired.get(one.price_alert_id, 0))
        if met:
            fired[one.price_alert_id] = at
            new.append((one, price, reference))
    return state, new


def _after(prices: PriceWatch, states: dict[str, PriceState], fired: dict[str, int]) -> PriceWatch:
    if states == prices.alerts and fired == prices.fired:
        return prices
    return msgspec.structs.replace(prices, alerts=states, fired=fired)


def _state_of(asked: PriceAlert, states: dict[str, PriceState], fired: dict[str, int]) -> PriceState:
    """Return the remembered state, or a new one where there is none or price or condition have changed."""
    known = states.get(asked.price_alert_id)
    if known is not None and (known.condition, known.value) == (asked.condition, asked.value):
        return known
    if known is not None:
        fired.pop(asked.price_alert_id, None)
    return PriceState(condition=asked.condition, value=asked.value, armed=asked.price_alert_id not in fired)


def forget(prices: PriceWatch, asked: Iterable[PriceAlert]) -> PriceWatch:
    """Return *prices* without the state of removed price alerts."""
    standing = {one.price_alert_id for one in asked}
    if standing.issuperset(prices.alerts) and standing.issuperset(prices.fired):
        return prices
    return msgspec.structs.replace(
        prices,
        alerts={name: state for name, state in prices.alerts.items() if name in standing},
        fired={name: at for name, at in prices.fired.items() if name in standing},
    )


def _alert(
    market: str, asked: PriceAlert, price: float, reference: float | None, at: int, *, now: int, while_down: bool
) -> Alert:
    return Alert(
        alert_id=ids.price_alert_alert_id(market, asked.price_alert_id, at),
        kind="price",
        body=PriceBody(price_alert=asked, price=price, reference=reference, while_down=while_down),
        occurred_at=at,
        created_at=now,
        symbol=asked.symbol,
    )
