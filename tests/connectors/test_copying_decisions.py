"""Decisions about copies, without a portal."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkeeper import errors
from roomkeeper.connectors.docspace.files import copying
from roomkeeper.connectors.docspace.files.copying import Intent
from roomkeeper.contract.step import Entry
from roomkeeper.docspace import File
from roomkeeper.docspace.files import OnConflict
from roomkeeper.docspace.models import OperationFile


def file(number: int, title: str = "a.docx", **more: object) -> File:
    return File.of({"id": number, "title": title, "pureContentLength": 5, **more})


def shown(number: int, title: str, *, folder: int = 9, **more: object) -> OperationFile:
    return OperationFile.of({"id": number, "title": title, "folderId": folder, "pureContentLength": 5, **more})


def intent(number: int, title: str = "a.docx", mode: OnConflict = OnConflict.SKIP, **more: object) -> Intent:
    return Intent(number, 1, title, 5, 9, mode, **more)  # type: ignore[arg-type]


STORED = {"id": "sbox-1-|a.docx", "title": "a.docx", "created": "2026-11-20T10:00:00Z", "version": 1}


@pytest.mark.parametrize(
    ("now", "known"),
    [
        ({"updated": "2026-11-20T10:00:00Z", "pureContentLength": 5}, True),
        ({"updated": "2026-11-20T11:00:00+01:00", "pureContentLength": 5}, True),
        ({"updated": "2026-11-20T10:00:07Z", "pureContentLength": 5}, False),
        ({"updated": "2026-11-20T10:00:00Z", "pureContentLength": 6}, False),
    ],
)
def test_a_second_upload_into_third_party_storage_is_no_version_and_yet_another_content(
    now: dict[str, object], known: bool
) -> None:
    """There, every version has the number 1, and a path keeps its id."""
    first = File.of(STORED | {"updated": "2026-11-20T10:00:00Z", "pureContentLength": 5})
    said = intent(first.id, changed=copying.changed_at(first), created=copying.made_at(first))  # type: ignore[arg-type]
    line = Entry(said.item, True, "77", said.to_json(), 1)

    assert copying.is_done(line, File.of(STORED | now)) is known
    # Elsewhere the same file stays the same, and its content is looked at.
    elsewhere = File.of(STORED | now | {"id": 7})
    assert copying.is_done(line, elsewhere)
    assert said.may_be_older(elsewhere) is not known
    assert not replace(said, changed="").may_be_older(elsewhere)


@pytest.mark.parametrize(
    ("policy", "namesake", "anothers", "mode"),
    [
        ("version", None, False, OnConflict.SKIP),
        ("skip", None, False, OnConflict.SKIP),
        ("keep_both", None, False, OnConflict.SKIP),
        ("version", file(7), False, OnConflict.OVERWRITE),
        ("version", file(7), True, OnConflict.DUPLICATE),
        ("skip", file(7), False, None),
        ("skip", file(7), True, OnConflict.DUPLICATE),
        ("keep_both", file(7), False, OnConflict.DUPLICATE),
    ],
)
def test_how_a_namesake_is_treated(
    policy: copying.Policy, namesake: File | None, anothers: bool, mode: OnConflict | None
) -> None:
    assert copying.mode_for(policy, namesake, is_anothers=anothers) is mode


@given(st.lists(st.sampled_from(["a", "A", "b", "c", "d"]), max_size=320))
def test_batches_hold_every_file_once_and_no_title_twice(titles: list[str]) -> None:
    files = [file(number, title) for number, title in enumerate(titles)]

    divided = copying.batches(files)

    assert sorted(one.id for batch in divided for one in batch) == [one.id for one in files]
    for batch in divided:
        assert len(batch) <= copying.BATCH
        assert len({one.title.casefold() for one in batch}) == len(batch)


def test_sources_that_an_unfinished_report_shows_are_no_copies() -> None:
    """While an operation runs, and where it fails, `files` are the sources (2.3)."""
    source = shown(1, "a.docx", folder=4)

    assert copying.results([intent(1)], [source]) == {}


def test_the_one_result_of_one_file_is_its_copy_whatever_it_is_called() -> None:
    found = copying.results([intent(1)], [shown(70, "renamed.docx")])

    assert found[1].id == 70


def test_a_version_is_proven_by_the_namesake_s_number() -> None:
    wanted = intent(1, mode=OnConflict.OVERWRITE, namesake=70, namesake_version=2)

    assert copying.match([wanted], [shown(70, "a.docx", version=2)], ours=frozenset()) == {}
    assert copying.match([wanted], [shown(70, "a.docx", version=3)], ours=frozenset())[1].id == 70


def test_a_second_copy_bears_a_number_and_is_not_one_that_we_know() -> None:
    wanted = intent(1, "Plan (final).docx", mode=OnConflict.DUPLICATE, namesake=70, namesake_version=1)
    listed = [shown(70, "Plan (final).docx"), shown(71, "Plan (final) (1).docx"), shown(72, "Plan (final) (2).docx")]

    assert copying.match([wanted], listed, ours=frozenset({"71"}))[1].id == 72


def test_exact_titles_choose_before_numbered_ones() -> None:
    numbered = intent(1, "a.docx", mode=OnConflict.DUPLICATE, namesake=60, namesake_version=1)
    plain = intent(2, "a (1).docx")

    found = copying.match([numbered, plain], [shown(70, "a (1).docx"), shown(71, "a (2).docx")], ours=frozenset())

    assert (found[2].id, found[1].id) == (70, 71)


def test_others_files_are_not_taken_for_ours() -> None:
    theirs = file(70, createdBy={"id": "someone"})
    overwritten = file(71, version=2, updatedBy={"id": "someone"})
    twice = file(71, version=3, updatedBy={"id": "someone"})
    wanted = [intent(1), intent(2, mode=OnConflict.OVERWRITE, namesake=71, namesake_version=1)]

    assert not copying.may_be_by(theirs, "me", wanted)
    assert not copying.may_be_by(overwritten, "me", wanted)
    assert copying.may_be_by(twice, "me", wanted)


@pytest.mark.parametrize(
    ("current", "namesake", "error", "reason"),
    [
        (file(1, rootFolderType=3), None, errors.Forbidden("x", status=403), "deleted"),
        (file(1), file(7, locked=True, lockedBy="Ann"), errors.Forbidden("x", status=403), "locked by Ann"),
        (file(1), file(7, fileStatus=1), errors.Forbidden("x", status=403), "open in the editor"),
        (file(1, locked=True, lockedBy="Ann"), None, errors.Forbidden("x", status=403), "locked by Ann"),
        (file(1, locked=True), None, errors.Forbidden("x", status=403), "may not copy"),  # by the account itself
        (file(1), None, errors.Forbidden("x", status=403), "may not copy"),
        (file(1), None, errors.QuotaExceeded("full", status=402), "no room"),
        (file(1), None, errors.Rejected("odd", status=415), "odd"),
        (file(1), None, errors.NotFound("x", status=404), "is not there"),
    ],
)
def test_each_reason_is_named_with_a_remedy(
    current: File, namesake: File | None, error: errors.RemoteError, reason: str
) -> None:
    item = copying.explain(file(1), error, current=current, namesake=namesake)

    assert reason in item.reason
    assert item.remedy
    assert "file 1" in item.item


@given(st.integers(1, 10**9) | st.text(min_size=1, max_size=20), st.integers(1, 999))
def test_a_ledger_item_tells_its_file(number: int | str, version: int) -> None:
    assert copying.file_of(copying.item(number, version)) == str(number)


def test_an_intent_survives_being_written_down() -> None:
    wanted = intent(1, mode=OnConflict.OVERWRITE, namesake="sbox-7", namesake_version=4, operation="op")

    assert Intent.from_json(wanted.to_json()) == wanted


@pytest.mark.parametrize(
    ("version", "back", "numbers"), [(1, 20, [1]), (5, 2, [3, 4, 5]), (20, 20, list(range(1, 21))), (3, 0, [3])]
)
def test_recent_versions_end_with_this_one_and_begin_with_the_first_at_most(
    version: int, back: int, numbers: list[int]
) -> None:
    assert list(copying.recent(version, back)) == numbers


SOURCE = {"created": "2026-11-20T10:00:00Z", "updated": "2026-11-20T12:00:00Z"}
COPY = {"created": "2026-11-20T10:01:00Z", "updated": "2026-11-20T12:00:01Z", "version": 3}


@pytest.mark.parametrize(
    ("source", "copy", "holds"),
    [
        ({}, {}, True),
        ({}, {"updated": "2026-11-20T12:00:00Z"}, True),  # in the same second
        ({}, {"updated": "2026-11-20T11:59:59Z"}, False),  # older than what it would have to hold
        ({}, {"updated": None}, False),
        ({"updated": None}, {}, False),
        ({}, {"pureContentLength": 6}, False),
        ({}, {"version": 4}, False),  # somebody gave it another version since
        ({}, {"version": 2}, False),
        ({}, {"rootFolderType": 3}, False),  # it lies in the trash
    ],
)
def test_our_copy_may_hold_a_version_only_if_nothing_speaks_against_it(
    source: dict[str, object], copy: dict[str, object], holds: bool
) -> None:
    wanted, there = file(7, **(SOURCE | source)), file(70, **(COPY | copy))
    earlier = intent(7, copy_version=3, copy_title="a.docx", copy_size=5)

    assert copying.may_hold(wanted, there, earlier) is holds


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        ({}, None),
        ({"7/1": {}, "7/2": {}}, "7/2"),
        ({"7/1": {}, "7/2": {"done": False}}, "7/1"),
        ({"7/1": {}, "7/2": {"created": "2026-11-19T10:00:00+00:00"}}, "7/1"),  # another file that had the id
        ({"7/4": {}}, None),  # later than this one
        ({"8/1": {}}, None),
    ],
)
def test_the_last_copy_of_a_file_is_of_its_highest_version_that_is_done(
    lines: dict[str, dict[str, object]], last: str | None
) -> None:
    wanted = file(7, **SOURCE, version=3)
    made = copying.made_at(wanted)
    known = {
        item: Entry(item, bool(line.get("done", True)), "70", intent(7, created=line.get("created", made)).to_json(), 1)
        for item, line in lines.items()
    }

    found = copying.last_copied(wanted, known)

    assert (found.item if found is not None else None) == last


def test_one_operation_takes_a_hundred_files_and_no_more() -> None:
    files = [file(number, f"{number}.docx") for number in range(201)]

    assert [len(batch) for batch in copying.batches(files)] == [100, 100, 1]


@pytest.mark.parametrize(
    ("made", "is_it"),
    [
        ("2026-11-20T10:00:00+00:00", True),
        ("2026-11-20T11:00:00+01:00", True),  # the portal's time zone was changed
        ("2026-11-20T10:00:01+00:00", False),
        ("", True),  # a line of an older version does not know
    ],
)
def test_a_file_is_known_by_the_moment_when_it_was_made(made: str, is_it: bool) -> None:
    assert copying.same_file(made, file(7, **SOURCE)) is is_it
    assert copying.same_file(made, file(7)) is True  # the portal does not say


def test_of_several_results_each_is_found_by_its_title_and_not_in_other_folders() -> None:
    one, other = intent(1, "a.docx"), intent(2, "b.docx")

    assert copying.results([one], [shown(11, "a.docx", folder=8)]) == {}
    found = copying.results([one, other], [shown(12, "b.docx"), shown(11, "a.docx"), shown(13, "c.docx", folder=8)])
    assert {source: copy.id for source, copy in found.items()} == {1: 11, 2: 12}


def test_what_is_to_replace_a_namesake_is_looked_for_there_and_else_under_a_number() -> None:
    """The portal numbers it where the namesake is of another category (FileMoveCopyOperation.cs)."""
    wanted = intent(1, mode=OnConflict.OVERWRITE, namesake=70, namesake_version=1, asked_at=1_764_000_000.0)
    new, old = "2026-11-26T10:00:00Z", "2020-01-01T10:00:00Z"

    for title, created, is_it in (("a.docx", new, False), ("a (1).docx", new, True), ("a (1).docx", old, False)):
        found = copying.match([wanted], [shown(71, title, created=created)], ours=frozenset())
        assert (found == {}) is not is_it, title


def test_a_file_that_a_stranger_has_just_put_there_has_no_number_of_ours() -> None:
    """Only what is made beside a namesake has a number from the first."""
    assert copying.match([intent(1)], [shown(71, "b (1).docx")], ours=frozenset()) == {}


def test_a_line_of_the_ledger_is_of_one_version_of_one_very_file() -> None:
    made = file(7, created="2026-11-20T10:00:00Z")
    line = replace(intent(7), created="2026-11-20T10:00:00Z").become(shown(8, "a (1).docx", version=3))
    entry = Entry(line.item, done=True, target="8", detail=line.to_json(), run=1)

    assert (line.copy_title, line.copy_version, line.copy_size) == ("a (1).docx", 3, 5)
    assert copying.is_done(entry, made)
    assert not copying.is_done(replace(entry, done=False), made)
    assert not copying.is_done(entry, file(7, created="2026-11-21T10:00:00Z"))
    assert not copying.is_done(None, made)


def test_the_lines_of_a_file_are_those_of_its_last_versions() -> None:
    assert copying.lines_of([file(7, version=2), file(8)]) == ["7/1", "7/2", "8/1"]
    assert copying.as_id("sbox-1-|a.docx") == "sbox-1-|a.docx"
    assert copying.as_id("8") == 8
    assert copying.as_id("") is None


@pytest.mark.parametrize(
    ("told", "reason", "remedy"),
    [
        (copying.replaced(7, "a.docx"), "another file has its number now", "runs cancel"),
        (copying.hollow(OperationFile.of({"id": 8, "title": "a.docx"})), "has no content", "Open it there"),
        (copying.hidden(7), "may lie in its owner's trash", "If it is still there"),
        (copying.gone(7, "a.docx"), "was deleted before it could be copied", "runs cancel"),
    ],
)
def test_what_became_of_a_file_is_said_with_what_to_do(told: errors.FailedItem, reason: str, remedy: str) -> None:
    assert told.item.startswith("file ")
    assert reason in told.reason
    assert remedy in told.remedy


@pytest.mark.parametrize(
    ("complaint", "passes"),
    [
        ("Distributed Lock Error. Status: NotAcquired, Resource: room_7, Elapsed: 30012", True),
        ("Deadlock found when trying to get lock; try restarting transaction", True),
        ("You don't have enough permission to create", False),
        ("The file is locked", False),
    ],
)
def test_what_others_are_in_the_way_of_passes(complaint: str, *, passes: bool) -> None:
    assert copying.is_passing(complaint) is passes
