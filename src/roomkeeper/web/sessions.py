"""Sessions: who is logged in. The browser keeps a random word, the store only its digest."""

import hashlib
import secrets
import time
from typing import Any

import sqlalchemy as sa

from roomkeeper.store.database import Store
from roomkeeper.store.tables import sessions

_MOST = 50  # of one name that are kept at once
LINK = "link"  # the origin of sessions that a link began: for pages without a login
_TICKET = "ticket"  # the origin of what a link brings, until it is used
_TICKET_FOR = 900.0  # seconds that a link can be used; ours
LONGEST = 200  # characters of a word that is looked for
_HOLDER = "who opened the link"


def begin(store: Store, name: str, role: str, origin: str, seconds: float) -> str:
    """Begin a session; gives the word for the browser. `origin` says by what right: it ends with that."""
    word, now = secrets.token_urlsafe(32), time.time()
    row = {"digest": digest(word), "name": name, "role": role, "origin": origin, "began_at": now}
    with store.write() as db:
        db.execute(sa.delete(sessions).where(sessions.c.ends_at < now))
        mine = sessions.c.name == name
        newest = sa.select(sessions.c.digest).where(mine).order_by(sessions.c.began_at.desc()).limit(_MOST)
        db.execute(sa.delete(sessions).where(mine, sessions.c.digest.not_in(newest)))
        db.execute(sa.insert(sessions).values(**row, ends_at=now + seconds))
    return word


def link(store: Store) -> str:
    """Make the path of a link that opens the pages: good once, within a quarter of an hour."""
    return f"/enter?once={begin(store, _HOLDER, 'operator', _TICKET, _TICKET_FOR)}"


def redeem(store: Store, word: str, seconds: float) -> str | None:
    """Begin a session for what a link brought; None if it was used, or is too old."""
    mine = (sessions.c.digest == digest(word), sessions.c.origin == _TICKET, sessions.c.ends_at > time.time())
    with store.write() as db:
        if db.execute(sa.delete(sessions).where(*mine)).rowcount == 0:
            return None
    return begin(store, _HOLDER, "operator", LINK, seconds)


def find(store: Store, word: str) -> Any:  # noqa: ANN401 - a database row
    """Find a session that has not ended; None if there is none."""
    query = sa.select(sessions).where(sessions.c.digest == digest(word), sessions.c.ends_at > time.time())
    with store.read() as db:
        return db.execute(query).first()


def end(store: Store, word: str) -> None:
    """End a session."""
    with store.write() as db:
        db.execute(sa.delete(sessions).where(sessions.c.digest == digest(word)))


def digest(word: str) -> str:
    """Give what the store keeps of a word."""
    return hashlib.sha256(word.encode()).hexdigest()
