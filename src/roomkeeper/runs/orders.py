"""What people order: retry, cancel and replay. Written to the store, so that it works beside a running service."""

import time
from typing import Any

import sqlalchemy as sa

from roomkeeper.errors import NotThere, RoomkeeperError
from roomkeeper.runs.dispatch import claim
from roomkeeper.runs.store import Store, events, runs, waiting

#: What a cancelled run says of itself.
CANCELLED = {"error": "cancelled by hand", "remedy": "`roomkeeper runs retry` lets it go on."}


class OrderRefused(RoomkeeperError):
    """What was ordered makes no sense for this run or event as it is."""


def retry(store: Store, number: int) -> None:
    """Let a run go on from the step that failed. Raises NotThere, OrderRefused."""
    with store.write() as connection:
        run = _run(connection, number)
        if run.state not in {"needs_attention", "cancelled"}:
            raise OrderRefused(
                f"Run {number} is {run.state}: only a run that needs attention or was cancelled can be retried"
            )
        if run.claims and (other := _other_waiting(connection, run)) is not None:
            raise OrderRefused(f"Run {number} had not claimed its events yet; run {other} takes them")
        changed = {"state": "waiting", "attempt": run.attempt + 1, "enqueued": False, "cancel_requested": False}
        connection.execute(runs.update().where(runs.c.id == number).values(changed))


def cancel(store: Store, number: int) -> str:
    """Ask a run to stop before its next call; a run that has not begun or that waits for a person is over at once.

    Gives the state it has now. Raises NotThere, OrderRefused.
    """
    with store.write() as connection:
        run = _run(connection, number)
        if run.state in {"done", "cancelled"}:
            raise OrderRefused(f"Run {number} is {run.state} already")
        changed: dict[str, object] = {"cancel_requested": True}
        if run.state == "waiting" and run.claims:
            claim(connection, run)  # what waits now is cancelled with it; what comes later gets a run of its own
        if run.state == "needs_attention" or (run.state == "waiting" and run.claims):
            changed |= {"state": "cancelled", "ended_at": time.time(), "claims": False, **CANCELLED}
        connection.execute(runs.update().where(runs.c.id == number).values(changed))
        return str(changed.get("state", run.state))


def replay(store: Store, number: int) -> None:
    """Dispatch an event again, by the configuration as it is now. Raises NotThere, OrderRefused."""
    with store.write() as connection:
        row = connection.execute(sa.select(events).where(events.c.id == number)).first()
        if row is None:
            raise NotThere(f"There is no event {number}", remedy="`roomkeeper events list` shows those there are.")
        if row.status == "duplicate":
            raise OrderRefused(f"Event {number} is a duplicate", remedy=f"Replay event {row.duplicate_of} instead.")
        if row.status == "refused" or row.body is None:
            raise OrderRefused(f"Event {number} was refused, and what was refused is not kept")
        here = sa.select(waiting.c.id).where(waiting.c.event_id == number, waiting.c.run_id.is_(None))
        if connection.execute(here).first() is not None:
            raise OrderRefused(f"Event {number} is waiting for its run already")
        changed = {"status": "accepted", "state": "new", "reason": "", "next_try": 0.0, "tries": 0}
        connection.execute(events.update().where(events.c.id == number).values(changed))


def _other_waiting(connection: sa.Connection, run: Any) -> int | None:  # noqa: ANN401 - a row of `runs`
    same = (runs.c.automation == run.automation, runs.c.key == run.key)
    query = sa.select(runs.c.id).where(*same, runs.c.state == "waiting", runs.c.claims)
    return connection.execute(query).scalar()


def _run(connection: sa.Connection, number: int) -> Any:  # noqa: ANN401 - a row of `runs`
    run = connection.execute(sa.select(runs).where(runs.c.id == number)).first()
    if run is None:
        raise NotThere(f"There is no run {number}", remedy="`roomkeeper runs list` shows those there are.")
    return run
