"""Which file an event told of: its number may be another file's by now."""

from datetime import UTC, datetime
from typing import Any

import pytest

from roomkeeper.automations.event import Event
from roomkeeper.connectors.docspace.files.identity import entries_of, is_by_another, is_told_of
from roomkeeper.docspace import File
from roomkeeper.docspace.models import HistoryEntry

MADE = "2026-11-26T10:00:00Z"
ANN = {"id": "ann"}


def told(raw: Any) -> Event:
    at = datetime(2026, 11, 26, 10, tzinfo=UTC)
    return Event("file.uploaded", "acme", at, "d", "m", "s", raw=raw, id=1)


@pytest.mark.parametrize(
    ("raw", "now", "is_it"),
    [
        ({"payload": {"id": 7, "createBy": "ann", "createOn": MADE}}, {"created": MADE}, True),
        # Whose it was is another by now: somebody was deleted, or handed over (FileQueries.cs, ReassignFilesAsync).
        ({"payload": {"id": 7, "createBy": "bob", "createOn": MADE}}, {"created": MADE}, None),
        ({"payload": {"id": 7, "createBy": "bob", "createOn": MADE}}, {}, False),
        ({"payload": {"id": 7, "createBy": "ann", "createOn": MADE}}, {}, True),  # nobody says when it was made
        ({"payload": {"id": 7, "createOn": "2026-11-26T10:00:01Z"}}, {"created": MADE}, False),
        ({"payload": {"id": 8}}, {"created": "2026-11-26T10:00:30Z"}, True),
        ({"payload": {"id": 8}}, {"created": "2026-11-26T10:05:00Z"}, False),
        ({"history": {"action": {"key": "FileUploaded"}, "initiator": {"id": "bob"}, "date": MADE}}, {}, None),
        ({"history": {"action": {"key": "FileUploaded"}, "initiator": ANN, "date": MADE}}, {"created": MADE}, True),
        ({"history": {"action": {"key": "FileRenamed"}, "initiator": {"id": "bob"}}}, {"created": MADE}, None),
        # Seconds later: it may be another file that got its number, as may be one by the clock of the disk.
        (
            {"history": {"action": {"key": "FileUploaded"}, "initiator": ANN, "date": MADE}},
            {"created": "2026-11-26T10:00:20Z"},
            None,
        ),
        # By the clock of the disk: the number may be another file's by now.
        (
            {"history": {"action": {"key": "FileUploaded"}, "initiator": ANN, "date": MADE}},
            {"created": "2024-01-01T10:00:00Z"},
            None,
        ),
        # By the clock of whoever uploaded it (SessionRequestDto.cs), or it is another file.
        ({"history": {"action": None, "initiator": None, "date": MADE}}, {"created": "2026-11-26T10:00:05Z"}, None),
    ],
)
def test_a_file_is_the_one_that_was_told_of(raw: Any, now: dict[str, Any], is_it: bool | None) -> None:
    file = File.of({"id": 7, "title": "a.docx", "createdBy": ANN, **now})

    assert is_told_of(file, [told(raw)]) is is_it


@pytest.mark.parametrize(
    ("key", "initiator", "is_it"),
    [
        ("FileUploaded", "ann", True),  # who has it now made it, and the delivery told of bob's
        ("FileUploaded", "bob", False),
        ("FileCreated", "somebody who is gone", False),
        ("FileRenamed", "ann", None),
    ],
)
def test_who_made_a_file_is_said_by_its_own_history(key: str, initiator: str, is_it: bool | None) -> None:
    file = File.of({"id": 7, "title": "a.docx", "createdBy": ANN, "created": MADE})
    entry = HistoryEntry.model_validate({"id": 3, "action": {"key": key}, "initiator": {"id": initiator}})

    assert is_by_another(entry, file, [told({"payload": {"id": 7, "createBy": "bob", "createOn": MADE}})]) is is_it


def test_a_path_in_third_party_storage_is_its_own_number() -> None:
    assert is_told_of(File.of({"id": "sbox-1-|a.docx", "title": "a.docx"}), [told({"payload": {"id": "other"}})])


def test_of_several_events_one_that_told_of_it_is_enough_and_a_doubtful_one_leaves_it_open() -> None:
    file = File.of({"id": 7, "title": "a.docx", "createdBy": ANN, "created": MADE})
    other = told({"payload": {"id": 7, "createOn": "2026-11-26T09:59:00Z"}})
    doubtful = told(
        {"history": {"id": 12, "action": {"key": "FileUploaded"}, "initiator": {"id": "bob"}, "date": MADE}}
    )
    sure = told({"payload": {"id": 7, "createOn": MADE}})

    assert is_told_of(file, [other]) is False
    assert is_told_of(file, [other, doubtful]) is None
    assert is_told_of(file, [doubtful, sure]) is True
    assert is_told_of(file, []) is False
    assert entries_of([other, doubtful, sure, told(None), told({"history": {}})]) == {12}
