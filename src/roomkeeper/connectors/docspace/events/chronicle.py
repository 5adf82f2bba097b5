"""What only a room's history knows, and no webhook tells: members, tags, links, full rooms, renamed and locked files.

The number and the fields of each are those of MessageAction.cs and RoomInterpreters.cs; recorded (history):
RoomUpdateAccessForUser, RoomRemoveUser, RoomExternalLinkCreated, FileLocked, FileUnlocked.
"""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from roomkeeper.automations.event import Event, noun_of
from roomkeeper.connectors.docspace.events.facts import of_entry
from roomkeeper.contract.step import ABOUT, EventKind
from roomkeeper.contract.trail import TRAIL
from roomkeeper.docspace import EntryId
from roomkeeper.docspace.models import HistoryEntry

#: What an entry's action tells of.
ACTIONS: Mapping[str, str] = {
    "RoomCreateUser": "room.member_added",
    "RoomGroupAdded": "room.member_added",
    "RoomUpdateAccessForUser": "room.member_changed",
    "RoomUpdateAccessForGroup": "room.member_changed",
    "RoomRemoveUser": "room.member_removed",
    "RoomGroupRemove": "room.member_removed",
    "AddedRoomTags": "room.tagged",
    "DeletedRoomTags": "room.untagged",
    "RoomExternalLinkCreated": "link.created",
    "RoomExternalLinkDeleted": "link.deleted",
    "FileRenamed": "file.renamed",
    "FileLocked": "file.locked",
    "FileUnlocked": "file.unlocked",
    # What is over the quota of a user is written to no room's history: it lies in none (FileDao.cs, SaveFileAsync).
    "FileSavedButRoomQuotaExceeded": "room.quota_exceeded",
    "FileNotSavedDueToRoomQuota": "room.quota_exceeded",
}
_REFUSED = "FileNotSavedDueToRoomQuota"
_ROOM = ("id", "title", "room", "room_title")
_MEMBER = ("id", "name", "kind", "access", "old_access")
_LINK = ("id", "title", "access", "room", "room_title")
_FILE = ("id", "title", "extension", "folder", "room", "room_title", "path")


def _kind(type_: str, **fields: tuple[str, ...]) -> EventKind:
    known: dict[str, Mapping[str, Any] | None] = {noun: {name: {} for name in names} for noun, names in fields.items()}
    noun = noun_of(type_)
    shared = {("event", "type"), ("event", "connection"), (noun, "room"), (noun, "room_title")}
    shared |= {("room", "id"), ("room", "title")} if noun == "room" else set()  # one run is for one room
    return EventKind(type_, {"event": ABOUT, **known}, frozenset(shared))


EVENTS: Mapping[str, EventKind] = {
    one.type: one
    for one in (
        *(_kind(f"room.member_{what}", room=_ROOM, member=_MEMBER) for what in ("added", "changed", "removed")),
        *(_kind(type_, room=(*_ROOM, "tags")) for type_ in ("room.tagged", "room.untagged")),
        _kind("room.quota_exceeded", room=_ROOM, file=("id", "title", "extension", "folder", "saved")),
        *(_kind(type_, link=_LINK) for type_ in ("link.created", "link.deleted")),
        _kind("file.renamed", file=(*_FILE, "old_title")),
        *(_kind(type_, file=_FILE) for type_ in ("file.locked", "file.unlocked")),
    )
}


def told(entry: HistoryEntry, connection: str, found: str, room: EntryId) -> Event | None:
    """Read an entry of a room's history; None if it is none of these, or nothing says whom or what it is about."""
    type_ = ACTIONS.get(entry.action.key)
    if type_ is None or entry.date is None:
        return None
    noun = noun_of(type_)
    facts = _facts(type_, entry, room)
    about = facts.get("member") or facts.get(noun) or {}
    if not about:
        return None
    name = " ".join(part for part in (about.get("title"), about.get("name"), *(about.get("tags") or ())) if part)
    return Event(
        type=type_,
        connection=connection,
        at=entry.date.astimezone(UTC),
        delivery=f"history {entry.id}",
        meaning=f"{type_} history {entry.id}",
        subject=f"{noun} {facts[noun]['id']} {name}".strip(),
        actor=entry.initiator.id,
        facts=facts,
        raw={"history": entry.model_dump(mode="json", exclude={"related"}), "number": room},
        channel=TRAIL,
        found=found,
        lane=str(facts[noun].get("folder") or room),
    )


def _facts(type_: str, entry: HistoryEntry, room: EntryId) -> dict[str, dict[str, Any]]:
    """Say what it is about, by the names of `EVENTS`; nothing if the entry does not say it."""
    data = entry.data
    match noun_of(type_):
        case "room" if "member" in type_:
            member = _member(data)
            return {"room": {"id": room}, "member": member} if member else {}
        case "room" if "quota" in type_:  # what was refused has no number yet (FileDao.cs)
            file = _file(data) | {"saved": entry.action.key != _REFUSED}
            return {"room": {"id": room}, "file": file} if file.get("title") else {}
        case "room":
            given = data.get("tags")
            tags = [tag for tag in given if isinstance(tag, str)] if isinstance(given, list) else []
            return {"room": {"id": room, "tags": tags}} if tags else {}
        case "link":
            title = _text(data.get("title"))
            link = {"id": _text(data.get("id")) or title, "title": title, "access": _text(data.get("access"))}
            return {"link": _known({**link, "folder": room})} if link["id"] else {}
        case _:
            file = _file(data)
            return {"file": file} if file.get("id") else {}  # what is deleted for good has none there (11.3)


def _file(data: Mapping[str, Any]) -> dict[str, Any]:
    title = _text(data.get("newTitle")) or _text(data.get("title"))
    number, folder = (data.get(name) if _is_id(data.get(name)) else None for name in ("id", "parentId"))
    return _known(of_entry("file", number or None, title, folder, old_title=_text(data.get("oldTitle"))))


def _member(data: Mapping[str, Any]) -> dict[str, Any]:
    """Say who came, went, or may do something else: a person, or a group. One whose account is gone has only a name."""
    person, group = data.get("user"), data.get("group")
    one = person if isinstance(person, dict) else group if isinstance(group, dict) else {}
    name, number = _text(one.get("displayName")) or _text(one.get("name")), _text(one.get("id"))
    if not name and not number:
        return {}
    kind = "person" if isinstance(person, dict) else "group"
    access, before = _text(data.get("access")), _text(data.get("oldAccess"))
    return _known({"id": number, "name": name, "kind": kind, "access": access, "old_access": before})


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_id(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None and value != ""}
