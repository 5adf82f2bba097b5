"""The first job, whole: an upload in a client room has one verified copy in the internal room."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable

import httpx2
import pytest
from signing import signed
from stage import SECRET, Keeper, Portal, Rooms, copy_uploads, next_second, until

from roomkeeper.docspace.webhooks import mask

Make = Callable[..., Keeper]


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


def test_200_single_request_uploads_half_in_subfolders_have_200_copies(
    rooms: Rooms, keepers: Make, store_address: str
) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)], store=store_address)
    keeper.start()
    keeper.register()
    folders = rooms.portal.folders(rooms.client, ["Invoices", "Contracts/2026", "Photos"])
    places = [rooms.client, folders["Invoices"], rooms.client, folders["Contracts/2026"]]

    for number in range(200):
        rooms.upload(f"File {number}.docx", f"content {number}".encode(), folder=places[number % 4])
    keeper.settle(lambda: rooms.copies() >= 200)

    assert rooms.portal.direct("GET", "/deliveries")["rows"] == 400
    assert rooms.missing_and_doubled() == ([], [])
    assert rooms.copies() == 200
    print(f"200 uploads: {rooms.copies()} copies, {keeper.copy_requests()} requests to copy")
    counts = Counter(one["status"] for one in keeper.ask("events", "list", "--limit", "1000"))
    del counts["duplicate"]  # what the first search of the history finds before its delivery comes
    assert counts == {"accepted": 200, "ignored": 200}


def test_deliveries_sent_again_and_again_with_a_new_id_change_nothing(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    for number in range(20):
        rooms.upload(f"File {number}.docx", f"content {number}".encode())
    keeper.settle(lambda: rooms.copies() == 20)
    before, asked = rooms.portal.tree(rooms.internal), keeper.copy_requests()
    log = rooms.portal.call("GET", "/settings/webhooks/log", params={"count": 100})

    for row in log:  # the same bytes once more: the signature fits, so they are taken for what they are
        body = row["requestPayload"].encode()
        answer = httpx2.post(f"{keeper.url}/hooks/acme", content=body, headers=signed(body))
        assert answer.status_code == 200
        assert answer.json()["status"] in {"duplicate", "ignored"}
    rooms.portal.call("PUT", "/settings/webhook/retry", json={"ids": [row["id"] for row in log]})
    until(lambda: rooms.portal.direct("GET", "/deliveries")["delivered"] == 80)
    keeper.settle()

    assert rooms.portal.tree(rooms.internal) == before
    assert keeper.copy_requests() == asked


@pytest.mark.parametrize(
    ("policy", "copies", "versions"), [("version", 1, [2]), ("skip", 1, [1]), ("keep_both", 2, [1, 1])]
)
def test_a_new_version_is_added_left_or_kept_beside(
    rooms: Rooms, keepers: Make, policy: str, copies: int, versions: list[int]
) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms, on_conflict=policy)])
    keeper.start()
    keeper.register()
    first = rooms.upload("Offer.docx", b"first")
    keeper.settle(lambda: rooms.copies() == 1)

    second = rooms.portal.upload(rooms.client, "Offer.docx", b"second, and longer")
    assert (second["id"], second["version"]) == (first["id"], 2)
    keeper.settle(lambda: len(keeper.runs()) >= 2)

    tree = rooms.portal.tree(rooms.internal)
    assert sorted(one["version"] for one in tree) == versions
    assert len(tree) == copies
    digests = {digest for one in tree for digest in one["digests"]}
    assert len(digests) == (1 if policy == "skip" else 2)


@pytest.mark.parametrize(("before", "after"), [("half of it", "all of it, at last"), ("one", "two")])
def test_what_is_saved_again_under_the_same_version_s_number_is_copied_again(
    rooms: Rooms, keepers: Make, before: str, after: str
) -> None:
    """In the editor, what was saved before it was closed is replaced (EntryManager.cs, SaveEditingAsync)."""
    automation = copy_uploads(rooms) | {"on": ["file.uploaded", "file.updated"]}
    keeper = keepers(rooms.portal, rooms.keeper_key, [automation])
    keeper.start()
    rooms.portal.register(f"{keeper.url}/hooks/acme", SECRET, triggers=mask(["file.uploaded", "file.updated"]))
    file = rooms.upload("Offer.docx", b"first")["id"]
    keeper.settle(lambda: rooms.copies() == 1)

    for number, content in enumerate((before, after)):
        next_second()
        saved = {"saved": content, "user": rooms.guest, "is_forced": content == before}
        assert rooms.portal.direct("PUT", f"/files/{file}", json=saved)["version"] == 2
        keeper.settle(lambda wanted=number + 2: len(keeper.runs()) == wanted)  # type: ignore[misc]

    (copy,) = rooms.portal.tree(rooms.internal)
    assert copy["digests"][1:] == [hashlib.sha256(content.encode()).hexdigest() for content in (before, after)]


@pytest.mark.parametrize("is_strangers_older", [True, False])
def test_a_new_version_goes_to_no_file_of_somebody_else(
    rooms: Rooms, keepers: Make, *, is_strangers_older: bool
) -> None:
    """Of files with one title the portal gives the oldest a version (FileQueries.cs, DbFileQueryByTitleAsync)."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    if is_strangers_older:
        strangers = rooms.portal.upload(rooms.internal, "Other.docx", b"mine", key=rooms.keeper_key)["id"]
        next_second()
    rooms.upload("Offer.docx", b"first")
    keeper.settle(lambda: len(keeper.runs()) == 1)
    if not is_strangers_older:
        next_second()
        strangers = rooms.portal.upload(rooms.internal, "Other.docx", b"mine", key=rooms.keeper_key)["id"]
    rooms.portal.call("PUT", f"/files/file/{strangers}", json={"title": "Offer.docx"}, key=rooms.keeper_key)

    rooms.portal.upload(rooms.client, "Offer.docx", b"second, and longer")
    keeper.settle(lambda: len(keeper.runs()) == 2)

    there = {one["id"]: one["digests"] for one in rooms.portal.tree(rooms.internal)}
    first, second, mine = (hashlib.sha256(one).hexdigest() for one in (b"first", b"second, and longer", b"mine"))
    assert there.pop(strangers) == [mine]
    assert sorted(there.values()) == sorted([[first], [second]] if is_strangers_older else [[first, second]])


def test_a_renamed_file_that_is_told_of_again_is_copied_once(rooms: Rooms, keepers: Make) -> None:
    """A rename moves the moment of the last change as a save does (FileDao.cs, FileRenameAsync)."""
    automation = copy_uploads(rooms) | {"on": ["file.uploaded", "file.updated"]}
    keeper = keepers(rooms.portal, rooms.keeper_key, [automation])
    keeper.start()
    rooms.portal.register(f"{keeper.url}/hooks/acme", SECRET, triggers=mask(["file.uploaded", "file.updated"]))
    file = rooms.upload("Offer.docx", b"first")["id"]
    keeper.settle(lambda: rooms.copies() == 1)
    asked = keeper.copy_requests()

    next_second()
    rooms.portal.call("PUT", f"/files/file/{file}", json={"title": "Order.docx"})
    keeper.settle(lambda: len(keeper.runs()) == 2)

    assert (rooms.copies(), keeper.copy_requests()) == (1, asked)


def test_equal_titles_from_different_folders_stay_two_files_when_folders_are_not_kept(
    rooms: Rooms, keepers: Make
) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms, keep_folders=False)])
    keeper.start()
    keeper.register()
    folders = rooms.portal.folders(rooms.client, ["A", "B"])

    rooms.upload("Offer.docx", b"of A", folder=folders["A"])
    rooms.upload("Offer.docx", b"of B, longer", folder=folders["B"])
    keeper.settle(lambda: rooms.copies() == 2)

    assert {one["version"] for one in rooms.portal.tree(rooms.internal)} == {1}
    assert len({one["digests"][0] for one in rooms.portal.tree(rooms.internal)}) == 2


def test_one_locked_one_deleted_one_forbidden_among_100(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms) | {"paused": True}])
    keeper.start()
    keeper.register()
    files = [rooms.upload(f"File {number}.docx", f"content {number}".encode()) for number in range(100)]
    locked, deleted, secret = files[10], files[40], files[70]
    target = rooms.portal.upload(rooms.internal, locked["title"], b"there already")
    rooms.portal.call("PUT", f"/files/file/{target['id']}/lock", json={"lockFile": True})
    rooms.portal.call("DELETE", f"/files/file/{deleted['id']}", json={})
    rooms.portal.direct("PUT", f"/files/{secret['id']}", json={"restricted": [rooms.keeper]})
    until(lambda: sum(one["state"] == "parked" for one in keeper.ask("events", "list", "--limit", "1000")) == 100)
    keeper.stop()
    keeper.file.write_text(keeper.file.read_text().replace('"paused": true', '"paused": false'))
    keeper.start()

    keeper.settle()

    runs = keeper.runs()
    assert [one["state"] for one in runs] == ["needs_attention"]
    shown = keeper.ask("runs", "show", str(runs[0]["id"]))
    step = shown["steps"][0]
    assert step["result"]["copied"] == 97
    said = {item["item"].split()[1]: item for item in step["items"]}
    assert set(said) == {str(locked["id"]), str(deleted["id"]), str(secret["id"])}
    assert "locked" in said[str(locked["id"])]["reason"]
    assert "deleted" in said[str(deleted["id"])]["reason"]
    assert "may not copy" in said[str(secret["id"])]["reason"]
    assert all(item["remedy"] for item in step["items"])
    assert rooms.copies() == 98  # the 97, and the locked one that was there

    rooms.portal.direct("PUT", f"/files/{target['id']}", json={"locked_by": None})
    rooms.portal.direct("PUT", f"/files/{secret['id']}", json={"restricted": []})
    rooms.portal.call("PUT", "/files/fileops/move", json={"fileIds": [deleted["id"]], "destFolderId": rooms.client})
    requests = keeper.copy_requests()
    keeper.say("runs", "retry", str(runs[0]["id"]))
    keeper.settle(lambda: keeper.runs()[0]["state"] == "done")

    assert keeper.copy_requests() - requests <= 3
    assert rooms.copies() == 100
    assert rooms.portal.direct("GET", f"/files/{target['id']}")["version"] == 2


def test_what_our_own_account_uploads_is_not_acted_on(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()

    rooms.portal.upload(rooms.client, "Ours.docx", b"ours", key=rooms.keeper_key)
    rooms.upload("Theirs.docx", b"theirs")
    keeper.settle(lambda: rooms.copies() == 1)

    assert [one["title"] for one in rooms.portal.tree(rooms.internal)] == ["Theirs.docx"]
    ours = [one for one in keeper.ask("events", "list") if "Ours" in one["subject"] and one["status"] == "accepted"]
    assert "Roomkeeper itself" in ours[0]["reason"]


def test_a_room_may_be_named_by_its_exact_title(rooms: Rooms, keepers: Make) -> None:
    automation = copy_uploads(rooms, to="Acme (internal)") | {"where": {"room": "Client_ Acme"}}
    rooms.portal.direct("PUT", "/settings", json={"is_indexed": False})
    keeper = keepers(rooms.portal, rooms.keeper_key, [automation])
    keeper.start()
    keeper.register()
    other = rooms.add("Client_ Acme and others", {rooms.keeper: 9, rooms.guest: 11})

    rooms.upload("Other.docx", folder=other)
    rooms.upload("Wanted.docx")
    keeper.settle(lambda: rooms.copies() == 1)

    assert [one["title"] for one in rooms.portal.tree(rooms.internal)] == ["Wanted.docx"]


def test_try_tells_the_plan_and_writes_nothing(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    folder = rooms.portal.folders(rooms.client, ["Invoices"])["Invoices"]
    file = rooms.upload("Plan.docx", folder=folder)
    body = {
        "event": {
            "id": 1,
            "createOn": "2026-06-30T12:05:09Z",
            "createBy": rooms.guest,
            "trigger": "file.uploaded",
            "triggerId": 256,
        },
        "payload": {"id": file["id"], "parentId": folder, "title": "Plan.docx"},
        "webhook": {"id": 1},
    }
    event = keeper.folder / "event.json"
    event.write_text(json.dumps(body))
    since = len(rooms.portal.direct("GET", "/journal"))

    told = keeper.ask("try", "copy-client-uploads", "--event", str(event))

    assert told["applies"] is True
    assert "Acme (internal)/Invoices" in told["steps"][0]["plan"][0]
    made = rooms.portal.direct("GET", f"/journal?since={since}")
    assert made
    assert {one["method"] for one in made} == {"GET"}
    assert rooms.copies() == 0


def test_start_copies_a_file_that_no_webhook_told_of(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    files = [rooms.upload(f"By hand {number}.docx", f"{number}".encode()) for number in range(2)]

    with_ = [word for file in files for word in ("--with", f"file.id={file['id']}")]
    ended = keeper.ask("start", "copy-client-uploads", *with_, "--wait")

    assert {one["state"] for one in ended} == {"done"}
    assert rooms.missing_and_doubled() == ([], [])


def test_a_file_in_a_chunked_upload_is_copied_from_its_new_folder(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    content = b"x" * 3000
    whole = hashlib.sha256(content).hexdigest()

    key = rooms.guest_key
    wanted = {
        "fileName": "Großes Bild (1).png",
        "fileSize": len(content),
        "relativePath": "New/Deep/Großes Bild (1).png",
    }
    session = rooms.portal.call("POST", f"/files/{rooms.client}/session", key=key, json=wanted)
    for at in range(0, 3000, 1000):  # each is a version there, as long as the whole (recorded: upload.chunked)
        rooms.portal.call(
            "POST",
            f"/files/{rooms.client}/session/{session['id']}",
            key=key,
            files={"file": ("blob", content[at : at + 1000])},
        )
    keeper.settle(lambda: rooms.copies() == 1 and rooms.portal.tree(rooms.internal)[0]["digests"][-1] == whole)

    assert rooms.portal.tree(rooms.internal)[0]["path"] == ["New", "Deep"]


def test_a_key_that_is_switched_off_stops_nothing_for_good(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    rooms.portal.direct("PUT", "/keys", json={"key": rooms.keeper_key, "is_active": False})
    keeper.start()
    keeper.register()
    rooms.upload("Waiting.docx")
    until(lambda: "events wait" in keeper.log())
    assert rooms.copies() == 0

    rooms.portal.direct("PUT", "/keys", json={"key": rooms.keeper_key, "is_active": True})
    keeper.settle(lambda: rooms.copies() == 1)

    assert rooms.missing_and_doubled() == ([], [])


@pytest.mark.long
def test_a_pause_holds_for_a_run_that_waits_for_its_turn_and_nothing_is_lost(
    rooms: Rooms, keepers: Make, store_address: str
) -> None:
    """What is at work goes on; what has its place in the queue already is given back, and taken up again later."""
    automation = copy_uploads(rooms, on_conflict="keep_both")
    keeper = keepers(rooms.portal, rooms.keeper_key, [automation], store=store_address)
    keeper.start()
    keeper.register()
    rooms.portal.direct("PUT", "/faults", json=[{"kind": "delay", "seconds": 6.0, "path": "/files/fileops/copy"}])
    rooms.upload("First.docx")
    until(lambda: any(one["state"] == "running" for one in keeper.runs()))
    rooms.upload("Second.docx")
    until(lambda: len(keeper.runs()) == 2)

    keeper.say("pause", automation["name"])
    keeper.say("pause", automation["name"], codes=(1,))  # it is already
    until(lambda: keeper.runs()[1]["state"] == "done")
    time.sleep(3)  # long enough for the next to begin, if it could
    meanwhile = (keeper.runs()[0]["state"], rooms.copies())
    keeper.say("resume", automation["name"])
    keeper.settle(lambda: rooms.copies() == 2)

    assert meanwhile == ("waiting", 1)
    assert rooms.missing_and_doubled() == ([], [])


def test_it_can_be_tried_with_what_happened_last(rooms: Rooms, keepers: Make) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms) | {"paused": True}])
    said = keeper.complaints("try", "copy-client-uploads", codes=(1,))
    assert "Nothing that copy-client-uploads listens to has happened so far" in said
    rooms.upload("Offer.docx")

    told = keeper.ask("try", "copy-client-uploads")

    assert "Offer.docx" in told["steps"][0]["plan"][0]
    assert rooms.copies() == 0
