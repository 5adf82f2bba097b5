"""Events as they are kept: read back from their rows, and completed."""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from roomkeeper import outside
from roomkeeper.automations.event import Event, Place
from roomkeeper.intake.inbox import storable
from roomkeeper.store.tables import events

WITHOUT_BODY = [column for column in events.c if column is not events.c.body]  # which is read only to be shown
PLACE_IS_GONE = "its room cannot be found"  # what the reason of such an event begins with
COMES_TO_NOTHING = "failed"  # the state of an event that should have gone to a run, and could not


def event_of(row: Any, place: Place | None = None) -> Event:  # noqa: ANN401 - a row of `events`
    """Read an event back from its row."""
    event = Event(
        type=row.type,
        connection=row.connection,
        at=outside.moment_of(row.at) or datetime.fromtimestamp(0, UTC),
        delivery=row.delivery,
        meaning=row.meaning,
        channel=row.channel,
        lane=row.lane,
        subject=row.subject,
        actor=row.actor,
        facts=json.loads(row.facts),
        raw=_parsed(getattr(row, "body", None)),
        found=getattr(row, "found", ""),
        id=row.id,
    )
    return event.at_place(place) if place is not None else event


def _parsed(body: bytes | None) -> Any:  # noqa: ANN401 - JSON
    try:
        return outside.document(body or b"null", strict=False).value
    except outside.Unreadable:
        return None


def complete(connection: sa.Connection, event: Event) -> bool:
    """Keep an event as it was completed; false if its meaning shows that it is known already: then it is a duplicate.

    Replayed by hand, it is dispatched all the same.
    """
    mine = events.update().where(events.c.id == event.id, events.c.state == "new")
    same = sa.select(events.c.id).where(
        events.c.connection == event.connection,
        events.c.meaning == storable(event.meaning),
        events.c.status == "accepted",
        events.c.id != event.id,
    )
    twin = connection.execute(same).scalar() or _last_of_standing(connection, event)
    if twin is not None:
        known = {"status": "duplicate", "state": "over", "duplicate_of": twin, "reason": f"the same as event {twin}"}
        connection.execute(mine.values(known))
        return False
    now_known = {
        "facts": json.dumps(event.facts),
        "subject": outside.one_line(event.subject),
        "meaning": storable(event.meaning),
        "lane": storable(event.lane),
    }
    if event.witness and event.witness != event.meaning:
        now_known["witness"] = storable(event.witness)
    connection.execute(mine.values(now_known))
    return True


def _last_of_standing(connection: sa.Connection, event: Event) -> int | None:
    """Find the event that told of this state before, if nothing else was told of its subject since."""
    if not event.standing:
        return None
    told = sa.select(events.c.id, events.c.meaning, events.c.status).where(
        events.c.connection == event.connection,
        events.c.lane == event.lane,
        events.c.id < event.id,
        events.c.status != "duplicate",
    )
    for row in connection.execute(told.order_by(events.c.id.desc())):
        if row.meaning.startswith(f"{event.standing} ") and row.status == "accepted":
            return int(row.id)
        if row.meaning.startswith(f"{event.lane} ") and not row.meaning.startswith(f"{event.standing} "):
            return None
    return None
