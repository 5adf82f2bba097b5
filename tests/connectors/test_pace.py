"""The pace of calls to a vendor: never above its plan, for all processes together, and still where it asks for that."""

import asyncio
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage import ClosingDeals, Keeper, Portal

from roomkeeper.errors import Throttled
from roomkeeper.vendors.pace import Pace, Rate


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def paced(rate: Rate | None, clock: Clock, processes: int = 1) -> Pace:
    return Pace(rate, lambda: processes, now=clock, sleep=clock.sleep)


@given(st.integers(1, 30), st.floats(0.5, 60), st.integers(1, 4), st.lists(st.floats(0, 5), max_size=80), st.booleans())
def test_no_stretch_of_time_has_more_calls_than_allowed(
    calls: int, seconds: float, processes: int, rests: list[float], bulk: bool
) -> None:
    clock = Clock()
    pace, made = paced(Rate(calls, seconds), clock, processes), list[float]()

    async def work() -> None:
        for rest in rests:
            clock.now += rest
            try:
                await pace.turn("Acme", bulk=bulk)
            except Throttled as error:
                assert not bulk
                clock.now += error.retry_after or 0.0
                continue
            made.append(clock.now)

    asyncio.run(work())
    share = max(1, calls // processes)
    for at in made:
        assert sum(at - seconds + 1e-6 < one <= at for one in made) <= share


async def test_bulk_work_leaves_room_for_live_work() -> None:
    clock = Clock()
    pace = paced(Rate(10, 5.0), clock)
    for _ in range(8):
        await pace.turn("Acme", bulk=True)
    began = clock.now

    await pace.turn("Acme", bulk=False)
    assert clock.now == began
    await pace.turn("Acme", bulk=True)
    assert clock.now >= began + 5.0


async def test_a_long_wait_is_said_and_bulk_work_sits_it_out() -> None:
    clock = Clock()
    pace = paced(None, clock)
    pace.heed(Throttled("429", retry_after=45.0))

    with pytest.raises(Throttled) as told:
        await pace.turn("Acme", bulk=False)
    assert told.value.retry_after == 45.0
    await pace.turn("Acme", bulk=True)
    assert clock.now == 1045.0


async def test_a_refusal_that_says_nothing_is_waited_for_longer_each_time_until_one_goes_well() -> None:
    clock = Clock()
    pace, waits = paced(None, clock), list[float]()

    async def refused() -> None:
        pace.heed(Throttled("429"))
        began = clock.now
        await pace.turn("Acme", bulk=False)
        waits.append(clock.now - began)

    for _ in range(7):
        await refused()
    pace.heed(None)
    await refused()

    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 0.5]


@pytest.fixture
def closed_at_once(portal: Portal) -> tuple[ClosingDeals, list[str]]:
    scene = ClosingDeals(portal)
    return scene, [scene.deal(name=f"Deal {number}") for number in range(40)]


def close_all(scene: ClosingDeals, keeper: Keeper, deals: list[str]) -> None:
    for deal in deals:
        scene.close(keeper, deal, "pipedrive")
    keeper.settle(lambda: len(keeper.runs()) == len(deals), within=300)


def answered(scene: ClosingDeals) -> list[int]:
    """What the vendor answered, call by call."""
    journal = scene.portal.direct("GET", "/journal")
    return [one["status"] for one in journal if one["path"].startswith("/pipedrive/")]


def test_many_deals_that_close_at_once_are_called_for_within_the_limit(
    closed_at_once: tuple[ClosingDeals, list[str]], keepers: Any
) -> None:
    """500 deals cost 1,889 refused calls."""
    scene, deals = closed_at_once
    note = {"name": "note", "on": "deal.closed", "steps": [{"do": "note_on_deal", "with": {"text": "Closed."}}]}
    settings = scene.connection("pipedrive") | {"calls_per_minute": 1200}
    keeper: Keeper = keepers(scene.portal, scene.keeper_key, [note], others={"pipedrive": settings})
    scene.portal.direct("PUT", "/settings", json={"vendor_calls": 1500})
    keeper.start()

    close_all(scene, keeper, deals)

    answers = answered(scene)
    assert len(answers) > 2 * len(deals)
    assert answers.count(429) == 0
    assert [len(scene.notes(deal)) for deal in deals] == [1] * len(deals)


def test_one_refusal_stops_the_calls_of_all_for_as_long_as_it_says(
    closed_at_once: tuple[ClosingDeals, list[str]], keepers: Any
) -> None:
    scene, deals = closed_at_once
    note = {"name": "note", "on": "deal.closed", "steps": [{"do": "note_on_deal", "with": {"text": "Closed."}}]}
    keeper: Keeper = keepers(
        scene.portal, scene.keeper_key, [note], others={"pipedrive": scene.connection("pipedrive")}
    )
    scene.portal.direct("PUT", "/settings", json={"vendor_calls": 20, "vendor_seconds": 2})
    keeper.start()

    close_all(scene, keeper, deals)

    answers = answered(scene)
    print(f"{len(deals)} deals at once: {len(answers)} calls, {answers.count(429)} of them refused")
    assert answers.count(429) < len(answers) / 2
    assert {one["state"] for one in keeper.runs()} == {"done"}
    assert [len(scene.notes(deal)) for deal in deals] == [1] * len(deals)
    assert httpx2.get(f"{keeper.url}/readyz").status_code == 200
