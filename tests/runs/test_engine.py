"""The engine's start and stop: what is taken back while it stops does not go on beside its successor."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from roomkeeper.errors import StoreUnavailable
from roomkeeper.running.engine import Engine
from roomkeeper.running.leases import Lease
from roomkeeper.running.turns import Turn
from roomkeeper.store.database import Store, opened

_RUNS = 40
_POLL = 1.0  # seconds: the library takes runs back so often (dbos, `Queue.polling_interval_sec`)


class Busy:
    """Takes the place of the walker: each run has one step, which lasts until the run is let go of."""

    def __init__(self) -> None:
        self.at_work: Counter[int] = Counter()

    async def begin(self, *_: int) -> list[list[int]]:
        return [[0]]

    async def stage(self, number: int, *_: int | Sequence[int]) -> str:
        self.at_work[number] += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.at_work[number] -= 1
        return "done"


async def test_nothing_is_at_work_after_a_stop_and_nothing_lost_whenever_it_comes(store: Store) -> None:
    lease, busy = Lease(store, works=True, on_lost=lambda: None), Busy()

    for after in (0, *(_POLL + part / 20 for part in range(7))):  # seconds, from when the first are taken back
        engine = Engine(store, lease, busy, lambda _: None)  # type: ignore[arg-type]
        await engine.start()
        for number in range(1, _RUNS + 1) if after == 0 else ():
            await engine.begin(Turn(number, 1, "acme"))
        await asyncio.sleep(after)
        await engine.stop()
        await asyncio.sleep(0.2)  # what was begun too late would be at work by then
        assert busy.at_work.total() == 0

    last = Engine(store, lease, busy, lambda _: None)  # type: ignore[arg-type]
    await last.start()
    async with asyncio.timeout(60):
        while busy.at_work.total() < _RUNS:  # noqa: ASYNC110 - the engine fills it
            await asyncio.sleep(0.1)
    await last.stop()
    assert set(busy.at_work.values()) == {0}


async def test_a_damaged_file_of_its_own_is_named_and_it_begins_anew_without_it(tmp_path: Path) -> None:
    store = opened(str(tmp_path))
    lease, busy = Lease(store, works=True, on_lost=lambda: None), Busy()
    file = tmp_path / "engine.sqlite"
    file.write_bytes(b"no database at all" * 500)
    engine = Engine(store, lease, busy, lambda _: None)  # type: ignore[arg-type]

    with pytest.raises(StoreUnavailable, match=r"engine\.sqlite is damaged") as refused:
        await engine.start()
    await engine.stop()
    assert "move this file" in refused.value.remedy

    file.unlink()
    engine = Engine(store, lease, busy, lambda _: None)  # type: ignore[arg-type]
    await engine.start()
    await engine.begin(Turn(1, 1, "acme"))
    await engine.stop()
    store.close()
