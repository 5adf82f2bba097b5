"""Lists of rooms and reports in rooms: whole or a failure, saved once, and read back as they were written."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from stage import Keeper, Portal, Rooms

Make = Callable[..., Keeper]


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


def serving(keepers: Make, rooms: Rooms, *steps: dict[str, Any]) -> Keeper:
    automation = {"name": "report", "on": "schedule", "every": "365d", "missed": "skip", "steps": [*steps]}
    keeper = keepers(rooms.portal, rooms.keeper_key, [automation])
    keeper.start()
    return keeper


def told(keeper: Keeper, *, state: str = "done") -> dict[str, Any]:
    """Run it, and give the run."""
    keeper.ask("start", "report", "--wait", codes=(0, 1, 3))
    run = keeper.settle()[0]
    assert run["state"] == state, run["error"]
    shown: dict[str, Any] = keeper.ask("runs", "show", str(run["id"]))
    return shown


def content(rooms: Rooms, file: int) -> bytes:
    address = f"{rooms.portal.url}/filehandler.ashx?action=download&fileid={file}"
    return httpx2.get(address, headers={"Authorization": f"Bearer {rooms.keeper_key}"}).content


LIST = {"do": "list_rooms", "as": "listed", "with": {"where": {"title": {"like": "Case *"}}}}


def test_rooms_in_which_nothing_happened_are_told_by_their_history_and_saved_as_a_table(
    rooms: Rooms, keepers: Make
) -> None:
    made = {title: rooms.add(title, {rooms.keeper: 9}) for title in ("Case 1", "Case 2", "Case =3", "Other")}
    for room in made.values():
        rooms.portal.upload(room, "a.docx", b"a")
    file = rooms.portal.tree(made["Case 1"])[0]["id"]
    quiet = LIST | {"with": {**LIST["with"], "inactive_for": "10s"}}  # type: ignore[dict-item]
    columns = ["title", "id", "created_by"]
    saved = {"to": rooms.internal, "folder": "Reports/Rooms", "title": "Quiet: rooms.csv", "rows": "{{ listed.rooms }}"}
    keeper = serving(keepers, rooms, quiet, {"do": "save_file", "with": saved | {"columns": columns}})
    time.sleep(10.1)
    rooms.portal.upload(made["Case 2"], "b.docx", b"b")
    rooms.portal.call("PUT", f"/files/file/{file}", json={"title": "renamed", "lastVersion": 0})  # `updated` stays

    run = told(keeper)

    listed, kept = (step["result"] for step in run["steps"])
    assert [one["title"] for one in listed["rooms"]] == ["Case =3"]
    assert (listed["count"], listed["unread"]) == (1, 0)
    (there,) = rooms.portal.tree(rooms.internal)
    assert (there["path"], there["title"]) == (["Reports", "Rooms"], "Quiet_ rooms.csv")
    owner = listed["rooms"][0]["created_by"]
    assert (
        content(rooms, kept["file"]).decode("utf-8-sig") == f"title,id,created_by\nCase =3,{made['Case =3']},{owner}\n"
    )
    assert (kept["made"], kept["bytes"]) == (True, len(content(rooms, kept["file"])))


def test_what_was_saved_is_saved_once_and_another_text_is_another_version(rooms: Rooms, keepers: Make) -> None:
    keeper = serving(
        keepers, rooms, {"do": "save_file", "with": {"to": rooms.internal, "title": "a.txt", "text": "one"}}
    )

    first, second = told(keeper), told(keeper)

    assert [run["steps"][0]["result"]["made"] for run in (first, second)] == [True, False]
    (there,) = rooms.portal.tree(rooms.internal)
    assert len(there["digests"]) == 1
    changed = keeper.text["automations"]
    changed[0]["steps"][0]["with"]["text"] = "two"
    keeper.rewrite(automations=changed)
    assert keeper.ask("reload")[0]["took_over"]
    third = told(keeper)
    assert third["steps"][0]["result"]["version"] == 2
    (there,) = rooms.portal.tree(rooms.internal)
    assert len(there["digests"]) == 2


@pytest.mark.parametrize("lost", ["drop_after", "drop_before"])
def test_a_lost_answer_saves_no_second_file(rooms: Rooms, keepers: Make, lost: str) -> None:
    saved = {"to": rooms.internal, "title": "Report.txt", "text": "once", "on_conflict": "number"}
    keeper = serving(keepers, rooms, {"do": "save_file", "with": saved})
    rooms.portal.direct("PUT", "/faults", json=[{"kind": lost, "times": 1, "method": "POST", "path": "/upload"}])

    run = told(keeper)

    assert run["steps"][0]["result"]["title"] == "Report.txt"
    assert [one["title"] for one in rooms.portal.tree(rooms.internal)] == ["Report.txt"]


def test_a_namesake_of_other_content_stays_where_a_number_is_asked_for(rooms: Rooms, keepers: Make) -> None:
    rooms.portal.upload(rooms.internal, "Report.txt", b"theirs")
    saved = {"to": rooms.internal, "title": "Report.txt", "text": "ours", "on_conflict": "number"}
    keeper = serving(keepers, rooms, {"do": "save_file", "with": saved})

    told(keeper)
    told(keeper)

    there = {one["title"]: content(rooms, one["id"]) for one in rooms.portal.tree(rooms.internal)}
    assert there["Report.txt"] == b"theirs"
    assert sorted(there.values()) == [b"ours", b"theirs"]


def test_a_list_of_rooms_of_which_a_page_is_refused_is_no_list(rooms: Rooms, keepers: Make) -> None:
    for number in range(120):
        rooms.add(f"Case {number}", {rooms.keeper: 9})
    saved = {"to": rooms.internal, "title": "Rooms.csv", "rows": "{{ listed.rooms }}"}
    keeper = serving(keepers, rooms, LIST, {"do": "save_file", "with": saved})
    refused = {"kind": "status", "status": 403, "method": "GET", "path": "/files/rooms$", "every": 2}
    body = '{"error": {"message": "Access denied", "type": "System.Security.SecurityException"}, "statusCode": 403}'
    rooms.portal.direct("PUT", "/faults", json=[refused | {"body": body}])

    run = told(keeper, state="needs_attention")

    assert "Access denied" in run["error"]
    assert rooms.portal.tree(rooms.internal) == []
    rooms.portal.direct("PUT", "/faults", json=[])
    keeper.say("runs", "retry", str(run["id"]), "--wait")
    assert keeper.settle()[0]["state"] == "done"
    (there,) = rooms.portal.tree(rooms.internal)
    assert content(rooms, there["id"]).count(b"\n") == 121


def test_a_room_whose_history_is_closed_goes_by_its_files_and_is_counted(rooms: Rooms, keepers: Make) -> None:
    for number in range(2):
        rooms.add(f"Case {number}", {rooms.keeper: 9})
    closed = rooms.portal.call("GET", "/files/rooms")["folders"]
    number = next(one["id"] for one in closed if one["title"] == "Case 1")
    body = '{"error": {"message": "Access denied", "type": "System.Security.SecurityException"}, "statusCode": 403}'
    refused = {"kind": "status", "status": 403, "method": "GET", "path": f"/files/folder/{number}/log", "body": body}
    rooms.portal.direct("PUT", "/faults", json=[refused])
    time.sleep(1.1)
    keeper = serving(keepers, rooms, LIST | {"with": {**LIST["with"], "inactive_for": "1s"}})  # type: ignore[dict-item]

    listed = told(keeper)["steps"][0]["result"]

    assert (listed["count"], listed["unread"]) == (2, 1)


def test_each_line_of_a_table_in_a_room_makes_its_room_once_and_a_line_that_does_not_fit_none(
    rooms: Rooms, keepers: Make
) -> None:
    good = "Client;E-mail\n" + "".join(f"Client {number};c{number}@c.example\n" for number in range(30))
    table = rooms.portal.upload(rooms.internal, "clients.csv", f"{good}Client 30;nobody\n".encode())
    columns = {"client": "Client", "email": {"column": "E-mail", "as": "email"}}
    keeper = serving(
        keepers,
        rooms,
        {"do": "read_table", "as": "clients", "with": {"file": table["id"], "columns": columns, "key": "email"}},
        {
            "do": "create_room",
            "for_each": "{{ clients.rows }}",
            "with": {"title": "Case {{ item.client }}", "type": "custom", "once_per": "client {{ item.email }}"},
        },
    )

    failed = told(keeper, state="needs_attention")
    assert rooms_of(rooms) == []
    rooms.portal.upload(rooms.internal, "clients.csv", good.encode())  # a new version of it
    keeper.say("runs", "retry", str(failed["id"]))
    first = keeper.settle()[0]
    moved = "Client;E-mail\n" + "".join(f"Client {number};c{number}@c.example\n" for number in reversed(range(31)))
    rooms.portal.upload(rooms.internal, "clients.csv", moved.encode())
    again = told(keeper)

    assert "1 of 31 lines of 'clients.csv' do not fit" in failed["error"]
    assert first["state"] == "done"
    assert sorted(rooms_of(rooms)) == sorted(f"Case Client {number}" for number in range(31))
    assert again["steps"][0]["result"]["count"] == 31


def rooms_of(rooms: Rooms) -> list[str]:
    shown = rooms.portal.direct("GET", "/rooms")
    return [one["title"] for one in shown if one["title"].startswith("Case ")]


def test_a_table_of_this_machine_is_read_and_one_that_is_not_there_is_said(
    rooms: Rooms, keepers: Make, tmp_path: Path
) -> None:
    file = tmp_path / "clients.csv"
    read = {"do": "read_table", "as": "clients", "with": {"path": str(file), "columns": {"client": "Client"}}}
    keeper = serving(keepers, rooms, read)

    missing = told(keeper, state="needs_attention")
    file.write_text("Client\nAcme\n")
    there = told(keeper)

    assert f"{file} cannot be read: No such file or directory" in missing["error"]
    assert there["steps"][0]["result"]["rows"] == [{"id": "line 2", "line": 2, "client": "Acme"}]
