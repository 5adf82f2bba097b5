"""The first job on a bad day: lost answers, limits, faults, operations that vanish, thousands at once."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from signing import signed
from stage import Keeper, Portal, Rooms, copy_uploads, next_second, sized, until

Make = Callable[..., Keeper]
COPY = {"method": "PUT", "path": "/fileops/copy"}
READS = r"/files(?!.*(upload|copy))"  # what Roomkeeper reads; the people of the story shall upload in peace

FAULTS: dict[str, list[dict[str, Any]]] = {
    "answers lost after processing": [{"kind": "drop_after", "every": 3, **COPY}],
    "connections dropped before processing": [{"kind": "drop_before", "every": 2, **COPY}],
    "truncated bodies": [{"kind": "truncate", "every": 3, **COPY}, {"kind": "truncate", "every": 9, "path": READS}],
    "JSON cut short": [{"kind": "garble", "every": 3, **COPY}, {"kind": "garble", "every": 9, "path": READS}],
    "429 without Retry-After": [{"kind": "status", "status": 429, "every": 7, "path": READS}],
    "no way to ask for namesakes": [{"kind": "status", "status": 404, "path": "/fileops/move"}],
    "5xx": [
        {"kind": "status", "status": 503, "every": 3, "path": READS},
        {"kind": "status", "status": 500, "every": 2, **COPY},
    ],
    "answers that come too late": [{"kind": "delay", "seconds": 3.0, "every": 4, **COPY}],
    "folders whose creation is not answered": [
        {"kind": "drop_after", "every": 2, "method": "POST", "path": "/files/folder/"}
    ],
}


@pytest.mark.long
@pytest.mark.parametrize("name", FAULTS)
def test_every_upload_is_copied_once_in_spite_of(portal: Portal, keepers: Make, name: str) -> None:
    rooms = Rooms(portal)
    folders = portal.folders(rooms.client, ["A", "B/C"])
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms) | {"gather": 10}], timeout=2.0)
    keeper.start()
    keeper.register()
    portal.direct("PUT", "/faults", json=FAULTS[name])

    for number in range(24):
        place = [rooms.client, folders["A"], folders["B/C"]][number % 3]
        rooms.upload(f"File {number}.docx", f"{number}".encode(), folder=place)
    keeper.settle(lambda: rooms.copies() >= 24)

    struck = portal.direct("GET", "/faults")
    assert any(fault["done"] for fault in struck), "the fault never struck, so nothing was tried"
    portal.direct("PUT", "/faults", json=[])
    assert rooms.missing_and_doubled() == ([], [])
    assert {one["state"] for one in keeper.runs()} == {"done"}
    tops = [one["title"] for one in portal.call("GET", f"/files/{rooms.internal}", params={"sortBy": "AZ"})["folders"]]
    assert sorted(tops) == ["A", "B"]


def test_a_page_that_tells_of_maintenance_is_waited_for(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    portal.direct("PUT", "/operations", json={"queue_seconds": 1.0})
    rooms.upload("Offer.docx")
    until(lambda: keeper.copy_requests() > 0)
    elsewhere = {"kind": "status", "status": 302, "path": "/api/2.0/", "headers": {"location": "/maintenance.html"}}
    portal.direct("PUT", "/faults", json=[elsewhere])
    until(lambda: portal.direct("GET", "/faults")[0]["done"] > 2)
    portal.direct("PUT", "/faults", json=[])

    (run,) = keeper.settle(lambda: rooms.copies() == 1)
    assert run["state"] == "done"


@pytest.mark.parametrize("slow", ["queue_seconds", "seconds_per_item"])
def test_what_goes_on_after_its_operation_vanished_is_waited_for(portal: Portal, keepers: Make, slow: str) -> None:
    """The server forgets what makes no progress for a minute, and its worker does it all the same."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    portal.direct("PUT", "/operations", json={"vanish_every": 1, "vanish_after": None, slow: 2.5})
    rooms.upload("Large.docx")

    (run,) = keeper.settle(lambda: bool(keeper.runs()), within=25)
    assert run["state"] == "done"
    assert [(one["title"], len(one["digests"])) for one in portal.tree(rooms.internal)] == [("Large.docx", 1)]


@pytest.mark.parametrize("alone", [True, False])
def test_beside_a_namesake_of_another_category_there_is_one_copy(portal: Portal, keepers: Make, *, alone: bool) -> None:
    """A PDF beside a PDF form of its name: the portal says that nothing collides, and numbers the copy."""
    rooms = Rooms(portal)
    form = portal.upload(rooms.internal, "Contract.pdf", b"a form")
    portal.direct("PUT", f"/files/{form['id']}", json={"category": 1})
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms) | {"paused": True}])
    keeper.start()
    keeper.register()
    for name in ["Contract.pdf"] if alone else ["Contract.pdf", "Offer.docx", "Plan.docx"]:
        rooms.upload(name)
    keeper.rewrite(automations=[copy_uploads(rooms)])
    keeper.say("reload")

    (run,) = keeper.settle(lambda: bool(keeper.runs()), within=25)
    assert run["state"] == "done"
    made = [one["title"] for one in portal.tree(rooms.internal) if "Contract" in one["title"]]
    assert sorted(made) == ["Contract (1).pdf", "Contract.pdf"]


@pytest.mark.parametrize("done_first", [None, 0, 3], ids=["all done", "nothing done", "cut short after three"])
def test_operations_that_vanish_are_looked_into(portal: Portal, keepers: Make, done_first: int | None) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms) | {"gather": 10}])
    portal.direct("PUT", "/operations", json={"vanish_every": 2, "vanish_after": done_first})
    keeper.start()
    keeper.register()

    for number in range(20):
        rooms.upload(f"File {number}.docx", f"{number}".encode())
    keeper.settle(lambda: rooms.copies() >= 20)

    assert rooms.missing_and_doubled() == ([], [])
    assert {one["state"] for one in keeper.runs()} == {"done"}


def test_a_room_that_others_are_writing_into_is_waited_for(portal: Portal, keepers: Make) -> None:
    """Whoever waits for it longer than half a minute gives up there (DistributedLockException.cs)."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    portal.direct("PUT", "/operations", json={"locked": 1})
    keeper.start()
    keeper.register()
    rooms.upload("Contract.pdf")

    (run,) = keeper.settle(lambda: rooms.copies() == 1)

    assert (run["state"], run["error"]) == ("done", None)
    assert keeper.copy_requests() == 2


def test_a_copy_that_is_listed_without_its_content_is_named_and_made_anew(portal: Portal, keepers: Make) -> None:
    """The portal writes a file's row before its content (FileDao.cs); its worker may be stopped in between."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    portal.direct("PUT", "/operations", json={"vanish_every": 1, "hollow": 1})
    keeper.start()
    keeper.register()
    rooms.upload("Contract.pdf")

    (run,) = keeper.settle(lambda: [one["state"] for one in keeper.runs()] == ["needs_attention"])
    failed = keeper.ask("runs", "show", str(run["id"]))["steps"][0]["items"]
    (hollow,) = portal.tree(rooms.internal)
    portal.call("DELETE", f"/files/file/{hollow['id']}", json={"immediately": True})
    until(lambda: rooms.copies() == 0)
    keeper.say("runs", "retry", str(run["id"]))
    (run,) = keeper.settle(lambda: rooms.copies() == 1)

    assert [one["item"] for one in failed] == [f"file {hollow['id']} 'Contract.pdf'"]
    assert "has no content" in failed[0]["reason"]
    assert run["state"] == "done"


@pytest.mark.parametrize("policy", ["version", "keep_both"])
def test_new_versions_arrive_once_although_answers_are_lost(portal: Portal, keepers: Make, policy: str) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms, on_conflict=policy)])
    keeper.start()
    keeper.register()
    for number in range(6):
        rooms.upload(f"File {number}.docx", f"{number}".encode())
    keeper.settle(lambda: rooms.copies() == 6)
    portal.direct("PUT", "/faults", json=[{"kind": "drop_after", "every": 2, **COPY}])

    for number in range(6):
        portal.upload(rooms.client, f"File {number}.docx", f"second {number}".encode())
        keeper.settle(lambda wanted=number + 2: _versions(rooms) >= 6 + wanted - 1)

    portal.direct("PUT", "/faults", json=[])
    assert _versions(rooms) == 12
    assert len({digest for one in portal.tree(rooms.internal) for digest in one["digests"]}) == 12


def test_two_versions_uploaded_within_one_second_both_reach_the_copy(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()

    for number in range(8):
        portal.upload(rooms.client, "Draft.docx", f"version {number}".encode())
        time.sleep(0.25)
    last = portal.tree(rooms.client)[0]["digests"][-1]
    keeper.settle(lambda: bool(portal.tree(rooms.internal)) and portal.tree(rooms.internal)[0]["digests"][-1] == last)

    copy = portal.tree(rooms.internal)
    assert len(copy) == 1
    assert len(copy[0]["digests"]) == len(set(copy[0]["digests"]))


@pytest.mark.long
def test_thousands_of_uploads_at_once_take_few_requests_and_keep_the_limits(portal: Portal, keepers: Make) -> None:
    many = sized(5000, 1000)
    rooms = Rooms(portal)
    portal.direct(
        "PUT",
        "/settings",
        json={"enforce_limits": True, "per_minute": 100_000, "writes": 4, "reads": 10, "writes_per_day": 100_000},
    )
    budget = {"requests_per_minute": 100_000, "reads": 10, "writes": 4}
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], budget=budget)
    # Some were there before: nobody asked for these.
    portal.direct("POST", f"/folders/{rooms.client}/fill", json={"files": 100, "user": rooms.guest})
    next_second()
    keeper.start()
    keeper.register()

    portal.direct("POST", f"/folders/{rooms.client}/fill", json={"files": many, "user": rooms.guest, "tell": True})
    keeper.settle(lambda: rooms.copies() >= many, within=400)

    assert rooms.copies() == many
    assert rooms.missing_and_doubled()[1] == []
    assert keeper.copy_requests() <= 1.5 * many / 100
    usage = portal.direct("GET", "/usage")["keeper"]
    print(f"{many} uploads: {keeper.copy_requests()} requests to copy, {rooms.copies()} copies, limits: {usage}")
    assert usage["refused"] == 0
    assert usage["peak_reads"] <= 10
    assert usage["peak_writes"] <= 4


def test_a_portal_that_is_down_holds_up_no_other(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    dead = {"type": "docspace", "url": "http://127.0.0.1:9", "api_key": "!env API_KEY", "webhook_secret": "!env SECRET"}
    copying = {"do": "copy_files", "with": {"to": 2}, "via": "dead"}
    automations = [
        copy_uploads(rooms) | {"from": "acme"},
        {"name": "dead", "on": "file.uploaded", "from": "dead", "where": {"room": 1}, "steps": [copying]},
    ]
    keeper = keepers(portal, rooms.keeper_key, automations, others={"dead": dead})
    keeper.start()
    keeper.register()
    for number in range(20):
        _deliver(keeper, "dead", number)

    for number in range(10):
        rooms.upload(f"File {number}.docx", f"{number}".encode())
    keeper.settle(lambda: rooms.copies() == 10)

    assert rooms.missing_and_doubled() == ([], [])
    waiting = keeper.ask("events", "list", "--connection", "dead")
    assert {one["state"] for one in waiting} == {"new"}


def test_one_folder_that_cannot_be_looked_up_holds_up_no_other(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    folders = portal.folders(rooms.client, ["Poison", "Good"])
    portal.direct(
        "PUT", "/faults", json=[{"kind": "status", "status": 500, "path": f"/files/folder/{folders['Poison']}/path"}]
    )
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()

    for number in range(5):
        rooms.upload(f"Poisoned {number}.docx", f"{number}".encode(), folder=folders["Poison"])
        rooms.upload(f"Good {number}.docx", f"good {number}".encode(), folder=folders["Good"])
    keeper.settle(lambda: rooms.copies() == 5)
    assert {one["path"][0] for one in portal.tree(rooms.internal)} == {"Good"}

    portal.direct("PUT", "/faults", json=[])
    keeper.settle(lambda: rooms.copies() == 10)

    assert rooms.missing_and_doubled() == ([], [])


def test_a_cancelled_run_ends_before_its_successor_begins(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    portal.direct("PUT", "/operations", json={"queue_seconds": 12.0})
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    rooms.upload("First.docx")
    until(lambda: keeper.copy_requests() == 1)

    keeper.say("runs", "cancel", "1")
    portal.direct("PUT", "/operations", json={"queue_seconds": 0.0})
    rooms.upload("Second.docx", b"second")
    keeper.settle(lambda: len(keeper.runs()) == 2)

    second, first = keeper.runs()
    assert (first["state"], second["state"]) == ("cancelled", "done")
    assert first["ended_at"] <= second["started_at"]
    keeper.say("runs", "retry", "1")
    keeper.settle(lambda: keeper.runs()[1]["state"] == "done")
    assert rooms.missing_and_doubled() == ([], [])


def _versions(rooms: Rooms) -> int:
    return sum(one["version"] for one in rooms.portal.tree(rooms.internal))


def _deliver(keeper: Keeper, connection: str, number: int) -> None:
    body = json.dumps(
        {
            "event": {"id": number, "createOn": "2026-06-30T12:05:09Z", "trigger": "file.uploaded"},
            "payload": {"id": number, "parentId": 7, "title": "x"},
        }
    ).encode()
    assert httpx2.post(f"{keeper.url}/hooks/{connection}", content=body, headers=signed(body)).json() == {
        "status": "accepted"
    }
