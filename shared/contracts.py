"""Every message between the services: frozen facts with units, versioned by their tag.

On the wire a message is a msgpack array whose first element is its tag (``name/version``); fields
are only ever appended, with a default.  All times are UNIX milliseconds of the exchange's clock
unless a field's comment says wall clock.  Columns are little-endian float64.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Interval = Literal["5m", "15m", "1h", "4h"]
Side = Literal["long", "short"]
Regime = Literal["TRENDING", "RANGING", "VOLATILE"]

INTERVALS: Final[dict[Interval, int]] = {
    "5m": 300_000,
    "15m": 900_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
}  #: length of each bar in ms
SCAN_MS: Final = INTERVALS["5m"]
HOUR_MS: Final = INTERVALS["1h"]
DAY_MS: Final = 24 * HOUR_MS
#: Bars of each interval that an analysis reads.  EMA 200 forgets its first bars slowest: after 998 it is within 0.01 %
#: of the price of the warm one, after 499 up to 0.4 % off (python -m benchmarks.window_lengths).
FULL_BARS: Final = 998
LEAST_BARS: Final = 300  #: fewer are not analysed; a coin between the two is young
COLUMNS: Final = ("open_time", "open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume")


class Stream(StrEnum):
    """The streams of one market; the bus puts the market's hash tag before each name."""

    SNAPSHOTS = "snapshots"
    TICKS = "ticks"
    SCANS = "scans"
    ANALYSES = "analyses"
    DECISIONS = "decisions"  #: those that did not pass: dropped first when no service reads them
    DECISIONS_PASSED = "decisions-passed"
    ALERTS = "alerts"
    DELIVERIES = "deliveries"
    OUTCOMES = "outcomes"
    SETTINGS = "settings"


class Fact(msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=False):
    """A part of a message."""


def pack(values: npt.ArrayLike) -> bytes:
    """Return *values* as little-endian float64 bytes, row by row."""
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


def unpack(data: bytes) -> Floats:
    """Return the float64 vector, read-only, that `pack` wrote."""
    return np.frombuffer(data, dtype="<f8")


class Bars(Fact, frozen=True):
    """Bars of one interval, oldest first; the last one may be 'so far' (see `MarketSnapshot`)."""

    interval: Interval
    columns: bytes  #: matrix (8, n): `COLUMNS` by bar; times in ms, volume in coins, quote_volume in USDT (5m only)

    @property
    def matrix(self) -> Floats:
        """The bars as a read-only matrix of shape (8, n), rows as in `COLUMNS`."""
        return unpack(self.columns).reshape(len(COLUMNS), -1)

    @classmethod
    def of(cls, interval: Interval, matrix: npt.ArrayLike) -> Bars:
        """Pack *matrix*, shape (8, n)."""
        return cls(interval=interval, columns=pack(matrix))

    def __len__(self) -> int:
        return len(self.columns) // (8 * len(COLUMNS))


class Points(Fact, frozen=True):
    """A series of stamped values of the exchange, oldest first."""

    times: bytes  #: float64 ms, the exchange's stamps
    values: bytes  #: float64, same length

    @classmethod
    def of(cls, times: npt.ArrayLike, values: npt.ArrayLike) -> Points:
        return cls(times=pack(times), values=pack(values))

    def arrays(self) -> tuple[Floats, Floats]:
        """Return (times, values), read-only."""
        return unpack(self.times), unpack(self.values)


NO_POINTS: Final = Points(times=b"", values=b"")


class Derivatives(Fact, frozen=True):
    """The futures market's figures, at the newest stamps not later than the scan less five minutes.

    A series that is missing is empty; nothing is invented.  Ages follow from the stamps.
    """

    open_interest: Points = NO_POINTS  #: coins, 5m points, at most 288
    global_ratio: Points = NO_POINTS  #: long/short accounts of all traders, 5m points, at most 288
    top_ratio: Points = NO_POINTS  #: long/short accounts of the top traders, 5m points, at most 288
    funding_settled: Points = NO_POINTS  #: last settlements, rate per interval
    funding_rate: float | None = None  #: the running interval's predicted rate (0.0001 = 0.01 %)
    funding_at: int | None = None  #: stamp of `funding_rate`
    funding_interval_hours: int | None = None  #: 1, 4 or 8; None when unknown, never assumed
    mark_price: float | None = None
    index_price: float | None = None
    estimated: bool = False  #: made by the replay's documented rule, not observed


class Depth(Fact, frozen=True):
    """The first 20 levels of the book, best first."""

    at: int  #: the exchange's transaction stamp, ms
    bids: bytes  #: float64 pairs (price, coins)
    asks: bytes  #: float64 pairs (price, coins)
    estimated: bool = False


class Sentiment(Fact, frozen=True):
    """The Fear & Greed index."""

    value: int  #: 0 to 100
    label: str
    at: int  #: when the index was published, ms
    fetched_at: int  #: wall clock, ms


Problem = Literal[
    "insufficient history", "gap", "not finite", "stale", "inconsistent", "zero volume", "quarantined", "missing"
]


#: What an exchange may not publish, by the names that cards and the API show.
MarketInput = Literal["taker flow", "order book", "funding", "open interest", "long/short ratio", "top-trader ratio"]


if TYPE_CHECKING:
    #: The outcome of a decision; the first three opened a signal.
    DecisionOutcome = Literal[
        "alerted",
        "grouped",
        "muted",
        "rejected",
        "not analysed",
        "already open",
        "cooldown",
        "no levels",
        "inhibited",
        "late",
    ]
    #: What a system alert is about.
    SystemCode = Literal[
        "stale data",
        "recovered",
        "restored",
        "exchange refuses",
        "streams silent",
        "destination suspended",
        "destination parked",  # as 0.1.0 had it
        "digest",
        "daily summary",
        "test",
    ]
else:  # writers are held to the Literals; readers accept those of a newer version unchecked
    DecisionOutcome = SystemCode = str


class MarketSnapshot(Fact, frozen=True, tag="market_snapshot/1"):
    """One symbol at one scan: all that the analyzer needs and nothing newer than the scan."""

    symbol: str
    scan_id: int  #: close of the five-minute bar: its open time + 300 000
    settings_version: int
    tick_size: float
    bars: dict[str, Bars]  #: by interval; higher bars may end with the one so far
    btc_close: bytes  #: BTCUSDT closes at the 5m bars' times, float64; empty when not held
    derivatives: Derivatives = Derivatives()
    depth: Depth | None = None
    sentiment: Sentiment | None = None
    problems: tuple[Problem, ...] = ()  #: why the data is unsound; any but "zero volume" forbids analysis
    estimated: tuple[str, ...] = ()  #: of "taker", "quote_volume", "derivatives", "depth"
    unavailable: tuple[MarketInput, ...] = ()  #: what this exchange does not publish; not what is missing just now
    record_version: int = 0  #: of `RecordChanged`, what the analysis weighs with; 0: none yet


class PriceTick(Fact, frozen=True, tag="price_tick/1"):
    """The last price of every symbol, at most one message a second of the exchange's clock."""

    at: int  #: the exchange's event time
    prices: dict[str, float]  #: every symbol whose price is known


class ScanOpened(Fact, frozen=True, tag="scan_opened/1"):
    """A scan begins: one snapshot of each of *symbols* follows on `snapshots`."""

    scan_id: int
    symbols: tuple[str, ...]
    settings_version: int
    opened_at: int  #: the exchange's clock when it was opened
    missing: dict[str, str] = {}  #: expected symbol -> why it is not among `symbols`
    degraded: str = ""  #: why no signal may come of this scan ("clock", "exchange gap", …); empty: sound


class ScanSettled(Fact, frozen=True, tag="scan_settled/1"):
    """A scan has ended: every symbol of it is decided or counted as missing."""

    scan_id: int
    symbols: int
    analysed: int
    passed: int
    alerts: int
    missing: tuple[str, ...]
    at_deadline: bool
    opened_at: int  #: the exchange's clock
    settled_at: int  #: wall clock
    seconds: float  #: wall time from the bus receiving `ScanOpened` to settling


ScanEvent = ScanOpened | ScanSettled


class TimeframeAnalysis(Fact, frozen=True):
    """One interval of one symbol."""

    interval: Interval
    regime: Regime
    values: dict[str, float | None]  #: newest value of each indicator series; None where not warm
    votes: dict[str, float]  #: indicator -> [-1, 1], long positive
    weights: dict[str, float]  #: indicator -> weight in this regime; they sum to 1 over the votes
    long_score: float  #: 0 to 100, before patterns
    short_score: float
    patterns: dict[str, float]  #: pattern or divergence -> [-1, 1]
    squeeze: bool


class GroupVote(Fact, frozen=True):
    """An independent group's vote across the timeframes."""

    name: str  #: trend, momentum, volume, derivatives, price action, structure
    votes: dict[str, float]  #: interval -> vote in [-1, 1]
    vote: float  #: across the timeframes
    agrees: bool  #: with the side of the analysis


class FmqsComponent(Fact, frozen=True):
    """One of the four parts of FMQS."""

    score: float | None  #: 0 to 100, 50 neutral; None when not fresh
    weight: float
    age_seconds: float | None
    detail: str = ""


class Fmqs(Fact, frozen=True):
    """Does the futures market agree with the side?"""

    value: float | None  #: 0 to 100; None with fewer than two fresh components
    components: dict[str, FmqsComponent]  #: funding, open_interest, skew, taker
    capped_by: str = ""  #: "funding contradicts" or "open interest falls"; empty: not capped


class Level(Fact, frozen=True):
    """A price that turned the market before."""

    price: float
    touches: int
    last_touch: int  #: ms


class TradeLevels(Fact, frozen=True):
    """Entry, stop and target on the tick grid, stop < entry < target for a long."""

    entry: float
    stop: float
    target: float
    reward_to_risk: float  #: net of costs
    weak: bool  #: reward_to_risk below the threshold
    atr: float  #: ATR 14 of 1h
    stop_reason: str
    target_reason: str
    supports: tuple[Level, ...] = ()
    resistances: tuple[Level, ...] = ()
    cost_r: float = 0.0  #: fees and slippage of the round trip, in units of the risk taken

    @property
    def break_even(self) -> float:
        """The share of such trades that must reach the target to break even after costs."""
        return (1.0 + self.cost_r) / (1.0 + abs(self.target - self.entry) / abs(self.entry - self.stop))


class VolumeFigures(Fact, frozen=True):
    """Gate 4's figures."""

    ratio_3: float | None  #: the last three 5m bars against three usual bars
    taker_delta: float | None  #: 2 × taker buy − volume of the last three 5m bars, coins; None without taker flow
    obv_slope: float | None  #: over 8 bars of 15m, in mean bar volumes a bar
    zero_volume: bool = False


class AnomalyFigures(Fact, frozen=True):
    """The radar's figures; None where the window is too short."""

    volume_z: float | None = None
    change_24h: float | None = None  #: fraction
    rsi: float | None = None
    correlation: float | None = None
    beta: float | None = None
    residual_z: float | None = None
    hurst: float | None = None
    hurst_error: float | None = None
    quote_volume: float | None = None  #: of the last bar, USDT

    def exceeds(self, volume_z: float, correlation: float) -> bool:
        """Return whether the volume is as unusual as *volume_z* and BTC explains less than *correlation*."""
        z, own = self.volume_z, self.correlation
        if z is None or own is None or not (math.isfinite(z) and math.isfinite(own)):
            return False
        return z >= volume_z and abs(own) < correlation


class Comparable(Fact, frozen=True):
    """How setups of one side and a similar reward went."""

    side: Side
    low: float  #: reward before costs, in R, at least
    high: float  #: and below
    n: int
    hit_rate: float  #: share whose target came first
    break_even: float  #: share that would have cost nothing
    days: int  #: in which they ended


class Worth(Fact, frozen=True):
    """What a signal costs and how setups like it went, as its alert says it."""

    cost_r: float  #: fees and slippage of the round trip, in units of the risk taken
    comparable: Comparable | None = None  #: None: no record yet


class Forecast(Fact, frozen=True):
    """A version of the forecast: logit(p) = intercept + slope × logit(plain)."""

    version: str = "plain"  #: "logistic:DAY" with the last day it was fitted on
    intercept: float = 0.0
    slope: float = 1.0
    n: int = 0  #: outcomes that it rests on
    days: int = 0  #: on which they were


class Aftermath(Fact, frozen=True):
    """What followed anomalies within some hours, in the direction of the day before, against other moments."""

    hours: int
    n: int
    days: int  #: in which they ended
    median: float  #: return, fraction
    low: float  #: a quarter of the returns lies below
    high: float  #: and a quarter above
    went_on: float  #: share that went on in the direction of the day
    others_n: int
    others_went_on: float  #: the same share at other moments of the same coins


class BonusPart(Fact, frozen=True):
    """A pattern's or divergence's part in the bonus."""

    name: str
    interval: Interval
    points: float  #: signed, long positive


class Analysis(Fact, frozen=True, tag="analysis/1"):
    """The analysis of one symbol at one scan.  Nothing has been decided yet.

    Where `problem` is set, the figures keep their defaults.
    """

    symbol: str
    scan_id: int
    settings_version: int
    problem: str = ""  #: why it was not analysed; empty: it was
    tick_size: float = 0.0
    bar: tuple[float, ...] = ()  #: the last closed 5m bar: open, high, low, close, volume
    side: Side = "long"
    score: float = 0.0  #: 0 to 100, for `side`, patterns included
    long_score: float = 0.0
    short_score: float = 0.0
    bonus: tuple[BonusPart, ...] = ()
    agreement: float = 0.0  #: 0 to 100: how far intervals and groups agree and the data is whole and fresh
    agreement_parts: dict[str, float] = {}  #: name -> points, they sum to `agreement` before clipping
    regime: Regime = "RANGING"  #: the coin's; 1h leads
    timeframes: tuple[TimeframeAnalysis, ...] = ()
    timeframe_weights: dict[str, float] = {}
    groups: tuple[GroupVote, ...] = ()
    fmqs: Fmqs | None = None  #: for `side`
    fmqs_other: float | None = None  #: for the other side
    levels: TradeLevels | None = None  #: None when no valid stop and target exist
    strength: int = 0  #: 1 to 5 segments
    volume: VolumeFigures | None = None
    anomaly: AnomalyFigures = AnomalyFigures()
    btc_excess: float | None = None  #: return of 24 h above BTC's, fraction
    sentiment: Sentiment | None = None
    chart: bytes = b""  #: the last 96 15m bars, float64 matrix (6, n): open_time, open, high, low, close, volume
    estimated: tuple[str, ...] = ()
    derivatives: dict[str, float | None] = {}  #: newest figures and z-scores, for explaining
    reserved: dict[str, float] = {}  #: always empty: keeps the place of a field that is gone
    unavailable: tuple[MarketInput, ...] = ()  #: as in the snapshot: what needs it neither votes nor counts
    confidence: float | None = None  #: probability in % that the target comes first and in time; None: no levels
    forecast: str = ""  #: version of the forecast that `confidence` is; empty: none was made
    expected_r: float | None = None  #: net result to be expected of the levels, in R; funding is not in it
    record_version: int = 0  #: of `RecordChanged`: what `confidence` and `comparable` were taken from
    comparable: Comparable | None = None  #: how setups like this one went; None: no record yet
    aftermath: tuple[Aftermath, ...] = ()  #: what followed anomalies, where this is one
    young: tuple[Interval, ...] = ()  #: intervals with less history than a full window: slow averages may be off

    @property
    def worth(self) -> Worth | None:
        """What the levels cost and how setups like this one went; None without levels."""
        return None if self.levels is None else Worth(cost_r=self.levels.cost_r, comparable=self.comparable)


class Verdict(Fact, frozen=True):
    """One gate's judgement."""

    gate: str  #: the name of one of `shared.gates`
    passed: bool
    value: float | None
    threshold: float
    distance: float | None  #: value − threshold, signed so that ≥ 0 passes
    reason: str  #: one of those that the gate declares


class Decision(Fact, frozen=True, tag="decision/1"):
    """An analysis and every gate's verdict on it."""

    decision_id: str  #: "MARKET:SYMBOL:scan_id"; every id is made by `shared.ids`
    analysis: Analysis
    verdicts: tuple[Verdict, ...]
    appeared: bool  #: every gate passed that does not look back
    passed: bool  #: all gates passed
    outcome: DecisionOutcome
    settings_version: int
    signal_id: str = ""  #: when it opened a signal


class SignalBody(Fact, frozen=True, tag="signal"):
    """A setup that passed every gate."""

    signal_id: str
    side: Side
    analysis: Analysis
    verdicts: tuple[Verdict, ...]
    group_id: str = ""  #: the grouped alert it left with


LifecycleEvent = Literal["target", "stop", "invalidated", "expired", "danger", "caution", "moved"]


class LifecycleBody(Fact, frozen=True, tag="lifecycle"):
    """An event in the life of an open signal."""

    signal_id: str
    event: LifecycleEvent
    side: Side
    entry: float
    stop: float
    target: float
    price: float
    result_r: float  #: in units of the risk taken, before costs
    best_r: float
    worst_r: float
    opened_scan: int
    reason: str = ""
    early: bool = False  #: announced by a tick; the closed bar has yet to confirm it
    chart: bytes = b""  #: as in `Analysis`
    worth: Worth | None = None  #: as its signal's alert said it; None: an earlier version opened it


class GroupMember(Fact, frozen=True):
    symbol: str
    signal_id: str
    score: float
    btc_excess: float | None
    reward_to_risk: float
    strength: int
    regime: Regime
    weak: bool
    entry: float
    stop: float
    target: float
    cost_r: float = 0.0
    confidence: float | None = None
    comparable: Comparable | None = None

    @property
    def worth(self) -> Worth | None:
        """What it costs and how setups like it went; None from an earlier version."""
        return None if self.confidence is None else Worth(cost_r=self.cost_r, comparable=self.comparable)


class GroupBody(Fact, frozen=True, tag="group"):
    """A market-wide move: the signals of one side of one scan, ranked."""

    group_id: str
    side: Side
    members: tuple[GroupMember, ...]


PriceCondition = Literal["above", "below", "crosses", "moves"]


class PriceAlert(Fact, frozen=True):
    """A price alert that a user has set."""

    price_alert_id: str
    symbol: str
    condition: PriceCondition
    value: float  #: a price; for "moves" a fraction (0.05 = 5 %)
    window_seconds: int = 0  #: for "moves"
    repeat: bool = False
    cooldown_seconds: int = 3600
    note: str = ""
    created_at: int = 0  #: exchange clock, ms: only ticks after it count


class PriceBody(Fact, frozen=True, tag="price"):
    """A price alert fired."""

    price_alert: PriceAlert
    price: float
    reference: float | None = None  #: what the move is measured from
    while_down: bool = False  #: crossed while no gatekeeper was active, or found on a bar


class AnomalyBody(Fact, frozen=True, tag="anomaly"):
    """A volume shock decoupled from BTC, with its text."""

    figures: AnomalyFigures
    price: float
    headline: str
    pull: str  #: the tension between RSI and Hurst
    question: str
    chart: bytes = b""
    aftermath: tuple[Aftermath, ...] = ()  #: what followed earlier ones; empty: no record yet


class SystemBody(Fact, frozen=True, tag="system"):
    """Something about Sevengate itself."""

    code: SystemCode
    headline: str
    lines: tuple[str, ...] = ()


AlertBody = SignalBody | LifecycleBody | GroupBody | PriceBody | AnomalyBody | SystemBody
AlertKind = Literal["signal", "lifecycle", "group", "price", "anomaly", "system"]


class Alert(Fact, frozen=True, tag="alert/1"):
    """A message to users, sent once to each destination."""

    alert_id: str  #: deterministic: the same facts give the same id
    kind: AlertKind
    body: AlertBody
    occurred_at: int  #: exchange clock
    created_at: int  #: wall clock
    scan_id: int = 0
    symbol: str = ""
    side: Side | None = None
    parent_id: str = ""  #: the alert that it replies to
    estimated: tuple[str, ...] = ()
    held_by: str = ""  #: the mute or quiet hours that hold it back; empty: send it now
    destinations: tuple[str, ...] = ()  #: only these; empty: as the routes say


DeliveryStatus = Literal["sent", "retrying", "unknown", "rejected", "expired", "suppressed"]


class DeliveryReport(Fact, frozen=True, tag="delivery_report/1"):
    """One attempt to deliver one alert to one destination."""

    report_id: str  #: "alert_id:destination:attempt:status"
    alert_id: str
    destination: str
    channel: str
    attempt: int
    status: DeliveryStatus
    at: int  #: wall clock
    reason: str = ""  #: bounded
    detail: str = ""  #: the other side's answer, without secrets
    reference: str = ""  #: the other side's message id
    seconds: float = 0.0  #: wall time of the attempt


OutcomeKind = Literal[
    "signal", "near miss", "other side", "other coin", "other moment", "anomaly", "anomaly's other moment"
]
OutcomeResult = Literal["", "target", "stop", "time"]


class Outcome(Fact, frozen=True, tag="outcome/1"):
    """The result of a signal, a near miss or a control; published when it begins and again when it ends.

    R is |entry − stop|, and `r_net` = `r_gross` − `cost_r` − `funding_r`.
    """

    outcome_id: str  #: the subject's id; a control's is "SUBJECT#KIND"
    kind: OutcomeKind
    subject_id: str  #: the signal or near miss that it is, or that it is a control of
    symbol: str  #: the one followed
    side: Side  #: the one followed
    scan_id: int  #: when it is entered, at the close of the scan's bar
    entry: float = 0.0  #: 0 while a control of another moment has not been entered
    stop: float = 0.0
    target: float = 0.0
    atr: float = 0.0  #: ATR 14 of 1h at the entry
    result: OutcomeResult = ""  #: what came first; empty: still followed
    ended_at: int = 0  #: close of the bar in which it ended
    exit_price: float = 0.0  #: the target, the stop (or the open of a bar beyond it), or the last close
    ambiguous: bool = False  #: one bar touched both: the stop counts
    minutes: int = 0
    r_gross: float = 0.0
    r_optimistic: float = 0.0  #: gross, had an ambiguous bar touched the target first
    cost_r: float = 0.0  #: fees and slippage of both sides
    funding_r: float = 0.0  #: paid; negative: received
    r_net: float = 0.0
    best_r: float = 0.0
    worst_r: float = 0.0
    missing_bars: int = (
        0  #: five-minute bars that were not observed; a chart's 15m bars stand in for them where it has them
    )
    lifecycle: str = ""  #: how the signal's lifecycle ended, where it is known
    refused_by: str = ""  #: the one gate that refused a near miss
    score: float = 0.0
    agreement: float = 0.0
    forecast: float = 0.0  #: probability of the target first within the time, of distances and ATR alone
    fmqs: float | None = None
    regime: Regime = "RANGING"
    strength: int = 0
    reward_to_risk: float = 0.0
    weak: bool = False
    settings_version: int = 0
    estimated: tuple[str, ...] = ()
    confidence: float | None = None  #: in %, as it was published
    forecast_version: str = ""  #: of `confidence`
    after_1h: float | None = None  #: an anomaly's return, fraction, in the direction of the day that was before it
    after_4h: float | None = None
    after_24h: float | None = None


class SettingsChanged(Fact, frozen=True, tag="settings_changed/1"):
    """The whole runtime settings."""

    version: int
    value: dict[str, Any]  #: `shared.settings.RuntimeSettings` as JSON-able values
    at: int  #: wall clock


class PriceAlertsChanged(Fact, frozen=True, tag="price_alerts_changed/1"):
    """All price alerts that are set."""

    version: int
    price_alerts: tuple[PriceAlert, ...]


class Mute(Fact, frozen=True):
    """What not to send, where and until when; an empty field matches everything."""

    mute_id: str
    until: int  #: wall clock, ms
    symbol: str = ""
    side: Side | None = None
    kind: AlertKind | None = None
    destination: str = ""


class MutesChanged(Fact, frozen=True, tag="mutes_changed/1"):
    version: int
    mutes: tuple[Mute, ...]


class OpenSignal(Fact, frozen=True):
    """A signal that has not ended."""

    signal_id: str
    alert_id: str
    symbol: str
    side: Side
    scan_id: int  #: when it opened
    entry: float
    stop: float
    target: float
    atr: float
    score: float
    best_r: float = 0.0
    worst_r: float = 0.0
    weak_scans: int = 0  #: scans in a row with a score below the threshold less the margin
    label: str = ""  #: the newest live label
    announced: str = ""  #: the end that a tick announced and no bar has confirmed
    estimated: tuple[str, ...] = ()  #: inputs of its analysis that were made by a rule
    worth: Worth | None = None  #: as its alert said it; None: an earlier version opened it


class StateRestored(Fact, frozen=True, tag="state_restored/1"):
    """The state in Postgres, for services whose bus lost theirs."""

    version: int
    open_signals: tuple[OpenSignal, ...] = ()
    appearances: dict[str, tuple[int, str]] = {}  #: symbol -> (scan_id, side) of the last appearance
    cooldowns: dict[str, int] = {}  #: "SYMBOL:side" or "anomaly:SYMBOL" -> until, exchange clock
    price_alert_states: dict[str, int] = {}  #: price_alert_id -> when it last fired, exchange clock
    delivered: tuple[str, ...] = ()  #: "alert_id:destination" that must not be sent again
    settled_scan: int = 0  #: the last scan Postgres has
    told: dict[str, tuple[LifecycleEvent, ...]] = {}  #: signal_id of an open one -> the events already alerted
    rows: dict[str, int] = {}  #: symbol -> length of the streak that ends with its last appearance
    untold: tuple[Alert, ...] = ()  #: young enough to be sent, and not known to have reached every destination
    following: tuple[Outcome, ...] = ()  #: outcomes that were begun and have not ended


class RecordChanged(Fact, frozen=True, tag="record_changed/1"):
    """What past signals say about the next ones: once a day, of what had ended before it began."""

    version: int  #: beginning of the day, ms of the exchange's clock
    since: int  #: first scan that it counts for
    forecast: Forecast = Forecast()
    comparable: tuple[Comparable, ...] = ()
    aftermath: tuple[Aftermath, ...] = ()


NO_RECORD: Final = RecordChanged(version=0, since=0)


class RefreshRequested(Fact, frozen=True, tag="refresh_requested/1"):
    """A user asks for fresh prices and derivatives; the request itself expires after a minute."""

    version: int
    at: int  #: wall clock


SettingsEvent = SettingsChanged | PriceAlertsChanged | MutesChanged | StateRestored | RefreshRequested | RecordChanged
Message = (
    MarketSnapshot | PriceTick | ScanEvent | Analysis | Decision | Alert | DeliveryReport | Outcome | SettingsEvent
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """Return the message's wire form."""
    return _encoder.encode(message)


def decode(data: bytes) -> Message:
    """Return the message in *data*.

    Raises `msgspec.DecodeError` (of which `msgspec.ValidationError` is one) on anything else.
    """
    try:
        return _decoder.decode(data)
    except UnicodeDecodeError as error:  # msgspec lets it through where a text names a message
        raise msgspec.DecodeError(str(error)) from None
