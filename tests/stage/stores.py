"""Stores with their tables and nothing in them, the engine's too: made once, and copied for each test."""

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from roomkeeper.running.engine import make_tables
from roomkeeper.store.database import Store


def put_blank(folder: Path) -> None:
    """Put an empty store there, unless there is one."""
    folder.mkdir(exist_ok=True, mode=0o700)
    if (folder / "roomkeeper.sqlite").exists():
        return
    for name, content in _blank().items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(content)


@cache
def _blank() -> Mapping[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        migrated(folder)
        return {one.name: one.read_bytes() for one in Path(folder).glob("*.sqlite")}


def migrated(where: str) -> None:
    """Make the tables."""
    store = Store(where)
    store.migrate()
    make_tables(store)
    store.close()
