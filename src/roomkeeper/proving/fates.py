"""What became of something that happened, by our own records: done, waiting, failed, excluded, or not known."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from roomkeeper.automations.automation import Automation, Step, acts_on, matches
from roomkeeper.automations.event import Event, Place
from roomkeeper.contract.catalog import Catalog, Source
from roomkeeper.contract.evidence import Evidence
from roomkeeper.contract.step import Entry, StepKind
from roomkeeper.intake import pauses, stranded
from roomkeeper.intake.events import COMES_TO_NOTHING, WITHOUT_BODY, event_of
from roomkeeper.intake.inbox import recognised
from roomkeeper.outside import cleaned
from roomkeeper.running.orders import numbered, undone_by
from roomkeeper.store.moments import moment, written
from roomkeeper.store.tables import OPEN, events, ledger, runs, steps, waiting
from roomkeeper.watching.reconcile import listening_since

Outcome = Literal["done", "waiting", "failed", "excluded", "unaccounted"]


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
class Fate:
    """A line, and what must be there if it is done: each piece of evidence with the connection where it must be."""

    line: Line
    evidence: tuple[tuple[str, Evidence], ...] = ()


class Fates:
    """Tells what became of events of one automation; within one reading transaction."""

    def __init__(
        self,
        db: sa.Connection,
        automation: Automation,
        catalog: Catalog,
        sources: Mapping[str, Source],
        *,
        live: timedelta,
    ) -> None:
        self._db, self._automation, self._catalog, self._sources = db, automation, catalog, sources
        self._live = live

    def of(self, happened: Sequence[Event]) -> list[Fate]:
        """Tell what became of each of these."""
        known = recognised(self._db, happened)
        rows = self._rows(known.values())
        return [self._of(one, rows.get(known.get(one.delivery, 0))) for one in happened]

    def _of(self, happened: Event, row: Any) -> Fate:  # noqa: ANN401 - a row of `events`, or None
        line = Line(written(happened.at), cleaned(happened.subject), cleaned(happened.actor), "unaccounted", "")
        if row is None:
            return Fate(self._never_seen(line, happened))
        line = replace(line, event=row.id)
        if row.state == "new":
            return Fate(replace(line, outcome="waiting", said=row.reason or "it is about to be dispatched"))
        if row.state == COMES_TO_NOTHING:
            return Fate(replace(line, outcome="failed", said=row.reason, remedy=f"`roomkeeper events replay {row.id}`"))
        parked = self._db.execute(
            sa.select(waiting.c.run_id)
            .where(waiting.c.event_id == row.id, waiting.c.automation == self._automation.name)
            .order_by(waiting.c.run_id.is_(None), waiting.c.id.desc())
        ).first()
        parked = parked or self._under_an_older_name(row.id)
        if parked is None:
            return Fate(self._not_parked(line, row, happened))
        if parked.run_id is None:
            is_paused = self._automation.paused or self._automation.name in pauses.paused(self._db)
            why = "the automation is paused" if is_paused else "its run has not begun"
            return Fate(replace(line, outcome="waiting", said=why))
        return self._of_run(replace(line, run=parked.run_id), happened)

    def _under_an_older_name(self, event: int) -> Any:  # noqa: ANN401 - a row
        """Find the run that took an event for what this automation is, before it was given its name."""
        query = sa.select(waiting.c.run_id, runs.c.text).join(runs, runs.c.id == waiting.c.run_id)
        rows = self._db.execute(query.where(waiting.c.event_id == event, runs.c.undoes.is_(None)))
        return next((row for row in rows if stranded.is_but_renamed(row.text, self._automation)), None)

    def _never_seen(self, line: Line, happened: Event) -> Line:
        """Say of what Roomkeeper does not know whether it could."""
        began = listening_since(self._db, happened)
        if began is not None and happened.at.timestamp() < int(began):
            said = f"it happened before Roomkeeper listened to it, which began on {moment(began)}"
            return replace(line, outcome="excluded", said=said)
        if datetime.now(UTC) - happened.at < self._live:
            return replace(line, outcome="waiting", said="it has just happened, and may be on its way")
        remedy = f"`roomkeeper reconcile --since {happened.at:%Y-%m-%dT%H:%M}+00:00` takes it in."
        return replace(line, said="Roomkeeper was never told of it, and has not found it", remedy=remedy)

    def _not_parked(self, line: Line, row: Any, happened: Event) -> Line:  # noqa: ANN401
        """Say why an event that is known went to no run of this automation."""
        if row.state != "parked":
            return replace(line, outcome="excluded", said=row.reason or "no automation was for it")
        place = self._db.execute(sa.select(waiting.c.place).where(waiting.c.event_id == row.id)).scalar()
        event = event_of(row, Place.from_json(json.loads(place)) if place else None)
        stored = self._sources[happened.connection].connector.stored_title
        if not matches(self._automation.where, event, stored=stored):
            return replace(line, outcome="excluded", said=f"`where` of {self._automation.name} leaves it out")
        said = "it is known, but this automation never had it, or its run is no longer kept (`retention`)"
        return replace(line, said=said, remedy=f"`roomkeeper events replay {row.id}`; what is done is not done twice.")

    def _of_run(self, line: Line, happened: Event) -> Fate:
        run = self._db.execute(sa.select(runs).where(runs.c.id == line.run)).first()
        if run is None:
            return Fate(replace(line, said="its run is no longer there", remedy="Restore the store from a backup."))
        if run.state == "cancelled":
            return self._of_cancelled(replace(line, done_at=moment(run.ended_at)), run, happened)
        undone = undone_by(self._db, run.id)
        if undone is not None:
            return Fate(self._of_undoing(line, run.id, undone))
        if run.state in OPEN:
            return Fate(replace(line, outcome="waiting", said=f"run {run.id} is {run.state}"))
        walked = self._db.execute(sa.select(steps).where(steps.c.run_id == run.id).order_by(steps.c.position)).all()
        text = Automation.model_validate(json.loads(run.text))
        evidence = self._evidence(happened, text, walked)
        if run.state == "needs_attention" and not _is_through(walked, text, evidence):
            said, remedy = _why_failed(happened, run, walked)
            return Fate(replace(line, outcome="failed", said=said, remedy=remedy))
        found = tuple(one for pieces in evidence.values() for one in pieces)
        left_out = "" if found else _left_out(happened, walked, set(evidence))
        if left_out:
            return Fate(replace(line, outcome="excluded", said=left_out))
        said = "; ".join(dict.fromkeys(one.said for _, one in found)) or f"run {run.id} is done"
        return Fate(replace(line, outcome="done", said=said, done_at=moment(run.ended_at)), found)

    def _of_cancelled(self, line: Line, run: Any, happened: Event) -> Fate:  # noqa: ANN401
        """Say of a cancelled run what it had done before: that has no result, but lines in the ledger."""
        text = Automation.model_validate(json.loads(run.text))
        lines = self._db.execute(sa.select(ledger).where(ledger.c.run_id == run.id, ledger.c.done)).all()
        found: list[tuple[str, Evidence]] = []
        for step in text.steps:
            where, kind = self._acting(step, happened)
            if kind is None or kind.remembered is None or where is None:
                continue
            entries = [(one.scope, Entry(one.item, True, one.target, json.loads(one.detail), run.id)) for one in lines]
            known = [kind.remembered(scope, entry) for scope, entry in entries]
            found += [(where, one) for one in known if one is not None and one.item == _subject(happened)]
        if not found:
            return Fate(replace(line, outcome="excluded", said=f"run {run.id} was cancelled by hand"))
        said = "; ".join(dict.fromkeys(one.said for _, one in found))
        said = f"{said}, before run {run.id} was cancelled by hand"
        return Fate(replace(line, outcome="done", said=said), tuple(dict.fromkeys(found)))

    def _acting(self, step: Step, happened: Event) -> tuple[str | None, StepKind | None]:
        """Say on which connection a step acts, and as what."""
        kinds = self._catalog.kinds(step.do)
        types = {name: one.connector.type for name, one in self._sources.items()}
        where = acts_on(step, kinds, happened.connection, types)
        return where, kinds.get(types.get(where or "", ""))

    def _of_undoing(self, line: Line, number: int, undone: int) -> Line:
        state = self._db.execute(sa.select(runs.c.state).where(runs.c.id == undone)).scalar()
        if state == "done":
            return replace(line, outcome="excluded", said=f"run {number} was undone by run {undone}")
        if state == "needs_attention":
            remedy = f"`roomkeeper runs show {undone}`"
            return replace(
                line, outcome="failed", said=f"run {undone} could not undo all of run {number}", remedy=remedy
            )
        return replace(line, outcome="waiting", said=f"run {undone} undoes run {number}")

    def _evidence(
        self, happened: Event, text: Automation, walked: Sequence[Any]
    ) -> dict[int, list[tuple[str, Evidence]]]:
        """List what the run's steps left behind for this event, and where, by the position of steps that tell."""
        found: dict[int, list[tuple[str, Evidence]]] = {}
        for row in [one for one in walked if one.position < len(text.steps)]:
            where, kind = self._acting(text.steps[row.position], happened)
            if kind is None or kind.evidence is None or where is None:
                continue
            result = _result(row)
            told = [result] if text.steps[row.position].for_each is None else result.get("results") or []
            pieces = [piece for one in told if one is not None for piece in kind.evidence(one)]
            mine = [one for one in pieces if happened.noun != "file" or one.item in {"", _subject(happened)}]
            found[row.position] = [(where, one) for one in mine]
        return found

    def _rows(self, numbers: Iterable[int]) -> dict[int, Any]:
        """Read events by number; a duplicate stands for the one it repeats."""
        read = sa.select(*WITHOUT_BODY)
        found = {row.id: row for row in self._db.execute(read.where(events.c.id.in_(list(numbers))))}
        originals = {row.duplicate_of for row in found.values() if row.status == "duplicate" and row.duplicate_of}
        known = {row.id: row for row in self._db.execute(read.where(events.c.id.in_(originals)))}
        return {number: known.get(row.duplicate_of, row) for number, row in found.items()}


def _subject(happened: Event) -> str:
    return str(happened.facts.get(happened.noun, {}).get("id", ""))


def _is_through(
    walked: Sequence[Any], text: Automation, evidence: Mapping[int, Sequence[tuple[str, Evidence]]]
) -> bool:
    """Whether a run that waits for a person is through with this event: others' files may be what it waits for.

    Only a step that tells what became of this very file may be: of a list that a step went through, nobody knows which
    items are the event's.
    """
    if len(walked) != len(text.steps):
        return False
    open_ = [row.position for row in walked if row.state not in {"done", "skipped"}]
    return all(text.steps[at].for_each is None and any(one.item for _, one in evidence.get(at, [])) for at in open_)


def _why_failed(happened: Event, run: Any, walked: Sequence[Any]) -> tuple[str, str]:  # noqa: ANN401
    """Find the reason for this very thing, or else for its run."""
    subject = f"{happened.noun} {_subject(happened)}"
    for row in walked:
        for one in json.loads(row.items) if row.items else []:
            if one["item"] == subject or one["item"].startswith(f"{subject} "):
                return f"run {run.id}: {one['reason']}", numbered(run.id, one["remedy"]) or ""
    return f"run {run.id}: {run.error}", numbered(run.id, run.remedy) or f"`roomkeeper runs show {run.id}`"


def _result(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of `steps`
    """Read what a step came to; one that failed before it did anything has none, which is kept as `null`."""
    result = json.loads(row.result) if row.result else None
    return result if isinstance(result, dict) else {}


def _left_out(happened: Event, walked: Sequence[Any], telling: set[int]) -> str:
    """Say that no step had anything to do with it, if so: left out by its `if`, or by its own policy."""
    whys = []
    for row in [one for one in walked if one.position in telling]:
        result = _result(row)
        if row.state == "skipped":
            whys.append(f"{row.name}: {result.get('because', 'left out')}")
        mine = [one for one in result.get("report") or [] if str(one.get("file")) == _subject(happened)]
        whys += [f"{row.name}: {one.get('outcome')}" for one in mine]
    return "; ".join(whys)
