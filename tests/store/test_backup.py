"""Copies of what is kept: a folder taken while the service runs and put back, and a move into PostgreSQL."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from stage import Keeper, Portal, Rooms, copy_uploads

Make = Callable[..., Keeper]


@pytest.fixture
def rooms(portal: Portal) -> Rooms:
    return Rooms(portal)


def served(rooms: Rooms, keepers: Make) -> Keeper:
    """A service that has copied three uploads."""
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    for number in range(3):
        rooms.upload(f"File {number}.docx", f"{number}".encode())
    keeper.settle(lambda: rooms.copies() == 3)
    return keeper


def test_a_backup_taken_while_it_serves_is_put_back_and_nothing_is_lost(
    rooms: Rooms, keepers: Make, tmp_path: Path
) -> None:
    keeper = served(rooms, keepers)
    told = keeper.ask("backup", str(tmp_path / "monday"))
    assert told["files"] == ["engine.sqlite", "roomkeeper.sqlite"]
    assert told["holds"] == {"events": len(keeper.ask("events", "list")), "runs": len(keeper.runs())}
    assert {one.stat().st_mode & 0o777 for one in (tmp_path / "monday").iterdir()} == {0o600}
    rooms.upload("After the backup.docx", b"later")
    keeper.settle(lambda: rooms.copies() == 4)
    asked = keeper.copy_requests()
    keeper.stop()

    shutil.rmtree(keeper.folder / "var")
    shutil.copytree(tmp_path / "monday", keeper.folder / "var")
    keeper.start()
    keeper.look_back()
    keeper.ask("reconcile", "--since", "1h")
    runs = keeper.settle(lambda: all(one["runs"] for one in keeper.ask("events", "list", "--status", "accepted")))

    assert {one["state"] for one in runs} == {"done"}
    assert rooms.copies() == 4
    assert keeper.copy_requests() <= asked + 1  # the one that the backup does not know gets the same content once more
    told = {one["title"]: one["digests"] for one in rooms.portal.tree(rooms.client)}
    assert {one["title"]: one["digests"][:1] for one in rooms.portal.tree(rooms.internal)} == told


def test_a_backup_overwrites_nothing(rooms: Rooms, keepers: Make, tmp_path: Path) -> None:
    keeper = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")

    keeper.say("backup", str(tmp_path / "full"), codes=(1,))

    assert [one.name for one in (tmp_path / "full").iterdir()] == ["mine"]


def test_a_store_is_moved_into_postgresql_and_goes_on_there(
    rooms: Rooms, keepers: Make, postgresql: Callable[[], str]
) -> None:
    keeper = served(rooms, keepers)
    address = postgresql()
    keeper.say("transfer", address, codes=(1,))  # it is served
    keeper.stop()

    rows = keeper.ask("transfer", address)["copied"]
    assert rows["events"] >= 3
    assert rows["ledger"] == 3
    keeper.say("transfer", address, codes=(1,))  # it holds something now

    moved = keepers(rooms.portal, rooms.keeper_key, [copy_uploads(rooms)], store=address)
    before = {one["id"]: one["state"] for one in moved.runs()}
    asked = moved.copy_requests()
    moved.start()
    moved.register()
    rooms.upload("There.docx", b"there")
    moved.settle(lambda: rooms.copies() == 4)

    assert set(before.values()) == {"done"}
    assert len(moved.runs()) > len(before)
    assert rooms.missing_and_doubled() == ([], [])
    assert moved.copy_requests() == asked + 1
