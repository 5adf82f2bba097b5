"""Upkeep: look after the webhooks that bring events to us, every few minutes, and mend what can be mended."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import sqlalchemy as sa
import structlog

from roomkeeper.contract.catalog import Source
from roomkeeper.contract.upkeep import Ailment, Hook
from roomkeeper.errors import Forbidden, RemoteError, ScopeMissing, StoreUnavailable
from roomkeeper.store import alerts
from roomkeeper.store.alerts import Alert
from roomkeeper.store.database import Store
from roomkeeper.store.tables import hooks

log = structlog.get_logger("upkeep")

_FIRST = 10.0  # seconds: the portal asks our address before it changes a webhook, so we must be listening by then
_SOON = 0.9  # of the time between two looks, after which it is time for the next one (ours)
_LATELY = 3600.0  # seconds: set twice within them, and wrong again, it may have another reason (ours)


@dataclass(frozen=True)
class Kept:
    """A connection whose webhook is looked after, every so many seconds."""

    source: Source
    hook: Hook
    every: float


async def keep(store: Store, kept: Sequence[Kept]) -> None:
    """Look after each webhook until cancelled."""
    await asyncio.to_thread(alerts.retain, store, "webhook ", [f"webhook {one.source.name} " for one in kept])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.Event().wait())  # also where there is none to look after
        for one in kept:
            tasks.create_task(_keep_one(store, one))


async def look_after(store: Store, kept: Kept, *, twins: bool = False) -> list[Ailment]:
    """Mend what is wrong with one webhook, and keep an alert of what is not mended. Raises RemoteError."""
    upkeep, name = kept.source.connector.upkeep, kept.source.name
    found: list[Ailment] = []
    if upkeep is not None and kept.hook.types:
        hook = await store.reading(partial(informed, kept.hook))
        if twins:  # asked for: what may pass by itself is not waited for
            hook = replace(hook, is_settling=False)
        found = list(await upkeep.mend(kept.source.client, hook, twins=twins))
        await store.writing(partial(_remember, store, kept.hook, found))
    for one in found:
        if one.mended:
            log.warning("mended", connection=name, what=one.what)
    wrong = [Alert(f"webhook {name} {one.key}", f"{name}: {one.what}", one.remedy) for one in found if not one.mended]
    await asyncio.to_thread(alerts.settle, store, f"webhook {name} ", wrong)
    return found


def informed(hook: Hook, db: sa.Connection) -> Hook:
    """Add what is remembered of a webhook."""
    row = db.execute(sa.select(hooks).where(hooks.c.connection == hook.connection)).first()
    if row is None:
        return hook
    ago = time.time() - row.marked_at
    former = row.url if "://" in hook.url and row.url != hook.url else ""  # without an address of ours it is a path
    marked = {"mark": row.mark, "is_marked_lately": ago < _LATELY and row.marked > 1, "is_settling": ago < hook.settles}
    return replace(hook, was_there=row.url == hook.url, former=former, **marked)


def remember(store: Store, hook: Hook) -> None:
    """Note that our webhook is there: from now on a missing one was deleted, and is made again."""
    with store.write() as db:
        _set(store, hook.connection, {"url": hook.url}, db)
    alerts.settle(store, f"webhook {hook.connection} ", [])


def forget(store: Store, hook: Hook) -> None:
    """Note that our webhook is removed on purpose; to be called before it is."""
    with store.write() as db:
        _set(store, hook.connection, {"url": ""}, db)


async def _keep_one(store: Store, kept: Kept) -> None:
    # The first look is by a configuration that may be another one, so it does not count when the last one was.
    pause = rest = min(_FIRST, kept.every)
    while True:
        await asyncio.sleep(pause)
        try:
            if await store.writing(partial(_claim, store, kept, rest * _SOON)):
                await look_after(store, kept)
        except (Forbidden, ScopeMissing) as error:  # a key for files alone may not even look; `doctor` says so
            log.info("cannot look after the webhook", connection=kept.source.name, reason=error.message)
        except (RemoteError, StoreUnavailable) as error:
            log.warning("cannot look after the webhook", connection=kept.source.name, reason=error.message)
        except Exception:  # what one service answers must not stop the deliveries of all
            log.exception("looking after the webhook failed", connection=kept.source.name)
        pause = rest = kept.every


def _claim(store: Store, kept: Kept, rest: float, db: sa.Connection) -> bool:
    """Take one's turn: of several processes one looks after it."""
    _set(store, kept.source.name, {}, db)
    return store.take_turn(db, hooks, hooks.c.connection == kept.source.name, rest=rest)


def _remember(store: Store, hook: Hook, found: Sequence[Ailment], db: sa.Connection) -> None:
    """Note that it was seen, unless it is missing, and when its secret was set."""
    changed: dict[str, object] = {}
    if not any(one.key in {"missing", "moved"} and not one.mended for one in found):
        changed["url"] = hook.url
    mended = [one.mark for one in found if one.key == "secret" and one.mended]
    if mended:
        again = sa.case((hooks.c.marked_at > time.time() - _LATELY, hooks.c.marked + 1), else_=1)
        changed |= {"mark": max(mended), "marked_at": time.time(), "marked": again}
    _set(store, hook.connection, changed, db)


def _set(store: Store, connection: str, changed: Mapping[str, object], db: sa.Connection) -> None:
    first = {"connection": connection, "url": "", "claimed_at": 0.0, "mark": 0, "marked_at": 0.0, "marked": 0}
    db.execute(store.insert(hooks).values(first).on_conflict_do_nothing())
    if changed:
        db.execute(hooks.update().where(hooks.c.connection == connection).values(changed))
