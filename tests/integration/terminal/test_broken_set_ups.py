"""Set-ups that are broken, and what `doctor` says of each: the table of docs/doctor.md."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from services.terminal.commands import doctor
from services.terminal.local import listening, stores
from shared.config.environment import Environment
from tests.conftest import running

PAGE = Path(__file__).resolve().parents[3] / "docs" / "doctor.md"
ROWS = re.findall(r"^\| (.+) \| (problem|warning) \| (.+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
PHONE = "destinations: {phone: {channel: telegram, chat_id: '1'}}\nroutes: [{destinations: [phone]}]\n"
HOUSE = "destinations: {house: {channel: webhook, url: 'https://no-such-host.invalid/x'}}\n"

#: breaks the set-up in a folder, and returns what the environment says besides
Break = Callable[[Path], AbstractContextManager[dict[str, str]]]


def configured(text: str, mode: int = 0o600) -> Break:
    """A config.yaml of this text."""

    def write(folder: Path) -> AbstractContextManager[dict[str, str]]:
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        (folder / "config.yaml").chmod(mode)
        return nullcontext({})

    return write


def named(**environment: str) -> Break:
    """These variables."""
    return lambda _: nullcontext(environment)


def redis_with(*options: str) -> Break:
    """A Redis of its own with these options."""

    @contextmanager
    def run(folder: Path) -> Iterator[dict[str, str]]:
        port = listening.free_port()
        url = f"redis://127.0.0.1:{port}/0"
        argv = [str(stores.valkey_server()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        argv += ["--cluster-port", str(listening.free_port())]  # else another's, 10,000 above
        with running([*argv, *options]):
            stores.wait_for_valkey(url)
            yield {"REDIS_URL": url}

    return run


@contextmanager
def lost_folder(folder: Path) -> Iterator[dict[str, str]]:
    """There was a database, by its id."""
    (folder / "data").mkdir()
    (folder / "data" / "instance").write_text("0123456789abcdef", encoding="ascii")
    yield {}


@contextmanager
def file_for_a_folder(folder: Path) -> Iterator[dict[str, str]]:
    """The data folder's name is a file's: not even root writes there."""
    (folder / "data").touch()
    yield {}


@contextmanager
def taken_port(folder: Path) -> Iterator[dict[str, str]]:
    """Somebody listens where the dashboard would."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield {"API_PORT": str(other.getsockname()[1])}


BROKEN: dict[str, Break] = {
    "a setting is misspelt": configured("thresholds: {scor: 72}\n"),
    "a tab in config.yaml": configured("thresholds:\n\tscore: 72\n"),
    "a route leads to a destination that is not there": configured("routes: [{destinations: [phone]}]\n"),
    "others can read config.yaml": configured(PHONE, 0o644),
    "the Telegram token is missing": configured(PHONE),
    "a webhook's name does not exist": configured(f"{HOUSE}routes: [{{destinations: [house]}}]\n"),
    "Redis does not answer": named(REDIS_URL="redis://127.0.0.1:9/0"),
    "Redis is the replica of another": redis_with("--replicaof", "127.0.0.1", "9"),
    "Redis is in a cluster": redis_with("--cluster-enabled", "yes"),
    "Redis throws away what it has no room for": redis_with("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"),
    "Postgres does not answer": named(DATABASE_URL="postgresql://me:secret@127.0.0.1:9/sevengate"),
    "the database's folder is gone": lost_folder,
    "the data folder cannot be written": file_for_a_folder,
    "another program has the dashboard's port": taken_port,
}


def test_every_row_of_the_page_is_tried() -> None:
    """A set-up has its row, a row its set-up."""
    assert [row[0] for row in ROWS] == list(BROKEN)


@pytest.mark.parametrize(("what", "verdict", "name", "words"), ROWS, ids=[row[0] for row in ROWS])
async def test_doctor_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, verdict: str, name: str, words: str
) -> None:
    """In the words of the page, and without a password."""
    with BROKEN[what](tmp_path) as variables:
        paths = {"DATA_DIR": str(tmp_path / "data"), "CONFIG": str(tmp_path / "config.yaml")}
        for variable in ("REDIS_URL", "DATABASE_URL", "TELEGRAM_TOKEN"):
            monkeypatch.delenv(f"SEVENGATE_{variable}", raising=False)
        for variable, value in {**paths, "BINANCE_REST_URL": "http://127.0.0.1:9", **variables}.items():
            monkeypatch.setenv(f"SEVENGATE_{variable}", value)
        found = await doctor.examine(Environment())
    expected = ".*".join(re.escape(part) for part in words.split("…"))
    matching = [one for one in found if (one.verdict, one.name) == (verdict, name)]
    assert [one for one in matching if re.fullmatch(expected, one.detail)], found
    assert not [one for one in found if "secret@" in one.detail]
