"""The inbox: what was received, kept before it is acknowledged, and recognised when it comes again.

Deliveries that arrive together share one transaction (group commit), which is what makes a durable
acknowledgement cheap.
"""

import asyncio
import hashlib
import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import structlog

from roomkeeper.automations.event import Event
from roomkeeper.errors import StoreUnavailable
from roomkeeper.runs.store import Store, clean, events

log = structlog.get_logger("inbox")

_GROUP = 256  # deliveries in one transaction at most
_AMBIGUOUS_FOR = 60.0  # seconds in which one meaning may stand for two occurrences
_LONGEST, _SHOWN = 600, 200  # characters of a text that is a key; of a longer one, so many and its digest
_REFUSALS_KEPT = 60  # refused deliveries written down in a minute at most: they come from strangers

Row = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What became of a delivery: its row, and accepted, duplicate or ignored."""

    id: int
    status: str


@dataclass
class _Waiting:
    """A delivery on its way to the disk."""

    rows: list[Row]
    loop: asyncio.AbstractEventLoop
    outcome: "asyncio.Future[list[Verdict]]"
    verdicts: list[Verdict] = field(default_factory=list)


class Inbox:
    """Keeps what arrives. One writer thread; `start` before use, `stop` after."""

    def __init__(self, store: Store, *, on_new: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._on_new = on_new
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._refusals: list[float] = []

    def start(self) -> None:
        """Start the writer."""
        self._thread = threading.Thread(target=self._write_groups, name="inbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, then end."""
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    async def accept(self, received: Sequence[Event], body: bytes) -> list[Verdict]:
        """Keep the events of one delivery; returns after the commit. Raises StoreUnavailable."""
        rows = [_row(event, body if len(received) == 1 and event.keeps_body else _part(event)) for event in received]
        return await self._keep(rows)

    async def refuse(self, connection: str, reason: str) -> None:
        """Write down that a delivery was turned away; its body, a stranger's word, is not kept."""
        now = time.time()
        self._refusals = [at for at in self._refusals if at > now - 60]
        if len(self._refusals) >= _REFUSALS_KEPT:
            return
        self._refusals.append(now)
        await self._keep([_blank(connection, "refused", reason, now)])

    def hand_in(self, event: Event, *, automation: str) -> int:
        """Keep an event that was made by hand for one automation. For commands: writes at once."""
        row = _row(event, _part(event)) | {"target": automation}
        with self._store.write() as connection:
            return int(connection.execute(sa.insert(events).values(row).returning(events.c.id)).scalar_one())

    async def _keep(self, rows: list[Row]) -> list[Verdict]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(rows, loop, loop.create_future())
        self._queue.put(waiting)
        return await waiting.outcome

    def _write_groups(self) -> None:
        while True:
            group = [self._queue.get()]
            while len(group) < _GROUP and not self._queue.empty():
                group.append(self._queue.get())
            going = [one for one in group if one is not None]
            if going and self._write_group(going):
                for one in going:  # one of them may be what cannot be written; the others shall not suffer for it
                    self._write_group([one])
            if len(going) < len(group):
                return

    def _write_group(self, group: list[_Waiting]) -> bool:
        """Write a group and tell its senders; true if that failed and they were not told, being several."""
        failure: StoreUnavailable | None = None
        try:
            with self._store.write() as connection:
                _insert(self._store, connection, group)
        except StoreUnavailable as error:
            failure = error
        except Exception as error:
            log.exception("a group of deliveries cannot be written")
            failure = StoreUnavailable(f"It cannot be written: {error}")
        if failure is not None and len(group) > 1:
            return True
        if any(verdict.status == "accepted" for one in group for verdict in one.verdicts):
            self._on_new()
        for loop in {one.loop for one in group}:
            loop.call_soon_threadsafe(_resolve, [one for one in group if one.loop is loop], failure)
        return False


def _resolve(group: list[_Waiting], failure: StoreUnavailable | None) -> None:
    for one in group:
        if one.outcome.done():
            continue
        if failure is not None:
            one.outcome.set_exception(failure)
        else:
            one.outcome.set_result(one.verdicts)


def _insert(store: Store, connection: sa.Connection, group: list[_Waiting]) -> None:
    """Insert all rows of a group, tell the new from the known, and write the known down as duplicates."""
    all_rows = [row for one in group for row in one.rows]
    # In one order everywhere: two processes that insert the same keys then wait for, not against, each other.
    accepted = sorted((row for row in all_rows if row["status"] == "accepted"), key=_key)
    others = [row for row in all_rows if row["status"] != "accepted"]
    fresh = _insert_new(store, connection, accepted)
    known = [row for row in accepted if id(row) not in fresh]
    twins = _originals(connection, known)
    for row in known:
        twin = twins.get(_key(row)) or twins.get((row["connection"], "", row["delivery"]))
        row |= {"status": "duplicate", "state": "over", "body": None, "duplicate_of": twin and twin.id}
        row["reason"] = f"the same as event {twin.id}" if twin else "known already"
        if twin is not None and _may_be_another(row, twin):
            connection.execute(events.update().where(events.c.id == twin.id).values(state="new", next_try=0.0))
    ids = dict(fresh)
    for row in [*known, *others]:
        ids[id(row)] = connection.execute(sa.insert(events).values(row).returning(events.c.id)).scalar_one()
    for one in group:
        one.verdicts = [Verdict(ids[id(row)], row["status"]) for row in one.rows]


def _insert_new(store: Store, connection: sa.Connection, rows: list[Row]) -> dict[int, int]:
    """Insert what is new; returns the ids by the identity of the row."""
    if not rows:
        return {}
    statement = store.insert(events).on_conflict_do_nothing()
    returned = connection.execute(
        statement.returning(events.c.id, events.c.connection, events.c.meaning, events.c.delivery), rows
    )
    ids = {(row.connection, row.meaning, row.delivery): row.id for row in returned}
    fresh: dict[int, int] = {}
    for row in rows:
        number = ids.pop((row["connection"], row["meaning"], row["delivery"]), None)
        if number is not None:
            fresh[id(row)] = number
    return fresh


def _originals(connection: sa.Connection, rows: list[Row]) -> dict[tuple[str, ...], Any]:
    """Find the accepted events that these repeat, by meaning and by delivery."""
    found: dict[tuple[str, ...], Any] = {}
    columns = (
        events.c.id,
        events.c.connection,
        events.c.meaning,
        events.c.delivery,
        events.c.channel,
        events.c.received_at,
    )
    for name in {row["connection"] for row in rows}:
        mine = [row for row in rows if row["connection"] == name]
        same = sa.or_(
            events.c.meaning.in_([row["meaning"] for row in mine]),
            events.c.delivery.in_([row["delivery"] for row in mine]),
        )
        query = sa.select(*columns).where(events.c.connection == name, events.c.status == "accepted", same)
        for one in connection.execute(query):
            found[one.connection, one.meaning] = one
            found[one.connection, "", one.delivery] = one
    return found


def _may_be_another(row: Row, twin: Any) -> bool:  # noqa: ANN401 - a database row
    """Whether a repetition may stand for an occurrence of its own, which the first look could have missed.

    DocSpace writes times to the second: two versions uploaded within one second look the same (1.1). The twin is
    then looked at again; the ledger keeps what was done from being done twice.
    """
    young = row["received_at"] - twin.received_at < _AMBIGUOUS_FOR
    return bool(row["channel"]) and row["channel"] == twin.channel and row["delivery"] != twin.delivery and young


def _key(row: Row) -> tuple[str, ...]:
    return row["connection"], row["meaning"]


def _row(event: Event, body: bytes) -> Row:
    return _blank(event.connection, "ignored" if event.ignored else "accepted", clean(event.ignored), time.time()) | {
        "type": storable(event.type),
        "delivery": storable(event.delivery),
        "meaning": storable(event.meaning),
        "channel": storable(event.channel),
        "lane": storable(event.lane),
        "subject": storable(event.subject),
        "actor": storable(event.actor),
        "at": event.at.timestamp(),
        "facts": json.dumps(event.facts),
        "body": body,
        "state": "over" if event.ignored else "new",
    }


def _blank(connection: str, status: str, reason: str, now: float) -> Row:
    return {
        "connection": connection,
        "type": "",
        "status": status,
        "reason": reason,
        "delivery": "",
        "meaning": "",
        "channel": "",
        "lane": "",
        "subject": "",
        "actor": "",
        "at": now,
        "received_at": now,
        "facts": "{}",
        "body": None,
        "duplicate_of": None,
        "target": None,
        "state": "over",
        "next_try": 0.0,
        "tries": 0,
    }


def storable(text: str) -> str:
    """Make a stranger's text fit for a column and its index: no NUL, no half characters, not too long."""
    fit = clean(text)
    if len(fit) <= _LONGEST:
        return fit
    return f"{fit[:_SHOWN]}… {hashlib.sha256(fit.encode()).hexdigest()}"


def _part(event: Event) -> bytes:
    return json.dumps(event.raw).encode()
