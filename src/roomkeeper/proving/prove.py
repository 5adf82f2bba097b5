"""Prove: go through everything that happened, by the services' own records, and say what became of each.

A line is *done* only if what was left behind is there now; what nobody can account for is *unaccounted*.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import sqlalchemy as sa

from roomkeeper.automations.automation import Automation
from roomkeeper.automations.event import Event
from roomkeeper.contract.catalog import Catalog, Source
from roomkeeper.contract.evidence import Evidence, Sight
from roomkeeper.errors import RemoteError
from roomkeeper.intake.events import WITHOUT_BODY, event_of
from roomkeeper.intake.inbox import recognised
from roomkeeper.proving.fates import Fate, Fates, Line
from roomkeeper.store.database import Store
from roomkeeper.store.moments import written
from roomkeeper.store.tables import events, waiting
from roomkeeper.watching.reconcile import Watched, listening_since, search_for

_PAGE = 500  # events that are looked up at once
_NAMED = 3  # things of one line that are named
_LIVE = timedelta(minutes=2)  # what happened so lately may be on its way


@dataclass(frozen=True)
class Proof:
    """What became of everything since a moment; `blind` says what could not be looked at, `notes` what to know."""

    automation: str
    since: str
    until: str
    lines: Sequence[Line]
    blind: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Count the lines of each outcome."""
        return dict(Counter(one.outcome for one in self.lines))

    @property
    def rows(self) -> str:
        """Give the lines as JSON with sorted keys, each ended by a newline."""
        return "".join(json.dumps(vars(one), sort_keys=True, ensure_ascii=False) + "\n" for one in self.lines)

    @property
    def digest(self) -> str:
        """SHA-256 over `rows`."""
        return hashlib.sha256(self.rows.encode()).hexdigest()

    @property
    def is_complete(self) -> bool:
        """Whether everything is accounted for, and all could be looked at."""
        return not self.blind and not any(one.outcome == "unaccounted" for one in self.lines)


class Prover:
    """Accounts for automations, by what the connections' trails tell."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        sources: Mapping[str, Source],
        watched: Sequence[Watched],
        *,
        kept_days: int,
    ) -> None:
        self._store, self._catalog, self._sources = store, catalog, sources
        self._watched, self._kept_days = watched, kept_days

    async def prove(self, automation: Automation, since: datetime) -> Proof:
        """Account for everything that the automation is for. Raises StoreUnavailable."""
        until = datetime.now(UTC)
        oldest = until - timedelta(days=self._kept_days - 1)
        blind: list[str] = []
        notes: list[str] = []
        if since < oldest:
            notes.append(f"what is older than {self._kept_days} days is not kept (`retention`); shown from there on")
            since = oldest
        fates: list[Fate] = []
        for watched in [one for one in self._watched if one.listening([automation])]:
            happened = await self._happened(automation, watched, since, blind, notes)
            happened += await self._store.reading(partial(_also_received, automation, watched, since, happened))
            for at in range(0, len(happened), _PAGE):
                page = happened[at : at + _PAGE]
                fates += await self._store.reading(partial(self._fates, automation, watched, page))
        lines = await self._looked_for(fates, blind)
        lines.sort(key=lambda one: (one.at, one.subject))
        return Proof(automation.name, written(since), written(until), lines, blind, notes)

    # --- what happened ----------------------------------------------------------------------------------------

    async def _happened(
        self, automation: Automation, watched: Watched, since: datetime, blind: list[str], notes: list[str]
    ) -> list[Event]:
        """List what happened by the connection's own record; without one, what was received."""
        name = watched.source.name
        trail = next((one for one in watched.source.connector.trails if one.is_complete), None)
        if trail is None:
            notes.append(f"{name} keeps no record that could be asked: only what was received is shown")
            return await self._store.reading(partial(_received, name, automation.event_types, since))
        found: dict[str, Event] = {}
        try:
            # What cannot be told from an edit is no upload that somebody misses, unless nothing else tells of uploads.
            search = replace(search_for(watched, [automation], since), is_full=True)
            async for findings in trail.find(watched.source.client.view(bulk=True), search):
                found |= {one.delivery: one for one in findings.events if one.at >= since}
                blind += [f"{name}: {one}" for one in findings.blind.values()]
        except RemoteError as error:
            blind.append(f"{name}: the {trail.name} cannot be read: {error.said}")
        happened = list(found.values())
        if happened and watched.source.connector.is_built_in:  # what was due before something was due is nothing
            began = await self._store.reading(partial(listening_since, happened=happened[0])) or 0.0
            return [one for one in happened if one.at.timestamp() >= began]
        return happened

    # --- what became of it --------------------------------------------------------------------------------------

    def _fates(
        self, automation: Automation, watched: Watched, happened: Sequence[Event], db: sa.Connection
    ) -> list[Fate]:
        live = max(_LIVE, timedelta(seconds=2 * watched.every))
        return Fates(db, automation, self._catalog, self._sources, live=live).of(happened)

    async def _looked_for(self, fates: Sequence[Fate], blind: list[str]) -> list[Line]:
        """Look whether all that was left behind is there; a line with something missing is not accounted for."""
        sights: dict[tuple[str, Evidence], Sight] = {}
        for name in {where for fate in fates for where, _ in fate.evidence}:
            sighted = self._sources[name].connector.sighted
            if sighted is None:
                continue
            wanted = {one for fate in fates for where, one in fate.evidence if where == name}
            try:
                found = await sighted(self._sources[name].client.view(bulk=True), wanted)
            except RemoteError as error:
                blind.append(f"{name}: it cannot be seen whether all is still there: {error.said}")
            else:
                sights |= {(name, one): sight for one, sight in found.items()}
        return [_judged(fate, sights) for fate in fates]


def _judged(fate: Fate, sights: Mapping[tuple[str, Evidence], Sight]) -> Line:
    seen = [(one, sights[where, one]) for where, one in fate.evidence if (where, one) in sights]
    gone = [f"{one.kind} {one.id} {sight.said}" for one, sight in seen if not sight.stands]
    if not gone:
        shown = "; ".join(sight.said for one, sight in seen if one.item)
        return replace(fate.line, said=f"{fate.line.said}: {shown}") if shown else fate.line
    which = ", ".join(gone[:_NAMED]) + (" …" if len(gone) > _NAMED else "")
    again = f"; `roomkeeper events replay {fate.line.event}` has it done again" if fate.line.event is not None else ""
    remedy = f"Restore it, if it was not meant to go{again}."
    return replace(fate.line, outcome="unaccounted", said=f"{fate.line.said}; but {which}", remedy=remedy)


def _also_received(
    automation: Automation, watched: Watched, since: datetime, happened: Sequence[Event], db: sa.Connection
) -> list[Event]:
    """List what this automation was told of and the record does not tell: what was deleted for good, or overwritten.

    What our own events know is never missing.
    """
    told = set(recognised(db, happened).values())
    repeated = sa.select(events.c.id, events.c.duplicate_of).where(
        events.c.connection == watched.source.name,
        events.c.status == "duplicate",
        events.c.received_at >= since.timestamp(),
    )
    told |= {original for number, original in db.execute(repeated) if number in told}
    mine = sa.select(waiting.c.event_id).where(waiting.c.automation == automation.name)
    query = sa.select(*WITHOUT_BODY).where(
        events.c.connection == watched.source.name,
        events.c.type.in_(automation.event_types),
        events.c.status == "accepted",
        events.c.at >= since.timestamp(),
        events.c.id.in_(mine),
    )
    return [event_of(row) for row in db.execute(query.order_by(events.c.id)) if row.id not in told]


def _received(name: str, types: Sequence[str], since: datetime, db: sa.Connection) -> list[Event]:
    query = sa.select(*WITHOUT_BODY).where(
        events.c.connection == name,
        events.c.type.in_(types),
        events.c.status.in_(["accepted", "ignored"]),
        events.c.received_at >= since.timestamp(),
    )
    return [event_of(row) for row in db.execute(query.order_by(events.c.id))]


def day_ago(days: float) -> datetime:
    """Give the moment so many days ago."""
    return datetime.fromtimestamp(time.time() - days * 86_400, UTC)
