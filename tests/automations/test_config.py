"""The configuration: what is right is read, what is wrong is named with file, line and remedy."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from roomkeeper.configuration.config import Config, gathered
from roomkeeper.configuration.loading import load
from roomkeeper.configuration.schema import json_schema
from roomkeeper.connecting import limits
from roomkeeper.connectors import CATALOG
from roomkeeper.errors import ConfigError, Problem

GOOD = """\
version: 1
connections:
  acme:
    type: docspace
    url: https://acme.onlyoffice.com/
    api_key: !env TEST_KEY
    webhook_secret: [!env TEST_SECRET, !file old_secret]
automations:
  - name: copy-client-uploads
    on: file.uploaded
    where: {room: 111111}
    steps:
      - do: copy_files
        with: {to: 222222, keep_folders: true, on_conflict: version}
"""


@pytest.fixture(autouse=True)
def _secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-test")
    monkeypatch.setenv("TEST_SECRET", "new-secret")
    (tmp_path / "old_secret").write_text("old-secret\n")
    (tmp_path / "empty").write_text("\n")


def read(folder: Path, text: str, **how: Any) -> Config:
    file = folder / "roomkeeper.yaml"
    file.write_text(text)
    return load(file, CATALOG, **how)


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as raised:
        read(folder, text)
    return raised.value.problems


def test_aliases_that_would_fill_the_memory_are_not_written_out(tmp_path: Path) -> None:
    """Of five hundred bytes."""
    levels = "\n".join(f"x{at}: &x{at} [{', '.join([f'*x{at - 1}'] * 10)}]" for at in range(1, 9))

    (problem,) = problems(tmp_path, f"version: 1\nx0: &x0 [a]\n{levels}\nautomations: *x8\n")

    assert "more than 100,000 values" in problem.what


def test_a_right_configuration_is_read_with_its_secrets(tmp_path: Path) -> None:
    config = read(tmp_path, GOOD)

    settings_ = config.connections["acme"].settings
    assert settings_.url == "https://acme.onlyoffice.com"
    assert settings_.api_key.get_secret_value() == "sk-test"
    assert [one.get_secret_value() for one in settings_.webhook_secret] == ["new-secret", "old-secret"]
    assert "sk-test" not in repr(config)
    assert (config.host, config.port) == ("127.0.0.1", 8080)
    assert config.store == str(tmp_path / "var")
    assert config.automations[0].on == "file.uploaded"


def test_on_is_a_word_and_not_a_boolean(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD).automations[0].on == "file.uploaded"


def test_several_events_may_start_it_and_steps_use_what_all_of_them_have(tmp_path: Path) -> None:
    several = GOOD.replace("on: file.uploaded", "on: [file.uploaded, file.updated]", 1)
    mixed = several.replace("file.updated", "folder.created").replace("to: 222222", 'to: "{{ file.room }}"')

    automation = read(tmp_path, several).automations[0]

    assert automation.event_types == ("file.uploaded", "file.updated")
    assert automation.started_by == "file.uploaded or file.updated"
    assert [("file.room" in one.what, one.line) for one in problems(tmp_path, mixed)][-1] == (True, 14)


MAIL = """  mail:
    type: smtp
    host: smtp.acme.example
    from: a@acme.example
    to: [b@acme.example]
"""
STEP = "      - do: copy_files\n"


def test_a_step_is_checked_for_the_connections_that_are_there(tmp_path: Path) -> None:
    told = "      - do: notify\n        with: {text: a, to: [c@acme.example]}\n"
    good = GOOD.replace("automations:\n", f"{MAIL}automations:\n").replace(STEP, told + STEP)

    assert read(tmp_path, good).automations[0].steps[0].do == "notify"
    found = problems(tmp_path, good.replace("c@acme", "c @acme"))
    assert "e-mail address" in found[0].what


@pytest.mark.parametrize(
    ("step", "what"),
    [
        ("for_each: listed", "must be a list, or a template"),
        ('for_each: "{{ item.rooms }}"', "item"),
        ('for_each: "{{ nothing.files }}"', "nothing"),
        ("if: number > 3", "number"),
    ],
)
def test_what_a_step_goes_through_is_checked(tmp_path: Path, step: str, what: str) -> None:
    found = problems(tmp_path, GOOD.replace("do: copy_files", f"do: copy_files\n        {step}"))

    assert any(what in one.what for one in found), found


def test_of_several_events_that_one_run_gathers_the_kind_is_not_one(tmp_path: Path) -> None:
    told = "      - do: notify\n        with: {text: '{{ event.type }}'}\n"
    one = GOOD.replace("automations:\n", f"{MAIL}automations:\n").replace(STEP, told + STEP)

    assert read(tmp_path, one)
    found = problems(tmp_path, one.replace("on: file.uploaded", "on: [file.uploaded, file.trashed]"))
    assert "`event.type` differs between the events" in found[0].what


def test_secrets_come_from_a_dotenv_file_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_KEY")
    (tmp_path / ".env").write_text("TEST_KEY=sk-from-file\n")

    assert read(tmp_path, GOOD).connections["acme"].settings.api_key.get_secret_value() == "sk-from-file"


def test_a_secret_that_is_not_set_stops_serve_and_is_a_note_of_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_KEY")

    found = problems(tmp_path, GOOD)
    config = read(tmp_path, GOOD, secrets_required=False)

    assert (found[0].line, "TEST_KEY" in found[0].what) == (6, True)
    assert config.notes == found


OIDC = "issuer: https://login.acme.example, client_id: r, client_secret: !env TEST_SECRET"


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("dashboard:\n  users:\n    - {name: ann, password: in-the-clear}", "`password` stands in the file", "!env"),
        ("dashboard:\n  users:\n    - {name: ann, password: !env TEST_KEY}", "argon2", "roomkeeper password"),
        ("dashboard:\n  users:\n    - {name: ann, password: !env NOWHERE}", "NOWHERE is not set", ".env"),
        ("dashboard:\n  tokens:\n    - {name: ci, token: !env TEST_KEY}", "20 characters", "openssl"),
        ("dashboard:\n  tokens:\n    - {name: ci, token: !env TEST_SECRET, role: admin}", "role", "operator"),
        (f"dashboard:\n  oidc: {{{OIDC}, operators: [ann]}}", "public_url", "set `public_url`"),
        (f"dashboard:\n  oidc: {{{OIDC}}}", "nobody whom the login service knows", "operators"),
        ("notify: {to: [acme]}", "takes messages", "slack, smtp or webhook"),
        ("notify: {to: [nowhere]}", "takes messages", "slack, smtp or webhook"),
        ("notify: {heartbeat: !env TEST_KEY}", "heartbeat: must be an address", "correct"),
        ("notify: {heartbeat: https://beat.example/secret}", "`heartbeat` stands in the file", "!env HEARTBEAT"),
        ("notify: {heartbeat: !env TEST_KEY, heartbeat_every: 1s}", "heartbeat_every", "10"),
    ],
)
def test_each_fault_of_logins_and_notices_is_named(tmp_path: Path, text: str, what: str, remedy: str) -> None:
    found = problems(tmp_path, f"{GOOD}\n{text}\n")

    named = [one for one in found if what in one.what]
    assert named, found
    assert any(remedy in f"{one.what} {one.remedy}" for one in named), named
    assert all(one.line > GOOD.count("\n") for one in named)


def test_check_says_that_nobody_could_see_the_pages(tmp_path: Path) -> None:
    public = "public_url: https://hooks.acme.example\n"
    shut, open_ = read(tmp_path, f"{GOOD}\n{public}"), read(tmp_path, GOOD)

    assert ["roomkeeper password" in one.remedy for one in shut.notes] == [True]
    assert open_.notes == ()


@pytest.mark.parametrize(
    ("change", "line", "what", "remedy"),
    [
        (("version: 1", "version: 2"), 1, "version", "1"),
        (("connections:\n", "conections:\n"), 2, "conections", "connections"),
        (("type: docspace", "type: dockspace"), 4, "dockspace", "docspace"),
        (("https://acme", "acme"), 5, "url", "https://"),
        (("https://acme", "https://acme:port"), 5, "url: must name a host", ""),
        (("https://acme", "https:///acme"), 5, "url: must name a host", ""),
        (
            ("https://acme.onlyoffice.com", "https://acme.onlyoffice.com/rooms/shared/filter?folder=7"),
            5,
            "not that of one of its pages: https://acme.onlyoffice.com",
            "",
        ),
        (("!env TEST_KEY", "sk-literal"), 6, "secret", "!env API_KEY"),
        (("!env TEST_SECRET", "literal"), 7, "secret", "!env"),
        (("!file old_secret", "!file nowhere"), 7, "nowhere", "create"),
        (("!file old_secret", "!file empty"), 7, "is empty", "put the secret into it"),
        (("    url:", "    look_every: 1s\n    url:"), 5, "must be 5s or more", ""),
        (("    url:", "    colour: red\n    url:"), 5, "colour", ""),
        (("name: copy-client-uploads", "name: copy client"), 9, "name", "copy-client-uploads"),
        (("file.uploaded", "file.uploadet"), 10, "file.uploadet", "file.uploaded"),
        (("{room: 111111}", "{rum: 1}"), 11, "rum", "room"),
        (("do: copy_files", "do: copy_file"), 13, "copy_file", "copy_files"),
        (("keep_folders", "keep_folder"), 14, "keep_folder", "keep_folders"),
        (("on_conflict: version", "on_conflict: overwrite"), 14, "on_conflict", "version"),
        (("to: 222222, ", ""), 14, "to", "222222"),
        (("to: 222222", 'to: "{{ deal.id }}"'), 14, "deal.id", "file"),
        (("to: 222222", 'to: "{{ file.colour }}"'), 14, "colour", ""),
        (("to: 222222", 'to: "{{ file.id }}"'), 14, "differs", "gather: 1"),
        (("to: 222222", 'to: "{{ file.room"'), 14, "template", "Jinja2"),
        (("do: copy_files", "do: copy_files\n        if: file.room =="), 14, "condition", "Jinja2"),
        (("to: 222222", 'to: "{{ file.room | capitalise }}"'), 14, "no filter 'capitalise'", "'capitalize'"),
        (("do: copy_files", "do: copy_files\n        if: file.title is pdf"), 14, "no test 'pdf'", "lists all tests"),
        (
            ("do: copy_files", "do: copy_files\n        if: file.size > 1 and file.title | lowercase == 'a'"),
            14,
            "low",
            "",
        ),
        (("!env TEST_KEY", ""), 6, "`api_key` is empty", "!env API_KEY"),
        (("    url:", "\turl:"), 5, "", "YAML allows no tabs"),
        (("name: copy-client-uploads", r'name: "\ud83d"'), 9, "half a letter", "correct the YAML"),
        (("do: copy_files", "do: copy_files\n        via: nowhere"), 14, "nowhere", "acme"),
        (("do: copy_files", "do: copy_files\n        as: file"), 14, "file", "another word"),
        (("to: 222222", "to: 111111"), 9, "way leads back", "one way"),
        (("    where:", "    gather: 0\n    where:"), 11, "gather", "100"),
        (("on: file.uploaded", "on: [file.uploaded, file.uploadet]"), 10, "file.uploadet", "file.uploaded"),
        (("on: file.uploaded", "on: [file.uploaded, file.uploaded]"), 10, "twice", ""),
        (("on: file.uploaded", "on: []"), 10, "on", ""),
        (("on: file.uploaded", "on: [file.created, file.uploaded]"), 10, "done twice", "file.uploaded"),
        (("on: file.uploaded", "on: [file.uploaded, schedule]"), 10, "beside others", ""),
        (("on: file.uploaded", "on: [file.uploaded, user.created]"), 11, "user.created has no field 'room'", "actor"),
        (("on: file.uploaded", "on: [file.uploaded, deal.closed]"), 10, "cannot raise deal.closed", "take it out"),
        (("on: file.uploaded", "on: file.uploaded\n    from: acmee"), 11, "no connection 'acmee' raises", "acme"),
        (("on: file.uploaded", "on: deal.closed"), 10, "no connection of this file raises", "add the connection"),
        (("on: file.uploaded", "on: file.uploaded\n    every: 1h"), 9, "belong to `on: schedule`", ""),
        (("on: file.uploaded", "on: schedule"), 9, "needs `every` or `cron`", ""),
        (("on: file.uploaded", "on: schedule\n    every: 1h\n    time_zone: Europe/Riga"), 9, "belongs to `cron`", ""),
        (("where: {room: 111111}", "where: {room: ''}"), 11, "`room` is empty", "exact title"),
        (("where: {room: 111111}", "where: {id.more: 1}"), 11, "no field 'id.more'", "id"),
        (("do: copy_files", "do: approve\n        for_each: [1]"), 14, "cannot be done for each", "once for each"),
        (("do: copy_files", "do: note_on_ticket"), 13, "needs a connection of the type", "add one"),
        (("do: copy_files", "do: copy_files\n        as: not a word"), 14, "not a word", "another word"),
        (("acme:\n", "clock:\n"), 3, "cannot be called 'clock'", "something else"),
        (("!env TEST_KEY", "env TEST_KEY"), 6, "names TEST_KEY without the mark", "!env TEST_KEY"),
        (
            ("do: copy_files", 'do: copy_files\n        if: "{{ file.id == 1 }}"'),
            14,
            "an expression already",
            "without {{ }}",
        ),
        (
            ("do: copy_files", "do: copy_files\n        if: file.id = 1"),
            14,
            "is not a valid condition",
            "write == to compare",
        ),
        (("to: 222222", "to: {{ file.room }}"), 14, "begins with a brace", "in quotes"),
        (("to: 222222", "to: '{{ create_room.id }}'"), 14, "under a name of their own", "as: made"),
        (("name: copy-client-uploads", "name: 2026-11-28"), 9, "name is a date to YAML", "in quotes"),
    ],
)
def test_each_fault_is_named_with_its_line_and_a_remedy(
    tmp_path: Path, change: tuple[str, str], line: int, what: str, remedy: str
) -> None:
    assert change[0] in GOOD

    found = problems(tmp_path, GOOD.replace(*change, 1))

    assert {one.file for one in found} == {str(tmp_path / "roomkeeper.yaml")}
    named = [one for one in found if one.line == line and what in one.what]
    assert named, found
    assert remedy in named[0].remedy
    assert all(one.remedy for one in found)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("title: '*.pdf'", "`title` has a `*`"),
        ("title: '{{ file.title }}'", "`title` has a template in it"),
        ("title: {like: '{{ x }}'}", "`title` has a template in it"),
        ("extension: []", "never holds"),
        ("title: {like: '*.pdf'}", ""),
    ],
)
def test_what_can_hardly_be_meant_is_noted(tmp_path: Path, where: str, said: str) -> None:
    notes = read(tmp_path, GOOD.replace("where: {room: 111111}", f"where: {{room: 111111, {where}}}")).notes

    assert ([said in one.what for one in notes], [one.line for one in notes]) == (([True], [11]) if said else ([], []))


def test_a_title_that_ends_where_a_comment_begins_is_noted(tmp_path: Path) -> None:
    step = "      - {do: create_folders, with: {room: 1, folders: [x]}}\n"
    text = GOOD + step.replace("{room: 1, folders: [x]}}", "{room: 1, folders: [x]}} #{{ file.title }}")
    quoted = GOOD + step.replace("[x]", "['Ticket #{{ file.id }}']") + "# {{ nothing }}\n#{{ x }}\n"

    assert [(one.line, "comment to YAML" in one.what) for one in read(tmp_path, text).notes] == [
        (GOOD.count("\n") + 1, True)
    ]
    assert read(tmp_path, quoted).notes == ()


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    automation = GOOD.partition("automations:\n")[2]
    step = automation.partition("steps:\n")[2]

    automations = problems(tmp_path, GOOD + automation)
    steps = problems(tmp_path, GOOD + step)

    assert ("two automations are called 'copy-client-uploads'", 15) in {(one.what, one.line) for one in automations}
    assert [(one.what, one.line) for one in steps] == [("two steps of copy-client-uploads are called 'copy_files'", 15)]


def test_a_room_of_one_of_several_portals_is_asked_for(tmp_path: Path) -> None:
    second = GOOD.partition("connections:\n")[2].partition("automations:\n")[0].replace("acme", "other")
    both = GOOD.replace("automations:\n", f"{second}automations:\n")

    found = problems(tmp_path, both)

    assert ["several portals raise this event" in one.what for one in found] == [True]
    assert found[0].remedy == "add `from:` with one of acme, other"
    assert read(tmp_path, both.replace("on: file.uploaded", "on: file.uploaded\n    from: other")).automations


def test_a_variable_that_a_step_goes_by_and_that_is_not_set_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        GOOD.partition("    steps:\n")[0]
        + """    gather: 1
    steps:
      - {do: share_link, with: {file: "{{ file.id }}", password_env: LINK_PASSWORD}}
"""
    )
    assert ["'LINK_PASSWORD' is not set" in one.what for one in read(tmp_path, text).notes] == [True]
    monkeypatch.setenv("LINK_PASSWORD", "x")
    assert read(tmp_path, text).notes == ()


@pytest.mark.parametrize(
    ("steps", "many"),
    [
        ("{do: create_room, with: {title: A, type: collaboration, folders: [B]}}", 1),
        ("{do: create_room, with: {title: A, type: '{{ file.title }}', folders: [B]}}", 0),
        ("{do: create_room, with: {title: A, from_template: 5}}", 0),
    ],
)
def test_what_cannot_work_in_the_room_that_a_step_makes(tmp_path: Path, steps: str, many: int) -> None:
    invite = "{do: invite, with: {room: '{{ room.id }}', members: [{email: a@b.example, access: fill_forms}]}}"
    made = steps.replace("create_room,", "create_room, as: room,")
    text = GOOD.partition("    steps:\n")[0] + f"    gather: 1\n    steps:\n      - {made}\n      - {invite}\n"
    file = tmp_path / "roomkeeper.yaml"
    file.write_text(text)

    try:
        load(file, CATALOG)
        found: tuple[Problem, ...] = ()
    except ConfigError as error:
        found = error.problems

    assert len(found) == many, found


def test_automations_that_copy_into_each_other_s_rooms_are_refused(tmp_path: Path) -> None:
    back = (
        GOOD.split("automations:\n")[1]
        .replace("copy-client-uploads", "back")
        .replace("111111", "x")
        .replace("222222", "111111")
    )
    found = problems(tmp_path, GOOD + back.replace("room: x", "room: 222222"))

    assert {one.line for one in found} == {9, 15}
    assert all("way leads back" in one.what for one in found)


def test_a_longer_circle_is_found_too(tmp_path: Path) -> None:
    one = GOOD.split("automations:\n")[1]
    second = (
        one.replace("copy-client-uploads", "second")
        .replace("111111", "B")
        .replace("222222", "333333")
        .replace("B", "222222")
    )
    third = (
        one.replace("copy-client-uploads", "third")
        .replace("111111", "C")
        .replace("222222", "111111")
        .replace("C", "333333")
    )

    assert len(problems(tmp_path, GOOD + second + third)) == 3
    assert read(tmp_path, GOOD + second).automations


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "version: 1",
        "a: [",
        "a: b: c",
        "\t",
        "version: 1\nconnections: 7\n",
        "version: 1\nconnections: {a: 3}\n",
        "&a [*a]",
    ],
)
def test_a_file_that_is_none_is_refused_in_words(tmp_path: Path, text: str) -> None:
    assert all(one.line >= 1 and one.what and one.remedy for one in problems(tmp_path, text))


def test_a_file_that_is_not_utf_8_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "roomkeeper.yaml"
    file.write_bytes(b"version: 1\n# caf\xe9\n")

    with pytest.raises(ConfigError, match="not UTF-8"):
        load(file, CATALOG)


def test_a_missing_file_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "nowhere.yaml", CATALOG)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.text(max_size=6))
@example(GOOD.index("https://") + len("https://"), "[")
def test_no_typing_error_makes_it_stumble(tmp_path: Path, at: int, typed: str) -> None:
    """Whatever is typed where, it is read or refused in words."""
    text = (GOOD[:at] + typed + GOOD[at + 1 :]).encode("utf-8", "replace").decode()
    try:
        assert isinstance(read(tmp_path, text), Config)
    except ConfigError as error:
        assert error.problems


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        ("./data", None),
        ("postgresql://keeper@db/keeper", None),
        ("postgresql://keeper:hunter2@db/keeper", "password"),
        ("mysql://db", "mysql"),
        ("postgresql://[db", "cannot be read"),
        ("!env TEST_KEY", None),
    ],
)
def test_the_store_s_address_holds_no_password(tmp_path: Path, store: str, problem: str | None) -> None:
    text = GOOD.replace("version: 1\n", f"version: 1\nstore: {store}\n")

    if problem is None:
        assert read(tmp_path, text).store
    else:
        assert problem in problems(tmp_path, text)[0].what


def test_a_plugin_s_steps_can_be_used_and_a_bad_plugin_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "acme_steps.py").write_text(
        "from dataclasses import replace\n"
        "from roomkeeper.connectors.docspace.steps.copy_files import COPY_FILES\n"
        "STEPS = [replace(COPY_FILES, name='acme_copy')]\n"
    )
    (tmp_path / "bad_steps.py").write_text("STEPS = ['no step']\n")
    own = GOOD.replace("do: copy_files", "do: acme_copy")

    config = read(tmp_path, own.replace("version: 1\n", "version: 1\nplugins: [acme_steps]\n"))

    assert config.catalog.kinds("acme_copy")["docspace"].name == "acme_copy"
    assert "acme_copy" in problems(tmp_path, own)[0].what
    found = problems(tmp_path, GOOD.replace("version: 1\n", "version: 1\nplugins:\n  - bad_steps\n  - nowhere_steps\n"))
    assert [(one.line, "bad_steps" in one.what or "nowhere_steps" in one.what) for one in found] == [
        (3, True),
        (4, True),
    ]


def test_how_many_events_a_run_gathers(tmp_path: Path) -> None:
    config = read(tmp_path, GOOD)
    one = read(tmp_path, GOOD.replace("    where:", "    gather: 7\n    where:"))

    assert gathered(config.automations[0], CATALOG) == 100
    assert gathered(one.automations[0], CATALOG) == 7


def test_the_committed_schema_is_the_one_of_the_models() -> None:
    committed = Path(__file__).parents[2] / "roomkeeper.schema.json"

    assert json.loads(committed.read_text()) == json_schema(CATALOG), "run `make schema`"


def test_the_schema_agrees_with_the_checker_about_examples() -> None:
    from ruamel.yaml import YAML

    schema = json_schema(CATALOG)
    examples = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
    assert examples
    for file in examples:
        text = file.read_text().replace("!env ", "").replace("!file ", "")
        jsonschema.validate(json.loads(json.dumps(YAML(typ="safe").load(text))), schema)
        load(file, CATALOG, secrets_required=False)
    assert os.environ["TEST_KEY"]


@pytest.mark.parametrize("secret", ["''", "' '", "x", "'a b'"])
def test_what_cannot_be_secret_is_refused(tmp_path: Path, secret: str) -> None:
    (tmp_path / ".env").write_text(f"KEY=a-key-of-the-portal\nSECRET={secret}\n")
    file = tmp_path / "roomkeeper.yaml"
    file.write_text(
        "version: 1\nconnections:\n  acme:\n    type: docspace\n    url: https://acme.example\n"
        "    api_key: !env KEY\n    webhook_secret: !env SECRET\n"
    )

    with pytest.raises(ConfigError) as caught:
        load(file, CATALOG)

    (problem,) = caught.value.problems
    assert problem.line == 7
    assert "SECRET" in problem.what or "cannot be secret" in problem.what


def test_two_ways_of_saying_who_we_are_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=token-one\nB=token-two\n")
    file = tmp_path / "roomkeeper.yaml"
    file.write_text(
        "version: 1\nconnections:\n  support:\n    type: jira\n    url: https://acme.example\n"
        "    email: b@acme.example\n    api_token: !env A\n    token: !env B\n"
    )

    with pytest.raises(ConfigError, match="leave one of them out"):
        load(file, CATALOG)


def test_connections_with_one_account_count_for_one_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The portal counts what an account does, whatever the file calls it."""
    monkeypatch.setenv("OTHER_KEY", "sk-other")
    again = """
  again:
    type: docspace
    url: https://ACME.onlyoffice.com/
    api_key: !env TEST_KEY
    unsigned: true
  other:
    type: docspace
    url: https://acme.onlyoffice.com
    api_key: !env OTHER_KEY
    unsigned: true
"""
    text = GOOD.replace("automations:", again.lstrip("\n") + "automations:", 1)
    config = read(tmp_path, text.replace("on: file.uploaded", "on: file.uploaded\n    from: acme", 1))

    assert {name: config.budget_of(name) for name in config.shown} == {
        "acme": "acme",
        "again": "acme",
        "other": "other",
    }
    assert list(limits(config)) == ["acme", "other"]


def test_check_says_that_an_address_is_still_that_of_an_example(tmp_path: Path) -> None:
    team = "  team:\n    type: webhook\n    url: https://chat.acme.example/hook\n"

    (note,) = read(tmp_path, GOOD.replace("automations:\n", f"{team}automations:\n")).notes

    assert "nobody answers at chat.acme.example" in note.what


def test_check_says_that_somebody_of_an_example_is_to_be_told(tmp_path: Path) -> None:
    step = "      - {do: invite, with: {room: 222222, members: [{email: lead@acme.example, access: editing}]}}\n"

    (note,) = read(tmp_path, GOOD + step).notes

    assert note.what.startswith("copy-client-uploads names lead@acme.example")


@pytest.mark.parametrize(("room", "said"), [("111111", ["again does the same as copy-client-uploads"]), ("333333", [])])
def test_check_says_that_everything_would_be_done_twice(tmp_path: Path, room: str, said: list[str]) -> None:
    twin = GOOD.partition("automations:\n")[2].replace("copy-client-uploads", "again").replace("111111", room)

    notes = read(tmp_path, GOOD + twin).notes

    assert [one.what.partition(",")[0] for one in notes] == said


@pytest.mark.parametrize(("host", "many"), [("acme.zendesk.com", 1), ("northwind.zendesk.com", 0)])
def test_check_asks_whether_the_address_of_the_examples_is_meant(tmp_path: Path, host: str, many: int) -> None:
    settings = f"type: zendesk, url: 'https://{host}', email: a@b.com, api_token: !env TEST_KEY"
    support = f"  support: {{{settings}, webhook_secret: !env TEST_SECRET}}\n"

    notes = read(tmp_path, GOOD.replace("automations:\n", f"{support}automations:\n")).notes

    assert sum(host in one.what for one in notes) == many


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            (
                "type: pipedrive, url: 'https://n.pipedrive.com', api_token: !env TEST_KEY, webhook_user: u, "
                f"webhook_password: !env TEST_SECRET, fields: {{docspace_room_id: '{'0' * 40}', docspace_guest_id: x}}"
            ),
            "crm: `docspace_room_id` is still the one that `init` wrote",
        ),
        (
            (
                "type: salesforce, url: 'https://n.my.salesforce.com', client_id: own, client_secret: !env TEST_KEY, "
                "webhook_token: !env TEST_SECRET, organization_id: 00D000000000000"
            ),
            "crm: `organization_id` is still the one that `init` wrote",
        ),
    ],
)
def test_check_says_what_still_stands_as_init_wrote_it(tmp_path: Path, settings: str, said: str) -> None:
    (note,) = read(tmp_path, GOOD.replace("automations:\n", f"  crm: {{{settings}}}\nautomations:\n")).notes

    assert note.what == said
    assert note.remedy.startswith("write your own: ")


def test_of_a_secret_that_stands_in_the_file_that_alone_is_said(tmp_path: Path) -> None:
    (problem,) = problems(
        tmp_path,
        GOOD.replace("api_key: !env TEST_KEY", "api_key: !env TEST_KEY").replace(
            "[!env TEST_SECRET, !file old_secret]", "a-secret-of-thirty-six-characters-1234"
        ),
    )

    assert "stands in the file" in problem.what
