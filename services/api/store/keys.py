"""The API's keys in Postgres: a name, what it may do, and the digest of a secret of 256 random bits."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import Literal

import msgspec
import psycopg

from services.api.store.database import Database

Rights = Literal["read", "write"]
PREFIX = "sg_"  #: so that a key is recognised where it was left lying


class NameTakenError(Exception):
    """A key of this name exists already."""


class Key(msgspec.Struct, frozen=True):
    """One key, as it is stored."""

    key_id: str
    name: str
    rights: Rights
    digest: bytes
    made_at: int
    used_at: int | None = None


def digest_of(secret: bytes) -> bytes:
    """Return the digest of *secret*; a fast hash is enough for 256 random bits."""
    return hashlib.sha256(secret).digest()


def new(name: str, rights: Rights, now: int) -> tuple[str, Key]:
    """Return a new secret, and its key."""
    secret = PREFIX + secrets.token_urlsafe(32)
    return secret, Key(uuid.uuid4().hex[:12], name, rights, digest_of(secret.encode()), now)


async def load(database: Database) -> list[Key]:
    """Return all keys, oldest first."""
    rows = await database.rows(
        "SELECT key_id, name, rights, digest, made_at, used_at FROM api_keys WHERE revoked_at IS NULL ORDER BY made_at"
    )
    return [Key(**row | {"digest": bytes(row["digest"])}) for row in rows]


async def save(database: Database, key: Key) -> None:
    """Store *key*; raise `NameTakenError`."""
    try:
        await database.execute(
            "INSERT INTO api_keys (key_id, name, rights, digest, made_at) VALUES (%s, %s, %s, %s, %s)",
            [key.key_id, key.name, key.rights, key.digest, key.made_at],
        )
    except psycopg.errors.UniqueViolation as error:
        raise NameTakenError(key.name) from error


async def revoke(database: Database, key_id: str, now: int) -> bool:
    """Return whether there was one to revoke."""
    query = "UPDATE api_keys SET revoked_at = %s WHERE key_id = %s AND revoked_at IS NULL"
    return bool(await database.execute(query, [now, key_id]))


async def used(database: Database, key_id: str, now: int) -> None:
    """Note when a key was used."""
    await database.execute("UPDATE api_keys SET used_at = %s WHERE key_id = %s", [now, key_id])
