"""The API's REST, of which the bot and the daily summary are clients."""

from __future__ import annotations

from typing import Any, Protocol

import httpx


class Api(Protocol):
    """The API as the bot uses it."""

    async def get(self, path: str, **query: Any) -> Any: ...
    async def send(self, method: str, path: str, body: Any = None) -> Any: ...


class HttpApi:
    """The API over HTTP."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(base_url=url, headers=headers, timeout=10.0, trust_env=False)

    async def get(self, path: str, **query: Any) -> Any:
        response = await self._client.get(path, params=query)
        response.raise_for_status()
        return response.json()

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        response = await self._client.request(method, path, json=body)
        response.raise_for_status()
        return response.json() if response.content else None

    async def close(self) -> None:
        await self._client.aclose()


def said(error: httpx.HTTPStatusError) -> str:
    """Return the API's sentence about an error."""
    try:
        detail = error.response.json().get("detail")
    except (ValueError, AttributeError):
        detail = None
    if isinstance(detail, list):  # one mistake each: as a sentence, or in FastAPI's form
        detail = "; ".join(str(item.get("msg", item)) if isinstance(item, dict) else str(item) for item in detail)
    return detail if isinstance(detail, str) and detail else f"The API refused: {error.response.status_code}"
