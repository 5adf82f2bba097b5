"""Stores with their tables and nothing in them: made once, and copied for each test."""

import tempfile
from functools import cache
from pathlib import Path

from roomkeeper.store.database import Store


def put_blank(folder: Path) -> None:
    """Put an empty store there, unless there is one."""
    folder.mkdir(exist_ok=True, mode=0o700)
    file = folder / "roomkeeper.sqlite"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_bytes(_blank())


@cache
def _blank() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        migrated(folder)
        return (Path(folder) / "roomkeeper.sqlite").read_bytes()


def migrated(where: str) -> None:
    """Make the tables."""
    store = Store(where)
    store.migrate()
    store.close()
