"""People: listed whole, asked for before they lose something, and looked at afterwards."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from stage import Keeper, Portal, Rooms, until

Make = Callable[..., Keeper]


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


@pytest.fixture
def admin(portal: Portal) -> str:
    made = portal.direct("POST", "/users", json={"name": "Ada Admin", "email": "ada@x.example", "kind": "admin"})
    return str(made["key"])


def serving(keepers: Make, rooms: Rooms, *steps: dict[str, Any], key: str = "", apart: bool = False) -> Keeper:
    automation = {"name": "people", "on": "schedule", "every": "365d", "missed": "skip", "steps": [*steps]}
    keeper = keepers(rooms.portal, key or rooms.keeper_key, [automation])
    keeper.start_apart() if apart else keeper.start()
    return keeper


def told(keeper: Keeper, *, state: str = "done") -> dict[str, Any]:
    keeper.ask("start", "people", "--wait", codes=(0, 1, 3))
    run = keeper.settle()[0]
    assert run["state"] == state, run["error"]
    shown: dict[str, Any] = keeper.ask("runs", "show", str(run["id"]))
    return shown


def members(rooms: Rooms, room: int) -> dict[str, int]:
    shown = rooms.portal.call("GET", f"/files/rooms/{room}/share")
    return {one["sharedTo"]["email"]: one["access"] for one in shown}


def guests(rooms: Rooms, room: int, many: int) -> list[str]:
    """Have the keeper invite guests into a room."""
    addresses = [f"guest{number}@partner.example" for number in range(many)]
    invited = [{"email": one, "access": 2} for one in addresses]
    rooms.portal.call("PUT", f"/files/rooms/{room}/share", key=rooms.keeper_key, json={"invitations": invited})
    return addresses


def test_hundreds_of_people_are_listed_by_what_they_are(rooms: Rooms, keepers: Make, admin: str) -> None:
    for number in range(130):
        who = {"name": f"Guest {number}", "email": f"g{number}@partner.example", "kind": "guest"}
        rooms.portal.direct("POST", "/users", json=who)
    guests(rooms, rooms.client, 2)  # who have not come yet
    wanted = {"where": {"type": "guest", "email": {"like": "*@partner.example"}}}
    keeper = serving(keepers, rooms, {"do": "list_people", "as": "listed", "with": wanted}, key=admin)

    listed = told(keeper)["steps"][0]["result"]

    assert (listed["count"], len(set(listed["ids"]))) == (132, 132)
    assert Counter(one["status"] for one in listed["people"]) == {"active": 130, "pending": 2}


def test_who_did_nothing_is_told_by_the_room_s_history(rooms: Rooms, keepers: Make) -> None:
    guests(rooms, rooms.client, 2)
    wanted = {"room": rooms.client, "inactive_for": "6s"}
    keeper = serving(keepers, rooms, {"do": "list_members", "as": "quiet", "with": wanted})

    assert told(keeper)["steps"][0]["result"]["members"] == []  # who has just come has had no time
    time.sleep(6.1)
    rooms.upload("a.docx")
    quiet = told(keeper)["steps"][0]["result"]

    # The guest has uploaded; the owner is never among them.
    quiet_ones = {"guest0@partner.example", "guest1@partner.example", "keeper@x.example"}
    assert {one["email"] for one in quiet["members"]} == quiet_ones
    body = '{"error": {"message": "Access denied", "type": "System.Security.SecurityException"}, "statusCode": 403}'
    refused = {"kind": "status", "status": 403, "method": "GET", "path": f"/files/folder/{rooms.client}/log"}
    rooms.portal.direct("PUT", "/faults", json=[refused | {"body": body}])
    assert "Access denied" in told(keeper, state="needs_attention")["error"]


def test_many_are_asked_for_by_name_and_lose_their_access_only_then(rooms: Rooms, keepers: Make) -> None:
    addresses = guests(rooms, rooms.client, 12)
    listed = {"do": "list_members", "as": "guests", "with": {"room": rooms.client, "where": {"type": "guest"}}}
    step = {"do": "set_access", "with": {"room": rooms.client, "people": "{{ guests.ids }}", "access": "none"}}
    keeper = serving(keepers, rooms, listed, step)

    run = told(keeper, state="needs_attention")

    assert len(members(rooms, rooms.client)) == 15
    asked = run["steps"][1]["plan"]["lines"]
    assert {one for one in addresses if any(one in line for line in asked)} == set(addresses)
    keeper.say("runs", "approve", str(run["id"]), "--wait", codes=(0, 1, 3))
    run = keeper.settle()[0]
    # The first guest was invited by the portal's owner: only the owner, or the room's, can end that.
    assert set(members(rooms, rooms.client)) & set(addresses) == set()
    assert (run["state"], "stays as it was for 1 of 13 people" in run["error"]) == ("needs_attention", True)


def test_an_archived_room_is_brought_back_for_it_and_archived_again_over_a_kill(rooms: Rooms, keepers: Make) -> None:
    room = rooms.portal.call("POST", "/files/rooms", key=rooms.keeper_key, json={"title": "Done", "roomType": 5})["id"]
    addresses = guests(rooms, room, 3)
    rooms.portal.call("PUT", f"/files/rooms/{room}/archive", key=rooms.keeper_key, json={"deleteAfter": False})
    until(lambda: rooms.portal.call("GET", f"/files/folder/{room}", key=rooms.keeper_key)["rootFolderType"] == 20)
    step = {"do": "set_access", "with": {"room": room, "people": addresses, "access": "none"}}
    keeper = serving(keepers, rooms, step, apart=True)
    slow = {"kind": "delay", "seconds": 1.0, "method": "PUT", "path": f"/files/rooms/{room}/share"}
    rooms.portal.direct("PUT", "/faults", json=[slow])
    keeper.say("start", "people")
    until(lambda: rooms.portal.call("GET", f"/files/folder/{room}", key=rooms.keeper_key)["rootFolderType"] != 20)

    keeper.kill()
    keeper.start_apart()
    (run,) = keeper.settle()

    assert (run["state"], run["error"]) == ("done", None)
    assert rooms.portal.call("GET", f"/files/folder/{room}", key=rooms.keeper_key)["rootFolderType"] == 20
    assert set(members(rooms, room)) & set(addresses) == set()


def test_accounts_are_disabled_once_a_person_consents_but_never_the_owner_s_or_our_own(
    rooms: Rooms, keepers: Make, admin: str
) -> None:
    owner = next(one for one in members(rooms, rooms.client) if "keeper" not in one and "guest" not in one)
    wanted = ["guest@x.example", owner, "ada@x.example", "nobody@x.example"]
    keeper = serving(keepers, rooms, {"do": "disable_people", "with": {"people": wanted}}, key=admin)

    run = told(keeper, state="needs_attention")
    assert "disable 1 account?" in run["error"]
    assert rooms.portal.call("GET", f"/people/{rooms.guest}")["status"] == 1

    keeper.say("runs", "approve", str(run["id"]), "--wait", codes=(0, 1, 3))
    run = keeper.ask("runs", "show", str(keeper.settle()[0]["id"]))
    assert rooms.portal.call("GET", f"/people/{rooms.guest}")["status"] == 2
    reasons = {one["item"]: one["reason"] for one in run["steps"][0]["items"]}
    assert set(reasons) == {owner, "ada@x.example", "nobody@x.example"}
    assert "owner" in reasons[owner]
    assert "Roomkeeper uses" in reasons["ada@x.example"]


def test_an_account_that_is_not_shown_everybody_makes_no_list_unless_that_will_do(rooms: Rooms, keepers: Make) -> None:
    rooms.portal.direct("POST", "/users", json={"name": "Stranger", "email": "s@x.example", "kind": "guest"})
    keeper = serving(keepers, rooms, {"do": "list_people", "with": {"where": {"type": "guest"}}})

    run = told(keeper, state="needs_attention")

    assert "no administrator's" in run["error"]
    changed = keeper.text["automations"]
    changed[0]["steps"][0]["with"]["seen"] = True
    keeper.rewrite(automations=changed)
    keeper.ask("reload")
    listed = told(keeper)["steps"][0]["result"]
    assert "s@x.example" not in [one["email"] for one in listed["people"]]


def test_a_history_that_does_not_go_back_far_enough_makes_nobody_inactive(rooms: Rooms, keepers: Make) -> None:
    rooms.portal.direct("PUT", "/settings", json={"loses_history": True})
    room = rooms.add("Old", {rooms.keeper: 9, rooms.guest: 11})
    time.sleep(1.1)
    keeper = serving(keepers, rooms, {"do": "list_members", "with": {"room": room, "inactive_for": "1s"}})

    assert "does not go back" in told(keeper, state="needs_attention")["error"]


def test_who_is_there_by_a_group_is_not_said_to_be_gone(rooms: Rooms, keepers: Make, admin: str) -> None:
    uma = rooms.portal.direct("POST", "/users", json={"name": "Uma", "email": "uma@x.example", "kind": "user"})["id"]
    wanted = {"groupName": "Sales", "groupManager": uma, "members": [uma]}
    group = rooms.portal.call("POST", "/group", json=wanted)["id"]
    given = {"invitations": [{"id": group, "access": 10}]}
    rooms.portal.call("PUT", f"/files/rooms/{rooms.client}/share", json=given)
    people = ["uma@x.example", "nobody@x.example", "ada@x.example"]
    given = {"invitations": [{"id": rooms.keeper, "access": 9}]}
    step = {"do": "set_access", "with": {"room": rooms.client, "people": people, "access": "none"}}
    keeper = serving(keepers, rooms, step)

    run = told(keeper, state="needs_attention")

    reasons = {one["item"]: one["reason"] for one in run["steps"][0]["items"]}
    assert set(reasons) == {"uma@x.example", "nobody@x.example"}
    assert "by the group 'Sales'" in reasons["uma@x.example"]
    assert run["steps"][0]["result"]["absent"] == ["ada@x.example"]


def test_a_key_that_may_not_look_people_up_is_what_is_wrong_not_their_names(rooms: Rooms, keepers: Make) -> None:
    may = ["files:write", "rooms:write"]
    account = {"name": "P", "email": "p@x.example", "kind": "room_admin", "permissions": may}
    poor = rooms.portal.direct("POST", "/users", json=account)
    room = rooms.add("Hers", {poor["id"]: 9})
    step = {"do": "set_access", "with": {"room": room, "people": ["uma@x.example"], "access": "none"}}

    run = told(serving(keepers, rooms, step, key=poor["key"]), state="needs_attention")

    assert "accounts:read" in run["remedy"]
    assert run["steps"][0].get("items", []) == []


def test_cancelled_in_the_middle_the_room_is_archived_again_all_the_same(rooms: Rooms, keepers: Make) -> None:
    room = rooms.portal.call("POST", "/files/rooms", key=rooms.keeper_key, json={"title": "Done", "roomType": 5})["id"]
    addresses = guests(rooms, room, 3)
    rooms.portal.call("PUT", f"/files/rooms/{room}/archive", key=rooms.keeper_key, json={"deleteAfter": False})
    until(lambda: rooms.portal.call("GET", f"/files/folder/{room}", key=rooms.keeper_key)["rootFolderType"] == 20)
    step = {"do": "set_access", "with": {"room": room, "people": addresses, "access": "none"}}
    keeper = serving(keepers, rooms, step)
    slow = {"kind": "delay", "seconds": 1.2, "method": "PUT", "path": f"/files/rooms/{room}/share"}
    rooms.portal.direct("PUT", "/faults", json=[slow])
    keeper.say("start", "people")
    until(lambda: rooms.portal.call("GET", f"/files/folder/{room}", key=rooms.keeper_key)["rootFolderType"] != 20)

    keeper.say("runs", "cancel", "1")
    keeper.settle()

    assert rooms.portal.call("GET", f"/files/folder/{room}", key=rooms.keeper_key)["rootFolderType"] == 20
    # Somebody brings it back for good; going through it all again leaves it there.
    rooms.portal.direct("PUT", "/faults", json=[])
    rooms.portal.call("PUT", f"/files/rooms/{room}/unarchive", key=rooms.keeper_key, json={"deleteAfter": False})
    until(lambda: rooms.portal.call("GET", f"/files/folder/{room}", key=rooms.keeper_key)["rootFolderType"] != 20)
    keeper.say("runs", "retry", "1", "--from-start", "--wait", codes=(0, 1, 3))
    keeper.settle()
    assert rooms.portal.call("GET", f"/files/folder/{room}", key=rooms.keeper_key)["rootFolderType"] != 20
