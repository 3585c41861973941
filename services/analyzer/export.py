"""Every catalogue indicator over a file of klines, to check against any other tool.

Run as a process: ``python -m services.analyzer.export FILE.csv [--interval 15m] [--allow-gaps] [--series OUT.csv]
[--json]``.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import catalogue, compute_all
from services.analyzer.domain.numeric import Series
from shared.contracts import INTERVALS
from shared.klines import KlinesError, read_klines, sound

LENGTHS: Final = {str(name): length for name, length in INTERVALS.items()} | {
    "1m": 60_000, "3m": 180_000, "30m": 1_800_000, "2h": 7_200_000, "6h": 21_600_000, "8h": 28_800_000,
    "12h": 43_200_000, "1d": 86_400_000, "3d": 259_200_000, "1w": 604_800_000,
}  # fmt: skip
INTERRUPTED: Final = 130  #: what a shell expects after Ctrl-C
PROGRESS: Final = 100_000  #: lines between two signs of life


def note(progress: str) -> None:
    """Show *progress* where it does not disturb the answer."""
    print(progress, file=sys.stderr, flush=True)


def reading(count: int) -> None:
    """Show now and then how many bars have been read."""
    if count % PROGRESS == 0:
        note(f"{count} bars read so far")


def problem(matrix: Series, interval: str | None, *, allow_gaps: bool) -> str:
    """Return what is wrong with the bars, naming the first bar, or nothing."""
    return problem_of_bars(matrix) or problem_of_times(matrix, interval, allow_gaps=allow_gaps)


def problem_of_bars(matrix: Series) -> str:
    """Return what makes no sense of a bar by itself, or nothing."""
    volume, taker = matrix[5], matrix[7]
    rules = {
        "not finite": np.isfinite(matrix[:6]).all(axis=0),
        "open, high, low, close and volume contradict each other": sound(matrix),
        "what takers bought is not between nothing and the volume": ~((taker < 0) | (taker > volume)),
    }
    return next((f"bar {int(kept.argmin()) + 1}: {rule}" for rule, kept in rules.items() if not kept.all()), "")


def problem_of_times(matrix: Series, interval: str | None, *, allow_gaps: bool) -> str:
    """Return what is wrong with the bars' times, or nothing."""
    steps, usual, length = np.diff(matrix[0]), step(matrix, None), step(matrix, interval)
    if (steps <= 0).any():
        return f"bar {int((steps <= 0).argmax()) + 2}: its time does not rise"
    if len(steps) and usual != length:
        return f"its bars are {name_of(usual)} apart, not {interval}"
    holes = steps != length
    if holes.any() and not allow_gaps:
        return f"bar {int(holes.argmax()) + 2}: a gap ({int(holes.sum())} in all); --allow-gaps goes on nevertheless"
    return ""


def step(matrix: Series, interval: str | None) -> float:
    """Return the length of a bar in ms: the interval's, else the commonest distance."""
    if interval is not None:
        return float(LENGTHS[interval])
    steps, counts = np.unique(np.diff(matrix[0]), return_counts=True)
    return float(steps[counts.argmax()]) if len(steps) else 0.0


def name_of(length: float) -> str:
    """Return the interval's name, or its length, unknown where there is a single bar."""
    if not length:
        return "unknown length"
    names = {value: name for name, value in LENGTHS.items()}
    return names.get(int(length), f"{length / 1_000:g} s")


def newest(series: Mapping[str, Series]) -> dict[str, float | None]:
    """Return each series' last value, None where it is not warm."""
    return {name: None if math.isnan(values[-1]) else float(values[-1]) for name, values in series.items()}


def write_series(out: TextIO, times: Series, series: Mapping[str, Series]) -> None:
    """Write open_time and every series, one line a bar, empty where not warm."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["open_time", *series])
    columns = list(series.values())
    for at, time in enumerate(times):
        writer.writerow([int(time), *("" if math.isnan(values[at]) else repr(float(values[at])) for values in columns)])
        if (at + 1) % PROGRESS == 0:
            note(f"{at + 1} of {len(times)} lines written")


def ordered(series: Mapping[str, Series]) -> dict[str, Series]:
    """Return the series by family."""
    families = ("trend", "momentum", "volatility", "volume")
    entries = sorted(catalogue().values(), key=lambda entry: families.index(entry.family))
    return {name: series[name] for entry in entries for name in entry.series}


def export(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the newest values of the file's indicators; write all of them where asked to."""
    with arguments.file.open(encoding="utf-8-sig", newline="") as file:
        matrix = read_klines(file, reading)
    if wrong := problem(matrix, arguments.interval, allow_gaps=arguments.allow_gaps):
        raise KlinesError(wrong)
    note(f"{bars(matrix.shape[1])} read")
    series = ordered(compute_all(Window("5m", matrix)))
    if arguments.series is not None:
        if arguments.series.exists() and arguments.series.samefile(arguments.file):
            raise KlinesError("its series would overwrite it; give --series another file")
        try:
            with arguments.series.open("w", encoding="utf-8", newline="") as out:
                write_series(out, matrix[0], series)
        except OSError as error:
            raise KlinesError(f"its series cannot be written to {arguments.series}: {error.strerror}") from None
        note(f"series written to {arguments.series}")
    return {
        "file": arguments.file.name,
        "interval": name_of(step(matrix, arguments.interval)),
        "bars": matrix.shape[1],
        "open_time": int(matrix[0, -1]),
        "values": newest(series),
    }


def table(answer: Mapping[str, Any]) -> str:
    """Return the newest values as a table."""
    head = f"{answer['file']}: {bars(answer['bars'])} of {answer['interval']}, newest values"
    rows = [
        f"  {name:<22}{'not warm' if value is None else f'{value:.10g}'}" for name, value in answer["values"].items()
    ]
    return "\n".join([head, *rows])


def bars(count: int) -> str:
    """Return *count* with its noun."""
    return "1 bar" if count == 1 else f"{count} bars"


def parser() -> argparse.ArgumentParser:
    """Return what the command understands."""
    made = argparse.ArgumentParser(prog="sevengate indicators", description="Every indicator over a file of klines.")
    made.add_argument("file", type=Path)
    made.add_argument("--interval", choices=list(LENGTHS))
    made.add_argument("--allow-gaps", action="store_true")
    made.add_argument("--series", type=Path)
    made.add_argument("--json", action="store_true")
    return made


def refuse(file: Path, why: str) -> int:
    """Say why *file* cannot be used, in one line."""
    note(f"{file}: {why}")
    return 1


def show(answer: str) -> int:
    """Print *answer* in any encoding of the terminal; return 0, also when the reader has closed (`| head`)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(answer, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush fails once more
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; 1 and one line on standard error where the file cannot be used."""
    arguments = parser().parse_args(words)
    try:
        answer = export(arguments)
    except UnicodeDecodeError:
        return refuse(arguments.file, "it is not a text file")
    except OSError as error:
        return refuse(arguments.file, error.strerror or str(error))
    except KlinesError as error:
        return refuse(arguments.file, str(error))
    except KeyboardInterrupt:
        refuse(arguments.file, "interrupted; a series file that was begun is not whole")
        return INTERRUPTED
    return show(json.dumps(answer) if arguments.json else table(answer))


if __name__ == "__main__":
    sys.exit(main())
