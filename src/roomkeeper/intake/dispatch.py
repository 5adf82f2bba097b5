"""Dispatch: which automations an event is for, and which run will take it.

An event is looked up, matched, and parked under (automation, key), the key being its room. A run is made for a key
when events wait there and no run does; when it starts, it claims up to `gather` of them. So ten thousand uploads
into one room make about a hundred runs, and a busy room delays no other.

Each connection is dispatched by a task of its own, and each place in it by itself: a portal that is down holds up its
own events only, a room or folder that cannot be looked at holds up those that lie in it, and is tried with one of them.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa
import structlog

from roomkeeper import outside
from roomkeeper.automations.automation import Automation
from roomkeeper.contract.catalog import Source
from roomkeeper.errors import (
    Forbidden,
    QuotaExceeded,
    RemoteError,
    ScopeMissing,
    StoreUnavailable,
    Unauthorized,
)
from roomkeeper.intake import following, subjects
from roomkeeper.intake.decision import Decision, Decisions, NotYet
from roomkeeper.intake.events import COMES_TO_NOTHING, WITHOUT_BODY, complete
from roomkeeper.intake.making import Making
from roomkeeper.store.changes import change
from roomkeeper.store.database import Store
from roomkeeper.store.tables import events, waiting

log = structlog.get_logger("dispatch")

_NOW = sa.bindparam("now", type_=sa.Float)
_LONGEST = 7200.0  # seconds that anything is put aside; what is to wait for longer was put aside by another clock; ours
_IS_DUE = sa.or_(events.c.next_try <= _NOW, events.c.next_try > _NOW + _LONGEST)
# Asked again and again for as long as the process lives: they are put together once.
_CONNECTIONS_DUE = sa.select(events.c.connection).where(events.c.state == "new", _IS_DUE).distinct()
_ANY_NEW = sa.select(events.c.id).where(events.c.state == "new").limit(1)
_TICK = 1.0  # seconds; a new event wakes the dispatcher at once
_IDLE = 10.0  # seconds between two looks where nothing is, and nobody has changed anything; ours
_BATCH = 200
_AGAIN = 50  # events in a batch that are tried again, beside what is new
_AT_ONCE = 8  # places that are looked at side by side
_FLUSH = 0.2  # seconds until what is decided goes on, though others of its batch are still being looked up
_LET_IN = (
    "Invite the account of the API key into the room, or, if the folder was deleted, restore it from the trash; then "
    "it goes on by itself. If it is to stay deleted, there is nothing to do: it is looked for ever more seldom."
)
_COURTESY = 0.5  # seconds at most that dispatch leaves the process to others after each batch
_REST_FIRST, _REST_LONGEST = 0.5, 30.0  # seconds that a connection rests whose lookups fail
_ASIDE_FIRST, _ASIDE_LONGEST = 0.5, 300.0  # seconds until a place is looked at again that could not be
_FAILING_LANES = 3  # places that cannot be looked at in one batch, after which the connection itself is asked
_REMEMBERED = 5000  # places of which is remembered that they cannot be looked at (ours)


@dataclass(frozen=True)
class _Stuck:
    """A place that cannot be looked at: until when it is left alone, why, and how often it was tried."""

    until: float
    reason: str
    tries: int


@dataclass
class _Batch:
    """Events of one connection that are dispatched together: what is decided, and which places failed."""

    source: Source
    decided: list[Decision] = field(default_factory=list)
    failing: dict[str, RemoteError] = field(default_factory=dict)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))


class Dispatch:
    """Takes events from the inbox to the runs."""

    def __init__(
        self,
        store: Store,
        sources: Sequence[Source],
        automations: Sequence[Automation],
        gather: Callable[[Automation], int],
        on_made: Callable[[], None],
    ) -> None:
        self._store, self._sources = store, sources
        self._decisions, self._making = Decisions(automations), Making(store, automations, gather, on_made)
        self._stuck: dict[tuple[str, str], _Stuck] = {}
        self._wake = asyncio.Event()
        self._due = {source.name: asyncio.Event() for source in self._sources}
        self._loop: asyncio.AbstractEventLoop | None = None

    def wake(self) -> None:
        """Look at once; may be called from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Dispatch until cancelled."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            for source in self._sources:
                tasks.create_task(self._dispatch_connection(source))
            tasks.create_task(self._watch())
            tasks.create_task(self._making.run())

    async def _dispatch_connection(self, source: Source) -> None:
        rest = 0.0
        try:
            await self._decisions.account(source)
        except RemoteError as error:  # said at once, not only when the first event waits
            log.warning("connection is out of order", connection=source.name, reason=error.message, remedy=error.remedy)
        while True:
            try:
                began = time.monotonic()
                busy = await self._dispatch_batch(source)
                rest = 0.0
                if busy:  # deliveries that are to be acknowledged go before those that have been
                    await asyncio.sleep(min(_COURTESY, 2 * (time.monotonic() - began)))
            except (RemoteError, StoreUnavailable) as error:
                rest = min(_REST_LONGEST, rest * 2 or _REST_FIRST)
                if isinstance(error, RemoteError) and error.retry_after is not None:
                    rest = max(rest, min(error.retry_after, _REST_LONGEST))
                log.warning(
                    "events wait", connection=source.name, reason=error.message, remedy=error.remedy, next_try_in=rest
                )
                await self._say_why(source.name, f"waits: {error.said}")
                busy = False
                await asyncio.sleep(rest)
            if not busy and rest == 0.0:
                await self._due[source.name].wait()
                self._due[source.name].clear()

    async def _say_why(self, connection: str, reason: str) -> None:
        """Write at the oldest events that wait why they do."""
        oldest = sa.select(events.c.id).where(events.c.connection == connection, events.c.state == "new")
        these = events.c.id.in_(oldest.order_by(events.c.id).limit(_BATCH))
        told = events.update().where(these, events.c.reason != reason).values(reason=reason)
        try:
            await self._store.writing(partial(_execute, told))
        except StoreUnavailable:
            return  # then the log has to do

    async def _watch(self) -> None:
        """See for all connections which have something to do; those that have not cost nothing."""
        seen, longest = None, _TICK
        while True:
            await change(self._store, self._wake, seen, look=_TICK, longest=longest)
            self._wake.clear()
            try:
                seen = self._store.version()
                due, is_any = await self._store.reading(_connections_due)
                longest = _TICK if is_any else _IDLE
            except StoreUnavailable as error:
                log.warning("cannot look for events", reason=error.message)
                await asyncio.sleep(_REST_FIRST)
                continue
            for name in due & set(self._due):
                self._due[name].set()

    async def _dispatch_batch(self, source: Source) -> bool:
        """Dispatch what waits; true if there may be more. Raises RemoteError if the connection is out of order.

        Places are looked at side by side, the events of one place in their order, and each goes on once it is decided.
        """
        rows = await self._store.reading(partial(self._waiting, source.name))
        if not rows:
            return False
        await self._decisions.account(source)
        batch = _Batch(source)
        lanes: dict[str, list[Any]] = {}
        for row in rows:
            lanes.setdefault(row.lane or f"event {row.id}", []).append(row)
        tasks = [asyncio.create_task(self._dispatch_lane(batch, same)) for same in lanes.values()]
        try:
            left = set(tasks)
            while left:
                done, left = await asyncio.wait(left, timeout=_FLUSH)
                await self._park(batch)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._park(batch)
        return True

    def _waiting(self, connection_name: str, connection: sa.Connection) -> list[Any]:
        """Choose what is new, the oldest first, and a share of what is tried again."""
        due, now = (events.c.connection == connection_name, events.c.state == "new", _IS_DUE), {"now": time.time()}
        query = sa.select(*WITHOUT_BODY).where(*due).order_by(events.c.id)
        fresh = connection.execute(query.where(events.c.tries == 0).limit(_BATCH), now).all()
        again = connection.execute(query.where(events.c.tries > 0).limit(_AGAIN), now).all()
        return sorted([*fresh, *again], key=lambda row: int(row.id))

    async def _park(self, batch: "_Batch") -> None:
        decided, batch.decided = batch.decided, []
        if decided:
            await self._store.writing(partial(self._park_all, decided))
            self._making.woken.set()

    async def _dispatch_lane(self, batch: "_Batch", rows: Sequence[Any]) -> None:
        """Decide on the events of one place. If it cannot be looked at, all of them wait, and one tries it again."""
        key = (batch.source.name, rows[0].lane)
        async with batch.turns:
            stuck = self._stuck.get(key)
            if stuck is not None and 0 < stuck.until - time.time() < _LONGEST:
                await self._put_aside(rows, stuck)
                return
            for at, row in enumerate(rows):
                reason = await self._decide_or_say_why_not(batch, row)
                if reason is not None:
                    tries = max(row.tries, stuck.tries if stuck is not None else 0)
                    error = batch.failing.get(row.lane or f"event {row.id}")
                    pause = min(_ASIDE_LONGEST, _ASIDE_FIRST * 2 ** min(tries, 16))
                    asked_for = (error.retry_after if error is not None else None) or 0.0
                    again = _Stuck(time.time() + min(_LONGEST, max(pause, asked_for)), reason, tries + 1)
                    if row.lane and batch.failing.get(row.lane):
                        self._remember(key, again)
                        await self._put_aside(rows[at:], again)
                        return
                    await self._put_aside([row], again)
                elif self._stuck.pop(key, None) is not None:
                    await self._wake_lane(*key)

    def _remember(self, key: tuple[str, str], stuck: _Stuck) -> None:
        if len(self._stuck) > _REMEMBERED:  # then each is tried once more, which is no harm
            self._stuck.clear()
        self._stuck[key] = stuck

    async def _decide_or_say_why_not(self, batch: "_Batch", row: Any) -> str | None:  # noqa: ANN401 - a row of `events`
        """Decide on one event; says why, if it has to wait. Raises what concerns the whole connection."""
        try:
            decision = await self._decisions.decide(batch.source, row)
            batch.decided.append(decision)  # to the list as it is by now: it is taken away again and again
        except (Unauthorized, QuotaExceeded, ScopeMissing, StoreUnavailable):
            raise
        except Forbidden as error:  # this room alone: it goes on by itself once the account is let in
            batch.failing[row.lane] = error
            remedy = _LET_IN if error.remedy == Forbidden.remedy else error.remedy
            log.warning("an event waits", event_id=row.id, reason=error.message, remedy=remedy)
            return f"waits, for the account may not look at it: {error.message}. {remedy}"
        except NotYet as error:
            return f"{error.message}; it is tried again"
        except RemoteError as error:
            batch.failing[row.lane or f"event {row.id}"] = error
            if len(batch.failing) >= _FAILING_LANES:  # is it these places, or the connection? then this raises
                await batch.source.connector.myself(batch.source.client)
            return f"it cannot be looked up: {error.message}; it is tried again"
        except Exception as error:
            log.exception("event put aside", event_id=row.id, connection=row.connection)
            return f"could not be dispatched ({type(error).__name__}: {error}); it is tried again"
        return None

    async def _put_aside(self, rows: Sequence[Any], stuck: "_Stuck") -> None:
        these = (events.c.id.in_([row.id for row in rows]), events.c.state == "new")
        later = {"next_try": stuck.until, "tries": stuck.tries, "reason": outside.cleaned(stuck.reason)}

        def act(connection: sa.Connection) -> None:
            connection.execute(events.update().where(*these).values(later))
            following.go_after(these, connection)

        await self._store.writing(act)

    async def _wake_lane(self, connection: str, lane: str) -> None:
        """Let the other events of a place go on that can be looked at again."""
        these = (events.c.connection == connection, events.c.lane == lane, events.c.state == "new")
        await self._store.writing(partial(_execute, events.update().where(*these).values(next_try=0.0)))

    def _park_all(self, decided: Sequence[Decision], connection: sa.Connection) -> None:
        """Put events where they wait, or away; what another process did meanwhile is left alone.

        Few statements for many events: deliveries wait for this transaction to end.
        """
        by_fate: dict[tuple[str, str, str], list[Decision]] = {}
        for one in (one for one in decided if not one.completed or complete(connection, one.event)):
            status = "ignored" if one.event.ignored else "accepted"
            state = "parked" if one.parkings else COMES_TO_NOTHING if one.comes_to_nothing else "over"
            by_fate.setdefault((status, state, one.reason), []).append(one)
        rows: list[dict[str, Any]] = []
        about: list[tuple[subjects.Subject, int]] = []
        for (status, state, reason), same in by_fate.items():
            numbers = [one.event.id for one in same]
            fate = events.update().where(events.c.id.in_(numbers), events.c.state == "new")
            ours = set(
                connection.execute(
                    fate.values(status=status, state=state, reason=outside.cleaned(reason)).returning(events.c.id)
                ).scalars()
            )
            rows += [row for one in same if one.event.id in ours for row in _parked(one)]
            about += [(it, one.event.id) for one in same if one.event.id in ours for it in subjects.of_event(one.event)]
        subjects.link_events(self._store, connection, about)
        if rows:
            connection.execute(self._store.insert(waiting).on_conflict_do_nothing(), rows)


def _connections_due(connection: sa.Connection) -> tuple[set[str], bool]:
    """Tell which connections have events to dispatch now, and whether any has some, be it for later."""
    is_any = connection.execute(_ANY_NEW).first() is not None
    return set(connection.execute(_CONNECTIONS_DUE, {"now": time.time()}).scalars()) if is_any else set(), is_any


def _execute(statement: sa.Executable, connection: sa.Connection) -> None:
    connection.execute(statement)


def _parked(decision: Decision) -> list[dict[str, Any]]:
    event, now = decision.event, time.time()
    place = json.dumps(event.place.to_json()) if event.place is not None else None
    common = {
        "lane": event.lane,
        "connection": event.connection,
        "event_id": event.id,
        "place": place,
        "parked_at": now,
    }
    return [common | {"automation": one.automation, "key": one.key} for one in decision.parkings]
