"""The API as the command line sees it."""

from __future__ import annotations

from typing import Any

import httpx

from services.terminal.house import running_api
from shared.settings import Environment


class ApiError(Exception):
    """The API did not give what was asked; the text says why and what to do."""


def request(method: str, path: str, *, body: Any = None, query: dict[str, str] | None = None) -> Any:
    """Call the API and return its JSON; raise `ApiError`."""
    environment = Environment()
    key = environment.api_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = environment.api_url.rstrip("/") or running_api(environment.data_dir) or environment.api_address
    try:
        answer = httpx.request(method, f"{url}{path}", json=body, params=query, headers=headers, timeout=30.0)
    except httpx.HTTPError as error:
        raise ApiError(
            f"the API does not answer at {url} ({type(error).__name__}): is Sevengate running (./sevengate up)?"
            " SEVENGATE_API_URL says where it is"
        ) from error
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise ApiError("the API wants a key: set SEVENGATE_API_KEY (or SEVENGATE_API_KEY_FILE)")
    if answer.is_error:
        raise ApiError(f"the API answers {answer.status_code}: {_detail(answer)}")
    return answer.json() if answer.content else None


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.text))[:500]
    except (ValueError, AttributeError):
        return answer.text[:500]
