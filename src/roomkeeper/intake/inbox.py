"""The inbox: what was received, kept before it is acknowledged, and recognised when it comes again.

Deliveries that arrive together share one transaction (group commit), which is what makes a durable
acknowledgement cheap.
"""

import asyncio
import functools
import hashlib
import json
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import sqlalchemy as sa
import structlog

from roomkeeper.automations.event import Event
from roomkeeper.contract.trail import CONCLUDED, TRAIL
from roomkeeper.errors import StoreUnavailable
from roomkeeper.outside import cleaned, one_line
from roomkeeper.store.database import Store, insert_of
from roomkeeper.store.tables import events
from roomkeeper.telemetry.metrics import DELIVERIES

log = structlog.get_logger("inbox")

_GROUP = 256  # deliveries in one transaction at most
_AMBIGUOUS_FOR = 60.0  # seconds in which one meaning may stand for two occurrences
_LONGEST, _SHOWN = 600, 200  # characters of a text that is a key; of a longer one, so many and its digest
_NEAR = 30.0  # seconds between the moments that a delivery and a trail give for one occurrence
_MOMENT = 2.0  # seconds between what a delivery and an entry of the portal's history say of one save; both are whole
_REFUSALS_KEPT = 60  # refused deliveries of a connection that are written down in a minute: they come from strangers

# With every delivery: they are put together once.
_NEARBY = sa.select(
    *(events.c.id, events.c.occurrence, events.c.at, events.c.channel, events.c.witness),
    *(events.c.received_at, events.c.actor, events.c.subject),
).where(
    events.c.connection == sa.bindparam("connection"),
    events.c.status == "accepted",
    events.c.occurrence != "",
    events.c.occurrence.in_(sa.bindparam("occurrences", expanding=True)),
    events.c.at.between(sa.bindparam("first", type_=sa.Float), sa.bindparam("last", type_=sa.Float)),
)

Row = dict[str, Any]
#: A row of which nothing is known yet: the rows of a group have the same columns, whatever was kept.
BLANK: Row = {
    "connection": "",
    "type": "",
    "status": "",
    "reason": "",
    "delivery": "",
    "meaning": "",
    "channel": "",
    "lane": "",
    "subject": "",
    "actor": "",
    "at": 0.0,
    "received_at": 0.0,
    "facts": "{}",
    "body": None,
    "duplicate_of": None,
    "target": None,
    "state": "over",
    "next_try": 0.0,
    "tries": 0,
    "occurrence": "",
    "witness": "",
    "found": "",
    "head": "",
    "trace": "",
}


@dataclass(frozen=True)
class Verdict:
    """What became of a delivery: its row, and accepted, duplicate or ignored."""

    id: int
    status: str


@dataclass(frozen=True)
class Taken:
    """What became of events that were found in a trail: the new ones' rows, and how many were known."""

    new: tuple[int, ...] = ()
    known: int = 0


@dataclass
class _Waiting:
    """A delivery on its way to the disk."""

    rows: list[Row]
    outcome: "asyncio.Future[list[Verdict]]"
    verdicts: list[Verdict] = field(default_factory=list)


class Inbox:
    """Keeps what arrives. One writer thread, for one loop; `start` before use, `stop` after."""

    #: Called when there is something new for this process to dispatch; by default the dispatchers look for themselves.
    on_new: Callable[[], None]

    def __init__(self, store: Store) -> None:
        self._store = store
        self.on_new = lambda: None
        self._heard: list[_Waiting] = []  # by the loop, in this round of it
        self._groups: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._refusals: dict[str, list[float]] = {}

    def start(self) -> None:
        """Start the writer."""
        self._thread = threading.Thread(target=self._write_groups, name="inbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, then end."""
        self._hand_over()
        self._groups.put(None)
        if self._thread is not None:
            self._thread.join()

    async def accept(self, received: Sequence[Event], body: bytes, head: str = "", trace: str = "") -> list[Verdict]:
        """Keep the events of one delivery; returns after the commit. Raises StoreUnavailable.

        `head` is how it came, as JSON, and `trace` its W3C Trace Context, if it is traced.
        """
        parts = [body if len(received) == 1 and event.keeps_body else _part(event) for event in received]
        came = {"head": cleaned(head), "trace": trace}
        verdicts = await self._keep([_row(event, part, came) for event, part in zip(received, parts, strict=True)])
        for event, verdict in zip(received, verdicts, strict=True):
            DELIVERIES.labels(event.connection, verdict.status).inc()
        return verdicts

    async def refuse(self, connection: str, reason: str, head: Callable[[], str]) -> None:
        """Write down that a delivery was turned away; its body, a stranger's word, is not kept.

        `head` describes how it came; it is asked only for those that are written down.
        """
        now = time.time()
        DELIVERIES.labels(connection, "refused").inc()
        lately = [at for at in self._refusals.get(connection, []) if at > now - 60]
        self._refusals[connection] = lately[:_REFUSALS_KEPT]
        if len(lately) >= _REFUSALS_KEPT:
            return
        self._refusals[connection].append(now)
        said = {"connection": connection, "status": "refused", "reason": storable(reason), "head": cleaned(head())}
        await self._keep([{**BLANK, **said, "at": now, "received_at": now}])

    def hand_in(self, event: Event, *, automation: str) -> int:
        """Keep an event that was made by hand for one automation. For commands: writes at once."""
        row = _row(event, _part(event)) | {"target": automation}
        with self._store.write() as connection:
            return int(connection.execute(sa.insert(events).values(row).returning(events.c.id)).scalar_one())

    def take_in(self, found: Sequence[Event]) -> Taken:
        """Keep those of the events found in a trail that nobody has told of; the others leave no line. Writes at once.

        An event that a delivery told of in other words remembers what it was found by.
        """
        rows = {storable(one.delivery): _row(one, _part(one)) for one in found}
        if not rows:
            return Taken()
        with self._store.write() as connection:
            _exclude_others(self._store, connection, {one.connection for one in found}, alone=True)
            something_else = _something_else(connection, found)
            new = _unknown(connection, [row for name, row in rows.items() if name not in something_else])
            told = _told_otherwise(connection, new)
            for row in new:
                if id(row) in told:
                    _confirm(connection, told[id(row)], row)
            new = sorted((row for row in new if id(row) not in told), key=_key)
            ids = _insert_new(self._store, connection, new)
        for row in new:
            DELIVERIES.labels(row["connection"], "found").inc()
        if ids:
            self.on_new()
        return Taken(tuple(sorted(ids.values())), len(rows) - len(ids))

    async def _keep(self, rows: list[Row]) -> list[Verdict]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(rows, loop.create_future())
        if not self._heard:
            loop.call_soon(self._hand_over)  # not before the others that have come by now: a commit is what is dear
        self._heard.append(waiting)
        return await waiting.outcome

    def _hand_over(self) -> None:
        """Give the writer what was heard."""
        heard, self._heard = self._heard, []
        if heard:
            self._groups.put(heard)

    def _write_groups(self) -> None:
        """Write all that has come since the last commit, again and again, until `stop`."""
        is_over = False
        while not is_over:
            group, more = list[_Waiting](), self._groups.get()
            while more is not None:
                group += more
                if len(group) >= _GROUP or self._groups.empty():
                    break
                more = self._groups.get()
            is_over = more is None
            if group and self._write_group(group):
                for one in group:  # one of them may be what cannot be written; the others shall not suffer for it
                    self._write_group([one])

    def _write_group(self, group: list[_Waiting]) -> bool:
        """Write a group and tell its senders; true if that failed and they were not told, being several."""
        failure: StoreUnavailable | None = None
        tried = [replace(one, rows=[dict(row) for row in one.rows]) for one in group]  # what fails leaves no trace
        try:
            with self._store.write() as connection:
                _insert(self._store, connection, tried)
        except StoreUnavailable as error:
            failure = error
        except Exception as error:
            log.exception("a group of deliveries cannot be written")
            failure = StoreUnavailable(f"It cannot be written: {error}")
        if failure is not None and len(group) > 1:
            return True
        if any(verdict.status == "accepted" for one in tried for verdict in one.verdicts):
            self.on_new()
        group[0].outcome.get_loop().call_soon_threadsafe(_tell, tried, failure)
        return False


def _tell(group: list[_Waiting], failure: StoreUnavailable | None) -> None:
    """Tell senders what became of theirs."""
    for one in group:
        if one.outcome.done():
            continue
        if failure is not None:
            one.outcome.set_exception(failure)
        else:
            one.outcome.set_result(one.verdicts)


def recognised(connection: sa.Connection, told: Sequence[Event]) -> dict[str, int]:
    """Tell which events these are that a trail tells of: the event's number by its delivery there; reads only."""
    rows = {storable(one.delivery): _row(one, b"") for one in told}
    found: dict[str, int] = {}
    for column, name in ((events.c.witness, "meaning"), (events.c.meaning, "meaning"), (events.c.delivery, "delivery")):
        wanted = {row[name]: delivery for delivery, row in rows.items()}
        marked = sa.and_(column != "", column.in_(list(wanted)))
        for connected in {one.connection for one in told}:
            for counts in (events.c.status == "accepted", events.c.found != ""):
                query = sa.select(events.c.id, column).where(events.c.connection == connected, counts, marked)
                read = connection.execute(query.order_by(events.c.id.desc()))
                found |= {wanted[value]: number for number, value in read if wanted[value] not in found}
    found |= {name: number for name, number in _something_else(connection, told).items() if name not in found}
    rest = [row for delivery, row in rows.items() if delivery not in found]
    near = _told_otherwise(connection, rest)
    return found | {row["delivery"]: near[id(row)].id for row in rest if id(row) in near}


def _insert(store: Store, connection: sa.Connection, group: list[_Waiting]) -> None:
    """Insert all rows of a group, tell the new from the known, and write the known down as duplicates."""
    all_rows = [row for one in group for row in one.rows]
    # In one order everywhere: two processes that insert the same keys then wait for, not against, each other.
    accepted = sorted((row for row in all_rows if row["status"] == "accepted"), key=_key)
    others = [row for row in all_rows if row["status"] != "accepted"]
    _exclude_others(store, connection, {row["connection"] for row in accepted if row["occurrence"]}, alone=False)
    fresh = _insert_new(store, connection, accepted)
    for key, twin in _told_otherwise(connection, [row for row in accepted if id(row) in fresh]).items():
        row = next(one for one in accepted if id(one) == key)
        row |= _repeating(twin.id)
        repeated = {name: row[name] for name in ("status", "state", "body", "duplicate_of", "reason")}
        connection.execute(events.update().where(events.c.id == fresh[key]).values(repeated))
        _confirm(connection, twin, row)
        if _may_be_later(row, twin):
            _look_again(connection, twin)
    known = [row for row in accepted if id(row) not in fresh]
    twins = _originals(connection, known)
    for row in known:
        twin = twins.get(_key(row)) or twins.get((row["connection"], "", row["delivery"]))
        row.update(_repeating(twin.id if twin is not None else None))
        if twin is not None and _may_be_another(row, twin):
            _look_again(connection, twin)
    ids = dict(fresh)
    for row in [*known, *others]:
        ids[id(row)] = connection.execute(sa.insert(events).values(row).returning(events.c.id)).scalar_one()
    for one in group:
        one.verdicts = [Verdict(ids[id(row)], row["status"]) for row in one.rows]


def _repeating(original: int | None) -> Row:
    """Say of a row that it repeats another."""
    reason = f"the same as event {original}" if original is not None else "known already"
    return {"status": "duplicate", "state": "over", "body": None, "duplicate_of": original, "reason": reason}


def _unknown(connection: sa.Connection, rows: list[Row]) -> list[Row]:
    """Leave out what is known: received itself, found before, or the confirmation of what was received."""
    names = {row["connection"] for row in rows}
    deliveries, meanings = [row["delivery"] for row in rows], [row["meaning"] for row in rows]
    accepted = events.c.status == "accepted"
    ways = (
        (events.c.delivery, sa.and_(accepted, events.c.delivery.in_(deliveries))),
        (events.c.delivery, sa.and_(events.c.found != "", events.c.delivery.in_(deliveries))),
        (events.c.meaning, sa.and_(accepted, events.c.meaning.in_(meanings))),
        (events.c.witness, sa.and_(events.c.witness != "", events.c.witness.in_(meanings))),
    )
    known: set[tuple[str, str]] = set()
    for column, way in ways:
        query = sa.select(events.c.connection, column).where(events.c.connection.in_(names), way)
        known |= {(one[0], one[1]) for one in connection.execute(query)}
    return [row for row in rows if not {(row["connection"], row[name]) for name in ("delivery", "meaning")} & known]


def _told_otherwise(connection: sa.Connection, rows: list[Row]) -> dict[int, Any]:
    """Find the accepted events that tell of the same occurrences in other words, by the identity of the row.

    A delivery and an entry of a trail have no mark in common, nor has what was concluded from what is there: they are
    one occurrence if they tell the same of the same thing at nearly the same moment, and each is the other's only one.
    Where several could be, those go together that name the same person and the same title: a file that is deleted for
    good leaves its number to another's upload in the same second.
    """
    found: dict[int, Any] = {}
    for name in {row["connection"] for row in rows if row["occurrence"]}:
        mine = [row for row in rows if row["connection"] == name and row["occurrence"]]
        there = _nearby(connection, name, [(row["occurrence"], row["at"]) for row in mine], _NEAR)
        fitting = {id(row): [one for one in there[row["occurrence"]] if _may_be_one(row, one)] for row in mine}
        taken: set[int] = set()
        for is_alike in (_is_known, _names_the_same, lambda *_: True):
            for row in sorted(mine, key=lambda one: one["at"]):
                others = [one for one in fitting[id(row)] if one.id not in taken and is_alike(row, one)]
                if others and id(row) not in found:
                    found[id(row)] = min(others, key=partial(_apart, row))
                    taken.add(found[id(row)].id)
    return found


def _nearby(
    connection: sa.Connection, name: str, told: Sequence[tuple[str, float]], within: float
) -> Mapping[str, list[Any]]:
    """Find a connection's accepted events that tell of these occurrences, at about these moments; by occurrence."""
    moments = [at for _, at in told]
    between = {"first": min(moments) - within, "last": max(moments) + within}
    wanted = {"connection": name, "occurrences": [occurrence for occurrence, _ in told], **between}
    there = defaultdict[str, list[Any]](list)
    for one in connection.execute(_NEARBY, wanted):
        there[one.occurrence].append(one)
    return there


def _something_else(connection: sa.Connection, found: Sequence[Event]) -> dict[str, int]:
    """Find, of entries that may tell of either of two things, those of which a delivery has told as the other one.

    Gives the delivered event's number by the entry's name. It is the same person's deed, within a moment.
    """
    either = [one for one in found if one.or_else]
    same: dict[str, int] = {}
    for name in {one.connection for one in either}:
        mine = [one for one in either if one.connection == name]
        there = _nearby(connection, name, [(one.or_else, one.at.timestamp()) for one in mine], _MOMENT)
        for one in mine:
            at, actor = one.at.timestamp(), storable(one.actor)
            twins = [row for row in there[one.or_else] if row.actor == actor and not _teller(row.channel)]
            near = [row for row in twins if abs(row.at - at) <= _MOMENT]
            if near:
                same[storable(one.delivery)] = min(near, key=lambda row: abs(row.at - at)).id
    return same


def _may_be_one(row: Row, twin: Any) -> bool:  # noqa: ANN401 - a database row
    """Whether two that tell the same may tell of one occurrence: each in its own words, and none known for another.

    What was concluded is nobody's word: a delivery and an entry may both be about it.
    """
    is_free = twin.witness in {"", row["meaning"]} or CONCLUDED in {twin.channel, row["channel"]}
    is_near = _apart(row, twin) <= _NEAR
    return is_free and is_near and _teller(twin.channel) != _teller(row["channel"])


def _is_known(row: Row, twin: Any) -> bool:  # noqa: ANN401 - a database row
    """Whether the two were taken for one before."""
    return bool(twin.witness) and twin.witness == row["meaning"]


def _names_the_same(row: Row, twin: Any) -> bool:  # noqa: ANN401 - a database row
    return bool(twin.actor == row["actor"] and twin.subject == row["subject"])


def _apart(row: Row, twin: Any) -> float:  # noqa: ANN401 - a database row
    """Give the seconds between the two."""
    return float(abs(twin.at - row["at"]))


def _teller(channel: str) -> str:
    """Say who told of an event: a delivery, whatever its channel, or an entry of a trail, or nobody."""
    return channel if channel in {TRAIL, CONCLUDED} else ""


def _confirm(connection: sa.Connection, twin: Any, row: Row) -> None:  # noqa: ANN401 - a database row
    """Remember what told of it in other words; what was concluded is nobody's word."""
    if CONCLUDED in {twin.channel, row["channel"]}:
        return
    connection.execute(events.update().where(events.c.id == twin.id).values(witness=row["meaning"]))


def _exclude_others(store: Store, connection: sa.Connection, names: set[str], *, alone: bool) -> None:
    """Keep what is found and what is delivered from being written at once: neither would see the other.

    Deliveries do not wait for each other. On SQLite writers take turns anyway.
    """
    if store.is_embedded:
        return
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    for name in sorted(names):
        connection.execute(sa.text(f"select {lock}(727275, hashtext(:name))"), {"name": name})


def _insert_new(store: Store, connection: sa.Connection, rows: list[Row]) -> dict[int, int]:
    """Insert what is new; returns the ids by the identity of the row."""
    if not rows:
        return {}
    returned = connection.execute(_insert_if_new(is_embedded=store.is_embedded), rows)
    ids = {(row.connection, row.meaning, row.delivery): row.id for row in returned}
    fresh: dict[int, int] = {}
    for row in rows:
        number = ids.pop((row["connection"], row["meaning"], row["delivery"]), None)
        if number is not None:
            fresh[id(row)] = number
    return fresh


@functools.cache
def _insert_if_new(*, is_embedded: bool) -> Any:  # noqa: ANN401 - the two dialects' Insert classes share no base
    statement = insert_of(events, is_embedded=is_embedded).on_conflict_do_nothing()
    return statement.returning(events.c.id, events.c.connection, events.c.meaning, events.c.delivery)


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


def _may_be_later(row: Row, twin: Any) -> bool:  # noqa: ANN401 - a database row
    """Whether a delivery may tell of something later than the entry of a trail that it was taken for.

    Of several versions in a few seconds nothing says which delivery belongs to which entry; what the entry led to may
    have been done before the last of them was uploaded.
    """
    young = row["received_at"] - twin.received_at < _AMBIGUOUS_FOR
    return young and bool(twin.witness == row["meaning"] or row["at"] > twin.at)


def _look_again(connection: sa.Connection, twin: Any) -> None:  # noqa: ANN401 - a database row
    connection.execute(events.update().where(events.c.id == twin.id).values(state="new", next_try=0.0))


def _key(row: Row) -> tuple[str, ...]:
    return row["connection"], row["meaning"]


def _row(event: Event, body: bytes, came: Row | None = None) -> Row:
    return {
        **BLANK,
        "connection": event.connection,
        "type": storable(event.type),
        "status": _status(event),
        "reason": cleaned(event.ignored),
        "delivery": storable(event.delivery),
        "meaning": storable(event.meaning),
        "channel": storable(event.channel),
        "lane": storable(event.lane),
        "occurrence": storable(event.occurrence),
        "found": event.found,
        "subject": one_line(event.subject),
        "actor": storable(event.actor),
        "at": event.at.timestamp(),
        "received_at": time.time(),
        "facts": json.dumps(event.facts),
        "body": body,
        "state": "over" if event.ignored else "new",
        **(came or {}),
    }


def _status(event: Event) -> str:
    if event.unusable:
        return "unusable"
    return "ignored" if event.ignored else "accepted"


def storable(text: str) -> str:
    """Make a stranger's text fit for a column and its index: no NUL, no half characters, not too long."""
    fit = cleaned(text)
    if len(fit) <= _LONGEST:
        return fit
    return f"{fit[:_SHOWN]}… {hashlib.sha256(fit.encode()).hexdigest()}"


def _part(event: Event) -> bytes:
    return json.dumps(event.raw).encode()
