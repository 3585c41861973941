"""The webhook's body, its schema, its template and its signature."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import yaml
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from scripts.webhook_schema import schema
from services.notifier.cli import sample_alerts as samples
from services.notifier.rendering.text import text_of
from services.notifier.rendering.webhook_payload import payload_of
from shared.channels.webhook import WebhookDestination, body_of, headers_of, signature
from shared.contracts import Alert
from shared.sending.channel import Outgoing
from shared.sending.http import refusal
from shared.sending.results import Rejected
from shared.settings import RuntimeSettings

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "webhook.schema.json"
SECRET = "whsec_c2V2ZW5nYXRlLXNldmVuZ2F0ZS1zZXZlbmdhdGU="
ALERTS = (
    samples.signal(),
    samples.lifecycle(),
    samples.group(),
    samples.price(),
    samples.anomaly(),
    samples.system(),
)


def outgoing(alert: Alert) -> Outgoing:
    text = text_of(alert)
    return Outgoing(alert, "house", text, RuntimeSettings(), card=lambda: None, payload=lambda: payload_of(alert, text))


def hook(**more: Any) -> WebhookDestination:
    return WebhookDestination.model_validate({"channel": "webhook", "url": "https://example.org/x", **more})


def test_the_committed_schema_is_the_contracts() -> None:
    """A contract that changes changes the schema, and that is seen in the diff."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.kind)
def test_every_kind_fulfils_the_schema(alert: Alert) -> None:
    """And a body that lacks a field does not."""
    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text(encoding="utf-8")))
    body = json.loads(body_of(outgoing(alert), hook()))
    validator.validate(body)
    del body["body"]
    assert not validator.is_valid(body)


def test_a_number_that_is_not_finite_is_null() -> None:
    """JSON has no NaN."""
    body = msgspec.structs.replace(samples.anomaly().body, price=float("nan"))
    alert = msgspec.structs.replace(samples.anomaly(), body=body)
    assert json.loads(body_of(outgoing(alert), hook()))["body"]["price"] is None


def test_a_template_makes_the_body() -> None:
    """Home Assistant, ntfy and their like get what they expect."""
    made = body_of(
        outgoing(samples.signal()), hook(template='{"message": {{ title | tojson }}, "p": {{ levels.entry }}}')
    )
    assert json.loads(made) == {"message": "▲ LONG SOLUSDT", "p": 142.0}


def documented() -> dict[str, WebhookDestination]:
    """Return the destinations that docs/webhook.md shows."""
    (example,) = re.findall(r"```yaml\n(.*?)```", (SCHEMA.parent / "webhook.md").read_text(encoding="utf-8"), re.DOTALL)
    settings = RuntimeSettings.model_validate(yaml.safe_load(example))
    return {name: hook for name, hook in settings.destinations.items() if isinstance(hook, WebhookDestination)}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.kind)
@pytest.mark.parametrize("name", documented())
def test_the_documented_templates_work_for_every_kind(name: str, alert: Alert) -> None:
    """What ntfy, n8n, Home Assistant and the others are sent is JSON where it says so, whatever the alert."""
    hook = documented()[name]
    body = body_of(outgoing(alert), hook)
    text = text_of(alert)
    match name:
        case "ntfy":
            expected = {"topic": "sevengate", "title": text.title, "message": text.plain, "priority": 4}
            assert json.loads(body) == expected
        case "n8n":
            assert json.loads(body)["version"] == 1
        case "home_assistant":
            entry = 142.0 if alert.kind in ("signal", "lifecycle") else None
            assert json.loads(body) == {"symbol": alert.symbol, "side": alert.side, "entry": entry}
        case "trading_view_style":
            assert hook.content_type == "text/plain"
            assert body.startswith(f"{alert.side or '-'} {alert.symbol}")
        case _:
            pytest.fail(f"{name} is shown, and nothing says what it has to receive")


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ title.__init__.__globals__ }}",
        "{{ nothing }}",
        "{% for n in range(10**9) %}x{% endfor %}",
        "{{ 1 / 0 }}",
        "{{ body.update({'a': 1}) }}",
    ],
)
def test_a_template_is_locked_in(template: str) -> None:
    """What reaches out of the sandbox, or fails, is a rejection with a reason."""
    with pytest.raises(Rejected, match="template failed"):
        body_of(outgoing(samples.signal()), hook(template=template))


def test_a_signature_holds_for_its_body_alone() -> None:
    """The library of the scheme verifies it; a changed body is refused; an id outside ASCII is spelled out."""
    headers = signature(SECRET, "anomaly:币安", datetime.now(UTC), "{}")
    Webhook(SECRET).verify("{}", headers)
    assert headers["webhook-id"].isascii()
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify('{"a":1}', headers)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ({"headers": {"X": "a\r\nHost: eve"}}, "a line break in a header"),
        ({"headers": {"X\nHost": "eve"}}, "a line break in a header"),
        ({"content_type": "text/plain\r\nHost: eve"}, "a line break in a header"),
        ({"template": "a\n{{ title "}, "line 2 of the template: unexpected end of template"),
    ],
)
def test_a_webhook_that_could_never_be_sent_is_not_saved(mistake: dict[str, Any], said: str) -> None:
    """Nothing can be smuggled behind a header, and what is wrong is said before the first alert."""
    with pytest.raises(ValidationError, match=said):
        hook(**mistake)


def test_a_secret_that_is_none_is_a_rejection() -> None:
    """Rather than a body without a signature."""
    with pytest.raises(Rejected, match="bad secret"):
        headers_of(outgoing(samples.signal()), hook(secret="whsec_…"), "")


def test_a_header_of_ones_own_is_sent_and_never_shown() -> None:
    """A receiver's token is as secret as an address."""
    chosen = hook(headers={"Authorization": "Bearer tk_1"})
    assert headers_of(outgoing(samples.signal()), chosen, "")["Authorization"] == "Bearer tk_1"
    assert "tk_1" not in f"{chosen!r}{chosen.model_dump_json()}"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (500, "Later"),
        (502, "Later"),
        (429, "Later"),
        (400, "Rejected"),
        (403, "Suspended"),
        (410, "Suspended"),
        (302, "Rejected"),
    ],
)
def test_each_http_status_has_its_meaning(status: int, outcome: str) -> None:
    """Later is tried again, rejected is not, suspended leaves the destination alone."""
    assert type(refusal(status, None)).__name__ == outcome
