"""What broke on a running server, on a pretend portal that was corrected by its recording."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from stage import SECRET, ClosingDeals, Keeper, OpeningTickets, Portal, Rooms, copy_uploads, next_second, sized, until

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


def last(tree: list[Any]) -> dict[str, str]:
    return {one["title"]: one["digests"][-1] for one in tree}


def counted(keeper: Keeper) -> set[str]:
    counts = keeper.ask("prove", "copy-client-uploads", "--since", "1h")["counts"]
    print(counts)
    return set(counts)


#: By whom, under which policy: how many files there are in the end, of how many versions, of three uploads of a title.
THRICE = {
    ("member", "version"): [3],
    ("member", "skip"): [1],
    ("member", "keep_both"): [1, 1, 1],
    ("guest", "version"): [1, 1, 1],  # a guest's second upload is a file of its own
    ("guest", "skip"): [1, 1, 1],
    ("guest", "keep_both"): [1, 1, 1],
}


#: The databases that a portal may have: they compare titles differently.
DATABASES = ["mysql", "postgresql"]
#: By database and policy: the files that there are in the end, and of how many versions.
NEARLY = {
    ("mysql", "version"): {"Muller.docx": 2, "Cafe.docx": 2},
    ("mysql", "skip"): {"Muller.docx": 1, "Cafe.docx": 1},
    ("mysql", "keep_both"): {"Muller.docx": 1, "Cafe.docx": 1, "Müller (1).docx": 1, "café (1).docx": 1},
    ("postgresql", "version"): {"Muller.docx": 1, "Cafe.docx": 1, "Müller.docx": 2, "café.docx": 1},
    ("postgresql", "skip"): {"Muller.docx": 1, "Cafe.docx": 1, "Müller.docx": 1, "café.docx": 1},
    ("postgresql", "keep_both"): {
        "Muller.docx": 1,
        "Cafe.docx": 1,
        "Müller.docx": 1,
        "Müller (1).docx": 1,
        "café.docx": 1,
    },
}


@pytest.mark.parametrize("gather", [1, 100])
@pytest.mark.parametrize(("who", "policy"), THRICE)
def test_files_uploaded_three_times_are_copied_as_the_policy_says(
    rooms: Rooms, keepers: Make, who: str, policy: str, gather: int
) -> None:
    """The conflict check answers with the sources: seven of seven ended in vain, with six versions too many."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms, on_conflict=policy) | {"gather": gather}])
    keeper.start()
    keeper.register()
    for attempt in range(3):
        for number in range(10 if gather > 1 else 3):
            key = rooms.guest_key if who == "guest" else ""
            rooms.portal.upload(rooms.client, f"File {number}.docx", f"{attempt} {number}".encode(), key=key)
        many = (number + 1) * (attempt + 1)
        runs = keeper.settle(lambda many=many: sum(len(one["events"]) for one in keeper.runs()) == many)

    assert {one["state"] for one in runs} == {"done"}
    there = [len(one["digests"]) for one in rooms.portal.tree(rooms.internal)]
    assert sorted(there) == sorted(THRICE[who, policy] * (number + 1))
    if policy != "skip":
        contents = sorted(digest for one in rooms.portal.tree(rooms.internal) for digest in one["digests"])
        assert contents == sorted(digest for one in rooms.portal.tree(rooms.client) for digest in one["digests"])
    # Of versions of one second nothing tells which delivery is whose: the history has a line for each, and is searched.
    keeper.ask("reconcile")
    until(lambda: counted(keeper) <= {"done", "excluded"})


def test_of_a_burst_of_versions_the_last_is_copied_and_none_twice(rooms: Rooms, keepers: Make) -> None:
    """Six files, 170 versions in a few seconds."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    for number in range(170):
        rooms.portal.upload(rooms.client, f"File {number % 6}.docx", f"version {number}".encode())
    sources = {one["title"]: one["digests"] for one in rooms.portal.tree(rooms.client)}
    runs = keeper.settle(lambda: last(rooms.portal.tree(rooms.internal)) == last(rooms.portal.tree(rooms.client)))

    copies = {one["title"]: one["digests"] for one in rooms.portal.tree(rooms.internal)}
    assert {one["state"] for one in runs} == {"done"}
    assert len(rooms.portal.tree(rooms.internal)) == 6
    for title, digests in sources.items():
        made = copies[title]
        assert made[-1] == digests[-1], f"the last version of {title} is not the copy's last"
        assert len(set(made)) == len(made), f"a version of {title} was copied twice"
        assert made == [one for one in digests if one in made], f"the versions of {title} are in another order"
    # Deliveries of one second are told apart by nothing; the history has a line for each, and is searched later.
    assert set(keeper.ask("prove", "copy-client-uploads", "--since", "1h")["counts"]) <= {"done", "waiting"}


def test_of_several_versions_of_one_size_that_came_during_a_copy_the_last_is_copied(
    rooms: Rooms, keepers: Make
) -> None:
    """What was copied is one of them; that it is as large as the newest is no proof that it is the newest."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms) | {"paused": True}])
    keeper.start()
    keeper.register()
    for title in ("First.docx", "Second.docx"):
        rooms.portal.upload(rooms.client, title, b"short")
    until(lambda: sum(one["state"] == "parked" for one in keeper.ask("events", "list")) == 2)
    keeper.stop()
    keeper.file.write_text(keeper.file.read_text().replace('"paused": true', '"paused": false'))
    rooms.portal.direct("PUT", "/operations", json={"queue_seconds": 1.0, "seconds_per_item": 2.0})
    keeper.start()
    until(lambda: keeper.copy_requests() == 1)

    rooms.portal.upload(rooms.client, "First.docx", b"longer: one")  # before its turn comes
    until(lambda: rooms.copies() >= 1)
    rooms.portal.upload(rooms.client, "First.docx", b"longer: two")  # after it, and before the operation ends
    rooms.portal.direct("PUT", "/operations", json={"queue_seconds": 0.0, "seconds_per_item": 0.0})
    keeper.settle(lambda: last(rooms.portal.tree(rooms.internal)) == last(rooms.portal.tree(rooms.client)))

    assert {one["state"] for one in keeper.runs()} == {"done"}


def test_a_version_that_an_earlier_copy_holds_is_not_copied_again_where_the_file_was_moved_meanwhile(
    rooms: Rooms, keepers: Make
) -> None:
    """An operation copies what a file holds when its turn comes; sizes alone did not tell."""
    folders = rooms.portal.folders(rooms.client, ["In", "Out"])
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    rooms.portal.direct("PUT", "/operations", json={"queue_seconds": 2.0})
    keeper.start()
    keeper.register()
    uploaded = rooms.portal.upload(folders["In"], "Offer.docx", b"one")
    until(lambda: keeper.copy_requests() == 1)

    rooms.portal.upload(folders["In"], "Offer.docx", b"two")  # before the operation's turn comes
    moving = {"fileIds": [uploaded["id"]], "destFolderId": folders["Out"], "conflictResolveType": 2}
    until(lambda: rooms.copies() == 1)
    rooms.portal.call("PUT", "/files/fileops/move", json=moving)
    keeper.settle(lambda: len(keeper.runs()) == 2)

    (copy,) = rooms.portal.tree(rooms.internal)
    assert (copy["path"], len(copy["digests"])) == (["In"], 1)
    assert {one["state"] for one in keeper.runs()} == {"done"}
    keeper.ask("reconcile")  # both versions are of one second, perhaps: the history has a line for each
    until(lambda: counted(keeper) == {"done"})


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


@pytest.mark.parametrize(("who", "policy"), THRICE)
def test_files_uploaded_while_the_webhook_is_disabled_are_copied_as_the_policy_says(
    rooms: Rooms, keepers: Make, who: str, policy: str
) -> None:
    """The first uploads are delivered, two more of each title are not; of versions that nobody told of, the last is."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms, on_conflict=policy)], keep_webhook=False)
    keeper.start()
    keeper.register()
    key = rooms.guest_key if who == "guest" else ""

    def upload(attempt: int) -> None:
        for number in range(3):
            rooms.portal.upload(rooms.client, f"File {number}.docx", f"{attempt} {number}".encode(), key=key)

    upload(0)
    keeper.settle(lambda: rooms.copies() == 3)
    (hook,) = rooms.portal.direct("GET", "/webhooks")
    rooms.portal.direct("PUT", "/webhooks", json={"id": hook["id"], "enabled": False})
    upload(1)
    upload(2)
    newest = {one["digests"][-1] for one in rooms.portal.tree(rooms.client)}

    keeper.ask("reconcile")

    def there() -> list[str]:
        return [digest for one in rooms.portal.tree(rooms.internal) for digest in one["digests"]]

    skipped = (who, policy) == ("member", "skip")  # the first version of each is there, and stays
    keeper.settle(lambda: skipped or newest <= set(there()))

    assert len(there()) == len(set(there()))  # nothing twice
    assert not skipped or len(there()) == 3
    until(lambda: counted(keeper) <= {"done", "excluded"})


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


@pytest.mark.parametrize("database", DATABASES)
def test_titles_that_are_one_to_the_portal_do_not_hide_each_other(rooms: Rooms, keepers: Make, database: str) -> None:
    """`Résumé` is `Resume`, `Straße` is `Strase`, the dotless i is I: not as Unicode folds them."""
    rooms.portal.direct("PUT", "/settings", json={"titles": database})
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


@pytest.mark.parametrize("policy", ["version", "skip", "keep_both"])
@pytest.mark.parametrize("database", DATABASES)
def test_what_others_have_under_a_title_that_is_nearly_the_same(
    rooms: Rooms, keepers: Make, database: str, policy: str
) -> None:
    """`Müller` and `Muller` are one title to MySQL and two to PostgreSQL: there, both may lie in one folder."""
    rooms.portal.direct("PUT", "/settings", json={"titles": database})
    theirs = ["Muller.docx", "Cafe.docx"] + (["Müller.docx"] if database == "postgresql" else [])
    for title in theirs:
        rooms.portal.upload(rooms.internal, title, f"theirs, {title}".encode())
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms, keep_folders=False, on_conflict=policy)])
    keeper.start()
    keeper.register()
    for title in ("Müller.docx", "café.docx"):
        before = len(keeper.runs())
        rooms.upload(title, f"the client's, {title}".encode())
        keeper.settle(lambda before=before: len(keeper.runs()) > before)

    assert {(one["state"], str(one["error"])) for one in keeper.runs()} == {("done", "None")}
    there = {one["title"]: one["digests"] for one in rooms.portal.tree(rooms.internal)}
    assert {title: len(digests) for title, digests in there.items()} == NEARLY[database, policy]
    last = {one["title"]: one["digests"][-1] for one in rooms.portal.tree(rooms.client)}
    if policy == "skip":
        assert last["Müller.docx"] not in {one for digests in there.values() for one in digests}
    else:
        assert set(last.values()) <= {digests[-1] for digests in there.values()}
    keeper.say("prove", "copy-client-uploads", "--since", "1h")


@pytest.mark.parametrize("layout", ["flat", "tree"])
@pytest.mark.parametrize("database", DATABASES)
def test_folders_and_files_whose_titles_are_nearly_the_same_are_archived_and_reported_where_they_lie(
    portal: Portal, keepers: Make, database: str, layout: str
) -> None:
    portal.direct("PUT", "/settings", json={"titles": database})
    scene = ClosingDeals(portal)
    keeper = keepers(
        portal,
        scene.keeper_key,
        [scene.automation(layout=layout)],
        others={"hubspot": scene.connection("hubspot")},
    )
    keeper.start()
    folders = portal.folders(scene.client, ["A", "B", "Ärzte", "Arzte"])
    lie = {"A": ["Müller.docx", "résumé.pdf"], "B": ["Muller.docx", "Resume.pdf"], "Ärzte": ["1.docx"]}
    for folder, titles in (lie | {"Arzte": ["1.docx", "2.docx"]}).items():
        for title in titles:
            scene.upload(title, folders[folder])
    before = {one["id"] for one in portal.tree(scene.client)}
    scene.close(keeper, scene.deal(), "hubspot")
    (run,) = keeper.settle()

    assert (run["state"], run["error"]) == ("done", None)
    assert portal.tree(scene.client) == []
    there = {one["id"]: "/".join([*one["path"], one["title"]]) for one in portal.tree(scene.archive)}
    assert set(there) == before
    report = keeper.ask("runs", "show", str(run["id"]))["steps"][0]["result"]["report"]
    assert {one["file"]: one["to"].partition("/")[2] for one in report} == there


@pytest.mark.parametrize("database", DATABASES)
def test_a_flat_archive_keeps_titles_apart_that_are_one_to_the_portal(
    portal: Portal, keepers: Make, database: str
) -> None:
    portal.direct("PUT", "/settings", json={"titles": database})
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

    keeper.say("runs", "retry", str(run["id"]))  # a person has looked: nothing is there, and the count is wrong
    (run,) = keeper.settle()
    assert (run["state"], run["error"]) == ("done", None)
    (archived, *_) = keeper.ask("runs", "show", str(run["id"]))["steps"]
    assert archived["result"]["unseen"] == 1
    assert scene.guest not in scene.members()


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


def waiting_offer(rooms: Rooms, keepers: Make) -> tuple[Keeper, dict[str, Any]]:
    """Have the client upload an offer that is told of, and waits to be copied."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    keeper.say("pause", "copy-client-uploads")
    offer = rooms.upload("Offer.docx", b"the client's")
    until(lambda: "file.uploaded" in {one["type"] for one in keeper.ask("events", "list")})
    return keeper, offer


@pytest.mark.parametrize("later", [True, False])
def test_a_file_that_got_the_id_of_one_that_waits_to_be_copied_is_not_copied(
    rooms: Rooms, keepers: Make, later: bool
) -> None:
    """The successor may be anything, in any room that the account may see: a copy of ours, or somebody's secret."""
    keeper, gone = waiting_offer(rooms, keepers)
    rooms.portal.call("DELETE", f"/files/file/{gone['id']}", json={"immediately": True, "deleteAfter": False})
    until(lambda: rooms.portal.tree(rooms.client) == [])
    if later:
        next_second()  # else it is made in the same second, and only its maker tells
    secret = rooms.portal.upload(rooms.internal, "Secret.docx", b"nobody else's")
    assert secret["id"] == gone["id"]
    keeper.say("resume", "copy-client-uploads")
    (run,) = keeper.settle(lambda: bool(keeper.runs()))

    assert [one["title"] for one in rooms.portal.tree(rooms.internal)] == ["Secret.docx"]
    assert run["state"] == "needs_attention"
    (item,) = keeper.ask("runs", "show", str(run["id"]))["steps"][0]["items"]
    assert "'Offer.docx'" in item["item"]
    assert "another file has its number now" in item["reason"]


def test_a_file_whose_maker_is_gone_before_it_is_copied_is_still_that_file(rooms: Rooms, keepers: Make) -> None:
    """Its owner is another then (RemoveProgressItem.cs, ReassignProgressItem.cs)."""
    keeper, offer = waiting_offer(rooms, keepers)

    rooms.portal.direct("PUT", f"/files/{offer['id']}", json={"created_by": rooms.keeper})
    keeper.say("resume", "copy-client-uploads")
    (run,) = keeper.settle(lambda: bool(keeper.runs()))

    assert (run["state"], run["error"]) == ("done", None)
    assert rooms.missing_and_doubled() == ([], [])


@pytest.mark.parametrize("named", ["id", "email"])
@pytest.mark.parametrize("came", ["invited by another", "by the link"])
def test_the_room_s_owner_ends_the_access_of_a_guest_whom_the_owner_did_not_invite(
    portal: Portal, keepers: Make, named: str, came: str
) -> None:
    """The owner of the room may not look that guest up: the room's own member list says who it is."""
    scene = ClosingDeals(portal, owned=True)
    guest = portal.direct("POST", "/users", json={"name": "other", "email": "other@x.example", "kind": "guest"})["id"]
    manager = portal.direct("POST", "/users", json={"name": "Mia", "email": "mia@x.example", "kind": "room_admin"})
    scene.share(scene.client, manager["id"], 9, by=scene.keeper_key)
    if came == "by the link":
        link = {"linkType": 0, "access": 11, "title": "For the client"}
        portal.call("PUT", f"/files/rooms/{scene.client}/links", key=manager["key"], json=link)
        portal.direct("POST", f"/rooms/{scene.client}/join", json={"user": guest})
    else:
        scene.share(scene.client, guest, 11, by=manager["key"])
    assert guest in scene.members()
    own = {"docspace_room_id": scene.client, "docspace_guest_id": guest if named == "id" else "other@x.example"}
    keeper = keepers(portal, scene.keeper_key, [scene.automation()], others={"hubspot": scene.connection("hubspot")})
    keeper.start()
    scene.upload("Offer.docx")
    scene.close(keeper, scene.deal(own=own), "hubspot")
    (run,) = keeper.settle()

    assert (run["state"], run["error"]) == ("done", None)
    assert guest not in scene.members()


def test_titles_too_long_for_a_rename_are_archived_and_kept_apart(portal: Portal, keepers: Make) -> None:
    """An upload keeps 170 characters, a rename takes 165: nine of twelve were left behind for ever."""
    scene = ClosingDeals(portal)
    keeper = keepers(portal, scene.keeper_key, [scene.automation()], others={"hubspot": scene.connection("hubspot")})
    keeper.start()
    folders = portal.folders(scene.client, ["A", "B", "C"])
    for length in (160, 165, 166, 170):
        for name, folder in folders.items():
            scene.upload("x" * (length - 5) + ".docx", folder, f"{length} {name}".encode())
    scene.close(keeper, scene.deal(), "hubspot")
    (run,) = keeper.settle()

    assert (run["state"], run["error"]) == ("done", None)
    assert portal.tree(scene.client) == []
    archived = portal.tree(scene.archive)
    assert len({one["title"] for one in archived}) == len(archived) == 12


def test_a_disabled_account_is_named_and_the_others_are_invited(portal: Portal, keepers: Make) -> None:
    scene = OpeningTickets(portal)
    gone = portal.direct("POST", "/users", json={"name": "gone", "email": "gone@x.example", "kind": "user"})["id"]
    portal.call("PUT", "/people/status/Terminated", json={"userIds": [gone]})
    members = [{"email": "gone@x.example", "access": "editing"}, {"email": "lead@x.example", "access": "room_manager"}]
    automation = scene.automation(members=members)
    keeper = keepers(portal, scene.keeper_key, [automation], others={"zendesk": scene.connection("zendesk")})
    keeper.start()
    scene.open("zendesk", f"{keeper.url}/hooks/zendesk")
    (run,) = keeper.settle()

    assert run["state"] == "needs_attention"
    assert "gone@x.example" in run["error"]
    assert "the account is disabled" in str(keeper.ask("runs", "show", str(run["id"]))["steps"])
    assert gone not in scene.rooms()[0]["members"]
    assert scene.lead in scene.rooms()[0]["members"]


def test_people_who_are_there_are_invited_by_email_id_and_group(portal: Portal, keepers: Make) -> None:
    """By e-mail the portal refuses what they may hold ("role is not available"), so they are named by id."""
    scene = OpeningTickets(portal)
    mia = portal.direct("POST", "/users", json={"name": "mia", "email": "mia@x.example", "kind": "user"})["id"]
    members = [
        {"email": "lead@x.example", "access": "room_manager"},
        {"user": mia, "access": "content_creator"},
        {"group": "Support", "access": "editing"},
        {"email": "new@client.example", "access": "read"},
    ]
    keeper = keepers(
        portal, scene.keeper_key, [scene.automation(members=members)], others={"zendesk": scene.connection("zendesk")}
    )
    keeper.start()
    for _ in range(2):  # the second room invites the guest who is there by then
        scene.open("zendesk", f"{keeper.url}/hooks/zendesk")
    runs = keeper.settle(lambda: len(keeper.runs()) == 2)

    assert {(one["state"], one["error"]) for one in runs} == {("done", None)}
    for room in scene.rooms():
        known = {scene.lead: 9, mia: 11, scene.group: 10}
        assert {who: access for who, access in room["members"].items() if who in known} == known
        (guest,) = set(room["members"]) - set(known)
        assert room["members"][guest] == 2


def test_a_group_whose_name_another_has_too_is_named_and_nobody_is_guessed(portal: Portal, keepers: Make) -> None:
    scene = OpeningTickets(portal)
    twin = "0b5e1f0c-0000-4000-8000-00000000cafe"
    portal.direct("POST", "/groups", json={"id": twin, "name": "support", "members": []})
    keeper = keepers(portal, scene.keeper_key, [scene.automation()], others={"zendesk": scene.connection("zendesk")})
    keeper.start()
    scene.open("zendesk", f"{keeper.url}/hooks/zendesk")
    (run,) = keeper.settle()

    assert run["state"] == "needs_attention"
    shown = str(keeper.ask("runs", "show", str(run["id"]))["steps"])
    assert f"several groups have this name: {scene.group}, {twin}" in shown
    assert scene.rooms()[0]["members"] == {scene.lead: 9}


def test_three_hundred_equal_titles_are_as_many_renames_and_one_move_a_hundred(portal: Portal, keepers: Make) -> None:
    """302 files took 80 seconds, one rename after another, under a line that stood still."""
    many = sized(300, 120)
    scene = ClosingDeals(portal)
    keeper = keepers(portal, scene.keeper_key, [scene.automation()], others={"hubspot": scene.connection("hubspot")})
    keeper.start()
    for number in range(many):
        scene.upload("Offer.docx", content=f"offer {number}".encode())  # a guest's uploads of one title are twins
    assert len(portal.tree(scene.client)) == many
    scene.close(keeper, scene.deal(), "hubspot")
    (run,) = keeper.settle()

    assert (run["state"], run["error"]) == ("done", None)
    titles = [one["title"] for one in portal.tree(scene.archive)]
    assert len(titles) == len(set(titles)) == many
    assert len(scene.asked("PUT", "/files/file/")) == many - 1
    assert len(scene.asked("PUT", "/fileops/move")) == -(-many // 100)
