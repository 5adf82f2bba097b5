"""From nothing to a verified copy in a real Chromium: by mouse, and by keyboard only."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from stage import Portal, Rooms, simulated_portal, until
from stage.newcomer import PASSWORD, Newcomer, newcomer

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser tests")
OUTPUT = Path(__file__).parents[2] / "test-output"
DOCS = os.environ.get("ROOMKEEPER_SCREENSHOTS")
SERIOUS = {"serious", "critical"}
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


class Hand(Protocol):
    def fill(self, label: str, word: str) -> None: ...
    def tick(self, label: str) -> None: ...
    def press(self, button: str) -> None: ...


class Mouse:
    def __init__(self, page: Any) -> None:
        self._page = page

    def fill(self, label: str, word: str) -> None:
        self._page.get_by_label(label).fill(word)

    def tick(self, label: str) -> None:
        self._page.get_by_label(label).check()

    def press(self, button: str) -> None:
        self._page.get_by_role("button", name=button).click()


class Keyboard:
    """Goes on with Tab from where it is, and never touches anything."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def fill(self, label: str, word: str) -> None:
        self._reach(self._page.get_by_label(label))
        self._page.keyboard.press("Control+a")
        self._page.keyboard.type(word)

    def tick(self, label: str) -> None:
        self._reach(self._page.get_by_label(label))
        self._page.keyboard.press("Space")

    def press(self, button: str) -> None:
        self._reach(self._page.get_by_role("button", name=button))
        self._page.keyboard.press("Enter")

    def _reach(self, wanted: Any) -> None:
        for _ in range(60):
            if wanted.evaluate("one => one === document.activeElement"):
                return
            self._page.keyboard.press("Tab")
        raise AssertionError(f"{wanted} is not reached by Tab")


@pytest.fixture
def portal() -> Iterator[Portal]:
    with simulated_portal() as one:
        yield one


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Newcomer]:
    with newcomer(tmp_path) as one:
        yield one


def looked_at(page: Any, name: str, heading: str) -> None:
    """See that everybody can use the page, on a phone, too."""
    playwright.expect(page.get_by_role("heading", level=1)).to_contain_text(heading, timeout=60_000)
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = [
        (fault["id"], [node["html"][:200] for node in fault["nodes"]])
        for fault in axe.run(page).response["violations"]
        if fault["impact"] in SERIOUS
    ]
    assert found == []
    for folder in [OUTPUT, Path(DOCS)] if DOCS else []:
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"setup-{name}.png", full_page=True)
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.set_viewport_size(WIDE)


@pytest.mark.long
@pytest.mark.parametrize("hand_of", [Mouse, Keyboard])
def test_from_nothing_to_a_verified_copy(
    browser: Any, new: Newcomer, portal: Portal, hand_of: Callable[[Any], Hand]
) -> None:
    rooms = Rooms(portal)
    rooms.upload("Before.docx")
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    shown: list[str] = []
    asked: list[str] = []
    page.on("response", lambda answer: shown.append(answer.text()) if "/setup/" in answer.url and answer.ok else None)
    page.on("request", lambda sent: asked.append(sent.url))

    page.goto(new.link)
    set_up(page, hand_of(page), rooms, new.url)
    log_in(page, hand_of(page))
    until(lambda: [one["uri"] for one in portal.direct("GET", "/webhooks")] == [f"{new.url}/hooks/portal"])
    rooms.upload("First.docx")
    row = page.get_by_role("region", name="Latest runs").get_by_role("row").filter(has_text="copy-client-uploads")
    playwright.expect(row.first).to_contain_text("done", timeout=90_000)  # nobody reloads

    assert [one["title"] for one in portal.tree(rooms.internal)] == ["First.docx"]
    assert [one for one in asked if not one.startswith(new.url)] == []
    assert [one for one in shown if rooms.keeper_key in one or PASSWORD in one] == []
    context.close()


def test_what_to_do_at_a_vendor_stands_beside_the_fields_with_the_address_that_it_is_to_call(
    browser: Any, new: Newcomer, portal: Portal
) -> None:
    rooms = Rooms(portal)
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    hand = Mouse(page)

    page.goto(new.link)
    hand.fill("The portal's address", rooms.portal.url)
    hand.fill("API key", rooms.keeper_key)
    hand.press("go on")
    hand.tick("Archive a client's files when the CRM closes the deal")
    hand.tick("Open an investigation room for each new ticket")
    page.get_by_label("Where deals are closed").select_option("hubspot")
    page.get_by_label("Where tickets are opened").select_option("zendesk")
    hand.press("go on")
    hand.fill("The room that holds the archive", "Client: Acme")
    hand.press("go on")
    hand.fill("Public address", new.url)
    hand.fill("A password for these pages", PASSWORD)
    hand.press("go on")

    looked_at(page, "services", "CRM and helpdesk")
    told = page.get_by_role("region", name="Zendesk")
    playwright.expect(told).to_contain_text(f"{new.url}/hooks/support")
    playwright.expect(told).to_contain_text('"requester_email": "{{ticket.requester.email}}"')
    playwright.expect(page.get_by_role("region", name="HubSpot")).to_contain_text(f"{new.url}/hooks/sales")
    asked = page.get_by_label("Zendesk: api token").bounding_box()
    beside = told.bounding_box()
    assert asked["x"] + asked["width"] <= beside["x"]
    context.close()


def set_up(page: Any, hand: Hand, rooms: Rooms, url: str) -> None:
    looked_at(page, "portal", "The portal")
    hand.fill("The portal's address", rooms.portal.url)
    hand.fill("API key", rooms.keeper_key)
    hand.press("go on")
    playwright.expect(page.get_by_role("status").first).to_contain_text("acts as keeper")
    looked_at(page, "jobs", "What to do")
    hand.tick("Copy what a client uploads into an internal room")
    hand.press("go on")
    looked_at(page, "rooms", "The rooms")
    hand.fill("The room that clients upload to", "client")
    hand.fill("The room that gets the copies", "acme")
    hand.press("go on")
    playwright.expect(page.get_by_text("Several rooms are called so")).to_be_visible()
    looked_at(page, "rooms-again", "The rooms")
    hand.fill("The room that gets the copies", f"Acme (internal) ({rooms.internal})")
    hand.press("go on")
    looked_at(page, "arrival", "How things arrive")
    hand.fill("Public address", url)
    hand.fill("A password for these pages", PASSWORD)
    hand.press("go on")
    playwright.expect(page.get_by_text("copy_files would:")).to_be_visible()
    playwright.expect(page.get_by_text("Before.docx").first).to_be_visible()
    looked_at(page, "review", "Look it over")
    hand.press("Switch it on")


def log_in(page: Any, hand: Hand) -> None:
    playwright.expect(page.get_by_role("heading", name="Log in")).to_be_visible(timeout=60_000)  # it comes by itself
    hand.fill("Name", "admin")
    hand.fill("Password", PASSWORD)
    hand.press("Log in")
    playwright.expect(page.get_by_text("Nothing has arrived yet")).to_be_visible()
    looked_at(page, "waiting", "All is well")
