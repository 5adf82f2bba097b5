"""Who serves on a store: whether what is written there is kept, and whether anybody works."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.desk import overview
from roomkeeper.desk.history import History
from roomkeeper.errors import StoreUnavailable
from roomkeeper.store import services
from roomkeeper.store.database import Store, opened
from roomkeeper.store.tables import services as table


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with contextlib.closing(opened(str(tmp_path / "var"))) as one:
        yield one


def test_nothing_is_kept_where_nobody_could_write_that_it_is_there(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="nothing could be written"):
        services.must_be_kept(store)
    services.announce(store, "here process 1", "all", "text")
    services.must_be_kept(store)

    with store.write() as db:
        db.execute(sa.update(table).values(seen_at=time.time() - 60))
    with pytest.raises(StoreUnavailable, match="nothing could be written"):
        services.must_be_kept(store)


def test_where_nobody_works_all_is_not_well(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "roomkeeper.yaml"
    file.write_text("version: 1\nconnections: {erp: {type: http, event: deal.closed, unsigned: true}}\n")
    config = load(file, CATALOG)

    told = overview.of(store, History(store), config, {})

    assert told["is_well"] is False
    assert "No worker runs here" in told["sentence"]


def test_a_file_that_was_moved_or_replaced_is_not_in_its_place(store: Store, tmp_path: Path) -> None:
    def looks() -> list[bool]:
        return [store.is_in_place() for _ in range(3)]

    assert looks() == [True] * 3
    file = tmp_path / "var" / "roomkeeper.sqlite"
    file.rename(tmp_path / "elsewhere")
    assert looks() == [True, False, False]  # one look alone says nothing
    file.write_bytes((tmp_path / "elsewhere").read_bytes())
    assert looks() == [False] * 3
    (tmp_path / "elsewhere").rename(file)
    assert looks() == [True] * 3


def test_a_damaged_file_is_said_to_be_so(tmp_path: Path) -> None:
    opened(str(tmp_path)).close()
    for file in tmp_path.glob("roomkeeper.sqlite*"):
        file.write_bytes(b"no database at all" * 500)

    with pytest.raises(StoreUnavailable) as caught:
        opened(str(tmp_path))
    assert "The file is damaged" in caught.value.remedy
