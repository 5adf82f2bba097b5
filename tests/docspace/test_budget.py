"""What the budget allows, told by a tally that says so and not by the clock."""

import asyncio
from collections.abc import Iterator

import pytest

from roomkeeper.docspace import Budget, Limits
from roomkeeper.docspace.budget import BudgetSpent


class Tally:
    """Answers as it was told to: how many calls are granted, and the seconds to wait where none is."""

    def __init__(self, *answers: tuple[int, float]) -> None:
        self._answers: Iterator[tuple[int, float]] = iter(answers)
        self.asked: list[int] = []

    async def take(self, *, calls: int, writes: int, per_minute: int, per_day: int) -> tuple[int, float]:
        del writes, per_minute, per_day
        self.asked.append(calls)
        return next(self._answers)

    def processes(self) -> int:
        return 1


async def _calls(tally: Tally, many: int, *, daily: bool = False) -> int:
    budget, done = Budget(Limits(), tally), 0
    for _ in range(many):
        async with budget.permit(write=daily, daily=daily, bulk=False):
            done += 1
    return done


async def test_a_read_that_is_not_granted_is_asked_for_again_after_the_wait() -> None:
    tally = Tally((0, 0.0), (0, 0.0), (1, 0.0))

    assert await _calls(tally, 1) == 1
    assert tally.asked == [1, 1, 1]


async def test_reads_that_are_used_up_at_once_are_bought_in_larger_bundles() -> None:
    tally = Tally((1, 0.0), (2, 0.0), (4, 0.0))

    assert await _calls(tally, 7) == 7
    assert tally.asked == [1, 2, 4]


async def test_a_write_that_the_day_has_no_room_for_is_refused_and_not_waited_for() -> None:
    with pytest.raises(BudgetSpent, match="writes for this portal user are used up") as spent:
        await _calls(Tally((0, 7200.0)), 1, daily=True)
    assert spent.value.retry_after == 7200.0


async def test_whoever_stops_waiting_passes_its_turn_on() -> None:
    budget = Budget(Limits(reads=1), Tally(*[(1, 0.0)] * 3))
    order: list[str] = []

    async def call(name: str, until: asyncio.Event) -> None:
        async with budget.permit(write=False, daily=False, bulk=False):
            order.append(name)
            await until.wait()

    over = [asyncio.Event() for _ in range(3)]
    calls = [asyncio.create_task(call(name, end)) for name, end in zip("abc", over, strict=True)]
    await asyncio.sleep(0)
    calls[1].cancel()
    for end in over:
        end.set()
    await asyncio.gather(*calls, return_exceptions=True)

    assert order == ["a", "c"]
