"""The second job against a portal and CRMs that misbehave: nothing lost, nothing silent, no guest sent away early."""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from stage import NOTE, ClosingDeals, Keeper, Portal, next_second, sized, until

Make = Callable[..., Keeper]


@pytest.fixture
def scene(portal: Portal) -> ClosingDeals:
    return ClosingDeals(portal)


def started(scene: ClosingDeals, keepers: Make, automation: Any, *, apart: bool = False, **named: Any) -> Keeper:
    keeper = keepers(
        scene.portal, scene.keeper_key, [automation], others={"hubspot": scene.connection("hubspot")}, **named
    )
    keeper.start_apart() if apart else keeper.start()
    return keeper


@contextlib.contextmanager
def watched(scene: ClosingDeals) -> Iterator[list[int]]:
    """Look all the time whether the guest has lost access while files are still in the room."""
    early: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            left = len(scene.portal.tree(scene.client))
            if left and scene.guest not in scene.members() and scene.portal.tree(scene.client):
                early.append(left)
            time.sleep(0.05)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield early
    finally:
        over.set()
        watcher.join()


FAULTS: dict[str, list[dict[str, Any]]] = {
    "every second answer to a move lost": [
        {"kind": "drop_after", "method": "PUT", "path": "/fileops/move", "every": 2},
        {"kind": "drop_after", "method": "PUT", "path": "/files/file/", "every": 2},
    ],
    "answers cut": [
        {"kind": "truncate", "method": "PUT", "path": "/fileops/move", "every": 2},
        {"kind": "garble", "method": "GET", "path": "/files/", "every": 7},
    ],
    "429 and 5xx": [
        {
            "kind": "status",
            "path": "/api/2.0/",
            "every": 5,
            "status": 429,
            "headers": {"Retry-After": "1"},
            "times": 12,
        },
        {"kind": "status", "path": "/api/2.0/", "every": 7, "status": 502, "times": 30},
    ],
    "the CRM loses answers": [
        {"kind": "drop_after", "method": "POST", "path": "/hubspot/crm/v3/objects/notes$", "times": 2},
        {"kind": "status", "path": "/hubspot/", "every": 3, "status": 429, "times": 6},
    ],
    "work done after the connection broke": [
        {"kind": "late", "method": "POST", "path": "/files/folder/", "seconds": 3.0, "times": 1},
        {"kind": "late", "method": "PUT", "path": "/fileops/move", "seconds": 3.0, "times": 1},
        {"kind": "late", "method": "POST", "path": "/hubspot/crm/v3/objects/notes$", "seconds": 3.0, "times": 1},
    ],
    "folder and guest answers lost": [
        {"kind": "drop_after", "method": "POST", "path": "/files/folder/", "times": 2},
        {"kind": "drop_after", "method": "PUT", "path": "/share$", "times": 2},
    ],
}


@pytest.mark.parametrize("faults", FAULTS)
def test_faults_of_the_network_change_nothing_about_the_outcome(
    scene: ClosingDeals, keepers: Make, faults: str
) -> None:
    folders = scene.portal.folders(scene.client, ["One", "Two"])
    for number in range(120):
        scene.upload("Offer.docx" if number % 40 == 0 else f"File {number}.docx", [*folders.values()][number % 2])
    before = {one["id"]: one["digests"] for one in scene.portal.tree(scene.client)}
    keeper = started(scene, keepers, scene.automation(NOTE))
    deal = scene.deal()
    scene.portal.direct("PUT", "/faults", json=FAULTS[faults])

    with watched(scene) as early:
        scene.close(keeper, deal, "hubspot")
        run = keeper.settle()[0]

    struck = scene.portal.direct("GET", "/faults")
    scene.portal.direct("PUT", "/faults", json=[])
    after = scene.portal.tree(scene.archive)
    assert all(one["done"] for one in struck), struck
    assert (run["state"], run["error"]) == ("done", None)
    assert {one["id"]: one["digests"] for one in after} == before
    assert max(Counter(one["title"].casefold() for one in after).values()) == 1
    assert scene.portal.tree(scene.client) == []
    assert len(scene.portal.call("GET", f"/files/{scene.archive}/subfolders")) == 1
    assert scene.guest not in scene.members()
    assert len(scene.notes(deal)) == 1
    assert early == []


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_operations_that_vanish_halfway_are_looked_after(scene: ClosingDeals, keepers: Make, layout: str) -> None:
    scene.fill()
    before = {one["id"]: one["digests"] for one in scene.portal.tree(scene.client)}
    scene.portal.direct("PUT", "/operations", json={"vanish_every": 2, "vanish_after": 3})
    keeper = started(scene, keepers, scene.automation(layout=layout))

    with watched(scene) as early:
        scene.close(keeper, scene.deal(), "hubspot")
        run = keeper.settle()[0]

    assert (run["state"], run["error"]) == ("done", None)
    assert {one["id"]: one["digests"] for one in scene.portal.tree(scene.archive)} == before
    assert scene.portal.tree(scene.client) == []
    assert early == []


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_a_file_that_is_open_keeps_the_guest_until_it_is_closed(
    scene: ClosingDeals, keepers: Make, layout: str
) -> None:
    folder = scene.portal.folders(scene.client, ["Drafts"])["Drafts"]
    for number in range(30):
        scene.upload(f"File {number}.docx", folder)
    opened = scene.upload("Open.docx", folder)["id"]
    locked = scene.upload("Locked.docx")["id"]
    scene.portal.direct("PUT", f"/files/{opened}", json={"editing_by": [scene.guest]})
    owner = scene.portal.call("GET", "/people/@self")["id"]
    scene.portal.direct("PUT", f"/files/{locked}", json={"locked_by": owner})
    keeper = started(scene, keepers, scene.automation(NOTE, layout=layout, patience="3s"))
    deal = scene.deal()
    scene.close(keeper, deal, "hubspot")

    run = keeper.settle()[0]
    assert run["state"] == "needs_attention"
    assert "2 of 32 files are still in room" in run["error"]
    items = {one["item"]: one for one in keeper.ask("runs", "show", str(run["id"]))["steps"][0]["items"]}
    said = {item.split("'")[1]: one["reason"] for item, one in items.items()}
    assert said == {"Drafts/Open.docx": "it is open in the editor", "Locked.docx": "it is locked by Olga Owner"}
    assert all("runs retry" in one["remedy"] for one in items.values())
    assert len(scene.portal.tree(scene.client)) == 2
    assert scene.guest in scene.members()
    assert scene.notes(deal) == []

    scene.portal.direct("PUT", f"/files/{opened}", json={"editing_by": []})
    scene.portal.direct("PUT", f"/files/{locked}", json={"locked_by": None})
    (retried,) = keeper.ask("runs", "retry", str(run["id"]), "--wait")
    assert retried["state"] == "done"
    after = scene.portal.tree(scene.archive)
    assert len(after) == 32
    if layout == "tree":
        assert next(one["path"][1:] for one in after if one["title"] == "Open.docx") == ["Drafts"]
    assert scene.guest not in scene.members()


def test_a_file_opened_halfway_is_moved_once_it_is_closed_in_the_same_run(scene: ClosingDeals, keepers: Make) -> None:
    ids = [scene.upload(f"File {number}.docx")["id"] for number in range(150)]
    scene.portal.direct("PUT", "/operations", json={"seconds_per_item": 0.2})  # so that there is time to open one
    keeper = started(scene, keepers, scene.automation(patience="60s"))
    scene.close(keeper, scene.deal(), "hubspot")
    until(lambda: len(scene.portal.tree(scene.archive)) > 10)

    late = [one for one in ids if one not in {found["id"] for found in scene.portal.tree(scene.archive)}][-1]
    scene.portal.direct("PUT", f"/files/{late}", json={"editing_by": [scene.guest]})
    scene.portal.direct("PUT", "/operations", json={"seconds_per_item": 0.005})
    until(lambda: len(scene.portal.tree(scene.client)) == 1)
    time.sleep(2)
    assert scene.guest in scene.members()
    scene.portal.direct("PUT", f"/files/{late}", json={"editing_by": []})

    assert keeper.settle()[0]["state"] == "done"
    assert len(scene.portal.tree(scene.archive)) == 150
    assert scene.guest not in scene.members()


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_files_uploaded_halfway_are_taken_in_the_same_run(scene: ClosingDeals, keepers: Make, layout: str) -> None:
    folders = scene.portal.folders(scene.client, ["One", "Two"])
    for number in range(120):
        scene.upload(f"File {number}.docx", [*folders.values()][number % 2])
    scene.portal.direct("PUT", "/operations", json={"seconds_per_item": 0.01, "queue_seconds": 0.5})
    keeper = started(scene, keepers, scene.automation(NOTE, layout=layout))
    deal = scene.deal()
    scene.close(keeper, deal, "hubspot")
    until(lambda: bool(scene.asked("PUT", "/fileops/move$")))

    for number in range(5):
        scene.upload(f"Late {number}.docx")
    run = keeper.settle()[0]

    assert run["state"] == "done"
    assert scene.portal.tree(scene.client) == []
    assert len(scene.portal.tree(scene.archive)) == 125
    assert "Archived 125 files" in scene.notes(deal)[0]


def test_a_destination_removed_halfway_is_named_and_restored_files_are_gone_on_with(
    scene: ClosingDeals, keepers: Make
) -> None:
    for number in range(150):
        scene.upload(f"File {number}.docx")
    scene.portal.direct("PUT", "/operations", json={"seconds_per_item": 0.02})
    keeper = started(scene, keepers, scene.automation(NOTE))
    deal = scene.deal()
    scene.close(keeper, deal, "hubspot")
    until(lambda: len(scene.portal.tree(scene.archive)) > 20)

    (folder,) = scene.portal.call("GET", f"/files/{scene.archive}/subfolders")
    scene.portal.call("DELETE", f"/files/folder/{folder['id']}", json={"deleteAfter": False, "immediately": False})
    run = keeper.settle()[0]

    assert run["state"] == "needs_attention"
    assert "was deleted" in run["error"]
    assert "Restore it" in keeper.ask("runs", "show", str(run["id"]))["steps"][0]["remedy"]
    assert scene.guest in scene.members()
    assert scene.notes(deal) == []
    named = len(keeper.ask("runs", "show", str(run["id"]))["steps"][0]["items"])
    assert named == 150 - len(scene.portal.tree(scene.client)) > 0

    restored = {"folderIds": [folder["id"]], "fileIds": [], "destFolderId": scene.archive, "conflictResolveType": 0}
    scene.portal.call("PUT", "/files/fileops/move", json=restored | {"deleteAfter": False})
    until(lambda: bool(scene.portal.tree(scene.archive)))
    (retried,) = keeper.ask("runs", "retry", str(run["id"]), "--wait")
    assert retried["state"] == "done"
    assert len(scene.portal.tree(scene.archive)) == 150
    assert scene.guest not in scene.members()


def test_a_room_that_would_delete_the_files_at_once_takes_none(scene: ClosingDeals, keepers: Make) -> None:
    """By when their first version was saved, which a move does not change (CleanupLifetimeExpiredService.cs).

    What the disk of whoever uploaded it says does not count.
    """
    keeps = {"title": "Short-lived", "roomType": 8, "lifetime": {"deletePermanently": True, "period": 1, "value": 2}}
    room = scene.portal.call("POST", "/files/rooms", json=keeps)["id"]
    scene.share(room, scene.keeper, 9)
    scene.archive = scene.portal.call("POST", f"/files/folder/{room}", json={"title": "Archive"})["id"]
    young = scene.upload("Young.docx")["id"]
    scene.portal.direct("PUT", f"/files/{young}", json={"disk_days_old": 700})
    old = scene.upload("Old.docx")["id"]
    scene.portal.direct("PUT", f"/files/{old}", json={"days_old": 100})
    scene.portal.upload(scene.client, "Old.docx", b"saved today")
    keeper = started(scene, keepers, scene.automation())

    scene.close(keeper, scene.deal(), "hubspot")
    (run,) = keeper.settle()
    left = {one["title"] for one in scene.portal.tree(scene.client)}
    scene.portal.direct("PUT", f"/files/{old}", json={"days_old": -90})
    keeper.say("runs", "retry", str(run["id"]))
    (again,) = keeper.settle(lambda: scene.portal.tree(scene.client) == [])

    assert run["state"] == "needs_attention"
    assert (
        "'Short-lived' deletes what is older than 60 days, and at least 1 of the files is ('Old.docx'" in run["error"]
    )
    assert left == {"Young.docx", "Old.docx"}
    assert again["state"] == "done"


def test_a_room_that_would_delete_what_comes_back_is_not_given_it(scene: ClosingDeals, keepers: Make) -> None:
    old = scene.upload("Old.docx")["id"]
    scene.portal.direct("PUT", f"/files/{old}", json={"days_old": 100})
    keeper = started(scene, keepers, scene.automation())
    scene.close(keeper, scene.deal(), "hubspot")
    (run,) = keeper.settle(lambda: scene.portal.tree(scene.client) == [])

    scene.portal.direct("PUT", f"/folders/{scene.client}", json={"lifetime": {"period": 0, "value": 30}})
    (undone,) = keeper.ask("runs", "undo", str(run["id"]), "--wait", codes=(0, 3))

    assert undone["state"] == "needs_attention"
    assert "deletes what is older than 30 days, and at least 1 of the files is ('Old.docx'" in undone["error"]
    assert [one["title"] for one in scene.portal.tree(scene.archive)] == ["Old.docx"]


def test_a_file_deleted_from_the_archive_meanwhile_is_named(scene: ClosingDeals, keepers: Make) -> None:
    for number in range(120):
        scene.upload(f"File {number}.docx")
    scene.portal.direct("PUT", "/operations", json={"seconds_per_item": 0.02})
    keeper = started(scene, keepers, scene.automation())
    scene.close(keeper, scene.deal(), "hubspot")
    until(lambda: len(scene.portal.tree(scene.archive)) > 5)

    gone = scene.portal.tree(scene.archive)[0]
    scene.portal.call("DELETE", f"/files/file/{gone['id']}", json={"immediately": True})
    run = keeper.settle()[0]

    assert run["state"] == "needs_attention"
    (item,) = keeper.ask("runs", "show", str(run["id"]))["steps"][0]["items"]
    assert item["item"] == f"file {gone['id']} '{gone['title']}'"
    assert "events replay" in item["remedy"]
    assert scene.guest in scene.members()


def test_undo_names_what_cannot_go_back_and_recreates_folders(scene: ClosingDeals, keepers: Make) -> None:
    folders = scene.portal.folders(scene.client, ["Kept", "Removed/Inner"])
    kept = scene.upload("Kept.docx", folders["Kept"])["id"]
    inner = scene.upload("Inner.docx", folders["Removed/Inner"])["id"]
    taken = scene.upload("Taken.docx")["id"]
    gone = scene.upload("Gone.docx")["id"]
    keeper = started(scene, keepers, scene.automation())
    scene.close(keeper, scene.deal(), "hubspot")
    run = keeper.settle()[0]["id"]
    for folder in ("Removed",):
        scene.portal.call("DELETE", f"/files/folder/{folders[folder]}", json={"immediately": True})
    scene.portal.call("DELETE", f"/files/file/{gone}", json={"immediately": True})
    next_second()  # the number of what is deleted comes again, and only the moment tells the two apart
    scene.portal.upload(scene.client, "Taken.docx", b"another")

    (undone,) = keeper.ask("runs", "undo", str(run), "--wait")

    assert undone["state"] == "needs_attention"
    items = {one["item"].split("'")[1]: one["reason"] for one in undone["steps"][0]["items"]}
    assert set(items) == {"Taken.docx", "Gone.docx"}
    assert "has its title" in items["Taken.docx"]
    assert "not in the archive any more" in items["Gone.docx"]
    back = {one["id"]: (one["path"], one["title"]) for one in scene.portal.tree(scene.client)}
    assert back[kept] == (["Kept"], "Kept.docx")
    assert back[inner] == (["Removed", "Inner"], "Inner.docx")
    assert taken not in back
    assert [one["id"] for one in scene.portal.tree(scene.archive)] == [taken]


@pytest.mark.long
@pytest.mark.crash
@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_kills_at_random_moments_lose_nothing(
    scene: ClosingDeals, keepers: Make, store_address: str, layout: str
) -> None:
    """For each layout and store; twenty in all in full."""
    many = sized(5, 2)
    scene.fill()
    before = {one["id"]: one["digests"] for one in scene.portal.tree(scene.client)}
    scene.portal.direct("PUT", "/operations", json={"seconds_per_item": 0.02, "queue_seconds": 0.2})
    keeper = started(scene, keepers, scene.automation(NOTE, layout=layout), apart=True, store=store_address)
    deal = scene.deal()
    kills = random.Random(layout)

    with watched(scene) as early:
        scene.close(keeper, deal, "hubspot")
        for _ in range(many):
            time.sleep(kills.uniform(0.05, 2.0))
            keeper.kill()
            keeper.start_apart()
        run = keeper.settle()[0]

    assert (run["state"], run["error"]) == ("done", None)
    after = scene.portal.tree(scene.archive)
    assert {one["id"]: one["digests"] for one in after} == before
    assert scene.portal.tree(scene.client) == []
    if layout == "flat":
        assert max(Counter(one["title"].casefold() for one in after).values()) == 1
    assert len(scene.portal.call("GET", f"/files/{scene.archive}/subfolders")) == 1
    assert len(scene.notes(deal)) == 1
    assert scene.guest not in scene.members()
    assert early == []
    print(f"{layout}: {many} kills, 250 files archived, {len(scene.asked('PUT', '/fileops/move$'))} requests to move")
