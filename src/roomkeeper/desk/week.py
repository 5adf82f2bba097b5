"""The week at a glance: what arrived, what was done about it and how soon, and what needed a person, day by day."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from roomkeeper.store.database import Store
from roomkeeper.store.tables import days, events, runs, waiting

DAYS = 7
_DAY = 86_400
_TIMED = 20_000  # events, the newest, whose times are looked at: the page is to be quick


@dataclass(frozen=True)
class Day:
    """One day, in UTC: events that were accepted, those that are done, runs that need a person, writes to portals.

    `usual` and `slowest` are seconds from an event's arrival to the end of its run: the median, and what 95 of 100
    stay below; None where nothing was done.
    """

    date: str
    arrived: int = 0
    done: int = 0
    needed: int = 0
    writes: int = 0
    usual: float | None = None
    slowest: float | None = None


def week(store: Store, now: datetime) -> list[Day]:
    """Look at the last seven days, today included, the oldest first. Raises StoreUnavailable."""
    today = int(now.timestamp()) // _DAY
    first = today - DAYS + 1
    since = float(first * _DAY)
    ended = (
        sa.select(events.c.id, events.c.received_at, runs.c.ended_at)
        .join(waiting, waiting.c.event_id == events.c.id)
        .join(runs, runs.c.id == waiting.c.run_id)
        # Not by the index of states, in which every run that is done is: a week's events are few of all.
        .where(events.c.received_at >= since, sa.func.coalesce(runs.c.state, "") == "done")
    )
    with store.read() as db:
        arrived = _by_day(store, db, events.c.received_at, since, events.c.status == "accepted")
        needed = _by_day(store, db, runs.c.made_at, since, runs.c.state == "needs_attention")
        once = ended.with_only_columns(events.c.id, events.c.received_at).distinct().subquery()
        done = _by_day(store, db, once.c.received_at, since)  # whatever the number of its automations
        writes = sa.select(days.c.day, sa.func.sum(days.c.writes)).where(days.c.day >= first).group_by(days.c.day)
        written = {int(row.day): int(row[1]) for row in db.execute(writes)}
        took = defaultdict[int, list[float]](list)
        for row in db.execute(ended.order_by(events.c.received_at.desc()).limit(_TIMED)):
            took[int(row.received_at) // _DAY].append(row.ended_at - row.received_at)
    return [
        Day(
            date=(datetime.fromtimestamp(0, UTC) + timedelta(days=day)).date().isoformat(),
            arrived=arrived.get(day, 0),
            done=done.get(day, 0),
            needed=needed.get(day, 0),
            writes=written.get(day, 0),
            usual=percentile(took[day], 50),
            slowest=percentile(took[day], 95),
        )
        for day in range(first, today + 1)
    ]


def percentile(values: Sequence[float], wanted: int) -> float | None:
    """Give the value below which so many of a hundred lie (nearest rank); None without any."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * wanted / 100) - 1)]


def _by_day(
    store: Store, db: sa.Connection, moment: sa.ColumnElement[float], since: float, *which: sa.ColumnElement[bool]
) -> dict[int, int]:
    """Count the rows of each day."""
    # To cast cuts off on SQLite, and rounds on PostgreSQL, which has a function to cut off.
    days_since = moment / _DAY if store.is_embedded else sa.func.floor(moment / _DAY)
    day = sa.cast(days_since, sa.Integer).label("day")
    counted = sa.select(day, sa.func.count()).where(moment >= since, *which).group_by(day)
    return {int(row[0]): int(row[1]) for row in db.execute(counted)}
