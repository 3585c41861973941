"""Who may ask: hosts, origins, keys, sizes."""

from __future__ import annotations

from typing import Any

import pytest

from services.api.access.brake import FAILURES_A_MINUTE, FAILURES_OF_ALL
from services.api.access.keyring import SESSION_MS, Keyring
from services.api.access.security import Guard, Refusal

KEY = "k" * 43
TOKEN = "t" * 43


async def nobody(*_: Any) -> None:
    """An application that is never asked."""


def guard(*, key: str = "", token: str = TOKEN, hosts: tuple[str, ...] = ()) -> Guard:
    return Guard(nobody, keyring=Keyring(key=key, token=token), hosts=hosts)


def ask(
    guard: Guard,
    method: str = "GET",
    path: str = "/api/coins",
    now: float = 0.0,
    client: str = "127.0.0.1",
    **headers: Any,
) -> int:
    """Return the status with which the guard ends a request, 200 when it lets it through."""
    sent = {"host": "127.0.0.1:8710"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "client": (client, 5),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
    }
    try:
        guard.check(scope, now)
    except Refusal as refusal:
        return refusal.status
    return 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8710", 200),
        ("localhost:8710", 200),
        ("[::1]:8710", 200),
        ("192.168.1.20", 401),
        ("api:8710", 401),
        ("home.example", 401),
        ("evil.example:8710", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
    ],
)
def test_a_strangers_name_for_this_machine_is_refused(host: str, status: int) -> None:
    """DNS rebinding needs a name with a dot: 421.  What is not this machine's own name needs a key."""
    assert ask(guard(hosts=("home.example",)), host=host) == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:8710"}, 200),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"content_length": "5", "content_type": "text/plain"}, 415),
        ({"content_length": "5", "content_type": "application/json; charset=utf-8"}, 200),
        ({"content_length": "5000000", "content_type": "application/json"}, 413),
        ({"content_length": "many"}, 400),
    ],
)
def test_changes_come_from_the_page_or_a_program(headers: dict[str, Any], status: int) -> None:
    """Another site's browser cannot change anything; a form's media types are refused."""
    assert ask(guard(), method="POST", authorization=f"Bearer {TOKEN}", **headers) == status


def test_reading_here_is_free_and_everything_else_needs_a_credential() -> None:
    """On this machine GET needs none; changes, other machines and proxies do; the page's own files are open."""
    asked = guard(key=KEY)
    assert [ask(asked, path=path, client="10.0.0.9") for path in ("/", "/stream", "/health", "/assets/x.js")] == [
        200
    ] * 4
    assert [ask(asked, path=path, client="10.0.0.9") for path in ("/api/coins", "/api/openapi.json")] == [401] * 2
    assert ask(asked, x_forwarded_for="1.2.3.4") == 401
    assert ask(asked) == ask(asked, client="::1", host="[::1]:8710") == ask(asked, client="::ffff:127.0.0.1") == 200
    assert ask(asked, method="POST") == ask(asked, method="POST", path="/health") == 401
    assert ask(asked, method="POST", path="/api/session") == 200
    for credential in (KEY, TOKEN):
        assert ask(asked, method="POST", authorization=f"Bearer {credential}") == 200
        assert ask(asked, x_api_key=credential, client="10.0.0.9", host="any.example") == 200
    assert ask(asked, authorization=f"Basic {KEY}", client="10.0.0.9") == 401
    assert ask(asked, x_api_key=KEY + "x") == 401


def test_guessing_is_braked_by_address_without_judging() -> None:
    """After twenty wrong keys in a minute an address waits, right or wrong; another one does not."""
    braked = guard(key=KEY)
    answers = [ask(braked, x_api_key="wrong", now=float(n)) for n in range(FAILURES_A_MINUTE + 2)]
    assert answers == [401] * FAILURES_A_MINUTE + [429] * 2
    assert ask(braked, x_api_key=KEY, now=30.0) == 429
    assert ask(braked, x_api_key=KEY, now=30.0, client="10.0.0.7") == 200
    assert ask(braked, x_api_key=KEY, now=61.0) == 200


def test_guessing_from_everywhere_is_braked_but_for_those_who_were_right_before() -> None:
    """A crowd of addresses shares one budget; one network of IPv6 is one address."""
    braked = guard(key=KEY)
    assert ask(braked, x_api_key=KEY, client="10.0.0.7") == 200
    for number in range(FAILURES_OF_ALL):
        assert ask(braked, x_api_key="wrong", client=f"10.1.{number // 250}.{number % 250}") == 401
    assert ask(braked, x_api_key=KEY, client="10.9.9.9") == 429
    assert ask(braked, x_api_key=KEY, client="10.0.0.7") == 200
    of_one_network = guard(key=KEY)
    answers = [ask(of_one_network, x_api_key="wrong", client=f"2001:db8::{n:x}") for n in range(FAILURES_A_MINUTE + 1)]
    assert answers[-1] == 429


def test_a_session_is_begun_with_the_token_and_ends() -> None:
    """What the browser keeps is signed; a changed or an old one opens nothing, nor does one of another token."""
    keyring = Keyring(token=TOKEN)
    assert keyring.begin_session("wrong", 0) is None
    held = keyring.begin_session(TOKEN, 0)
    assert held is not None
    caller = keyring.session(held, SESSION_MS - 1)
    assert caller is not None
    assert (caller.rights, caller.is_local) == ("write", False)
    assert keyring.session(held, SESSION_MS) is None
    assert keyring.session(f"9{held}", 0) is None
    assert Keyring(token="other").session(held, 0) is None
    assert Keyring().begin_session("", 0) is None
    recent = keyring.begin_session(TOKEN, 0) or ""
    assert ask(guard(), method="POST", cookie=f"sevengate_session={recent}") == 200
    assert ask(guard(), method="POST", cookie="sevengate_session=1.2") == 401


def test_keys_are_not_kept() -> None:
    """Of a key only a digest is held."""
    keyring = Keyring(key=KEY)
    assert KEY not in repr(vars(keyring))
