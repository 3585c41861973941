"""The board, a coin's page, and its gates."""

from __future__ import annotations

from typing import Any, Literal

from services.api.schemas.base import Shown, model_of
from services.api.schemas.signals import AlertShown, Signal, Worth
from shared import contracts
from shared.contracts import Interval, Regime, Side

Outcome = Literal[
    "alerted",
    "grouped",
    "rejected",
    "already open",
    "cooldown",
    "no levels",
    "muted",
    "inhibited",
    "late",
    "not analysed",
]
Label = Literal["", "SL HIT", "DANGER", "CAUTION", "MOVED", "TP HIT"]
GroupVote: Any = model_of(contracts.GroupVote)
Level: Any = model_of(contracts.Level)
Fmqs: Any = model_of(contracts.Fmqs)
TradeLevels: Any = model_of(contracts.TradeLevels)
Timeframe: Any = model_of(contracts.TimeframeAnalysis)
Volume: Any = model_of(contracts.VolumeFigures)
Anomaly: Any = model_of(contracts.AnomalyFigures)
Sentiment: Any = model_of(contracts.Sentiment)
BonusPart: Any = model_of(contracts.BonusPart)


class GateShown(Shown):
    """One gate's judgement."""

    number: int
    """its place, from 1"""
    gate: str
    """its name in records and settings"""
    title: str
    passed: bool
    value: float | None
    threshold: float
    distance: float | None
    """value less threshold, signed so that 0 or more passes"""
    reason: str
    missing: str
    """what is missing in words, such as "volume 0.8 of 1.2"; empty: it passed"""


class Figures(Shown):
    """Indicator values of one interval, and what the futures market says; null where not known."""

    interval: Interval
    rsi: float | None
    adx: float | None
    mfi: float | None
    stoch_rsi: float | None
    """the %K line, 0 to 100"""
    cci: float | None
    vwap_distance: float | None
    """price above VWAP, fraction: 0.01 is 1 %"""
    open_interest_change: float | None
    """fraction, over the last five 5m points"""
    taker_ratio: float | None
    """bought by takers against sold, over an hour"""
    funding_8h: float | None
    """8-hour equivalent, fraction: 0.0001 is 0.01 %"""
    global_ratio: float | None
    """long against short accounts of all traders"""
    top_ratio: float | None
    imbalance: float | None
    """of the book's first 20 levels, -1 to 1, bids positive"""
    funding_age: float | None
    """seconds at the scan"""
    open_interest_age: float | None
    ratio_age: float | None


class Alignment(Shown):
    """Which side one timeframe takes."""

    interval: Interval
    side: Side
    score: float
    agrees: bool
    """with the card's side"""
    regime: Regime


class CardLevels(Shown):
    """Entry, stop and target."""

    of: Literal["signal", "scan"]
    """"signal": as alerted for the open signal; "scan": what the newest scan would propose"""
    side: Side
    entry: float
    stop: float
    target: float
    reward_to_risk: float | None
    weak: bool
    worth: Worth | None
    """as in the open signal's alert, or of the scan; null: the alert is of an earlier version"""


class MiniChart(Shown):
    """Closes of the last 15m bars, at most 96, with the levels around them."""

    interval: Interval
    first_open_time: int | None
    """open time of the first close, UNIX ms; each next one is an interval later"""
    closes: list[float]
    supports: list[Level]
    resistances: list[Level]


class Judged(Shown):
    """A coin as one scan judged it."""

    symbol: str
    scan_id: int
    """the scan that judged it: the close of a five-minute bar, UNIX ms of the exchange's clock"""
    tick_size: float
    side: Side
    price: float | None
    """newest price"""
    price_at: int
    """stamp of `price`, the exchange's clock, UNIX ms"""
    close: float | None
    """close of the scan's bar"""
    change_24h: float | None
    """fraction: 0.034 is 3.4 %"""
    score: float
    long_score: float
    short_score: float
    confidence: float | None
    """probability in % that the target comes before the stop and in time; null: no levels, or an earlier version"""
    agreement: float
    """0 to 100: how far intervals and groups agree and the data is whole and fresh"""
    forecast: str
    """version of the forecast that `confidence` is: plain, or logistic:DAY; empty: none was made"""
    expected_r: float | None
    """net result to be expected, in R"""
    fmqs: float | None
    strength: int
    """1 to 5 segments, 0: not analysed"""
    regime: Regime
    figures: Figures
    alignment: list[Alignment]
    levels: CardLevels | None
    worth: Worth | None
    """of the scan's levels, as `confidence` is"""
    gates: list[GateShown]
    gates_passed: int
    thresholds: dict[str, float]
    """gate's name -> its threshold for this coin"""
    appeared: bool
    """every gate passed that does not look back"""
    passed: bool
    """every gate passed"""
    outcome: str
    problem: str
    """why it was not analysed; empty: it was"""
    signal_id: str
    signal: Signal | None
    """the coin's open signal"""
    live_label: Label
    estimated: list[str]
    """inputs that were made by a rule instead of observed"""
    unavailable: list[str]
    """what this exchange does not publish"""
    young: list[Interval]
    """intervals with less history than a full window: slow averages may be off"""


class Card(Judged):
    """One coin on the board."""

    chart: MiniChart


class ScanShown(Shown):
    """The scan of one five-minute close."""

    scan_id: int
    opened_at: int | None
    settings_version: int | None
    symbols: int
    degraded: str
    """why no signal may come of it; empty: sound"""
    not_opened: dict[str, str]
    """expected symbol -> why it was not in the scan"""
    settled_at: int | None
    """wall clock, UNIX ms; null: not settled yet"""
    analysed: int
    passed: int
    alerts: int
    missing: list[str]
    at_deadline: bool
    seconds: float | None
    """wall time from opening to settling"""


class Scans(Shown):
    """A page of scans, newest first."""

    items: list[ScanShown]
    next_cursor: str | None


class Board(Shown):
    """Every card of the newest scan, best first: the snapshot that `/api/events` goes on from."""

    now: int
    """wall clock, UNIX ms"""
    exchange_time: int | None
    """the exchange's clock as of the newest price, UNIX ms"""
    clock_speed: float
    """of the exchange's clock; 1 but for simulations"""
    event_id: str
    """give it to `/api/events?after=` to hear everything after this"""
    scan_id: int
    """the newest scan on the board, 0 before the first"""
    scan: ScanShown | None
    """the last scan that settled"""
    total: int
    """cards before the filters"""
    items: list[Card]


class JudgedScan(Shown):
    """How a coin's gates stood at one scan."""

    scan_id: int
    side: Side
    score: float
    fmqs: float | None
    confidence: float | None
    """probability in % that the target comes before the stop and in time; null: no levels, or an earlier version"""
    agreement: float
    """0 to 100: how far intervals and groups agree and the data is whole and fresh"""
    regime: Regime
    outcome: str
    passed: bool
    gates: list[GateShown]


class ChartColumns(Shown):
    """Bars by column, oldest first."""

    open_time: list[float]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


class Explanation(Judged):
    """The gates of one coin at one scan, and all that led to them."""

    settings_version: int
    bonus: list[BonusPart]
    agreement_parts: dict[str, float]
    timeframes: list[Timeframe]
    timeframe_weights: dict[str, float]
    groups: list[GroupVote]
    fmqs_detail: Fmqs | None
    fmqs_other: float | None
    """FMQS of the other side"""
    plan: TradeLevels | None
    """levels of this scan, regardless of earlier alerts"""
    volume: Volume | None
    anomaly: Anomaly
    btc_excess: float | None
    sentiment: Sentiment | None
    derivatives: dict[str, float | None]
    bar: list[float]
    chart: ChartColumns | None
    history: list[JudgedScan]
    """the gates at the scans up to this one, newest first; as many as `scans` asked for"""


class BarColumns(ChartColumns):
    """Bars with their turnover and taker flow."""

    quote_volume: list[float] | None
    """of five-minute bars only"""
    taker_buy_volume: list[float]


class PointColumns(Shown):
    """A series as the exchange stamped it, oldest first."""

    times: list[float]
    values: list[float]


class IndicatorHistory(Shown):
    """Newest value of every indicator at each scan, oldest first."""

    scan_ids: list[int]
    values: dict[str, list[float | None]]


class IntervalShown(Shown):
    """One interval: what every indicator says, how it votes and with which weight."""

    interval: Interval
    regime: Regime
    long_score: float
    short_score: float
    squeeze: bool
    patterns: dict[str, float]
    votes: dict[str, float]
    weights: dict[str, float]
    values: dict[str, float | None]
    history: IndicatorHistory


class Coin(Shown):
    """All that a coin's page shows."""

    card: Card
    bars: dict[Interval, BarColumns]
    """empty until the first scan after a start"""
    futures: dict[str, PointColumns]
    plan: TradeLevels | None
    intervals: list[IntervalShown]
    groups: list[GroupVote]
    bonus: list[BonusPart]
    agreement_parts: dict[str, float]
    timeframe_weights: dict[str, float]
    fmqs_detail: Fmqs | None
    sentiment: Sentiment | None
    signals: list[Signal]
    """its newest signals, open ones included; null figures until they have ended"""


class AnomalyCoin(Shown):
    """One dot of the radar."""

    symbol: str
    scan_id: int
    price: float | None
    anomalous: bool
    """beyond both limits"""
    figures: Anomaly


class AnomalyLimits(Shown):
    """What counts as an anomaly: volume z at least, and correlation with BTC below."""

    volume_z: float
    correlation: float


class Anomalies(Shown):
    """The radar: every coin's figures of the newest scan, and a page of the posts about anomalies."""

    scan_id: int
    limits: AnomalyLimits
    coins: list[AnomalyCoin]
    items: list[AlertShown]
    next_cursor: str | None


class DecisionShown(Shown):
    """A judgement without its details."""

    symbol: str
    scan_id: int
    settings_version: int
    side: Side
    score: float
    long_score: float
    short_score: float
    fmqs: float | None
    confidence: float | None
    """probability in % that the target comes before the stop and in time; null: no levels, or an earlier version"""
    agreement: float | None
    """0 to 100: how far intervals and groups agree and the data is whole and fresh"""
    regime: str
    strength: int
    entry: float | None
    stop: float | None
    target: float | None
    reward_to_risk: float | None
    weak: bool | None
    appeared: bool
    passed: bool
    outcome: str
    problem: str
    signal_id: str


class Decisions(Shown):
    """A page of judgements, newest first."""

    items: list[DecisionShown]
    next_cursor: str | None
