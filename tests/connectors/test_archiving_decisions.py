"""Titles that do not collide, whatever they are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from roomkeeper.connectors.docspace.files.archiving import (
    TITLE_LIMIT,
    ArchivePlan,
    Line,
    explain_left,
    explain_missing,
    titled,
)
from roomkeeper.docspace import File
from roomkeeper.docspace.wire import sanitise_title

titles = st.one_of(
    st.sampled_from(
        ["Offer.docx", "offer.DOCX", "Offer (1).docx", "Offer (2).docx", ".hidden", "no extension", "a.b.c"]
    ),
    st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=200).map(sanitise_title).filter(bool),
    st.text("x", min_size=160, max_size=170),
)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(st.lists(titles, max_size=40), st.lists(titles, max_size=10))
def test_no_two_files_get_one_title_and_none_that_is_taken(names: list[str], taken: list[str]) -> None:
    lines = [Line(number, name, 1, 1) for number, name in enumerate(names)]

    given_titles = [line.new_title for line in titled(lines, taken)]

    folded = [title.casefold() for title in given_titles]
    assert len(set(folded)) == len(folded)
    assert not set(folded) & {title.casefold() for title in taken}
    assert all(units(title) <= max(TITLE_LIMIT, units(name)) for title, name in zip(given_titles, names, strict=True))


@given(st.lists(titles, min_size=1, max_size=20))
def test_choosing_again_changes_nothing(names: list[str]) -> None:
    once = list(titled([Line(number, name, 1, 1) for number, name in enumerate(names)], []))

    assert list(titled(once, [])) == once


def test_a_plan_reads_back_as_it_was_written() -> None:
    plan = ArchivePlan(1, "Room", 2, "Archive", "Acme", "flat", folder=3, asked=4)
    plan.lines = {7: Line(7, "A.docx", 5, 1, ("One", "Two"), "A (1).docx")}
    plan.folders = {9: ("One", 1)}

    assert ArchivePlan.from_json(from_json(to_json(plan.to_json()))) == plan
    assert plan.told() == [
        "move 1 file (5 bytes) of room 1 'Room' to 'Archive/Acme' (flat)",
        "move 'One/Two/A.docx' to 'Archive/Acme/A (1).docx'",
    ]


@pytest.mark.parametrize(
    ("now", "complaint", "reason", "remedy"),
    [
        ({"fileStatus": 1}, "", "open in the editor", "closed"),
        ({"locked": True, "lockedBy": "Ann"}, "", "locked by Ann", "unlocked"),
        ({"locked": True}, "", "it is locked", "unlocked"),
        ({}, "no rights", "refuses to move it: no rights", "Put right what it says"),
        ({"title": "Form.pdf"}, "no rights", "refuses to move it: no rights", "filled"),
        ({}, "", "again and again", "retry"),
    ],
)
def test_why_a_file_is_left_is_said_with_what_to_do(
    now: dict[str, Any], complaint: str, reason: str, remedy: str
) -> None:
    left = File.of({"id": 7, "title": "A.docx", **now})
    item = explain_left(left, Line(7, "A.docx", 5, 1, ("One",)), complaint)

    assert item.item == "file 7 'One/A.docx'"
    assert reason in item.reason
    assert remedy in item.remedy


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (None, "it is gone, or lies where"),
        ({"rootFolderType": 3}, "moved to the trash"),
        ({"folderId": 88}, "somebody moved it to folder 88, out of 'Archive/Acme'"),
    ],
)
def test_where_a_missing_file_is_is_said(now: dict[str, Any] | None, reason: str) -> None:
    plan = ArchivePlan(1, "Room", 2, "Archive", "Acme", "flat")
    found = File.of({"id": 7, "title": "A.docx", **now}) if now is not None else None

    item = explain_missing(Line(7, "A.docx", 5, 1), found, plan)

    assert reason in item.reason
    assert item.remedy
