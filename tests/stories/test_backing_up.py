"""A backup is made once for each run, waited for, and looked for where it is to lie."""

from collections.abc import Callable
from typing import Any

import pytest
from stage import Keeper, Portal, Rooms, until

Make = Callable[..., Keeper]


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


def backing_up(keepers: Make, rooms: Rooms, *, key: str = "", **given: Any) -> Keeper:
    steps = [{"do": "backup", "with": {"to": rooms.internal}}]
    automation = {"name": "backup", "on": "schedule", "every": "365d", "missed": "skip", "steps": steps}
    return keepers(rooms.portal, key or rooms.portal.owner, [automation], **given)


def asked(portal: Portal) -> int:
    """Count the backups that the portal was asked for."""
    return sum(one["path"] == "/backup/startbackup" for one in portal.direct("GET", "/journal"))


def files(rooms: Rooms) -> list[str]:
    return [one["title"] for one in rooms.portal.tree(rooms.internal)]


def step(keeper: Keeper) -> dict[str, Any]:
    newest = max(keeper.settle(), key=lambda one: one["id"])
    shown: dict[str, Any] = keeper.ask("runs", "show", str(newest["id"]))
    return shown["steps"][0]


def test_it_lies_there_and_the_next_run_makes_another(rooms: Rooms, keepers: Make) -> None:
    keeper = backing_up(keepers, rooms)
    keeper.start()

    keeper.ask("start", "backup", "--wait")
    first = step(keeper)
    keeper.ask("start", "backup", "--wait")
    second = step(keeper)

    assert (first["state"], first["error"]) == ("done", None)
    assert first["result"]["title"].endswith(".tar.gz")
    assert first["result"]["bytes"] > 0
    assert first["result"]["id"] != second["result"]["id"]
    assert len(files(rooms)) == asked(rooms.portal) == 2
    assert "All 2 are accounted for" in keeper.say("prove", "backup")


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "late"])
def test_one_is_made_when_the_answer_is_lost(kind: str, rooms: Rooms, keepers: Make) -> None:
    fault = {"kind": kind, "method": "POST", "path": "startbackup", "times": 1, "seconds": 1.0}
    rooms.portal.direct("PUT", "/faults", json=[fault])
    keeper = backing_up(keepers, rooms, top={"settle_after": 2.0})
    keeper.start()

    keeper.ask("start", "backup", "--wait")

    assert step(keeper)["state"] == "done"
    assert len(files(rooms)) == 1


def test_it_waits_for_one_that_somebody_began_elsewhere_and_makes_its_own(rooms: Rooms, keepers: Make) -> None:
    rooms.portal.direct("PUT", "/settings", json={"backups": {"seconds": 2.0}})
    elsewhere = {"storageType": "Documents", "storageParams": [{"key": "folderId", "value": str(rooms.client)}]}
    rooms.portal.call("POST", "/backup/startbackup", json=elsewhere)
    keeper = backing_up(keepers, rooms)
    keeper.start()

    keeper.ask("start", "backup", "--wait")

    assert step(keeper)["state"] == "done"
    assert len(files(rooms)) == len(rooms.portal.tree(rooms.client)) == 1


@pytest.mark.parametrize("kind", ["failed", "none left", "no administrator"])
def test_what_fails_says_why_and_a_retry_makes_one(kind: str, rooms: Rooms, keepers: Make) -> None:
    settings = {"failed": {"fails": "no space left"}, "none left": {"left": 0}, "no administrator": {}}[kind]
    rooms.portal.direct("PUT", "/settings", json={"backups": settings})
    keeper = backing_up(keepers, rooms, key=rooms.keeper_key if kind == "no administrator" else "")
    keeper.start()

    keeper.ask("start", "backup", "--wait", codes=(0, 1, 3))
    failed = step(keeper)
    rooms.portal.direct("PUT", "/settings", json={"backups": {"fails": "", "left": None}})
    keeper.say("runs", "retry", "1")
    until(lambda: keeper.runs()[0]["state"] not in {"waiting", "running"})
    again = step(keeper)

    assert failed["state"] == "failed"
    assert {"failed": "no space left", "none left": "pricing plan", "no administrator": "backup"}[kind] in failed[
        "error"
    ]
    assert failed["remedy"]
    expected = "failed" if kind == "no administrator" else "done"
    assert again["state"] == expected
    assert len(files(rooms)) == (expected == "done")


def test_two_runs_at_once_make_two_backups(rooms: Rooms, keepers: Make) -> None:
    rooms.portal.direct("PUT", "/settings", json={"backups": {"seconds": 1.5}})
    one = {
        "on": "schedule",
        "every": "365d",
        "missed": "skip",
        "steps": [{"do": "backup", "with": {"to": rooms.client}}],
    }
    keeper = keepers(rooms.portal, rooms.portal.owner, [one | {"name": "first"}, one | {"name": "second"}])
    keeper.start()

    for name in ("first", "second"):
        keeper.say("start", name)
    runs = keeper.settle(lambda: len(keeper.runs()) == 2)

    results = [keeper.ask("runs", "show", str(run["id"]))["steps"][0]["result"] for run in runs]
    assert len({result["id"] for result in results}) == len({result["file"] for result in results}) == 2
    assert len(rooms.portal.tree(rooms.client)) == asked(rooms.portal) == 2


def test_one_whose_file_is_gone_is_made_again_by_a_retry_from_the_start(rooms: Rooms, keepers: Make) -> None:
    keeper = backing_up(keepers, rooms)
    keeper.start()
    keeper.ask("start", "backup", "--wait")
    gone = step(keeper)["result"]["file"]
    rooms.portal.call("DELETE", f"/files/file/{gone}", json={"deleteAfter": False, "immediately": True})
    until(lambda: not files(rooms))

    keeper.say("runs", "retry", "1", "--from-start", "--wait")

    assert step(keeper)["state"] == "done"
    assert len(files(rooms)) == 1
