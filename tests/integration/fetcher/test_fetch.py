"""`history fetch` against a look-alike of the exchange's archive, with what goes wrong at the real one."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from aiohttp import web

from services.backtest.recorded.futures_data import derivatives_at, funding_paid, observed_scans
from services.backtest.recorded.recording import load
from services.backtest.run import look_over
from services.fetcher.history.download import TRIES, ArchiveClient, ArchiveError
from services.fetcher.history.fetch import BadPlanError, Fetch, FetchReport, plan_of
from services.fetcher.history.store import History
from services.simulator.market.replay import RecordedMarket, read
from tests.patience import PATIENCE_S

from .conftest import ROOT, http_proxy, listening

TODAY = date(2026, 7, 6)
FIVE_MS = 300_000
METRICS = "create_time,symbol,sum_open_interest,count_toptrader_long_short_ratio,count_long_short_ratio"


def ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1_000)


def bars(day: str, count: int = 288) -> str:
    """Return *count* bars from *day* on, in the exchange's twelve columns."""
    times = range(ms(day), ms(day) + count * FIVE_MS, FIVE_MS)
    return "".join(f"{at},1.00,1.50,0.50,1.20,10,{at + FIVE_MS - 1},12,3,5,6,0\n" for at in times)


def metrics(day: str, slots: Iterable[int]) -> str:
    """Return the rows of *slots*, five minutes from midnight on; the open interest is the slot."""
    midnight = datetime.fromisoformat(day)
    lines = [f"{midnight + slot * timedelta(minutes=5):%Y-%m-%d %H:%M:%S},X,{slot},1.5,1.2" for slot in slots]
    return "\n".join([METRICS, *lines]) + "\n"


def funding(month: str) -> str:
    return f"calc_time,funding_interval_hours,last_funding_rate\n{ms(f'{month}-01') + 3},8,0.0001\n"


def zipped(name: str, text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.csv", text)
    return packed.getvalue()


class LocalArchive:
    """Files by name; the given ones fail so many times."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.checksums: dict[str, str] = {}
        self.bad_checksums: Counter[str] = Counter()
        self.cut_off: Counter[str] = Counter()  #: the line breaks in the middle
        self.busy: Counter[str] = Counter()  #: HTTP 503
        self.status = 200  #: of every answer
        self.slow: set[str] = set()  #: comes in small parts, until `goes_on` is set
        self.goes_on = asyncio.Event()
        self.begun = asyncio.Event()  #: a slow file was asked for
        self.asked: list[str] = []

    def put(self, path: str, text: str) -> None:
        """Add a file: klines/XUSDT/5m/XUSDT-5m-2026-05, without what every address has."""
        name = path.rpartition("/")[2]
        span = "monthly" if name.count("-") == len(["SYMBOL", "5m", "2026", "05"]) - 1 else "daily"
        self.files[f"/data/futures/um/{span}/{path}.zip"] = zipped(name, text)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        path = request.path.removesuffix(".CHECKSUM")
        name = path.rpartition("/")[2]
        data = self.files.get(path, b"")
        if self.status != 200 or not data:
            return web.Response(status=404 if self.status == 200 else self.status)
        if request.path != path:
            return web.Response(text=f"{self.checksums.get(name, hashlib.sha256(data).hexdigest())}  {name}\n")
        if self.busy[name] > 0:
            self.busy[name] -= 1
            return web.Response(status=503, headers={"Retry-After": "1"})
        if self.cut_off[name] > 0 or name in self.slow:
            return await self._in_parts(request, name, data)
        is_bad = self.bad_checksums[name] > 0
        self.bad_checksums[name] -= is_bad
        return web.Response(body=data[:-9] if is_bad else data)

    async def _in_parts(self, request: web.Request, name: str, data: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await response.prepare(request)
        await response.write(data[:50])
        if self.cut_off[name] > 0:
            self.cut_off[name] -= 1
            assert request.transport is not None
            request.transport.close()
            return response
        self.begun.set()
        await self.goes_on.wait()
        for start in range(50, len(data), 50):
            await response.write(data[start : start + 50])
        return response


def whole_month() -> LocalArchive:
    """Return June of a coin, on both sides of the change of the metrics, and the first days of July."""
    archive = LocalArchive()
    archive.put("klines/XUSDT/5m/XUSDT-5m-2026-06", bars("2026-06-01", 30 * 288))
    archive.put("fundingRate/XUSDT/XUSDT-fundingRate-2026-06", funding("2026-06"))
    for day in range(1, 31):
        name = f"2026-06-{day:02}"
        archive.put(f"metrics/XUSDT/XUSDT-metrics-{name}", metrics(name, range(1, 289) if day < 25 else range(288)))
    for day in range(1, 5):
        name = f"2026-07-{day:02}"
        archive.put(f"klines/XUSDT/5m/XUSDT-5m-{name}", bars(name))
        archive.put(f"metrics/XUSDT/XUSDT-metrics-{name}", metrics(name, range(288)))
    return archive


async def quickly(_: float) -> None:
    await asyncio.sleep(0)


async def fetched(
    archive: LocalArchive, folder: Path, *words: str, first: str = "2026-06", last: str = ""
) -> FetchReport:
    """Run one fetch of the coins in *words* against *archive*."""
    async with listening(archive.answer) as address:
        client = ArchiveClient(f"http://{address}", parallel=4, pause=quickly)
        plan = plan_of(words or ("x",), first, last, (), TODAY)
        try:
            return await Fetch(History(folder), client, today=TODAY, kinds=plan.kinds).run(plan.steps)
        finally:
            await client.close()


def said(report: FetchReport) -> list[str]:
    return list(report.sentences(TODAY))


async def test_months_and_the_days_of_a_month_that_is_not_over(tmp_path: Path) -> None:
    """Bars, metrics and funding meet in a month's file; what is not there yet is said; nothing is loaded twice."""
    archive = whole_month()
    report = await fetched(archive, tmp_path)
    assert (report.loaded, report.held, report.refused) == (2 + 30 + 4 + 4, 0, [])
    assert said(report) == [
        "XUSDT: bars of 2026-07-05 are not there yet: run it again in a day or two",
        "XUSDT: metrics of 2026-07-05 are not there yet: run it again in a day or two",
    ]
    history = History(tmp_path)
    assert [(month.month, month.bars, month.missing) for month in history.months("XUSDT")] == [
        ("2026-06", 30 * 288, 0),
        ("2026-07", 4 * 288, 0),
    ]
    kept = pd.read_parquet(history.path("XUSDT", "2026-06")).set_index("open_time")
    assert kept.loc[ms("2026-06-01"), ["taker_buy_volume", "funding_settled"]].tolist() == [5.0, 0.0001]
    change = ms("2026-06-25")
    assert kept.loc[[change, change + FIVE_MS], "open_interest"].tolist() == [288.0, 0.0]
    rules = history.stamps("XUSDT", "2026-06")
    assert Counter(rules.values()) == {"end": 24, "beginning": 6}
    asked = len(archive.asked)
    archive.put("klines/XUSDT/5m/XUSDT-5m-2026-07-05", bars("2026-07-05"))
    again = await fetched(archive, tmp_path)
    assert (again.loaded, again.held, again.new) == (1, 40, {"XUSDT": 287})  # metrics had one row of that midnight
    assert sorted(path.rpartition("/")[2] for path in archive.asked[asked:]) == [
        "XUSDT-5m-2026-07-05.zip", "XUSDT-5m-2026-07-05.zip.CHECKSUM", "XUSDT-metrics-2026-07-05.zip"
    ]  # fmt: skip
    assert [path.name for path in (tmp_path / ".archive").iterdir()] == ["XUSDT.json"]


async def test_what_the_archive_has_not_is_named(tmp_path: Path) -> None:
    """A day that is missing, a coin that was delisted in the middle, one that was never listed."""
    archive = whole_month()
    del archive.files["/data/futures/um/daily/metrics/XUSDT/XUSDT-metrics-2026-06-12.zip"]
    archive.put("klines/GONEUSDT/5m/GONEUSDT-5m-2026-06", bars("2026-06-01", 5 * 288))
    for day in range(1, 6):
        name = f"2026-06-{day:02}"
        archive.put(f"metrics/GONEUSDT/GONEUSDT-metrics-{name}", metrics(name, range(1, 289)))
    report = await fetched(archive, tmp_path, "x", "gone", "never", last="2026-06")
    assert said(report) == [
        "GONEUSDT: the archive has no metrics of 25 days from 2026-06-06 to 2026-06-30",
        "GONEUSDT: the archive has no funding of 2026-06",
        "NEVERUSDT: the archive has nothing of it in that time: never listed under this name, not yet, or not any more",
        "XUSDT: the archive has no metrics of 2026-06-12",
    ]
    assert History(tmp_path).bars("GONEUSDT").shape == (8, 5 * 288)
    assert not (tmp_path / "NEVERUSDT").exists()
    assert {path.split("/")[5] for path in archive.asked if "NEVER" in path} == {"klines"}


async def test_a_month_that_is_not_packed_yet_comes_by_days(tmp_path: Path) -> None:
    """The archive packs a month some days after its end."""
    archive = LocalArchive()
    for day in (1, 2, 4):
        archive.put(f"klines/XUSDT/5m/XUSDT-5m-2026-06-{day:02}", bars(f"2026-06-{day:02}"))
    report = await fetched(archive, tmp_path, last="2026-06")
    assert History(tmp_path).bars("XUSDT").shape == (8, 3 * 288)
    assert "XUSDT: the archive has no bars of 27 days from 2026-06-03 to 2026-06-30" in said(report)


async def test_a_line_that_fails_is_asked_again(tmp_path: Path) -> None:
    """A connection that breaks off, a busy server, a file that was cut short once: all of it arrives."""
    archive = whole_month()
    archive.cut_off["XUSDT-5m-2026-06.zip"] = 2
    archive.busy["XUSDT-fundingRate-2026-06.zip"] = TRIES - 1
    archive.bad_checksums["XUSDT-metrics-2026-06-03.zip"] = 1
    report = await fetched(archive, tmp_path, last="2026-06")
    assert (report.loaded, said(report)) == (32, [])


async def test_files_that_stay_wrong_are_named_and_the_others_come(tmp_path: Path) -> None:
    """A checksum that never fits, none at all, a damaged zip, an unclear day: four sentences, and 28 files are in."""
    archive = whole_month()
    archive.bad_checksums["XUSDT-metrics-2026-06-03.zip"] = 9
    day = "/data/futures/um/daily/metrics/XUSDT/XUSDT-metrics-2026-06-{}.zip".format
    archive.files[day("04")] = archive.files[day("04")][:-30]
    archive.put("metrics/XUSDT/XUSDT-metrics-2026-06-05", metrics("2026-06-05", range(1, 288)))
    archive.put("metrics/XUSDT/XUSDT-metrics-2026-06-06", metrics("2026-06-06", [5, 1, 5, 288, 200]))
    archive.checksums["XUSDT-fundingRate-2026-06.zip"] = "none"
    report = await fetched(archive, tmp_path, last="2026-06")
    assert report.loaded == 28
    sentences = "\n".join(said(report))
    assert "XUSDT-metrics-2026-06-03.zip: loaded twice, and both times it did not fit its checksum" in sentences
    assert "XUSDT-metrics-2026-06-04.zip: no zip file, or a damaged one: not in the history" in sentences
    assert "XUSDT-metrics-2026-06-05.csv: it has neither the midnight before nor the one after" in sentences
    assert "XUSDT-fundingRate-2026-06.zip: loaded twice" in sentences
    kept = pd.read_parquet(History(tmp_path).path("XUSDT", "2026-06")).set_index("open_time")["open_interest"]
    assert kept.loc[ms("2026-06-06") : ms("2026-06-07")].dropna().tolist() == [1.0, 5.0, 200.0, 288.0]
    assert (await fetched(whole_month(), tmp_path, last="2026-06")).loaded == 4


async def test_an_archive_that_is_away_or_refuses_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    """Nothing is tried for ever."""
    archive = whole_month()
    archive.status = 451
    with pytest.raises(ArchiveError, match=r"does not serve this region \(HTTP 451\).*HTTPS_PROXY"):
        await fetched(archive, tmp_path)
    archive.status = 500
    with pytest.raises(ArchiveError, match="HTTP 500, 4 times"):
        await fetched(archive, tmp_path)
    client = ArchiveClient("http://127.0.0.1:9", parallel=1, pause=quickly)
    with pytest.raises(ArchiveError, match="does not answer"):
        await Fetch(History(tmp_path), client, today=TODAY).run(plan_of(["x"], "2026-06", "", (), TODAY).steps)
    await client.close()


async def test_the_folder_is_what_a_replay_and_a_backtest_read(tmp_path: Path) -> None:
    """As it is, without an export; months that have metrics alone are no bars."""
    archive = whole_month()
    archive.put("metrics/XUSDT/XUSDT-metrics-2026-05-31", metrics("2026-05-31", range(1, 289)))
    await fetched(archive, tmp_path, first="2026-05")
    assert len(read(tmp_path / "XUSDT")) == 34 * 288
    market = RecordedMarket(tmp_path, 5)
    assert [contract.symbol for contract in market.contracts] == ["XUSDT"]
    assert market.estimated == ("derivatives", "depth")
    (coin,), notes = look_over(tmp_path)
    assert (coin.symbol, notes) == ("XUSDT", [])


async def test_a_backtest_takes_what_was_observed_instead_of_the_estimate(tmp_path: Path) -> None:
    """Metrics of a day ago and settlements of the last eight hours are used; without them the rule's are."""
    archive = whole_month()
    for day in range(10, 13):
        del archive.files[f"/data/futures/um/daily/metrics/XUSDT/XUSDT-metrics-2026-06-{day:02}.zip"]
    text = "calc_time,funding_interval_hours,last_funding_rate\n"
    text += "".join(f"{ms('2026-06-01') + hour * 3_600_000 + 3},8,{hour}e-6\n" for hour in range(0, 20 * 24, 8))
    archive.put("fundingRate/XUSDT/XUSDT-fundingRate-2026-06", text)
    await fetched(archive, tmp_path, last="2026-06")
    history = load(tmp_path, "XUSDT")

    known = derivatives_at(history, ms("2026-06-05") + 12 * FIVE_MS)
    times, values = known.open_interest.arrays()
    assert (int(times[-1]), values[-1], len(values)) == (ms("2026-06-05") + 11 * FIVE_MS, 11.0, 288)
    assert known.global_ratio.arrays()[1][-1] == 1.2
    assert known.top_ratio.arrays()[1][-1] == 1.5
    assert (known.funding_rate, known.funding_at, known.estimated) == (96e-6, ms("2026-06-05"), False)

    gap = derivatives_at(history, ms("2026-06-11") + 12 * FIVE_MS)
    assert len(gap.open_interest.arrays()[1]) == 288
    assert (gap.funding_rate, gap.estimated) == (240e-6, True)
    late = derivatives_at(history, ms("2026-06-22"))
    assert late.open_interest.arrays()[1][-1] == 287.0
    assert (late.funding_interval_hours, late.estimated) == (8, True)

    paid = funding_paid(history)
    assert paid[4 * 288] == 96e-6
    assert np.flatnonzero(paid[:288]).tolist() == [96, 192]
    counts = observed_scans(history, ms("2026-06-02"), history.end)
    assert counts["funding"] == (20 - 1) * 288 + 1
    assert counts["open interest"] == counts["ratios"] == (29 - 3) * 288 + 2  # from half a day's points on


def test_words_that_mean_no_month_are_refused() -> None:
    """With what to write instead."""
    for first, only, complaint in (
        ("2026-13", (), "'2026-13' is not a month such as 2026-01"),
        ("2027-01", (), "no month from 2027-01 to 2026-07"),
        ("", ("ticks",), "--only ticks: there are bars, metrics, funding"),
    ):
        with pytest.raises(BadPlanError, match=complaint):
            plan_of(["x"], first, "", only, TODAY)
    assert [step.month for step in plan_of(["btc"], "", "", (), TODAY).steps] == ["2026-05", "2026-06", "2026-07"]


@asynccontextmanager
async def command(archive: LocalArchive, folder: Path, **environment: str) -> AsyncIterator[subprocess.Popen[str]]:
    """Run the command against *archive*."""
    async with listening(archive.answer) as address:
        words = ["history", "fetch", "--folder", str(folder), "--from", "2026-06", "--to", "2026-06", "x"]
        values = {"SEVENGATE_BINANCE_ARCHIVE_URL": f"http://{address}"} | environment
        process = subprocess.Popen(  # noqa: ASYNC220 it has started when the call returns
            [sys.executable, "-m", "services.terminal", *words],
            cwd=ROOT,
            env={**os.environ, **values},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield process
        finally:
            process.kill()


def wait_for_files(folder: Path, count: int) -> None:
    while len(list(folder.glob("*.zip"))) < count:
        time.sleep(0.02)


async def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return the exit code and everything it said."""
    out, err = await asyncio.to_thread(process.communicate, None, PATIENCE_S)
    return process.returncode, out + err


async def test_ctrl_c_on_a_slow_line_loses_nothing(tmp_path: Path) -> None:
    """What was loaded is kept, the same command goes on, and the line may be as slow as it likes."""
    archive = whole_month()
    archive.slow.add("XUSDT-fundingRate-2026-06.zip")
    async with command(archive, tmp_path) as process:
        await archive.begun.wait()
        await asyncio.to_thread(wait_for_files, tmp_path / ".archive", 31)
        process.send_signal(signal.SIGINT)
        code, text = await ended(process)
    assert (code, "the same command goes on from here" in text) == (130, True), text
    asked = len(archive.asked)
    archive.goes_on.set()
    async with command(archive, tmp_path) as process:
        code, text = await ended(process)
    assert (code, "XUSDT: 8,641 new rows" in text, "32 files loaded" in text) == (0, True, True), text
    assert len(archive.asked) == asked + 2
    done = json.loads((tmp_path / ".archive" / "XUSDT.json").read_text())
    assert len(done) == 32
    np.testing.assert_array_equal(History(tmp_path).bars("XUSDT")[0], np.arange(30 * 288) * FIVE_MS + ms("2026-06-01"))


async def test_it_goes_through_the_proxy_that_the_variables_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every other request of Sevengate does."""
    archive = whole_month()
    async with listening(archive.answer) as address, http_proxy(address) as (proxy, seen):
        monkeypatch.setenv("http_proxy", proxy)
        client = ArchiveClient("http://archive.example", parallel=2, pause=quickly)
        plan = plan_of(["x"], "2026-06", "2026-06", ("funding",), TODAY)
        report = await Fetch(History(tmp_path), client, today=TODAY, kinds=plan.kinds).run(plan.steps)
        await client.close()
    assert report.loaded == 1
    assert any("archive.example" in line for line in seen)
