"""Secrets among the settings, encrypted on the bus: AES-GCM with a key that never travels there.

A sealed secret is bound to its path in the settings, so that it cannot be moved to a setting that would
show it or send it elsewhere.  A service without the key gets the settings without the secrets' parts.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from shared.settings import RuntimeSettings

MARK: Final = "sealed:1:"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
NEED_SECRETS: Final = ("destinations", "routes", "heartbeat_url")  #: settings that are unusable without their secrets

Path = tuple[str, ...]


class SealError(ValueError):
    """The secret was sealed with another key, or changed since."""


def new_key() -> str:
    """Return a new key in its file's form."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def seal(secret: str, key: str, path: Path) -> str:
    """Return *secret* sealed for its place *path*."""
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(_bytes_of(key)).encrypt(nonce, secret.encode(), _place(path))
    return MARK + base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(text: str, key: str, path: Path) -> str:
    """Return the secret that was sealed as *text* for *path*; raise `SealError`."""
    try:
        data = base64.urlsafe_b64decode(text.removeprefix(MARK))
        return AESGCM(_bytes_of(key)).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], _place(path)).decode()
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise SealError(f"{'.'.join(path)}: sealed with another key (SEVENGATE_SETTINGS_KEY)") from error


def sealed(settings: RuntimeSettings, key: str) -> dict[str, Any]:
    """Return *settings* in the bus's form: JSON-able, every secret sealed."""
    return _seal(settings.model_dump(mode="python"), key, ())  # type: ignore[no-any-return]


def settings_from(value: Mapping[str, Any], key: str) -> RuntimeSettings:
    """Return the settings in *value*, which came over the bus; raise `SealError` or `ValidationError`.

    Without a key they are those that need no secret: no destination, no route, no heartbeat.
    """
    if not key and any(is_sealed(value.get(name)) for name in NEED_SECRETS):
        return RuntimeSettings.model_validate({name: part for name, part in value.items() if name not in NEED_SECRETS})
    return RuntimeSettings.model_validate(_unseal(value, key, ()))


def is_sealed(value: Any) -> bool:
    """Return whether anything in *value* is sealed."""
    if isinstance(value, Mapping):
        return any(is_sealed(item) for item in value.values())
    return isinstance(value, str) and value.startswith(MARK)


def _seal(value: Any, key: str, path: Path) -> Any:
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        return seal(secret, key, path) if secret else ""
    if isinstance(value, dict):
        return {name: _seal(item, key, (*path, str(name))) for name, item in value.items()}
    return [_seal(item, key, path) for item in value] if isinstance(value, list | tuple) else value


def _unseal(value: Any, key: str, path: Path) -> Any:
    if isinstance(value, str) and value.startswith(MARK):
        return unseal(value, key, path)
    if isinstance(value, Mapping):
        return {name: _unseal(item, key, (*path, str(name))) for name, item in value.items()}
    return value


def _bytes_of(key: str) -> bytes:
    return base64.urlsafe_b64decode(key)


def _place(path: Path) -> bytes:
    return "\0".join(path).encode()
