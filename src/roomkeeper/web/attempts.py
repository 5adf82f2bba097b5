"""Attempts to log in: whoever fails is slowed down, by name and by network, in all processes together.

Nobody is locked out: the wait grows to half a minute and no further, and somebody who logged in from a network before
does not wait for what others try with their name (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
"""

import hashlib
import ipaddress
import time
from collections.abc import Callable

import sqlalchemy as sa

from roomkeeper.store.database import Store
from roomkeeper.store.tables import logins

_FREE = 5  # failed attempts before the first wait; ours, as all of these
_FIRST, _LONGEST = 1.0, 30.0  # seconds
_REMEMBERED = 900.0  # seconds that a failure counts
_KNOWN_FOR = 30 * 86_400.0  # seconds that a network is known from which somebody logged in
_NETWORK = 64  # bits of an IPv6 address that one customer has


class Attempts:
    """Counts attempts. A name alone, a network alone: those that failed; both: when they were last successful."""

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        self._store, self._now = store, now

    def begin(self, name: str, address: str) -> float:
        """Count an attempt as failed, before the password is looked at, for many may come at once.

        Gives 0; or the seconds to wait first, and then it is not counted. Raises StoreUnavailable.
        """
        who, network = _digest(name), network_of(address)
        with self._store.read() as db:  # first: a flood of attempts shall not keep deliveries from being written
            if wait := self._wait(db, who, network):
                return wait
        with self._store.write() as db:
            if wait := self._wait(db, who, network):  # another one came before
                return wait
            _forget(db, self._now())
            for key in (("", network), (who, "")):
                self._count(db, *key)
        return 0.0

    def succeeded(self, name: str, address: str) -> None:
        """Take it back, and remember that this name logged in from there. Raises StoreUnavailable."""
        who, network = _digest(name), network_of(address)
        with self._store.write() as db:
            for key in (("", network), (who, "")):
                db.execute(sa.update(logins).where(*_of(*key)).values(failed=logins.c.failed - 1))
            row = {"name": who, "network": network, "failed": 0, "at": self._now()}
            insert = self._store.insert(logins).values(row)
            again = {"at": insert.excluded.at}
            db.execute(insert.on_conflict_do_update(index_elements=[logins.c.name, logins.c.network], set_=again))

    def _wait(self, db: sa.Connection, who: str, network: str) -> float:
        known_since = self._now() - _KNOWN_FOR
        known = sa.select(logins.c.at).where(*_of(who, network), logins.c.at > known_since)
        counted = [("", network)] if db.execute(known).first() is not None else [("", network), (who, "")]
        return max(self._left(db, *one) for one in counted)

    def _left(self, db: sa.Connection, name: str, network: str) -> float:
        now = self._now()
        failed = sa.select(logins.c.failed, logins.c.at).where(*_of(name, network), logins.c.at > now - _REMEMBERED)
        row = db.execute(failed).first()
        if row is None or row.failed < _FREE:
            return 0.0
        pause = min(_LONGEST, _FIRST * 2.0 ** min(int(row.failed) - _FREE, 10))
        return max(0.0, float(row.at) + pause - now)

    def _count(self, db: sa.Connection, name: str, network: str) -> None:
        now = self._now()
        insert = self._store.insert(logins).values(name=name, network=network, failed=1, at=now)
        more = {"failed": logins.c.failed + 1, "at": insert.excluded.at}
        db.execute(insert.on_conflict_do_update(index_elements=[logins.c.name, logins.c.network], set_=more))


def network_of(address: str) -> str:
    """Give the network of an address: of IPv6 the part that a customer has; of IPv4 the address itself."""
    try:
        read = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if isinstance(read, ipaddress.IPv6Address):
        return str(read.ipv4_mapped or ipaddress.ip_network((read, _NETWORK), strict=False))
    return str(read)


def _of(name: str, network: str) -> tuple[sa.ColumnElement[bool], ...]:
    return logins.c.name == name, logins.c.network == network


def _digest(name: str) -> str:
    """Give what is kept of a name: people type their passwords there."""
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:16]


def _forget(db: sa.Connection, now: float) -> None:
    is_success = sa.and_(logins.c.name != "", logins.c.network != "")
    kept_since = sa.case((is_success, now - _KNOWN_FOR), else_=now - _REMEMBERED)
    db.execute(sa.delete(logins).where(logins.c.at < kept_since))
