"""Mistakes at the command line: each is said in a sentence, and nothing is made by it."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from stage import Keeper, Portal, Rooms, command, copy_uploads, free_port

Make = Callable[..., Keeper]


@pytest.mark.parametrize("where", ["occupied", "occupied/below"])
def test_a_path_that_cannot_be_is_said(portal: Portal, keepers: Make, where: str) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    (keeper.folder / "occupied").write_text("a file")
    path = str(keeper.folder / where)
    flags = ["--url", portal.url, "--job", "copy", "--from", "client: acme", "--to", str(rooms.internal)]
    flags += ["--public-url", "http://127.0.0.1:8080"]
    key = {"DOCSPACE_API_KEY": rooms.keeper_key}

    for said in (
        keeper.complaints("backup", path, codes=(1,)),
        keeper.complaints("doctor", "--no-round-trip", "--record", f"{keeper.folder}/occupied/below", codes=(1,)),
        command("init", path, *flags, environment=key, codes=(1,)).complaints,
    ):
        assert f"{keeper.folder}/occupied" in said
        assert "Traceback" not in said


def test_a_name_that_no_variable_can_have_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = command("password", "bad name", environment={}, codes=(2,)).complaints
    assert "letters, digits and _ only" in said
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_said_before_anything_else() -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        got = command("simulate", "--port", str(port), environment={}, codes=(1,))

    assert got.out == ""
    assert f"127.0.0.1:{port} cannot be listened on" in got.complaints


def test_a_check_makes_no_store(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.rewrite(store="./elsewhere")
    keeper.say("check")
    assert not (keeper.folder / "elsewhere").exists()


@pytest.mark.parametrize(
    "words",
    [
        "runs list",
        "runs retry 1",
        "runs cancel 1",
        "events list",
        "events replay 1",
        "backup copy",
        "transfer postgresql://nobody@127.0.0.1:9/none",
    ],
)
def test_a_command_about_what_was_done_makes_no_store(words: str, portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.rewrite(store="./elsewhere")

    said = keeper.complaints(*words.split(), codes=(1,))

    assert f"There is no store in {keeper.folder}/elsewhere" in said
    assert not (keeper.folder / "elsewhere").exists()


def test_a_broken_file_keeps_nobody_from_what_was_done_by_it(portal: Portal, keepers: Make) -> None:
    """A service goes on by the file as it was, and its runs may want somebody."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])
    keeper.start()
    keeper.register()
    rooms.upload("Offer.docx", b"offer")
    keeper.settle(lambda: rooms.copies() == 1)
    keeper.rewrite(automations=[{"name": "of nothing"}], connections={"acme": {"type": "nothing"}})

    (run,) = keeper.ask("runs", "list")
    keeper.ask("runs", "retry", str(run["id"]), "--from-start", "--wait")

    assert keeper.ask("events", "list")
    assert keeper.ask("events", "list", "--connection", "acme", "--status", "refused") == []
    assert keeper.ask("backup", str(keeper.folder / "monday"))["holds"]["runs"] == 1
    assert "is not known" in keeper.complaints("runs", "retry", str(run["id"]), "--as-now", codes=(2,))
    keeper.file.write_text("version: 1\n  listen: x\nstore: ./var\nautomations:\n\t- [\n")
    assert len(keeper.ask("runs", "list")) == 1


def test_where_things_are_kept_must_be_known(portal: Portal, keepers: Make) -> None:
    keeper = keepers(portal, "sk-x", [])
    keeper.file.write_text("store: !env NOWHERE_SAID\nconnections: {}\n")
    said = keeper.complaints("runs", "list", codes=(2,))
    assert "NOWHERE_SAID" in said
    assert "is not a text" not in said
    keeper.file.write_text("store: sqlite:///x.db\n")
    assert "a store of the kind sqlite:// is not known" in keeper.complaints("runs", "list", codes=(2,))
    keeper.file.write_text("store: [a]\n")
    assert "`store` is not a text" in keeper.complaints("runs", "list", codes=(2,))


def test_a_name_that_is_nowhere_is_said(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)])

    assert "'copy' is none of" in keeper.complaints("runs", "list", "--automation", "copy", codes=(2,))
    assert "'file.upload' is none of" in keeper.complaints("events", "list", "--type", "file.upload", codes=(2,))
