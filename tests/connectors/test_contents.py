"""When a room's files are held against its history."""

from datetime import UTC, datetime, timedelta

import pytest

from roomkeeper.connectors.docspace.events import contents
from roomkeeper.contract.trail import Search
from roomkeeper.docspace import File
from roomkeeper.docspace.models import HistoryEntry

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
KNOWN = {"rooms": {"1": "2026-01-01T00:00:00+00:00"}}


def searching(*types: str, position: dict[str, object] | None = None) -> Search:
    return Search("acme", None, LONG_AGO, frozenset(types or {"file.uploaded"}), position=position or {})


def test_who_asks_by_hand_is_told_of_everything_until_now() -> None:
    begin, end = contents.due(searching(), None) or (None, None)

    assert begin == LONG_AGO
    assert end is not None
    assert datetime.now(UTC) - end < timedelta(minutes=1)


@pytest.mark.parametrize(("minutes", "is_due"), [(10, False), (14, False), (16, True), (2000, True)])
def test_a_search_looks_now_and_then_at_what_is_old_enough_to_be_told_of(minutes: int, is_due: bool) -> None:
    looked = datetime.now(UTC) - timedelta(minutes=minutes)

    look = contents.due(searching(position=KNOWN), looked)

    assert (look is not None) is is_due
    if look is not None:
        assert look[0] == looked
        assert timedelta(minutes=5) <= datetime.now(UTC) - look[1] < timedelta(minutes=6)


def test_files_are_not_compared_where_nobody_listens_to_uploads() -> None:
    assert contents.due(searching("file.trashed", "room.created"), None) is None


CHANGED = datetime(2026, 11, 27, 10, 7, tzinfo=UTC)
FILE = File.of({"id": 7, "title": "Offer.docx", "updated": CHANGED.isoformat()})


def entry(key: str, minutes: float, number: int = 7) -> HistoryEntry:
    at = CHANGED + timedelta(minutes=minutes)
    return HistoryEntry.model_validate(
        {"id": 1, "action": {"key": key}, "date": at.isoformat(), "data": {"id": number}}
    )


@pytest.mark.parametrize(
    ("entries", "is_told"),
    [
        ([], False),
        ([entry("FileUploaded", 0)], True),
        ([entry("UserFileUpdated", 0.2)], True),
        ([entry("FileUploaded", -7)], False),  # the version before this one
        ([entry("FileDownloaded", 30)], False),
        ([entry("FileMoved", 30)], True),  # uploaded elsewhere, and moved in later
        ([entry("FileMoved", -30)], False),
        ([entry("FileUploaded", 0, number=8)], False),
        ([entry("FolderMoved", 0)], False),  # a folder's number is no file's
    ],
)
def test_an_entry_tells_of_a_change_of_that_moment(entries: list[HistoryEntry], is_told: bool) -> None:
    told = contents.Told()
    told.take(entries)

    assert told.has(FILE, CHANGED) is is_told
