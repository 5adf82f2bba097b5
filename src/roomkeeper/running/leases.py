"""Who is alive; and the takeover of a dead process's runs.

Every process renews its lease each second. One that has not done so for ten seconds is declared dead, after which
it cannot renew it any more; its runs are recovered by the others until none is left (facts/engine.md, pitfall 1).
"""

import asyncio
import fcntl
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import sqlalchemy as sa
import structlog

from roomkeeper.errors import StoreUnavailable
from roomkeeper.store.database import Store
from roomkeeper.store.tables import processes

log = structlog.get_logger("leases")

BEAT = 1.0  # seconds
LEASE = 10.0  # seconds without a beat, by the database's clock, until a process counts as dead
_SAFE = 0.6  # of the lease: after that without a beat, a process does not act until it has renewed it
JOINING = 2.5 * BEAT  # seconds until all others, if there are any, have seen a new process and made room for it
SOLO = "solo"


def lock_file(store: Store) -> Path:
    """Name the file that the one process of an embedded store keeps locked."""
    return Path(store.where) / "roomkeeper.lock"


def is_served(store: Store) -> bool:
    """Whether some process takes runs from this store."""
    if not store.is_embedded:
        with store.read() as connection:
            late = store.now(connection) - LEASE
            query = sa.select(processes.c.id).where(processes.c.works, processes.c.declared_dead.is_(False))
            return connection.execute(query.where(processes.c.seen_at > late)).first() is not None
    try:
        with lock_file(store).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


class Lease:
    """The lease of this process."""

    def __init__(self, store: Store, *, works: bool, on_lost: Callable[[], None]) -> None:
        self.id = SOLO if store.is_embedded else f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._store, self._works, self._on_lost = store, works, on_lost
        self._renewed = time.monotonic()
        self._workers = 1

    def begin(self) -> None:
        """Take the lease. Raises StoreUnavailable."""
        began = time.monotonic()
        with self._store.write() as connection:
            now = self._store.now(connection)
            row = {"id": self.id, "works": self._works, "started_at": now, "seen_at": now, "declared_dead": False}
            statement = self._store.insert(processes).values(row)
            connection.execute(statement.on_conflict_do_update(index_elements=[processes.c.id], set_=row))
        # Only now that others see this one: of two that begin at once, at least one finds the other.
        alive = sa.select(sa.func.count()).where(processes.c.works, processes.c.declared_dead.is_(False))
        with self._store.read() as connection:
            self._workers = connection.execute(alive).scalar_one()
        self._renewed = began

    def beat(self) -> list[str]:
        """Renew the lease; returns the processes that are dead and may have left runs behind."""
        began = time.monotonic()  # before the transaction: what others see is not newer than what we think
        if self._store.is_embedded:
            self._renewed = began
            return []
        with self._store.write() as connection:
            now = self._store.now(connection)
            mine = sa.update(processes).where(processes.c.id == self.id, processes.c.declared_dead.is_(False))
            if connection.execute(mine.values(seen_at=now)).rowcount == 0:
                self._on_lost()
                return []
            late = sa.update(processes).where(processes.c.seen_at < now - LEASE, processes.c.declared_dead.is_(False))
            died = list(connection.execute(late.values(declared_dead=True).returning(processes.c.id)).scalars())
            rows = connection.execute(sa.select(processes).where(processes.c.works)).all()
        for process in died:  # others ended in order, and gave their lease back
            log.warning("a service died: its runs are taken over", process=process)
        self._renewed = began
        self._workers = sum(1 for row in rows if not row.declared_dead)
        return [row.id for row in rows if row.declared_dead]

    def alive(self) -> set[str]:
        """List the processes that have not been declared dead."""
        with self._store.read() as connection:
            query = sa.select(processes.c.id).where(processes.c.declared_dead.is_(False))
            return set(connection.execute(query).scalars())

    def forget(self, process: str) -> None:
        """Strike off a dead process that has left no runs behind."""
        with self._store.write() as connection:
            connection.execute(sa.delete(processes).where(processes.c.id == process))

    def end(self) -> None:
        """Give the lease back; what it leaves behind is then nobody's, so only after the last run has stopped."""
        with self._store.write() as connection:
            statement = sa.update(processes).where(processes.c.id == self.id)
            connection.execute(statement.values(declared_dead=True))

    def is_safe(self) -> bool:
        """Whether nobody can have declared this process dead."""
        return time.monotonic() - self._renewed < LEASE * _SAFE

    def workers(self) -> int:
        """How many processes share the portals' limits."""
        return max(1, self._workers)

    async def keep(self, recover: Callable[[str], Awaitable[bool]]) -> None:
        """Beat for ever; `recover` takes a dead process's runs back and tells whether none is left."""
        while True:
            await asyncio.sleep(BEAT)
            try:
                # What costs nothing is not worth a thread, each second, for ever.
                dead = self.beat() if self._store.is_embedded else await asyncio.to_thread(self.beat)
                for process in dead:
                    if await recover(process):
                        await asyncio.to_thread(self.forget, process)
            except StoreUnavailable:
                continue  # `is_safe` goes false in time; nothing acts until the store is back
