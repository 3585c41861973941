"""What the exchange lists: the contracts with their names, filters and peculiarities."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from shared.contracts import DAY_MS

BAR_MS: Final = 300_000
PERPETUAL_DELIVERY: Final = 4_133_404_800_000
LISTED_LONG_AGO: Final = 1_569_398_400_000
USUAL_FUNDING_HOURS: Final = 8

#: Well-known coins with a price of about the right size; the rest of the list is made up.
KNOWN: Final[tuple[tuple[str, float], ...]] = (
    ("BTC", 96_000.0), ("ETH", 3_300.0), ("SOL", 190.0), ("XRP", 2.4), ("DOGE", 0.33), ("BNB", 690.0),
    ("1000PEPE", 0.0182), ("SUI", 4.1), ("ADA", 0.95), ("LINK", 22.0), ("AVAX", 37.0), ("币安人生", 0.21),
    ("TRX", 0.25), ("LTC", 104.0), ("1000SHIB", 0.0215), ("WIF", 1.9), ("DOT", 6.9), ("AAVE", 310.0),
    ("NEAR", 5.1), ("UNI", 13.4), ("APT", 9.1), ("ARB", 0.74), ("OP", 1.85), ("TIA", 4.8), ("INJ", 21.0),
    ("FIL", 5.2), ("ENA", 0.98), ("HBAR", 0.28), ("ICP", 10.1), ("WLD", 2.1), ("BCH", 440.0), ("ETC", 26.5),
    ("XLM", 0.41), ("SEI", 0.43), ("TAO", 460.0), ("FET", 1.3), ("RENDER", 7.4), ("ONDO", 1.4), ("CRV", 0.92),
    ("LDO", 1.8), ("GALA", 0.036), ("JUP", 0.86), ("ORDI", 24.0), ("STX", 1.5), ("PENDLE", 5.2), ("1000BONK", 0.031),
    ("ATOM", 6.4), ("DYDX", 1.4), ("RUNE", 4.7), ("GMT", 0.14),
)  # fmt: skip

_FIRST: Final = ("ZA", "KO", "VEL", "MIR", "TOR", "NEX", "LUM", "QUA", "BRI", "SOL", "DRA", "FEN", "GAL", "HEX", "JIN")
_LAST: Final = ("RA", "TO", "X", "LI", "NA", "DEX", "VO", "MI", "ON", "PU", "KA", "FY", "GO", "ZE", "CHI", "UM", "IS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One listed contract and the row of the market's arrays that it trades."""

    symbol: str
    row: int
    tick: float
    step: float
    base: str
    quote: str = "USDT"
    status: str = "TRADING"
    contract_type: str = "PERPETUAL"
    underlying: str = "COIN"
    onboard: int = LISTED_LONG_AGO
    delivery: int = PERPETUAL_DELIVERY
    funding_hours: int = USUAL_FUNDING_HOURS

    @property
    def tradable(self) -> bool:
        """Whether a scanner of USDT perpetuals on coins takes it."""
        wanted = (self.status, self.contract_type, self.underlying, self.quote)
        return wanted == ("TRADING", "PERPETUAL", "COIN", "USDT")

    @property
    def funding_adjusted(self) -> bool:
        """Whether fundingInfo lists it: its interval is not the usual eight hours, or its cap was changed."""
        return self.funding_hours != USUAL_FUNDING_HOURS or stable_hash(self.symbol) % 2 == 0

    @property
    def price_decimals(self) -> int:
        return decimals_of(self.tick)

    @property
    def quantity_decimals(self) -> int:
        return decimals_of(self.step)

    @property
    def quote_decimals(self) -> int:
        return quote_decimals(self.tick, self.step)


def decimals_of(step: float) -> int:
    """Return how many decimals a multiple of *step* needs."""
    text = f"{step:.12f}".rstrip("0")
    return len(text.partition(".")[2])


def quote_decimals(tick: float, step: float) -> int:
    """Return the decimals of a quote volume: at most four, so that a 4h sum is exact in float64."""
    return min(4, decimals_of(tick) + decimals_of(step))


def stable_hash(text: str) -> int:
    """Return a number that depends on nothing but *text*, the same in every process."""
    return zlib.crc32(text.encode())


def tick_for(price: float) -> float:
    """Return a tick that gives *price* about five significant digits."""
    return float(10.0 ** (math.floor(math.log10(price)) - 4))


def step_for(price: float) -> float:
    """Return the quantity step: finer for dearer coins."""
    return float(np.select([price > 10_000, price > 100, price > 1], [0.001, 0.01, 0.1], 1.0))


def made_up(count: int, seed: int) -> list[tuple[str, float]]:
    """Return *count* names and prices that look like coins and are none."""
    generator = np.random.default_rng([seed, 7])
    names = [first + last for last in _LAST for first in _FIRST]
    names += [f"{name}{suffix}" for suffix in ("AI", "FI", "SWAP", "NET") for name in names]
    prices = 10.0 ** generator.uniform(-3.0, 2.0, len(names))
    known = {name for name, _ in KNOWN}
    return [(name, float(price)) for name, price in zip(names, prices, strict=True) if name not in known][:count]


def seeded_contracts(count: int, seed: int, start: int) -> tuple[list[Contract], list[float]]:
    """Return *count* tradable contracts with their base prices, the last one listed 30 days before *start*."""
    names = (list(KNOWN) + made_up(max(0, count - len(KNOWN)), seed))[:count]
    contracts = [
        Contract(
            symbol=f"{base}USDT",
            row=row,
            tick=0.1 if base == "BTC" else tick_for(price),
            step=step_for(price),
            base=base,
            funding_hours=funding_hours(row),
        )
        for row, (base, price) in enumerate(names)
    ]
    if count >= 5:
        contracts[-1] = replace(contracts[-1], onboard=start // DAY_MS * DAY_MS - 30 * DAY_MS)
    return contracts, [price for _, price in names]


def funding_hours(row: int) -> int:
    """Return 8, 4 or 1: the dearest coins settle every eight hours, others more often."""
    if row < 5:
        return 8
    return (8, 4, 4, 8, 1)[row % 5]


def bystanders(listed: list[Contract]) -> list[Contract]:
    """Return contracts that a scanner must leave alone; each trades like one of *listed*."""
    last = listed[-1].row
    at = [min(row, last) for row in range(8)]

    def like(row: int, base: str, symbol: str, **changes: object) -> Contract:
        model = next(contract for contract in listed if contract.row == row)
        return replace(model, symbol=symbol, base=base, onboard=LISTED_LONG_AGO, **changes)  # type: ignore[arg-type]

    quarter = 1_782_460_800_000
    return [
        like(at[1], "ETH", "ETHUSDC", quote="USDC"),
        like(at[0], "BTC", "BTCUSDT_260626", contract_type="CURRENT_QUARTER", delivery=quarter),
        like(at[2], "OLDCOIN", "OLDCOINUSDT", status="SETTLING"),
        like(at[3], "SOON", "SOONUSDT", status="PENDING_TRADING"),
        like(at[4], "XAU", "XAUUSDT", contract_type="TRADIFI_PERPETUAL", underlying="COMMODITY"),
        like(at[5], "TSLA", "TSLAUSDT", contract_type="TRADIFI_PERPETUAL", underlying="EQUITY"),
        like(at[6], "BTCDOM", "BTCDOMUSDT", underlying="INDEX"),
        like(at[7], "EARLY", "EARLYUSDT", underlying="PREMARKET"),
    ]
