"""Tables are read strictly: each line fits, or those that do not are named; whatever is in a file, it ends in words."""

import csv
import io
import zipfile
from datetime import UTC, date, datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkeeper import spreadsheet
from roomkeeper.connectors.docspace.steps import read_table as tables
from roomkeeper.connectors.docspace.steps.read_table import ReadTable
from roomkeeper.errors import StepFailed

COLUMNS: dict[str, Any] = {
    "client": "Client",
    "email": {"column": "E-mail", "as": "email"},
    "rooms": {"column": "Rooms", "as": "whole", "may_be_blank": True},
    "since": {"column": "Since", "as": "date", "may_be_blank": True},
    "active": {"column": "Active", "as": "yes_no", "may_be_blank": True},
}


def workbook(*lines: list[object], sheet: str = "Clients") -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "Notes"
    made = book.create_sheet(sheet, 0)
    for line in lines:
        made.append(line)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def rows(content: bytes, **given: Any) -> list[dict[str, Any]]:
    """Read a table as the step does."""
    params = ReadTable(**{"file": 1, "columns": COLUMNS, "key": "email", **given})
    lines = spreadsheet.read(content, encoding=params.encoding, sheet=params.sheet, most=tables.MOST)
    return tables._rows(params, lines, "clients")


CSV = "Client;E-mail;Rooms;Since;Notes;Active\nÄrzte GmbH;a@acme.example;3;2026-11-27;;yes\n\nB & Co;b@b.example;;;x;\n"
READ = [
    {
        "id": "a@acme.example",
        "line": 2,
        "client": "Ärzte GmbH",
        "email": "a@acme.example",
        "rooms": 3,
        "since": "2026-11-27",
        "active": True,
    },
    {
        "id": "b@b.example",
        "line": 4,
        "client": "B & Co",
        "email": "b@b.example",
        "rooms": None,
        "since": None,
        "active": None,
    },
]


@pytest.mark.parametrize(
    ("content", "given"),
    [
        (CSV.encode(), {}),
        (CSV.encode("utf-8-sig"), {}),
        (CSV.encode("utf-16"), {}),
        (CSV.encode("cp1252"), {"encoding": "cp1252"}),
        (CSV.replace(";", "\t").replace("\n", "\r\n").encode(), {}),
        (
            workbook(
                ["client ", "E-Mail", "Rooms", "Since", None, "Active"],
                ["Ärzte GmbH", "a@acme.example", 3, datetime(2026, 11, 27, tzinfo=None), None, True],  # noqa: DTZ001 - as the library gives it
                [],
                [" B & Co", "b@b.example", None, None, "x"],
            ),
            {},
        ),
        (
            workbook(
                ["Client", "E-mail", "Rooms", "Since", "", "Active"],
                ["Ärzte GmbH", "a@acme.example", "3", date(2026, 11, 27), "", "Yes"],
                ["", "", None],
                ["B & Co", "b@b.example", "", "", "x", ""],
                sheet="Zwei",
            ),
            {"sheet": "Zwei"},
        ),
    ],
    ids=["csv", "marked", "utf-16", "cp1252", "tabs", "xlsx", "a sheet"],
)
def test_the_same_table_is_read_from_whatever_it_is_kept_in(content: bytes, given: dict[str, Any]) -> None:
    assert rows(content, **given) == READ


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (";a@a.example;;;;", "`client` is blank"),
        ("A;nobody;;;;", "`email` is 'nobody', and no e-mail address"),
        ("A;a@a.example, b@b.example;;;;", "and no e-mail address"),
        ("A;a@a.example;1.5;;;", "`rooms` is '1.5', and no whole number"),
        ("A;a@a.example;1,5;;;", "and no number such as 1234.5"),
        ("A;a@a.example;;2026-11-27 was cancelled;;", "and no date such as 2026-11-27"),
        ("A;a@a.example;;20261127;;", "and no date such as 2026-11-27"),
        ("A;a@a.example;;2026-13-01;;", "and no date such as 2026-11-27"),
        ("A;a@a.example;;27.11.2026;;", "`since` is '27.11.2026', and no date such as 2026-11-27"),
        ("A;a@a.example;;;;perhaps", "`active` is 'perhaps', and neither yes nor no"),
        ("#REF!;a@a.example;;;;", "`client` is '#REF!', which a formula came to"),
        ("A;B@b.example;;;;", "`email` is 'B@b.example', as in line 2"),
    ],
)
def test_a_line_that_does_not_fit_is_named_and_nothing_is_given_of_the_others(line: str, said: str) -> None:
    content = f"Client;E-mail;Rooms;Since;Notes;Active\nB;b@b.example;;;;\n{line}\n".encode()

    with pytest.raises(StepFailed) as failed:
        rows(content)

    assert "1 of 2 lines of 'clients' do not fit" in failed.value.message
    (item,) = failed.value.items
    assert (item.item, said in item.reason) == ("line 3", True), item.reason


def test_many_that_do_not_fit_are_counted_and_the_first_are_named() -> None:
    content = "Client,E-mail,Rooms,Since,Active\n" + "A,nobody,,,\n" * 500

    with pytest.raises(StepFailed, match="500 of 500 lines of 'clients' do not fit, the first 30 are named") as failed:
        rows(content.encode())

    assert len(failed.value.items) == 30


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("Client,Mail,Rooms,Since,Active", "has no column 'E-mail'; its first line has 'Client', 'Mail', 'Rooms'"),
        ("Client,E-mail,e-mail,Rooms,Since,Active", "has the column 'E-mail' more than once"),
    ],
)
def test_columns_that_are_not_there_once_are_named(names: str, said: str) -> None:
    with pytest.raises(StepFailed, match=said):
        rows(f"{names}\nA,a@a.example\n".encode())


def _packed(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "given", "said"),
    [
        (b"", {}, "is empty"),
        (b"\n ; ;\n", {}, "is empty"),
        (CSV.encode("cp1252"), {}, "is not in UTF-8"),
        (CSV.encode(), {"encoding": "klingon"}, "there is no encoding 'klingon'"),
        (CSV.encode(), {"sheet": "Clients"}, "is a CSV file, and has no sheet 'Clients'"),
        (b'Client;E-mail\n"A;b', {}, "cannot be read at line"),
        (b"A" * 200_000, {}, "cannot be read at line"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", {}, "is an old .xls file"),
        (workbook(["Client"]), {"sheet": "Else"}, "has no sheet 'Else'; there is: 'Clients', 'Notes'"),
        (workbook(["Client"])[:-40], {}, "is no .xlsx that can be read"),
        (b"PK\x03\x04", {}, "is no .xlsx that can be read"),
        (_packed({"[Content_Types].xml": b"<!DOCTYPE x [<!ENTITY a 'aa'>]><x>&a;</x>"}), {}, "is no .xlsx that can be"),
        (b"Client\n" + b"A\n" * 10_001, {}, "has more than 10000 lines"),
        (b"Client\n" + b"\n" * 100_001 + b"A\n", {}, "has more than 100000 lines, blank ones counted"),
    ],
)
def test_what_is_no_table_is_said_in_words(content: bytes, given: dict[str, Any], said: str) -> None:
    with pytest.raises(spreadsheet.Unreadable) as unreadable:
        spreadsheet.read(content, encoding=given.get("encoding"), sheet=given.get("sheet"), most=tables.MOST)

    assert said in str(unreadable.value)


@pytest.mark.parametrize(
    ("part", "size"),
    [("xl/workbook.xml", 3_000_000), ("xl/styles.xml", 3_000_000), ("xl/worksheets/sheet1.xml", 31_000_000)],
)
def test_what_is_too_large_once_it_is_unpacked_is_not_unpacked(part: str, size: int) -> None:
    """Styles of 20 MB, packed 31 kB, took 2.5 GB of the worker's memory."""
    content = _packed({part: b" " * size})

    with pytest.raises(spreadsheet.Unreadable, match="is too large once it is unpacked"):
        spreadsheet.read(content, encoding=None, sheet=None, most=tables.MOST)


@given(st.one_of(st.binary(max_size=400), st.binary(max_size=300).map(lambda some: b"PK\x03\x04" + some)))
def test_whatever_the_file_is_it_is_read_or_it_is_said_why_not(content: bytes) -> None:
    try:
        lines = spreadsheet.read(content, most=100)
    except spreadsheet.Unreadable as error:
        assert str(error)
    else:
        assert all(line.cells for line in lines)


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp"]), max_size=20)


@given(st.lists(st.tuples(CELLS.filter(str.strip), CELLS), min_size=1, max_size=8), st.sampled_from(",;\t"))
def test_what_another_program_writes_as_csv_is_read_as_it_was(lines: list[tuple[str, str]], separator: str) -> None:
    import csv

    file = io.StringIO()
    csv.writer(file, delimiter=separator).writerows([("Name" + separator.join("xy"), "Note"), *lines])
    read = spreadsheet.read(file.getvalue().encode(), most=100)

    assert [line.cells for line in read[1:]] == [(one.strip(), other.strip()) for one, other in lines]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"file": 1, "path": "/a"}, "needs `file` or `path`, and not both"),
        ({"path": "clients.csv"}, "does not begin at the root"),
        ({"file": 1, "columns": {"E-Mail": "E-mail"}}, "take small letters"),
        ({"file": 1, "columns": {"id": "Number"}}, "and not `id` or `line`"),
        ({"file": 1, "key": "phone"}, "which is none of its columns"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ReadTable(**{"columns": COLUMNS, **given})


def test_a_path_may_not_come_from_an_event() -> None:
    assert tables.mistakes({"path": "/srv/{{ ticket.subject }}"}, None) != []
    assert tables.mistakes({"path": "/srv/clients.csv"}, None) == []


def test_dates_and_numbers_of_a_workbook_are_given_as_a_person_would_write_them() -> None:
    content = workbook(["A", "B"], [12345.0, datetime(2026, 3, 1, 12, 30, tzinfo=UTC).replace(tzinfo=None)])
    read = rows(content, columns={"a": "A", "b": "B"}, key=None)

    assert read == [{"id": "line 2", "line": 2, "a": "12345", "b": "2026-03-01T12:30:00"}]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("\n=1+1", "'\n=1+1"),
        ("a;=1+1;b", "a;'=1+1;b"),  # a spreadsheet that divides at semicolons
        ("a;b", "a;b"),
        ("Notes:\n- one", "Notes:\n- one"),
        ("\uff1d1+1", "'\uff1d1+1"),
        (-5, "-5"),
    ],
)
def test_nothing_that_people_wrote_is_taken_for_a_formula(value: object, shown: str) -> None:
    (_, row) = csv.reader(io.StringIO(spreadsheet.written([{"who": value}]), newline=""))

    assert row == [shown]


def test_a_table_is_written_with_all_columns_and_no_formulas() -> None:
    lines = [{"name": "=1+1", "tags": ["a", "b"]}, {"name": "Ann", "more": {"k": [1]}, "tags": [{"x": 1}]}]

    assert spreadsheet.written(lines) == 'name,tags,more\n\'=1+1,"a, b",\nAnn,"[{""x"": 1}]","{""k"": [1]}"\n'
    assert spreadsheet.written(lines, ["name"]) == "name\n'=1+1\nAnn\n"
