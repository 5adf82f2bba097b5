"""Reconcile: find what was never delivered in the services' own trails, and take it in as if it had been.

What is found goes through the same inbox, so that an upload seen by webhook, delivery log and history is one event.
A connection that polls lives by this alone.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
import structlog

from roomkeeper.automations.automation import Automation
from roomkeeper.automations.trail import Search, Trail
from roomkeeper.errors import RemoteError, StoreUnavailable
from roomkeeper.runs import alerts
from roomkeeper.runs.alerts import Alert
from roomkeeper.runs.dispatch import Source
from roomkeeper.runs.inbox import Inbox
from roomkeeper.runs.store import Store, clean, trails

log = structlog.get_logger("reconcile")

_DAY = 86_400.0
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


@dataclass
class _Count:
    new: list[int] = field(default_factory=list)
    known: int = 0
    blind: list[str] = field(default_factory=list)

    def searched(self, connection: str, trail: str) -> Searched:
        return Searched(connection, trail, tuple(self.new), self.known, tuple(self.blind))


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
        self._failed: dict[tuple[str, str], int] = {}

    async def keep(self) -> None:
        """Search at once, and again and again, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.Event().wait())  # also where there is nothing to search
            for one in self._watched:
                tasks.create_task(self._keep_one(one))

    async def search_all(self, since: datetime | None = None) -> list[Searched]:
        """Search every trail once; from `since` on, if that is given, whatever was searched before."""
        return [await self._search(one, trail, since) for one in self._watched for trail in self._trails(one)]

    async def _keep_one(self, watched: Watched) -> None:
        rest = 0.0  # the first search waits for nobody: it is for what was missed until this moment
        while True:
            began = time.monotonic()
            for trail in self._trails(watched):
                try:
                    if await self._store.writing(partial(self._claim, watched, trail, rest)):
                        await self._search(watched, trail)
                except StoreUnavailable as error:
                    log.warning("cannot search", connection=watched.source.name, reason=error.message)
            rest, took = watched.every * 0.9, time.monotonic() - began
            await asyncio.sleep(max(watched.every - took, took * (_SHARE - 1) if watched.polls else 0.0, 0.5))

    def _trails(self, watched: Watched) -> list[Trail]:
        """Choose the trails to search: where nothing is delivered there is no log of deliveries."""
        return [one for one in watched.source.connector.trails if one.can_stand_in or not watched.polls]

    async def _search(self, watched: Watched, trail: Trail, since: datetime | None = None) -> Searched:
        name = watched.source.name
        count = _Count()
        try:
            search = await self._store.writing(partial(self._begin, watched, trail, since))
            if not search.types:
                return Searched(name, trail.name)
            client = watched.source.client.view(bulk=True)
            async for findings in trail.find(client, search):
                taken = await asyncio.to_thread(self._inbox.take_in, findings.events)
                count.new += taken.new
                count.known += taken.known
                count.blind += findings.blind
                if findings.position is not None:
                    await self._store.writing(partial(_end, name, trail.name, findings.position, count))
        except RemoteError as error:
            await self._say(watched, trail, count.blind, error)
            return replace(count.searched(name, trail.name), error=error.message, remedy=error.remedy)
        await self._say(watched, trail, count.blind, None)
        if count.new:
            log.info("found what was never delivered", connection=name, trail=trail.name, events=len(count.new))
        return count.searched(name, trail.name)

    def _claim(self, watched: Watched, trail: Trail, rest: float, connection: sa.Connection) -> bool:
        """Take one's turn: of several processes one searches, and none that searched so many seconds ago."""
        self._ensure(watched, trail, connection)
        now = self._store.now(connection)
        free = trails.c.claimed_at <= now - rest
        mine = trails.update().where(*_of(watched.source.name, trail.name), free)
        return connection.execute(mine.values(claimed_at=now)).rowcount > 0

    def _ensure(self, watched: Watched, trail: Trail, connection: sa.Connection) -> None:
        row = {"connection": watched.source.name, "name": trail.name, "began_at": time.time()}
        first = row | {"claimed_at": 0.0, "position": "{}", "found": 0, "trouble": ""}
        connection.execute(self._store.insert(trails).values(first).on_conflict_do_nothing())

    def _begin(self, watched: Watched, trail: Trail, since: datetime | None, connection: sa.Connection) -> Search:
        """Say what to look for: since the first search ever, but not so far back that what is known was forgotten."""
        self._ensure(watched, trail, connection)
        row = connection.execute(sa.select(trails).where(*_of(watched.source.name, trail.name))).one()
        began = int(row.began_at)  # services write whole seconds: what happened in this one may look older
        oldest = datetime.fromtimestamp(max(began, time.time() - (self._kept_days - 1) * _DAY), UTC)
        search = search_for(watched, self._automations, since or oldest)
        return search if since is not None else replace(search, position=json.loads(row.position))

    async def _say(self, watched: Watched, trail: Trail, blind: Sequence[str], error: RemoteError | None) -> None:
        """Write down what could not be looked at, and tell somebody once that goes on."""
        name = watched.source.name
        trouble = f"{error.message}. {error.remedy}".strip() if error is not None else "; ".join(blind)
        await self._store.writing(partial(_note, name, trail.name, trouble))
        failed = self._failed.get((name, trail.name), 0) + 1 if error is not None else 0
        self._failed[name, trail.name] = failed
        if error is not None:
            log.warning("cannot search", connection=name, trail=trail.name, reason=error.message, remedy=error.remedy)
        scope = f"trail {name} {trail.name} "
        wrong = [Alert(f"{scope}{one}", f"{name}: {one}") for one in blind]
        if failed >= _PATIENCE and error is not None:
            what = f"{name}: the {trail.name} cannot be searched for what was missed: {error.message}"
            wrong.append(Alert(f"{scope}failed", what, error.remedy))
        if failed == 0 or failed >= _PATIENCE:
            await asyncio.to_thread(alerts.settle, self._store, scope, wrong)


def search_for(watched: Watched, automations: Sequence[Automation], since: datetime) -> Search:
    """Say what automations want to know of a connection: which kinds of event, in which rooms."""
    name, connector = watched.source.name, watched.source.connector
    raised = connector.raised(watched.settings)
    listening = [one for one in automations if one.from_ in {None, name} and one.on in raised]
    rooms: list[int | str] | None = []
    for one in listening:
        wanted = one.where.get("room")
        if wanted is None or rooms is None:
            rooms = None
            continue
        named = wanted if isinstance(wanted, list) else [wanted]
        rooms += [room if isinstance(room, int) else str(room) for room in named]
    return Search(
        connection=name,
        settings=watched.settings,
        since=since,
        types=frozenset(one.on for one in listening),
        rooms=None if rooms is None else tuple(dict.fromkeys(rooms)),
        hook=watched.hook,
    )


def _of(connection: str, trail: str) -> tuple[Any, ...]:
    return trails.c.connection == connection, trails.c.name == trail


def _end(name: str, trail: str, position: Mapping[str, Any], count: _Count, connection: sa.Connection) -> None:
    """Remember how far it was searched, now that all that was found is kept."""
    known = {"position": json.dumps(position), "searched_at": time.time(), "found": trails.c.found + len(count.new)}
    connection.execute(trails.update().where(*_of(name, trail)).values(known))


def _note(name: str, trail: str, trouble: str, connection: sa.Connection) -> None:
    connection.execute(trails.update().where(*_of(name, trail)).values(trouble=clean(trouble)))
