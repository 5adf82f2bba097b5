"""Turns: which of the runs that wait begins now.

Runs of one automation and key follow each other, the oldest first; runs of different keys go side by side. Whose turn
it is is decided in one transaction of our store, so that of several processes one begins a run, and looked at when
something has changed: a run was made, or one is over (docs/adr/0031).
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from roomkeeper.errors import StoreUnavailable
from roomkeeper.intake import pauses
from roomkeeper.store.changes import change
from roomkeeper.store.database import Store
from roomkeeper.store.tables import OPEN, runs

log = structlog.get_logger("turns")

_LOOK = 0.5  # seconds between two looks for what other processes and commands changed: a retry, a resumed automation
_AT_WORK = 50  # runs of one connection at work in one process, not counting those that wait for something
_BEGUN = 250  # runs of one connection that have begun in one process, those that wait among them
_IDLE = 10.0  # seconds between two looks where no run waits, and nobody has changed anything; ours
_REST = 1.0  # seconds after the store or the engine's failed
# Asked twice a second for as long as the process lives: it is put together once.
_WAITS = (runs.c.state == "waiting", runs.c.handed_over.is_(False))
_ANY = sa.select(runs.c.id).where(*_WAITS).limit(1)
_OTHER = runs.alias("other")
# Written out, for the index is of these states only.
_OTHER_IS_OPEN = _OTHER.c.state.in_(sa.bindparam("open", OPEN, expanding=True, literal_execute=True))
_OTHER_IS_AT_WORK = sa.or_(_OTHER.c.state == "running", _OTHER.c.handed_over)
# The oldest of each automation and key of which none is at work: each run is looked at once, however many wait for one.
_FIRST = (
    sa.select(sa.func.min(_OTHER.c.id))
    .where(_OTHER_IS_OPEN)
    .group_by(_OTHER.c.automation, _OTHER.c.key)
    .having(sa.func.max(sa.case((_OTHER_IS_AT_WORK, 1), else_=0)) == 0)
)
_GOES_BEFORE = sa.exists().where(
    _OTHER.c.automation == runs.c.automation,
    _OTHER.c.key == runs.c.key,
    _OTHER.c.id != runs.c.id,
    _OTHER_IS_OPEN,
    sa.or_(_OTHER_IS_AT_WORK, _OTHER.c.id < runs.c.id),
)
_MAY_BEGIN = (
    *_WAITS,
    runs.c.automation.not_in(pauses.names()),
    runs.c.automation.not_in(sa.bindparam("stopped", expanding=True)),
)
#: The runs of a connection whose turn it is, the oldest first; and those of a few that it still is.
_DUE = (
    sa.select(runs.c.id)
    .where(*_MAY_BEGIN, runs.c.connection == sa.bindparam("connection"), runs.c.id.in_(_FIRST))
    .order_by(runs.c.id)
    .limit(sa.bindparam("most"))
)
_STILL_DUE = (
    sa.select(runs.c.id, runs.c.attempt, runs.c.connection)
    .where(*_MAY_BEGIN, runs.c.id.in_(sa.bindparam("these", expanding=True)), ~_GOES_BEFORE)
    .order_by(runs.c.id)
)


@dataclass(frozen=True)
class Turn:
    """A run that begins now, as this attempt."""

    run: int
    attempt: int
    connection: str


class Turns:
    """Gives the runs that wait their turns; one for a process.

    Args:
        store: Where the runs are.
        connections: Those whose runs this process does.
        stopped: The automations that the configuration pauses.

    """

    def __init__(self, store: Store, connections: Collection[str], stopped: Collection[str]) -> None:
        self._store, self._connections, self._stopped = store, list(connections), list(stopped)
        self._at_work: dict[int, str] = {}
        self._aside: set[int] = set()
        self._changed = asyncio.Event()

    def look(self) -> None:
        """Look at once: a run was made, or something else has changed."""
        self._changed.set()

    def over(self, run: int) -> None:
        """Take notice that a run of this process is over."""
        self._at_work.pop(run, None)
        self.look()

    @contextlib.contextmanager
    def aside(self, run: int) -> Iterator[None]:
        """Let a run wait without taking a place from others."""
        self._aside.add(run)
        self.look()
        try:
            yield
        finally:
            self._aside.discard(run)

    async def keep(self, begin: Callable[[Turn], Awaitable[None]]) -> None:
        """Give turns for ever. `begin` has the engine begin a run's attempt; doing so twice is the same as once."""
        while True:
            self._changed.clear()
            seen, longest = self._store.version(), _LOOK
            try:
                taken = await self._taken()
                longest = _IDLE if taken is None else _LOOK
                await self._give(taken or [], begin)
            except (StoreUnavailable, SQLAlchemyError) as error:
                log.warning("runs wait", reason=str(error))
                await asyncio.sleep(_REST)
            await change(self._store, self._changed, seen, look=_LOOK, longest=longest)

    async def _taken(self) -> Sequence[Turn] | None:
        """Take the runs whose turn it is; None if none waits at all."""
        begun = Counter(self._at_work.values())
        if any(begun[name] >= _AT_WORK for name in self._connections):
            await self._store.reading(self._forget_what_is_over)
        begun = Counter(self._at_work.values())
        working = Counter(name for run, name in self._at_work.items() if run not in self._aside)
        left = {name: min(_AT_WORK - working[name], _BEGUN - begun[name]) for name in self._connections}
        places = {name: most for name, most in left.items() if most > 0}
        due = await self._store.reading(partial(self._due, places))
        if not due:  # mostly so, and then nobody's writing waits
            return None if due is None else []
        return await self._store.writing(partial(self._take, due))

    async def _give(self, turns: Sequence[Turn], begin: Callable[[Turn], Awaitable[None]]) -> None:
        """Have these begin; those that could not will have another turn."""
        left = {turn.run: turn for turn in turns}
        try:
            for turn in turns:
                self._at_work[turn.run] = turn.connection
                await begin(turn)
                del left[turn.run]
        finally:
            for run in left:
                self._at_work.pop(run, None)
            if left:
                await self._store.writing(partial(self._give_back, list(left.values())))

    def _give_back(self, turns: Sequence[Turn], connection: sa.Connection) -> None:
        for turn in turns:
            mine = (runs.c.id == turn.run, runs.c.attempt == turn.attempt, runs.c.state == "waiting")
            connection.execute(runs.update().where(*mine).values(handed_over=False))

    def _forget_what_is_over(self, connection: sa.Connection) -> None:
        """Free the places of runs that are over, or that another process does."""
        numbers = list(self._at_work)
        ours = sa.select(runs.c.id).where(runs.c.id.in_(numbers), runs.c.state.in_(OPEN), runs.c.handed_over)
        for number in set(numbers) - set(connection.execute(ours).scalars()):
            self._at_work.pop(number, None)

    def _due(self, places: Mapping[str, int], connection: sa.Connection) -> list[int] | None:
        """Find the runs whose turn it is, so many of each connection; None if none waits at all."""
        if connection.execute(_ANY).first() is None:
            return None
        due = list[int]()
        for name, most in places.items():
            due += connection.execute(_DUE, {"connection": name, "stopped": self._stopped, "most": most}).scalars()
        return due

    def _take(self, due: Sequence[int], connection: sa.Connection) -> list[Turn]:
        """Take those of them whose turn it still is."""
        if not self._store.is_embedded:  # processes decide one after another
            connection.execute(sa.text("select pg_advisory_xact_lock(727275)"))
        rows = connection.execute(_STILL_DUE, {"these": list(due), "stopped": self._stopped})
        taken = [Turn(row.id, row.attempt, row.connection) for row in rows]
        mine = runs.update().where(runs.c.id.in_([turn.run for turn in taken]))
        if taken:
            connection.execute(mine.values(handed_over=True))
        return taken
