"""A step for each of a list: every item once, whoever stops the process; what fails is named, and the others done."""

from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import psutil
import pytest
from stage import Keeper, Portal, Rooms, sized, until

Make = Callable[..., Keeper]
RENAME = {
    "do": "rename_file",
    "as": "renamed",
    "for_each": "{{ listed.files }}",
    "with": {"file": "{{ item.id }}", "title": "{{ number }} {{ item.title }}"},
}


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


def serving(keepers: Make, rooms: Rooms, *steps: dict[str, Any], **more: Any) -> Keeper:
    listed = {"do": "list_files", "as": "listed", "with": {"folder": rooms.client}}
    automation = {"name": "each", "on": "schedule", "every": "365d", "missed": "skip", "steps": [listed, *steps]} | more
    return keepers(rooms.portal, rooms.keeper_key, [automation])


def titles(rooms: Rooms) -> list[str]:
    return sorted(one["title"] for one in rooms.portal.tree(rooms.client))


def renames(portal: Portal) -> Counter[str]:
    """Count what was changed, by file. A request that a kill cut off before its body is a 500 that changes nothing."""
    asked = [
        one for one in portal.direct("GET", "/journal") if one["method"] == "PUT" and one["status"] == HTTPStatus.OK
    ]
    return Counter(one["path"] for one in asked if "/files/file/" in one["path"])


def test_each_item_is_done_and_later_steps_see_what_it_came_to(rooms: Rooms, keepers: Make) -> None:
    for title in ("a.docx", "b.docx", "skip me.docx"):
        rooms.upload(title)
    names = ["{{ renamed.count }}, {{ renamed.skipped }} left out", "{{ renamed.results[0].title }}"]
    told = {"do": "create_folders", "with": {"room": rooms.internal, "folders": names}}
    keeper = serving(keepers, rooms, RENAME | {"if": "'skip' not in item.title"}, told)
    keeper.start()

    keeper.ask("start", "each", "--wait")
    (run,) = keeper.settle()

    assert (run["state"], run["error"]) == ("done", None)
    assert titles(rooms) == ["1 a.docx", "2 b.docx", "skip me.docx"]
    made = rooms.portal.call("GET", f"/files/{rooms.internal}")["folders"]
    assert {one["title"] for one in made} == {"3, 1 left out", "1 a.docx"}


def test_what_cannot_be_done_is_named_and_a_retry_does_only_that(rooms: Rooms, keepers: Make) -> None:
    files = [rooms.upload(f"{letter}.docx")["id"] for letter in "abcd"]
    rooms.portal.direct("PUT", f"/files/{files[1]}", json={"locked_by": rooms.guest})
    keeper = serving(keepers, rooms, RENAME)
    keeper.start()

    keeper.ask("start", "each", "--wait", codes=(0, 1, 3))
    (run,) = keeper.settle()

    assert run["state"] == "needs_attention"
    assert "1 of 4 items failed" in run["error"]
    (named,) = keeper.ask("runs", "show", str(run["id"]))["steps"][1]["items"]
    assert (named["item"], "locked" in named["reason"]) == (str(files[1]), True)
    assert titles(rooms) == ["1 a.docx", "3 c.docx", "4 d.docx", "b.docx"]

    rooms.portal.direct("PUT", f"/files/{files[1]}", json={"locked_by": None})
    before = renames(rooms.portal)
    keeper.say("runs", "retry", str(run["id"]), "--wait")

    assert keeper.settle()[0]["state"] == "done"
    assert titles(rooms) == ["1 a.docx", "2 b.docx", "3 c.docx", "4 d.docx"]
    assert list((renames(rooms.portal) - before).values()) == [1]


def test_where_nothing_comes_of_it_the_rest_is_not_tried(rooms: Rooms, keepers: Make) -> None:
    grown = {"user": rooms.guest, "folders": 1, "files": 60}
    rooms.portal.direct("POST", f"/folders/{rooms.client}/grow", json=grown)
    keeper = serving(keepers, rooms, RENAME | {"with": {"file": "{{ item.nothing }}", "title": "x"}})
    keeper.start()

    keeper.ask("start", "each", "--wait", codes=(0, 1, 3))
    (run,) = keeper.settle()

    assert "25 of 60 items failed" in run["error"]
    assert "35 were not tried" in run["error"]
    assert not renames(rooms.portal)


def test_where_a_run_would_stop_is_foretold_and_items_are_named_by_their_place(rooms: Rooms, keepers: Make) -> None:
    gone = {"do": "rename_file", "as": "named", "for_each": [{"file": rooms.upload("a.docx")["id"]}, {"file": 987654}]}
    gone["with"] = {"file": "{{ item.file }}", "title": "b"}
    left_out = {
        "do": "create_folders",
        "as": "not_made",
        "if": "false",
        "with": {"room": rooms.client, "folders": ["x"]},
    }
    told = {
        "do": "create_folders",
        "with": {"room": rooms.internal, "folders": ["{{ 'some' if not_made.folders is defined else 'none' }}"]},
    }
    keeper = serving(keepers, rooms, left_out, gone, told)
    keeper.start()

    foretold = keeper.say("try", "each", codes=(3,))
    keeper.ask("start", "each", "--wait", codes=(0, 1, 3))
    (run,) = keeper.settle()

    assert "fail for item 2: " in foretold
    assert "once named is put right: create the folder 'none'" in " ".join(foretold.split())
    assert "folder 'some'" not in foretold
    assert "1 of 2 items failed, the first, item 2: " in run["error"]
    assert keeper.ask("runs", "show", str(run["id"]), codes=(3,))["steps"][2]["items"][0]["item"] == "item 2"
    alert = keeper.ask("doctor", "--no-round-trip", codes=(0, 1, 3))["checks"]
    assert not any("`roomkeeper runs retry`" in one["remedy"] for one in alert)


def test_who_starts_what_is_paused_is_told_so_at_once(rooms: Rooms, keepers: Make) -> None:
    keeper = serving(keepers, rooms)
    keeper.start()
    keeper.say("pause", "each")

    said = keeper.say("start", "each", "--wait", codes=(3,))

    assert "each is paused: it waits until `roomkeeper" in said
    assert keeper.runs() == []


def test_a_kill_in_the_middle_does_each_item_once(rooms: Rooms, keepers: Make) -> None:
    many, kills = sized(10_000, 300), sized(10, 3)
    grown = {"user": rooms.guest, "folders": 3, "files": many}
    rooms.portal.direct("POST", f"/folders/{rooms.client}/grow", json=grown)
    said = {"do": "comment_on_file", "with": {"file": "{{ item.id }}", "text": "Number {{ number }}"}}
    allowed = {"budget": {"requests_per_minute": 1_000_000, "writes_per_day": 1_000_000}}
    listed = {"do": "list_files", "as": "listed", "with": {"folder": rooms.client}}
    steps = [listed, said | {"as": "said", "for_each": "{{ listed.files }}"}]
    automation = {"name": "each", "on": "schedule", "every": "365d", "missed": "skip", "steps": steps}
    keeper = keepers(rooms.portal, rooms.keeper_key, [automation], **allowed)
    process = keeper.start_apart()
    keeper.say("start", "each")
    grew = []
    for part in range(1, kills + 1):
        until(lambda part=part: len(renames(rooms.portal)) >= part * many // (kills + 1), within=900)  # type: ignore[misc]
        grew.append(psutil.Process(process.pid).memory_info().rss)
        keeper.kill()
        process = keeper.start_apart()
    (run,) = keeper.settle(within=900)

    assert (run["state"], run["error"]) == ("done", None)
    asked = renames(rooms.portal)
    assert (len(asked), set(asked.values())) == (many, {1})
    result = keeper.ask("runs", "show", str(run["id"]))["steps"][1]["result"]
    assert result["count"] == many
    told = {one["file"]: one["text"] for one in result["results"]}
    assert sorted(int(text.removeprefix("Number ")) for text in told.values()) == list(range(1, many + 1))
    for file in list(told)[:: max(1, many // 50)]:
        assert rooms.portal.call("GET", f"/files/file/{file}")["comment"] == told[file]
    print(f"{many} items, {kills} kills; memory at each: {', '.join(f'{one >> 20} MiB' for one in grew)}")


def test_a_list_in_the_file_makes_a_room_for_each_and_a_restart_makes_no_second(rooms: Rooms, keepers: Make) -> None:
    rooming = {
        "do": "create_room",
        "as": "made",
        "for_each": ["North", "South", "North"],
        "with": {"title": "Region {{ item }}"},
    }
    keeper = serving(keepers, rooms, rooming)
    keeper.start()

    keeper.ask("start", "each", "--wait")
    (run,) = keeper.settle()
    keeper.say("runs", "retry", str(run["id"]), "--from-start", "--wait")

    assert keeper.settle()[0]["state"] == "done"
    made = Counter(one["title"] for one in rooms.portal.direct("GET", "/rooms"))
    assert {title: many for title, many in made.items() if title.startswith("Region")} == {
        "Region North": 2,
        "Region South": 1,
    }


def test_a_rehearsal_tells_of_the_first_items_and_counts_the_others(rooms: Rooms, keepers: Make) -> None:
    grown = {"user": rooms.guest, "folders": 1, "files": 40}
    rooms.portal.direct("POST", f"/folders/{rooms.client}/grow", json=grown)
    keeper = serving(keepers, rooms, RENAME, paused=True)
    keeper.start()
    keeper.say("start", "each")

    shown = keeper.say("try", "each", "--event", "1")

    assert shown.count("rename ") == 30
    assert "… and the same for 10 more" in shown
    assert not renames(rooms.portal)


def test_by_the_automation_as_it_is_now_every_item_is_done_anew(rooms: Rooms, keepers: Make) -> None:
    files = [rooms.upload(f"{letter}.docx")["id"] for letter in "abc"]
    rooms.portal.direct("PUT", f"/files/{files[1]}", json={"locked_by": rooms.guest})
    keeper = serving(keepers, rooms, RENAME)
    keeper.start()
    keeper.ask("start", "each", "--wait", codes=(0, 1, 3))
    (run,) = keeper.settle()
    assert "1 of 3 items failed" in run["error"]

    copying = {"do": "copy_files", "as": "renamed", "for_each": "{{ listed.files }}"}
    changed = keeper.text["automations"]
    changed[0]["steps"][1] = copying | {"with": {"to": rooms.internal, "files": ["{{ item.id }}"]}}
    keeper.rewrite(automations=changed)
    keeper.ask("reload")
    keeper.say("runs", "retry", str(run["id"]), "--as-now", "--wait")

    assert keeper.settle()[0]["state"] == "done"
    assert len(rooms.portal.tree(rooms.internal)) == 3


def test_a_list_of_which_a_part_failed_is_not_accounted_for(rooms: Rooms, keepers: Make) -> None:
    saved = {"to": "{{ item }}", "title": "{{ file.title }}.txt", "text": "came"}
    step = {"do": "save_file", "for_each": [rooms.internal, 999_999], "with": saved}
    where = {"room": rooms.client}
    automation = {"name": "each", "on": "file.uploaded", "where": where, "gather": 1, "steps": [step]}
    keeper = keepers(rooms.portal, rooms.keeper_key, [automation])
    keeper.start()
    keeper.register()

    rooms.upload("a.docx")
    (run,) = keeper.settle(lambda: bool(keeper.runs()))

    assert (run["state"], "1 of 2 items failed" in run["error"]) == ("needs_attention", True)
    assert keeper.ask("prove", "each", "--since", "1h", codes=(0, 1, 3))["counts"].get("failed") == 1
