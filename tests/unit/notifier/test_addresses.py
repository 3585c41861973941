"""FAULTS 38: which addresses may be called."""

from __future__ import annotations

import socket

import pytest
from pydantic import ValidationError

from shared.network import addresses
from shared.settings import RuntimeSettings, explain

FORBIDDEN = (
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://127.0.0.1./",
    "http://①②⑦.0.0.1/",
    "http://127。0。0。1/",
    "http://localhost:8710/",
    "http://LocalHost./",
    "http://api.localhost/",
    "http://0xa9fea9fe/latest/meta-data",
    "http://[::ffff:0:a9fe:a9fe]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://192.0.0.192/opc/v2/",
    "http://168.63.129.16/",
    "http://[fec0::1]/",
    "http://[::]/",
    "http://[::127.0.0.1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.1.20:8123/",
    "http://169.254.169.254/latest/meta-data",
    "http://100.64.0.1/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "ftp://example.org/",
    "file:///etc/passwd",
    "http://user:secret@example.org/",
    "http:///nothing",
    "http://example.org:99999/",
)


@pytest.mark.parametrize("url", FORBIDDEN)
def test_what_is_not_public_is_refused(url: str) -> None:
    """Private, loopback, link-local, metadata, CGNAT, in every spelling."""
    with pytest.raises(addresses.Forbidden):
        addresses.check(url)


def test_an_allowed_network_is_allowed_alone() -> None:
    """The allow-list opens its own network and no other."""
    addresses.check("http://192.168.1.20:8123/hook", ["192.168.1.20/32"])
    with pytest.raises(addresses.Forbidden):
        addresses.check("http://192.168.1.21/", ["192.168.1.20/32"])
    addresses.check("https://8.8.8.8/")


async def _resolve(monkeypatch: pytest.MonkeyPatch, *found: str) -> addresses.Target:
    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return await addresses.resolve("https://hooks.example.org/a?b=c")


@pytest.mark.asyncio
async def test_the_checked_address_is_the_called_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name goes into the Host header and TLS, the address into the request."""
    target = await _resolve(monkeypatch, "93.184.216.34")
    assert target.url == "https://93.184.216.34:443/a?b=c"
    assert (target.host, target.host_header) == ("hooks.example.org", "hooks.example.org")


@pytest.mark.asyncio
async def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: luck does not decide which address is called."""
    with pytest.raises(addresses.Forbidden):
        await _resolve(monkeypatch, "93.184.216.34", "10.0.0.1")


def test_settings_with_a_forbidden_address_are_not_saved() -> None:
    """The mistake is reported by its place; the address itself, a secret, is not repeated."""
    house = {"channel": "webhook", "url": "http://192.168.1.20:8123/api/webhook/x"}
    with pytest.raises(ValidationError) as caught:
        RuntimeSettings.model_validate({"destinations": {"house": house}})
    (line,) = explain(caught.value)
    assert line.startswith("destinations.house")
    assert "192.168.1.20 is not public and not allowed" in line
    assert "webhook/x" not in line
    RuntimeSettings.model_validate({"destinations": {"house": {**house, "allow": ["192.168.1.0/24"]}}})


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "0x7f.1", "[::ffff:10.0.0.1]", "localhost"])
def test_an_apprise_address_that_spells_a_private_one_is_not_saved(host: str) -> None:
    """Where a name leads is found out when it is called; a bot's number is no address."""
    other = {"channel": "apprise", "url": f"json://{host}/hook"}
    with pytest.raises(ValidationError, match="is not public and not allowed"):
        RuntimeSettings.model_validate({"destinations": {"other": other}})
    RuntimeSettings.model_validate({"destinations": {"other": {**other, "url": "tgram://167772161:token/1"}}})
