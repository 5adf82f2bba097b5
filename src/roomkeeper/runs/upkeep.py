"""Upkeep: look after the webhooks that bring events to us, every few minutes, and mend what can be mended."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import sqlalchemy as sa
import structlog

from roomkeeper.automations.upkeep import Ailment, Hook
from roomkeeper.errors import Forbidden, RemoteError, StoreUnavailable
from roomkeeper.runs import alerts
from roomkeeper.runs.alerts import Alert
from roomkeeper.runs.dispatch import Source
from roomkeeper.runs.store import Store, hooks

log = structlog.get_logger("upkeep")

_FIRST = 10.0  # seconds: the portal asks our address before it changes a webhook, so we must be listening by then


@dataclass(frozen=True)
class Kept:
    """A connection whose webhook is looked after, every so many seconds."""

    source: Source
    hook: Hook
    every: float


async def keep(store: Store, kept: Sequence[Kept]) -> None:
    """Look after each webhook until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.Event().wait())  # also where there is none to look after
        for one in kept:
            tasks.create_task(_keep_one(store, one))


async def look_after(store: Store, kept: Kept, *, twins: bool = False) -> list[Ailment]:
    """Mend what is wrong with one webhook, and keep an alert of what is not mended. Raises RemoteError."""
    upkeep = kept.source.connector.upkeep
    if upkeep is None or not kept.hook.types:
        return []
    was_there = await store.reading(partial(_was_there, kept.source.name))
    found = list(await upkeep.mend(kept.source.client, replace(kept.hook, was_there=was_there), twins=twins))
    if not any(one.key == "missing" and not one.mended for one in found):
        await store.writing(partial(_remember, store, kept.source.name))
    name = kept.source.name
    for one in found:
        if one.mended:
            log.warning("mended", connection=name, what=one.what)
    wrong = [Alert(f"webhook {name} {one.key}", f"{name}: {one.what}", one.remedy) for one in found if not one.mended]
    await asyncio.to_thread(alerts.settle, store, f"webhook {name} ", wrong)
    return found


def remember(store: Store, connection: str) -> None:
    """Note that our webhook is there: from now on a missing one was deleted, and is made again."""
    with store.write() as db:
        _remember(store, connection, db)


def forget(store: Store, connection: str) -> None:
    """Note that our webhook was removed on purpose."""
    with store.write() as db:
        db.execute(sa.delete(hooks).where(hooks.c.connection == connection))


async def _keep_one(store: Store, kept: Kept) -> None:
    pause = min(_FIRST, kept.every)
    while True:
        await asyncio.sleep(pause)
        pause = kept.every
        try:
            await look_after(store, kept)
        except Forbidden as error:  # a key for files and rooms alone may not even look; `doctor` says so
            log.info("cannot look after the webhook", connection=kept.source.name, reason=error.message)
        except (RemoteError, StoreUnavailable) as error:
            log.warning("cannot look after the webhook", connection=kept.source.name, reason=error.message)


def _was_there(connection: str, db: sa.Connection) -> bool:
    return db.execute(sa.select(hooks.c.connection).where(hooks.c.connection == connection)).first() is not None


def _remember(store: Store, connection: str, db: sa.Connection) -> None:
    row = {"connection": connection, "seen_at": time.time()}
    statement = store.insert(hooks).values(row)
    db.execute(statement.on_conflict_do_update(index_elements=[hooks.c.connection], set_=row))
