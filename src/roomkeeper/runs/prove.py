"""Prove: go through everything that happened, by the services' own records, and say what became of each.

A line is *done* only if what was left behind is there now; what nobody can account for is *unaccounted*.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

import sqlalchemy as sa

from roomkeeper.automations.automation import Automation, acts_on
from roomkeeper.automations.catalog import Catalog
from roomkeeper.automations.event import Event
from roomkeeper.automations.evidence import Evidence
from roomkeeper.errors import RemoteError
from roomkeeper.runs.dispatch import Source, event_of
from roomkeeper.runs.history import moment
from roomkeeper.runs.inbox import recognised
from roomkeeper.runs.orders import undone_by
from roomkeeper.runs.reconcile import Watched, listening_since, search_for
from roomkeeper.runs.store import Store, events, runs, steps, waiting

Outcome = Literal["done", "waiting", "failed", "excluded", "unaccounted"]
_PAGE = 500  # events that are looked up at once
_LIVE = timedelta(minutes=2)  # what happened so lately may be on its way


@dataclass(frozen=True)
class Line:
    """One thing that happened, and what became of it: `said` says where it is, or why it is not."""

    at: str
    subject: str
    by: str
    outcome: Outcome
    said: str
    remedy: str = ""
    event: int | None = None
    run: int | None = None
    done_at: str | None = None


@dataclass(frozen=True)
class Proof:
    """What became of everything since a moment; `blind` says what could not be looked at."""

    automation: str
    since: str
    until: str
    lines: Sequence[Line]
    blind: Sequence[str] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Count the lines of each outcome."""
        return dict(Counter(one.outcome for one in self.lines))

    @property
    def digest(self) -> str:
        """SHA-256 over the lines, each as JSON with sorted keys, ended by a newline."""
        rows = "".join(json.dumps(vars(one), sort_keys=True, ensure_ascii=False) + "\n" for one in self.lines)
        return hashlib.sha256(rows.encode()).hexdigest()

    @property
    def is_complete(self) -> bool:
        """Whether everything is accounted for, and all could be looked at."""
        return not self.blind and not any(one.outcome == "unaccounted" for one in self.lines)


@dataclass(frozen=True)
class _Fate:
    """A line before it was looked whether its evidence stands."""

    line: Line
    evidence: tuple[tuple[str, Evidence], ...] = ()  # by the connection where it must be


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
        if since < oldest:
            blind.append(f"what is older than {self._kept_days} days is not kept (`retention`); shown from there on")
            since = oldest
        fates: list[_Fate] = []
        for watched in [one for one in self._watched if self._is_source(automation, one)]:
            happened, unseen = await self._happened(automation, watched, since)
            blind += unseen
            for at in range(0, len(happened), _PAGE):
                page = happened[at : at + _PAGE]
                fates += await self._store.reading(partial(self._fates, automation, page))
        lines = await self._looked_for(fates, blind)
        lines.sort(key=lambda one: (one.at, one.subject))
        return Proof(automation.name, moment_of(since), moment_of(until), lines, blind)

    @staticmethod
    def _is_source(automation: Automation, watched: Watched) -> bool:
        name = watched.source.name
        raised = watched.source.connector.raised(watched.settings)
        return automation.from_ in {None, name} and automation.on in raised

    # --- what happened ----------------------------------------------------------------------------------------

    async def _happened(
        self, automation: Automation, watched: Watched, since: datetime
    ) -> tuple[list[Event], list[str]]:
        """List what happened by the connection's own record; without one, what was received."""
        name = watched.source.name
        trail = next((one for one in watched.source.connector.trails if one.is_complete), None)
        if trail is None:
            received = await self._store.reading(partial(_received, name, automation.on, since))
            return received, [f"{name} keeps no record that could be asked: only what was received is shown"]
        found: dict[str, Event] = {}
        blind: list[str] = []
        try:
            # What cannot be told from an edit is no upload that somebody misses, unless nothing else tells of uploads.
            search = replace(search_for(watched, [automation], since), is_alone=watched.polls)
            async for findings in trail.find(watched.source.client.view(bulk=True), search):
                found |= {one.delivery: one for one in findings.events if one.at >= since}
                blind += [f"{name}: {one}" for one in findings.blind.values()]
        except RemoteError as error:
            blind.append(f"{name}: the {trail.name} cannot be read: {error.message}. {error.remedy}")
        return list(found.values()), blind

    # --- what became of it --------------------------------------------------------------------------------------

    def _fates(self, automation: Automation, happened: Sequence[Event], db: sa.Connection) -> list[_Fate]:
        known = recognised(db, happened)
        rows = _rows(db, known.values())
        return [self._fate(automation, one, rows.get(known.get(one.delivery, 0)), db) for one in happened]

    def _fate(
        self,
        automation: Automation,
        happened: Event,
        row: Any,  # noqa: ANN401 - a row of `events`, or None
        db: sa.Connection,
    ) -> _Fate:
        line = Line(moment_of(happened.at), happened.subject, happened.actor, "unaccounted", "")
        if row is None:
            return _Fate(_never_seen(line, happened, listening_since(db, happened)))
        line = replace(line, event=row.id)
        if row.state == "new":
            return _Fate(replace(line, outcome="waiting", said=row.reason or "it is about to be dispatched"))
        parked = db.execute(
            sa.select(waiting.c.run_id)
            .where(waiting.c.event_id == row.id, waiting.c.automation == automation.name)
            .order_by(waiting.c.run_id.is_(None), waiting.c.id.desc())
        ).first()
        if parked is None:
            said = row.reason or f"`where` of {automation.name} leaves it out"
            return _Fate(replace(line, outcome="excluded", said=said))
        if parked.run_id is None:
            why = "the automation is paused" if automation.paused else "its run has not begun"
            return _Fate(replace(line, outcome="waiting", said=why))
        return self._fate_of_run(replace(line, run=parked.run_id), happened, automation, db)

    def _fate_of_run(self, line: Line, happened: Event, automation: Automation, db: sa.Connection) -> _Fate:
        run = db.execute(sa.select(runs).where(runs.c.id == line.run)).first()
        if run is None:
            return _Fate(replace(line, said="its run is no longer there", remedy="Restore the store from a backup."))
        if run.state == "cancelled":
            said = f"run {run.id} was cancelled by hand"
            return _Fate(replace(line, outcome="excluded", said=said, done_at=moment(run.ended_at)))
        if (undone := undone_by(db, run)) is not None:
            return _Fate(replace(line, outcome="excluded", said=f"run {run.id} was undone by run {undone}"))
        if run.state in {"waiting", "running"}:
            return _Fate(replace(line, outcome="waiting", said=f"run {run.id} is {run.state}"))
        walked = db.execute(sa.select(steps).where(steps.c.run_id == run.id).order_by(steps.c.position)).all()
        evidence = self._evidence(happened, automation, walked)
        if run.state == "needs_attention" and not any(one.item for _, one in evidence):
            why, remedy = _why_failed(happened, run, walked)
            return _Fate(replace(line, outcome="failed", said=why, remedy=remedy))
        said = "; ".join(dict.fromkeys(one.said for _, one in evidence)) or f"run {run.id} is done"
        skipped = _skipped(happened, walked)
        if skipped and not evidence:
            return _Fate(replace(line, outcome="excluded", said=skipped))
        return _Fate(replace(line, outcome="done", said=said, done_at=moment(run.ended_at)), tuple(evidence))

    def _evidence(self, happened: Event, automation: Automation, walked: Sequence[Any]) -> list[tuple[str, Evidence]]:
        """List what the run's steps left behind for this event, and where."""
        found = []
        types = {name: one.connector.type for name, one in self._sources.items()}
        subject = str(happened.facts.get(happened.noun, {}).get("id", ""))
        for row, step in zip(walked, automation.steps, strict=False):
            kinds = self._catalog.kinds(row.do)
            where = acts_on(step, kinds, happened.connection, types) if step.do == row.do else None
            kind = kinds.get(types.get(where or "", ""))
            if kind is None or kind.evidence is None or where is None or not row.result:
                continue
            found += [(where, one) for one in kind.evidence(json.loads(row.result)) if one.item in {"", subject}]
        return found

    async def _looked_for(self, fates: Sequence[_Fate], blind: list[str]) -> list[Line]:
        """Look whether all that was left behind is there; a line with something missing is not accounted for."""
        stands: set[tuple[str, Evidence]] = set()
        unknown: set[str] = set()
        for name in {where for fate in fates for where, _ in fate.evidence}:
            standing = self._sources[name].connector.standing
            if standing is None:
                continue
            wanted = {one for fate in fates for where, one in fate.evidence if where == name}
            try:
                stands |= {(name, one) for one in await standing(self._sources[name].client.view(bulk=True), wanted)}
            except RemoteError as error:
                unknown.add(name)
                blind.append(f"{name}: it cannot be seen whether all is still there: {error.message}. {error.remedy}")
        return [_judged(fate, stands, unknown) for fate in fates]


def moment_of(at: datetime) -> str:
    """Write a moment as the rest of the product does."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _judged(fate: _Fate, stands: set[tuple[str, Evidence]], unknown: set[str]) -> Line:
    gone = [one for where, one in fate.evidence if where not in unknown and (where, one) not in stands]
    if not gone:
        return fate.line
    which = ", ".join(f"{one.kind} {one.id}" for one in gone[:3]) + (" …" if len(gone) > 3 else "")  # noqa: PLR2004
    said = f"{fate.line.said}; but {which} is no longer there"
    remedy = "Restore it from the portal's trash, if it was not meant to go."
    return replace(fate.line, outcome="unaccounted", said=said, remedy=remedy)


def _never_seen(line: Line, happened: Event, began: float | None) -> Line:
    """Say of what Roomkeeper does not know whether it could."""
    if began is None or happened.at.timestamp() < int(began):
        since = "never was" if began is None else f"first was on {moment(began)}"
        return replace(line, outcome="excluded", said=f"it happened before Roomkeeper listened, which {since}")
    if datetime.now(UTC) - happened.at < _LIVE:
        return replace(line, outcome="waiting", said="it has just happened, and may be on its way")
    remedy = f"`roomkeeper reconcile --since {happened.at:%Y-%m-%dT%H:%M}+00:00` takes it in."
    return replace(line, said="Roomkeeper was never told of it, and has not found it", remedy=remedy)


def _why_failed(happened: Event, run: Any, walked: Sequence[Any]) -> tuple[str, str]:  # noqa: ANN401
    """Find the reason for this very thing, or else for its run."""
    subject = f"{happened.noun} {happened.facts.get(happened.noun, {}).get('id', '')}"
    for row in walked:
        for one in json.loads(row.items) if row.items else []:
            if one["item"] == subject or one["item"].startswith(f"{subject} "):
                return f"run {run.id}: {one['reason']}", one["remedy"]
    return f"run {run.id}: {run.error}", run.remedy or f"`roomkeeper runs show {run.id}`"


def _skipped(happened: Event, walked: Sequence[Any]) -> str:
    """Say that a step left this very thing out, if it did."""
    subject = str(happened.facts.get(happened.noun, {}).get("id", ""))
    for row in walked:
        for one in (json.loads(row.result) if row.result else {}).get("report") or []:
            if str(one.get("file")) == subject and one.get("copy") is None:
                return str(one.get("outcome"))
    return ""


def _received(name: str, type_: str, since: datetime, db: sa.Connection) -> list[Event]:
    query = sa.select(*[column for column in events.c if column is not events.c.body]).where(
        events.c.connection == name,
        events.c.type == type_,
        events.c.status.in_(["accepted", "ignored"]),
        events.c.received_at >= since.timestamp(),
    )
    return [event_of(row) for row in db.execute(query.order_by(events.c.id))]


def _rows(db: sa.Connection, numbers: Iterable[int]) -> dict[int, Any]:
    """Read events by number; a duplicate stands for the one it repeats."""
    columns = (events.c.id, events.c.status, events.c.state, events.c.reason, events.c.duplicate_of)
    found = {row.id: row for row in db.execute(sa.select(*columns).where(events.c.id.in_(list(numbers))))}
    originals = {row.duplicate_of for row in found.values() if row.status == "duplicate" and row.duplicate_of}
    known = {row.id: row for row in db.execute(sa.select(*columns).where(events.c.id.in_(originals)))}
    return {number: known.get(row.duplicate_of, row) for number, row in found.items()}


def day_ago(days: float) -> datetime:
    """Give the moment so many days ago."""
    return datetime.fromtimestamp(time.time() - days * 86_400, UTC)
