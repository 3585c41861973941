"""Which certificate authorities are trusted: the system's, or those that SSL_CERT_FILE names, and certifi's."""

from __future__ import annotations

import ssl
from functools import cache

import certifi


@cache
def trusted() -> ssl.SSLContext:
    """Return the process' context for outgoing TLS; httpx alone would know certifi's authorities only."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
