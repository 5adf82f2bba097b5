"""Follow what is moved before it is decided upon: the folder that its event told of may be gone by then."""

import json
from collections.abc import Sequence

import sqlalchemy as sa

from roomkeeper.contract.trail import Move
from roomkeeper.store.tables import events


def follow(connection: str, moves: Sequence[Move], db: sa.Connection) -> None:
    """Have what waits for a place that cannot be looked at looked for where it was moved since; each by its last move.

    An event that was decided upon stays as it is: it happened where it happened.
    """
    where = {(one.noun, str(one.number)): one for one in sorted(moves, key=lambda one: one.at)}
    waits = (events.c.connection == connection, events.c.state == "new", events.c.tries > 0)
    for row in db.execute(sa.select(events.c.id, events.c.at, events.c.lane, events.c.facts).where(*waits)).all():
        facts = json.loads(row.facts)
        for noun, about in facts.items():
            move = where.get((noun, str(about.get("id")))) if isinstance(about, dict) else None
            if move is None or move.at.timestamp() < row.at or str(move.place) == row.lane:
                continue
            there = {"lane": str(move.place), "facts": json.dumps(facts | {noun: about | {"folder": move.place}})}
            db.execute(events.update().where(events.c.id == row.id).values(next_try=0.0, tries=0, **there))
