"""The texts of the configuration that services have run: which, since when, by whom, and why. They hold no secrets."""

import time
from typing import Any

import sqlalchemy as sa

from roomkeeper.errors import NotThere
from roomkeeper.store.database import Store
from roomkeeper.store.moments import moment
from roomkeeper.store.tables import texts

_KEPT = 200
BY_FILE = "in the file"


def keep(store: Store, text: str, *, by: str = BY_FILE, why: str = "") -> int | None:
    """Remember a text, unless it is the one that was there last; gives its number. Raises StoreUnavailable."""
    with store.write() as db:
        last = sa.select(texts.c.text).order_by(texts.c.id.desc()).limit(1)
        if db.execute(last).scalar() == text:
            return None
        row = sa.insert(texts).values(at=time.time(), by=by, why=why, text=text)
        number: int = db.execute(row.returning(texts.c.id)).scalar_one()
        newest = sa.select(texts.c.id).order_by(texts.c.id.desc()).limit(_KEPT)
        db.execute(sa.delete(texts).where(texts.c.id.not_in(newest)))
        return number


def forget(store: Store, number: int | None) -> None:
    """Forget a text that was kept and never ran; None is none. Raises StoreUnavailable."""
    with store.write() as db:
        db.execute(sa.delete(texts).where(texts.c.id == number))


def listed(store: Store, limit: int = 20) -> list[dict[str, Any]]:
    """List the last ones, the newest first. Raises StoreUnavailable."""
    with store.read() as db:
        rows = db.execute(sa.select(texts).order_by(texts.c.id.desc()).limit(limit))
        return [{"id": row.id, "at": moment(row.at), "by": row.by, "why": row.why} for row in rows]


def newest(store: Store, limit: int = 20) -> list[str]:
    """Give the last texts themselves, the newest first. Raises StoreUnavailable."""
    with store.read() as db:
        return list(db.execute(sa.select(texts.c.text).order_by(texts.c.id.desc()).limit(limit)).scalars())


def one(store: Store, number: int) -> Any:  # noqa: ANN401 - a database row
    """Give one. Raises NotThere, StoreUnavailable."""
    with store.read() as db:
        found = db.execute(sa.select(texts).where(texts.c.id == number)).first()
    if found is None:
        raise NotThere(f"There is no version {number} of the configuration", remedy=f"The last {_KEPT} are kept.")
    return found
