"""Keys that users make, and the session of a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from services.api.access.keyring import Keyring
from services.api.app import create_app
from services.api.context import Context
from shared.config import local_secrets


def token_of(api: Context) -> str:
    return local_secrets.read(api.service.environment.data_dir, local_secrets.TOKEN)


@pytest.fixture
async def away(api: Context) -> AsyncIterator[httpx.AsyncClient]:
    """A program on another machine."""
    await api.publisher.publish()
    transport = httpx.ASGITransport(app=create_app(api), client=("10.0.0.9", 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://192.168.1.2") as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_a_key_does_what_it_may_until_it_is_revoked(api: Context, away: httpx.AsyncClient) -> None:
    """Read reads, write writes; a name is taken once; nothing of the secret is listed or stored."""
    owner = bearer(token_of(api))
    made = {
        rights: (await away.post("/api/keys", json={"name": rights, "rights": rights}, headers=owner)).json()
        for rights in ("read", "write")
    }
    assert (await away.post("/api/keys", json={"name": "read"}, headers=owner)).status_code == 422
    mute = {"seconds": 60}
    assert (await away.get("/api/coins", headers=bearer(made["read"]["key"]))).status_code == 200
    refused = await away.post("/api/mutes", json=mute, headers=bearer(made["read"]["key"]))
    assert (refused.status_code, refused.json()["detail"]) == (403, "the key 'read' may only read")
    assert (await away.post("/api/mutes", json=mute, headers=bearer(made["write"]["key"]))).status_code == 201
    listed = await away.get("/api/keys", headers=owner)
    assert {item["name"] for item in listed.json()["items"]} == {"read", "write"}
    rows = str(await api.database.rows("SELECT * FROM api_keys"))
    for rights in made.values():
        assert rights["key"] not in listed.text + rows
    assert (await away.delete(f"/api/keys/{made['write']['key_id']}", headers=owner)).status_code == 204
    wrong = await away.post("/api/mutes", json=mute, headers=bearer(made["write"]["key"]))
    assert (wrong.status_code, wrong.json()["detail"]) == (401, "this key is wrong, or it was revoked")
    again = await away.post("/api/keys", json={"name": "write", "rights": "write"}, headers=owner)
    assert again.status_code == 201, "a revoked key's name is free"


async def test_keys_and_their_use_outlive_the_process(api: Context, away: httpx.AsyncClient) -> None:
    """Another keyring over the same database knows them; when one was used is kept."""
    made = (await away.post("/api/keys", json={"name": "grafana"}, headers=bearer(token_of(api)))).json()
    keyring = Keyring()
    await keyring.load(api.database)
    caller = keyring.identify(made["key"].encode())
    assert caller is not None
    assert (caller.name, caller.rights) == ("grafana", "read")
    await keyring.note_use(api.database, 60_000)
    (shown,) = (await away.get("/api/keys", headers=bearer(token_of(api)))).json()["items"]
    assert shown["used_at"] == 60_000


async def test_the_cookie_of_a_page_over_tls_leaves_by_tls_only(api: Context, away: httpx.AsyncClient) -> None:
    """A proxy may have the TLS: the page's own address, which the browser sends, says so."""
    host = away.base_url.netloc.decode()
    for scheme, secure in (("https", True), ("http", False)):
        origin = {"origin": f"{scheme}://{host}"}
        begun = await away.post("/api/session", json={"token": token_of(api)}, headers=origin)
        assert ("secure" in begun.headers["set-cookie"].lower()) is secure


async def test_a_browser_begins_a_session_with_the_token(api: Context, away: httpx.AsyncClient) -> None:
    """A wrong token is refused; with the right one the cookie alone reads and writes, until it is ended."""
    assert (await away.post("/api/session", json={"token": "wrong"})).status_code == 401
    assert (await away.get("/api/coins")).status_code == 401
    begun = await away.post("/api/session", json={"token": token_of(api)})
    assert (begun.status_code, begun.json()) == (201, {"name": "session", "rights": "write"})
    cookie = begun.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert (await away.get("/api/coins")).status_code == 200
    assert (await away.post("/api/mutes", json={"seconds": 60})).status_code == 201
    assert (await away.get("/api/session")).json()["rights"] == "write"
    assert (await away.delete("/api/session")).status_code == 204
    assert (await away.get("/api/coins")).status_code == 401


async def test_only_the_owner_opens_networks(api: Context, away: httpx.AsyncClient) -> None:
    """`allow` of a session or a key is refused in a sentence; the command line, which has the file, may."""
    house = {"channel": "webhook", "url": "http://192.168.1.20/x", "allow": ["192.168.1.20/32"]}
    patch = {"destinations": {"house": house}}
    owner = bearer(token_of(api))
    made = (await away.post("/api/keys", json={"name": "w", "rights": "write"}, headers=owner)).json()
    refused = await away.patch("/api/config", json=patch, headers=bearer(made["key"]))
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("destinations.house.allow: only config.yaml or the command line")
    beat = await away.patch("/api/config", json={"heartbeat_allow": ["10.0.0.0/8"]}, headers=bearer(made["key"]))
    assert beat.status_code == 422
    assert (await away.patch("/api/config", json=patch, headers=owner)).status_code == 200
    sent_back = {"destinations": {"house": house | {"muted": True}}}
    assert (await away.patch("/api/config", json=sent_back, headers=bearer(made["key"]))).status_code == 200
