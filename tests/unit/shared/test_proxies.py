"""Which proxy a request goes through."""

from __future__ import annotations

import pytest

from shared.network.proxies import ProxyError, is_loopback, past_loopback, proxy_for

PROXY = {"HTTP_PROXY": "http://plain:3128", "HTTPS_PROXY": "http://secure:3128", "ALL_PROXY": "http://any:3128"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.org/", "http://plain:3128"),
        ("ws://example.org/stream", "http://plain:3128"),
        ("https://fapi.binance.com", "http://secure:3128"),
        ("wss://fstream.binance.com/market/stream", "http://secure:3128"),
        ("http://127.0.0.1:8710/", None),
        ("http://127.9.9.9/", None),
        ("http://localhost/", None),
        ("ws://[::1]:9/", None),
    ],
)
def test_the_scheme_chooses_the_proxy_and_loopback_has_none(url: str, expected: str | None) -> None:
    """Secure addresses take HTTPS_PROXY, others HTTP_PROXY; this machine itself is asked directly."""
    assert proxy_for(url, PROXY) == expected


def test_all_proxy_serves_where_no_other_is_set_and_lower_case_comes_first() -> None:
    """ALL_PROXY is the last resort; ``https_proxy`` wins over ``HTTPS_PROXY``."""
    assert proxy_for("https://a.org", {"ALL_PROXY": "any:8080"}) == "http://any:8080"
    assert proxy_for("https://a.org", PROXY | {"https_proxy": "http://lower:1"}) == "http://lower:1"
    assert proxy_for("https://a.org", {}) is None


@pytest.mark.parametrize(
    ("excluded", "host", "direct"),
    [
        ("binance.com", "https://fapi.binance.com", True),
        (".binance.com", "https://fapi.binance.com", True),
        ("*.binance.com", "https://fapi.binance.com", True),
        ("nance.com", "https://fapi.binance.com", False),
        ("other.org, *", "https://fapi.binance.com", True),
        ("fapi.binance.com:443", "https://fapi.binance.com", True),
        ("fapi.binance.com:8443", "https://fapi.binance.com", False),
        ("192.168.0.0/16", "http://192.168.1.20:8123/", True),
        ("192.168.0.0/16", "http://10.0.0.1/", False),
        ("fd00::1", "http://[fd00::1]:80/", True),
    ],
)
def test_no_proxy_names_hosts_domains_networks_and_ports(excluded: str, host: str, direct: bool) -> None:
    """What NO_PROXY names is asked directly."""
    assert (proxy_for(host, PROXY | {"NO_PROXY": excluded}) is None) is direct


@pytest.mark.parametrize("address", ["socks5://user:secret@host:1080", "ftp://host", "http://", "http://host:port"])
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(address: str) -> None:
    """One sentence says which variable is wrong and what to set instead."""
    with pytest.raises(ProxyError, match=r"^ALL_PROXY: .* http://host:3128, or unset it$") as caught:
        proxy_for("https://example.org", {"ALL_PROXY": address})
    assert "secret" not in str(caught.value)


def test_loopback_is_added_to_no_proxy_once() -> None:
    """Libraries that read the variables themselves leave this machine alone as well."""
    variables = {"NO_PROXY": "intern.example"}
    past_loopback(variables)
    past_loopback(variables)
    assert variables["no_proxy"] == variables["NO_PROXY"] == "intern.example,localhost,127.0.0.1,::1"


def test_only_this_machine_is_loopback() -> None:
    """A name that merely begins like one is not."""
    assert is_loopback("127.0.0.1")
    assert is_loopback("api.localhost")
    assert not is_loopback("127.0.0.1.example.org")
    assert not is_loopback("10.0.0.1")
