"""Try a draft before it is written, beside a store that is gone afterwards."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Collection
from dataclasses import replace

from roomkeeper import trial
from roomkeeper.configuration.config import Config
from roomkeeper.contract.checkup import Finding
from roomkeeper.errors import RoomkeeperError
from roomkeeper.running.rehearsal import Tried
from roomkeeper.store.database import Store
from roomkeeper.trial import WITHIN


async def tried(config: Config) -> Tried:
    """Try it all."""
    async with _beside(config) as (apart, store):
        return await trial.tried(apart, store, apart.automations)


async def examined(config: Config, names: Collection[str]) -> list[tuple[str, Finding]]:
    """Try some connections. Raises RoomkeeperError if they take too long."""
    async with _beside(config) as (apart, store), trial.connected(apart, store) as trying:
        try:
            async with asyncio.timeout(WITHIN):
                return [one async for one in trying.examined(name for name in names if name in trying.sources)]
        except TimeoutError as error:
            what = f"{' and '.join(names)} did not answer within {WITHIN:.0f} s"
            raise RoomkeeperError(what, remedy="Try again; or see whether it is up.") from error


@contextlib.asynccontextmanager
async def _beside(config: Config) -> AsyncIterator[tuple[Config, Store]]:
    with tempfile.TemporaryDirectory(prefix="roomkeeper-") as folder:
        store = Store(folder)
        try:
            await asyncio.to_thread(store.migrate)
            yield replace(config, store=folder), store
        finally:
            store.close()
