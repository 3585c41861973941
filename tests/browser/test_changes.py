"""Changes on the page: settings, price alerts, mutes; and the rights that they need."""

from __future__ import annotations

import time

import httpx
import pytest
from playwright.sync_api import Page, expect

from shared.contracts import Stream
from shared.reports import HeardChat
from tests.browser.conftest import Api
from tests.integration.api import facts

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def test_settings_are_checked_saved_and_undone(owner: Page, api: Api) -> None:
    """A mistake shows before it is saved; a good value is saved, appears in the history, and is undone there."""
    owner.goto(f"{api.address}/#/settings")
    field = owner.locator('[data-setting="thresholds.score"] input')
    changes = owner.get_by_role("region", name="Changes")
    field.fill("170")
    field.blur()
    expect(changes.get_by_role("alert")).to_contain_text("has to be 100 or less")
    expect(changes.get_by_role("button", name="Save")).to_be_disabled()
    field.fill("71")
    field.blur()
    expect(changes).to_contain_text("thresholds.score 65 → 71")
    changes.get_by_role("button", name="Save").click()
    history = owner.get_by_role("region", name="History")
    expect(history).to_contain_text("thresholds.score: 71")
    assert httpx.get(f"{api.address}/api/config").json()["value"]["thresholds"]["score"] == 71
    history.get_by_role("button", name="undo").click()
    expect(field).to_have_value("65")
    assert httpx.get(f"{api.address}/api/config").json()["value"]["thresholds"]["score"] == 65


def test_a_threshold_is_previewed_before_it_is_saved(owner: Page, api: Api) -> None:
    """Without stored scans that is said; with them, how many signals it would have come to; nothing is saved."""
    owner.goto(f"{api.address}/#/settings")
    field = owner.locator('[data-setting="thresholds.score"] input')
    preview = owner.get_by_role("region", name="Preview")
    field.fill("50")
    field.blur()
    expect(preview).to_contain_text("In the last 7 days")
    expect(preview).not_to_contain_text("Judging the stored scans again")
    expect(preview).not_to_contain_text("signals instead of")
    api.send_a_scan()
    for _ in range(100):
        if (httpx.get(f"{api.address}/api/scans").json()["items"] or [{}])[0].get("settled_at"):
            break
        time.sleep(0.1)
    field.fill("55")
    field.blur()
    expect(preview).to_contain_text("signals instead of")
    assert httpx.get(f"{api.address}/api/config").json()["value"]["thresholds"]["score"] == 65


def test_a_destination_and_its_route_are_made_tested_and_changed(owner: Page, api: Api) -> None:
    """An e-mail with all its fields; its password is not shown again and survives a change; then its route."""
    owner.goto(f"{api.address}/#/settings")
    panel = owner.locator("#section-destinations")
    panel.get_by_role("button", name="Add a destination").click()
    form = panel.get_by_role("form", name="Add a destination")
    form.get_by_role("button", name="E-mail").click()
    values = {"Name": "post", "Host": "mail.example.org", "Sender": "a@example.org", "To": "me@example.org"}
    for label, text in (values | {"Password": "hush"}).items():
        form.get_by_label(label, exact=True).fill(text)
    form.get_by_role("button", name="Save").click()
    row = panel.locator('[data-destination="post"]')
    row.get_by_role("button", name="Send a test").click()
    expect(owner.locator(".notes")).to_contain_text("A test is on its way to post")
    row.get_by_role("button", name="Edit").click()
    expect(row.get_by_label("Password")).not_to_have_value("hush")
    row.get_by_label("Port").fill("2525")
    row.get_by_label("Port").blur()
    row.get_by_role("button", name="Save").click()
    expect(row.get_by_role("button", name="Save")).to_be_hidden()
    routes = owner.locator("#section-routes")
    routes.get_by_role("button", name="Edit").click()
    routes.get_by_label("signal", exact=True).check()
    routes.get_by_label("Score from").fill("70")
    routes.get_by_label("Score from").blur()
    routes.get_by_role("button", name="Save").click()
    expect(routes).to_contain_text("signal → post: score from 70")
    held = httpx.get(f"{api.address}/api/config").json()["value"]
    assert held["destinations"]["post"]["port"] == 2525
    assert held["destinations"]["post"]["password"]
    assert held["routes"][0]["kinds"] == ["signal"]


def test_the_set_up_finds_the_chat_that_wrote_to_the_bot(owner: Page, api: Api) -> None:
    """Without a token it says what to do; a message makes the chat appear; it is saved, tested, done."""
    owner.goto(f"{api.address}/#/setup")
    owner.get_by_role("button", name="Next").click()
    expect(owner.get_by_text("The notifier has not reported its bot yet")).to_be_visible()
    api.report(lambda reports: reports.token("accepted", "seven_bot"))
    expect(owner.get_by_text("Waiting for a message")).to_be_visible()
    chat = HeardChat(chat_id="4711", title="Ada", kind="private", at=time.time_ns() // 1_000_000)
    api.report(lambda reports: reports.heard(chat))
    owner.get_by_label("Ada").check()
    owner.get_by_role("button", name="Save").click()
    owner.get_by_role("button", name="Send a test").click()
    expect(owner.get_by_text("On its way")).to_be_visible()
    owner.get_by_role("button", name="Done").click()
    expect(owner).to_have_url(f"{api.address}/#/board")
    held = httpx.get(f"{api.address}/api/config").json()["value"]
    assert held["destinations"]["phone"]["chat_id"] == "4711"
    assert held["routes"] == [held["routes"][0] | {"destinations": ["phone"]}]


def test_a_change_without_a_key_asks_for_one(page: Page, api: Api) -> None:
    """The dialog takes the set-up token; then the same change goes through."""
    api.send_a_scan()
    page.goto(f"{api.address}/#/coin/AAAUSDT")
    page.get_by_role("button", name="Mute 2 h").click()
    dialog = page.get_by_role("dialog", name="Sign in")
    dialog.get_by_label("Set-up token or key").fill("wrong")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_label("Set-up token or key").fill(api.token)
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Mute 2 h").click()
    expect(page.locator(".notes")).to_contain_text("AAA is muted for 2 h")
    page.goto(f"{api.address}/#/watches")
    expect(page.get_by_role("button", name="unmute")).to_be_visible()


def test_a_price_alert_is_set_fires_and_is_removed(owner: Page, api: Api) -> None:
    """Set on the coin's page, fired by the gatekeeper, shown among the alerts and on the list."""
    api.send_a_scan()
    owner.goto(f"{api.address}/#/coin/AAAUSDT")
    owner.get_by_label("Price alert at").fill("120")
    owner.get_by_role("button", name="Set alert").click()
    expect(owner.locator(".notes")).to_contain_text("Alert set: AAA above 120")
    held = httpx.get(f"{api.address}/api/price-alerts").json()["items"]
    assert [(item["symbol"], item["condition"], item["value"]) for item in held] == [("AAAUSDT", "above", 120.0)]
    api.send(Stream.ALERTS, facts.price_alert_fired(held[0]["price_alert_id"]))
    owner.goto(f"{api.address}/#/alerts")
    expect(owner.locator(".alert-list .kind.price")).to_have_count(1)
    owner.goto(f"{api.address}/#/watches")
    expect(owner.locator(".rows")).to_contain_text("fired")
    owner.get_by_role("button", name="Remove the alert of AAA").click()
    expect(owner.get_by_text("None set.")).to_be_visible()
