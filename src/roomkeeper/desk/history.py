"""The read side: events, runs and steps as commands, pages and the API show them."""

import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from roomkeeper.automations import redaction
from roomkeeper.errors import NotThere
from roomkeeper.intake import pauses, subjects
from roomkeeper.outside import cleaned
from roomkeeper.running.orders import undone_by
from roomkeeper.store.alerts import Alert, current
from roomkeeper.store.database import Store
from roomkeeper.store.moments import moment
from roomkeeper.store.tables import OPEN, calls, events, events_about, runs, runs_about, steps, waiting

Shown = dict[str, Any]

EVENT_STATUSES = ("accepted", "duplicate", "ignored", "unusable", "refused")
RUN_STATES = (*OPEN, "done", "needs_attention", "cancelled")
_LISTED = [column for column in events.c if column.name not in {"body", "facts", "head"}]

LATELY = 7 * 86_400.0  # seconds from which what is over is counted
_NEAR = 5000  # rows, the newest, among which is looked first (ours)


@dataclass(frozen=True)
class Part:
    """Which part of a list: so many, older than a number, about something, from a time to a time (epoch seconds).

    `about` is a room's, file's, ticket's or deal's number, or a part of its name; `kind` says which of these.
    """

    limit: int = 50
    before: int | None = None
    about: str = ""
    kind: str = ""
    since: float | None = None
    until: float | None = None
    #: The subjects themselves, where they are known already, instead of `about` and `kind`.
    subjects: tuple[int, ...] | None = None


@dataclass(frozen=True)
class _Listed:
    """What a list is made of: the rows' number and time, and how they are linked to what they are about."""

    id: Any
    at: Any
    link: Any
    subject: Any


_EVENTS = _Listed(events.c.id, events.c.received_at, events_about.c.event_id, events_about.c.subject_id)
_RUNS = _Listed(runs.c.id, runs.c.made_at, runs_about.c.run_id, runs_about.c.subject_id)


class History:
    """What happened, newest first. Reads only; works beside a running service."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def events(
        self,
        *,
        limit: int = 50,
        connection: str | None = None,
        status: str | None = None,
        types: Collection[str] = (),
        part: Part | None = None,
    ) -> list[Shown]:
        """List events."""
        part = part or Part(limit=limit)
        chosen = {events.c.connection: connection, events.c.status: status, events.c.type: types or None}
        with self._store.read() as db:
            numbers = _numbers(db, _EVENTS, chosen, part)
            rows = db.execute(sa.select(*_LISTED).where(events.c.id.in_(numbers)).order_by(events.c.id.desc())).all()
            went, held = _runs_of(db, numbers), _held(db, numbers)
        return [_event(row, went.get(row.id, []), held.get(row.id, "")) for row in rows]

    def row(self, number: int) -> Any:  # noqa: ANN401 - a database row
        """Give an event as it is kept. Raises NotThere."""
        with self._store.read() as db:
            row = db.execute(sa.select(events).where(events.c.id == number)).first()
        if row is None:
            raise NotThere(f"There is no event {number}", remedy="`roomkeeper events list` shows those there are.")
        return row

    def event(self, number: int) -> Shown:
        """Show one event with its body, without secrets. Raises NotThere."""
        row = self.row(number)
        with self._store.read() as db:
            went, held = _runs_of(db, [number]), _held(db, [number])
            about = subjects.about_event(db, number)
            parked = sa.select(waiting.c.automation).where(waiting.c.event_id == number).distinct()
            taken_by = list(db.execute(parked.order_by(waiting.c.automation)).scalars())
            repeated = sa.select(sa.func.count()).where(events.c.duplicate_of == number)
            repeats = db.execute(repeated).scalar() if row.status == "accepted" else 0
        shown, body = _event(row, went.get(number, []), held.get(number, "")), _text(row.body)
        return shown | {
            "facts": redaction.without_secrets(json.loads(row.facts)),
            "body": redaction.body(body) if body is not None else None,
            "head": json.loads(row.head) if row.head else None,
            "delivery": row.delivery,
            "target": row.target,
            "found": row.found,
            "about": about,
            "automations": taken_by,
            "repeats": int(repeats or 0),
        }

    def runs(
        self,
        *,
        limit: int = 50,
        automation: str | None = None,
        state: str | None = None,
        part: Part | None = None,
    ) -> list[Shown]:
        """List runs."""
        part = part or Part(limit=limit)
        chosen = {runs.c.automation: automation, runs.c.state: state}
        with self._store.read() as db:
            numbers = _numbers(db, _RUNS, chosen, part)
            rows = db.execute(sa.select(runs).where(runs.c.id.in_(numbers)).order_by(runs.c.id.desc())).all()
            took = _events_of(db, numbers)
            says = _progress_of(db, [row.id for row in rows if row.state == "running"])
            asking = _asking(db, [row.id for row in rows if row.state == "needs_attention"])
            about = subjects.briefly(db, numbers)
        return [
            _run(row, took.get(row.id, []), says.get(row.id))
            | {"asks": row.id in asking, "about": about.get(row.id, [])}
            for row in rows
        ]

    def run(self, number: int) -> Shown:
        """Show one run with its steps and their calls. Raises NotThere."""
        with self._store.read() as db:
            row = db.execute(sa.select(runs).where(runs.c.id == number)).first()
            if row is None:
                raise NotThere(f"There is no run {number}", remedy="`roomkeeper runs list` shows those there are.")
            took = _events_of(db, [number])
            walked = db.execute(sa.select(steps).where(steps.c.run_id == number).order_by(steps.c.position)).all()
            made = db.execute(sa.select(calls).where(calls.c.run_id == number).order_by(calls.c.id)).all()
            about = subjects.of_run(db, number)
            undone = undone_by(db, number)
        shown = _run(row, took.get(number, []), None)
        shown["text"] = json.loads(row.text)
        shown["about"] = about
        shown["asks"] = row.state == "needs_attention" and any(step.state == "asks" for step in walked)
        shown["undone_by"] = undone
        shown["steps"] = [_step(step, [call for call in made if call.position == step.position]) for step in walked]
        return shown

    def is_under_way(self, numbers: Collection[int]) -> bool:
        """Whether any of these runs waits or is at work."""
        going_on = (runs.c.id.in_(numbers), runs.c.state.in_(OPEN))
        with self._store.read() as db:
            return db.execute(sa.select(runs.c.id).where(*going_on).limit(1)).first() is not None

    def is_undecided(self, numbers: Collection[int]) -> bool:
        """Whether it is open what any of these events comes to."""
        taken = sa.exists().where(waiting.c.event_id == events.c.id, waiting.c.run_id.is_not(None))
        open_ = sa.or_(events.c.state == "new", sa.and_(events.c.state.not_in(("over", "failed")), ~taken))
        with self._store.read() as db:
            return (
                db.execute(sa.select(events.c.id).where(events.c.id.in_(numbers), open_).limit(1)).first() is not None
            )

    def events_of(self, run: int, limit: int = 100) -> list[Shown]:
        """List the events that a run took, oldest first."""
        taken = sa.select(waiting.c.event_id).where(waiting.c.run_id == run).order_by(waiting.c.id).limit(limit)
        with self._store.read() as db:
            rows = db.execute(sa.select(*_LISTED).where(events.c.id.in_(taken)).order_by(events.c.id)).all()
        return [_event(row, [run]) for row in rows]

    def found(self, text: str, kind: str = "") -> list[Shown]:
        """List the rooms, files, tickets and deals that a number or a part of a name finds, newest first."""
        with self._store.read() as db:
            return subjects.shown(db, subjects.meant(db, text, kind))

    def alerts(self) -> list[Alert]:
        """List what is wrong now, the oldest first."""
        return current(self._store)

    def counts(self) -> Shown:
        """Count what is open, however old; and, of the last seven days, events by status and runs that are over."""
        since = time.time() - LATELY
        is_open = runs.c.state.in_((*OPEN, "needs_attention"))
        # Not by the index of states, in which every run that is over is.
        state = sa.func.coalesce(runs.c.state, "")
        is_over = sa.and_(runs.c.made_at >= since, state.in_(("done", "cancelled")))
        lately = sa.select(events.c.status, sa.func.count()).where(events.c.received_at >= since)
        by_state = list[Any]()
        with self._store.read() as db:
            by_status = db.execute(lately.group_by(events.c.status)).all()
            for which in (is_open, is_over):
                by_state += db.execute(sa.select(state, sa.func.count()).where(which).group_by(state))
            parked = db.execute(
                sa.select(sa.func.count()).select_from(waiting).where(waiting.c.run_id.is_(None))
            ).scalar()
            new = db.execute(sa.select(sa.func.count()).select_from(events).where(events.c.state == "new")).scalar()
            told = (events.c.state == "new", events.c.reason != "")
            held = db.execute(sa.select(sa.func.count()).select_from(events).where(*told)).scalar()
        return {
            "events_held": int(held or 0),
            "events": dict(_pairs(by_status)),
            "runs": dict(_pairs(by_state)),
            "events_waiting": int(parked or 0) + int(new or 0),
        }


def _numbers(
    db: sa.Connection, listed: "_Listed", chosen: Mapping[Any, str | Collection[str] | None], part: Part
) -> list[int]:
    """Choose which rows a list shows, newest first; quick in a large store.

    What is frequent is found among the newest. What is rare is not: then what an index gives is sorted, which is
    quicker than to walk back on and on.
    """
    last = db.execute(sa.select(sa.func.max(listed.id))).scalar() or 0
    end = min(last + 1, part.before) if part.before is not None else last + 1
    if part.subjects is None and part.about.strip():
        part = replace(part, subjects=tuple(subjects.meant(db, part.about, part.kind)))
    near = _chosen(db, listed, chosen, part, first=end - _NEAR)
    return near if len(near) == part.limit or end <= _NEAR else _chosen(db, listed, chosen, part)


def _chosen(
    db: sa.Connection,
    listed: "_Listed",
    chosen: Mapping[Any, str | Collection[str] | None],
    part: Part,
    *,
    first: int | None = None,
) -> list[int]:
    """Choose among those from a number on, walking back; or among all, by what indexes give."""
    narrow = [
        (column if first is None else sa.func.coalesce(column, "")).in_(
            [cleaned(one) for one in ([wanted] if isinstance(wanted, str) else wanted)]
        )
        for column, wanted in chosen.items()
        if wanted is not None
    ]
    if part.since is not None:
        narrow.append(listed.at >= part.since)
    if part.until is not None:
        narrow.append(listed.at < part.until)
    if part.before is not None:
        narrow.append(listed.id < part.before)
    if first is not None:
        narrow.append(listed.id >= first)
    query = sa.select(listed.id).where(*narrow).limit(part.limit)
    if part.subjects is not None:
        about = sa.select(listed.link).where(listed.subject.in_(part.subjects))
        query = query.where(listed.id.in_(about if first is None else about.where(listed.link >= first)))
    is_sought = any((*chosen.values(), part.subjects is not None, part.since, part.until))
    order = listed.id + 0 if is_sought and first is None else listed.id
    return list(db.execute(query.order_by(order.desc())).scalars())


def _event(row: Any, went: Sequence[int], held: str = "") -> Shown:  # noqa: ANN401 - a database row
    return {
        "id": row.id,
        "connection": row.connection,
        "type": row.type,
        "status": row.status,
        "received_at": moment(row.received_at),
        "at": moment(row.at),
        "subject": row.subject,
        "actor": row.actor,
        "reason": row.reason or held,
        "duplicate_of": row.duplicate_of,
        "state": row.state,
        "runs": list(went),
    }


def _run(row: Any, took: Sequence[int], says: str | None) -> Shown:  # noqa: ANN401 - a database row
    return {
        "id": row.id,
        "automation": row.automation,
        "state": row.state,
        "key": row.key,
        "attempt": row.attempt,
        "events": list(took),
        "made_at": moment(row.made_at),
        "started_at": moment(row.started_at),
        "ended_at": moment(row.ended_at),
        "error": row.error,
        "remedy": row.remedy,
        "progress": says,
        "cancel_requested": bool(row.cancel_requested),
        "undoes": row.undoes,
    }


def _step(row: Any, made: Sequence[Any]) -> Shown:  # noqa: ANN401 - a database row
    return {
        "name": row.name,
        "do": row.do,
        "position": row.position,
        "state": row.state,
        "started_at": moment(row.started_at),
        "ended_at": moment(row.ended_at),
        "executions": row.executions,
        "progress": row.progress,
        "inputs": json.loads(row.inputs) if row.inputs else None,
        "result": json.loads(row.result) if row.result else None,
        "error": row.error,
        "remedy": row.remedy,
        "items": json.loads(row.items) if row.items else [],
        "plan": json.loads(row.plan) if row.plan else None,
        "ask_until": moment(row.ask_until),
        "approved_at": moment(row.approved_at),
        "approved_by": row.approved_by,
        "calls": [
            {
                "at": moment(call.at),
                "method": call.method,
                "path": call.path,
                "status": call.status,
                "milliseconds": call.milliseconds,
                "error": call.error,
            }
            for call in made
        ],
    }


def _runs_of(db: sa.Connection, numbers: Sequence[int]) -> Mapping[int, list[int]]:
    query = sa.select(waiting.c.event_id, waiting.c.run_id).where(
        waiting.c.event_id.in_(numbers), waiting.c.run_id.is_not(None)
    )
    return _grouped(db.execute(query.order_by(waiting.c.run_id)))


def _held(db: sa.Connection, numbers: Sequence[int]) -> Mapping[int, str]:
    """Say of events that wait for an automation which a person has paused that they do."""
    query = sa.select(waiting.c.event_id, waiting.c.automation).where(
        waiting.c.event_id.in_(numbers), waiting.c.run_id.is_(None), waiting.c.automation.in_(pauses.names())
    )
    return {row.event_id: f"waits: {row.automation} is paused" for row in db.execute(query)}


def _events_of(db: sa.Connection, numbers: Sequence[int]) -> Mapping[int, list[int]]:
    query = sa.select(waiting.c.run_id, waiting.c.event_id).where(waiting.c.run_id.in_(numbers))
    return _grouped(db.execute(query.order_by(waiting.c.id)))


def _progress_of(db: sa.Connection, numbers: Sequence[int]) -> Mapping[int, str]:
    query = sa.select(steps.c.run_id, steps.c.name, steps.c.progress).where(
        steps.c.run_id.in_(numbers), steps.c.state == "running", steps.c.progress.is_not(None)
    )
    return {row.run_id: f"{row.name}: {row.progress}" for row in db.execute(query)}


def _asking(db: sa.Connection, numbers: Sequence[int]) -> set[int]:
    """Find those of the runs that wait for somebody's consent. The statement is spared where none waits."""
    asks = sa.select(steps.c.run_id).where(steps.c.run_id.in_(numbers), steps.c.state == "asks")
    return set(db.execute(asks).scalars()) if numbers else set()


def _grouped(rows: Any) -> dict[int, list[Any]]:  # noqa: ANN401 - a result of pairs
    found: dict[int, list[Any]] = {}
    for one, other in rows:
        found.setdefault(one, []).append(other)
    return found


def _pairs(rows: Iterable[Any]) -> Iterator[tuple[str, int]]:
    return ((row[0], row[1]) for row in rows)


def _text(body: bytes | None) -> str | None:
    return body.decode("utf-8", "replace") if body is not None else None
