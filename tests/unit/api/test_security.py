"""Who may ask: hosts, origins, keys, sizes."""

from __future__ import annotations

from typing import Any

import pytest

from services.api.security import FAILURES_A_MINUTE, Guard, Refusal

KEY = "k" * 43


async def nobody(*_: Any) -> None:
    """An application that is never asked."""


def ask(guard: Guard, method: str = "GET", path: str = "/api/top", now: float = 0.0, **headers: Any) -> int:
    """Return the status with which the guard ends a request, 200 when it lets it through."""
    sent = {"host": "127.0.0.1:8710"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "client": ("10.0.0.9", 5),
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
        ("192.168.1.20", 200),
        ("api:8710", 200),
        ("home.example", 200),
        ("evil.example:8710", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
    ],
)
def test_a_strangers_name_for_this_machine_is_refused(host: str, status: int) -> None:
    """DNS rebinding needs a name with a dot; addresses, local names and named hosts pass."""
    assert ask(Guard(nobody, hosts=("home.example",)), host=host) == status


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
    assert ask(Guard(nobody), method="POST", **headers) == status


def test_the_key_is_asked_of_everything_but_the_page() -> None:
    """Data needs the key; the page's own files and the health check do not."""
    guard = Guard(nobody, key=KEY)
    assert [ask(guard, path=path) for path in ("/", "/health", "/assets/x.js")] == [200, 200, 200]
    assert [ask(guard, path=path) for path in ("/api/top", "/stream", "/api/openapi.json", "/healthy")] == [401] * 4
    assert ask(guard, method="POST", path="/health") == 401
    assert ask(guard, authorization=f"Bearer {KEY}") == 200
    assert ask(guard, authorization=f"Basic {KEY}") == 401
    assert ask(guard, x_api_key=KEY, host="any.example") == 200
    assert ask(guard, x_api_key=KEY + "x") == 401


def test_guessing_is_slowed_and_the_right_key_still_passes() -> None:
    """Too many wrong keys in a minute answer 429; the owner behind the same address is not locked out."""
    guard = Guard(nobody, key=KEY)
    answers = [ask(guard, x_api_key="wrong", now=float(n)) for n in range(FAILURES_A_MINUTE + 2)]
    assert answers == [401] * FAILURES_A_MINUTE + [429] * 2
    assert ask(guard, x_api_key=KEY, now=30.0) == 200
    assert ask(guard, x_api_key="wrong", now=500.0) == 401


def test_the_key_itself_is_not_kept() -> None:
    """The guard holds a digest only."""
    assert KEY not in repr(vars(Guard(nobody, key=KEY)))
