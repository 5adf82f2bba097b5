"""The configuration on a page: checked, compared, published, taken back; and never over somebody else's change."""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from people import form_token
from stage import Keeper, Portal, Rooms, copy_uploads, until

Make = Callable[..., Keeper]
PATH = "/configuration"


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


class Editor:
    """Somebody who has the page open."""

    def __init__(self, keeper: Keeper) -> None:
        self.client = keeper.visitor()
        self.from_here = {"Origin": keeper.url, "Sec-Fetch-Site": "same-origin"}
        self.text = self.base = self.shown()

    def shown(self, path: str = PATH) -> str:
        found = re.search(r'<textarea id="editor"[^>]*>\n(.*?)</textarea>', self.client.get(path).text, re.DOTALL)
        assert found
        return html.unescape(found.group(1))

    def send(self, order: str, **more: str) -> httpx2.Response:
        given = {"token": form_token(self.client, PATH), "base": self.base, "text": self.text, "order": order} | more
        return self.client.post(PATH, data=given, headers=self.from_here)


@pytest.fixture
def keeper(rooms: Rooms, keepers: Make) -> Keeper:
    one = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms) | {"paused": True}])
    one.start()
    one.register()
    return one


def test_what_is_published_stands_in_the_file_holds_at_once_and_can_be_taken_back(rooms: Rooms, keeper: Keeper) -> None:
    before, mode = keeper.file.read_bytes(), keeper.file.stat().st_mode
    ann = Editor(keeper)
    rooms.upload("Offer.docx")
    ann.text = ann.text.replace('"paused": true', '"paused": false  # since it is wanted')

    checked = ann.send("check")
    assert "It is in order" in checked.text
    assert 'class="added"' in checked.text
    assert keeper.file.read_bytes() == before
    assert ann.send("publish", why="the client asked").status_code == 303
    keeper.settle(lambda: rooms.copies() == 1)

    assert "# since it is wanted" in keeper.file.read_text()
    assert keeper.file.stat().st_mode == mode
    page = ann.client.get(PATH).text
    assert "the client asked" in page
    assert "published the configuration: the client asked" in ann.client.get("/actions").text
    assert "who opened the link, on the page" in page
    oldest = min(map(int, re.findall(r'href="/configuration\?version=(\d+)"', page)))
    ann.base, ann.text = ann.shown(), ann.shown(f"{PATH}?version={oldest}")
    assert ann.send("publish", why="taken back").status_code == 303
    assert keeper.file.read_bytes() == before
    assert list(keeper.file.parent.glob(".roomkeeper.yaml.*")) == []


def test_an_automation_s_page_leads_to_its_line(keeper: Keeper) -> None:
    ann = keeper.visitor()
    (way,) = re.findall(r'href="(/configuration\?automation=[^"]+)"', ann.get("/automations/copy-client-uploads").text)

    line = int(re.findall(r'data-line="(\d+)" data-at-once>Line', ann.get(way).text)[0])

    assert "copy-client-uploads" in keeper.file.read_text().splitlines()[line - 1]
    assert "data-line" not in ann.get("/configuration?automation=copy").text


@pytest.mark.parametrize(
    ("wrong", "said"), [('"file.uplaoded"', "file.uplaoded"), ('"file.uploaded", "wehre": {}', "wehre"), ('"', "YAML")]
)
def test_a_mistake_is_named_with_its_line_and_nothing_is_written(keeper: Keeper, wrong: str, said: str) -> None:
    before = keeper.file.read_bytes()
    ann = Editor(keeper)
    ann.text = ann.text.replace('"file.uploaded"', wrong)

    for order in ("check", "publish"):
        answer = ann.send(order)
        assert said in answer.text
        assert re.search(r'data-line="\d+"', answer.text)
        assert html.escape(wrong, quote=False) in html.unescape(answer.text).replace("&#34;", '"')
    assert keeper.file.read_bytes() == before


def test_of_two_who_write_at_once_the_later_is_told_and_decides(keeper: Keeper) -> None:
    ann, bob = Editor(keeper), Editor(keeper)
    ann.text = ann.text.replace("copy-client-uploads", "of-ann")
    bob.text = bob.text.replace("copy-client-uploads", "of-bob")

    assert ann.send("publish").status_code == 303
    for order in ("check", "try", "publish"):
        told = bob.send(order)
        assert "Somebody has changed the file since you opened it" in told.text
        assert "of-ann" in keeper.file.read_text()

    bob.base = bob.shown()
    assert bob.send("publish").status_code == 303
    assert "of-bob" in keeper.file.read_text()


def test_what_would_wait_in_vain_is_said_before(rooms: Rooms, keeper: Keeper) -> None:
    rooms.upload("Offer.docx")
    ann = Editor(keeper)
    ann.text = ann.text.replace("copy-client-uploads", "another-name")

    until(lambda: "1 event waits for copy-client-uploads" in ann.send("check").text)


def test_a_text_that_holds_a_word_which_is_a_secret_is_not_written_back_in_part(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.environment["SECRET"] = "copy-client-uploads"
    keeper.start()
    before = keeper.file.read_bytes()
    ann = Editor(keeper)

    assert "copy-client-uploads" not in ann.text
    ann.text += "\n# and more"
    assert ann.send("publish").status_code != 303
    assert keeper.file.read_bytes() == before


def test_lines_end_as_they_did(keeper: Keeper) -> None:
    keeper.file.write_bytes(keeper.file.read_bytes().replace(b"\n", b"\r\n"))
    ann = Editor(keeper)
    ann.text = ann.text.replace("copy-client-uploads", "of-ann")

    assert ann.send("publish").status_code == 303
    assert b"of-ann" in keeper.file.read_bytes()
    assert keeper.file.read_bytes().count(b"\n") == keeper.file.read_bytes().count(b"\r\n") > 0


@pytest.mark.parametrize("way", ["by the file", "by its mode"])
def test_what_is_managed_elsewhere_is_shown_and_not_written(rooms: Rooms, keepers: Make, way: str) -> None:
    top: dict[str, Any] = {"dashboard": {"editing": False}} if way == "by the file" else {}
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)], top=top)
    keeper.start()
    if way == "by its mode":
        keeper.file.unlink()  # root may write what nobody may
    before = keeper.file.read_bytes() if keeper.file.exists() else None
    ann = Editor(keeper)
    page = ann.client.get(PATH).text
    ann.text = ann.text.replace("copy-client-uploads", "of-ann")

    assert "readonly" in page
    assert 'value="publish"' not in page
    assert ann.send("publish").status_code == 409
    assert (keeper.file.read_bytes() if keeper.file.exists() else None) == before


def test_a_text_that_runs_cannot_take_over_is_taken_out_of_the_file_again(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was in order when it was checked, and its secret is gone when it is read."""
    before = keeper.file.read_bytes()
    ann = Editor(keeper)
    ann.text = ann.text.replace("copy-client-uploads", "of-ann")
    checked = ann.send("check")
    assert "It is in order" in checked.text

    monkeypatch.delenv("API_KEY")
    refused = ann.send("publish")

    assert refused.status_code in {200, 409}
    assert "API_KEY" in refused.text
    assert keeper.file.read_bytes() == before
    assert "Version 2" not in ann.client.get(PATH).text  # it never ran


def test_a_text_is_tried_live_before_it_is_published_and_nothing_is_written(rooms: Rooms, keeper: Keeper) -> None:
    for title in ("First.docx", "Offer.docx"):
        rooms.upload(title)
    until(lambda: len(keeper.ask("events", "list", "--status", "accepted")) == 2)
    first = min(one["id"] for one in keeper.ask("events", "list", "--status", "accepted"))
    before = rooms.portal.direct("GET", "/journal")
    ann = Editor(keeper)
    ann.text = ann.text.replace("copy-client-uploads", "of-ann")

    last, chosen = ann.send("try").text, ann.send("try", event=str(first)).text

    assert re.search(r"<p>With file \d+ Offer.docx", last)
    assert re.search(r"<p>With file \d+ First.docx", chosen)
    assert re.search(r"copy file \d+ &#39;First.docx&#39;, version 1, to Acme \(internal\)", chosen)
    assert f'<option value="{first}" selected>' in chosen
    asked = rooms.portal.direct("GET", "/journal")[len(before) :]
    assert {one["method"] for one in asked if one["user"] == "keeper"} == {"GET"}
    assert "of-ann" not in keeper.file.read_text()


def test_a_room_that_is_not_there_is_found_by_trying(rooms: Rooms, keeper: Keeper) -> None:
    ann = Editor(keeper)
    ann.text = ann.text.replace(str(rooms.internal), "987654")
    assert "It is in order" in ann.send("check").text

    tried = ann.send("try").text

    assert "987654" in html.unescape(re.sub("<[^>]+>", "", tried[tried.index("What was found at the services") :]))
    assert "failed" in tried


def test_a_schedule_is_tried_as_if_it_were_due_now(rooms: Rooms, keepers: Make) -> None:
    step = {"do": "create_folders", "with": {"room": rooms.internal, "folders": ["Week {{ schedule.week }}"]}}
    weekly = {"name": "weekly", "on": "schedule", "every": "30d", "steps": [step]}
    keeper = keepers(rooms.portal, rooms.keeper_key, [weekly])
    keeper.start()
    ann = Editor(keeper)
    ann.text = ann.text.replace("Week {{", "Wk {{")

    page = ann.client.post(
        "/automations/weekly/try", data={"token": form_token(ann.client, "/automations/weekly")}, headers=ann.from_here
    )

    assert f"Week {datetime.now(UTC).isocalendar().week}" in page.text
    assert f"Wk {datetime.now(UTC).isocalendar().week}" in ann.send("try").text
    assert {one["method"] for one in rooms.portal.direct("GET", "/journal") if one["user"] == "keeper"} == {"GET"}


def test_what_is_managed_elsewhere_is_not_tried_with_other_addresses(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)], top={"dashboard": {"editing": False}})
    keeper.start()
    ann = Editor(keeper)
    ann.text = ann.text.replace(rooms.portal.url, "http://127.0.0.1:9")

    assert ann.send("try").status_code == 409
