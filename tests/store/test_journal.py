"""What was committed goes from the journal into the file beside those who write, and the journal stays short."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from stage import Keeper, Portal, Rooms, copy_uploads, until

from roomkeeper.errors import StoreUnavailable
from roomkeeper.store.database import Store
from roomkeeper.store.journal import Journal

PAGE = 4096


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = Store(str(tmp_path / "var"))
    one.migrate()
    one.journal().copy()
    yield one
    one.close()


def written(store: Store, pages: int) -> None:
    """Write about so many pages, in several transactions."""
    for begin in range(0, pages, 100):
        with store.write() as db:
            rows = [{"name": f"{begin} {one}", "text": "x" * (PAGE - 400)} for one in range(100)]
            db.execute(sa.text("create table if not exists filler (name text, text text)"))
            db.execute(sa.text("insert into filler values (:name, :text)"), rows)


def file(store: Store) -> Path:
    return Path(store.where) / "roomkeeper.sqlite"


def beside(store: Store) -> Path:
    return Path(store.where) / "roomkeeper.sqlite-wal"


def test_who_commits_does_not_copy_and_what_is_copied_does_not_stay_in_the_journal(store: Store) -> None:
    before = file(store).stat().st_size
    written(store, 3000)
    assert file(store).stat().st_size == before

    journal = store.journal()
    journal.copy()
    assert file(store).stat().st_size > before + 3000 * (PAGE - 400)
    long = beside(store).stat().st_size
    for _ in range(5):
        written(store, 2000)
        journal.copy()
    assert beside(store).stat().st_size == long


def test_a_reader_keeps_it_from_being_begun_anew_but_nobody_waits_for_the_reader(store: Store) -> None:
    journal = store.journal()
    with store.read() as db:
        db.execute(sa.text("select count(*) from alembic_version")).scalar()  # from here on it sees what is there now
        written(store, 1500)
        journal.copy()
        written(store, 100)
    written(store, 100)
    journal.copy()
    long = beside(store).stat().st_size
    written(store, 1000)
    assert beside(store).stat().st_size == long


def test_it_is_copied_while_somebody_is_writing(store: Store) -> None:
    written(store, 1500)
    before = file(store).stat().st_size
    copying = threading.Thread(target=store.journal().copy)
    with store.write() as db:
        db.execute(sa.text("create table another (name text)"))
        copying.start()
        until(lambda: file(store).stat().st_size > before)
    copying.join()

    written(store, 100)
    with store.read() as db:
        assert db.execute(sa.text("select count(*) from filler")).scalar() == 1600


def test_nothing_new_is_nothing_to_do_and_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    Journal(tmp_path / "none.sqlite").copy()
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "gone.sqlite-wal").write_bytes(b"something")
    with pytest.raises(StoreUnavailable, match=r"gone\.sqlite cannot be copied"):
        Journal(tmp_path / "gone.sqlite").copy()
    assert not (tmp_path / "gone.sqlite").exists()


def test_a_service_copies_its_own_and_the_engines(portal: Portal, keepers: Callable[..., Keeper]) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    files = [keeper.folder / "var" / name for name in ("roomkeeper.sqlite", "engine.sqlite")]
    before = [one.stat().st_mtime_ns for one in files]
    rooms.upload("Offer.docx")
    keeper.settle(lambda: rooms.copies() == 1)

    until(lambda: all(one.stat().st_mtime_ns > then for one, then in zip(files, before, strict=True)))
