"""Retention: what is over is deleted after its days; what must not be done again is never forgotten."""

import asyncio
import time
from collections.abc import Sequence

import sqlalchemy as sa
import structlog

from roomkeeper.errors import StoreUnavailable
from roomkeeper.store.database import Store
from roomkeeper.store.tables import (
    alerts,
    calls,
    days,
    events,
    events_about,
    notices,
    runs,
    runs_about,
    sessions,
    step_items,
    steps,
    subjects,
    waiting,
)

log = structlog.get_logger("retention")

_EVERY = 3600.0  # seconds
_PAGE = 500  # rows in one transaction: deliveries must not wait for the broom
_DAY = 86_400.0
_REFUSED, _REFUSED_DAYS = 1000, 7  # refused deliveries that are kept, and for how long: they are strangers' words


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
    is_over = runs.c.state.in_(["done", "cancelled"])
    old = sa.select(runs.c.id).where(is_over, runs.c.ended_at < now - runs_days * _DAY, ~_is_part_of_an_undoing())
    gone = list(connection.execute(old.limit(_PAGE)).scalars())
    for table, column in (
        (calls, calls.c.run_id),
        (steps, steps.c.run_id),
        (step_items, step_items.c.run_id),
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
    stranger = sa.select(events.c.id).where(events.c.status == "refused")
    last = connection.execute(stranger.order_by(events.c.id.desc()).offset(_REFUSED).limit(1)).scalar()
    # Not by the index of age, in which those of all events are: the strangers' own is short.
    is_old = sa.func.coalesce(events.c.received_at, 0.0) < now - _REFUSED_DAYS * _DAY
    noise = stranger.where(sa.or_(events.c.id <= (last or 0), is_old))
    refused = connection.execute(sa.delete(events).where(events.c.id.in_(noise.limit(_PAGE)))).rowcount
    connection.execute(sa.delete(days).where(days.c.day < int(now // _DAY) - 7))
    connection.execute(sa.delete(sessions).where(sessions.c.ends_at < now))
    over = sa.select(alerts.c.id).where(alerts.c.closed_at < now - runs_days * _DAY)
    connection.execute(sa.delete(notices).where(notices.c.alert_id.in_(over)))
    connection.execute(sa.delete(alerts).where(alerts.c.id.in_(over)))
    forgotten = _forget_subjects(connection, unneeded, gone)
    return max(len(gone), len(unneeded), forgotten, refused) >= _PAGE


def _is_part_of_an_undoing() -> sa.ColumnElement[bool]:
    """Whether a run has to be remembered for another's sake.

    One that is being undone is kept until that is over, for its plan says where the files were; and one that undoes as
    long as what it undid: that must not be done again.
    """
    other = runs.alias("other")
    is_being_undone = sa.exists().where(other.c.undoes == runs.c.id, other.c.state.not_in(["done", "cancelled"]))
    has_undone = sa.exists().where(other.c.id == runs.c.undoes, runs.c.state == "done")
    return sa.or_(is_being_undone, has_undone)


def _forget_subjects(connection: sa.Connection, event_ids: Sequence[int], run_ids: Sequence[int]) -> int:
    """Forget what these events and runs were about, and what no other is about any more; gives how much."""
    touched: set[int] = set()
    for table, column, ids in (
        (events_about, events_about.c.event_id, event_ids),
        (runs_about, runs_about.c.run_id, run_ids),
    ):
        deleted = sa.delete(table).where(column.in_(ids)).returning(table.c.subject_id)
        touched |= set(connection.execute(deleted).scalars())
    about = [sa.exists().where(table.c.subject_id == subjects.c.id) for table in (events_about, runs_about)]
    unknown = sa.delete(subjects).where(subjects.c.id.in_(touched), ~about[0], ~about[1])
    return connection.execute(unknown).rowcount
