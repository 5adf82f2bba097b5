"""The third job, whole: a new ticket has one room with its folders and team, and an internal note with its link."""

import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from stage import Keeper, OpeningTickets, Portal, free_port, sized, until

Make = Callable[..., Keeper]
VENDORS = ("zendesk", "freshdesk", "jira")


@pytest.fixture
def scene(portal: Portal) -> OpeningTickets:
    return OpeningTickets(portal)


def started(
    scene: OpeningTickets, keepers: Make, automation: Any, vendor: str = "zendesk", apart: bool = False, **named: Any
) -> Keeper:
    keeper = keepers(scene.portal, scene.keeper_key, [automation], others={vendor: scene.connection(vendor)}, **named)
    keeper.start_apart() if apart else keeper.start()
    return keeper


@pytest.mark.long
@pytest.mark.parametrize("vendor", VENDORS)
def test_many_tickets_a_quarter_of_them_told_twice_to_two_processes_have_a_room_each(
    scene: OpeningTickets, keepers: Make, postgresql: Callable[[], str], vendor: str
) -> None:
    many = sized(200, 40)
    keeper = started(scene, keepers, scene.automation(), vendor, apart=True, store=postgresql())
    other = free_port()
    keeper.start_apart(port=other)
    hooks = [f"{keeper.url}/hooks/{vendor}", f"http://127.0.0.1:{other}/hooks/{vendor}"]

    def open_one(number: int) -> int:
        addresses = hooks if number % 4 == 0 else [hooks[number % 2]]
        opened: int = scene.open(vendor, *addresses, subject=f"Subject {number}")["id"]
        return opened

    with ThreadPoolExecutor(8) as pool:
        tickets = list(pool.map(open_one, range(many)))
    keeper.settle(lambda: len(keeper.runs()) >= many)

    assert {one["state"] for one in keeper.runs()} == {"done"}
    assert scene.faults_of(tickets, vendor) == []
    assert len(scene.rooms()) == many
    if vendor == "jira":
        assert all(len(scene.ticket(one)["links"]) == 1 for one in tickets)
    print(f"{vendor}: {many} tickets, {len(scene.rooms())} rooms, {len(keeper.runs())} runs, faults: none")


@pytest.mark.long
@pytest.mark.crash
@pytest.mark.parametrize("vendor", ["zendesk", "jira"])
def test_kills_and_lost_answers_change_nothing(
    scene: OpeningTickets, keepers: Make, store_address: str, vendor: str
) -> None:
    """Kills for each helpdesk and store, twenty in all in full; every tenth answer is lost after it was done."""
    keeper = started(scene, keepers, scene.automation(), vendor, apart=True, store=store_address)
    lost = [
        {"kind": "drop_after", "method": "POST|PUT", "path": "/api/2.0/files/", "every": 10},
        {"kind": "drop_after", "method": "POST|PUT", "path": f"/{vendor}/", "every": 10},
        {"kind": "drop_after", "method": "GET", "path": "/api/2.0/files/", "every": 10},
    ]
    scene.portal.direct("PUT", "/faults", json=lost)
    kills = random.Random(vendor)
    hook = f"{keeper.url}/hooks/{vendor}"

    tickets = [scene.open(vendor, hook, subject=f"Subject {number}")["id"] for number in range(20)]
    for _ in range(sized(5, 2)):
        time.sleep(kills.uniform(0.2, 2.0))
        keeper.kill()
        keeper.start_apart()
    keeper.settle(lambda: len(keeper.runs()) >= 20)

    scene.portal.direct("PUT", "/faults", json=[])
    assert {one["state"] for one in keeper.runs()} == {"done"}
    assert scene.faults_of(tickets, vendor) == []
    assert len(scene.rooms()) == 20


SUBJECTS = {
    "emoji": "Help 🔥🔥 it burns 👩‍👩‍👧",
    "quotes": "He said \"no\" and 'yes' <b>now</b>",
    "slashes": "A/B\\C: D|E?",
    "long": "x" * 400,
    "long emoji": "🔥" * 400,
    "right to left": "مشكلة في الطابعة",
    "newline": "two\nlines\tand a tab",
    "template": "{{ 7 * 7 }} {% raw %}",
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_any_subject_makes_one_room_with_a_title(scene: OpeningTickets, keepers: Make, vendor: str) -> None:
    keeper = started(scene, keepers, scene.automation(), vendor)
    hook = f"{keeper.url}/hooks/{vendor}"

    tickets = [scene.open(vendor, hook, subject=subject)["id"] for subject in SUBJECTS.values()]
    keeper.settle(lambda: len(keeper.runs()) == len(SUBJECTS))

    assert [one["error"] for one in keeper.runs() if one["error"]] == []
    assert scene.faults_of(tickets, vendor) == []
    titles = [one["title"] for one in scene.rooms()]
    assert all(title.startswith("Ticket #") and len(title) <= 170 for title in titles)
    assert any("{{ 7 _ 7 }}" in title or "{{ 7 * 7 }}" in title for title in titles)


def test_the_fixed_event_has_its_link_and_requester_read(scene: OpeningTickets, keepers: Make) -> None:
    automation = scene.automation()
    automation["steps"][0]["with"]["title"] = "{{ ticket.requester.email }} {{ ticket.url }}"
    keeper = started(scene, keepers, automation)

    number = scene.open("zendesk-event", f"{keeper.url}/hooks/zendesk")["id"]
    keeper.settle()

    assert scene.faults_of([number], "zendesk") == []
    assert scene.rooms()[0]["title"].startswith("ann@client.example http")


def test_a_group_that_does_not_exist_is_named_and_the_rest_is_kept(scene: OpeningTickets, keepers: Make) -> None:
    members = [{"group": "Nobody", "access": "editing"}, {"email": "lead@x.example", "access": "room_manager"}]
    keeper = started(scene, keepers, scene.automation(members=members))

    number = scene.open("zendesk", f"{keeper.url}/hooks/zendesk")["id"]
    run = keeper.settle()[0]

    assert run["state"] == "needs_attention"
    assert "Nobody" in run["error"]
    steps = keeper.ask("runs", "show", str(run["id"]))["steps"]
    assert [one["state"] for one in steps] == ["done", "failed", "done"]
    assert "no such group" in steps[1]["items"][0]["reason"]
    assert list(scene.rooms()[0]["members"].values()) == [9]
    assert scene.ticket(number)["notes"] == []

    scene.portal.direct(
        "POST", "/groups", json={"id": "0b5e1f0c-0000-4000-8000-00000000dead", "name": "nobody", "members": []}
    )
    (retried,) = keeper.ask("runs", "retry", str(run["id"]), "--wait")
    assert retried["state"] == "done"
    assert len(scene.rooms()) == 1
    assert len(scene.ticket(number)["notes"]) == 1


def test_a_room_quota_a_closed_ticket_and_a_busy_helpdesk_have_a_clear_word_and_can_be_retried(
    scene: OpeningTickets, keepers: Make
) -> None:
    keeper = started(scene, keepers, scene.automation())
    hook = f"{keeper.url}/hooks/zendesk"
    scene.portal.direct("PUT", "/settings", json={"room_limit": 0})
    first = scene.open("zendesk", hook)["id"]
    run = keeper.settle()[0]
    assert "cannot be made" in run["error"]
    assert "rooms are used up" in keeper.ask("runs", "show", str(run["id"]))["steps"][0]["remedy"]

    scene.portal.direct("PUT", "/settings", json={"room_limit": None})
    busy = [{"kind": "status", "path": "/zendesk/", "status": 429, "headers": {"Retry-After": "1"}, "times": 3}]
    scene.portal.direct("PUT", "/faults", json=busy)
    (retried,) = keeper.ask("runs", "retry", str(run["id"]), "--wait")
    assert retried["state"] == "done"
    assert scene.faults_of([first], "zendesk") == []

    second = scene.open("zendesk", hook, closed=True)["id"]
    closed = keeper.settle(lambda: len(keeper.runs()) == 2)[0]
    assert closed["state"] == "needs_attention"
    assert f"the note on ticket {second} was refused" in closed["error"]
    assert len(scene.rooms()) == 2
    scene.portal.direct("PUT", f"/helpdesk/tickets/{second}", json={"closed": False})
    keeper.ask("runs", "retry", str(closed["id"]), "--wait")
    assert scene.faults_of([first, second], "zendesk") == []


def test_a_lost_ledger_finds_the_room_again_by_its_tag(scene: OpeningTickets, keepers: Make) -> None:
    one = started(scene, keepers, scene.automation())
    number = scene.open("zendesk", f"{one.url}/hooks/zendesk")["id"]
    one.settle()
    one.stop()

    other = started(scene, keepers, scene.automation())  # with a store of its own
    scene.portal.direct(
        "PUT",
        f"/helpdesk/tickets/{number}",
        json={"by": "zendesk", "to": [f"{other.url}/hooks/zendesk"], "secret": "a-secret-of-the-crm"},
    )
    other.settle()

    assert scene.faults_of([number], "zendesk") == []
    assert len(scene.rooms()) == 1


TYPES = {"collaboration": 2, "custom": 5, "public": 6, "form_filling": 1, "virtual_data": 8}


@pytest.mark.parametrize("kind", [None, "external", "invitation", "room"])
@pytest.mark.parametrize("room_type", TYPES)
def test_each_room_type_with_each_link_kind_works_or_is_refused_by_check(
    scene: OpeningTickets, keepers: Make, room_type: str, kind: str | None
) -> None:
    automation = scene.automation(type=room_type, members=[{"email": "lead@x.example", "access": "room_manager"}])
    if kind is not None:
        automation["steps"][2]["with"]["kind"] = kind
    keeper = keepers(scene.portal, scene.keeper_key, [automation], others={"zendesk": scene.connection("zendesk")})
    verdict = json.loads(keeper.say("check", "--json", codes=(0, 2)))

    if kind == "external" and room_type in {"collaboration", "virtual_data"}:
        (problem,) = verdict["problems"]
        assert "has no external links" in problem["what"]
        assert "kind: room" in problem["remedy"]
        return
    assert verdict["ok"] is True
    keeper.start()
    number = scene.open("zendesk", f"{keeper.url}/hooks/zendesk")["id"]
    run = keeper.settle()[0]
    assert (run["state"], run["error"]) == ("done", None)
    link = keeper.ask("runs", "show", str(run["id"]))["steps"][2]["result"]
    assert httpx2.get(link["url"]).status_code == 200
    assert link["url"] in scene.ticket(number)["notes"][0]["body"]


@pytest.mark.parametrize(
    ("room_type", "member", "said"),
    [
        ("collaboration", {"email": "a@x.example", "access": "review"}, "cannot give anybody the access 'review'"),
        ("public", {"email": "a@x.example", "access": "read"}, "cannot give anybody the access 'read'"),
        ("custom", {"group": "Support", "access": "room_manager"}, "cannot give a group the access 'room_manager'"),
        ("custom", {"access": "read"}, "name one of"),
        ("custom", {"email": "a@x.example", "access": "boss"}, "access"),
    ],
)
def test_access_that_a_room_type_does_not_give_is_refused_by_check(
    scene: OpeningTickets, keepers: Make, room_type: str, member: dict[str, str], said: str
) -> None:
    automation = scene.automation(type=room_type, members=[member])
    keeper = keepers(scene.portal, scene.keeper_key, [automation], others={"zendesk": scene.connection("zendesk")})

    problems = json.loads(keeper.say("check", "--json", codes=(2,)))["problems"]

    assert any(said in one["what"] for one in problems), problems
    assert all(one["remedy"] for one in problems)


def test_fields_tags_nested_folders_expiry_and_password_are_there(scene: OpeningTickets, keepers: Make) -> None:
    more = [
        {"do": "set_ticket_field", "with": {"field": 360012345678, "value": "{{ link.url }}"}},
        {"do": "tag_room", "with": {"room": "{{ room.id }}", "tags": ["investigation", "p {{ ticket.priority }}"]}},
        {"do": "create_folders", "with": {"room": "{{ room.id }}", "folders": ["Findings/Draft/1", "Logs"]}},
    ]
    automation = scene.automation(*more, type="custom")
    automation["steps"][2]["with"] |= {"kind": "external", "expires": "30d", "password_env": "LINK_PASSWORD"}
    keeper = keepers(scene.portal, scene.keeper_key, [automation], others={"zendesk": scene.connection("zendesk")})
    keeper.environment["LINK_PASSWORD"] = "a-password-of-the-link"
    keeper.start()

    number = scene.open("zendesk", f"{keeper.url}/hooks/zendesk")["id"]
    run = keeper.settle()[0]

    assert (run["state"], run["error"]) == ("done", None)
    (room,) = scene.rooms()
    assert room["folders"] == ["Attachments", "Findings", "Findings/Draft", "Findings/Draft/1", "Logs"]
    assert {"investigation", "p high", f"zendesk-{number}"} <= set(room["tags"])
    assert scene.ticket(number)["fields"]["360012345678"].startswith(f"{scene.portal.url}/s/")
    shown = keeper.say("runs", "show", str(run["id"]), "--json")
    assert "a-password-of-the-link" not in shown + keeper.log()


@pytest.mark.parametrize(
    ("vendor", "field", "value", "written"),
    [
        ("zendesk", 360012345678, True, "true"),
        ("freshdesk", "cf_count", 5, 5),
        ("freshdesk", "cf_link", "12", "12"),
        ("jira", "customfield_10001", 2.5, 2.5),
        ("jira", "customfield_10002", "One line\n\nand https://a.example another\n", {"type": "doc"}),
    ],
)
def test_a_field_gets_what_it_takes(
    scene: OpeningTickets, keepers: Make, *, vendor: str, field: Any, value: Any, written: Any
) -> None:
    step = {"do": "set_ticket_field", "with": {"field": field, "value": value}}
    automation = {"name": "set", "on": "ticket.created", "steps": [step]}
    keeper = keepers(scene.portal, scene.keeper_key, [automation], others={vendor: scene.connection(vendor)})
    keeper.start()

    number = scene.open(vendor, f"{keeper.url}/hooks/{vendor}")["id"]
    (run,) = keeper.settle(lambda: bool(keeper.runs()))

    assert (run["state"], run["error"]) == ("done", None)
    found = scene.ticket(number)["fields"][str(field)]
    assert found == written or found["type"] == written["type"]


def test_a_room_is_made_from_a_template(scene: OpeningTickets, keepers: Make) -> None:
    scene.portal.direct("PUT", "/templates", json={"77": [2, ["From the template"]]})
    keeper = started(scene, keepers, scene.automation(from_template=77, folders=["Logs"]))

    for number in range(3):
        scene.open("zendesk", f"{keeper.url}/hooks/zendesk", subject=f"Subject {number}")
    runs = keeper.settle(lambda: len(keeper.runs()) == 3)

    assert {one["state"] for one in runs} == {"done"}
    assert [one["folders"] for one in scene.rooms()] == [["From the template", "Logs"]] * 3


def test_a_room_from_a_template_has_its_settings(scene: OpeningTickets, keepers: Make) -> None:
    """Unasked, the portal leaves out all of these (FileStorageService.cs, CreateRoomFromTemplateAsync)."""
    lifetime = {"deletePermanently": True, "period": 0, "value": 30}
    watermark = {"additions": 3, "text": "For Ann", "rotate": -45, "imageScale": 0, "imageHeight": 0, "imageWidth": 0}
    settings = {"lifetime": lifetime, "watermark": watermark, "cover": "layers", "colour": "FF6680"}
    scene.portal.direct("PUT", "/templates", json={"77": [8, [], [], settings]})
    keeper = started(scene, keepers, scene.automation(from_template=77))

    scene.open("zendesk", f"{keeper.url}/hooks/zendesk")
    (run,) = keeper.settle(lambda: bool(keeper.runs()))

    assert (run["state"], run["error"]) == ("done", None)
    room = scene.portal.call("GET", f"/files/folder/{scene.rooms()[0]['id']}")
    assert (room["lifetime"], room["watermark"]) == (lifetime, watermark)
    assert (room["logo"]["cover"]["id"], room["logo"]["color"]) == ("layers", "FF6680")


def test_a_room_that_lacks_the_watermark_of_its_template_is_said_to(scene: OpeningTickets, keepers: Make) -> None:
    """What cannot be set is swallowed by the portal (FileStorageService.cs, InternalCreateFolderAsync)."""
    watermark = {
        "additions": 0,
        "rotate": 0,
        "imageScale": 50,
        "imageUrl": "gone.png",
        "imageHeight": 9,
        "imageWidth": 9,
    }
    scene.portal.direct("PUT", "/templates", json={"77": [8, [], [], {"watermark": watermark}]})
    keeper = started(scene, keepers, scene.automation(from_template=77))

    scene.open("zendesk", f"{keeper.url}/hooks/zendesk")
    (run,) = keeper.settle(lambda: bool(keeper.runs()))

    assert run["state"] == "needs_attention"
    assert "lacks the watermark of its template" in run["error"]
    keeper.say("runs", "retry", str(run["id"]))
    keeper.settle(lambda: keeper.runs()[0]["state"] == "done")
    assert len(scene.rooms()) == 1


def test_a_template_that_is_not_there_is_said_at_once_with_those_that_are(scene: OpeningTickets, keepers: Make) -> None:
    scene.portal.direct("PUT", "/templates", json={"77": [2, []]})
    keeper = started(scene, keepers, scene.automation(from_template=78))

    scene.open("zendesk", f"{keeper.url}/hooks/zendesk")
    (run,) = keeper.settle(lambda: bool(keeper.runs()))

    assert "sees no room template that is called 78" in run["error"]
    assert "'Template 77' (77)" in run["remedy"]
    assert scene.rooms() == []


@pytest.mark.parametrize("copied", [["Plan.docx"], ["Plan.docx", "Budget.xlsx"]])
def test_a_room_that_lacks_files_of_its_template_is_said_to(
    scene: OpeningTickets, keepers: Make, copied: list[str]
) -> None:
    """What cannot be copied is only logged by the portal (CreateRoomFromTemplateOperation.cs)."""
    scene.portal.direct("PUT", "/templates", json={"77": [2, [], ["Plan.docx", "Budget.xlsx"]]})
    me = scene.portal.call("GET", "/people/@self", key=scene.keeper_key)["id"]
    for file in scene.portal.tree(77):
        if file["title"] not in copied:
            scene.portal.direct("PUT", f"/files/{file['id']}", json={"restricted": [me]})
    keeper = started(scene, keepers, scene.automation(from_template=77))

    scene.open("zendesk", f"{keeper.url}/hooks/zendesk")
    (run,) = keeper.settle(lambda: bool(keeper.runs()))

    if len(copied) == 2:
        assert (run["state"], run["error"]) == ("done", None)
        return
    assert run["state"] == "needs_attention"
    assert "lacks 1 of the 2 files of its template: 'Budget.xlsx'" in run["error"]
    keeper.say("runs", "retry", str(run["id"]))
    keeper.settle(lambda: keeper.runs()[0]["state"] == "done")
    assert len(scene.rooms()) == 1


SHARED = Path(__file__).parents[3] / "shared" / "samples"
CREATED = {
    "zendesk/event-ticket_created.json": "5158",
    "zendesk/zulip-ticket_create_update.json": "7",
    "zendesk/zulip-screenshot_example.json": "739",
    "freshdesk/zulip-ticket_created.json": "11",
    "freshdesk/zulip-inline_images.json": "12",
    "jira/zulip-issue_created_with_custom_fields.json": None,
    "jira/zulip-issue_created.json": None,
    "jira/zulip-issue_created_with_unicode.json": None,
    "jira/zulip-created_v2.json": None,
    "jira/mattermost-webhook-cloud-issue-created-many-fields.json": None,
    "jira/mattermost-webhook-issue-created.json": None,
    "jira/mattermost-webhook-issue-created-no-description.json": None,
    "jira/mattermost-webhook-issue-created-no-description-nor-relevant-fields.json": None,
    "jira/mattermost-webhook-issue-created-with-security-level.json": None,
}


@pytest.mark.skipif(not SHARED.exists(), reason="the captured payloads are not beside this checkout")
def test_captured_payloads_are_new_tickets_or_are_ignored(scene: OpeningTickets, keepers: Make) -> None:
    others = {vendor: scene.connection(vendor) | {"unsigned": True} for vendor in VENDORS}
    keeper = keepers(scene.portal, scene.keeper_key, [scene.automation() | {"paused": True}], others=others)
    keeper.start()

    said = {}
    for vendor in VENDORS:
        for file in sorted((SHARED / vendor).glob("*.json")):
            answer = httpx2.post(f"{keeper.url}/hooks/{vendor}", content=file.read_bytes())
            assert answer.status_code == 200, file
            said[f"{vendor}/{file.name}"] = answer.json()["status"]

    assert {name for name, status in said.items() if status != "ignored"} <= set(CREATED)
    events = keeper.ask("events", "list", "--limit", "100")
    assert {name for name, status in said.items() if status == "ignored"} == set(said) - set(CREATED)
    assert all(one["reason"] for one in events if one["status"] == "ignored")
    until(lambda: all(one["state"] != "new" for one in keeper.ask("events", "list", "--limit", "100")))


def test_two_steps_side_by_side_make_one_folder_and_one_link(scene: OpeningTickets, keepers: Make) -> None:
    room = "{{ room.id }}"
    more = [
        {
            "do": "create_folders",
            "as": "one",
            "with": {"room": room, "folders": ["Shared/A", "shared/B", "A:B", "A?B"]},
        },
        {"do": "create_folders", "as": "two", "with": {"room": room, "folders": ["Shared/A", "Logs"]}},
        {"do": "share_link", "as": "again", "with": {"room": room, "kind": "external"}},
    ]
    automation = scene.automation(*more, type="custom")
    automation["steps"][2]["with"]["kind"] = "external"
    keeper = started(scene, keepers, automation)

    scene.open("zendesk", f"{keeper.url}/hooks/zendesk")
    run = keeper.settle()[0]

    assert (run["state"], run["error"]) == ("done", None)
    (made,) = scene.rooms()
    assert made["folders"] == ["A_B", "Attachments", "Findings", "Logs", "Shared", "Shared/A", "Shared/B"]
    assert len(made["links"]) == 1


def test_a_link_that_was_removed_and_one_with_a_password_are_made_anew(scene: OpeningTickets, keepers: Make) -> None:
    locked = {"do": "share_link", "as": "locked", "with": {"room": "{{ room.id }}", "password_env": "LINK_PASSWORD"}}
    automation = scene.automation(locked, type="custom")
    keeper = keepers(scene.portal, scene.keeper_key, [automation], others={"zendesk": scene.connection("zendesk")})
    (keeper.folder / ".env").write_text("LINK_PASSWORD=a-password-of-the-link\n")
    keeper.start()

    scene.open("zendesk", f"{keeper.url}/hooks/zendesk")
    run = keeper.settle()[0]

    assert (run["state"], run["error"]) == ("done", None)
    results = {one["name"]: one["result"] for one in keeper.ask("runs", "show", str(run["id"]))["steps"]}
    assert results["link"]["url"] != results["locked"]["url"]
    assert results["link"]["answered"] is results["locked"]["answered"] is True
    assert len(scene.rooms()[0]["links"]) == 2


def test_a_run_by_hand_for_a_ticket_that_has_a_room_uses_it(scene: OpeningTickets, keepers: Make) -> None:
    automation = scene.automation()
    del automation["steps"][0]["with"]["once_per"]
    keeper = started(scene, keepers, automation)
    number = scene.open("zendesk", f"{keeper.url}/hooks/zendesk")["id"]
    keeper.settle()

    keeper.ask("start", "investigation-room", "--with", f"ticket.id={number}", "--wait")

    assert len(scene.rooms()) == 1
    assert len(scene.ticket(number)["notes"]) == 1


@pytest.mark.parametrize("vendor", ["zendesk", "jira"])
def test_work_that_is_done_after_the_connection_broke_is_waited_for(
    scene: OpeningTickets, keepers: Make, vendor: str
) -> None:
    """A proxy hangs up, and the server makes the room, the folder, the note three seconds later all the same."""
    keeper = started(scene, keepers, scene.automation(), vendor)
    note = "/zendesk/api/v2/tickets/" if vendor == "zendesk" else "/comment$"
    slow = [("POST", "/files/rooms$"), ("POST", "/files/folder/"), ("PUT|POST", note)]
    faults = [{"kind": "late", "method": method, "path": path, "seconds": 3.0, "times": 1} for method, path in slow]
    scene.portal.direct("PUT", "/faults", json=faults)

    number = scene.open(vendor, f"{keeper.url}/hooks/{vendor}")["id"]
    run = keeper.settle()[0]

    assert [one["done"] for one in scene.portal.direct("GET", "/faults")] == [1, 1, 1]
    assert (run["state"], run["error"]) == ("done", None)
    assert scene.faults_of([number], vendor) == []
    assert len(scene.rooms()) == 1
