"""Ending a guest's access: each case has a clear word, and nobody else is harmed."""

from collections.abc import Callable
from typing import Any

import pytest
from stage import ClosingDeals, Keeper, Portal, until

Make = Callable[..., Keeper]
UNKNOWN = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def scene(portal: Portal) -> ClosingDeals:
    return ClosingDeals(portal)


def revoked(scene: ClosingDeals, keepers: Make, guest: Any, *, key: str = "", **settings: Any) -> dict[str, Any]:
    """Run the step alone; gives its run."""
    wanted = {"guest": guest, "room": scene.client} | settings
    automation = {"name": "revoke", "on": "deal.closed", "steps": [{"do": "revoke_guest", "with": wanted}]}
    erp = {"type": "http", "event": "deal.closed", "token": "!env CRM_SECRET"}
    keeper = keepers(scene.portal, key or scene.keeper_key, [automation], others={"erp": erp})
    keeper.start()
    (run,) = keeper.ask("start", "revoke", "--with", "deal.id=1", "--wait")
    keeper.stop()
    shown: dict[str, Any] = run
    return shown


def test_an_id_and_an_address_both_name_the_guest(scene: ClosingDeals, keepers: Make) -> None:
    run = revoked(scene, keepers, "GUEST@x.example")

    assert run["state"] == "done"
    assert run["steps"][0]["result"]["revoked"] is True
    assert scene.guest not in scene.members()


def test_whose_access_has_ended_already_is_no_fault(scene: ClosingDeals, keepers: Make) -> None:
    scene.share(scene.client, scene.guest, 0, by=scene.keeper_key)

    run = revoked(scene, keepers, scene.guest.upper())

    assert run["state"] == "done"
    assert run["steps"][0]["result"]["revoked"] is False
    assert "does not have the guest" in run["steps"][0]["result"]["because"]


@pytest.mark.parametrize(
    ("guest", "said"),
    [
        (12345, "is not a user's id"),
        ("Clara", "is not a user's id"),
        (UNKNOWN, "nobody on the portal"),
        ("nobody@x.example", "nobody on the portal"),
    ],
)
def test_who_is_not_known_is_named_and_nothing_is_done(
    scene: ClosingDeals, keepers: Make, guest: Any, said: str
) -> None:
    before = scene.members()

    run = revoked(scene, keepers, guest)

    assert run["state"] == "needs_attention"
    assert said in run["error"]
    assert run["remedy"]
    assert scene.members() == before
    assert scene.asked("PUT", "/share$") == scene.asked("PUT", "/share$")[:1]  # the invitation alone


@pytest.mark.parametrize("way", ["room", "portal"])
def test_a_full_user_is_never_touched(scene: ClosingDeals, keepers: Make, way: str) -> None:
    colleague = scene.portal.direct("POST", "/users", json={"name": "Col", "email": "col@x.example", "kind": "user"})[
        "id"
    ]
    scene.share(scene.client, colleague, 11, by=scene.keeper_key)

    run = revoked(scene, keepers, colleague, **{"from": way, "disable": True})

    assert run["state"] == "needs_attention"
    assert "not a guest" in run["error"]
    assert colleague in scene.members()
    assert scene.portal.call("GET", f"/people/{colleague}")["status"] == 1


def test_somebody_else_s_guest_stays_and_that_is_said(scene: ClosingDeals, keepers: Make) -> None:
    theirs = scene.portal.direct("POST", "/users", json={"name": "Eva", "email": "eva@x.example", "kind": "guest"})[
        "id"
    ]
    scene.share(scene.client, theirs, 11)  # by the owner

    from_room = revoked(scene, keepers, theirs)
    from_portal = revoked(scene, keepers, theirs, **{"from": "portal"})

    assert "still has access" in from_room["error"]
    assert "invited" in from_room["remedy"]
    assert "does not let the account remove" in from_portal["error"]
    assert theirs in scene.members()


def test_of_an_archived_room_it_is_said_that_the_guest_goes_on_reading(portal: Portal, keepers: Make) -> None:
    """Nobody's access can be changed there (recorded: archive)."""
    scene = ClosingDeals(portal, owned=True)
    portal.call("PUT", f"/files/rooms/{scene.client}/archive", json={"deleteAfter": True}, key=scene.keeper_key)
    until(lambda: portal.call("GET", f"/files/folder/{scene.client}")["rootFolderType"] == 20)

    run = revoked(scene, keepers, scene.guest)

    assert run["state"] == "needs_attention"
    assert "is archived, and " in run["error"]
    assert "`set_access`" in run["remedy"]
    assert scene.guest in scene.members()


def test_who_has_a_role_in_a_form_is_taken_out_by_a_person(scene: ClosingDeals, keepers: Make) -> None:
    room = scene.portal.call("POST", "/files/rooms", json={"title": "Data", "roomType": 8})["id"]
    scene.share(room, scene.keeper, 9)
    scene.share(room, scene.guest, 7, by=scene.keeper_key)
    scene.portal.direct("PUT", f"/rooms/{room}/members", json={"form_roles": [scene.guest]})

    held = revoked(scene, keepers, scene.guest, room=room)

    assert held["state"] == "needs_attention"
    assert "has a role in a form" in held["error"]
    assert "by hand" in held["remedy"]
    assert scene.guest in scene.portal.direct("GET", f"/rooms/{room}/members")


def test_from_the_portal_ends_what_this_account_granted_and_says_what_remains(
    scene: ClosingDeals, keepers: Make
) -> None:
    other = scene.room("Another room")
    scene.share(other, scene.guest, 11, by=scene.keeper_key)

    done = revoked(scene, keepers, scene.guest, **{"from": "portal"})

    assert done["state"] == "done"
    assert scene.guest not in scene.members()
    assert scene.guest not in scene.portal.direct("GET", f"/rooms/{other}/members")

    scene.share(scene.client, scene.guest, 11, by=scene.keeper_key)
    scene.share(scene.client, scene.guest, 2)  # the owner's grant replaces it
    remains = revoked(scene, keepers, scene.guest, **{"from": "portal"})
    assert remains["state"] == "needs_attention"
    assert "granted by somebody else" in remains["error"]


def test_an_answer_that_is_lost_while_removing_from_the_portal_is_no_failure(
    scene: ClosingDeals, keepers: Make
) -> None:
    scene.portal.direct(
        "PUT", "/faults", json=[{"kind": "drop_after", "method": "DELETE", "path": "/people/guests", "times": 1}]
    )

    run = revoked(scene, keepers, scene.guest, **{"from": "portal"})

    assert run["state"] == "done"
    assert scene.guest not in scene.members()


def test_an_account_is_disabled_only_by_who_may(scene: ClosingDeals, keepers: Make) -> None:
    refused = revoked(scene, keepers, scene.guest, disable=True)
    assert "cannot disable" in refused["error"]
    assert "nothing was done" in refused["error"]
    assert scene.guest in scene.members()
    assert scene.portal.call("GET", f"/people/{scene.guest}")["status"] == 1

    admin = scene.portal.direct("POST", "/users", json={"name": "Ada", "email": "ada@x.example", "kind": "admin"})
    scene.share(scene.client, admin["id"], 9)
    scene.share(scene.client, scene.guest, 0, by=scene.keeper_key)  # only the inviter or the room's owner can
    done = revoked(scene, keepers, scene.guest, key=admin["key"], disable=True)
    assert done["state"] == "done"
    assert done["steps"][0]["result"]["disabled"] is True
    assert scene.portal.call("GET", f"/people/{scene.guest}")["status"] == 2


def test_a_key_without_the_scope_for_people_is_named(scene: ClosingDeals, keepers: Make) -> None:
    poor = scene.portal.direct(
        "POST",
        "/users",
        json={"name": "P", "email": "p@x.example", "kind": "room_admin", "permissions": ["files:write", "rooms:write"]},
    )
    scene.share(scene.client, poor["id"], 9)

    run = revoked(scene, keepers, scene.guest, key=poor["key"], **{"from": "portal"})

    assert run["state"] == "needs_attention"
    assert "accounts:write" in run["remedy"]
    assert scene.guest in scene.members()
