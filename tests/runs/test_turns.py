"""Turns: which waiting runs begin, on both kinds of store."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from roomkeeper.errors import StoreUnavailable
from roomkeeper.running.turns import Turn, Turns
from roomkeeper.store.database import Store
from roomkeeper.store.tables import pauses, runs


@pytest.fixture
def made(store: Store) -> Callable[..., None]:
    """Write down runs that wait, each with its key; what differs is given."""

    def make(number: int, key: str, **changed: Any) -> None:
        row = {"id": number, "automation": "copies", "key": key, "connection": "acme", "text": "{}", "gather": 1}
        row |= {"state": "waiting", "claims": False, "attempt": 1, "handed_over": False, "made_at": time.time()}
        with store.write() as connection:
            connection.execute(sa.insert(runs).values(row | changed))

    return make


class Begun:
    """Takes the place of the engine: notes what begins, and ends it when told."""

    def __init__(self, store: Store) -> None:
        self.store, self.turns, self.fails = store, Turns(store, ["acme", "beta"], ["stopped"]), 0
        self.order: list[int] = []

    async def begin(self, turn: Turn) -> None:
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("The engine's file cannot be written")
        self.order.append(turn.run)

    def over(self, run: int) -> None:
        with self.store.write() as connection:
            connection.execute(runs.update().where(runs.c.id == run).values(state="done"))
        self.turns.over(run)

    async def until(self, *expected: int) -> None:
        async with asyncio.timeout(30):
            while sorted(self.order) != sorted(expected):  # noqa: ASYNC110 - another task fills it
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # and nothing else
        assert sorted(self.order) == sorted(expected)


@contextlib.asynccontextmanager
async def kept(*those: Begun) -> Any:
    tasks = [asyncio.create_task(one.turns.keep(one.begin)) for one in those]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_runs_of_one_key_follow_each_other_and_keys_go_side_by_side(
    store: Store, made: Callable[..., None]
) -> None:
    for number, key in enumerate(["room 1", "room 1", "room 2", "room 1"], 1):
        made(number, key)
    begun = Begun(store)

    async with kept(begun):
        await begun.until(1, 3)
        begun.over(1)
        await begun.until(1, 3, 2)
        begun.over(3)
        await begun.until(1, 3, 2)
        begun.over(2)
        await begun.until(1, 3, 2, 4)


async def test_who_is_at_work_handed_over_paused_or_of_another_connection_does_not_begin(
    store: Store, made: Callable[..., None]
) -> None:
    made(1, "a room at work", state="running")
    made(2, "a room at work")
    made(3, "a room whose run was handed over", handed_over=True)
    made(4, "a room whose run was handed over")
    made(5, "paused by a person", automation="resting")
    made(6, "paused by the file", automation="stopped")
    made(7, "of a connection that is gone", connection="gone")
    made(8, "over", state="needs_attention")
    made(9, "over")
    with store.write() as connection:
        connection.execute(sa.insert(pauses).values(automation="resting", since=time.time(), by="ann"))
    begun = Begun(store)

    async with kept(begun):
        await begun.until(9)
        with store.write() as connection:
            connection.execute(sa.delete(pauses))
        await begun.until(9, 5)


async def test_fifty_of_a_connection_are_at_work_and_who_waits_takes_no_place(
    store: Store, made: Callable[..., None]
) -> None:
    for number in range(1, 61):
        made(number, f"room {number}")
    made(61, "another connection's", connection="beta")
    begun = Begun(store)

    async with kept(begun):
        await begun.until(*range(1, 51), 61)
        with begun.turns.aside(1), begun.turns.aside(2):
            await begun.until(*range(1, 53), 61)
        begun.over(3)
        begun.over(4)
        await begun.until(*range(1, 53), 61)  # fifty-two were at work, and now fifty are
        begun.over(5)
        await begun.until(*range(1, 54), 61)


async def test_of_two_processes_one_begins_a_run(store: Store, made: Callable[..., None]) -> None:
    for number in range(1, 41):
        made(number, f"room {number % 20}")
    one, other = Begun(store), Begun(store)

    async with kept(one, other), asyncio.timeout(60):
        while len(one.order) + len(other.order) < 40:
            for process in (one, other):
                for number in list(process.order):
                    process.over(number)
            await asyncio.sleep(0.01)

    assert sorted(one.order + other.order) == list(range(1, 41))


async def test_what_the_engine_could_not_begin_is_begun_later(store: Store, made: Callable[..., None]) -> None:
    made(1, "room 1")
    made(2, "room 2")
    begun = Begun(store)
    begun.fails = 2

    async with kept(begun):
        await begun.until(1, 2)
