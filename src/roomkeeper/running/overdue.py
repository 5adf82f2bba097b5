"""Approvals that nobody gave in time: the run says so, and asks no longer."""

import asyncio
import time

import sqlalchemy as sa
import structlog

from roomkeeper.errors import StoreUnavailable
from roomkeeper.store.database import Store
from roomkeeper.store.tables import runs, steps

log = structlog.get_logger("approvals")

_EVERY = 30.0  # seconds


async def keep(store: Store) -> None:
    """Look for ever for approvals that are overdue."""
    while True:
        try:
            for run in await store.writing(expire):
                log.warning("nobody approved it in time", run=run, remedy=f"roomkeeper runs retry {run} asks anew")
        except StoreUnavailable as error:
            log.warning("cannot look for approvals", reason=error.message)
        await asyncio.sleep(_EVERY)


def expire(connection: sa.Connection) -> list[int]:
    """Mark the steps whose time to be approved is over; gives their runs."""
    overdue = steps.update().where(steps.c.state == "asks", steps.c.ask_until < time.time())
    numbers = list(connection.execute(overdue.values(state="failed").returning(steps.c.run_id)).scalars())
    for number in numbers:
        said = {"error": "nobody approved it in time", "remedy": f"`roomkeeper runs retry {number}` asks anew."}
        connection.execute(runs.update().where(runs.c.id == number, runs.c.state == "needs_attention").values(said))
        connection.execute(steps.update().where(steps.c.run_id == number, steps.c.state == "failed").values(said))
    return numbers
