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
    Report,
    explain_left,
    explain_missing,
    titled,
)
from roomkeeper.connectors.docspace.files.tree import Tree
from roomkeeper.docspace import File, Folder
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


def tree(*files: dict[str, Any], hidden: int = 0) -> Tree:
    """Give room 1 with these files and a folder 2 `Offers` in it."""
    shown = [File.of({"pureContentLength": 5, **one}) for one in files]
    folders = {2: Folder.of({"id": 2, "title": "Offers", "parentId": 1})}
    return Tree(1, folders, {one.id: one for one in shown}, hidden)


def a_plan() -> ArchivePlan:
    return ArchivePlan(1, "Room", 7, "Archive", "Acme", "tree", folder=3)


def test_what_comes_in_while_it_is_archived_is_added_and_keeps_its_place() -> None:
    plan = a_plan()
    below = {"id": 12, "title": "b.docx", "folderId": 2, "created": "2026-11-20T10:00:00Z"}
    first = plan.take_in(tree(below, {"id": 11, "title": "z.docx", "folderId": 1}))
    second = plan.take_in(tree(below, {"id": 13, "title": "a.docx", "folderId": 1}))

    assert [line.was for line in first] == ["z.docx", "Offers/b.docx"]  # what lies higher up keeps its title
    assert [line.was for line in second] == ["a.docx"]
    assert plan.folders == {2: ("Offers", 1)}
    assert plan.counted == "3 files (15 bytes)"
    assert plan.lines[12].is_of(File.of({"id": 12, "title": "b.docx", "created": "2026-11-20T10:00:00Z"}))
    assert not plan.lines[12].is_of(File.of({"id": 12, "title": "b.docx", "created": "2026-11-21T10:00:00Z"}))


@pytest.mark.parametrize(("hidden", "told", "waits"), [(0, 0, False), (2, 0, True), (2, 2, False), (3, 2, True)])
def test_files_that_are_counted_and_not_shown_are_waited_for_until_somebody_knows(
    hidden: int, told: int, waits: bool
) -> None:
    plan = a_plan()
    plan.unseen = told

    assert plan.waits_for(tree(hidden=hidden)) is waits


def test_a_report_says_of_each_file_where_it_was_and_where_it_lies() -> None:
    plan = a_plan()
    _, left = plan.take_in(
        tree({"id": 11, "title": "z.docx", "folderId": 1}, {"id": 12, "title": "b.docx", "folderId": 2})
    )
    archive = Tree(
        3,
        {4: Folder.of({"id": 4, "title": "Taken", "parentId": 3})},
        {
            11: File.of({"id": 11, "title": "z.docx", "folderId": 4}),
            99: File.of({"id": 99, "title": "theirs", "folderId": 3}),
        },
    )

    assert plan.see(archive) == [left]

    report = Report(plan, [plan.lines[11]], [left])
    assert [(one["file"], one["outcome"], one["from"], one["to"]) for one in report] == [
        (11, "moved", "Room/z.docx", "Archive/Acme/Taken/z.docx"),
        (12, "not moved", "Room/Offers/b.docx", ""),
    ]
    assert report[1:] == [report[1]]


def test_of_a_long_plan_the_first_are_shown_and_the_rest_is_counted() -> None:
    plan = a_plan()
    plan.take_in(tree(*({"id": number, "title": f"{number:04}.docx", "folderId": 1} for number in range(10, 1010))))
    lines = plan.told()

    assert lines[0] == "move 1000 files (5,000 bytes) of room 1 'Room' to 'Archive/Acme' (tree)"
    assert lines[1] == "move '0010.docx' to 'Archive/Acme/0010.docx'"
    assert lines[-1] == f"… and {1000 - (len(lines) - 2)} more"
