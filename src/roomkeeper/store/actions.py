"""Actions: what people ordered, who and when; kept with the order itself, in one transaction."""

import time
from typing import Any

import sqlalchemy as sa

from roomkeeper.outside import cleaned
from roomkeeper.store.database import Store
from roomkeeper.store.moments import moment
from roomkeeper.store.tables import actions


def record(
    db: sa.Connection, by: str, did: str, *, run: int | None = None, event: int | None = None, automation: str = ""
) -> None:
    """Write down that somebody did something."""
    about = {"run_id": run, "event_id": event, "automation": automation or None}
    db.execute(sa.insert(actions).values(at=time.time(), by=cleaned(by), did=cleaned(did), **about))


def listed(store: Store, *, limit: int = 50, before: int | None = None, run: int | None = None) -> list[dict[str, Any]]:
    """List them, newest first."""
    query = sa.select(actions).order_by(actions.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(actions.c.id < before)
    if run is not None:
        query = query.where(actions.c.run_id == run)
    with store.read() as db:
        return [{**row, "at": moment(row["at"])} for row in db.execute(query).mappings()]
