"""The operator's desk in a real Chromium: what an operator does there, and whether everybody can use it."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from people import DASHBOARD, PASSWORDS, with_logins
from stage import NOTE, ClosingDeals, Keeper, simulated_portal, until

OUTPUT = Path(__file__).parents[2] / "test-output"
DOCS = os.environ.get("ROOMKEEPER_SCREENSHOTS")  # where the pictures of the documentation go, if they are to be made
SERIOUS = {"serious", "critical"}
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser tests")
Make = Callable[..., Keeper]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ClosingDeals, Keeper]]:
    """A client's room whose uploads are copied, and which is archived when its deal is closed and somebody approves."""
    with simulated_portal() as portal:
        scene = ClosingDeals(portal)
        copies = {"do": "copy_files", "with": {"to": scene.room("Northwind (internal)")}}
        copy = {
            "name": "copy-client-uploads",
            "on": "file.uploaded",
            "where": {"room": scene.client},
            "steps": [copies],
        }
        archive = scene.automation(NOTE, approve_over=1)
        folder = tmp_path_factory.mktemp("desk")
        others = {"hubspot": scene.connection("hubspot")}
        automations = [copy | {"steps": [copies]}, archive]
        keeper = with_logins(
            Keeper(folder, portal, scene.keeper_key, automations, others=others, top={"dashboard": DASHBOARD})
        )
        keeper.start()
        keeper.register()
        yield scene, keeper
        keeper.stop()


@pytest.fixture
def page(browser: Any, stage: tuple[ClosingDeals, Keeper]) -> Iterator[Any]:
    """A page of somebody who is logged in; whatever the browser complains of is a fault."""
    context = browser.new_context(base_url=stage[1].url, viewport=WIDE)
    one = context.new_page()
    complaints: list[str] = []
    one.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    one.on("pageerror", lambda error: complaints.append(str(error)))
    one.on("request", lambda sent: complaints.append(sent.url) if not sent.url.startswith(stage[1].url) else None)
    log_in(one)
    yield one
    context.close()
    assert [one for one in complaints if "status of 4" not in one] == []


def log_in(page: Any, name: str = "ann") -> None:
    page.goto("/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORDS[name])
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("navigation", name="Pages").wait_for()


def picture(page: Any, name: str, *, for_docs: bool = False) -> None:
    """Take a picture, where pictures are wanted (`make screenshots`)."""
    for folder in [OUTPUT, *([Path(DOCS)] if for_docs else [])] if DOCS else []:
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", full_page=True)


def a_run(stage: tuple[ClosingDeals, Keeper]) -> None:
    """See that there is a run to look at: each test can be run alone."""
    scene, keeper = stage
    if not keeper.runs():
        scene.upload("Offer.docx")
        keeper.settle(lambda: bool(keeper.runs()))


def order(page: Any, name: str) -> str:
    """Order something: read what it will do, then say yes."""
    page.get_by_role("link", name=name, exact=True).click()
    said = str(page.locator(".will").inner_text())
    page.get_by_role("button", name=name, exact=True).click()
    return said


def test_an_operator_sees_a_run_go_through_and_what_it_called(page: Any, stage: tuple[ClosingDeals, Keeper]) -> None:
    scene, _ = stage
    page.goto("/")
    playwright.expect(page.get_by_role("status")).to_have_text("This page is live.", timeout=30_000)

    scene.upload("Offer.docx")
    row = page.get_by_role("region", name="Latest runs").get_by_role("row").filter(has_text="copy-client-uploads")
    playwright.expect(row.first).to_contain_text("done", timeout=90_000)  # nobody reloads
    row.first.get_by_role("link").first.click()

    playwright.expect(page.get_by_role("heading", level=1)).to_contain_text("copy-client-uploads")
    calls = page.locator("details", has_text="calls to services")
    calls.locator("summary").click()
    playwright.expect(calls).to_contain_text("PUT /files/fileops/copy")
    picture(page, "a-run")
    page.get_by_role("region", name="Events of this run").get_by_role("link").first.click()
    playwright.expect(page.get_by_text("Verified: it proved")).to_be_visible()
    playwright.expect(page.get_by_role("row", name="archive-closed-deal")).to_contain_text("it listens to deal.closed")
    picture(page, "an-event")


def test_an_operator_retries_a_failed_run_from_its_step(page: Any, stage: tuple[ClosingDeals, Keeper]) -> None:
    scene, _ = stage
    refusal = {"kind": "status", "status": 403, "path": "/files/fileops/copy", "times": 1000}
    scene.portal.direct("PUT", "/faults", json=[refusal])
    scene.upload("Refused.docx")
    page.goto("/")
    card = page.locator(".card.bad", has_text="copy-client-uploads").first
    card.wait_for(timeout=90_000)
    playwright.expect(page.get_by_role("heading", level=1)).to_contain_text("needs a person")
    picture(page, "now-with-trouble")
    scene.portal.direct("PUT", "/faults", json=[])

    card.get_by_role("link", name="See what can be done").click()
    said = order(page, "Retry from the step that failed")

    assert "It goes on with: copy_files." in said
    playwright.expect(page.get_by_role("heading", level=1)).to_contain_text("done", timeout=90_000)
    playwright.expect(page.get_by_text("ann, on the page retried run")).to_be_visible()


def test_an_operator_approves_an_archive_and_undoes_it(page: Any, stage: tuple[ClosingDeals, Keeper]) -> None:
    scene, keeper = stage
    for number in range(3):
        scene.upload(f"Bill {number}.docx")
    keeper.settle()
    files = len(scene.portal.tree(scene.client))
    scene.close(keeper, scene.deal(), "hubspot")
    page.goto("/")
    card = page.locator(".card.bad", has_text="archive-closed-deal").first
    card.get_by_role("link", name="See what can be done").click(timeout=90_000)
    playwright.expect(page.get_by_text("What it planned")).to_be_visible()
    picture(page, "a-run-that-asks")

    said = order(page, "Approve")
    assert f"{files} files" in said
    assert "then revoke_guest: end the access of" in said
    assert "For good: Access that ended is not given back by undoing" in said
    playwright.expect(page.get_by_role("heading", level=1)).to_contain_text("done", timeout=90_000)
    assert scene.portal.tree(scene.client) == []
    page.locator("summary", has_text="Report").click()
    playwright.expect(page.get_by_role("region", name="Report")).to_contain_text("Bill 1.docx")
    picture(page, "an-archive")

    said = order(page, "Undo")
    assert f"puts {files} moved files back" in said
    playwright.expect(page.get_by_role("heading", level=1)).to_contain_text("done", timeout=90_000)
    until(lambda: len(scene.portal.tree(scene.client)) == files)
    scene.share(scene.client, scene.guest, 11, by=scene.keeper_key)  # access that ended is not given back by undoing


def test_an_operator_pauses_an_automation_and_tries_it(page: Any, stage: tuple[ClosingDeals, Keeper]) -> None:
    scene, keeper = stage
    page.goto("/automations")
    page.get_by_role("link", name="copy-client-uploads").first.click()
    said = order(page, "Pause")
    assert "Events are collected, and none is lost." in said
    playwright.expect(page.get_by_text("Paused by ann, on the page")).to_be_visible()
    before = len(keeper.runs())
    scene.upload("Meanwhile.docx")
    playwright.expect(page.get_by_text("1 event waits")).to_be_visible(timeout=90_000)
    assert len(keeper.runs()) == before

    page.get_by_role("button", name="Try").click()
    playwright.expect(page.get_by_text("Nothing was written")).to_be_visible()
    playwright.expect(page.locator(".steps")).to_contain_text("copy")
    picture(page, "a-trial")
    page.get_by_role("link", name="Back to").click()
    order(page, "Resume")
    keeper.settle(lambda: len(keeper.runs()) == before + 1)


def test_an_operator_finds_a_file_and_a_room(page: Any, stage: tuple[ClosingDeals, Keeper]) -> None:
    scene, keeper = stage
    before = len(keeper.runs())
    scene.upload("Letter 7.docx")
    keeper.settle(lambda: len(keeper.runs()) > before)
    for text, found in (("letter 7", "Letter 7.docx"), (str(scene.client), "Northwind")):
        page.get_by_role("searchbox").fill(text)
        page.get_by_role("searchbox").press("Enter")
        playwright.expect(page.locator("main")).to_contain_text(found)
        playwright.expect(page.get_by_role("region", name="Runs found")).to_be_visible()
    page.goto("/runs?kind=file&about=Letter+7")
    assert page.get_by_role("row").count() > 1
    page.goto("/search?q=no-such-thing")
    playwright.expect(page.get_by_text("Nothing is known of")).to_be_visible()


def test_a_viewer_sees_no_orders(browser: Any, stage: tuple[ClosingDeals, Keeper]) -> None:
    a_run(stage)
    context = browser.new_context(base_url=stage[1].url, viewport=WIDE)
    one = context.new_page()
    log_in(one, "bob")

    one.goto("/runs/1")
    assert one.get_by_role("link", name="Retry from the start").count() == 0
    playwright.expect(one.get_by_text("An operator can")).to_be_visible()
    one.goto("/runs/1/restart")
    playwright.expect(one.get_by_text("You may look, and not act")).to_be_visible()
    context.close()


def test_times_are_those_of_whoever_looks(browser: Any, stage: tuple[ClosingDeals, Keeper]) -> None:
    a_run(stage)
    context = browser.new_context(base_url=stage[1].url, viewport=WIDE, timezone_id="Asia/Kolkata")
    one = context.new_page()
    log_in(one)
    one.goto("/events/1")
    shown = one.locator("time").first
    moment = datetime.fromisoformat(shown.get_attribute("datetime"))

    assert shown.inner_text() == moment.astimezone(ZoneInfo("Asia/Kolkata")).strftime("%Y-%m-%d %H:%M:%S")
    assert shown.get_attribute("title") == moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    playwright.expect(one.get_by_text("Times are those of Asia/")).to_be_visible()
    context.close()


def test_an_operator_finds_a_mistake_in_the_configuration_mends_it_and_publishes(
    page: Any, stage: tuple[ClosingDeals, Keeper]
) -> None:
    page.goto("/configuration")
    editor = page.get_by_label("The text")
    text = editor.input_value()
    wrong = text.replace('"copy_files"', '"copy_fiels"', 1)
    editor.fill(wrong)
    page.get_by_role("button", name="Check").click()
    page.get_by_role("link", name="Line").first.click()
    place = "document.getElementById('editor')"
    marked = page.evaluate(f"{place}.value.slice({place}.selectionStart, {place}.selectionEnd)")
    assert "copy_fiels" in marked
    picture(page, "a-mistake")

    editor.fill(f"# Read by {len(text)} people\n{text}")
    page.get_by_role("button", name="Check").click()
    playwright.expect(page.get_by_text("It is in order")).to_be_visible()
    page.get_by_role("button", name="Try it").click()
    playwright.expect(page.get_by_role("heading", name="What it would do")).to_be_visible(timeout=60_000)
    picture(page, "a-text-that-is-tried")
    page.get_by_label("Why").fill("so that it is known")
    picture(page, "a-change")
    page.get_by_role("button", name="Publish").click()

    newest = page.get_by_role("region", name="Versions that were run").get_by_role("row").nth(1)
    playwright.expect(newest).to_contain_text("so that it is known", timeout=60_000)
    playwright.expect(newest).to_contain_text("ann, on the page")
    assert stage[1].file.read_text().startswith("# Read by")


TEXT = """\
version: 1
connections:
  acme:
    type: docspace
    url: https://acme.example
automations:
  - name: copy
    on: file.uploaded
    where:
      room: 1
    steps:
      - do: copy_files
        with:
          to: 2
"""
#: Where somebody is about to write, and what is offered there, the first of it; nothing where nothing can be known.
OFFERED: dict[str, tuple[str, list[str]]] = {
    "a section of the file": ("version: 1\nst|", ["store"]),
    "a setting of a connection": (TEXT.replace("url: https://acme.example", "api|"), ["api_key"]),
    "a kind of connection": (TEXT.replace("type: docspace", "type: docs|"), ["docspace"]),
    "a field of an automation": (TEXT.replace("on: file.uploaded", "ga|"), ["gather"]),
    "an event": (TEXT.replace("file.uploaded", "file.upl|"), ["file.uploaded"]),
    "what can be asked of an event": (TEXT.replace("room: 1", "ext|"), ["extension"]),
    "a step": (TEXT.replace("copy_files", "copy|"), ["copy_files"]),
    "the first word of a step": (TEXT + "      - d|", ["do"]),
    "another word of a step": (TEXT + "        v|", ["via"]),
    "a setting of a step": (TEXT + "          on_c|", ["on_conflict"]),
    "a setting of a step that is written before": (TEXT.replace("to: 2", "|"), ["to", "on_conflict"]),
    "a connection": (TEXT + "        via: a|", ["acme"]),
    "a value that can be anything": (TEXT.replace("to: 2", "to: |"), []),
}


def _at(editor: Any, place: int) -> None:
    """Put the caret there, as a click or a key does."""
    editor.evaluate(f"one => one.setSelectionRange({place}, {place})")
    editor.dispatch_event("keyup")


def test_the_editor_offers_what_may_stand_where_one_writes(page: Any) -> None:
    page.goto("/configuration")
    page.wait_for_load_state("networkidle")  # the words are there
    editor = page.get_by_label("The text")
    for place, (text, offered) in OFFERED.items():
        before, after = text.split("|")
        editor.fill(before + after)
        editor.focus()
        _at(editor, len(before))

        seen = page.locator("#offered button").all_inner_texts()
        fits = seen[: len(offered)] == offered if offered and len(offered) == 1 else set(offered) <= set(seen)
        assert fits, (place, seen)
        assert bool(seen) is bool(offered), place


def test_what_was_typed_outlives_the_session(page: Any) -> None:
    page.goto("/configuration")
    editor = page.get_by_label("The text")
    typed = f"# somebody's long work\n{editor.input_value()}"
    editor.fill(typed)
    page.context.clear_cookies()
    page.get_by_role("button", name="Check, and show the difference").click()
    playwright.expect(page.get_by_role("alert")).to_contain_text("what you sent was not done")
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill(PASSWORDS["ann"])
    page.get_by_role("button", name="Log in").click()

    page.get_by_role("button", name="Put it back").click()
    assert page.get_by_label("The text").input_value() == typed


def test_the_keyboard_stays_with_its_run_while_others_come(page: Any, stage: tuple[ClosingDeals, Keeper]) -> None:
    a_run(stage)
    scene, keeper = stage
    page.goto("/runs")
    mine = page.locator("main tbody th a").first
    number = mine.inner_text()
    mine.focus()
    known = len(keeper.runs())
    scene.upload("Another.docx")
    keeper.settle(lambda: len(keeper.runs()) > known)

    playwright.expect(page.locator("main tbody th a").first).not_to_have_text(number, timeout=20_000)
    assert page.evaluate("document.activeElement.textContent") == number


def test_what_is_offered_is_taken_by_the_keyboard_and_mistakes_are_said_while_one_writes(page: Any) -> None:
    page.goto("/configuration")
    page.wait_for_load_state("networkidle")  # the words are there
    editor = page.get_by_label("The text")
    editor.fill(TEXT.replace("copy_files", "copy"))
    editor.focus()
    _at(editor, TEXT.index("copy_files") + 4)
    picture(page, "what-may-stand-here")
    page.keyboard.press("Control+Space")
    page.keyboard.press("Enter")
    assert "- do: copy_files\n" in editor.input_value()

    playwright.expect(page.locator("#said")).to_contain_text("api_key", timeout=20_000)
    playwright.expect(page.locator(".lines .wrong").first).to_be_visible()
    picture(page, "a-mistake-while-writing")
    page.keyboard.press("Control+z")
    assert "- do: copy\n" in editor.input_value()


PAGES = {
    "recipes": "/recipes",
    "recipe": "/recipes/route-docs-by-status",
    "recipe-of-a-job": "/recipes/room-for-zendesk-ticket",
    "now": "/",
    "week": "/week",
    "runs": "/runs",
    "run": "/runs/1",
    "events": "/events",
    "event": "/events/1",
    "automations": "/automations",
    "automation": "/automations/archive-closed-deal",
    "configuration": "/configuration",
    "secrets": "/secrets",
    "reload": "/reload",
    "accounted-for": "/accounted",
    "done-by-hand": "/actions",
    "search": "/search?q=offer",
    "order": "/runs/1/restart",
    "login": "/login",
    "nothing": "/runs/999",
}


@pytest.fixture(scope="module")
def visitors(browser: Any, stage: tuple[ClosingDeals, Keeper]) -> Iterator[dict[bool, Any]]:
    """A page of somebody who is logged in, and one of somebody who is not."""
    contexts = {known: browser.new_context(base_url=stage[1].url, viewport=WIDE) for known in (True, False)}
    pages = {known: context.new_page() for known, context in contexts.items()}
    log_in(pages[True])
    yield pages
    for context in contexts.values():
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_use_every_page(
    visitors: dict[bool, Any], stage: tuple[ClosingDeals, Keeper], name: str, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    a_run(stage)
    one = visitors[name != "login"]
    one.emulate_media(color_scheme=scheme)
    one.set_viewport_size(WIDE)
    one.goto(PAGES[name])
    one.get_by_role("heading", level=1).wait_for()
    found = [
        (fault["id"], fault["impact"], [node["html"][:200] for node in fault["nodes"]])
        for fault in axe.run(one).response["violations"]
        if fault["impact"] in SERIOUS
    ]
    picture(one, f"{name}-{scheme}", for_docs=True)
    one.set_viewport_size(PHONE)
    width = one.evaluate("document.documentElement.scrollWidth")
    picture(one, f"{name}-{scheme}-phone")

    assert found == []
    assert width <= PHONE["width"]


def test_pages_can_be_read_without_script_and_used_by_keyboard(
    browser: Any, stage: tuple[ClosingDeals, Keeper]
) -> None:
    a_run(stage)
    context = browser.new_context(base_url=stage[1].url, viewport=WIDE, java_script_enabled=False)
    one = context.new_page()
    log_in(one)
    one.keyboard.press("Tab")
    one.keyboard.press("Enter")  # past the menu
    assert one.url.endswith("#main")

    one.goto("/runs/1/restart")
    one.get_by_role("button", name="Retry from the start").press("Enter")
    assert one.url.endswith("/runs/1")
    playwright.expect(one.get_by_role("heading", level=1)).to_contain_text("Run 1")
    context.close()
    stage[1].settle()
