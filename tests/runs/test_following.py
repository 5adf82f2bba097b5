"""What is moved before it is decided upon is looked for where it went, whenever that is found out."""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from roomkeeper.contract.trail import Move
from roomkeeper.intake.following import follow, go_after
from roomkeeper.store.database import Store
from roomkeeper.store.tables import events

AT = 1_800_000_000.0


def _event(store: Store, *, tries: int = 0) -> None:
    facts = json.dumps({"file": {"id": 7, "folder": 70}})
    told = {"type": "file.uploaded", "status": "accepted", "delivery": "1", "meaning": "1", "at": AT, "lane": "70"}
    with store.write() as connection:
        values = {"connection": "acme", "state": "new", "received_at": AT, "facts": facts, "tries": tries} | told
        connection.execute(sa.insert(events).values(values | {"next_try": AT + 3600}))


def _moved(store: Store, place: int, later: float = 1.0, *, connection: str = "acme", file: int = 7) -> None:
    moves = [Move("file", file, place, datetime.fromtimestamp(AT + later, UTC))]
    with store.write() as db:
        follow(connection, moves, db)


def _failed(store: Store) -> None:
    with store.write() as db:
        db.execute(events.update().values(tries=1, next_try=AT + 3600))
        go_after((events.c.state == "new",), db)


def _where(store: Store) -> tuple[str, Any, bool]:
    with store.read() as connection:
        row = connection.execute(sa.select(events)).one()
    return row.lane, json.loads(row.facts)["file"]["folder"], row.next_try == 0.0


def test_what_waits_for_its_place_is_looked_for_where_it_went_at_once(store: Store) -> None:
    _event(store, tries=3)
    _moved(store, 71)
    assert _where(store) == ("71", 71, True)


def test_what_was_not_looked_at_yet_stays_until_its_place_cannot_be_looked_at(store: Store) -> None:
    _event(store)
    _moved(store, 71)
    assert _where(store) == ("70", 70, False)
    _failed(store)
    assert _where(store) == ("71", 71, True)


def test_its_last_move_counts_and_one_that_led_back_is_none(store: Store) -> None:
    _event(store)
    _moved(store, 71)
    _moved(store, 72, 2.0)
    _moved(store, 70, 3.0)
    _failed(store)
    assert _where(store) == ("70", 70, False)


def test_moves_of_before_of_others_and_at_other_services_are_none_of_its(store: Store) -> None:
    _event(store, tries=1)
    _moved(store, 71, -1.0)
    _moved(store, 72, connection="other")
    _moved(store, 73, file=8)
    assert _where(store) == ("70", 70, False)
