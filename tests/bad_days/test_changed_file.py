"""The file changes while work is under way: what was parked, made or refused before goes on as it is now."""

from collections.abc import Callable
from typing import Any

import pytest
from people import PROGRAM, PROGRAMS, with_a_token
from stage import Keeper, Portal, Rooms, copy_uploads, until

Make = Callable[..., Keeper]


def test_what_waits_for_a_renamed_automation_goes_with_it(portal: Portal, keepers: Make, store_address: str) -> None:
    """Ten of twenty uploads were stranded, without an alert, and for ever."""
    rooms = Rooms(portal)
    before = begun(keepers, rooms, store_address, copy_uploads(rooms))
    rooms.upload("First.docx")
    before.settle(lambda: rooms.copies() == 1)
    before.stop()
    park(rooms, begun(keepers, rooms, store_address, copy_uploads(rooms) | {"paused": True}))

    after = begun(keepers, rooms, store_address, copy_uploads(rooms) | {"name": "copies-for-the-team"})
    runs = after.settle(lambda: rooms.copies() == 11)

    assert {one["state"] for one in runs} == {"done"}
    assert {one["automation"] for one in runs} == {"copy-client-uploads", "copies-for-the-team"}
    assert alerts(after) == []


def test_a_pause_goes_with_a_new_name_and_so_do_the_runs_that_wait(portal: Portal, keepers: Make) -> None:
    """What a person had paused was copied at once under the new name, and a run under the old one waited for ever."""
    rooms = Rooms(portal)
    before = begun(keepers, rooms, "../store", copy_uploads(rooms))
    portal.direct("PUT", "/faults", json=[{"kind": "status", "status": 403, "path": "/fileops/copy", "body": "{}"}])
    rooms.upload("Offer.docx")
    (run,) = before.settle(lambda: [one["state"] for one in before.runs()] == ["needs_attention"])
    portal.direct("PUT", "/faults", json=[])
    before.say("pause", "copy-client-uploads")
    before.say("runs", "retry", str(run["id"]))
    park(rooms, before)

    after = begun(keepers, rooms, "../store", copy_uploads(rooms) | {"name": "copies-for-the-team"})
    after.look_back()
    assert {one["state"] for one in after.runs()} == {"waiting"}
    assert rooms.copies() == 0
    after.say("resume", "copies-for-the-team")
    runs = after.settle(lambda: rooms.copies() == 11)
    assert {one["automation"] for one in runs} == {"copies-for-the-team"}


def test_what_was_done_under_an_older_name_is_accounted_for_and_what_rests_is_said(
    portal: Portal, keepers: Make
) -> None:
    """`prove` called finished work unaccounted after a mere rename; no command said that anything was paused."""
    rooms = Rooms(portal)
    before = begun(keepers, rooms, "../store", copy_uploads(rooms))
    rooms.upload("First.docx")
    before.settle(lambda: rooms.copies() == 1)
    before.stop()

    after = begun(keepers, rooms, "../store", copy_uploads(rooms) | {"name": "copies-for-the-team"})
    proof = after.ask("prove", "copies-for-the-team")
    assert [one["outcome"] for one in proof["lines"]] == ["done"], proof
    after.say("pause", "copies-for-the-team")
    rooms.upload("Second.docx")
    until(lambda: any(one["state"] == "parked" and not one["runs"] for one in after.ask("events", "list")))
    (waiting,) = [one for one in after.ask("events", "list") if one["state"] == "parked" and not one["runs"]]
    assert waiting["reason"] == "waits: copies-for-the-team is paused"
    assert after.ask("events", "show", str(waiting["id"]))["reason"] == waiting["reason"]
    said = after.ask("doctor", "--no-round-trip", codes=(0, 1, 3))["checks"]
    assert ["copies-for-the-team is paused by" in one["said"] for one in said if one["check"] == "automations"] == [
        True
    ]
    proof = after.ask("prove", "copies-for-the-team")
    assert {one["said"] for one in proof["lines"] if one["outcome"] == "waiting"} == {"the automation is paused"}


def test_what_waits_for_a_connection_that_is_gone_is_said_and_goes_on_once_it_is_back(
    portal: Portal, keepers: Make
) -> None:
    rooms = Rooms(portal)
    park(rooms, begun(keepers, rooms, "../store", copy_uploads(rooms) | {"paused": True}))
    renamed = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], store="../store", top={"dashboard": PROGRAMS})
    renamed.rewrite(connections={"portal": renamed.text["connections"]["acme"]})
    with_a_token(renamed).start()
    until(lambda: alerts(renamed))
    assert "10 events wait for the connection acme" in alerts(renamed)[0]
    renamed.stop()

    after = begun(keepers, rooms, "../store", copy_uploads(rooms))
    after.settle(lambda: rooms.copies() == 10)
    until(lambda: alerts(after) == [])


def test_what_waits_for_an_automation_that_is_gone_is_said_and_can_be_dispatched_anew(
    portal: Portal, keepers: Make, store_address: str
) -> None:
    rooms = Rooms(portal)
    other = copy_uploads(rooms, keep_folders=False) | {"name": "another"}
    park(rooms, begun(keepers, rooms, store_address, copy_uploads(rooms) | {"paused": True}))

    after = begun(keepers, rooms, store_address, other)
    until(lambda: alerts(after))
    assert "10 events wait for copy-client-uploads" in alerts(after)[0]
    assert "10 events wait for copy-client-uploads" in after.ask("check", "--store", codes=(3,))["stranded"][0]["what"]
    assert rooms.copies() == 0
    after.say("events", "redispatch", "another", codes=(1,))  # it is there, and takes what waits for it

    after.say("events", "redispatch", "copy-client-uploads")
    after.settle(lambda: rooms.copies() == 10)
    assert alerts(after) == []
    after.say("events", "redispatch", "copy-client-uploads", codes=(1,))


def test_a_run_whose_destination_is_gone_goes_on_with_the_corrected_file(portal: Portal, keepers: Make) -> None:
    """The commonest repair: delete the destination, correct `to`, retry."""
    rooms = Rooms(portal)
    store = "../store"
    before = begun(keepers, rooms, store, copy_uploads(rooms))
    portal.call("DELETE", f"/files/rooms/{rooms.internal}", json={"deleteAfter": False})
    rooms.upload("Offer.docx", b"an offer")
    (run,) = before.settle(lambda: [one["state"] for one in before.runs()] == ["needs_attention"])
    assert "renew" not in offered(before, run)
    before.stop()
    rooms.internal = rooms.add("Acme anew (internal)", {rooms.keeper: 9})

    after = begun(keepers, rooms, store, copy_uploads(rooms))
    after.say("runs", "retry", str(run["id"]))
    after.settle()
    assert rooms.copies() == 0  # it keeps its own text, until a person says otherwise
    assert "renew" in offered(after, run)
    after.say("runs", "retry", "--as-now", "--from-start", str(run["id"]), codes=(2,))
    after.say("runs", "retry", "--as-now", str(run["id"]))
    (run,) = after.settle(lambda: rooms.copies() == 1)

    assert run["state"] == "done"
    assert "renew" not in offered(after, run)


@pytest.mark.parametrize("change", [{"paused": True}])
def test_a_paused_automation_begins_no_run_that_was_made_before(
    portal: Portal, keepers: Make, change: dict[str, Any]
) -> None:
    """`paused: true` in the file let runs go that had been made before."""
    rooms = Rooms(portal)
    store = "../store"
    before = begun(keepers, rooms, store, copy_uploads(rooms))
    portal.direct("PUT", "/faults", json=[{"kind": "status", "status": 403, "path": "/fileops/copy", "body": "{}"}])
    rooms.upload("Offer.docx")
    (run,) = before.settle(lambda: [one["state"] for one in before.runs()] == ["needs_attention"])
    portal.direct("PUT", "/faults", json=[])
    before.stop()
    before.say("runs", "retry", str(run["id"]))  # nobody is there to begin it

    resting = begun(keepers, rooms, store, copy_uploads(rooms) | change)
    resting.look_back()
    assert [one["state"] for one in resting.runs()] == ["waiting"]
    assert rooms.copies() == 0
    resting.stop()

    begun(keepers, rooms, store, copy_uploads(rooms)).settle(lambda: rooms.copies() == 1)


@pytest.mark.parametrize("turned", [False, True], ids=["title, then id", "id, then title"])
def test_a_room_that_is_named_otherwise_while_we_are_down_is_the_room_that_it_was(
    portal: Portal, keepers: Make, store_address: str, turned: bool
) -> None:
    """A title in the place of an id began "listening since" anew: three of five uploads were never copied."""
    rooms = Rooms(portal)
    names: list[int | str] = ["Client_ Acme", rooms.client]  # as the portal stores the title
    first, second = reversed(names) if turned else names
    before = begun(keepers, rooms, store_address, copy_uploads(rooms) | {"where": {"room": first}})
    rooms.upload("First.docx")
    before.settle(lambda: rooms.copies() == 1)
    before.ask("reconcile")
    before.stop()
    for number in range(5):
        rooms.upload(f"Meanwhile {number}.docx")

    after = begun(keepers, rooms, store_address, copy_uploads(rooms) | {"where": {"room": second}})
    after.settle(lambda: rooms.copies() == 6)

    assert rooms.missing_and_doubled() == ([], [])
    proof = after.ask("prove", "copy-client-uploads")
    assert [one["outcome"] for one in proof["lines"]] == ["done"] * 6, proof


def begun(keepers: Make, rooms: Rooms, store: str, automation: dict[str, Any]) -> Keeper:
    top = {"dashboard": PROGRAMS}
    keeper = with_a_token(keepers(rooms.portal, rooms.keeper_key, [automation], store=store, top=top))
    keeper.start()
    keeper.register()
    return keeper


def park(rooms: Rooms, keeper: Keeper) -> None:
    """Have ten uploads wait for an automation that rests."""
    for number in range(10):
        rooms.upload(f"File {number}.docx")
    until(lambda: sum(one["state"] == "parked" for one in keeper.ask("events", "list")) >= 10)
    keeper.stop()


def alerts(keeper: Keeper) -> list[str]:
    found = keeper.ask("doctor", "--no-round-trip", codes=(0, 1, 3))["checks"]
    return [one["said"] for one in found if one["check"] == "alert"]


def offered(keeper: Keeper, run: dict[str, Any]) -> list[str]:
    shown = keeper.portal.http.get(f"{keeper.url}/api/v1/runs/{run['id']}", headers=PROGRAM).json()
    return [one["order"] for one in shown["offers"]]
