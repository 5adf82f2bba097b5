"""Files that are moved, renamed and commented on: none overwritten, none lost, what cannot be is named, and undone."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from stage import Keeper, Portal, Rooms

Make = Callable[..., Keeper]
Step = dict[str, Any]


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


def moving(rooms: Rooms, **changed: Any) -> list[Step]:
    listing = {"do": "list_files", "as": "found", "with": {"folder": rooms.client, "patience": "1s"}}
    settings = {"to": rooms.internal, "files": "{{ found.ids }}", "patience": "1s"} | changed
    return [listing, {"do": "move_files", "as": "moved", "with": settings}]


def started(rooms: Rooms, keepers: Make, steps: Sequence[Step], **named: Any) -> Keeper:
    automation = {"name": "tidy", "on": "schedule", "cron": "0 0 1 1 *", "steps": list(steps)}
    keeper = keepers(rooms.portal, rooms.keeper_key, [automation], **named)
    keeper.start()
    return keeper


def run(keeper: Keeper) -> dict[str, Any]:
    keeper.say("start", "tidy", "--wait", codes=(0, 1, 3))
    return shown(keeper)


def shown(keeper: Keeper) -> dict[str, Any]:
    one: dict[str, Any] = keeper.ask("runs", "show", str(keeper.settle()[0]["id"]))
    return one


def places(rooms: Rooms, room: int) -> set[str]:
    return {"/".join((*one["path"], one["title"])) for one in rooms.portal.tree(room)}


def test_namesakes_get_numbers_and_undo_puts_all_back(rooms: Rooms, keepers: Make, store_address: str) -> None:
    made = rooms.portal.folders(rooms.client, ["A/B", "C"])
    for folder in (rooms.client, *made.values()):
        rooms.upload("Müller.docx", f"{folder}".encode(), folder=folder)
    rooms.portal.upload(rooms.internal, "Muller.docx", b"theirs")
    before = rooms.portal.tree(rooms.client)
    keeper = started(rooms, keepers, moving(rooms, folder="2026/Moved"), store=store_address)

    ended = run(keeper)

    assert (ended["state"], ended["error"]) == ("done", None)
    result = ended["steps"][1]["result"]
    assert (result["files"], result["renamed"], rooms.portal.tree(rooms.client)) == (4, 3, [])
    titles = {"Müller.docx", *(f"Müller ({n}).docx" for n in (1, 2, 3))}
    assert places(rooms, rooms.internal) == {"Muller.docx", *(f"2026/Moved/{title}" for title in titles)}
    keeper.say("runs", "undo", str(ended["id"]), "--wait")
    assert keeper.settle()[0]["state"] == "done"
    assert rooms.portal.tree(rooms.client) == before
    assert places(rooms, rooms.internal) == {"Muller.docx"}


def test_what_is_there_is_left_alone_if_so_asked(rooms: Rooms, keepers: Make) -> None:
    rooms.upload("Lease.docx", b"new")
    rooms.upload("Other.docx", b"other")
    rooms.portal.upload(rooms.internal, "LEASE.docx", b"old")
    keeper = started(rooms, keepers, moving(rooms, on_conflict="skip"))

    result = run(keeper)["steps"][1]["result"]

    assert (result["files"], result["skipped"]) == (1, 1)
    assert places(rooms, rooms.client) == {"Lease.docx"}
    assert places(rooms, rooms.internal) == {"LEASE.docx", "Other.docx"}


def test_a_locked_file_is_named_the_others_go_and_a_retry_takes_it(rooms: Rooms, keepers: Make) -> None:
    locked = rooms.upload("Locked.docx")["id"]
    rooms.upload("Free.docx")
    rooms.portal.direct("PUT", f"/files/{locked}", json={"locked_by": rooms.guest})
    keeper = started(rooms, keepers, moving(rooms))

    ended = run(keeper)

    assert ended["state"] == "needs_attention"
    (item,) = ended["steps"][1]["items"]
    assert (str(locked) in item["item"], "locked" in item["reason"]) == (True, True)
    assert places(rooms, rooms.internal) == {"Free.docx"}
    keeper.say("runs", "retry", str(ended["id"]), "--wait", codes=(0, 1, 3))
    assert (shown(keeper)["state"], places(rooms, rooms.internal)) == ("needs_attention", {"Free.docx"})
    rooms.portal.direct("PUT", f"/files/{locked}", json={"locked_by": None})
    keeper.say("runs", "retry", str(ended["id"]), "--wait")
    assert places(rooms, rooms.internal) == {"Free.docx", "Locked.docx"}


def test_a_file_that_got_a_number_and_stayed_has_its_title_again_after_the_undo(rooms: Rooms, keepers: Make) -> None:
    keeps = rooms.upload("Lease.docx")["id"]
    rooms.upload("Free.docx")
    rooms.portal.upload(rooms.internal, "Lease.docx", b"theirs")
    refused = {"kind": "status", "status": 403, "method": "PUT", "path": "/fileops/move$", "body": '{"error": {}}'}
    rooms.portal.direct("PUT", "/faults", json=[refused])
    keeper = started(rooms, keepers, moving(rooms))

    ended = run(keeper)

    assert ended["state"] == "needs_attention"
    assert places(rooms, rooms.client) == {"Lease (1).docx", "Free.docx"}
    rooms.portal.direct("PUT", "/faults", json=[])
    keeper.say("runs", "undo", str(ended["id"]), "--wait")
    assert places(rooms, rooms.client) == {"Lease.docx", "Free.docx"}
    assert rooms.portal.call("GET", f"/files/file/{keeps}")["title"] == "Lease.docx"


def test_what_people_moved_on_stays_there_by_retry_and_by_undo(rooms: Rooms, keepers: Make) -> None:
    locked, free = (rooms.upload(f"{name}.docx")["id"] for name in ("Locked", "Free"))
    elsewhere = rooms.portal.folders(rooms.internal, ["Elsewhere"])["Elsewhere"]
    rooms.portal.direct("PUT", f"/files/{locked}", json={"locked_by": rooms.guest})
    keeper = started(rooms, keepers, moving(rooms))
    number = str(run(keeper)["id"])
    moved_on = {"fileIds": [free], "folderIds": [], "destFolderId": elsewhere, "deleteAfter": False}
    rooms.portal.call("PUT", "/files/fileops/move", json=moved_on | {"conflictResolveType": 0, "content": False})
    rooms.portal.direct("PUT", f"/files/{locked}", json={"locked_by": None})

    keeper.say("runs", "retry", number, "--wait")
    assert (shown(keeper)["state"], places(rooms, rooms.internal)) == ("done", {"Locked.docx", "Elsewhere/Free.docx"})
    keeper.say("runs", "undo", number, "--wait", codes=(0, 1, 3))

    undone = shown(keeper)
    assert (undone["state"], "moved it on" in undone["steps"][0]["items"][0]["reason"]) == ("needs_attention", True)
    assert (places(rooms, rooms.client), places(rooms, rooms.internal)) == ({"Locked.docx"}, {"Elsewhere/Free.docx"})


def test_undo_makes_a_folder_again_and_names_a_title_that_is_taken(rooms: Rooms, keepers: Make) -> None:
    folder = rooms.portal.folders(rooms.client, ["2025/Q1"])["2025/Q1"]
    rooms.upload("Deep.docx", folder=folder)
    rooms.upload("Top.docx")
    keeper = started(rooms, keepers, moving(rooms, folder=2026))  # a number, as a template may give
    ended = run(keeper)
    assert places(rooms, rooms.internal) == {"2026/Deep.docx", "2026/Top.docx"}
    rooms.portal.call("DELETE", f"/files/folder/{folder}", json={"deleteAfter": False, "immediately": True})
    rooms.upload("Top.docx", b"another")

    keeper.say("runs", "undo", str(ended["id"]), "--wait", codes=(0, 1, 3))

    undone = shown(keeper)
    assert places(rooms, rooms.client) == {"2025/Q1/Deep.docx", "Top.docx", "Top (1).docx"}
    (item,) = undone["steps"][0]["items"]
    assert "it is back as 'Top (1).docx'" in item["reason"]


def test_an_upload_that_could_not_be_moved_is_not_proved(rooms: Rooms, keepers: Make) -> None:
    steps = [{"do": "move_files", "with": {"to": rooms.internal, "patience": "1s"}}]
    automation = {"name": "tidy", "on": "file.uploaded", "where": {"room": rooms.client}, "steps": steps}
    keeper = keepers(rooms.portal, rooms.keeper_key, [automation])
    keeper.start()
    keeper.register()
    refused = {"kind": "status", "status": 403, "method": "PUT", "path": "/fileops/move$", "body": '{"error": {}}'}
    rooms.portal.direct("PUT", "/faults", json=[refused])

    rooms.upload("Lease.docx")
    keeper.settle(lambda: [one["state"] for one in keeper.runs()] == ["needs_attention"])

    keeper.say("prove", "tidy", "--since", "1h", codes=(1, 3))
    rooms.portal.direct("PUT", "/faults", json=[])
    keeper.say("runs", "retry", str(keeper.runs()[0]["id"]), "--wait")
    keeper.say("prove", "tidy", "--since", "1h", codes=(0,))


def test_a_long_comment_is_kept_as_the_portal_keeps_it(rooms: Rooms, keepers: Make) -> None:
    file = rooms.upload("Old.docx")["id"]
    other = rooms.upload("New.docx")["id"]
    told = {file: "x" * 300, other: "\N{FIRE} hot"}  # which MySQL would not take
    steps = [
        {"do": "comment_on_file", "as": f"c{one}", "with": {"file": one, "text": text}} for one, text in told.items()
    ]
    tags = {"do": "tag_room", "with": {"room": rooms.client, "tags": ["p \N{FIRE}"]}}
    keeper = started(rooms, keepers, [*steps, tags])

    ended = run(keeper)

    assert (ended["state"], ended["error"]) == ("done", None)
    kept = [one["result"] for one in ended["steps"]]
    assert [one["text"] for one in kept[:2]] == ["x" * 255, "U+1F525 hot"]
    assert kept[2]["tags"] == ["p U+1F525"]


def test_a_room_for_what_no_tag_can_hold_is_made_once(rooms: Rooms, keepers: Make) -> None:
    step = {
        "do": "create_room",
        "as": "made",
        "with": {"title": "Deal", "once_per": "deal \N{FIRE}", "tags": ["\N{FIRE}"]},
    }
    keeper = started(rooms, keepers, [step])

    first, second = run(keeper), run(keeper)

    assert [one["state"] for one in (first, second)] == ["done", "done"]
    assert [one["steps"][0]["result"]["made"] for one in (first, second)] == [True, False]
    (made,) = [one for one in rooms.portal.direct("GET", "/rooms") if one["title"] == "Deal"]
    assert made["tags"] == ["deal U+1F525", "U+1F525"]


def test_a_file_that_is_gone_is_named_and_moved_once_it_is_back(rooms: Rooms, keepers: Make) -> None:
    gone, there = (rooms.upload(f"{name}.docx")["id"] for name in ("Gone", "There"))
    steps = [{"do": "move_files", "with": {"to": rooms.internal, "files": [gone, there]}}]
    rooms.portal.call("DELETE", f"/files/file/{gone}", json={"deleteAfter": False, "immediately": False})
    keeper = started(rooms, keepers, steps)

    ended = run(keeper)

    assert (ended["state"], str(gone) in ended["error"]) == ("needs_attention", True)
    assert places(rooms, rooms.internal) == {"There.docx"}
    back = {"fileIds": [gone], "folderIds": [], "destFolderId": rooms.client, "deleteAfter": False}
    rooms.portal.call("PUT", "/files/fileops/move", json=back | {"conflictResolveType": 0, "content": False})
    keeper.say("runs", "retry", str(ended["id"]), "--wait")
    assert places(rooms, rooms.internal) == {"There.docx", "Gone.docx"}


def test_a_person_is_asked_and_sees_what_goes_by_name(rooms: Rooms, keepers: Make) -> None:
    for name in "abc":
        rooms.upload(f"{name}.docx")
    keeper = started(rooms, keepers, moving(rooms, approve_over=2))

    ended = run(keeper)

    assert ended["state"] == "needs_attention"
    assert "move 3 files" in ended["error"]
    assert "move 'Client_ Acme/a.docx' to 'Acme (internal)/a.docx'" in ended["steps"][1]["plan"]["lines"]
    assert places(rooms, rooms.internal) == set()
    keeper.say("runs", "approve", str(ended["id"]))
    keeper.settle(lambda: len(places(rooms, rooms.internal)) == 3)


def test_nothing_to_move_makes_no_folder(rooms: Rooms, keepers: Make) -> None:
    keeper = started(rooms, keepers, moving(rooms, folder="2026"))

    ended = run(keeper)

    assert (ended["state"], ended["steps"][1]["result"]["files"]) == ("done", 0)
    assert rooms.portal.call("GET", f"/files/{rooms.internal}/subfolders") in ([], None)


def test_a_file_that_is_being_converted_is_waited_for_and_then_named(rooms: Rooms, keepers: Make) -> None:
    rooms.upload("Fine.docx")
    hidden = rooms.upload("Scan.docx")["id"]
    rooms.portal.direct("PUT", f"/files/{hidden}", json={"converting": True})
    keeper = started(rooms, keepers, moving(rooms))

    ended = run(keeper)

    assert (ended["state"], "counts 1 file" in ended["error"]) == ("needs_attention", True)
    assert places(rooms, rooms.internal) == set()
    rooms.portal.direct("PUT", f"/files/{hidden}", json={"converting": False})
    keeper.say("runs", "retry", str(ended["id"]), "--wait")
    assert places(rooms, rooms.internal) == {"Fine.docx", "Scan.docx"}


def test_lists_are_asked_like_events_and_say_what_they_leave_out(rooms: Rooms, keepers: Make) -> None:
    made = rooms.portal.folders(rooms.client, ["Deep"])
    for title, size, folder in (("a.PDF", 10, rooms.client), ("b.pdf", 20, made["Deep"]), ("c.docx", 30, made["Deep"])):
        rooms.upload(title, b"x" * size, folder=folder)

    def listed(name: str, **asked: Any) -> Step:
        return {"do": "list_files", "as": name, "with": {"folder": "Client: Acme", **asked}}

    steps = [
        listed("pdfs", where={"extension": "pdf"}),
        listed("large", where={"size": {"above": 15}, "title": {"not": "c.docx"}}),
        listed("top", subfolders=False),
        listed("two", most=2),
        listed("old", older_than="1h"),
        listed("deep", where={"path": "Deep"}, newer_than="1h"),
    ]
    keeper = started(rooms, keepers, steps)

    found = {step["name"]: step["result"] for step in run(keeper)["steps"]}

    titles = {name: sorted(file["title"] for file in one["files"]) for name, one in found.items()}
    assert titles["pdfs"] == ["a.PDF", "b.pdf"]
    assert (titles["large"], titles["top"], titles["old"]) == (["b.pdf"], ["a.PDF"], [])
    assert titles["deep"] == ["b.pdf", "c.docx"]
    assert (found["two"]["count"], found["two"]["more"], found["pdfs"]["bytes"]) == (2, 1, 30)


@pytest.mark.parametrize(
    ("title", "becomes"),
    [("New name", "New name.docx"), ("New.DOCX", "New.docx"), ("Taken", "Taken (1).docx"), ("a/b: c", "a_b_ c.docx")],
)
def test_a_renamed_file_keeps_its_ending_and_takes_no_other_s_title(
    rooms: Rooms, keepers: Make, title: str, becomes: str
) -> None:
    rooms.upload("Taken.docx")
    file = rooms.upload("Old.docx")["id"]
    steps = [{"do": "rename_file", "as": name, "with": {"file": file, "title": title}} for name in ("once", "twice")]
    keeper = started(rooms, keepers, steps)

    ended = run(keeper)

    assert (ended["state"], ended["error"]) == ("done", None)
    assert [(one["result"]["title"], one["result"]["made"]) for one in ended["steps"]] == [
        (becomes, True),
        (becomes, False),
    ]
    assert places(rooms, rooms.client) == {"Taken.docx", becomes}


@pytest.mark.parametrize("step", [{"do": "rename_file", "title": "x"}, {"do": "comment_on_file", "text": "x"}])
def test_what_a_locked_or_hidden_file_does_not_take_is_said(rooms: Rooms, keepers: Make, step: Step) -> None:
    file = rooms.upload("Old.docx")["id"]
    rooms.portal.direct("PUT", f"/files/{file}", json={"locked_by": rooms.guest})
    settings = {name: value for name, value in step.items() if name != "do"} | {"file": file}
    keeper = started(rooms, keepers, [{"do": step["do"], "with": settings}])

    ended = run(keeper)

    assert (ended["state"], "is locked" in ended["error"]) == ("needs_attention", True)
    assert places(rooms, rooms.client) == {"Old.docx"}


def test_a_rehearsal_names_what_would_leave_the_room_and_writes_nothing(rooms: Rooms, keepers: Make) -> None:
    rooms.upload("Lease.docx")
    rooms.portal.upload(rooms.internal, "lease.docx", b"theirs")
    keeper = started(rooms, keepers, moving(rooms))
    ended = run(keeper)
    keeper.say("runs", "undo", str(ended["id"]), "--wait")
    event = keeper.ask("events", "list")[0]["id"]
    before = len(rooms.portal.direct("GET", "/journal"))

    said = keeper.say("try", "tidy", "--event", str(event))

    asked = {one["method"] for one in rooms.portal.direct("GET", "/journal")[before:]}
    assert "Lease.docx" in said
    assert "under a title with a number" in said
    assert asked == {"GET"}
