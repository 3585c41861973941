"""Where a service listens, and how this machine reaches it."""

from __future__ import annotations

import socket

import pytest

from services.terminal.local import listening
from shared.config.environment import reachable


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8710"),
        ("0.0.0.0", "http://127.0.0.1:8710"),  # noqa: S104 looked up, not bound
        ("::1", "http://[::1]:8710"),
        ("::", "http://[::1]:8710"),
        ("192.168.1.20", "http://192.168.1.20:8710"),
        ("fd00::20", "http://[fd00::20]:8710"),
        ("sevengate.lan", "http://sevengate.lan:8710"),
    ],
)
def test_what_is_bound_is_what_is_printed(host: str, url: str) -> None:
    """The address to open is the bound one; for all addresses, the loopback of its family."""
    assert reachable(host, 8710) == url


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_listener_takes_its_port(host: str) -> None:
    """A port is free until a program listens there."""
    port = listening.free_port(host)
    assert listening.is_free(host, port)
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
        assert not listening.is_free(host, port)
        assert port not in listening.free_ports(port, 3, host)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    """Nothing here can listen there, and the variable to change is named."""
    with pytest.raises(listening.ListenError, match="SEVENGATE_API_HOST"):
        listening.is_free(host, 8710)
