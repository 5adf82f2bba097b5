"""Where everything is kept: one SQLite file beside the engine's, or one PostgreSQL database.

Tables and transactions; what they mean is said by the modules that use them.
"""

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from roomkeeper.errors import StoreUnavailable

T = TypeVar("T")
metadata = sa.MetaData()
_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts up only INTEGER keys
NOTICE = {  # a database that is gone without a word is noticed in seconds, not when TCP gives up
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_ALERT = {**NOTICE, "options": "-c statement_timeout=30s -c lock_timeout=15s"}
_MIGRATIONS = Path(__file__).parent / "migrations"

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),  # accepted | duplicate | ignored | refused
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("delivery", sa.Text, nullable=False),
    sa.Column("meaning", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False, default=""),
    sa.Column("lane", sa.Text, nullable=False, default=""),
    sa.Column("subject", sa.Text, nullable=False, default=""),
    sa.Column("actor", sa.Text, nullable=False, default=""),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("received_at", sa.Double, nullable=False),
    sa.Column("facts", sa.Text, nullable=False, default="{}"),
    sa.Column("body", sa.LargeBinary),
    sa.Column("duplicate_of", _Number),
    sa.Column("target", sa.Text),  # the one automation it is for, if it was started by hand
    sa.Column("state", sa.Text, nullable=False),  # new: to be dispatched | parked | over | failed
    sa.Column("next_try", sa.Double, nullable=False, default=0.0),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("occurrence", sa.Text, nullable=False, default=""),  # what happened to what, without the moment
    sa.Column("witness", sa.Text, nullable=False, default=""),  # what told of the same in other words
    sa.Column("found", sa.Text, nullable=False, default=""),  # the trail it was found in, if it was not delivered
    sqlite_autoincrement=True,  # an id is never used again
)
_accepted = events.c.status == "accepted"
sa.Index(
    "one_delivery",
    events.c.connection,
    events.c.delivery,
    unique=True,
    sqlite_where=_accepted,
    postgresql_where=_accepted,
)
sa.Index(
    "one_meaning",
    events.c.connection,
    events.c.meaning,
    unique=True,
    sqlite_where=_accepted,
    postgresql_where=_accepted,
)
sa.Index(
    "to_dispatch",
    events.c.connection,
    events.c.id,
    sqlite_where=events.c.state == "new",
    postgresql_where=events.c.state == "new",
)
sa.Index("events_by_age", events.c.received_at)
_happened = sa.and_(_accepted, events.c.occurrence != "")
sa.Index(
    "events_by_occurrence",
    events.c.connection,
    events.c.occurrence,
    events.c.at,
    sqlite_where=_happened,
    postgresql_where=_happened,
)
_searched = events.c.found != ""
sa.Index("events_found", events.c.connection, events.c.delivery, sqlite_where=_searched, postgresql_where=_searched)
_confirmed = events.c.witness != ""
sa.Index(
    "events_by_witness",
    events.c.connection,
    events.c.witness,
    sqlite_where=_confirmed,
    postgresql_where=_confirmed,
)

waiting = sa.Table(
    "waiting",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("automation", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("event_id", _Number, nullable=False),
    sa.Column("place", sa.Text),
    sa.Column("parked_at", sa.Double, nullable=False),
    sa.Column("run_id", _Number),
    sqlite_autoincrement=True,  # an id is never used again
)
_unclaimed = waiting.c.run_id.is_(None)
sa.Index(
    "parked_once",
    waiting.c.automation,
    waiting.c.event_id,
    unique=True,
    sqlite_where=_unclaimed,
    postgresql_where=_unclaimed,
)
sa.Index(
    "parked_by_key",
    waiting.c.automation,
    waiting.c.key,
    waiting.c.id,
    sqlite_where=_unclaimed,
    postgresql_where=_unclaimed,
)
sa.Index("waiting_by_run", waiting.c.run_id)
sa.Index("waiting_by_event", waiting.c.event_id)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("automation", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),  # the automation as it was when the run was made
    sa.Column("gather", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # waiting | running | done | needs_attention | cancelled
    sa.Column("claims", sa.Boolean, nullable=False),  # whether it still has to claim its events
    sa.Column("attempt", sa.Integer, nullable=False, default=1),
    sa.Column("enqueued", sa.Boolean, nullable=False, default=False),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("error", sa.Text),
    sa.Column("remedy", sa.Text),
    sqlite_autoincrement=True,  # an id is never used again
)
_to_claim = sa.and_(runs.c.state == "waiting", runs.c.claims)
sa.Index("one_waits", runs.c.automation, runs.c.key, unique=True, sqlite_where=_to_claim, postgresql_where=_to_claim)
sa.Index("runs_by_state", runs.c.state)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("run_id", _Number, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("do", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # running | done | skipped | failed | asks | cancelled
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("remedy", sa.Text),
    sa.Column("items", sa.Text),
    sa.Column("progress", sa.Text),
    sa.Column("executions", sa.Integer, nullable=False, default=1),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Column("plan", sa.Text),  # what it recorded of what is to be done: shown, gone on with, undone
    sa.Column("ask_until", sa.Double),  # until when a person may approve it
    sa.Column("approved_at", sa.Double),
    sa.Column("approved_by", sa.Text),
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("run_id", _Number, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False, default=""),
)
sa.Index("calls_by_run", calls.c.run_id)

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("done", sa.Boolean, nullable=False),
    sa.Column("target", sa.Text, nullable=False, default=""),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("run_id", _Number, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)
sa.Index("ledger_by_target", ledger.c.scope, ledger.c.target)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("run_id", _Number, nullable=False),
    sa.Column("since", sa.Double, nullable=False),
)

processes = sa.Table(
    "processes",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("works", sa.Boolean, nullable=False),  # takes runs; a receiver alone does not
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("declared_dead", sa.Boolean, nullable=False, default=False),
)

tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("budget", sa.Text, primary_key=True),
    sa.Column("second", _Number, primary_key=True),
    sa.Column("calls", sa.Integer, nullable=False),
)

trails = sa.Table(
    "trails",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("began_at", sa.Double, nullable=False),  # nothing older is looked for
    sa.Column("claimed_at", sa.Double, nullable=False),  # by the process that searches now or searched last
    sa.Column("searched_at", sa.Double),
    sa.Column("position", sa.Text, nullable=False),  # where the next search begins, in the connector's words
    sa.Column("starts", sa.Text, nullable=False),  # since when what is listened to, in which room
    sa.Column("trouble", sa.Text, nullable=False),  # what could not be looked at the last time
)

hooks = sa.Table(
    "hooks",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),  # where ours delivered to when last seen; empty once it was removed
    sa.Column("claimed_at", sa.Double, nullable=False),  # by the process that looks after it
    sa.Column("mark", _Number, nullable=False),  # the newest delivery when its secret was last set right
    sa.Column("marked_at", sa.Double, nullable=False),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("remedy", sa.Text, nullable=False),
    sa.Column("opened_at", sa.Double, nullable=False),
    sa.Column("closed_at", sa.Double),
    sqlite_autoincrement=True,
)
_still = alerts.c.closed_at.is_(None)
sa.Index("one_alert", alerts.c.key, unique=True, sqlite_where=_still, postgresql_where=_still)

proofs = sa.Table(
    "proofs",
    metadata,
    sa.Column("automation", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),  # 2026-11-22, in UTC
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("counts", sa.Text, nullable=False),  # how many lines of each outcome
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),  # nothing unaccounted for, and all could be looked at
)

days = sa.Table(
    "days",
    metadata,
    sa.Column("budget", sa.Text, primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True),
    sa.Column("writes", sa.Integer, nullable=False),
)


class Store:
    """One database. Transactions run in threads; on SQLite writers take turns inside the process."""

    def __init__(self, where: str) -> None:
        self.is_embedded = "://" not in where
        self.where = where
        if self.is_embedded:
            Path(where).mkdir(parents=True, exist_ok=True, mode=0o700)
            self.engine = sqlite_engine(Path(where) / "roomkeeper.sqlite")
        else:
            url = sa.make_url(where).set(drivername="postgresql+psycopg")
            self.engine = sa.create_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True, connect_args=_ALERT)
        self._turn: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if self.is_embedded else contextlib.nullcontext()
        )

    def migrate(self) -> None:
        """Bring the tables up to date; several processes may start at once."""
        from alembic import command  # noqa: PLC0415 - half a second to load, for nothing where nothing is to be migrated
        from alembic.config import Config as AlembicConfig  # noqa: PLC0415

        config = AlembicConfig()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self.engine.begin() as connection:
            if not self.is_embedded:
                connection.execute(sa.text("set local statement_timeout = 0; set local lock_timeout = 0"))
                connection.execute(sa.text("select pg_advisory_xact_lock(727274)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Open a transaction that writes. Raises StoreUnavailable."""
        try:
            with self._turn, self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"The store cannot be written: {_first_line(error)}") from error

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a transaction that only reads. Raises StoreUnavailable."""
        try:
            with self.engine.connect().execution_options(reads=True) as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"The store cannot be read: {_first_line(error)}") from error

    async def writing(self, act: Callable[[sa.Connection], T]) -> T:
        """Run a function in a writing transaction, off the event loop."""
        return await asyncio.to_thread(self._within, self.write, act)

    async def reading(self, act: Callable[[sa.Connection], T]) -> T:
        """Run a function in a reading transaction, off the event loop."""
        return await asyncio.to_thread(self._within, self.read, act)

    def insert(self, table: sa.Table) -> Any:  # noqa: ANN401 - the two dialects' Insert classes share no base
        """Give an insert that can say ON CONFLICT."""
        return sqlite.insert(table) if self.is_embedded else postgresql.insert(table)

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

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @staticmethod
    def _within(open_: Callable[[], Any], act: Callable[[sa.Connection], T]) -> T:
        with open_() as connection:
            return act(connection)


def _first_line(error: SQLAlchemyError) -> str:
    """Say what the database says, without the statement: it may hold names of files and people."""
    return str(getattr(error, "orig", None) or error).partition("\n")[0]


def clean(text: str) -> str:
    """Make a stranger's text fit for a column: no NUL, no half characters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def opened(where: str) -> Store:
    """Open a store, up to date, for a command that runs beside the service or without it."""
    store = Store(where)
    if _version(store) != max(file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py")):
        store.migrate()
    return store


def _version(store: Store) -> str:
    """Tell which migration the tables are at; nothing if there are none."""
    if not sa.inspect(store.engine).has_table("alembic_version"):
        return ""
    with store.read() as connection:
        return str(connection.execute(sa.text("select version_num from alembic_version")).scalar() or "")


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
    engine = sa.create_engine(
        f"sqlite:///{file}",
        pool_size=16,
        max_overflow=16,
        connect_args={"timeout": 30.0, "check_same_thread": False, "isolation_level": "IMMEDIATE"},
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:  # noqa: ANN401 - a DBAPI connection
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()
        if sqlite3.sqlite_version_info < (3, 42):
            # From Python 3.12 on the engine library counts on unixepoch('subsec'), which an older SQLite does not have.
            connection.create_function("unixepoch", 1, lambda _: time.time())

    return engine
