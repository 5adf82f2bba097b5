"""What the portal tells of people and rooms: each event runs, with the fields that its page promises."""

from collections.abc import Callable
from typing import Any

from stage import Keeper, Portal

Make = Callable[..., Keeper]


def _making(name: str, on: str, title: str, **where: Any) -> dict[str, Any]:
    steps = [{"do": "create_room", "via": "acme", "with": {"title": title, "once_per": f"{name} {{{{ event.id }}}}"}}]
    return {"name": name, "on": on, "where": where, "steps": steps} | ({} if where else {"where": {}})


def _rooms(portal: Portal) -> list[str]:
    return sorted(one["title"] for one in portal.direct("GET", "/rooms"))


def test_new_people_are_told_apart_by_what_they_may_do(portal: Portal, keepers: Make) -> None:
    """No delivery says what kind of account it is: the portal is asked."""
    key = portal.direct("POST", "/users", json={"name": "Ada", "email": "ada@x.example", "kind": "admin"})["key"]
    title = "{{ user.first_name }} of {{ user.last_name }}, {{ user.type }}, {{ user.status }}, {{ user.email }}"
    keeper = keepers(portal, key, [_making("welcome", "user.created", title, type="user")])
    keeper.rewrite(public_url=keeper.url)
    keeper.start()
    keeper.say("webhooks", "register")
    for first, kind in (("Mia", 4), ("Gus", 2), ("Rob", 1)):
        wanted = {"email": f"{first}@x.example", "firstName": first, "lastName": "Acme", "type": kind}
        portal.call("POST", "/people/active", json=wanted)
    (run,) = keeper.settle(lambda: bool(keeper.runs()) and len(keeper.ask("events", "list")) == 3)

    assert run["state"] == "done"
    assert _rooms(portal) == ["Mia of Acme, user, active, Mia@x.example"]
    told = keeper.ask("events", "list")
    assert sum("no automation is for this one" in one["reason"] for one in told) == 2, told


def test_a_room_that_is_deleted_is_told_of_though_it_can_be_asked_for_no_more(portal: Portal, keepers: Make) -> None:
    key = portal.direct("POST", "/users", json={"name": "Ada", "email": "ada@x.example", "kind": "admin"})["key"]
    keeper = keepers(portal, key, [_making("record", "room.deleted", "Was {{ room.title }}", room="Acme")])
    keeper.rewrite(public_url=keeper.url)
    keeper.start()
    keeper.say("webhooks", "register")
    for title in ("Acme", "Other"):
        room = portal.call("POST", "/files/rooms", json={"title": title, "roomType": 5})["id"]
        portal.call("DELETE", f"/files/rooms/{room}", json={"deleteAfter": False})
    (run,) = keeper.settle(lambda: bool(keeper.runs()) and len(keeper.ask("events", "list")) == 2)

    assert run["state"] == "done"
    assert _rooms(portal) == ["Was Acme"]
