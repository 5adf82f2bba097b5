"""Places that cannot be looked at hold up what lies in them, and nothing else; each is tried with one event."""

from collections.abc import Callable

import pytest
from stage import ClosingDeals, Keeper, Portal, Rooms, copy_uploads, sized, until

Make = Callable[..., Keeper]


def test_seven_folders_whose_path_is_a_fault_hold_up_no_other(portal: Portal, keepers: Make) -> None:
    """They stopped a connection: 0 of 10 other uploads were dispatched in 300 seconds."""
    rooms = Rooms(portal)
    folders = portal.folders(rooms.client, [f"Broken {number}" for number in range(7)])
    broken = "|".join(str(one) for one in folders.values())
    fault = {"kind": "status", "status": 500, "method": "GET", "path": f"/files/folder/({broken})/path$"}
    portal.direct("PUT", "/faults", json=[fault])
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()

    for folder in folders.values():
        rooms.upload("Stuck.docx", folder=folder)
    for number in range(10):
        rooms.upload(f"File {number}.docx")
    keeper.settle(lambda: rooms.copies() == 10)
    assert sum("it is tried again" in one["reason"] for one in keeper.ask("events", "list")) == 7

    portal.direct("PUT", "/faults", json=[])
    keeper.settle(lambda: rooms.copies() == 17)


def test_a_room_that_the_account_may_not_see_costs_a_call_now_and_then(portal: Portal, keepers: Make) -> None:
    """1,500 events of such a room used the whole budget (6,364 calls), and a good room's upload was never tried."""
    many = sized(1500, 200)
    rooms = Rooms(portal)
    hidden = portal.call("POST", "/files/rooms", json={"title": "Hidden", "roomType": 5})["id"]
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms) | {"where": {}}])
    keeper.start()
    keeper.register()

    for number in range(many):
        portal.upload(hidden, f"File {number}.docx", b"content")
    told = "the account may not look at it"
    until(lambda: sum(told in one["reason"] for one in keeper.ask("events", "list", "--limit", "2000")) == many)
    rooms.upload("Offer.docx")
    keeper.settle(lambda: rooms.copies() == 1)
    asked = [one for one in portal.direct("GET", "/journal") if str(hidden) in one["path"] and one["user"] == "keeper"]
    assert len(asked) < many / 5

    invited = {"invitations": [{"id": rooms.keeper, "access": 9}]}
    portal.call("PUT", f"/files/rooms/{hidden}/share", json=invited)
    keeper.settle(lambda: rooms.copies() == 1 + many, within=400.0)


@pytest.mark.parametrize(
    ("for_good", "reason"), [(False, "the account may not look at it"), (True, "its room cannot be found yet")]
)
def test_a_file_that_was_moved_out_of_a_folder_before_that_was_deleted_is_found_where_it_lies(
    portal: Portal, keepers: Make, for_good: bool, reason: str
) -> None:
    """It waited for the folder that was deleted, ever more seldom, and was never copied."""
    rooms = Rooms(portal)
    folders = portal.folders(rooms.client, ["Drafts", "Final"])
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    keeper.look_back()
    portal.direct("PUT", "/faults", json=[{"kind": "status", "status": 503, "path": "/path$", "key": rooms.keeper_key}])
    rooms.upload("Gone.docx", folder=folders["Drafts"])  # is asked about first, and stays there
    uploaded = rooms.upload("Offer.docx", folder=folders["Drafts"])
    until(lambda: sum(one["type"] == "file.uploaded" for one in keeper.ask("events", "list")) == 2)
    moving = {"fileIds": [uploaded["id"]], "destFolderId": folders["Final"], "conflictResolveType": 2}
    portal.call("PUT", "/files/fileops/move", json=moving)
    until(lambda: {"Final"} in [set(one["path"]) for one in portal.tree(rooms.client)])
    portal.call("DELETE", f"/files/folder/{folders['Drafts']}", json={"immediately": for_good})
    portal.direct("PUT", "/faults", json=[])
    until(lambda: sum(reason in one["reason"] for one in keeper.ask("events", "list")) == 2)

    keeper.ask("reconcile")
    until(lambda: rooms.copies() == 1)

    assert [one["path"] for one in portal.tree(rooms.internal)] == [["Final"]]


def test_an_upload_and_its_move_that_are_found_together_are_followed(portal: Portal, keepers: Make) -> None:
    """What one search found was tried only afterwards, and no later search told of the move again."""
    rooms = Rooms(portal)
    folders = portal.folders(rooms.client, ["Drafts", "Final"])
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], keep_webhook=False)
    keeper.start()
    keeper.register()
    keeper.look_back()
    for hook in portal.direct("GET", "/webhooks"):
        portal.direct("PUT", "/webhooks", json={"id": hook["id"], "enabled": False})
    uploaded = rooms.upload("Offer.docx", folder=folders["Drafts"])
    moving = {"fileIds": [uploaded["id"]], "destFolderId": folders["Final"], "conflictResolveType": 2}
    portal.call("PUT", "/files/fileops/move", json=moving)
    until(lambda: {"Final"} in [set(one["path"]) for one in portal.tree(rooms.client)])
    portal.call("DELETE", f"/files/folder/{folders['Drafts']}", json={"immediately": False})

    keeper.ask("reconcile", codes=(0, 1))
    keeper.settle(lambda: rooms.copies() == 1)

    assert [one["path"] for one in portal.tree(rooms.internal)] == [["Final"]]


def test_deals_whose_lookups_take_long_are_dispatched(portal: Portal, keepers: Make) -> None:
    scene = ClosingDeals(portal)
    scene.upload("Offer.docx")
    others = {"hubspot": scene.connection("hubspot")}
    keeper = keepers(portal, scene.keeper_key, [scene.automation()], others=others)
    keeper.start()
    slow = {"kind": "delay", "method": "GET", "path": "/hubspot/", "seconds": 0.7}
    portal.direct("PUT", "/faults", json=[slow])

    scene.close(keeper, scene.deal(), "hubspot")
    (run,) = keeper.settle()

    assert run["state"] == "done"
    assert len(portal.tree(scene.archive)) == 1
