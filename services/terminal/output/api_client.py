"""The API as the command line sees it."""

from __future__ import annotations

from typing import Any

import httpx

from services.terminal.local.data_folder import running_api
from shared.config.environment import Environment
from shared.network.proxies import ProxyError, proxy_for


class ApiError(Exception):
    """A request to the API failed; the text says why and what to do."""


def request(method: str, path: str, *, body: Any = None, query: dict[str, str] | None = None) -> Any:
    """Call the API and return its JSON; raise `ApiError`."""
    environment = Environment()
    key = environment.api_credential
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = environment.api_url.rstrip("/") or running_api(environment.data_dir) or environment.api_address
    try:
        transport = httpx.HTTPTransport(proxy=proxy_for(url))
        with httpx.Client(transport=transport, trust_env=False, timeout=30.0) as client:
            answer = client.request(method, f"{url}{path}", json=body, params=query, headers=headers)
    except ProxyError as error:
        raise ApiError(str(error)) from error
    except httpx.HTTPError as error:
        raise ApiError(
            f"the API does not answer at {url} ({type(error).__name__}): is Sevengate running (./sevengate up)?"
            " SEVENGATE_API_URL says where it is"
        ) from error
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise ApiError(f"{_detail(answer)}: set SEVENGATE_API_KEY (or SEVENGATE_API_KEY_FILE)")
    if answer.is_error:
        raise ApiError(f"the API answers {answer.status_code}: {_detail(answer)}")
    return answer.json() if answer.content else None


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.text))[:500]
    except (ValueError, AttributeError):
        return answer.text[:500]
