"""kill -9 at any moment: every upload is copied once, no run is stuck, no finished step is repeated."""

import random
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from stage import Keeper, Portal, Rooms, copy_uploads, free_port, sized, until

from roomkeeper.store.database import Store
from roomkeeper.store.tables import steps

Make = Callable[..., Keeper]


@pytest.mark.crash
@pytest.mark.long
def test_kills_during_uploads_lose_none_double_none_and_repeat_no_finished_step(
    portal: Portal, keepers: Make, store_address: str
) -> None:
    """What the portal gave up while nobody listened is found again by the service itself."""
    many = sized(10, 4)
    rooms = Rooms(portal)
    folders = portal.folders(rooms.client, ["A", "B"])
    portal.direct("PUT", "/operations", json={"seconds_per_item": 0.005})
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms) | {"gather": 50}], store=store_address)
    keeper.start_apart()
    keeper.register()
    chance = random.Random(20261121)
    finished: dict[tuple[int, int], int] = {}

    for kill in range(many):
        for number in range(100):
            place = [rooms.client, folders["A"], folders["B"]][number % 3]
            rooms.upload(f"File {kill} {number}.docx", f"{kill} {number}".encode(), folder=place)
        time.sleep(chance.uniform(0.0, 1.2))
        keeper.kill()
        _no_finished_step_was_repeated(keeper, finished)
        keeper.start_apart()
    runs = keeper.settle(lambda: rooms.copies() >= 100 * many, within=480)

    told = f"{rooms.copies()} copies, {len(runs)} runs, {len(finished)} steps seen finished"
    print(f"{many} kills, {100 * many} uploads: {told}")
    assert rooms.missing_and_doubled() == ([], [])
    assert {one["state"] for one in runs} == {"done"}
    _no_finished_step_was_repeated(keeper, finished)


@pytest.mark.crash
@pytest.mark.long
@pytest.mark.shared
def test_the_survivor_finishes_a_dead_process_s_runs_within_30_s(
    portal: Portal, keepers: Make, postgresql: Callable[[], str]
) -> None:
    rooms = [Rooms(portal, name=f" {number}") for number in range(6)]
    automations = [copy_uploads(one) | {"name": f"copy-{number}"} for number, one in enumerate(rooms)]
    keeper = keepers(portal, rooms[0].keeper_key, automations, store=postgresql())
    for one in rooms[1:]:  # one account works in all rooms
        for room in (one.client, one.internal):
            invitation = {"invitations": [{"id": rooms[0].keeper, "access": 9}]}
            portal.call("PUT", f"/files/rooms/{room}/share", json=invitation)
    portal.direct("PUT", "/operations", json={"queue_seconds": 5.0})
    keeper.start_apart()
    doomed = keeper.start_apart(port=free_port(), role="worker")
    keeper.register()
    for one in rooms:
        for number in range(5):
            one.upload(f"File {number}.docx", f"{number}".encode())
    until(lambda: keeper.copy_requests() >= 6)
    held = _held_by(keeper, doomed.pid)
    assert held, "the process that is to die had no run, so nothing is tried"

    keeper.kill(doomed)
    died = time.time()
    keeper.settle(lambda: all(one.copies() == 5 for one in rooms), within=180)
    ended = max(_ended(keeper, number) for number in held)

    print(f"{len(held)} runs of a dead process ended {ended - died:.1f} s after its end")
    assert ended - died < 30
    assert [one.missing_and_doubled() for one in rooms] == [([], [])] * 6


def _no_finished_step_was_repeated(keeper: Keeper, finished: dict[tuple[int, int], int]) -> None:
    """A step that was seen done has been executed no more often since."""
    store = Store(keeper.store)
    try:
        with store.read() as connection:
            rows = connection.execute(sa.select(steps).where(steps.c.state == "done")).all()
    finally:
        store.close()
    for row in rows:
        assert finished.setdefault((row.run_id, row.position), row.executions) == row.executions


def _held_by(keeper: Keeper, pid: int) -> list[int]:
    store = Store(keeper.store)
    try:
        with store.read() as connection:
            query = (
                "select workflow_uuid from engine.workflow_status where status = 'PENDING' and executor_id like :who"
            )
            rows = connection.execute(sa.text(query), {"who": f"%-{pid}-%"}).all()
    finally:
        store.close()
    return [int(row[0].split(":")[0]) for row in rows]


def _ended(keeper: Keeper, number: int) -> float:
    from datetime import datetime

    return datetime.fromisoformat(next(one["ended_at"] for one in keeper.runs() if one["id"] == number)).timestamp()
