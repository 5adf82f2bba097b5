"""Copy a store: a folder of SQLite files to another folder while it is used, or into an empty PostgreSQL database."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from roomkeeper.errors import RoomkeeperError
from roomkeeper.store.database import FILE, Store
from roomkeeper.store.tables import OPEN, metadata, runs

_PAGE = 1000  # rows copied at once


class BackupRefused(RoomkeeperError):
    """What was asked for would overwrite something, or is not possible with this store."""


def back_up(store: Store, folder: Path) -> list[Path]:
    """Copy the files of an embedded store, each in one consistent state. Raises BackupRefused.

    A run that ends between the two copies is no matter: what it did stands in the ledger, and is not done again.
    """
    if not store.is_embedded:
        remedy = "Use `pg_dump`: everything is in that one database."
        raise BackupRefused(f"The store {store.said} is a PostgreSQL database", remedy=remedy)
    if folder.exists() and any(folder.iterdir()):
        raise BackupRefused(f"{folder} is not empty", remedy="Name a folder that does not exist yet.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    copied = []
    for file in sorted(Path(store.where).glob("*.sqlite")):
        target = folder / file.name
        target.touch(mode=0o600)  # first: what SQLite puts beside it meanwhile has the same mode
        with closing(sqlite3.connect(file)) as here, closing(sqlite3.connect(target)) as there:
            here.backup(there)
        copied.append(target)
    return copied


def transfer(store: Store, target: Store) -> dict[str, int]:
    """Copy everything that is kept into another, empty store; gives the rows by table. Raises BackupRefused.

    Runs that were under way are handed to the engine anew: its own records stay behind.
    """
    if target.is_embedded:
        remedy = "Name a PostgreSQL database: postgresql://user@host/db. For a folder, `roomkeeper backup` copies it."
        raise BackupRefused("A store is moved into a PostgreSQL database", remedy=remedy)
    target.migrate()
    counts: dict[str, int] = {}
    with store.read() as here, target.write() as there:
        _refuse_what_is_used(there)
        for table in metadata.sorted_tables:
            there.execute(sa.delete(table))
            counts[table.name] = _copied(here, there, table)
            _count_on(there, table)
        again = {"handed_over": False, "state": "waiting"}
        there.execute(sa.update(runs).where(runs.c.state.in_(OPEN)).values(again))
    return {name: rows for name, rows in counts.items() if rows}


def counted(folder: Path) -> dict[str, int]:
    """Count what a copy holds, for whoever wants to know whether it is of the right store."""
    copy = sa.create_engine(f"sqlite:///{folder / FILE}")
    try:
        with copy.connect() as there:
            return {table: _rows(there, table) for table in ("events", "runs")}
    finally:
        copy.dispose()


def _rows(connection: sa.Connection, table: str) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(metadata.tables[table])).scalar_one())


def _refuse_what_is_used(there: sa.Connection) -> None:
    for table in ("events", "runs", "ledger"):
        if _rows(there, table):
            remedy = "Name an empty database, or empty this one."
            raise BackupRefused(f"The database holds {table} already", remedy=remedy)


def _copied(here: sa.Connection, there: sa.Connection, table: sa.Table) -> int:
    rows = 0
    for page in here.execute(sa.select(table)).mappings().partitions(_PAGE):
        there.execute(sa.insert(table), [dict(row) for row in page])
        rows += len(page)
    return rows


def _count_on(there: sa.Connection, table: sa.Table) -> None:
    """Let the next number of a table be one that is not taken."""
    column: Any = table.autoincrement_column
    if column is None or not isinstance(column.type, sa.Integer):
        return
    sequence = there.execute(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name))).scalar()
    if sequence is not None:
        highest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
        there.execute(sa.select(sa.func.setval(sequence, highest, False)))
