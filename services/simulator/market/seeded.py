"""The seeded market: plausible bars of every coin, a day at a time, the same for the same seed.

Log returns are a coin's beta times Bitcoin's, plus its own: a drift that switches between trends and
ranges, a part that reverts to the mean (large in ranges), volatility that clusters and jumps now and
then.  A few coins hardly follow Bitcoin and have news of their own: a jump with a shock of volume.
Volume, taker flow and the derivatives follow from the same states.  Nothing here knows of a score, a
gate or a threshold.
"""

from __future__ import annotations

import numpy as np

from services.simulator.instruments import BAR_MS, seeded_contracts
from services.simulator.market.derivatives import DerivativesRule, Mean, decay
from services.simulator.market.tape import (
    BARS_A_DAY,
    CLOSE,
    COLUMNS,
    COUNT,
    HIGH,
    LOW,
    OPEN,
    QUOTE,
    TAKER,
    TAKER_QUOTE,
    VOLUME,
    Day,
    Flags,
    Floats,
)
from shared.contracts import DAY_MS, FULL_BARS, HOUR_MS

HISTORY_DAYS = FULL_BARS * 4 * HOUR_MS // DAY_MS + 2  #: a full window of 4h and some
BITCOIN_VOLATILITY = 0.0009  #: of one bar, 1.5 % a day
SWITCHES_A_DAY = 2.0  #: how often a coin's regime is drawn anew
JUMPS_A_DAY = 0.2
MAJORS = 12  #: so many of the largest coins always follow Bitcoin
ALONE = 0.125  #: the share of the others that hardly do, as PAXG, H and TRX in recorded bars
ALONE_BETA = 0.2  #: what is left of such a coin's beta
NEWS_A_DAY = 1.0  #: of such a coin


class SeededMarket:
    """A `Source` that never ends."""

    estimated: tuple[str, ...] = ()
    end: int | None = None

    def __init__(self, symbols: int, seed: int, start: int) -> None:
        self.contracts, prices = seeded_contracts(symbols, seed, start)
        self.genesis = (start // DAY_MS - HISTORY_DAYS) * DAY_MS
        self._seed = seed
        self._draw_traits(prices)
        rows = symbols
        self._slow, self._fast, self._pulse = (
            Mean(rows, 288, leaky_sum=True),
            Mean(rows, 12, leaky_sum=True),
            Mean(rows, 30, leaky_sum=True),
        )
        self._reverting = Mean(rows, 30, leaky_sum=True)
        self._level = Mean(rows, 4_320, leaky_sum=True)
        self._activity = Mean(rows, 6, leaky_sum=True)
        self._echo = Mean(rows, 2, leaky_sum=True)
        self._noise = [Mean(rows, half_life, leaky_sum=True) for half_life in (3, 48, 96, 24)]
        self._regime = np.zeros((3, rows))
        self._last_reverting = np.zeros((rows, 1))
        self._last_close: Floats | None = None
        self._rule = DerivativesRule(self.contracts)

    def _draw_traits(self, prices: list[float]) -> None:
        """Draw what distinguishes the coins: size, volatility, beta."""
        rows = len(prices)
        draw = self._generator(0, 99).standard_normal((rows, 3))
        self._log_price = np.log(np.array(prices))[:, None]
        self._tick = np.array([contract.tick for contract in self.contracts])[:, None]
        self._step = np.array([contract.step for contract in self.contracts])[:, None]
        self._quote_decimals = [contract.quote_decimals for contract in self.contracts]
        self._volatility = 0.0014 * np.exp(0.25 * draw[:, :1])
        self._volatility[0] = BITCOIN_VOLATILITY
        self._beta = np.clip(1.05 + 0.3 * draw[:, 1:2], 0.1, 2.2)
        self._beta[0] = 0.0
        self._alone = self._generator(0, 98).random((rows, 1)) < ALONE
        self._alone[:MAJORS] = False
        self._beta[self._alone] *= ALONE_BETA
        rank = np.arange(1, rows + 1)[:, None]
        self._turnover = 1.2e10 * rank**-1.02 * np.exp(0.2 * draw[:, 2:])
        self._trade_size = 400.0 + 2_000.0 / np.sqrt(rank)

    def _generator(self, day: int, column: int) -> np.random.Generator:
        """Return the random numbers of one column of one day; a row's do not depend on the rows after it."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self._seed, day, column])))

    def day(self, number: int) -> Day:
        """Return the next day's bars and derivatives."""
        shape = (len(self.contracts), BARS_A_DAY)
        normal = [self._generator(number, column).standard_normal(shape) for column in range(11)]
        uniform = [self._generator(number, 20 + column).random(shape) for column in range(5)]
        drift, calm, share, switched = self._regimes(uniform[0], uniform[1], normal[0])
        news = self._news(number)
        jumps = (uniform[2] < JUMPS_A_DAY / BARS_A_DAY) | (news > 0.0)
        jump = np.where(jumps, np.sign(normal[1]) * (4.0 + 2.0 * np.abs(normal[2])), 0.0)
        excitement = self._excitement(normal[3], normal[4], jump, switched, calm)
        moves = self._moves(normal, drift, share, jump, excitement)
        bars = self._prices(moves, self._volatility * np.exp(excitement), uniform[3], uniform[4])
        surprise = moves / (self._volatility * np.exp(excitement))
        spice = 0.25 * normal[10] + self._echo(news)
        self._flow(bars, surprise, excitement, drift=drift, busy=normal[7], taste=normal[8], spice=spice, day=number)
        noise = np.stack(
            [mean(draw) for mean, draw in zip(self._noise, (normal[9], normal[6], normal[2], normal[8]), strict=True)]
        )
        noise *= np.sqrt(1.0 - np.array([decay(h) ** 2 for h in (3, 48, 96, 24)]))[:, None, None]
        return Day(bars, self._rule.day(bars, noise))

    def _news(self, day: int) -> Floats:
        """Return how far news of a coin alone raises its log of volume: 0 but for a few bars."""
        shape = (len(self.contracts), BARS_A_DAY)
        struck = self._alone & (self._generator(day, 30).random(shape) < NEWS_A_DAY / BARS_A_DAY)
        return np.where(struck, 1.5 + 0.8 * np.abs(self._generator(day, 31).standard_normal(shape)), 0.0)

    def _regimes(self, chance: Floats, kind: Floats, strength: Floats) -> tuple[Floats, Floats, Floats, Flags]:
        """Return drift (in units of volatility), calm, the mean-reverting share, and where a trend began."""
        switches = chance < SWITCHES_A_DAY / BARS_A_DAY
        trending = kind < 0.45
        drift = np.where(trending, np.sign(strength) * (0.03 + 0.035 * np.abs(strength)), 0.0)
        calm = np.where(trending, 0.05, -0.30)
        share = np.where(trending, 0.20, 0.65)
        drawn = np.stack([drift, calm, share])
        at = np.maximum.accumulate(np.where(switches, np.arange(chance.shape[1]), -1), axis=1)
        held = np.take_along_axis(drawn, np.broadcast_to(np.maximum(at, 0), drawn.shape), axis=2)
        current = np.where(at >= 0, held, self._regime[:, :, None])
        self._regime = current[:, :, -1]
        return current[0], current[1], current[2], switches & trending

    def _excitement(self, slow: Floats, fast: Floats, jump: Floats, switched: Flags, calm: Floats) -> Floats:
        """Return the log of volatility against the coin's usual one."""
        clustering = self._slow(0.022 * slow) + self._fast(0.085 * fast)
        return np.asarray(clustering + self._pulse(0.6 * switched + 0.12 * np.abs(jump)) + calm)

    def _moves(self, normal: list[Floats], drift: Floats, share: Floats, jump: Floats, excitement: Floats) -> Floats:
        """Return log returns, Bitcoin's first."""
        scale = self._volatility * np.exp(excitement)
        tail = np.exp(0.35 * normal[5] - 0.12)  # fat tails beyond those of the clustering
        reverting = self._reverting(scale * np.sqrt(share) * normal[6])
        own = scale * (np.sqrt(1.0 - share) * normal[1] * tail + drift + jump)
        own += np.diff(reverting, axis=1, prepend=self._last_reverting)
        self._last_reverting = reverting[:, -1:]
        return np.asarray(own + self._beta * own[0])

    def _prices(self, moves: Floats, scale: Floats, up: Floats, down: Floats) -> Floats:
        """Return bars with open, high, low and close on the tick grid."""
        level = np.exp(self._log_price + self._level(moves))
        close = np.maximum(np.round(level / self._tick), 50.0) * self._tick
        before = close[:, :1] if self._last_close is None else self._last_close
        opens = np.concatenate([before, close[:, :-1]], axis=1)
        self._last_close = close[:, -1:]
        body = np.log(close / opens)
        width = -2.6 * scale**2  # a Brownian bridge would have 2.0; the spread widens real bars
        above = np.sqrt(body**2 + width * np.log(np.maximum(up, 1e-12)))
        below = np.sqrt(body**2 + width * np.log(np.maximum(down, 1e-12)))
        high = np.round(opens * np.exp((body + above) / 2) / self._tick) * self._tick
        low = np.round(opens * np.exp((body - below) / 2) / self._tick) * self._tick
        bars = np.zeros((COLUMNS, *moves.shape))
        bars[OPEN], bars[CLOSE] = opens, close
        bars[HIGH] = np.maximum(high, np.maximum(opens, close))
        bars[LOW] = np.maximum(np.minimum(low, np.minimum(opens, close)), self._tick)
        return bars

    def _flow(
        self,
        bars: Floats,
        surprise: Floats,
        excitement: Floats,
        *,
        drift: Floats,
        busy: Floats,
        taste: Floats,
        spice: Floats,
        day: int,
    ) -> None:
        """Fill in volume, taker flow and trades."""
        hour = (np.arange(BARS_A_DAY) * BAR_MS / HOUR_MS)[None, :]
        season = 0.35 * np.cos(2 * np.pi * (hour - 15) / 24) + 0.12 * np.cos(4 * np.pi * (hour - 1) / 24)
        weekend = -0.35 if (self.genesis // DAY_MS + day + 4) % 7 in (0, 6) else 0.0
        activity = self._activity(0.22 * busy) + spice + 0.9 * excitement + 0.30 * np.minimum(np.abs(surprise), 6.0)
        usual = self._turnover / BARS_A_DAY / np.exp(self._log_price)
        volume = usual * np.exp(activity + season + weekend + 1.5 * np.abs(drift) - 0.35)
        share = 0.5 + 0.11 * np.tanh(0.8 * surprise) + 0.05 * np.tanh(8.0 * drift) + 0.02 * taste
        bars[VOLUME] = np.maximum(np.round(volume / self._step), 1.0) * self._step
        bars[TAKER] = np.round(bars[VOLUME] * np.clip(share, 0.05, 0.95) / self._step) * self._step
        price = (bars[OPEN] + bars[HIGH] + bars[LOW] + bars[CLOSE]) / 4
        power = 10.0 ** np.array(self._quote_decimals)[:, None]
        bars[QUOTE] = np.round(bars[VOLUME] * price * power) / power
        bars[TAKER_QUOTE] = np.round(bars[TAKER] * price * power) / power
        bars[COUNT] = np.ceil(bars[QUOTE] / self._trade_size)
