"""What an entry of a room's history tells of. Pure."""

from datetime import UTC, datetime
from typing import Any

import pytest

from roomkeeper.connectors.docspace.events import trails
from roomkeeper.contract.trail import Search
from roomkeeper.docspace.models import HistoryEntry

SEARCH = Search("acme", None, datetime.fromtimestamp(0, UTC), frozenset({"file.uploaded", "file.updated"}))
LYING = {"id": 7, "parentId": 3, "parentTitle": "Room", "parentType": 19}


def entry(key: str, **data: Any) -> HistoryEntry:
    return HistoryEntry.model_validate(
        {"id": 9, "action": {"key": key}, "date": "2026-11-27T10:00:00.0000000+00:00", "data": LYING | data}
    )


@pytest.mark.parametrize(
    ("words", "told", "title", "change"),
    [
        ({"title": "a.docx"}, "file.uploaded", "a.docx", None),  # recorded: history
        ({"title": "a.docx", "userName": "Ann"}, "file.updated", "a.docx", "saved"),  # DocumentServiceTracker.cs
        ({"title": "3"}, "file.uploaded", None, None),  # a version brought back, or a file of that name
    ],
)
def test_what_is_written_as_one_number_is_told_apart_by_its_words(
    words: dict[str, Any], told: str, title: str | None, change: str | None
) -> None:
    (event,) = trails._told(entry("UserFileUpdated", **words), SEARCH, None, 3)

    facts = event.facts["file"]
    assert (event.type, facts.get("title"), facts.get("change")) == (told, title, change)
    assert ("extension" in facts) == (title is not None)  # what is not known is looked up


def test_where_no_upload_is_listened_to_a_version_that_is_brought_back_is_said_to_be_that() -> None:
    search = Search("acme", None, SEARCH.since, frozenset({"file.updated"}))

    (event,) = trails._told(entry("UserFileUpdated", title="3"), search, None, 3)

    assert (event.type, event.facts["file"]["change"]) == ("file.updated", "restored")
