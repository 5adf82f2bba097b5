"""Accounts: made once, given up only with a consent; rooms of others joined; nobody locked out."""

from collections.abc import Callable
from typing import Any

import pytest
from stage import Keeper, Portal, Rooms, until

Make = Callable[..., Keeper]


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


def person(portal: Portal, name: str, kind: str = "user") -> str:
    made: str = portal.direct("POST", "/users", json={"name": name, "email": f"{name}@x.example", "kind": kind})["id"]
    return made


def doing(keepers: Make, rooms: Rooms, *steps: dict[str, Any], key: str = "") -> Keeper:
    automation = {"name": "job", "on": "schedule", "every": "365d", "missed": "skip", "steps": list(steps)}
    keeper = keepers(rooms.portal, key or rooms.portal.owner, [automation])
    keeper.start()
    return keeper


def run(keeper: Keeper) -> dict[str, Any]:
    """Run it once more; gives the run as it is when it is over or asks."""
    keeper.ask("start", "job", "--wait", codes=(0, 1, 3))
    return shown(keeper)


def shown(keeper: Keeper) -> dict[str, Any]:
    number = max(one["id"] for one in keeper.runs())
    until(lambda: keeper.ask("runs", "show", str(number))["state"] not in {"waiting", "running"})
    told: dict[str, Any] = keeper.ask("runs", "show", str(number))
    return told


def approved(keeper: Keeper) -> dict[str, Any]:
    number = max(one["id"] for one in keeper.runs())
    keeper.say("runs", "approve", str(number))
    until(lambda: keeper.ask("runs", "show", str(number))["state"] == "done")
    return shown(keeper)


def writes(portal: Portal, path: str) -> int:
    return sum(one["path"] == path and one["method"] != "GET" for one in portal.direct("GET", "/journal"))


def test_an_account_is_made_once_and_the_one_that_is_there_is_used(rooms: Rooms, keepers: Make) -> None:
    keeper = doing(keepers, rooms, {"do": "create_user", "as": "made", "with": {"email": "New.One@x.example"}})

    first, second = run(keeper), run(keeper)

    assert (first["state"], first["error"]) == ("done", None)
    assert [one["steps"][0]["result"]["made"] for one in (first, second)] == [True, False]
    assert first["steps"][0]["result"]["id"] == second["steps"][0]["result"]["id"]
    assert writes(rooms.portal, "/people/invite") == 1


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "late"])
def test_a_lost_answer_makes_no_second_account(kind: str, rooms: Rooms, keepers: Make) -> None:
    fault = {"kind": kind, "method": "POST", "path": "people/invite", "times": 1, "seconds": 1.0}
    rooms.portal.direct("PUT", "/faults", json=[fault])
    keeper = doing(keepers, rooms, {"do": "create_user", "with": {"email": "new@x.example"}})

    done = run(keeper)

    assert done["state"] == "done"
    everybody = rooms.portal.call("GET", "/people/filter", params={"count": 100})
    assert [one["email"] for one in everybody].count("new@x.example") == 1


@pytest.mark.parametrize(
    ("there", "wanted", "said"),
    [
        ("user", "room_admin", "has an account of the type 'user'"),
        ("guest", "user", "has an account of the type 'guest'"),
        ("disabled", "user", "is disabled"),
    ],
)
def test_nobody_is_raised_or_enabled_by_the_way(
    there: str, wanted: str, said: str, rooms: Rooms, keepers: Make
) -> None:
    number = person(rooms.portal, "ann", "user" if there == "disabled" else there)
    if there == "disabled":
        rooms.portal.call("PUT", "/people/status/Terminated", json={"userIds": [number]})
    keeper = doing(keepers, rooms, {"do": "create_user", "with": {"email": "ann@x.example", "type": wanted}})

    done = run(keeper)

    assert done["state"] == "needs_attention"
    assert said in done["error"]
    assert done["remedy"]
    assert writes(rooms.portal, "/people/invite") == 0


def test_what_somebody_leaves_is_given_away_after_a_consent_and_once(rooms: Rooms, keepers: Make) -> None:
    leaving, heir = person(rooms.portal, "leaving", "room_admin"), person(rooms.portal, "heir", "room_admin")
    disable = {"do": "disable_people", "with": {"people": ["leaving@x.example"], "approve_over": None}}
    give = {"do": "reassign", "as": "given", "with": {"person": "leaving@x.example", "to": heir}}
    made = rooms.portal.direct("POST", "/users", json={"name": "k", "email": "k@x.example", "kind": "admin"})
    room = rooms.add("Theirs", {})
    rooms.portal.call("POST", "/files/owner", json={"folderIds": [room], "userId": leaving})
    rooms.add("Somebody else's", {leaving: 11})  # where they are only in stays as it is
    keeper = doing(keepers, rooms, disable, give)

    asking = run(keeper)
    before = rooms.portal.call("GET", f"/files/folder/{room}")["createdBy"]["id"]
    given = approved(keeper)
    again = run(keeper)

    assert made["id"]
    assert asking["state"] == "needs_attention"
    assert "give the rooms and shared files of leaving" in str(asking["steps"])
    assert before == leaving
    assert rooms.portal.call("GET", f"/files/folder/{room}")["createdBy"]["id"] == heir
    assert given["steps"][1]["result"]["made"] is True
    assert (again["state"], again["steps"][1]["result"]["made"]) == ("done", False)
    assert writes(rooms.portal, "/people/reassign/start") == 1


@pytest.mark.parametrize(
    ("leaving", "heir", "said"),
    [
        ("active", "room_admin", "is not disabled"),
        ("disabled", "user", "can own no room"),
        ("disabled", "nobody", "is nobody on the portal"),
    ],
)
def test_what_cannot_be_given_away_is_said_before_anybody_is_asked(
    leaving: str, heir: str, said: str, rooms: Rooms, keepers: Make
) -> None:
    number = person(rooms.portal, "leaving", "room_admin")
    if leaving == "disabled":
        rooms.portal.call("PUT", "/people/status/Terminated", json={"userIds": [number]})
    if heir != "nobody":
        person(rooms.portal, "heir", heir)
    given = {"person": "leaving@x.example", "to": "heir@x.example"}
    keeper = doing(keepers, rooms, {"do": "reassign", "with": given})

    done = run(keeper)

    assert done["steps"][0]["state"] == "failed"
    assert said in done["error"]
    assert writes(rooms.portal, "/people/reassign/start") == 0


def test_a_room_of_others_is_joined_and_stays_theirs(rooms: Rooms, keepers: Make) -> None:
    steward = rooms.portal.direct("POST", "/users", json={"name": "s", "email": "s@x.example", "kind": "admin"})
    theirs = rooms.portal.call("POST", "/files/rooms", key=rooms.keeper_key, json={"title": "Theirs", "roomType": 2})[
        "id"
    ]
    folders = {"do": "create_folders", "with": {"room": theirs, "folders": ["Contracts"]}}
    keeper = doing(keepers, rooms, {"do": "join_room", "with": {"room": theirs}}, folders, key=steward["key"])

    first, second = run(keeper), run(keeper)

    assert (first["state"], first["error"]) == ("done", None)
    assert [one["steps"][0]["result"]["made"] for one in (first, second)] == [True, False]
    assert first["steps"][0]["result"]["owner"] == rooms.keeper
    shown_room = rooms.portal.call("GET", f"/files/folder/{theirs}")
    assert shown_room["createdBy"]["id"] == rooms.keeper
    members = rooms.portal.call("GET", f"/files/rooms/{theirs}/share")
    assert {one["sharedToUser"]["id"] for one in members} == {rooms.keeper, steward["id"]}
    assert writes(rooms.portal, "/files/owner") == 2


@pytest.mark.parametrize("every", [1, 2])
def test_a_room_that_was_taken_is_given_back_after_a_broken_call(every: int, rooms: Rooms, keepers: Make) -> None:
    steward = rooms.portal.direct("POST", "/users", json={"name": "s", "email": "s@x.example", "kind": "admin"})
    theirs = rooms.portal.call("POST", "/files/rooms", key=rooms.keeper_key, json={"title": "Theirs", "roomType": 2})[
        "id"
    ]
    fault = {"kind": "drop_after", "method": "POST", "path": "files/owner", "every": every, "times": 1}
    rooms.portal.direct("PUT", "/faults", json=[fault])
    keeper = doing(keepers, rooms, {"do": "join_room", "with": {"room": theirs}}, key=steward["key"])

    done = run(keeper)

    assert done["state"] == "done"
    assert rooms.portal.call("GET", f"/files/folder/{theirs}")["createdBy"]["id"] == rooms.keeper


def test_who_may_not_take_a_room_or_could_not_give_it_back_leaves_it_alone(rooms: Rooms, keepers: Make) -> None:
    steward = rooms.portal.direct("POST", "/users", json={"name": "s", "email": "s@x.example", "kind": "admin"})
    theirs = rooms.portal.call("POST", "/files/rooms", key=rooms.keeper_key, json={"title": "Theirs", "roomType": 2})[
        "id"
    ]
    rooms.portal.call("PUT", "/people/status/Terminated", json={"userIds": [rooms.keeper]})
    keeper = doing(keepers, rooms, {"do": "join_room", "with": {"room": theirs}}, key=steward["key"])

    done = run(keeper)

    assert "whose account is not active" in done["error"]
    assert writes(rooms.portal, "/files/owner") == 0


def restricted(portal: Portal, *addresses: str) -> None:
    given = {"ipRestrictions": [{"ip": one, "forAdmin": False} for one in addresses], "enable": True}
    portal.call("PUT", "/settings/iprestrictions", json=given)


def listed(portal: Portal) -> list[str]:
    return sorted(one["ip"] for one in portal.call("GET", "/settings/iprestrictions"))


def test_an_address_is_added_after_a_consent_and_the_others_stay(rooms: Rooms, keepers: Make) -> None:
    restricted(rooms.portal, "198.51.100.1", "198.51.100.2")
    given = {"add": ["203.0.113.7", "198.51.100.1"], "remove": ["198.51.100.2", "192.0.2.1"]}
    keeper = doing(keepers, rooms, {"do": "ip_allowlist", "with": given})

    asking = run(keeper)
    untouched = listed(rooms.portal)
    done = approved(keeper)
    again = run(keeper)

    assert asking["state"] == "needs_attention"
    assert "let people in from 203.0.113.7" in str(asking["steps"])
    assert untouched == ["198.51.100.1", "198.51.100.2"]
    assert listed(rooms.portal) == ["198.51.100.1", "203.0.113.7"]
    assert done["steps"][0]["result"]["added"] == ["203.0.113.7"]
    assert done["steps"][0]["result"]["removed"] == ["198.51.100.2"]
    assert again["state"] == "done"


@pytest.mark.parametrize("kind", ["off", "ours unknown", "ours taken away", "ours not in it"])
def test_what_could_lock_out_is_refused(kind: str, rooms: Rooms, keepers: Make) -> None:
    steward = rooms.portal.direct("POST", "/users", json={"name": "s", "email": "s@x.example", "kind": "admin"})
    if kind != "off":
        restricted(rooms.portal, "198.51.100.1", "198.51.100.2")
    given = {
        "off": {"add": ["203.0.113.7"]},
        "ours unknown": {"remove": ["198.51.100.2"]},
        "ours taken away": {"remove": ["198.51.100.2"], "ours": "198.51.100.2"},
        "ours not in it": {"remove": ["198.51.100.2"], "ours": "203.0.113.9"},
    }[kind]
    keeper = doing(keepers, rooms, {"do": "ip_allowlist", "with": given}, key=steward["key"])

    done = run(keeper)

    assert done["steps"][0]["state"] == "failed"
    assert done["remedy"]
    assert listed(rooms.portal) == ([] if kind == "off" else ["198.51.100.1", "198.51.100.2"])


def test_a_range_is_no_address(rooms: Rooms, keepers: Make) -> None:
    steps = [{"do": "ip_allowlist", "with": {"add": ["203.0.113.0/24"]}}]
    automation = {"name": "job", "on": "schedule", "every": "365d", "missed": "skip", "steps": steps}
    keeper = keepers(rooms.portal, rooms.portal.owner, [automation])

    assert "203.0.113.0/24" in keeper.complaints("check", codes=(2,))


def test_what_somebody_else_gives_away_is_not_said_to_be_ours(rooms: Rooms, keepers: Make) -> None:
    leaving, heir = person(rooms.portal, "leaving", "room_admin"), person(rooms.portal, "heir", "room_admin")
    other = person(rooms.portal, "other", "room_admin")
    room = rooms.add("Theirs", {})
    rooms.portal.call("POST", "/files/owner", json={"folderIds": [room], "userId": leaving})
    rooms.portal.call("PUT", "/people/status/Terminated", json={"userIds": [leaving]})
    given = {"person": "leaving@x.example", "to": heir, "approve_over": None}
    keeper = doing(keepers, rooms, {"do": "reassign", "with": given})
    rooms.portal.direct("PUT", "/settings", json={"handover_seconds": 4})
    rooms.portal.call("POST", "/people/reassign/start", json={"fromUserId": leaving, "toUserId": other})

    done = run(keeper)

    assert rooms.portal.call("GET", f"/files/folder/{room}")["createdBy"]["id"] == other
    assert (done["state"], "to whom is not known" in done["error"]) == ("needs_attention", True)
    assert writes(rooms.portal, "/people/reassign/start") == 1


def test_a_room_that_was_taken_is_given_back_though_the_run_is_killed_and_cancelled(
    rooms: Rooms, keepers: Make
) -> None:
    steward = rooms.portal.direct("POST", "/users", json={"name": "s", "email": "s@x.example", "kind": "admin"})
    theirs = rooms.portal.call("POST", "/files/rooms", key=rooms.keeper_key, json={"title": "Theirs", "roomType": 2})
    joining = {"do": "join_room", "with": {"room": theirs["id"]}}
    automation = {"name": "job", "on": "schedule", "every": "365d", "missed": "skip", "steps": [joining, joining]}
    automation["steps"] = [joining, joining | {"as": "again"}]
    keeper = keepers(rooms.portal, steward["key"], [automation])
    away = {"kind": "status", "status": 503, "method": "POST", "path": "files/owner", "body": ""}
    keeper.start_apart()

    def owner() -> str:
        shown_room: dict[str, Any] = rooms.portal.call("GET", f"/files/folder/{theirs['id']}")
        return str(shown_room["createdBy"]["id"])

    rooms.portal.direct("PUT", "/faults", json=[away | {"every": 2, "times": 1}, away | {"every": 3}])
    keeper.say("start", "job")
    until(lambda: owner() == steward["id"])
    keeper.kill()
    keeper.say("runs", "cancel", "1", codes=(0, 1, 3))
    rooms.portal.direct("PUT", "/faults", json=[])
    keeper.start_apart()
    until(lambda: keeper.runs()[0]["state"] == "cancelled")

    assert owner() == rooms.keeper
    keeper.ask("start", "job", "--wait", codes=(0, 1, 3))
    assert shown(keeper)["steps"][0]["result"]["owner"] == rooms.keeper
