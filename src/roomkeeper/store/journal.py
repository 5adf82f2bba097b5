"""The journal of a SQLite file is copied into the file beside those who write, and not by one of them.

Left to itself, SQLite has whoever commits copy it once it has a thousand pages. Where somebody reads at nearly every
moment it is seldom begun anew, and from then on copied with each commit, while the others wait for their turn
(docs/adr/0047).
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import structlog

from roomkeeper.errors import StoreUnavailable

log = structlog.get_logger("store")

#: Pages after which whoever commits copies after all: nobody else has, for whatever reason. 80 MB; ours.
AT_LAST = 20_000
_LONG = 1_000  # pages from which on it is begun anew, which somebody must wait for; SQLite's own default
_EVERY = 1.0  # seconds between two looks; ours
_PATIENCE = 0.02  # seconds that those who read may keep it from being begun anew, while nobody writes; ours


class Journal:
    """The journal of one file (https://sqlite.org/wal.html); `turn` is for whoever writes to it."""

    def __init__(self, file: Path, turn: AbstractContextManager[None] | None = None) -> None:
        self._file, self._turn = file, turn or contextlib.nullcontext()
        self._beside = file.with_name(f"{file.name}-wal")
        self._copied_at = 0  # when it had last been written to

    def copy(self) -> None:
        """Copy what is new into the file, and have a long journal begun anew. Raises StoreUnavailable."""
        try:
            written_at = self._beside.stat().st_mtime_ns
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreUnavailable(f"The journal {self._beside} cannot be looked at: {error.strerror}") from error
        if written_at == self._copied_at:
            return
        where = f"{self._file.resolve().as_uri()}?mode=rw"
        try:
            with contextlib.closing(sqlite3.connect(where, uri=True, timeout=_PATIENCE)) as connection:
                _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if pages >= _LONG:
                    with self._turn:  # what is left by now is little: nobody waits long
                        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"The journal of {self._file} cannot be copied: {error}") from error
        self._copied_at = written_at


async def keep(journals: Sequence[Journal]) -> None:
    """Copy them once a second, for ever."""
    while True:
        await asyncio.sleep(_EVERY)
        for one in journals:
            try:
                await asyncio.to_thread(one.copy)
            except StoreUnavailable as error:
                log.warning("the journal grows", reason=error.message)
