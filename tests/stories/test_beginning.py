"""The first minutes: `init` writes what works, from flags or from answers, and ends with what to do next."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest
from dotenv import dotenv_values
from stage import OpeningTickets, Portal, Rooms, command

from roomkeeper.configuration.env import asked_for
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.setup.choices import ADMIN_SECRET, JOBS, Room, Setup, yaml_of
from roomkeeper.setup.offered import CRMS, HELPDESKS
from roomkeeper.web.passwords import hashed

INIT = [sys.executable, "-m", "roomkeeper", "init"]


def init(folder: Path, *words: str, key: str = "", code: int = 0) -> str:
    """Give the command without a terminal."""
    return command("init", str(folder), *words, environment={"DOCSPACE_API_KEY": key}, codes=(code,)).all


@pytest.mark.parametrize("public_url", ["https://hooks.acme.example", None], ids=["webhook", "poll"])
@pytest.mark.parametrize(
    ("crm", "helpdesk"), [*product(CRMS, [*HELPDESKS][:1]), *product([*CRMS][:1], [*HELPDESKS][1:])]
)
def test_whatever_is_chosen_check_accepts_it(tmp_path: Path, public_url: str | None, crm: str, helpdesk: str) -> None:
    room = Room(1, 'A: "b" #{{ c }}\n')
    setup = Setup(
        url="https://acme.onlyoffice.com",
        listen="127.0.0.1:8080",
        public_url=public_url,
        jobs=list(JOBS),
        client=room,
        internal=Room(2, "internal"),
        archive=Room(3, "archive"),
        crm=CRMS[crm],
        crm_url="https://crm.test/a#1",
        helpdesk=HELPDESKS[helpdesk],
        helpdesk_url="https://help.acme.test",
        email="bot@acme.test",
        invited=["Support", 'Ann "the" Lead: #1', "lead@acme.test"],
    )
    file = tmp_path / "roomkeeper.yaml"

    file.write_text(yaml_of(setup))
    env = tmp_path / ".env"
    env.touch(0o600)
    given = dict.fromkeys(asked_for(yaml_of(setup)), "a-long-secret") | {ADMIN_SECRET: f"'{hashed('x')}'"}
    env.write_text("".join(f"{name}={value}\n" for name, value in given.items()))

    config = load(file, CATALOG)
    assert [one.name for one in config.automations] == [
        "copy-client-uploads",
        "archive-closed-deal",
        "investigation-room",
    ]
    left_open = [note for note in config.notes if "is still the one that `init` wrote" in note.what]
    assert list(config.notes) == left_open


def test_flags_alone_write_a_configuration_and_secrets_for_nobody_else(portal: Portal, tmp_path: Path) -> None:
    rooms = Rooms(portal)
    page = f"{portal.url}/rooms/shared/filter?folder={rooms.client}"  # as somebody copies it from a browser
    flags = ["--url", page, "--job", "copy", "--from", "client: acme", "--to", str(rooms.internal)]

    told = init(tmp_path / "new", *flags, "--public-url", "http://127.0.0.1:8080", key=rooms.keeper_key)

    config = load(tmp_path / "new" / "roomkeeper.yaml", CATALOG)
    assert f'url: "{portal.url}"' in config.text
    assert config.automations[0].where == {"room": rooms.client}
    env = tmp_path / "new" / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    assert rooms.keeper_key in env.read_text()
    assert rooms.keeper_key not in told
    assert "acts as keeper" in told
    for named in ("roomkeeper serve", "roomkeeper webhooks register", "roomkeeper doctor"):
        assert named in told


def test_who_works_in_new_rooms_is_invited_and_a_group_that_is_not_there_is_named(
    portal: Portal, tmp_path: Path
) -> None:
    """Rooms were made that nobody could enter."""
    scene = OpeningTickets(portal)
    zendesk = [
        "--helpdesk",
        "zendesk",
        "--helpdesk-url",
        f"{portal.url}/zendesk",
        "--helpdesk-email",
        "bot@acme.example",
    ]
    flags = ["--url", portal.url, "--job", "rooms", *zendesk, "--poll"]

    alone = init(tmp_path / "none", *flags, key=scene.keeper_key, code=2)
    wrong = init(tmp_path / "wrong", *flags, "--invite", "Suport", key=scene.keeper_key, code=2)
    init(tmp_path / "right", *flags, "--invite", "support", "--invite", "lead@x.example", key=scene.keeper_key)

    assert "--invite" in alone
    assert "no group 'Suport'" in wrong
    assert "Support" in wrong
    config = load(tmp_path / "right" / "roomkeeper.yaml", CATALOG, secrets_required=False)
    step = next(one for one in config.automations[0].steps if one.do == "invite")
    assert step.with_["members"] == [
        {"group": "Support", "access": "editing"},
        {"email": "lead@x.example", "access": "editing"},
    ]


def test_what_is_there_is_not_replaced_unasked(portal: Portal, tmp_path: Path) -> None:
    rooms = Rooms(portal)
    (tmp_path / "roomkeeper.yaml").write_text("mine: true\n")
    flags = ["--url", portal.url, "--job", "copy", "--from", str(rooms.client), "--to", str(rooms.internal), "--poll"]

    assert "is there already" in init(tmp_path, *flags, key=rooms.keeper_key, code=2)
    assert (tmp_path / "roomkeeper.yaml").read_text() == "mine: true\n"
    init(tmp_path, *flags, "--force", key=rooms.keeper_key)

    assert load(tmp_path / "roomkeeper.yaml", CATALOG).connections["portal"].settings.polls
    assert (tmp_path / "roomkeeper.before-1.yaml").read_text() == "mine: true\n"


def test_secrets_that_are_there_stay(portal: Portal, tmp_path: Path) -> None:
    rooms = Rooms(portal)
    (tmp_path / ".env").write_text("OTHER='1 2'\nDOCSPACE_WEBHOOK_SECRET=known-to-the-portal\n")
    flags = ["--url", portal.url, "--job", "copy", "--from", str(rooms.client), "--to", str(rooms.internal)]

    for _ in range(2):
        init(tmp_path, *flags, "--public-url", "http://127.0.0.1:8123", "--force", key=rooms.keeper_key)

    known = dotenv_values(tmp_path / ".env")
    assert str(known.pop(ADMIN_SECRET)).startswith("$argon2id$")
    assert known == {
        "OTHER": "1 2",
        "DOCSPACE_WEBHOOK_SECRET": "known-to-the-portal",
        "DOCSPACE_API_KEY": rooms.keeper_key,
    }
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert load(tmp_path / "roomkeeper.yaml", CATALOG).port == 8123


@pytest.mark.parametrize(
    ("changed", "said", "code"),
    [
        ({"--url": "acme.onlyoffice.com"}, "is not an address", 2),
        ({"--url": "sk-0123456789"}, "looks like a key", 2),
        ({"--to": "client"}, "is both the source and the target", 2),
        ({"--listen": "nonsense"}, "is not an address and a port", 2),
        ({"--url": "http://127.0.0.1:9"}, "Correct the address", 1),
        ({"key": "sk-wrong"}, "API keys", 1),
        ({"--from": "Nowhere"}, "means no room that this account sees", 2),
        ({"--job": "dance"}, "is none of: copy, archive, rooms", 2),
        ({"--from": None}, "Give --from", 2),
        ({"--archive": "internal", "--crm": "http"}, "--archive and --crm belong to the job 'archive'", 2),
        ({"key": ""}, "DOCSPACE_API_KEY", 2),
    ],
    ids=[
        "no address",
        "a key as address",
        "one room twice",
        "no port",
        "nobody there",
        "wrong key",
        "no such room",
        "no such job",
        "a flag missing",
        "flags of no job",
        "no key",
    ],
)
def test_what_is_wrong_is_said_with_its_remedy_and_nothing_is_written(
    portal: Portal, tmp_path: Path, changed: dict[str, str | None], said: str, code: int
) -> None:
    rooms = Rooms(portal)
    given: dict[str, str | None] = {"--url": portal.url, "--job": "copy", "--from": str(rooms.client)}
    given |= {"--to": str(rooms.internal), "key": rooms.keeper_key} | changed
    key = given.pop("key") or ""
    words = [word for flag, value in given.items() if value is not None for word in (flag, value)]

    told = init(tmp_path / "new", *words, "--poll", key=key, code=code)

    assert said in " ".join(re.sub(r"[│╭╰─╮╯]", " ", told).split())
    assert "sk-" not in told.replace("begins with sk-", "")
    assert not list((tmp_path / "new").glob("*.yaml"))
    assert key not in told or not key


def test_answers_at_a_terminal_do_the_same(portal: Portal, tmp_path: Path) -> None:
    rooms = Rooms(portal)
    answers = [
        ("address", "http://127.0.0.1:9"),
        ("API key", "no key"),
        ("That is no API key", "sk-0123456789wrong"),
        ("Correct the address", portal.url),
        ("Give another key", rooms.keeper_key),
        ("by number or name", "1"),
        ("Public address", ""),
        ("clients upload to", "client"),
        ("gets the copies", "internal"),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "DOCSPACE_API_KEY"}
    main, other = pty.openpty()
    process = subprocess.Popen([*INIT, str(tmp_path)], env=environment, stdin=other, stdout=other, stderr=other)
    os.close(other)

    said = ""
    for question, answer in answers:
        said += _until(main, question)
        time.sleep(0.5)  # the echo is switched off only after the question is there
        os.write(main, f"{answer}\n".encode())
    said += _until(main, "Next:")
    process.wait(30)
    os.close(main)

    assert process.returncode == 0
    assert rooms.keeper_key not in said
    config = load(tmp_path / "roomkeeper.yaml", CATALOG)
    assert config.automations[0].where == {"room": rooms.client}
    assert config.connections["portal"].settings.polls
    named = (tmp_path / "roomkeeper.yaml").read_text().partition("$schema=")[2].split()[0]
    schema = json.loads((tmp_path / named).read_text())
    assert (schema["title"], schema["required"]) == ("roomkeeper.yaml", ["version", "connections"])


def _until(terminal: int, words: str, within: float = 60.0) -> str:
    """Read what appears until a question is asked."""
    said, end = "", time.monotonic() + within
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                said += os.read(terminal, 4096).decode("utf-8", "replace")
            except OSError:
                break
        if words in said and (said.rstrip().endswith(":") or words == "Next:"):
            return said
    raise AssertionError(f"{words!r} was not asked: {said[-1500:]}")
