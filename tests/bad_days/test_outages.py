"""A connection that is out of order for a while: its runs wait and go on, and nobody is asked.

A 401, 402 or bare 403 for ten seconds made thirteen of thirteen runs need a person, forty seconds after the portal was
well; writes answered 503 for twelve minutes did the same to every copy.
"""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from stage import Keeper, Portal, Rooms, copy_uploads, until

from roomkeeper.store.tables import alerts

Make = Callable[..., Keeper]
ROOMS, SOME = 13, 2


def begun(portal: Portal, keepers: Make, **top: Any) -> tuple[Rooms, Keeper]:
    rooms = Rooms(portal)
    automation = copy_uploads(rooms) | {"where": {}}
    keeper = keepers(portal, rooms.keeper_key, [automation], top={"settle_after": "4s"} | top)
    keeper.start()
    keeper.register()
    return rooms, keeper


def upload_into_each(rooms: Rooms) -> None:
    for number in range(ROOMS):
        room = rooms.add(f"Client {number}", {rooms.keeper: 9, rooms.guest: 11})
        rooms.portal.upload(room, f"File {number}.docx", b"content", key=rooms.guest_key)


def told(keeper: Keeper) -> list[str]:
    """Read the alerts that tell of an outage, with whether they are over."""
    with keeper.opened().read() as connection:
        rows = connection.execute(sa.select(alerts).where(alerts.c.key == "outage acme now")).all()
    return ["over" if row.closed_at else row.what for row in rows]


def be_at_work(rooms: Rooms, keeper: Keeper) -> None:
    """Have runs for several rooms under way: the portal takes its time with the copies, and delivers by tens."""
    slow = {"kind": "delay", "method": "PUT", "path": "/fileops/copy", "seconds": 3.0}
    rooms.portal.direct("PUT", "/faults", json=[slow])
    upload_into_each(rooms)
    until(lambda: sum(one["state"] == "running" for one in keeper.runs()) > SOME)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 503])
def test_a_portal_that_refuses_everything_for_a_while_is_waited_for(portal: Portal, keepers: Make, status: int) -> None:
    rooms, keeper = begun(portal, keepers)
    be_at_work(rooms, keeper)
    everything = {"kind": "status", "status": status, "path": "/api/2.0/", "body": ""}

    portal.direct("PUT", "/faults", json=[everything])
    until(lambda: any(str(status) in str(one["progress"]) for one in keeper.runs()))
    waiting = [one["state"] for one in keeper.runs()]
    said = told(keeper)
    portal.direct("PUT", "/faults", json=[])
    runs = keeper.settle(lambda: rooms.copies() == ROOMS)

    assert "needs_attention" not in waiting
    assert {one["state"] for one in runs} == {"done"}
    if status in {401, 402, 403}:
        assert len(said) == 1
        assert "its runs wait for it" in said[0]
        until(lambda: told(keeper) == ["over"])


@pytest.mark.parametrize(("status", "said"), [(1, "suspended"), (4, "being restored from a backup")])
def test_a_portal_that_is_suspended_or_restored_is_waited_for(
    portal: Portal, keepers: Make, status: int, said: str
) -> None:
    """Restored, it still says whose key it is, and refuses all else as if the key might not (TenantStatusFilter.cs)."""
    rooms, keeper = begun(portal, keepers)
    be_at_work(rooms, keeper)

    portal.direct("PUT", "/settings", json={"tenant_status": status})
    until(lambda: any(said in str(one["progress"]) for one in keeper.runs()))
    waiting = [one["state"] for one in keeper.runs()]
    portal.direct("PUT", "/settings", json={"tenant_status": 0})
    runs = keeper.settle(lambda: rooms.copies() == ROOMS)

    assert "needs_attention" not in waiting
    assert {one["state"] for one in runs} == {"done"}


def test_after_a_time_that_the_file_names_a_person_is_asked(portal: Portal, keepers: Make) -> None:
    rooms, keeper = begun(portal, keepers, outage_patience="2s")
    be_at_work(rooms, keeper)
    portal.direct("PUT", "/faults", json=[{"kind": "status", "status": 401, "path": "/api/2.0/", "body": ""}])

    runs = keeper.settle(lambda: sum(one["state"] == "needs_attention" for one in keeper.runs()) > SOME)
    asked = [one for one in runs if one["state"] == "needs_attention"]
    assert all("401" in one["error"] for one in asked)

    portal.direct("PUT", "/faults", json=[])
    for one in asked:
        keeper.say("runs", "retry", str(one["id"]))
    assert {one["state"] for one in keeper.settle(lambda: rooms.copies() == ROOMS)} == {"done"}


def test_what_is_refused_by_a_portal_that_is_well_asks_a_person_at_once(portal: Portal, keepers: Make) -> None:
    rooms, keeper = begun(portal, keepers)
    portal.direct("PUT", "/faults", json=[{"kind": "status", "status": 403, "path": "/fileops/copy", "body": ""}])
    rooms.upload("File.docx")

    (run,) = keeper.settle(lambda: [one["state"] for one in keeper.runs()] == ["needs_attention"])

    assert "lacks the permission" in run["error"]
    assert told(keeper) == []


def test_writes_that_are_answered_503_for_long_are_waited_for(portal: Portal, keepers: Make) -> None:
    """A portal in maintenance reads and does not write: 503 is never the file's fault."""
    rooms, keeper = begun(portal, keepers)
    away = {"kind": "status", "status": 503, "method": "PUT|POST", "path": "/api/2.0/files/", "body": ""}
    rooms.upload("File.docx")  # before, for this is a write, too
    portal.direct("PUT", "/faults", json=[away | {"times": 15}])
    rooms.portal.direct("POST", f"/folders/{rooms.client}/fill", json={"files": 3, "user": rooms.guest})

    runs = keeper.settle(lambda: rooms.copies() == 4)

    assert [one["done"] for one in portal.direct("GET", "/faults")] == [15]
    assert {one["state"] for one in runs} == {"done"}
