"""The read side: events, runs and steps as commands and pages show them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from roomkeeper.errors import NotThere
from roomkeeper.runs.alerts import Alert, current
from roomkeeper.runs.store import Store, calls, events, runs, steps, waiting

Shown = dict[str, Any]


class History:
    """What happened, newest first. Reads only; works beside a running service."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def events(
        self, *, limit: int = 50, connection: str | None = None, status: str | None = None, type_: str | None = None
    ) -> list[Shown]:
        """List events."""
        query = sa.select(events).order_by(events.c.id.desc()).limit(limit)
        for column, wanted in ((events.c.connection, connection), (events.c.status, status), (events.c.type, type_)):
            if wanted is not None:
                query = query.where(column == wanted)
        with self._store.read() as db:
            rows = db.execute(query).all()
            went = _runs_of(db, [row.id for row in rows])
        return [_event(row, went.get(row.id, [])) for row in rows]

    def row(self, number: int) -> Any:  # noqa: ANN401 - a database row
        """Give an event as it is kept. Raises NotThere."""
        with self._store.read() as db:
            row = db.execute(sa.select(events).where(events.c.id == number)).first()
        if row is None:
            raise NotThere(f"There is no event {number}", remedy="`roomkeeper events list` shows those there are.")
        return row

    def event(self, number: int) -> Shown:
        """Show one event with its body. Raises NotThere."""
        row = self.row(number)
        with self._store.read() as db:
            went = _runs_of(db, [number])
        shown = _event(row, went.get(number, []))
        return shown | {"facts": json.loads(row.facts), "body": _text(row.body), "delivery": row.delivery}

    def runs(self, *, limit: int = 50, automation: str | None = None, state: str | None = None) -> list[Shown]:
        """List runs."""
        query = sa.select(runs).order_by(runs.c.id.desc()).limit(limit)
        for column, wanted in ((runs.c.automation, automation), (runs.c.state, state)):
            if wanted is not None:
                query = query.where(column == wanted)
        with self._store.read() as db:
            rows = db.execute(query).all()
            took = _events_of(db, [row.id for row in rows])
            says = _progress_of(db, [row.id for row in rows if row.state == "running"])
        return [_run(row, took.get(row.id, []), says.get(row.id)) for row in rows]

    def run(self, number: int) -> Shown:
        """Show one run with its steps and their calls. Raises NotThere."""
        with self._store.read() as db:
            row = db.execute(sa.select(runs).where(runs.c.id == number)).first()
            if row is None:
                raise NotThere(f"There is no run {number}", remedy="`roomkeeper runs list` shows those there are.")
            took = _events_of(db, [number])
            walked = db.execute(sa.select(steps).where(steps.c.run_id == number).order_by(steps.c.position)).all()
            made = db.execute(sa.select(calls).where(calls.c.run_id == number).order_by(calls.c.id)).all()
        shown = _run(row, took.get(number, []), None)
        shown["remedy"] = row.remedy
        shown["text"] = json.loads(row.text)
        shown["steps"] = [_step(step, [call for call in made if call.position == step.position]) for step in walked]
        return shown

    def alerts(self) -> list[Alert]:
        """List what is wrong now, the oldest first."""
        return current(self._store)

    def counts(self) -> Shown:
        """Count events by status, runs by state, and what waits to be run."""
        with self._store.read() as db:
            by_status = db.execute(sa.select(events.c.status, sa.func.count()).group_by(events.c.status)).all()
            by_state = db.execute(sa.select(runs.c.state, sa.func.count()).group_by(runs.c.state)).all()
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


def _event(row: Any, went: Sequence[int]) -> Shown:  # noqa: ANN401 - a database row
    return {
        "id": row.id,
        "connection": row.connection,
        "type": row.type,
        "status": row.status,
        "received_at": moment(row.received_at),
        "at": moment(row.at),
        "subject": row.subject,
        "actor": row.actor,
        "reason": row.reason,
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
        "progress": says,
        "cancel_requested": bool(row.cancel_requested),
    }


def _step(row: Any, made: Sequence[Any]) -> Shown:  # noqa: ANN401 - a database row
    return {
        "name": row.name,
        "do": row.do,
        "state": row.state,
        "started_at": moment(row.started_at),
        "ended_at": moment(row.ended_at),
        "executions": row.executions,
        "progress": row.progress,
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


def _events_of(db: sa.Connection, numbers: Sequence[int]) -> Mapping[int, list[int]]:
    query = sa.select(waiting.c.run_id, waiting.c.event_id).where(waiting.c.run_id.in_(numbers))
    return _grouped(db.execute(query.order_by(waiting.c.id)))


def _progress_of(db: sa.Connection, numbers: Sequence[int]) -> Mapping[int, str]:
    query = sa.select(steps.c.run_id, steps.c.name, steps.c.progress).where(
        steps.c.run_id.in_(numbers), steps.c.state == "running", steps.c.progress.is_not(None)
    )
    return {row.run_id: f"{row.name}: {row.progress}" for row in db.execute(query)}


def _grouped(rows: Any) -> dict[int, list[int]]:  # noqa: ANN401 - a result of pairs
    found: dict[int, list[int]] = {}
    for one, other in rows:
        found.setdefault(one, []).append(other)
    return found


def _pairs(rows: Iterable[Any]) -> Iterator[tuple[str, int]]:
    return ((row[0], row[1]) for row in rows)


def _text(body: bytes | None) -> str | None:
    return body.decode("utf-8", "replace") if body is not None else None


def moment(at: float | None) -> str | None:
    """Write a moment as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds") if at is not None else None
