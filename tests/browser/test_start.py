"""The page's start: a file that could not be fetched does not leave it empty."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.conftest import Api

pytestmark = pytest.mark.browser
MODULES = re.compile(r"/assets/(?!start)[^/]*\.js$")


def test_a_script_that_fails_once_is_fetched_again(context: BrowserContext, api: Api) -> None:
    """A connection that ended in its midst costs a second, not the page."""
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route.request.url)
        route.abort("connectionreset")

    context.route(MODULES, refuse_once)
    page = context.new_page()
    page.goto(api.address)
    expect(page.locator(".fresh")).to_contain_text("waiting for prices")
    assert len(refused) == 1
    assert page.evaluate("() => sessionStorage.getItem('sevengate-loads')") is None


def test_a_page_without_its_scripts_says_how_to_go_on(context: BrowserContext, api: Api) -> None:
    """After three more loads it stops, and its text stays."""
    documents: list[str] = []
    context.route(MODULES, lambda route: route.abort("connectionreset"))
    page = context.new_page()
    page.on("request", lambda request: documents.append(request.url) if request.is_navigation_request() else None)
    page.goto(api.address)
    page.wait_for_function("() => sessionStorage.getItem('sevengate-loads') === '3'")
    with page.expect_request(lambda request: request.is_navigation_request()):
        pass  # the last load, three seconds later
    expect(page.get_by_text("If this stays")).to_be_visible()
    assert len(documents) == 4
    context.unroute(MODULES)
    page.get_by_role("link", name="load the page again").click()
    expect(page.locator(".fresh")).to_contain_text("waiting for prices")


def test_a_page_that_cannot_be_drawn_says_so(context: BrowserContext, api: Api) -> None:
    """An answer that the page cannot read leaves a sentence and a way on, not an empty screen."""
    context.route("**/api/status", lambda route: route.fulfill(json={}))
    page = context.new_page()
    page.goto(api.address)
    expect(page.get_by_role("alert")).to_contain_text("This page cannot be drawn")
    context.unroute("**/api/status")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".fresh")).to_contain_text("waiting for prices")


def test_the_board_is_drawn_while_the_link_signs_in(context: BrowserContext, api: Api) -> None:
    """Grey cards stand at once; after some seconds without an answer a sentence says what to do; then it goes on."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    context.route("**/api/session", hold)
    page = context.new_page()
    page.goto(f"{api.address}/#token={api.token}")
    expect(page.locator(".skeleton .card").first).to_be_visible()
    expect(page).to_have_url(f"{api.address}/#/board")
    expect(page.locator(".hint")).to_contain_text("see in the terminal whether it runs")
    held[0].continue_()
    context.unroute_all()
    expect(page.locator(".fresh")).to_contain_text("waiting for prices")
    expect(page.get_by_text("Signing in takes longer")).to_have_count(0)
    expect(page.get_by_role("dialog", name="Sign in")).to_be_hidden()


def test_a_link_that_does_not_sign_in_says_why(context: BrowserContext, api: Api) -> None:
    """The dialog has the reason and the fields to go on with; the board is there behind it."""
    page = context.new_page()
    page.goto(f"{api.address}/#token=of-another-installation")
    dialog = page.get_by_role("dialog", name="Sign in")
    expect(dialog.get_by_role("alert")).to_contain_text("The link did not sign you in")
    dialog.get_by_role("button", name="Not now").click()
    expect(page.locator(".fresh")).to_contain_text("waiting for prices")
