"""Whose turn it is to write to an embedded store: one thread of one process at a time, in the order they came.

SQLite lets processes try again after pauses that grow, so that one which writes now and then finds no gap beside one
that writes all the time; the system's file locks wake who has waited longest (docs/adr/0042).
"""

import fcntl
import os
import threading
from pathlib import Path

from roomkeeper.errors import StoreUnavailable

ON_DISK = "See whether this user may write there, and whether there is space."


class Turn:
    """A context: whoever is in it may write."""

    def __init__(self, file: Path) -> None:
        self._file, self._descriptor = file, -1
        self._of_this_process = threading.Lock()

    def __enter__(self) -> None:
        """Wait for it. Raises StoreUnavailable."""
        self._of_this_process.acquire()
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError as error:
            self._of_this_process.release()
            what = f"The store cannot be written: {self._file}: {error.strerror}"
            raise StoreUnavailable(what, remedy=ON_DISK) from error

    def __exit__(self, *_: object) -> None:
        """Let the next one."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._of_this_process.release()

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        with self._of_this_process:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
