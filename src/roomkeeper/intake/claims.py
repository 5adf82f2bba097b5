"""Which of the events that wait a run takes, when it starts."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from roomkeeper.intake import subjects
from roomkeeper.store.database import Store
from roomkeeper.store.tables import waiting

_LOOK_BEHIND = 5000  # waiting events among which a run chooses (ours)


def claim(store: Store, connection: sa.Connection, run: Any) -> bool:  # noqa: ANN401 - a row of `runs`
    """Give a run its events: the oldest, and of the rest those that one call can serve together; false if none wait."""
    query = (
        sa.select(waiting.c.id, waiting.c.lane)
        .where(waiting.c.automation == run.automation, waiting.c.key == run.key, waiting.c.run_id.is_(None))
        .order_by(waiting.c.id)
        .limit(_LOOK_BEHIND)
    )
    chosen = choose([(row.id, row.lane) for row in connection.execute(query)], run.gather)
    if chosen:
        taken = waiting.update().where(waiting.c.id.in_(chosen)).values(run_id=run.id).returning(waiting.c.event_id)
        subjects.pass_on(store, connection, run.id, list(connection.execute(taken).scalars()))
    return bool(chosen)


def choose(queue: Sequence[tuple[int, str]], most: int) -> list[int]:
    """Choose from the queue, oldest first: the lane of the oldest as far as it goes, then the next oldest's.

    Order matters only within a lane (versions of a file follow each other there), and fewer lanes are fewer calls.
    """
    order: dict[str, list[int]] = {}
    for number, lane in queue:
        order.setdefault(lane, []).append(number)
    return [number for numbers in order.values() for number in numbers][:most]
