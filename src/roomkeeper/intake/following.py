"""Follow what is moved before it is decided upon: the folder that its event told of may be gone by then."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from roomkeeper.contract.trail import Move
from roomkeeper.store.tables import events

_OF_EACH = (events.c.id, events.c.at, events.c.lane, events.c.facts, events.c.moved_to)


def follow(connection: str, moves: Sequence[Move], db: sa.Connection) -> None:
    """Note where things that are not yet decided upon were moved; what waits for its place is looked for there now.

    An event that was decided upon stays as it is: it happened where it happened.
    """
    where = {(one.noun, str(one.number)): one for one in sorted(moves, key=lambda one: one.at)}
    undecided = (events.c.connection == connection, events.c.state == "new")
    rows = db.execute(sa.select(*_OF_EACH).where(*undecided))
    for number, moved_to in [(row.id, noted) for row in rows if (noted := _noted(row, where)) is not None]:
        db.execute(events.update().where(events.c.id == number).values(moved_to=moved_to))
    go_after((*undecided, events.c.tries > 0), db)


def go_after(these: Sequence[sa.ColumnElement[bool]], db: sa.Connection) -> None:
    """Have events whose places cannot be looked at looked for where they were moved, if they were."""
    for row in db.execute(sa.select(*_OF_EACH).where(*these, events.c.moved_to != "")).all():
        noun, place = json.loads(row.moved_to)
        facts = json.loads(row.facts)
        there = {"lane": str(place), "facts": json.dumps(facts | {noun: facts[noun] | {"folder": place}})}
        db.execute(events.update().where(events.c.id == row.id).values(next_try=0.0, tries=0, moved_to="", **there))


def _noted(row: Any, where: Mapping[tuple[str, str], Move]) -> str | None:  # noqa: ANN401 - a row of `events`
    """Say what is to be noted of an event, by the last moves of things; None if that is there already."""
    about = [(noun, str(one.get("id"))) for noun, one in json.loads(row.facts).items() if isinstance(one, Mapping)]
    moved = next((where[one] for one in about if one in where), None)
    if moved is None or moved.at.timestamp() < row.at:
        return None
    noted = json.dumps([moved.noun, moved.place]) if str(moved.place) != row.lane else ""
    return noted if noted != row.moved_to else None
