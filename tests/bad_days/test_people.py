"""What people do meanwhile does not have things made twice: what the ledger knows is looked at first."""

from collections.abc import Callable
from typing import Any

import pytest
from stage import Keeper, OpeningTickets, Portal

Make = Callable[..., Keeper]


@pytest.fixture
def opened(portal: Portal, keepers: Make) -> tuple[OpeningTickets, Keeper, dict[str, Any]]:
    """A ticket that has its room."""
    scene = OpeningTickets(portal)
    others = {"zendesk": scene.connection("zendesk")}
    keeper = keepers(portal, scene.keeper_key, [scene.automation()], others=others)
    keeper.start()
    scene.open("zendesk", f"{keeper.url}/hooks/zendesk")
    (run,) = keeper.settle()
    return scene, keeper, run


def test_a_room_whose_tag_somebody_removed_is_not_made_again(
    portal: Portal, opened: tuple[OpeningTickets, Keeper, dict[str, Any]]
) -> None:
    scene, keeper, run = opened
    (room,) = scene.rooms()
    path = f"/files/rooms/{room['id']}/tags"
    portal.call("DELETE", path, key=scene.keeper_key, json={"names": room["tags"]})
    assert scene.rooms()[0]["tags"] == []

    keeper.say("runs", "retry", "--from-start", str(run["id"]))
    (run,) = keeper.settle(lambda: keeper.runs()[0]["state"] == "done")

    assert [one["id"] for one in scene.rooms()] == [room["id"]]


def test_a_room_that_somebody_deleted_is_made_again(
    portal: Portal, opened: tuple[OpeningTickets, Keeper, dict[str, Any]]
) -> None:
    scene, keeper, run = opened
    (room,) = scene.rooms()
    portal.call("DELETE", f"/files/rooms/{room['id']}", key=scene.keeper_key, json={"deleteAfter": False})

    keeper.say("runs", "retry", "--from-start", str(run["id"]))
    keeper.settle(lambda: keeper.runs()[0]["state"] == "done" and len(scene.rooms()) == 1)

    (made,) = scene.rooms()
    assert made["id"] != room["id"]
    assert made["folders"] == ["Attachments", "Findings", "Logs"]
