"""What no webhook tells of, in a history: each with its fields; whatever stands in an entry, it is read or left out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage.hostile import changed

from roomkeeper.connectors.docspace.events import chronicle
from roomkeeper.docspace.models import HistoryEntry

PERSON = {"user": {"id": "b293b941", "displayName": "Mia Acme"}, "access": "Editor", "oldAccess": "Viewer"}
GROUP = {"group": {"id": "5f3c", "name": "Auditors", "isSystem": False}, "access": "Viewer"}
#: What the server writes for each (RoomInterpreters.cs, FileInterpreters.cs).
DATA: dict[str, dict[str, Any]] = {
    "RoomCreateUser": PERSON,
    "RoomGroupAdded": GROUP,
    "RoomUpdateAccessForUser": PERSON,
    "RoomUpdateAccessForGroup": GROUP | {"oldAccess": "Editor"},
    "RoomRemoveUser": {"user": PERSON["user"]},
    "RoomGroupRemove": {"group": GROUP["group"]},
    "AddedRoomTags": {"tags": ["urgent", "open"]},
    "DeletedRoomTags": {"tags": ["urgent"]},
    "RoomExternalLinkCreated": {"title": "Review", "id": "61b4b03b", "access": "Viewer"},
    "RoomExternalLinkDeleted": {"title": "Review"},
    "FileRenamed": {"id": 55, "oldTitle": "a.docx", "newTitle": "b.docx", "parentId": 187},
    "FileLocked": {"id": 55, "title": "b.docx", "parentId": 187},
    "FileUnlocked": {"id": 55, "title": "b.docx", "parentId": 187},
    "FileSavedButRoomQuotaExceeded": {"id": 55, "title": "b.docx", "parentId": 187, "userName": "Case"},
    "FileNotSavedDueToRoomQuota": {"id": 0, "title": "b.docx", "parentId": 187, "userName": "Case"},
}


def entry(action: str, data: object) -> HistoryEntry:
    who = {"id": "a7", "displayName": "Ann"}
    date = "2026-11-27T10:00:00.0000000+00:00"
    return HistoryEntry.model_validate(
        {"id": 9, "action": {"id": 1, "key": action}, "initiator": who, "date": date, "data": data}
    )


@pytest.mark.parametrize("action", chronicle.ACTIONS)
def test_each_has_the_fields_that_its_page_promises(action: str) -> None:
    event = chronicle.told(entry(action, DATA[action]), "acme", "history", 7)

    assert event is not None
    assert (event.type, event.actor, event.meaning) == (chronicle.ACTIONS[action], "a7", f"{event.type} history 9")
    promised = chronicle.EVENTS[event.type].fields
    for noun, facts in event.facts.items():
        assert set(facts) <= {*(promised[noun] or {}), "folder"}
    first = event.facts[event.noun]
    assert first["id"] in {7, "61b4b03b", "Review", 55}
    if event.noun == "room" and "member" in event.type:
        assert event.facts["member"]["name"] in {"Mia Acme", "Auditors"}


def test_somebody_whose_account_is_gone_has_only_a_name() -> None:
    event = chronicle.told(entry("RoomRemoveUser", {"user": {"displayName": "Gone"}}), "acme", "history", 7)

    assert event is not None
    assert event.facts["member"] == {"name": "Gone", "kind": "person"}


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("FileUploaded", {"id": 5, "title": "a"}),
        ("RoomCreateUser", {}),
        ("RoomRemoveUser", {"user": None}),
        ("AddedRoomTags", {"tags": "urgent"}),
        ("FileRenamed", {"id": 0, "newTitle": "b"}),
        ("RoomExternalLinkDeleted", {}),
    ],
)
def test_what_says_nothing_of_whom_or_what_is_none(action: str, data: dict[str, Any]) -> None:
    assert chronicle.told(entry(action, data), "acme", "history", 7) is None


@given(st.data())
def test_whatever_stands_in_an_entry_it_can_be_kept(data: st.DataObject) -> None:
    action = data.draw(st.sampled_from(sorted(DATA)))
    odd = data.draw(changed(DATA[action]))

    event = chronicle.told(entry(action, odd if isinstance(odd, dict) else {}), "acme", "history", 7)

    assert event is None or json.dumps(event.facts)
