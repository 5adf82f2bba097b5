"""The services on this store: which text of the configuration each runs, and whether it is to read it anew."""

import time
from typing import Any

import sqlalchemy as sa

from roomkeeper.errors import StoreUnavailable
from roomkeeper.store import actions
from roomkeeper.store.database import Store
from roomkeeper.store.tables import services
from roomkeeper.store.turn import ON_DISK

SEEN_EVERY = 10.0  # seconds
READ_ANEW = "had the configuration read anew"
_OF_NAME = sa.select(services).where(services.c.name == sa.bindparam("name"))
_GONE_AFTER = 35.0  # seconds without being seen: three times, and a little
_STEP = 0.001  # seconds between an order and its answer, at least; ours


def announce(store: Store, name: str, role: str, text: str) -> None:
    """Say that this service runs this text from now on. Raises StoreUnavailable."""
    with store.write() as db:
        now = store.now(db)
        gone = ~_is_there(now)
        if store.is_embedded:  # there a service is the only one, whole or in parts
            gone = sa.or_(gone, services.c.role == role, services.c.role == "all", sa.literal(role == "all"))
        db.execute(sa.delete(services).where(gone, services.c.name != name))
        loaded = {"role": role, "text": text, "loaded_at": now, "seen_at": now, "trouble": ""}
        loaded["settled_at"] = _next(db, now)
        row = {"name": name, "ordered_at": 0.0} | loaded
        insert = store.insert(services).values(row)
        db.execute(insert.on_conflict_do_update(index_elements=[services.c.name], set_=loaded))


def is_ordered(store: Store, name: str) -> bool | None:
    """Whether this service is to read the file anew; None if nobody knows of it. Raises StoreUnavailable."""
    with store.read() as db:
        row = db.execute(_OF_NAME, {"name": name}).first()
    return row.ordered_at > row.settled_at if row is not None else None


def see(store: Store, name: str, db: sa.Connection) -> None:
    """Say that this service is there; to be called every `SEEN_EVERY` seconds."""
    db.execute(sa.update(services).where(services.c.name == name).values(seen_at=store.now(db)))


def clock(store: Store) -> float:
    """Tell the time by the clock that orders are dated by. Raises StoreUnavailable."""
    with store.read() as db:
        return _next(db, store.now(db))


def late(store: Store, machine: str, since: float | None) -> list[Any]:
    """List the workers of a machine that have not settled what was asked for: by an order, or since a moment.

    Raises StoreUnavailable.
    """
    here = [one for one in running(store) if one.role in {"worker", "all"} and one.name.startswith(f"{machine} ")]
    return [one for one in here if one.settled_at < (one.ordered_at if since is None else since)]


def refuse(store: Store, name: str, trouble: str) -> None:
    """Say why the text is not taken over. Raises StoreUnavailable."""
    with store.write() as db:
        settled = {"settled_at": _next(db, store.now(db)), "trouble": trouble}
        db.execute(sa.update(services).where(services.c.name == name).values(settled))


def leave(store: Store, name: str) -> None:
    """Say that this service has ended. Raises StoreUnavailable."""
    with store.write() as db:
        db.execute(sa.delete(services).where(services.c.name == name))


def order(store: Store, by: str, did: str = READ_ANEW, *, why: str = "") -> float:
    """Have all services read the file anew; gives when that was ordered. Raises StoreUnavailable."""
    with store.write() as db:
        actions.record(db, by, f"{did}: {why}" if why else did)
        at = _next(db, store.now(db))
        db.execute(sa.update(services).values(ordered_at=at))
    return at


def running(store: Store) -> list[Any]:
    """List those that were seen lately: rows of `services`. Raises StoreUnavailable."""
    with store.read() as db:
        return list(db.execute(sa.select(services).where(_is_there(store.now(db))).order_by(services.c.name)))


def must_be_kept(store: Store) -> None:
    """Make sure that what is written is kept: who runs says so every ten seconds. Raises StoreUnavailable."""
    if not running(store):
        seconds = f"{_GONE_AFTER:.0f} s"
        raise StoreUnavailable(
            f"The store can be read, and nothing could be written into it for {seconds}", remedy=ON_DISK
        )


def is_run(store: Store, text: str) -> bool:
    """Whether any runs this text. Raises StoreUnavailable."""
    return any(one.text == text for one in running(store))


def others(store: Store, text: str) -> list[Any]:
    """List those that run another text than this. Raises StoreUnavailable."""
    return [one for one in running(store) if one.text != text]


def settled(store: Store, ordered_at: float, within: float) -> list[Any]:
    """Wait until all have settled an order, or for so many seconds; gives them. Raises StoreUnavailable."""
    end = time.monotonic() + within
    while True:
        found = running(store)
        if all(one.settled_at >= ordered_at for one in found) or time.monotonic() > end:
            return found
        time.sleep(0.2)


def _next(db: sa.Connection, now: float) -> float:
    """Date an order, or an answer to one: after all that were given before, though the clock was set back since."""
    given = sa.select(sa.func.max(services.c.ordered_at), sa.func.max(services.c.settled_at))
    return max([now, *(float(one) + _STEP for one in db.execute(given).one() if one is not None)])


def _is_there(now: float) -> sa.ColumnElement[bool]:
    """Whether a service was seen lately; what was seen later than now was seen by a clock that was set back."""
    return services.c.seen_at.between(now - _GONE_AFTER, now + _GONE_AFTER)
