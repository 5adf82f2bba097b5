"""Where everything is kept: one SQLite file beside the engine's, or one PostgreSQL database.

Transactions; what is kept is in `tables`.
"""

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from roomkeeper.errors import StoreUnavailable
from roomkeeper.store.turn import ON_DISK, Turn

T = TypeVar("T")
NOTICE = {  # a database that is gone without a word is noticed in seconds, not when TCP gives up
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_ALERT = {**NOTICE, "options": "-c statement_timeout=30s -c lock_timeout=15s"}
FILE = "roomkeeper.sqlite"
_LOOKS = 2  # in a row, at which the file is not in its place, until it is taken to be away (ours)
_LAST_USES = 2.0  # seconds: a transaction takes milliseconds, and whoever waits for a lock is not waited for
_MIGRATIONS = Path(__file__).parent / "migrations"


class Store:
    """One database. Transactions run in threads; on SQLite writers take turns, also those of several processes."""

    def __init__(self, where: str) -> None:
        self.is_embedded = "://" not in where
        self.where = where
        if self.is_embedded:
            _make_folder(Path(where))
            self._file = Path(where) / FILE
            self.engine = sqlite_engine(self._file)
            self._opened = self._file.stat()
            self._missed = 0
        else:
            url = address(where).set(drivername="postgresql+psycopg")
            self.engine = sa.create_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True, connect_args=_ALERT)
        self._turn = Turn(Path(where) / "turn.lock") if self.is_embedded else None
        self._asks: sqlite3.Connection | None = None
        self._is_closed = False

    @property
    def said(self) -> str:
        """Say where it is, without a password."""
        return self.where if self.is_embedded else address(self.where).render_as_string(hide_password=True)

    def migrate(self) -> None:
        """Bring the tables up to date; several processes may start at once. Raises StoreUnavailable."""
        try:
            self._bring_up_to_date()
        except SQLAlchemyError as error:
            raise self.unavailable(f"The store {self.said} cannot be opened", error) from error

    def _bring_up_to_date(self) -> None:
        with self.engine.connect().execution_options(reads=True) as connection:
            if self._is_current(connection):
                return
        # The turn first: who waits for it does so as long as it takes, and finds the tables up to date.
        with self._turn or contextlib.nullcontext(), self.engine.begin() as connection:
            if not self.is_embedded:
                connection.execute(sa.text("set local statement_timeout = 0; set local lock_timeout = 0"))
                connection.execute(sa.text("select pg_advisory_xact_lock(727274)"))
            if not self._is_current(connection):
                _upgrade(connection)

    def _is_current(self, connection: sa.Connection) -> bool:
        """Whether the tables are those of this version. Raises StoreUnavailable if they are of a later one."""
        version, newest = _version(connection), _newest()
        if version > newest:
            what = f"The store {self.said} was last used by a later version of Roomkeeper, whose tables are other ones"
            raise StoreUnavailable(what, remedy=_OF_A_LATER_VERSION)
        return version == newest

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Open a transaction that writes. Raises StoreUnavailable."""
        try:
            with self._turn or contextlib.nullcontext(), self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self.unavailable("The store cannot be written", error) from error

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a transaction that only reads. Raises StoreUnavailable."""
        try:
            with self.engine.connect().execution_options(reads=True) as connection:
                yield connection
        except SQLAlchemyError as error:
            raise self.unavailable("The store cannot be read", error) from error

    async def writing(self, act: Callable[[sa.Connection], T]) -> T:
        """Run a function in a writing transaction, off the event loop.

        Who is cancelled meanwhile goes when it is written: a thread cannot be called back, and what it wrote after its
        owner was gone would meet what a successor has written since.
        """
        written = asyncio.ensure_future(asyncio.to_thread(self._within, self.write, act))
        try:
            return await asyncio.shield(written)
        except asyncio.CancelledError:
            await asyncio.wait([written])
            raise

    async def reading(self, act: Callable[[sa.Connection], T]) -> T:
        """Run a function in a reading transaction, off the event loop."""
        return await asyncio.to_thread(self._within, self.read, act)

    def insert(self, table: sa.Table) -> Any:  # noqa: ANN401 - the two dialects' Insert classes share no base
        """Give an insert that can say ON CONFLICT."""
        return insert_of(table, is_embedded=self.is_embedded)

    def now(self, connection: sa.Connection) -> float:
        """Tell the database's time: processes on several machines compare their signs of life by it."""
        if self.is_embedded:
            return time.time()
        return float(connection.execute(sa.text("select extract(epoch from clock_timestamp())")).scalar_one())

    def take_turn(self, connection: sa.Connection, table: sa.Table, *this: sa.ColumnElement[bool], rest: float) -> bool:
        """Claim a row's work by its `claimed_at`: of several processes one has it, and nobody for `rest` seconds after.

        A clock that was set back does not stop it.
        """
        now = self.now(connection)
        free = sa.or_(table.c.claimed_at <= now - rest, table.c.claimed_at > now)
        return connection.execute(sa.update(table).where(*this, free).values(claimed_at=now)).rowcount > 0

    def version(self) -> int | None:
        """Give a number that is another one after anybody has committed; None if there is none. For one thread.

        SQLite keeps it for each connection that asks (`PRAGMA data_version`), so this one is for nothing else.
        """
        if not self.is_embedded or self._is_closed:
            return None
        try:
            if self._asks is None:
                file = self._file.resolve().as_uri()
                self._asks = sqlite3.connect(f"{file}?mode=ro", uri=True, check_same_thread=False)
            return int(self._asks.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None  # then the store is asked, and says what is wrong

    def is_in_place(self) -> bool:
        """Whether the file is still the one that was opened; of a database that is not here, it is taken to be.

        Not so only if it was not at so many looks in a row: file systems of other machines stumble now and then.
        """
        if not self.is_embedded:
            return True
        try:
            is_there = os.path.samestat(self._file.stat(), self._opened)
        except (FileNotFoundError, NotADirectoryError):
            is_there = False
        except OSError:
            return True  # whoever reads or writes it says what is wrong
        self._missed = 0 if is_there else self._missed + 1
        return self._missed < _LOOKS

    def close(self) -> None:
        """Close all connections; one that a thread still uses, when it has given it back: it would stay open else."""
        end = time.monotonic() + _LAST_USES
        while isinstance(self.engine.pool, sa.QueuePool) and self.engine.pool.checkedout() and time.monotonic() < end:
            time.sleep(0.01)
        self._is_closed = True
        if self._asks is not None:  # first: the last one that is closed puts the journal where it belongs
            self._asks.close()
            self._asks = None
        self.engine.dispose()
        if self._turn is not None:
            self._turn.close()

    def unavailable(self, what: str, error: SQLAlchemyError) -> StoreUnavailable:
        """Say what could not be done, why, and what to do."""
        # What the database says, without the statement: that may hold names of files and people.
        why = str(getattr(error, "orig", None) or error).partition("\n")[0]
        here = _RESTORE if is_damaged(error) else ON_DISK
        return StoreUnavailable(f"{what}: {why}", remedy=here if self.is_embedded else _REACH_IT)

    @staticmethod
    def _within(open_: Callable[[], Any], act: Callable[[sa.Connection], T]) -> T:
        with open_() as connection:
            return act(connection)


def insert_of(table: sa.Table, *, is_embedded: bool) -> Any:  # noqa: ANN401 - the two dialects' Insert classes share no base
    """Give an insert that can say ON CONFLICT, for one kind of store."""
    return sqlite.insert(table) if is_embedded else postgresql.insert(table)


def _make_folder(folder: Path) -> None:
    """Make the folder of a store, for nobody else to look into. Raises StoreUnavailable."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreUnavailable(f"The store {folder} cannot be made: {error.strerror}", remedy=ON_DISK) from error


def address(where: str) -> sa.URL:
    """Read a database's address; a password may have any sign in it. Raises StoreUnavailable."""
    scheme, _, rest = where.partition("://")
    main, mark, query = rest.partition("?")
    if mark and "@" not in main and "/" not in main:  # the mark stands in the password
        main, mark, query = rest, "", ""
    login, at, place = main.rpartition("@")  # the last one: a host has none
    user, colon, password = login.partition(":")
    try:
        url = sa.make_url(f"{scheme}://{place}{mark}{query}")
    except (ArgumentError, ValueError) as error:
        what = "The store's address cannot be read: behind the last `@` stands no host, port and database"
        raise StoreUnavailable(what, remedy="Write it as postgresql://user:password@host:5432/database.") from error
    if not at:
        return url
    return url.set(username=unquote(user), password=unquote(password) if colon else None)


_REACH_IT = (
    "See whether PostgreSQL runs there, and whether `store` has the right host, port, database, user and password."
)


_DAMAGED = ("file is not a database", "database disk image is malformed")  # SQLite's words (sqlite.org/rescode.html)
_RESTORE = (
    "The file is damaged. Stop the service, move the whole folder aside, and put the last backup's in its place; "
    "what happened since is found in the services' own records (`roomkeeper reconcile`)."
)
_OF_A_LATER_VERSION = (
    "Install the version that ran last. To go back to this one: stop the service, move the store aside, and put the "
    "backup that was made before the upgrade in its place."
)


def is_damaged(error: SQLAlchemyError) -> bool:
    """Whether a SQLite file is not one any more."""
    return any(said in str(error) for said in _DAMAGED)


def is_made(where: str) -> bool:
    """Whether there is a store already; of a database that is not here, it is taken to be there."""
    return "://" in where or (Path(where) / FILE).exists()


def opened(where: str) -> Store:
    """Open a store, up to date, for a command that runs beside the service or without it."""
    store = Store(where)
    try:
        store.migrate()
    except BaseException:
        store.close()
        raise
    return store


def _newest() -> str:
    """Tell the migration that the tables should be at."""
    return max(file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _version(connection: sa.Connection) -> str:
    """Tell which migration the tables are at; nothing if there are none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(sa.text("select version_num from alembic_version")).scalar() or "")


def _upgrade(connection: sa.Connection) -> None:
    """Bring the tables to the newest migration."""
    from alembic import command  # noqa: PLC0415 - half a second and 20 MB, for nothing where nothing is to be migrated
    from alembic.config import Config as AlembicConfig  # noqa: PLC0415

    config = AlembicConfig()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def sqlite_engine(file: Path) -> sa.Engine:
    """Open our SQLite file. Who writes takes the lock at once, so that no transaction fails halfway for lack of it."""
    engine = durable_sqlite(file)

    @sa.event.listens_for(engine, "connect")
    def _leave_begin_to_us(connection: Any, _: Any) -> None:  # noqa: ANN401 - a DBAPI connection
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def durable_sqlite(file: Path) -> sa.Engine:
    """Open a SQLite file so that what is committed is on the disk, and no reader waits for a writer."""
    file.touch(mode=0o600)  # what SQLite puts beside it has the same mode
    engine = sa.create_engine(
        f"sqlite:///{file}",
        pool_size=16,
        max_overflow=16,
        connect_args={"timeout": 30.0, "check_same_thread": False, "isolation_level": "IMMEDIATE"},
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:  # noqa: ANN401 - a DBAPI connection
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "busy_timeout=30000",
            "foreign_keys=ON",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}").close()
        if sqlite3.sqlite_version_info < (3, 42):
            # From Python 3.12 on the engine library counts on unixepoch('subsec'), which an older SQLite does not have.
            connection.create_function("unixepoch", 1, lambda _: time.time())

    return engine
