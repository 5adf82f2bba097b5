"""Retention: what is over is deleted after its days; what must not be done again is never forgotten."""

import asyncio
import time

import sqlalchemy as sa
import structlog

from roomkeeper.errors import StoreUnavailable
from roomkeeper.runs.store import Store
from roomkeeper.runs.tables import calls, days, events, runs, steps, waiting

log = structlog.get_logger("retention")

_EVERY = 3600.0  # seconds
_PAGE = 500  # rows in one transaction: deliveries must not wait for the broom
_DAY = 86_400.0


async def keep(store: Store, *, events_days: int, runs_days: int) -> None:
    """Sweep once an hour, for ever."""
    while True:
        try:
            while await store.writing(  # noqa: ASYNC110 - a pause, not a wait for something
                lambda connection: sweep(connection, events_days=events_days, runs_days=runs_days)
            ):
                await asyncio.sleep(0.1)
        except StoreUnavailable as error:
            log.warning("cannot sweep", reason=error.message)
        await asyncio.sleep(_EVERY)


def sweep(connection: sa.Connection, *, events_days: int, runs_days: int) -> bool:
    """Delete a page of what is old; true if there may be more. The ledger stays: it is what makes once mean once."""
    now = time.time()
    old = sa.select(runs.c.id).where(runs.c.state.in_(["done", "cancelled"]), runs.c.ended_at < now - runs_days * _DAY)
    gone = list(connection.execute(old.limit(_PAGE)).scalars())
    for table, column in (
        (calls, calls.c.run_id),
        (steps, steps.c.run_id),
        (waiting, waiting.c.run_id),
        (runs, runs.c.id),
    ):
        connection.execute(sa.delete(table).where(column.in_(gone)))
    needed = sa.exists().where(waiting.c.event_id == events.c.id)
    stale = sa.select(events.c.id).where(
        events.c.received_at < now - events_days * _DAY, events.c.state != "new", ~needed
    )
    unneeded = list(connection.execute(stale.limit(_PAGE)).scalars())
    connection.execute(sa.delete(events).where(events.c.id.in_(unneeded)))
    connection.execute(sa.delete(days).where(days.c.day < int(now // _DAY) - 7))
    return max(len(gone), len(unneeded)) == _PAGE
