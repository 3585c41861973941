"""Identifies credentials: the environment's key, a key that was made, a session, this machine's own token."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Final

from services.api.store import keys as stored
from services.api.store.database import Database, DatabaseAwayError
from services.api.store.keys import Key, Rights, digest_of
from shared.contracts import DAY_MS
from shared.runtime.service import Service

SESSION_DAYS: Final = 30
SESSION_MS: Final = SESSION_DAYS * DAY_MS
USE_NOTED_S: Final = 60.0


@dataclass(frozen=True)
class Caller:
    """A caller and its rights."""

    name: str
    rights: Rights
    is_local: bool = False  #: has this machine's token itself: the command line
    key_id: str = ""


ANYBODY: Final = Caller("this machine", "read")  #: without a credential, by loopback


class Keyring:
    """All valid credentials, as digests, apart from the token that signs the sessions."""

    def __init__(self, *, key: str = "", token: str = "") -> None:
        self._fixed = digest_of(key.encode()) if key else b""
        self._token = token.encode()
        self._keys: list[Key] = []
        self._used: set[str] = set()

    async def load(self, database: Database) -> None:
        """Load the keys; raise `DatabaseAwayError`."""
        self._keys = await stored.load(database)

    def identify(self, secret: bytes) -> Caller | None:
        """Return the caller of *secret*, None for an unknown one; every credential is compared, for constant time."""
        digest = digest_of(secret)
        known = [(key.digest, Caller(key.name, key.rights, key_id=key.key_id)) for key in self._keys]
        if self._fixed:
            known.append((self._fixed, Caller("SEVENGATE_API_KEY", "write")))
        if self._token:
            known.append((digest_of(self._token), Caller("command line", "write", is_local=True)))
        found = [caller for held, caller in known if hmac.compare_digest(held, digest)]
        self._used |= {caller.key_id for caller in found if caller.key_id}
        return found[0] if found else None

    async def note_use(self, database: Database, now: int) -> None:
        """Store that keys were used since the last time; raise `DatabaseAwayError`."""
        for key_id in tuple(self._used):
            await stored.used(database, key_id, now)
            self._used.discard(key_id)

    def begin_session(self, token: str, now: int) -> str | None:
        """Return a session's cookie, None where *token* is not the set-up token."""
        if not self._token or not hmac.compare_digest(digest_of(token.encode()), digest_of(self._token)):
            return None
        ends = str(now + SESSION_MS)
        return f"{ends}.{self._signature(ends)}"

    def session(self, held: str, now: int) -> Caller | None:
        """Return the caller of a session that has not ended at *now*, wall clock in ms."""
        ends, _, signature = held.partition(".")
        if not self._token or not hmac.compare_digest(signature.encode(), self._signature(ends).encode()):
            return None
        return Caller("session", "write") if now < int(ends) else None

    def _signature(self, ends: str) -> str:
        return hmac.new(self._token, f"session:{ends}".encode(), hashlib.sha256).hexdigest()


async def keep_keys(service: Service, keyring: Keyring, database: Database) -> None:
    """Learn the keys as soon as the database is there, and store when they were used, until the service stops."""
    while not service.stopping.is_set():
        try:
            await keyring.load(database)
            await keyring.note_use(database, time.time_ns() // 1_000_000)
            await service.pause(USE_NOTED_S)
        except DatabaseAwayError:
            await service.pause(1.0)
