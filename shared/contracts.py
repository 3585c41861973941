"""Every message between the services: frozen facts with units, versioned by their tag.

On the wire a message is a msgpack array whose first element is its tag (``name/version``); fields
are only ever appended, with a default.  All times are UNIX milliseconds of the exchange's clock
unless a field's comment says wall clock.  Columns are little-endian float64.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, Literal

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
COLUMNS: Final = ("open_time", "open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume")


class Stream(StrEnum):
    """The streams of one market; the bus puts the market's hash tag before each name."""

    SNAPSHOTS = "snapshots"
    TICKS = "ticks"
    SCANS = "scans"
    ANALYSES = "analyses"
    DECISIONS = "decisions"  #: those that did not pass: the first to go when nobody reads
    DECISIONS_PASSED = "decisions-passed"
    ALERTS = "alerts"
    DELIVERIES = "deliveries"
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
    columns: bytes  #: matrix (8, n): `COLUMNS` by bar; times in ms, volume in coins, quote_volume in USDT

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
    """What the futures market said, at the newest stamps not later than the scan less five minutes.

    A series that could not be had is empty; nothing is invented.  Ages follow from the stamps.
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
    problems: tuple[Problem, ...] = ()  #: why not to trust it; any but "zero volume" forbids analysis
    estimated: tuple[str, ...] = ()  #: of "taker", "quote_volume", "derivatives", "depth"


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
    """An independent group's opinion across the timeframes."""

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


class VolumeFigures(Fact, frozen=True):
    """What gate 4 looks at."""

    ratio_3: float | None  #: the last three 5m bars against three usual bars
    taker_delta: float | None  #: 2 × taker buy − volume of the last three 5m bars, coins
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


class BonusPart(Fact, frozen=True):
    """A pattern's or divergence's part in the bonus."""

    name: str
    interval: Interval
    points: float  #: signed, long positive


class Analysis(Fact, frozen=True, tag="analysis/1"):
    """What one symbol looked like at one scan.  Nothing has been decided yet.

    Without an answer (`problem` is set) the figures keep their defaults.
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
    confidence: float = 0.0  #: 0 to 100
    confidence_parts: dict[str, float] = {}  #: name -> points, they sum to `confidence` before clipping
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
    timings: dict[str, float] = {}  #: part -> ms, for the benchmark only


class Verdict(Fact, frozen=True):
    """One gate's judgement."""

    gate: str  #: score, fmqs, squeeze, volume, groups, timeframes, persistence
    passed: bool
    value: float | None
    threshold: float
    distance: float | None  #: value − threshold, signed so that ≥ 0 passes
    reason: str  #: of a bounded set of words


class Decision(Fact, frozen=True, tag="decision/1"):
    """An analysis and every gate's verdict on it."""

    decision_id: str  #: "SYMBOL:scan_id"
    analysis: Analysis
    verdicts: tuple[Verdict, ...]
    appeared: bool  #: gates 1–6 passed
    passed: bool  #: all seven passed
    #: "alerted", "grouped", "rejected", "already open", "cooldown", "no levels", "muted", "inhibited", "late" or
    #: "not analysed"
    outcome: str
    settings_version: int
    signal_id: str = ""  #: when it opened a signal


class SignalBody(Fact, frozen=True, tag="signal"):
    """A setup that passed the seven gates."""

    signal_id: str
    side: Side
    analysis: Analysis
    verdicts: tuple[Verdict, ...]
    group_id: str = ""  #: the grouped alert it left with


LifecycleEvent = Literal["target", "stop", "invalidated", "expired", "danger", "caution", "moved"]


class LifecycleBody(Fact, frozen=True, tag="lifecycle"):
    """What became of an open signal."""

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
    early: bool = False  #: a tick told it; the closed bar has yet to confirm
    chart: bytes = b""  #: as in `Analysis`


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


class GroupBody(Fact, frozen=True, tag="group"):
    """A market-wide move: the signals of one side of one scan, ranked."""

    group_id: str
    side: Side
    members: tuple[GroupMember, ...]


PriceCondition = Literal["above", "below", "crosses", "moves"]


class PriceAlert(Fact, frozen=True):
    """A price a person asked to be told of."""

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
    while_down: bool = False  #: crossed while nobody was looking


class AnomalyBody(Fact, frozen=True, tag="anomaly"):
    """A volume shock decoupled from BTC, as a person would tell it."""

    figures: AnomalyFigures
    price: float
    headline: str
    pull: str  #: what pulls the other way
    question: str
    chart: bytes = b""


class SystemBody(Fact, frozen=True, tag="system"):
    """Something about Sevengate itself."""

    code: str  #: bounded: stale data, recovered, exchange refuses, streams silent, digest, destination parked, …
    headline: str
    lines: tuple[str, ...] = ()


AlertBody = SignalBody | LifecycleBody | GroupBody | PriceBody | AnomalyBody | SystemBody
AlertKind = Literal["signal", "lifecycle", "group", "price", "anomaly", "system"]


class Alert(Fact, frozen=True, tag="alert/1"):
    """Something to tell people, once per destination."""

    alert_id: str  #: deterministic: the same facts give the same id
    kind: AlertKind
    body: AlertBody
    occurred_at: int  #: exchange clock
    created_at: int  #: wall clock
    scan_id: int = 0
    symbol: str = ""
    side: Side | None = None
    parent_id: str = ""  #: the alert it answers to
    estimated: tuple[str, ...] = ()
    held_by: str = ""  #: the mute or quiet hours that hold it back; empty: tell it now
    destinations: tuple[str, ...] = ()  #: only these; empty: as the routes say


DeliveryStatus = Literal["sent", "retrying", "unknown", "rejected", "expired", "suppressed"]


class DeliveryReport(Fact, frozen=True, tag="delivery_report/1"):
    """One attempt to tell one destination."""

    report_id: str  #: "alert_id:destination:attempt:status"
    alert_id: str
    destination: str
    channel: str
    attempt: int
    status: DeliveryStatus
    at: int  #: wall clock
    reason: str = ""  #: bounded
    detail: str = ""  #: what the other side said, without secrets
    reference: str = ""  #: the other side's message id
    seconds: float = 0.0  #: wall time of the attempt


class SettingsChanged(Fact, frozen=True, tag="settings_changed/1"):
    """The whole runtime settings."""

    version: int
    value: dict[str, Any]  #: `shared.settings.RuntimeSettings` as JSON-able values
    at: int  #: wall clock


class PriceAlertsChanged(Fact, frozen=True, tag="price_alerts_changed/1"):
    """All price alerts that stand."""

    version: int
    price_alerts: tuple[PriceAlert, ...]


class Mute(Fact, frozen=True):
    """What not to tell, where and until when; an empty field matches everything."""

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
    label: str = ""  #: the newest live label that was told
    announced: str = ""  #: end that a tick told early and no bar has confirmed
    estimated: tuple[str, ...] = ()  #: inputs of its analysis that were made by a rule


class StateRestored(Fact, frozen=True, tag="state_restored/1"):
    """What Postgres knows, for services whose bus lost it."""

    version: int
    open_signals: tuple[OpenSignal, ...] = ()
    appearances: dict[str, tuple[int, str]] = {}  #: symbol -> (scan_id, side) of the last appearance
    cooldowns: dict[str, int] = {}  #: "SYMBOL:side" or "anomaly:SYMBOL" -> until, exchange clock
    price_alert_states: dict[str, int] = {}  #: price_alert_id -> when it last fired, exchange clock
    delivered: tuple[str, ...] = ()  #: "alert_id:destination" that must not be sent again
    settled_scan: int = 0  #: the last scan Postgres has
    told: dict[str, tuple[LifecycleEvent, ...]] = {}  #: signal_id of an open one -> what was told of it
    rows: dict[str, int] = {}  #: symbol -> scans in the row that ends with its last appearance
    untold: tuple[Alert, ...] = ()  #: young enough to be told, and not known to have reached every destination


SettingsEvent = SettingsChanged | PriceAlertsChanged | MutesChanged | StateRestored
Message = MarketSnapshot | PriceTick | ScanEvent | Analysis | Decision | Alert | DeliveryReport | SettingsEvent

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """Return the message's wire form."""
    return _encoder.encode(message)


def decode(data: bytes) -> Message:
    """Return the message in *data*.

    Raises `msgspec.DecodeError` (of which `msgspec.ValidationError` is one) on anything else.
    """
    return _decoder.decode(data)


def signal_id(symbol: str, side: Side, scan_id: int) -> str:
    """Return the id of the signal that opens at *scan_id*."""
    return f"{symbol}:{side}:{scan_id}"
