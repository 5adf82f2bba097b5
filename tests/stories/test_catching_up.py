"""Nothing missed: what the portal and the vendors told while nobody listened is found again, once."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from signing import signed
from stage import (
    NOTE,
    SECRET,
    ClosingDeals,
    Keeper,
    OpeningTickets,
    Portal,
    Rooms,
    copy_uploads,
    next_second,
    sized,
    until,
)
from stage.receiver import receiver

Make = Callable[..., Keeper]
UNREADABLE: dict[str, list[dict[str, Any]]] = {
    "only the delivery log": [{"kind": "status", "status": 500, "path": r"/files/folder/\d+/log"}],
    "only the history": [{"kind": "status", "status": 403, "path": "/settings/webhook"}],
}


def register(keeper: Keeper, key: str) -> None:
    """Register the webhook with the account's own key: others' are not shown to it."""
    keeper.portal.register(f"{keeper.url}/hooks/acme", SECRET, key=key, triggers=256)


def given_up(portal: Portal) -> bool:
    return bool(portal.direct("GET", "/deliveries")["pending"] == 0)


@pytest.mark.long
@pytest.mark.parametrize("readable", UNREADABLE)
def test_what_was_uploaded_while_nobody_listened_is_copied_once(
    portal: Portal, keepers: Make, store_address: str, readable: str
) -> None:
    """The portal gives up after half a minute of its own time, which here is less than a second of ours."""
    rooms = Rooms(portal)
    folders = portal.folders(rooms.client, ["A", "B/C"])
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], store=store_address)
    keeper.start()
    register(keeper, rooms.keeper_key)
    rooms.upload("Before.docx")
    keeper.settle(lambda: rooms.copies() == 1)
    keeper.stop()

    for number in range(300):
        place = [rooms.client, folders["A"], folders["B/C"]][number % 3]
        rooms.upload(f"File {number}.docx", f"{number}".encode(), folder=place)
    until(lambda: given_up(portal))
    portal.direct("PUT", "/faults", json=UNREADABLE[readable])
    keeper.start()
    keeper.settle(lambda: rooms.copies() >= 301)

    assert rooms.missing_and_doubled() == ([], [])
    assert {one["state"] for one in keeper.runs()} == {"done"}
    portal.direct("PUT", "/faults", json=[])
    retried = [one for one in portal.direct("GET", "/journal") if one["path"].endswith("/retry")]
    assert retried == []
    print(f"{readable}: 300 uploads missed, {rooms.copies() - 1} copies, {keeper.copy_requests()} requests to copy")


def test_what_was_answered_with_a_redirect_is_found_in_the_log(portal: Portal, keepers: Make) -> None:
    """The portal follows none, and keeps it in a group of its own (recorded: hooks.failures)."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], keep_webhook=False)
    keeper.start()
    portal.direct("PUT", "/faults", json=UNREADABLE["only the delivery log"])
    with receiver({("POST", "acme"): lambda _: 302}) as elsewhere:
        portal.register(f"{elsewhere.url}/hooks/acme", SECRET, key=rooms.keeper_key, triggers=256)
        rooms.upload("Offer.docx")
        until(lambda: elsewhere.told["acme"].total() > 0 and given_up(portal))

    keeper.ask("reconcile")
    keeper.settle(lambda: rooms.copies() == 1)

    assert rooms.missing_and_doubled() == ([], [])


@pytest.mark.parametrize("receive", ["webhook", "poll"])
def test_what_is_found_afterwards_has_the_fields_that_it_is_chosen_by(
    portal: Portal, keepers: Make, receive: str
) -> None:
    rooms = Rooms(portal)
    chosen = copy_uploads(rooms)
    chosen["where"] |= {"extension": "pdf"}
    keeper = keepers(portal, rooms.keeper_key, [chosen], receive=receive)
    next_second()
    keeper.start()
    keeper.look_back()
    keeper.stop()
    next_second()
    rooms.upload("Plan.PDF")
    rooms.upload("Plan.docx")
    keeper.start()
    keeper.settle(lambda: rooms.copies() == 1)

    assert [one["title"] for one in portal.tree(rooms.internal)] == ["Plan.PDF"]
    assert keeper.ask("prove", "copy-client-uploads", "--since", "1h")["counts"] == {"done": 1, "excluded": 1}


def test_an_upload_seen_by_webhook_log_and_history_is_one_event(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    register(keeper, rooms.keeper_key)
    for number in range(10):
        rooms.upload(f"File {number}.docx", f"{number}".encode())
    keeper.settle(lambda: rooms.copies() == 10)
    before = keeper.ask("events", "list", "--limit", "1000")

    found = keeper.ask("reconcile", "--since", "1h")

    assert sum(one["known"] for one in found if one["trail"] == "history") == 10
    assert [one["new"] for one in found] == [[], []]
    assert keeper.ask("events", "list", "--limit", "1000") == before


def test_a_delivery_that_comes_after_it_was_found_is_known(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    portal.direct("PUT", "/settings", json={"webhooks_suppressed": True})
    register(keeper, rooms.keeper_key)
    portal.direct("PUT", "/faults", json=[{"kind": "status", "status": 500, "path": "/settings/webhooks/log"}])
    rooms.upload("File.docx")
    keeper.ask("reconcile", codes=(1,))  # the log fails; the history has it, unless the service's own search had it
    keeper.settle(lambda: rooms.copies() == 1)
    portal.direct("PUT", "/faults", json=[])
    assert portal.direct("GET", "/deliveries")["delivered"] == 0

    (row,) = portal.call("GET", "/settings/webhooks/log")
    sent = json.loads(row["requestPayload"])
    sent["event"]["id"] = row["id"]
    body = json.dumps(sent).encode()
    for _ in range(2):
        answer = httpx2.post(f"{keeper.url}/hooks/acme", content=body, headers=signed(body))
        assert answer.json() == {"status": "duplicate"}
    keeper.ask("reconcile", "--since", "1h")

    accepted = [one for one in keeper.ask("events", "list") if one["status"] == "accepted"]
    assert len(accepted) == 1
    # What was found may have been older than what the delivery tells: it is looked at once more, and is there already.
    runs = keeper.settle(lambda: len(keeper.runs()) == 2)
    assert {one["state"] for one in runs} == {"done"}
    assert [len(one["digests"]) for one in portal.tree(rooms.internal)] == [1]


def test_polling_needs_no_webhook_and_keeps_the_budget(portal: Portal, keepers: Make, store_address: str) -> None:
    many = sized(1000, 300)
    rooms = Rooms(portal)
    folders = portal.folders(rooms.client, ["A", "B"])
    portal.direct("PUT", "/settings", json={"enforce_limits": True, "per_minute": 1500})
    polling = {"receive": "poll", "poll_every": "5s"}
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], store=store_address, **polling)
    keeper.start()

    for folder in (rooms.client, folders["A"], folders["B"]):
        size = {"files": many // 3, "user": rooms.guest}
        portal.direct("POST", f"/folders/{folder}/fill", json=size)
    keeper.settle(lambda: rooms.copies() >= many // 3 * 3)

    assert rooms.missing_and_doubled() == ([], [])
    assert portal.call("GET", "/settings/webhook") == []
    usage = portal.direct("GET", "/usage")["keeper"]
    assert usage["refused"] == 0
    reads = [one for one in portal.direct("GET", "/journal") if one["path"].endswith("/log")]
    print(f"polled: {rooms.copies()} copies, {len(reads)} reads of the history, {usage}")


def test_files_overwritten_and_moved_in_are_found_by_the_history(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    other = rooms.add("Elsewhere", {rooms.keeper: 9, rooms.guest: 11})
    moved = copy_uploads(rooms) | {"name": "copy-moved", "on": "file.moved"}
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms), moved], receive="poll", poll_every="5s")
    keeper.start()
    portal.upload(rooms.client, "Offer.docx", b"first")
    keeper.settle(lambda: rooms.copies() == 1)

    portal.upload(rooms.client, "Offer.docx", b"second, and longer")
    elsewhere = portal.upload(other, "Moved.docx", b"moved")
    portal.call("PUT", "/files/fileops/move", json={"fileIds": [elsewhere["id"]], "destFolderId": rooms.client})
    keeper.settle(lambda: rooms.copies() == 2 and len(keeper.runs()) >= 3)

    versions = {one["title"]: one["version"] for one in portal.tree(rooms.internal)}
    assert versions == {"Offer.docx": 2, "Moved.docx": 1}


@pytest.mark.parametrize("vendor", ["zendesk", "freshdesk", "jira"])
def test_tickets_that_nobody_told_of_have_their_room(portal: Portal, keepers: Make, vendor: str) -> None:
    """More than a page of them, some of them told of and some not."""
    many = sized(150, 12)
    scene = OpeningTickets(portal)
    connection = scene.connection(vendor) | {"receive": "poll", "poll_every": "5s"}
    old = scene.open(vendor, subject="From before Roomkeeper came")
    keeper = keepers(portal, scene.keeper_key, [scene.automation()], others={vendor: connection})
    next_second()
    keeper.start()

    told = f"{keeper.url}/hooks/{vendor}"
    tickets = [
        scene.open(vendor, *([told] if number % 3 == 0 else []), subject=f"Subject {number}")["id"]
        for number in range(many)
    ]
    keeper.settle(lambda: len(keeper.runs()) >= many)

    assert {one["state"] for one in keeper.runs()} == {"done"}
    assert scene.faults_of(tickets, vendor) == []
    assert len(scene.rooms()) == many
    assert scene.ticket(old["id"])["notes"] == []


@pytest.mark.parametrize(
    ("vendor", "archived"), [("hubspot", False), ("pipedrive", False), ("pipedrive", True), ("salesforce", False)]
)
def test_closed_deals_that_nobody_told_of_are_archived(
    portal: Portal, keepers: Make, vendor: str, archived: bool
) -> None:
    scene = ClosingDeals(portal)
    scene.upload("File.docx")
    before = scene.deal(own={"docspace_room_id": 1})
    portal.direct("PUT", f"/crm/deals/{before}", json={"status": "won"})
    keeper = keepers(portal, scene.keeper_key, [scene.automation(NOTE)], others={vendor: scene.connection(vendor)})
    next_second()
    keeper.start()
    keeper.stop()
    deal, still_open = scene.deal(), scene.deal()

    portal.direct("PUT", f"/crm/deals/{deal}", json={"status": "won", "is_archived": archived})
    portal.direct("PUT", f"/crm/deals/{before}", json={"own": {"touched": "later"}})
    keeper.start()
    keeper.settle(lambda: len(keeper.runs()) == 1)
    scene.close(keeper, deal, vendor)  # told late: the same closing
    keeper.say("reconcile")
    keeper.settle()

    (run,) = keeper.runs()
    assert (run["state"], run["error"]) == ("done", None)
    assert len(scene.notes(deal)) == 1
    assert scene.notes(before) == scene.notes(still_open) == []
    assert [one["title"] for one in portal.tree(scene.archive)] == ["File.docx"]


def test_a_room_that_cannot_be_looked_into_is_named_and_hides_no_other(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    secret = portal.call("POST", "/files/rooms", json={"title": "Secret", "roomType": 5})["id"]
    hidden = copy_uploads(rooms) | {"name": "hidden", "where": {"room": [secret, 4711]}}
    keeper = keepers(portal, rooms.keeper_key, [hidden, copy_uploads(rooms)])
    keeper.start()
    rooms.upload("File.docx")

    found = keeper.ask("reconcile", codes=(3,))
    keeper.settle(lambda: rooms.copies() == 1)

    blind = json.dumps([one["blind"] for one in found])
    assert f"room {secret}" in blind
    assert "room 4711" in blind
    assert "Invite the account" in blind


def test_a_title_that_nobody_finds_is_a_room_to_be_let_into(portal: Portal, keepers: Make) -> None:
    """It was taken for third-party storage, whose ids are words, too."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms) | {"where": {"room": "Nowhere"}}])
    keeper.start()

    blind = json.dumps([one["blind"] for one in keeper.ask("reconcile", codes=(3,))])

    assert "Invite the account" in blind
    assert "third-party" not in blind


@pytest.mark.long
def test_what_nobody_listened_to_then_is_not_acted_on_later(portal: Portal, keepers: Make) -> None:
    """A room and a kind of event that come into the configuration begin to count when they do."""
    rooms, scene = Rooms(portal), ClosingDeals(portal)
    other = rooms.add("Another client", {rooms.keeper: 9, rooms.guest: 11})
    polling = {"receive": "poll", "poll_every": "5s"}
    hubspot = {"hubspot": scene.connection("hubspot") | polling}
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], others=hubspot, **polling)
    keeper.start()
    rooms.upload("First.docx")
    rooms.upload("Before.docx", folder=other)
    deal = scene.deal()
    portal.direct("PUT", f"/crm/deals/{deal}", json={"status": "won"})
    keeper.settle(lambda: rooms.copies() == 1)
    keeper.stop()
    time.sleep(1.1)  # the portal counts in whole seconds

    configuration = json.loads(re.sub(r"!env (\w+)", r'"!env \1"', keeper.file.read_text()))
    configuration["automations"][0]["where"]["room"] = [rooms.client, other]
    configuration["automations"].append(scene.automation())
    keeper.file.write_text(re.sub(r'"(!env \w+)"', r"\1", json.dumps(configuration)))
    keeper.start()
    until(lambda: len(_searches(portal)) > 8)
    rooms.upload("Later.docx", folder=other)
    keeper.settle(lambda: rooms.copies() == 2)

    assert {one["title"] for one in portal.tree(rooms.internal)} == {"First.docx", "Later.docx"}
    assert {one["automation"] for one in keeper.runs()} == {"copy-client-uploads"}
    found = keeper.ask("prove", "copy-client-uploads", "--since", "1h")
    assert found["counts"] == {"done": 2, "excluded": 1}


def _searches(portal: Portal) -> list[Any]:
    return [one for one in portal.direct("GET", "/journal") if one["path"].endswith("/log")]


def test_a_save_in_the_editor_cannot_be_told_from_an_upload_so_it_is_copied_once(portal: Portal, keepers: Make) -> None:
    """The history has one number for both (recorded: history), and a disabled webhook leaves nothing else to ask."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], look_every="5s")
    keeper.start()
    register(keeper, rooms.keeper_key)
    file = rooms.upload("Offer.docx", b"first")
    keeper.settle(lambda: rooms.copies() == 1)

    portal.direct("PUT", f"/files/{file['id']}", json={"saved": "edited", "user": rooms.guest})
    before = len(_searches(portal))
    until(lambda: len(_searches(portal)) >= before + 3)
    keeper.say("reconcile")
    keeper.settle()

    assert [one["version"] for one in portal.tree(rooms.internal)] == [2]
    assert keeper.ask("prove", "copy-client-uploads", "--since", "1h")["counts"] == {"done": 2}
    assert [one for one in keeper.ask("doctor", "--no-round-trip")["checks"] if one["check"] == "alert"] == []


def test_what_the_portal_never_sent_is_found_in_the_log(portal: Portal, keepers: Make) -> None:
    """After a restart of the portal: its lines have no id yet, which is put in when they are sent."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    register(keeper, rooms.keeper_key)
    portal.direct("PUT", "/settings", json={"webhooks_suppressed": True})
    portal.direct("PUT", "/faults", json=[{"kind": "status", "status": 500, "path": r"/files/folder/\d+/log"}])

    rooms.upload("File.docx")
    keeper.say("reconcile", codes=(3,))

    keeper.settle(lambda: rooms.copies() == 1)


def test_what_is_found_though_we_were_there_is_an_alert_until_it_is_over(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], look_every="5s")
    keeper.start()
    until(lambda: len(_searches(portal)) >= 2)

    rooms.upload("File.docx")
    keeper.settle(lambda: rooms.copies() == 1)
    until(lambda: "never delivered, and found" in keeper.log())
    page = keeper.visitor().get("/").text
    assert "Wrong now" in page
    assert "never delivered, and found" in page

    until(lambda: '"event": "over"' in keeper.log())
    assert keeper.log().count("never delivered, and found") == 2  # opened, and closed


def test_an_upload_that_neither_log_nor_history_knows_is_found_in_the_room(portal: Portal, keepers: Make) -> None:
    """The portal was stopped while its history's entries were on their way; what came in otherwise is told of."""
    rooms = Rooms(portal)
    other = rooms.add("Elsewhere", {rooms.keeper: 9, rooms.guest: 11})
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], receive="poll", poll_every="5s")
    keeper.start()
    folder = portal.folders(other, ["Case"])["Case"]
    portal.upload(folder, "Moved in.docx", b"moved")
    portal.call("PUT", "/files/fileops/move", json={"folderIds": [folder], "destFolderId": rooms.client})
    until(lambda: len(portal.tree(rooms.client)) == 1)  # moved, and written down
    portal.call("POST", f"/files/{rooms.client}/file", json={"title": "Made here.docx"})
    portal.direct("PUT", "/settings", json={"loses_history": True})
    rooms.upload("Offer.docx", b"first")
    below = portal.folders(rooms.client, ["A"])["A"]
    portal.direct("PUT", "/settings", json={"loses_history": False})
    rooms.upload("Told.docx", b"told", folder=below)
    keeper.settle(lambda: rooms.copies() >= 1)

    proof = keeper.ask("prove", "copy-client-uploads", "--since", "1h", codes=(0, 3))
    keeper.ask("reconcile", "--since", "1h")
    keeper.settle(lambda: rooms.copies() == 2)

    assert [one["subject"].split(" ", 2)[2] for one in proof["lines"]] == ["Offer.docx", "Told.docx"]
    assert {one["title"] for one in portal.tree(rooms.internal)} == {"Offer.docx", "Told.docx"}
    assert keeper.ask("prove", "copy-client-uploads", "--since", "1h")["counts"] == {"done": 2}
    assert [one["new"] for one in keeper.ask("reconcile", "--since", "1h")] == [[]]


def test_what_was_made_by_a_clock_that_is_fast_or_is_another_s_by_now_is_copied(portal: Portal, keepers: Make) -> None:
    """Whoever uploads names the moment (SessionRequestDto.cs), and who goes hands over (ReassignProgressItem.cs)."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], receive="poll", poll_every="5s")
    keeper.start()
    keeper.look_back()
    keeper.stop()
    later = datetime.now(UTC) + timedelta(hours=1)
    session = portal.call(
        *("POST", f"/files/{rooms.client}/session"),
        key=rooms.guest_key,
        json={"fileName": "Fast.docx", "fileSize": 4, "createOn": later.isoformat()},
    )
    chunk = {"file": ("blob", b"fast")}
    portal.call("POST", f"/files/{rooms.client}/session/{session['id']}", key=rooms.guest_key, files=chunk)
    gone = rooms.upload("Gone.docx", b"gone")["id"]
    portal.call("DELETE", f"/files/file/{gone}", json={"immediately": True})
    until(lambda: len(portal.tree(rooms.client)) == 1)
    left = rooms.upload("Left.docx", b"left")["id"]
    portal.direct("PUT", f"/files/{left}", json={"created_by": rooms.keeper})

    keeper.start()
    keeper.settle(lambda: rooms.copies() == 2)

    assert gone == left
    assert {one["title"] for one in portal.tree(rooms.internal)} == {"Fast.docx", "Left.docx"}
    assert {one["state"] for one in keeper.runs()} == {"done"}


@pytest.mark.parametrize("in_place", [True, False])
def test_what_the_portal_converts_is_copied_though_it_tells_nobody(
    portal: Portal, keepers: Make, *, in_place: bool
) -> None:
    """Neither a delivery nor an event stands for it: only an entry of the history (FileConverter.cs)."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], receive="poll", poll_every="5s")
    keeper.start()
    old = rooms.upload("Old.doc", b"old")["id"]
    keeper.settle(lambda: rooms.copies() == 1)

    portal.direct("PUT", f"/files/{old}", json={"converted": "Old.docx", "in_place": in_place})
    keeper.ask("reconcile", "--since", "1h")
    keeper.settle(lambda: any(one["title"] == "Old.docx" for one in portal.tree(rooms.internal)))

    (copy,) = [one for one in portal.tree(rooms.internal) if one["title"] == "Old.docx"]
    (made,) = [one for one in portal.tree(rooms.client) if one["title"] == "Old.docx"]
    assert copy["digests"][-1] == made["digests"][-1]
    assert [one["new"] for one in keeper.ask("reconcile", "--since", "1h")] == [[]]


def test_in_a_room_that_is_listed_in_its_own_order_what_is_new_comes_last_and_is_found(
    portal: Portal, keepers: Make
) -> None:
    """A data room with an index is listed by that, whatever is asked for (EntryManager.cs)."""
    rooms = Rooms(portal)
    data = {"title": "Client: Index", "roomType": 8, "indexing": True}
    rooms.client = portal.call("POST", "/files/rooms", json=data)["id"]
    invitations = [{"id": rooms.keeper, "access": 9}, {"id": rooms.guest, "access": 11}]
    portal.call("PUT", f"/files/rooms/{rooms.client}/share", json={"invitations": invitations})
    portal.direct("POST", f"/folders/{rooms.client}/fill", json={"files": 120, "user": rooms.guest})
    chosen = copy_uploads(rooms)
    chosen["where"] |= {"extension": "pdf"}
    keeper = keepers(portal, rooms.keeper_key, [chosen])
    time.sleep(3)  # so that what was there is older than what is looked for

    portal.direct("PUT", "/settings", json={"loses_history": True})
    rooms.upload("Offer.pdf")
    keeper.start()
    keeper.ask("reconcile", "--since", "2s")
    keeper.settle(lambda: rooms.copies() == 1)

    assert [one["title"] for one in portal.tree(rooms.internal)] == ["Offer.pdf"]


def test_what_was_concluded_and_is_told_later_is_one_upload(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    portal.direct("PUT", "/settings", json={"webhooks_suppressed": True, "loses_history": True})
    register(keeper, rooms.keeper_key)
    portal.direct("PUT", "/faults", json=[{"kind": "status", "status": 403, "path": "/settings/webhooks/log"}])
    rooms.upload("File.docx")
    keeper.ask("reconcile", "--since", "1h")
    keeper.settle(lambda: rooms.copies() == 1)
    portal.direct("PUT", "/faults", json=[])

    (row,) = portal.call("GET", "/settings/webhooks/log")
    sent = json.loads(row["requestPayload"])
    sent["event"]["id"] = row["id"]
    body = json.dumps(sent).encode()
    answer = httpx2.post(f"{keeper.url}/hooks/acme", content=body, headers=signed(body))

    assert answer.json() == {"status": "duplicate"}
    keeper.settle()
    assert [len(one["digests"]) for one in portal.tree(rooms.internal)] == [1]


def test_a_save_that_was_told_of_is_no_upload_to_whoever_reads_the_history(portal: Portal, keepers: Make) -> None:
    """The history says one word for both: what a delivery said of the same deed counts."""
    rooms = Rooms(portal)
    noted = {"to": rooms.internal, "title": "{{ event.type }} {{ event.id }}.txt", "text": "x"}
    both = {"name": "notes", "on": ["file.uploaded", "file.updated"], "where": {"room": rooms.client}, "gather": 1}
    keeper = keepers(portal, rooms.keeper_key, [both | {"steps": [{"do": "save_file", "with": noted}]}])
    keeper.rewrite(public_url=keeper.url)
    keeper.start()
    keeper.say("webhooks", "register")
    file = rooms.upload("Minutes.docx")["id"]
    keeper.settle(lambda: len(portal.tree(rooms.internal)) == 1)
    next_second()
    portal.direct("PUT", f"/files/{file}", json={"saved": "changed", "user": rooms.guest})
    keeper.settle(lambda: len(portal.tree(rooms.internal)) == 2)

    keeper.say("reconcile")
    keeper.settle()

    told = sorted(one["title"].split()[0] for one in portal.tree(rooms.internal))
    assert told == ["file.updated", "file.uploaded"]
    keeper.say("prove", "notes", "--since", "1h", codes=(0,))
