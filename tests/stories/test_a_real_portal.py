"""What broke on a running server, on a pretend portal that was corrected by its recording."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from stage import SECRET, ClosingDeals, Keeper, Portal, Rooms, copy_uploads, until

Make = Callable[..., Keeper]


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


def reachable(keeper: Keeper) -> None:
    """Say in its file how the portal reaches it."""
    text = keeper.file.read_text()
    keeper.file.write_text(text.replace('"version": 1', f'"version": 1, "public_url": "{keeper.url}"'))


def versions(rooms: Rooms) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in rooms.portal.tree(rooms.internal):
        found.setdefault(one["title"], []).append(len(one["digests"]))
    return found


@pytest.mark.parametrize(("policy", "expected"), [("version", [2]), ("skip", [1]), ("keep_both", [1, 1])])
def test_ten_files_uploaded_twice_are_copied_as_the_policy_says(
    rooms: Rooms, keepers: Make, policy: str, expected: list[int]
) -> None:
    """The conflict check answers with the sources: seven of seven ended in vain, with six versions too many."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms, on_conflict=policy)])
    keeper.start()
    keeper.register()
    for attempt in ("first", "second"):
        for number in range(10):  # by a member: the owner, so that the second is a version of the first
            rooms.portal.upload(rooms.client, f"File {number}.docx", f"{attempt} {number}".encode())
        many = 10 if attempt == "first" else 20
        runs = keeper.settle(lambda many=many: sum(len(one["events"]) for one in keeper.runs()) == many)

    assert {one["state"] for one in runs} == {"done"}
    there = [len(one["digests"]) for one in rooms.portal.tree(rooms.internal)]
    assert sorted(there) == sorted(expected * 10)


def test_new_versions_while_the_webhook_is_disabled_are_found(rooms: Rooms, keepers: Make) -> None:
    """An overwriting upload is 5034 in the history, and a disabled webhook writes no line into the log."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)], keep_webhook=False)
    keeper.start()
    keeper.register()
    rooms.portal.upload(rooms.client, "Offer.docx", b"first")
    keeper.settle(lambda: rooms.copies() == 1)
    (hook,) = rooms.portal.direct("GET", "/webhooks")
    rooms.portal.direct("PUT", "/webhooks", json={"id": hook["id"], "enabled": False})

    rooms.portal.upload(rooms.client, "Offer.docx", b"second")
    keeper.ask("reconcile")
    keeper.settle(lambda: rooms.missing_and_doubled() == ([], []))

    assert versions(rooms) == {"Offer.docx": [2]}
    assert keeper.ask("prove", "copy-client-uploads", "--since", "1h")["counts"] == {"done": 2}


def test_a_webhook_over_http_is_made_so_that_it_lives(rooms: Rooms, keepers: Make) -> None:
    """The portal keeps `ssl: true` whatever it is told, and disables the webhook at its first delivery."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    reachable(keeper)
    keeper.start()
    keeper.say("webhooks", "register")

    rooms.upload("Offer.docx")
    keeper.settle(lambda: rooms.copies() == 1)

    (hook,) = rooms.portal.direct("GET", "/webhooks")
    assert hook["enabled"]
    assert rooms.portal.direct("GET", "/deliveries")["delivered"] >= 1


def test_a_webhook_that_wants_https_of_an_http_address_is_named_and_mended(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)], keep_webhook=False)
    reachable(keeper)
    keeper.start()
    wanted = {
        "name": "by hand",
        "uri": f"{keeper.url}/hooks/acme",
        "secretKey": SECRET,
        "triggers": 256,
    }
    rooms.portal.call("POST", "/settings/webhook", key=rooms.keeper_key, json=wanted)

    told = keeper.say("webhooks", "repair")
    assert "mended" in told
    assert "wants https" in told
    rooms.upload("Offer.docx")
    keeper.settle(lambda: rooms.copies() == 1)


def test_titles_that_are_one_to_the_portal_do_not_hide_each_other(rooms: Rooms, keepers: Make) -> None:
    """`Résumé` is `Resume`, `Straße` is `Strase`, the dotless i is I: not as Unicode folds them."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms, keep_folders=False)])
    keeper.start()
    keeper.register()
    titles = ["Résumé.docx", "Resume.docx", "Straße.bin", "Strase.bin", "\u0130.bin", "\u0131.bin", "I.bin"]
    titles += ["Ж.txt", "й.txt", "и.txt"]
    folders = rooms.portal.folders(rooms.client, [f"F{number}" for number in range(len(titles))])
    for number, title in enumerate(titles):
        rooms.upload(title, f"content of {title}".encode(), folder=folders[f"F{number}"])
    runs = keeper.settle(lambda: rooms.copies() == len(titles))

    assert {one["state"] for one in runs} == {"done"}
    there = rooms.portal.tree(rooms.internal)
    wanted = {tuple(one["digests"]) for one in rooms.portal.tree(rooms.client)}
    assert sorted(tuple(one["digests"]) for one in there) == sorted(wanted)


def test_a_flat_archive_keeps_titles_apart_that_are_one_to_the_portal(portal: Portal, keepers: Make) -> None:
    scene = ClosingDeals(portal)
    keeper = keepers(portal, scene.keeper_key, [scene.automation()], others={"hubspot": scene.connection("hubspot")})
    keeper.start()
    long = "Ä" * 160
    titles = ["Résumé.docx", "Resume.docx", "Straße.docx", "Strase.docx", f"{long}.docx", f"{'a' * 160}.docx"]
    folders = portal.folders(scene.client, [f"F{number}" for number in range(len(titles))])
    for number, title in enumerate(titles):
        scene.upload(title, folders[f"F{number}"])
    scene.close(keeper, scene.deal(), "hubspot")
    (run,) = keeper.settle()

    assert (run["state"], run["error"]) == ("done", None)
    assert portal.tree(scene.client) == []
    assert len(portal.tree(scene.archive)) == len(titles)


def test_what_is_being_converted_is_waited_for_before_the_guest_leaves(portal: Portal, keepers: Make) -> None:
    scene = ClosingDeals(portal)
    hidden = scene.upload("scan.docx")
    scene.upload("seen.docx")
    portal.direct("PUT", f"/files/{hidden['id']}", json={"converting": True})
    keeper = keepers(portal, scene.keeper_key, [scene.automation()], others={"hubspot": scene.connection("hubspot")})
    keeper.start()
    scene.close(keeper, scene.deal(), "hubspot")
    until(lambda: any("cannot be seen yet" in str(one["progress"]) for one in keeper.runs()))
    assert scene.guest in scene.members()

    portal.direct("PUT", f"/files/{hidden['id']}", json={"converting": False})
    (run,) = keeper.settle()

    assert (run["state"], run["error"]) == ("done", None)
    assert {one["title"] for one in portal.tree(scene.archive)} == {"scan.docx", "seen.docx"}
    assert scene.guest not in scene.members()


def test_what_is_converted_for_ever_is_named_and_the_guest_stays(portal: Portal, keepers: Make) -> None:
    scene = ClosingDeals(portal)
    hidden: Any = scene.upload("scan.docx")
    portal.direct("PUT", f"/files/{hidden['id']}", json={"converting": True})
    automation = scene.automation(patience="2s")
    keeper = keepers(portal, scene.keeper_key, [automation], others={"hubspot": scene.connection("hubspot")})
    keeper.start()
    scene.close(keeper, scene.deal(), "hubspot")
    (run,) = keeper.settle()

    assert run["state"] == "needs_attention"
    assert "counts 1 file that no listing shows" in run["error"]
    assert scene.guest in scene.members()


def test_a_file_that_got_the_id_of_a_deleted_one_is_another_file(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    first = rooms.upload("First.docx", b"first")
    keeper.settle(lambda: rooms.copies() == 1)
    (copy,) = rooms.portal.tree(rooms.internal)
    for gone in (copy["id"], first["id"]):  # the newest ones of all: their ids come again
        rooms.portal.call("DELETE", f"/files/file/{gone}", json={"immediately": True, "deleteAfter": False})
    until(lambda: rooms.portal.tree(rooms.client) == rooms.portal.tree(rooms.internal) == [])
    time.sleep(1.1)  # the portal counts in whole seconds, and the successor is made later than that

    second = rooms.upload("Second.docx", b"second")
    assert second["id"] == first["id"]
    keeper.settle(lambda: rooms.copies() == 1)

    assert rooms.missing_and_doubled() == ([], [])


@pytest.mark.parametrize("named", ["id", "email"])
def test_the_room_s_owner_ends_the_access_of_a_guest_whom_somebody_else_invited(
    portal: Portal, keepers: Make, named: str
) -> None:
    """The owner of the room may not look that guest up: the room's own member list says who it is."""
    scene = ClosingDeals(portal, owned=True)
    guest = portal.direct("POST", "/users", json={"name": "other", "email": "other@x.example", "kind": "guest"})["id"]
    manager = portal.direct("POST", "/users", json={"name": "Mia", "email": "mia@x.example", "kind": "room_admin"})
    scene.share(scene.client, manager["id"], 9, by=scene.keeper_key)
    scene.share(scene.client, guest, 11, by=manager["key"])
    own = {"docspace_room_id": scene.client, "docspace_guest_id": guest if named == "id" else "other@x.example"}
    keeper = keepers(portal, scene.keeper_key, [scene.automation()], others={"hubspot": scene.connection("hubspot")})
    keeper.start()
    scene.upload("Offer.docx")
    scene.close(keeper, scene.deal(own=own), "hubspot")
    (run,) = keeper.settle()

    assert (run["state"], run["error"]) == ("done", None)
    assert guest not in scene.members()
