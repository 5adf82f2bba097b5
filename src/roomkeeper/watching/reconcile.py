"""Reconcile: find what was never delivered in the services' own trails, and take it in as if it had been.

What is found goes through the same inbox, so that an upload seen by webhook, delivery log and history is one event.
A connection that polls lives by this alone.
"""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
import structlog

from roomkeeper.automations.automation import Automation, heard_of, listening_to
from roomkeeper.automations.event import Event
from roomkeeper.contract.catalog import Source
from roomkeeper.contract.trail import Search, Trail, listened, listened_by_number
from roomkeeper.errors import Forbidden, NotFound, RemoteError, RoomkeeperError, ScopeMissing, StoreUnavailable
from roomkeeper.intake import following
from roomkeeper.intake.inbox import Inbox
from roomkeeper.outside import cleaned
from roomkeeper.store import alerts
from roomkeeper.store.alerts import Alert
from roomkeeper.store.database import Store
from roomkeeper.store.tables import events, trails

log = structlog.get_logger("reconcile")

_DAY = 86_400.0
_SOON = 30.0  # seconds to the second search: a webhook may have been missing at first, and was mended by then
_AT_FIRST = 2  # searches that find what was missed before all was in order
_SHARE = 5  # polling takes at most this part of its time for itself: rooms without end shall not eat the budget
_PATIENCE = 3  # searches in a row that may fail before somebody is told


@dataclass(frozen=True)
class Watched:
    """A connection whose trails are searched: every so many seconds, and what its settings say."""

    source: Source
    settings: Any
    every: float
    #: Whether nothing is delivered.
    polls: bool
    #: Where the service delivers to.
    hook: str = ""

    def listening(self, automations: Sequence[Automation]) -> list[Automation]:
        """List the automations that listen to it."""
        return listening_to(self.source.name, automations, self.source.connector.raised(self.settings))

    def is_asked(self, automations: Sequence[Automation]) -> bool:
        """Whether a person who has all searched wants to hear of it: what is there by itself may have nothing to do."""
        return not self.source.connector.is_built_in or bool(self.listening(automations))


@dataclass(frozen=True)
class Searched:
    """What a search of one trail came to; `error` and `remedy` say why it came to nothing."""

    connection: str
    trail: str
    new: tuple[int, ...] = ()
    known: int = 0
    blind: tuple[str, ...] = ()
    error: str = ""
    remedy: str = ""
    note: str = ""


@dataclass
class _Count:
    new: list[int] = field(default_factory=list)
    known: int = 0
    missed: int = 0  # of the new ones, those that a delivery should have told of
    blind: dict[str, str] = field(default_factory=dict)

    def searched(self, connection: str, trail: str) -> Searched:
        return Searched(connection, trail, tuple(self.new), self.known, tuple(self.blind.values()))


class Reconciler:
    """Searches the trails of connections."""

    def __init__(
        self,
        store: Store,
        inbox: Inbox,
        watched: Sequence[Watched],
        automations: Sequence[Automation],
        *,
        kept_days: int,
    ) -> None:
        self._store, self._inbox, self._watched = store, inbox, watched
        self._automations, self._kept_days = automations, kept_days
        self._made_at = time.time()  # before anything is served: from then on nothing is missed
        self._failed: dict[tuple[str, str], int] = {}
        self._searches = Counter[tuple[str, str]]()

    async def keep(self) -> None:
        """Search at once, and again and again, until cancelled."""
        with contextlib.suppress(StoreUnavailable):  # then each search does it for itself
            await self._store.writing(self._mark_beginnings)
        kept = [f"trail {one.source.name} " for one in self._watched]
        await asyncio.to_thread(alerts.retain, self._store, "trail ", kept)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.Event().wait())  # also where there is nothing to search
            for one in self._watched:
                tasks.create_task(self._keep_one(one))

    async def search_all(self, since: datetime | None = None) -> list[Searched]:
        """Search every trail once; from `since` on, if that is given, whatever was searched before."""
        asked = [one for one in self._watched if one.is_asked(self._automations)]
        return [await self._search(one, trail, since) for one in asked for trail in self._trails(one)]

    async def _keep_one(self, watched: Watched) -> None:
        rest = 0.0  # the first search waits for nobody: it is for what was missed until this moment
        every = min(watched.every, _SOON)
        while True:
            began = time.monotonic()
            for trail in self._trails(watched):
                try:
                    if await self._store.writing(partial(self._claim, watched, trail, rest)):
                        await self._search(watched, trail)
                except StoreUnavailable as error:
                    log.warning("cannot search", connection=watched.source.name, reason=error.message)
                except Exception:  # what one service answers must not stop the deliveries of all
                    log.exception("a search failed", connection=watched.source.name, trail=trail.name)
                    with contextlib.suppress(StoreUnavailable):
                        await self._tell(watched, trail, {}, _unforeseen(trail))
            rest, took = every * 0.9, time.monotonic() - began
            await asyncio.sleep(max(every - took, took * (_SHARE - 1) if watched.polls else 0.0, 0.5))
            every = watched.every

    def _trails(self, watched: Watched) -> list[Trail]:
        """Choose the trails to search: where nothing is delivered there is no log of deliveries."""
        return [one for one in watched.source.connector.trails if one.can_stand_in or not watched.polls]

    async def _search(self, watched: Watched, trail: Trail, since: datetime | None = None) -> Searched:
        name = watched.source.name
        count = _Count()
        try:
            search = await self._store.writing(partial(self._begin, watched, trail, since))
            if not search.types:
                await self._tell(watched, trail, {}, None)
                return Searched(name, trail.name)
            client = watched.source.client.view(bulk=True)
            async for findings in trail.find(client, search):
                taken = await asyncio.to_thread(self._inbox.take_in, findings.events)
                count.new += taken.new
                count.missed += len(taken.new) if findings.is_sure else 0
                count.known += taken.known
                count.blind |= findings.blind
                if findings.moves:
                    await self._store.writing(partial(following.follow, name, findings.moves))
                if findings.position is not None:
                    await self._store.writing(partial(_end, name, trail.name, findings.position))
                if findings.listened is not None and since is None:
                    await self._store.writing(partial(_listened, name, trail.name, findings.listened))
        except (Forbidden, ScopeMissing) as error:
            if trail.is_complete:
                return await self._failed_to(count, watched, trail, error)
            # A key for files and rooms alone may not: the other trail is enough.
            note = f"not searched, for the key may not: {error.message}"
            await self._store.writing(partial(_note, name, trail.name, note))
            return replace(count.searched(name, trail.name), note=note)
        except RemoteError as error:
            return await self._failed_to(count, watched, trail, error)
        await self._tell(watched, trail, count.blind, None, missed=count.missed)
        if count.new:
            log.info("found what was never delivered", connection=name, trail=trail.name, events=len(count.new))
        return count.searched(name, trail.name)

    async def _failed_to(self, count: _Count, watched: Watched, trail: Trail, error: RemoteError) -> Searched:
        await self._tell(watched, trail, count.blind, error, missed=count.missed)
        found = count.searched(watched.source.name, trail.name)
        return replace(found, error=error.message, remedy=error.remedy)

    def _claim(self, watched: Watched, trail: Trail, rest: float, connection: sa.Connection) -> bool:
        """Take one's turn: of several processes one searches, and none that searched so many seconds ago."""
        self._ensure(watched, trail, connection)
        return self._store.take_turn(connection, trails, *_of(watched.source.name, trail.name), rest=rest)

    def _mark_beginnings(self, connection: sa.Connection) -> None:
        """Write down that trails begin now, whatever becomes of this process before its first search is over."""
        for one in self._watched:
            for trail in self._trails(one):
                self._ensure(one, trail, connection)

    def _ensure(self, watched: Watched, trail: Trail, connection: sa.Connection) -> None:
        name = watched.source.name
        if connection.execute(sa.select(trails.c.name).where(*_of(name, trail.name))).first() is not None:
            return
        # A store that was in use before trails were searched goes on from the last event that it has.
        last = connection.execute(sa.select(sa.func.max(events.c.received_at)).where(events.c.connection == name))
        row = {"connection": name, "name": trail.name, "began_at": min(self._made_at, last.scalar() or self._made_at)}
        first = row | {"claimed_at": 0.0, "position": "{}", "starts": "", "trouble": ""}
        connection.execute(self._store.insert(trails).values(first).on_conflict_do_nothing())

    def _begin(self, watched: Watched, trail: Trail, since: datetime | None, connection: sa.Connection) -> Search:
        """Say what to look for: since the first search ever, but not so far back that what is known was forgotten."""
        self._ensure(watched, trail, connection)
        row = connection.execute(sa.select(trails).where(*_of(watched.source.name, trail.name))).one()
        kept = (self._kept_days - min(1.0, self._kept_days / 2)) * _DAY
        began = int(row.began_at)  # services write whole seconds: what happened in this one may look older
        oldest = datetime.fromtimestamp(max(began, time.time() - kept), UTC)
        search = search_for(watched, self._automations, since or oldest)
        starts = _starts(row, watched, self._automations) | _by_number(row)
        if since is not None:  # what was due before something was due is nothing; elsewhere somebody wants it
            return replace(search, starts=starts) if watched.source.connector.is_built_in else search
        if json.dumps(starts, sort_keys=True) != row.starts:
            mine = trails.update().where(*_of(watched.source.name, trail.name))
            connection.execute(mine.values(starts=json.dumps(starts, sort_keys=True)))
        return replace(search, position=json.loads(row.position), starts=starts)

    async def _tell(
        self,
        watched: Watched,
        trail: Trail,
        blind: Mapping[str, str],
        error: RoomkeeperError | None,
        *,
        missed: int = 0,
    ) -> None:
        """Write down what came of a search, and tell somebody once something goes on to be wrong.

        What is found after the first two searches should have been delivered: we were there, and what kept it from
        us at the start was mended.
        """
        if self._searches[watched.source.name, trail.name] < _AT_FIRST or watched.polls:
            missed = 0
        if error is None:
            self._searches[watched.source.name, trail.name] += 1
        name = watched.source.name
        trouble = error.said if error is not None else "; ".join(blind.values())
        await self._store.writing(partial(_note, name, trail.name, trouble))
        failed = self._failed.get((name, trail.name), 0) + 1 if error is not None else 0
        self._failed[name, trail.name] = failed
        remedy = _NOT_THERE if isinstance(error, NotFound) else error.remedy if error is not None else ""
        if error is not None:
            log.warning("cannot search", connection=name, trail=trail.name, reason=error.message, remedy=remedy)
        scope = f"trail {name} {trail.name} "
        wrong = [Alert(f"{scope}{about}", f"{name}: {said}", _PUT_RIGHT) for about, said in blind.items()]
        if missed:
            wrong.append(await self._store.reading(partial(_missed, name, trail.name, f"{scope}missed", missed)))
        if failed >= _PATIENCE and error is not None:
            what = f"{name}: the {trail.name} cannot be searched for what was missed: {error.message}"
            wrong.append(Alert(f"{scope}failed", what, remedy))
        if failed == 0 or failed >= _PATIENCE:
            await asyncio.to_thread(alerts.settle, self._store, scope, wrong)


_NOT_THERE = "Look at the `url` of the connection: the service has nothing under this address."
_PUT_RIGHT = "Put that right: it is looked into again every few minutes."


def search_for(watched: Watched, automations: Sequence[Automation], since: datetime) -> Search:
    """Say what automations want to know of a connection: which kinds of event, in which rooms."""
    listening = watched.listening(automations)
    rooms = None if any(not one.rooms for one in listening) else [room for one in listening for room in one.rooms]
    return Search(
        connection=watched.source.name,
        settings=watched.settings,
        since=since,
        types=heard_of(listening),
        rooms=tuple(dict.fromkeys(rooms)) if rooms is not None else None,
        hook="" if watched.polls else watched.hook,
    )


def listening_since(db: sa.Connection, happened: Event) -> float | None:
    """Say since when what happened there is acted on; without a search of it, since the first event from there."""
    told = happened.raw if isinstance(happened.raw, dict) else {}
    room, number = told.get("room"), told.get("number", "")
    found = []
    for row in db.execute(sa.select(trails).where(trails.c.connection == happened.connection)):
        starts = json.loads(row.starts) if row.starts else {}
        names = (listened(happened.type), listened(happened.type, room), listened_by_number(happened.type, number))
        named = [starts[one] for one in names if one in starts]
        found.append(min(named, default=row.began_at))
    if found:
        return float(min(found))
    first = sa.select(sa.func.min(events.c.received_at)).where(events.c.connection == happened.connection)
    oldest = db.execute(first).scalar()
    return float(oldest) if oldest is not None else None


def _starts(row: Any, watched: Watched, automations: Sequence[Automation]) -> dict[str, float]:  # noqa: ANN401
    """Say since when each kind of event is listened to in each room: what is new in the configuration begins now."""
    known = json.loads(row.starts) if row.starts else None
    wanted: set[str] = set()
    for one in watched.listening(automations):
        for type_ in one.event_types:
            wanted |= {listened(type_, room) for room in one.rooms} or {listened(type_)}
    return {one: row.began_at if known is None else known.get(one, time.time()) for one in wanted}


def _by_number(row: Any) -> dict[str, float]:  # noqa: ANN401 - a row of `trails`
    """Give since when rooms are listened to by their numbers: those of the last search, however they were named."""
    mark = listened_by_number("", "")
    return {name: at for name, at in json.loads(row.starts or "{}").items() if mark in name}


def _listened(name: str, trail: str, begun: Mapping[str, float], connection: sa.Connection) -> None:
    """Remember since when the rooms of this search are listened to; those of no automation any more are forgotten."""
    row = connection.execute(sa.select(trails).where(*_of(name, trail))).one()
    named = {key: at for key, at in json.loads(row.starts or "{}").items() if key not in _by_number(row)}
    starts = json.dumps(named | dict(begun), sort_keys=True)
    if starts != row.starts:
        connection.execute(trails.update().where(*_of(name, trail)).values(starts=starts))


def _unforeseen(trail: Trail) -> RoomkeeperError:
    return RoomkeeperError(f"the {trail.name} could not be searched; the log says why", remedy="Please report it.")


def _of(connection: str, trail: str) -> tuple[Any, ...]:
    return trails.c.connection == connection, trails.c.name == trail


def _missed(name: str, trail: str, key: str, many: int, connection: sa.Connection) -> Alert:
    """Say that events did not arrive; or that deliveries came and were refused, which is then the reason."""
    told = f"{name}: {many} event{' was' if many == 1 else 's were'} never delivered"
    found = f"found in the {trail} and taken in"
    since = (events.c.received_at >= time.time() - _DAY, events.c.status == "refused", events.c.connection == name)
    refused = connection.execute(sa.select(events.c.reason).where(*since).order_by(events.c.id.desc())).scalars().all()
    if not refused:
        return Alert(key, f"{told}, and {found}", "`roomkeeper doctor` says what keeps deliveries from arriving.")
    came = f"{len(refused)} deliver{'y' if len(refused) == 1 else 'ies'} of the last day came and were refused"
    remedy = "Put its secret right at both ends; `roomkeeper events list --status refused` shows what came."
    return Alert(key, f"{told}, and {found}: {came} ({refused[0]})", remedy)


def _end(name: str, trail: str, position: Mapping[str, Any], connection: sa.Connection) -> None:
    """Remember how far it was searched, now that all that was found is kept."""
    known = {"position": json.dumps(position), "searched_at": time.time()}
    connection.execute(trails.update().where(*_of(name, trail)).values(known))


def _note(name: str, trail: str, trouble: str, connection: sa.Connection) -> None:
    connection.execute(trails.update().where(*_of(name, trail)).values(trouble=cleaned(trouble)))
