"""A certificate for 127.0.0.1 of an authority of the test's own, and how a Redis server is started with it."""

from __future__ import annotations

from pathlib import Path

import trustme


def issue(folder: Path) -> None:
    """Write authority, certificate and key into *folder*."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))


def redis_options(folder: Path, port: int) -> dict[str, str]:
    """Return the options of a Redis server or sentinel that speaks TLS alone, at *port*, with what `issue` wrote."""
    return {
        "port": "0",
        "tls-port": str(port),
        "tls-cert-file": str(folder / "cert.pem"),
        "tls-key-file": str(folder / "key.pem"),
        "tls-ca-cert-file": str(folder / "ca.pem"),
        "tls-auth-clients": "no",
        "tls-replication": "yes",
    }


def arguments(options: dict[str, str]) -> list[str]:
    """Return *options* as a command line's."""
    return [text for name, value in options.items() for text in (f"--{name}", value)]
