"""Links to files and folders: the one that is there is used again, each is tried, and what cannot be given is said."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from stage import Keeper, Portal, Rooms

Make = Callable[..., Keeper]


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


def shared(keepers: Make, rooms: Rooms, *settings: dict[str, Any]) -> tuple[Keeper, dict[str, Any]]:
    """Serve an automation with a link for each of these, and run it once."""
    steps = [{"do": "share_link", "as": f"link{number}", "with": one} for number, one in enumerate(settings)]
    automation = {"name": "share", "on": "schedule", "every": "365d", "missed": "skip", "steps": steps}
    keeper = keepers(rooms.portal, rooms.keeper_key, [automation])
    keeper.start()
    return keeper, again(keeper)


def again(keeper: Keeper) -> dict[str, Any]:
    keeper.ask("start", "share", "--wait")
    newest = max(keeper.settle(), key=lambda one: one["id"])
    shown: dict[str, Any] = keeper.ask("runs", "show", str(newest["id"]))
    return shown


def links(portal: Portal, entry: str, number: int) -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = portal.call("GET", f"/files/{entry}/{number}/links")
    return given


def test_a_file_and_a_folder_get_one_link_each_with_an_end(rooms: Rooms, keepers: Make) -> None:
    file = rooms.upload("Offer.docx")["id"]
    folder = rooms.portal.call("POST", f"/files/folder/{rooms.internal}", json={"title": "For Ann"})["id"]
    to_file = {"file": file, "expires": "7d", "title": "Ann", "deny_download": True}
    keeper, run = shared(keepers, rooms, to_file, {"folder": folder, "access": "comment"})
    (first, second) = (one["result"] for one in run["steps"])

    repeated = again(keeper)

    assert (run["state"], run["error"]) == ("done", None)
    assert (first["made"], first["answered"], first["kind"]) == (True, True, "external")
    assert [one["result"]["made"] for one in repeated["steps"]] == [False, False]
    assert [one["result"]["url"] for one in repeated["steps"]] == [first["url"], second["url"]]
    (given,) = links(rooms.portal, "file", file)
    assert given["access"] == 2
    assert (given["sharedLink"]["title"], given["sharedLink"]["denyDownload"]) == ("Ann", True)
    ends = datetime.fromisoformat(given["sharedLink"]["expirationDate"])
    assert timedelta(days=6) < ends - datetime.now(UTC) < timedelta(days=8)
    assert [one["access"] for one in links(rooms.portal, "folder", folder)] == [6]


def test_a_link_that_somebody_removed_is_made_again(rooms: Rooms, keepers: Make) -> None:
    file = rooms.upload("Offer.docx")["id"]
    keeper, run = shared(keepers, rooms, {"file": file})
    (given,) = links(rooms.portal, "file", file)
    rooms.portal.call(
        "PUT", f"/files/file/{file}/links", json={"linkId": given["sharedLink"]["id"], "access": 0, "title": "x"}
    )

    repeated = again(keeper)

    assert run["state"] == repeated["state"] == "done"
    assert repeated["steps"][0]["result"]["made"] is True
    assert repeated["steps"][0]["result"]["url"] != run["steps"][0]["result"]["url"]
    assert len(links(rooms.portal, "file", file)) == 1


def test_a_link_with_a_password_that_was_replaced_is_not_handed_out(rooms: Rooms, keepers: Make) -> None:
    file = rooms.upload("Offer.docx")["id"]
    step = {"do": "share_link", "as": "link", "with": {"file": file, "password_env": "LINK_PASSWORD"}}
    automation = {"name": "share", "on": "schedule", "every": "365d", "missed": "skip", "steps": [step]}
    keeper = keepers(rooms.portal, rooms.keeper_key, [automation])

    came = []
    for password in ("Leaked-One-1!", " Leaked-One-1! ", "Fresh-One-2!"):
        keeper.environment["LINK_PASSWORD"] = password
        keeper.start()
        came.append(again(keeper))
        keeper.stop()
    (old,) = [one["sharedLink"] for one in links(rooms.portal, "file", file) if one["sharedLink"].get("password")]
    gone = {"linkId": old["id"], "access": 0, "linkType": 1, "title": old["title"], "internal": old["internal"]}
    rooms.portal.call("PUT", f"/files/file/{file}/links", json=gone)
    keeper.start()
    keeper.say("runs", "retry", str(came[2]["id"]), "--wait")

    assert [one["state"] for one in came] == ["done", "done", "needs_attention"]
    assert came[0]["steps"][0]["result"]["url"] == came[1]["steps"][0]["result"]["url"]
    assert "asks for another password than LINK_PASSWORD has now" in came[2]["error"]
    (left,) = [one["sharedLink"] for one in links(rooms.portal, "file", file) if one["sharedLink"].get("password")]
    assert left["password"] == "Fresh-One-2!"


def test_links_of_ours_that_have_ended_make_room_for_the_next(rooms: Rooms, keepers: Make) -> None:
    soon = f"{datetime.now(UTC) + timedelta(seconds=1.5):%Y-%m-%dT%H:%M:%S.%f}0Z"
    link = {"linkType": 1, "access": 2, "expirationDate": soon}
    for title in ["Roomkeeper"] * 4 + ["Ann's"]:
        rooms.portal.call("PUT", f"/files/rooms/{rooms.client}/links", json=link | {"title": title})
    time.sleep(1.6)

    _, run = shared(keepers, rooms, {"room": rooms.client, "kind": "external", "expires": "7d"})

    assert (run["state"], run["error"]) == ("done", None)
    left = [one["sharedLink"] for one in links(rooms.portal, "rooms", rooms.client)]
    assert sorted((one["title"], one["isExpired"]) for one in left) == [("Ann's", True), ("Roomkeeper", False)]


@pytest.mark.parametrize(
    ("room_type", "changed", "state"),
    [
        (6, {"access": 10}, "done"),
        (6, {"password": "secret-1A"}, "done"),
        (1, {"password": "secret-1A"}, "needs_attention"),
    ],
)
def test_a_room_s_first_link_that_somebody_changed_is_not_handed_out(
    rooms: Rooms, keepers: Make, room_type: int, changed: dict[str, Any], state: str
) -> None:
    room = rooms.portal.call("POST", "/files/rooms", json={"title": "Open", "roomType": room_type})["id"]
    invitations = {"invitations": [{"id": rooms.keeper, "access": 9}]}
    rooms.portal.call("PUT", f"/files/rooms/{room}/share", json=invitations)
    primary = rooms.portal.call("GET", f"/files/rooms/{room}/link")
    was = {"linkId": primary["sharedLink"]["id"], "linkType": 1, "access": primary["access"], "title": "First"}
    rooms.portal.call("PUT", f"/files/rooms/{room}/links", json=was | changed)

    _, run = shared(keepers, rooms, {"room": room})

    assert run["state"] == state
    if state == "done":
        assert run["steps"][0]["result"]["made"]
        assert run["steps"][0]["result"]["url"] != primary["sharedLink"]["shareLink"]
    else:
        assert "the only link of room" in run["error"]


def test_in_a_data_room_too_links_of_ours_that_have_ended_make_room(rooms: Rooms, keepers: Make) -> None:
    """There `internal` cannot be changed, and a request that would is passed over (FileSharing.cs)."""
    room = rooms.portal.call("POST", "/files/rooms", json={"title": "Data", "roomType": 8})["id"]
    invitations = {"invitations": [{"id": rooms.keeper, "access": 9}]}
    rooms.portal.call("PUT", f"/files/rooms/{room}/share", json=invitations)
    file = rooms.portal.upload(room, "Figures.xlsx", b"1")["id"]
    soon = f"{datetime.now(UTC) + timedelta(seconds=1.5):%Y-%m-%dT%H:%M:%S.%f}0Z"
    for _ in range(6):
        link = {"linkType": 1, "access": 2, "expirationDate": soon, "title": "Roomkeeper"}
        rooms.portal.call("PUT", f"/files/file/{file}/links", json=link)
    time.sleep(1.6)

    _, run = shared(keepers, rooms, {"file": file, "expires": "7d"})

    assert (run["state"], run["error"]) == ("done", None)
    left = [one["sharedLink"] for one in links(rooms.portal, "file", file)]
    assert [(one["title"], one["isExpired"]) for one in left] == [("Roomkeeper", False)]


def test_in_a_data_room_it_opens_only_for_people_with_an_account(rooms: Rooms, keepers: Make) -> None:
    room = rooms.portal.call("POST", "/files/rooms", json={"title": "Data", "roomType": 8})["id"]
    invitations = {"invitations": [{"id": rooms.keeper, "access": 9}]}
    rooms.portal.call("PUT", f"/files/rooms/{room}/share", json=invitations)
    file = rooms.portal.upload(room, "Figures.xlsx", b"1")["id"]

    _, run = shared(keepers, rooms, {"file": file})

    result = run["steps"][0]["result"]
    assert run["state"] == "done"
    assert (result["internal"], result["answered"]) == (True, True)
    assert "people with an account" in result["because"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"file": "picture", "access": "editing"}, "cannot give the access 'editing'"),
        ({"file": 987654}, "file 987654 is not there"),
        ({"folder": "client"}, "is a room"),
        ({"folder": "inner", "kind": "invitation"}, "has external links only"),
        ({"file": "full"}, "gets no external link"),
        ({"file": "form"}, "lies in a form room"),
    ],
)
def test_what_cannot_be_given_is_said_with_a_remedy(
    settings: dict[str, Any], said: str, rooms: Rooms, keepers: Make
) -> None:
    full = rooms.upload("Full.docx")["id"]
    named = {
        "picture": rooms.upload("Logo.png")["id"],
        "client": rooms.client,
        "inner": rooms.portal.call("POST", f"/files/folder/{rooms.client}", json={"title": "Inner"})["id"],
        "full": full,
    }
    forms = rooms.portal.call("POST", "/files/rooms", json={"title": "Forms", "roomType": 1})["id"]
    invited = {"invitations": [{"id": rooms.keeper, "access": 9}]}
    rooms.portal.call("PUT", f"/files/rooms/{forms}/share", json=invited)
    named["form"] = rooms.portal.upload(forms, "Form.pdf", b"%PDF")["id"]
    for number in range(6):
        rooms.portal.call("PUT", f"/files/file/{full}/links", json={"access": 2, "title": f"Link {number}"})

    _, run = shared(keepers, rooms, {key: named.get(str(value), value) for key, value in settings.items()})

    assert run["state"] == "needs_attention"
    assert said in run["error"]
    assert run["remedy"]
    if "full" in settings.values():
        assert "'Link 5'" in run["remedy"]


def test_a_text_that_names_two_or_none_is_refused(rooms: Rooms, keepers: Make) -> None:
    steps = [{"do": "share_link", "with": {"room": rooms.client, "file": 1}}]
    automation = {"name": "share", "on": "schedule", "every": "365d", "missed": "skip", "steps": steps}
    keeper = keepers(rooms.portal, rooms.keeper_key, [automation])

    assert "name one of `room`, `folder`, `file`" in keeper.complaints("check", codes=(2,))
