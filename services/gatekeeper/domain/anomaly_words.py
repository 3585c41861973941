"""The text of an anomaly alert: what happened, the tension between RSI and Hurst, and a question that fits it."""

from __future__ import annotations

from typing import Final, Literal

from shared.contracts import AnomalyFigures

FORMS: Final = 5  #: variants of each sentence; a coin never gets the same one twice in a row
OVERBOUGHT: Final = 70.0
OVERSOLD: Final = 30.0

Momentum = Literal["overbought", "oversold", "neutral"]
Persistence = Literal["memory", "reversal", "none"]

HEADLINES: Final = (
    "{symbol} just traded {z:.1f} standard deviations above normal{move}, and BTC does not explain it{why}.",
    "Volume in {symbol} is {z:.1f} standard deviations above normal{move}; BTC has no part in it{why}.",
    "{symbol} on its own: {z:.1f} standard deviations of volume in one bar{move}, without BTC{why}.",
    "An outlier: {symbol} with {z:.1f} standard deviations of volume{move}. BTC is not the reason{why}.",
    "{symbol} moves alone{why}: five minutes of volume {z:.1f} standard deviations above its mean{move}.",
)
HURST: Final[dict[Persistence, str]] = {
    "memory": "Hurst {hurst:.2f} says the trend has memory",
    "reversal": "Hurst {hurst:.2f} says its moves tend to reverse",
    "none": "Hurst {hurst:.2f} says the next move is a coin toss",
}
#: RSI and Hurst pull in opposite directions
TENSIONS: Final = (
    "{rsi}, but {hurst}: that's the tension.",
    "The tension: {rsi}, yet {hurst}.",
    "{hurst}. {rsi}. Only one of the two can be right.",
    "{rsi} asks for a pause, while {hurst}.",
    "Momentum against persistence: {rsi}, but {hurst}.",
)
#: nothing contradicts
AGREEMENTS: Final = (
    "{rsi}, and {hurst}: no tension between the two.",
    "{hurst}, and {rsi} does not object.",
    "{rsi}; {hurst}. They do not contradict each other.",
    "No contradiction here: {rsi}, {hurst}.",
    "{rsi} and {hurst}: both leave the same answer open.",
)
#: momentum, persistence -> a question about entering, one a form
QUESTIONS: Final[dict[tuple[Momentum, Persistence], tuple[str, ...]]] = {
    ("overbought", "memory"): (
        "Would you enter with the trend here, or wait for RSI to cool off?",
        "Is a late long still an entry, or is the first pullback the better one?",
        "If you bought now, where would you admit that RSI was right?",
        "Do you trust the trend's memory, or RSI?",
        "Chase it with a tight stop, or let it come back to you?",
    ),
    ("oversold", "memory"): (
        "Would you sell with the trend here, or wait for the bounce?",
        "Is a late short still an entry, or is the first bounce the better one?",
        "If you sold now, where would you admit that RSI was right?",
        "Do you trust the trend's memory, or RSI?",
        "Follow it down with a tight stop, or stand aside?",
    ),
    ("overbought", "reversal"): (
        "Would you short the stretch, or stand aside while the volume lasts?",
        "Is this the top to fade, or only the first leg?",
        "What would have to happen before you sold into it?",
        "Enter against the move now, or after the first lower high?",
        "Is anyone left to buy up here?",
    ),
    ("oversold", "reversal"): (
        "Would you buy the stretch, or stand aside while the volume lasts?",
        "Is this the low to buy, or only the first leg?",
        "What would have to happen before you bought into it?",
        "Enter against the move now, or after the first higher low?",
        "Is anyone left to sell down here?",
    ),
    ("overbought", "none"): (
        "With nothing but RSI to go by, would you enter at all?",
        "Does the volume make up for an RSI this high?",
        "Would you wait for a pullback that need not come?",
        "Enter now, or only once the trend has shown itself?",
        "What is your entry worth without a trend behind it?",
    ),
    ("oversold", "none"): (
        "With nothing but RSI to go by, would you enter at all?",
        "Does the volume make up for an RSI this low?",
        "Would you wait for a bounce that need not come?",
        "Enter now, or only once the trend has shown itself?",
        "What is your entry worth without a trend behind it?",
    ),
    ("neutral", "memory"): (
        "Room to run and a trend with memory: is this the entry?",
        "Would you enter with the trend, or is the volume its end?",
        "What would keep you from following this one?",
        "Enter at the market, or on the first retest?",
        "Is the volume the start of the move, or the exit of those who were early?",
    ),
    ("neutral", "reversal"): (
        "Would you enter a move that is likely to reverse?",
        "Fade it, or wait until RSI is stretched?",
        "Is there an entry here before the range's edge?",
        "Which side would you take, and for how long?",
        "Is this an entry, or somebody else's exit?",
    ),
    ("neutral", "none"): (
        "Volume without a direction: would you enter at all?",
        "Somebody is building a position: with them, or wait?",
        "Is there an entry before the price has chosen a side?",
        "What would you need to see before entering?",
        "Two large hands passing coins, or the start of something?",
    ),
}


def headline(symbol: str, figures: AnomalyFigures, form: int) -> str:
    """Return what is unusual."""
    move = "" if figures.change_24h is None else f", {_signed(100 * figures.change_24h, 1)} % on the day"
    why = "" if figures.correlation is None else f" (correlation {_signed(figures.correlation, 2)})"
    return HEADLINES[form].format(symbol=symbol, z=figures.volume_z or 0.0, move=move, why=why)


def tension(figures: AnomalyFigures, form: int) -> str:
    """Return the sentence about RSI and Hurst, or that history is too short for them."""
    momentum, persistence = momentum_of(figures), persistence_of(figures)
    if figures.rsi is None:
        if figures.hurst is None:
            return "There is too little history for RSI and Hurst."
        return f"{HURST[persistence].format(hurst=figures.hurst)}."
    rsi = f"RSI at {figures.rsi:.1f} {momentum}"
    if figures.hurst is None:
        return f"{rsi}; there is too little history for Hurst."
    opposed = momentum != "neutral" and persistence == "memory"
    said = HURST[persistence].format(hurst=figures.hurst)
    return (TENSIONS if opposed else AGREEMENTS)[form].format(rsi=rsi, hurst=said)


def question(figures: AnomalyFigures, form: int) -> str:
    """Return the closing question to the reader."""
    return QUESTIONS[momentum_of(figures), persistence_of(figures)][form]


def momentum_of(figures: AnomalyFigures) -> Momentum:
    """Return the reading of RSI: overbought, oversold or neither."""
    if figures.rsi is None or OVERSOLD < figures.rsi < OVERBOUGHT:
        return "neutral"
    return "overbought" if figures.rsi >= OVERBOUGHT else "oversold"


def persistence_of(figures: AnomalyFigures) -> Persistence:
    """Return the reading of Hurst, where it is more than two standard errors from 0.5."""
    if figures.hurst is None or abs(figures.hurst - 0.5) <= 2 * (figures.hurst_error or 0.0):
        return "none"
    return "memory" if figures.hurst > 0.5 else "reversal"


def _signed(value: float, decimals: int) -> str:
    return f"{value:+.{decimals}f}".replace("-", "−")
