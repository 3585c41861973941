"""Whether a service can listen on an address, and free ports."""

from __future__ import annotations

import errno
import random
import socket
from contextlib import suppress
from typing import Final

#: none of those that Linux gives to outgoing connections, which may take one before its server is up
PORTS: Final = range(10_240, 32_768)
TRIES: Final = 200
ANSWER_S: Final = 0.25  #: the loopback's answer to a connection comes in microseconds


class ListenError(Exception):
    """Nothing can listen there; the text says why and what to do."""


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is free at this moment, any of 22,528, so that two who ask seldom get the same."""
    for port in random.SystemRandom().sample(PORTS, TRIES):
        if is_free(host, port):
            return port
    raise ListenError(f"no port of {host} is free between {PORTS.start} and {PORTS.stop - 1}")


def free_ports(first: int, count: int, host: str = "127.0.0.1") -> list[int]:
    """Return *count* free ports of *host*, from *first* upwards."""
    found: list[int] = []
    for port in range(first, 65_536):
        if len(found) == count:
            break
        if is_free(host, port):
            found.append(port)
    return found


def is_free(host: str, port: int) -> bool:
    """Return whether *port* of *host* is free; raise `ListenError` where *host* is no address of this machine."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise ListenError(f"SEVENGATE_API_HOST: {host!r} is not known here ({error.strerror})") from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise ListenError(f"SEVENGATE_API_HOST: {host} is not an address of this machine") from error
        return False
    return True


def answers(host: str, port: int) -> bool:
    """Return whether something listens on *port* of *host*, a loopback's, at this moment."""
    with suppress(OSError), socket.create_connection((host, port), timeout=ANSWER_S):
        return True
    return False
