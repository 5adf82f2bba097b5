"""Counts one portal user's calls over all processes: calls of the last minute, writes of the day."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from roomkeeper.store.database import Store
from roomkeeper.store.tables import days, tallies

_WINDOW = 61  # seconds: the portal's minute, and one in which a call that was counted may still be on its way
_DAY = 86_400


class SharedTally:
    """The tally of one budget, kept in the store, so that a restart or a second process does not forget it."""

    def __init__(self, store: Store, budget: str, processes: Callable[[], int]) -> None:
        self._store, self._budget, self._processes = store, budget, processes
        self._forgetting, self._counting, self._noting = _statements(store)

    def processes(self) -> int:
        """Tell how many processes share the calls in flight."""
        return self._processes()

    async def take(self, *, calls: int, writes: int, per_minute: int, per_day: int) -> tuple[int, float]:
        """Take up to `calls` calls; gives how many, and if none, in how many seconds to ask again."""

        def count(connection: sa.Connection) -> tuple[int, float]:
            self._one_at_a_time(connection)
            now = self._store.now(connection)
            used, oldest = self._used(connection, int(now))
            if used >= per_minute:
                return 0, max(0.05, oldest + _WINDOW + 1 - now)
            if writes and not self._take_writes(connection, int(now) // _DAY, writes, per_day):
                return 0, _DAY - now % _DAY
            granted = min(calls, per_minute - used)
            self._note(connection, int(now), granted)
            return granted, 0.0

        return await self._store.writing(count)

    def writes_today(self) -> int:
        """Tell how many of the day's writes were taken."""
        with self._store.read() as connection:
            day = int(self._store.now(connection)) // _DAY
            query = sa.select(days.c.writes).where(days.c.budget == self._budget, days.c.day == day)
            return int(connection.execute(query).scalar() or 0)

    def _one_at_a_time(self, connection: sa.Connection) -> None:
        """Keep two processes from counting past each other; SQLite's writers take turns anyway."""
        if not self._store.is_embedded:
            connection.execute(sa.text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": self._budget})

    def _used(self, connection: sa.Connection, second: int) -> tuple[int, int]:
        connection.execute(self._forgetting, {"mine": self._budget, "last": second - _WINDOW - 1, "now": second})
        row = connection.execute(self._counting, {"mine": self._budget}).one()
        return int(row[0] or 0), int(row[1] or second)

    def _take_writes(self, connection: sa.Connection, day: int, writes: int, per_day: int) -> bool:
        statement = self._store.insert(days).values(budget=self._budget, day=day, writes=writes)
        added = statement.on_conflict_do_update(
            index_elements=[days.c.budget, days.c.day],
            set_={"writes": days.c.writes + writes},
            where=days.c.writes + writes <= per_day,
        )
        return connection.execute(added.returning(days.c.writes)).first() is not None

    def _note(self, connection: sa.Connection, second: int, calls: int) -> None:
        connection.execute(self._noting, {"budget": self._budget, "second": second, "calls": calls})


def _statements(store: Store) -> tuple[sa.Delete, sa.Select[Any], Any]:
    """Make the statements of every call once: to forget old ones, to count, and to note some."""
    mine = tallies.c.budget == sa.bindparam("mine")
    is_past = tallies.c.second <= sa.bindparam("last")
    is_to_come = tallies.c.second > sa.bindparam("now")  # counted by a clock that was set back since
    adding = store.insert(tallies)
    summed = {"calls": tallies.c.calls + adding.excluded.calls}
    return (
        sa.delete(tallies).where(mine, is_past | is_to_come),
        sa.select(sa.func.sum(tallies.c.calls), sa.func.min(tallies.c.second)).where(mine),
        adding.on_conflict_do_update(index_elements=[tallies.c.budget, tallies.c.second], set_=summed),
    )
