"""What events and runs are about: rooms, files, tickets, deals. Written down once each, so that they can be found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from roomkeeper.automations.event import Event
from roomkeeper.intake.inbox import storable
from roomkeeper.outside import cleaned
from roomkeeper.store.database import Store
from roomkeeper.store.tables import events_about, runs_about, subjects

KINDS = ("room", "file", "folder", "ticket", "deal")
_BRIEFLY = ("ticket", "deal", "file", "room")  # in which order things are named
_NAMES = ("title", "subject", "name")  # the fields that name a thing, the first of them that there is
_ALSO = ("key", "company")  # what people know it by as well
_TWO = 2
_MANY = 5000  # of one step's files that can be found by their names
_FOUND = 500  # subjects of a number, and as many of a name, that a search goes on with


@dataclass(frozen=True)
class Subject:
    """Something at a service that people know by its number or its name."""

    connection: str
    kind: str
    number: str
    title: str = ""
    also: str = ""


def of_event(event: Event) -> list[Subject]:
    """List what an event is about: the thing itself, and its room."""
    about = [_subject(event.connection, event.noun, event.facts.get(event.noun, {}))]
    if event.place is not None:
        about.append(Subject(event.connection, "room", str(event.place.room), event.place.room_title))
    return [one for one in about if one is not None and one.kind in KINDS]


def of_step(connection: str, places: Iterable[Any], result: Mapping[str, Any]) -> list[Subject]:
    """List what a step worked on: the rooms and folders that it was told, what it made, and each file it reports."""
    told = [Subject(connection, "room", str(place)) for place in places if isinstance(place, int | str) and place]
    made = _subject(connection, "room", result) if result.get("id") and result.get("title") else None
    reported = [
        Subject(connection, "file", str(line["file"]), str(line.get("title") or line.get("from") or ""))
        for line in (result.get("report") or [])[:_MANY]
        if line.get("file")
    ]
    return [*told, *([made] if made is not None else []), *reported]


def link_events(store: Store, db: sa.Connection, pairs: Sequence[tuple[Subject, int]]) -> None:
    """Write down what events are about."""
    _link(store, db, events_about, pairs)


def link_runs(store: Store, db: sa.Connection, pairs: Sequence[tuple[Subject, int]]) -> None:
    """Write down what runs are about."""
    _link(store, db, runs_about, pairs)


def pass_on(store: Store, db: sa.Connection, run: int, claimed: Sequence[int]) -> None:
    """Make a run about what its events are about."""
    theirs = sa.select(events_about.c.subject_id, sa.literal(run)).where(events_about.c.event_id.in_(claimed))
    insert = store.insert(runs_about).from_select(["subject_id", "run_id"], theirs.distinct())
    db.execute(insert.on_conflict_do_nothing())


def meant(db: sa.Connection, text: str, kind: str = "") -> list[int]:
    """Find the subjects that people mean by a number or a part of a name: those of this number, then the newest."""
    sought = cleaned(text).strip().lstrip("#")
    if not sought:
        return []
    numbered = sa.select(subjects.c.id).where(subjects.c.number == sought)
    called = sa.select(subjects.c.id).where(subjects.c.sought.contains(sought.casefold(), autoescape=True))
    found: list[int] = []
    for query in (numbered, called):
        narrow = query.where(subjects.c.kind == kind) if kind else query
        found += db.execute(narrow.order_by(subjects.c.id.desc()).limit(_FOUND)).scalars()
    return list(dict.fromkeys(found))


def shown(db: sa.Connection, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Show subjects, in this order."""
    rows = {row.id: row for row in db.execute(sa.select(subjects).where(subjects.c.id.in_(numbers)))}
    return [_shown(rows[number]) for number in numbers if number in rows]


def briefly(db: sa.Connection, run_ids: Sequence[int]) -> dict[int, list[str]]:
    """Say in a few words what runs are about: `ticket 7 Printer on fire`, `60 files`, `rooms Acme and Beta`."""
    counted = sa.select(
        runs_about.c.run_id,
        subjects.c.kind,
        sa.func.count().label("many"),
        sa.func.max(subjects.c.number).label("number"),
        sa.func.max(subjects.c.title).label("title"),
        sa.func.min(subjects.c.title).label("other"),
    ).join(subjects, subjects.c.id == runs_about.c.subject_id)
    named = counted.where(runs_about.c.run_id.in_(run_ids), subjects.c.title != "")
    said: dict[int, list[str]] = {}
    for row in sorted(db.execute(named.group_by(runs_about.c.run_id, subjects.c.kind)), key=_by_kind):
        said.setdefault(row.run_id, []).append(_words(row))
    return said


def _words(row: Any) -> str:  # noqa: ANN401 - a database row
    if row.many == 1:
        return row.title if row.kind == "file" else f"{row.kind} {row.number} {row.title}"
    if row.many == _TWO and row.kind == "room":  # where from, and where to
        return f"rooms {row.other} and {row.title}"
    return f"{row.many} {row.kind}s"


def _by_kind(row: Any) -> int:  # noqa: ANN401 - a database row
    return _BRIEFLY.index(row.kind) if row.kind in _BRIEFLY else len(_BRIEFLY)


def of_run(db: sa.Connection, run: int) -> list[dict[str, Any]]:
    """List what a run is about."""
    return _linked(db, runs_about, runs_about.c.run_id, run)


def about_event(db: sa.Connection, event: int) -> list[dict[str, Any]]:
    """List what an event is about."""
    return _linked(db, events_about, events_about.c.event_id, event)


def _linked(db: sa.Connection, table: sa.Table, column: sa.ColumnElement[int], number: int) -> list[dict[str, Any]]:
    query = sa.select(subjects).join(table, table.c.subject_id == subjects.c.id).where(column == number)
    return [_shown(row) for row in db.execute(query.order_by(subjects.c.kind.desc(), subjects.c.id).limit(_FOUND))]


def _shown(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a database row
    return {"id": row.id, "connection": row.connection, "kind": row.kind, "number": row.number, "title": row.title}


def _subject(connection: str, kind: str, facts: Mapping[str, Any]) -> Subject | None:
    number = str(facts.get("id") or "")
    if not number:
        return None
    title = next((str(facts[name]) for name in _NAMES if facts.get(name)), "")
    also = " ".join(str(facts[name]) for name in _ALSO if facts.get(name))
    return Subject(connection, kind, storable(number), storable(title), storable(also))


def _link(store: Store, db: sa.Connection, table: sa.Table, pairs: Sequence[tuple[Subject, int]]) -> None:
    if not pairs:
        return
    known: dict[tuple[str, str, str], Subject] = {}
    for one, _ in pairs:
        key = one.connection, one.kind, one.number
        if key not in known or (one.title and not known[key].title):
            known[key] = one
    # In one order everywhere: two processes that write the same then wait for, not against, each other.
    rows = [
        {"connection": one.connection, "kind": one.kind, "number": one.number, "title": one.title}
        | {"sought": f"{one.title} {one.also}".casefold().strip()}
        for _, one in sorted(known.items())
    ]
    new = store.insert(subjects)
    renamed = new.on_conflict_do_update(
        index_elements=["connection", "kind", "number"],
        set_={"title": new.excluded.title, "sought": new.excluded.sought},
        where=(new.excluded.title != "") & (new.excluded.sought != subjects.c.sought),
    )
    db.execute(renamed, rows)
    numbers = sa.select(subjects.c.id, subjects.c.connection, subjects.c.kind, subjects.c.number)
    there = db.execute(numbers.where(subjects.c.number.in_([row["number"] for row in rows])))
    ids = {(row.connection, row.kind, row.number): row.id for row in there}
    of = "event_id" if table is events_about else "run_id"
    links = {(ids[one.connection, one.kind, one.number], number) for one, number in pairs}
    linked = [{"subject_id": subject, of: number} for subject, number in sorted(links)]
    db.execute(store.insert(table).on_conflict_do_nothing(), linked)
