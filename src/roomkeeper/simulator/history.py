"""The audit trail that `GET /files/folder/{id}/log` shows (recorded: history)."""

import itertools
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from roomkeeper.simulator.dto import BASE, accessibility, employee, moment
from roomkeeper.simulator.rights import Access
from roomkeeper.simulator.world import FOLDER_TYPES, File, Folder, User, now

ACTIONS = {
    "FileCreated": 5000,
    "FileRenamed": 5001,
    "UserFileUpdated": 5034,  # an upload that overwrites, a save in the editor, a restored version
    "FileLocked": 5006,
    "FileUnlocked": 5007,
    "FileUploaded": 5011,
    "FileCopied": 5013,
    "FileMoved": 5015,
    "FileMovedToTrash": 5017,
    "FileDeleted": 5018,  # MessageAction.cs; what is deleted for good was not recorded
    "FileConverted": 5035,  # MessageAction.cs
    "FolderCreated": 5019,
    "FolderRenamed": 5020,
    "FolderCopied": 5022,  # MessageAction.cs
    "FolderMoved": 5024,
    "FolderMovedToTrash": 5026,  # MessageAction.cs
    "RoomCreated": 5070,
    "AgentCreated": 5154,  # MessageAction.cs
    "FileSavedButRoomQuotaExceeded": 5203,  # MessageAction.cs
    "FileNotSavedDueToRoomQuota": 5204,  # MessageAction.cs
    "RoomRenamed": 5071,
    "RoomArchived": 5072,
    "RoomUnarchived": 5073,  # MessageAction.cs
    "RoomUpdateAccessForUser": 5075,
    "AddedRoomTags": 5078,
    "DeletedRoomTags": 5079,  # MessageAction.cs
    "RoomRemoveUser": 5084,
    "RoomCreateUser": 5085,
    "RoomExternalLinkCreated": 5088,
    "RoomExternalLinkDeleted": 5090,  # MessageAction.cs
}
#: How an access is called there.
SPOKEN = {
    Access.ROOM_MANAGER: "Room manager",
    Access.CONTENT_CREATOR: "Content Creator",
    Access.EDITING: "Editor",
    Access.READ: "Viewer",
}


@dataclass
class Entry:
    id: int
    action: str
    actor: User
    at: datetime
    data: dict[str, Any]
    group: object
    folders: frozenset[int]
    file: int = 0

    def dto(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "action": {"id": ACTIONS[self.action], "key": self.action},
            "initiator": employee(self.actor),
            "date": moment(self.at),
            "data": self.data,
            "related": [],
        }


class History:
    """What happened, each entry referenced to all the folders above it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.loses = False  # a portal that is stopped while entries are on their way (MessagesRepository.cs)
        self._ids = itertools.count(1)

    def note(
        self,
        action: str,
        entity: File | Folder,
        actor: User,
        *,
        source: Folder | None = None,
        old_title: str | None = None,
    ) -> None:
        folder = entity.folder if isinstance(entity, File) else (entity.parent or entity)
        data: dict[str, Any] = {"id": entity.id}
        data |= {"title": entity.title} if old_title is None else {"oldTitle": old_title, "newTitle": entity.title}
        if not action.startswith("Room") and not action.endswith("ToTrash"):
            data |= _placed(folder, source)
            if action == "FolderCreated":
                data["type"] = 0
        if isinstance(entity, File) and not action.endswith("ToTrash"):
            data["accessibility"] = accessibility(entity)
            if action != "FileCreated":
                data["viewUrl"] = f"{BASE}/filehandler.ashx?action=download&fileid={entity.id}"
        file = entity.id if isinstance(entity, File) else 0
        above = {part.id for part in folder.way()}
        if isinstance(entity, Folder):
            above.add(entity.id)
        group = folder.id if file else object()  # folders are not folded (recorded: history)
        if source is None or _is_within(source, folder):
            above |= {part.id for part in source.way()} if source is not None else set()
            self._add(action, actor, data, group, frozenset(above), file=file)
            return
        # Between two rooms it is two entries, and neither says where from (FilesMessageService.cs).
        data = {name: value for name, value in data.items() if not name.startswith("from")}
        self._add(action, actor, data, group, frozenset(above), file=file)
        left = {name: value for name, value in data.items() if name != "parentTitle"} | {"parentType": 0}
        self._add(action, actor, left, group, frozenset(part.id for part in source.way()))

    def note_member(
        self, action: str, room: Folder, actor: User, member: User, *, access: Access, old: Access | None = None
    ) -> None:
        data: dict[str, Any] = {"user": employee(member)}
        if action != "RoomRemoveUser":
            data["access"] = SPOKEN.get(access, access.name)
        if old is not None and action == "RoomUpdateAccessForUser":
            data["oldAccess"] = SPOKEN.get(old, old.name)
        self._add(action, actor, data, room.id, frozenset({room.id}))

    def forget(self, file: File) -> None:
        """What is deleted for good has no history of its own any more, and no id in those of its folders.

        (FileDao.cs, DeleteFileAsync; ActionInterpreter.cs)
        """
        for entry in self.entries:
            if entry.file == file.id:
                entry.file, entry.data = 0, entry.data | {"id": 0}

    def note_other(self, action: str, room: Folder, actor: User, data: dict[str, Any]) -> None:
        """Something of a room that is neither file nor folder nor member."""
        self._add(action, actor, data, object(), frozenset({room.id}))

    def page(self, wanted: Folder | File, start: int, count: int) -> tuple[list[dict[str, Any]], int, int]:
        """A page of raw events, newest first, then folded: same action, user, parent and minute become one item.

        Gives the items, how many events they are, and how many there are in all.
        """
        is_file = isinstance(wanted, File)
        raw = [
            entry
            for entry in reversed(self.entries)
            if (entry.file == wanted.id if is_file else wanted.id in entry.folders)
        ]
        items: list[dict[str, Any]] = []
        groups: dict[tuple[object, ...], dict[str, Any]] = {}
        page = raw[start : start + count]
        for entry in page:
            group = (entry.action, entry.actor.id, entry.group, entry.at.replace(second=0, microsecond=0))
            if group in groups:
                groups[group]["related"].append(entry.dto())
                continue
            groups[group] = entry.dto()
            items.append(groups[group])
        return items, len(page), len(raw)

    def _add(
        self, action: str, actor: User, data: dict[str, Any], group: object, folders: frozenset[int], *, file: int = 0
    ) -> None:
        if self.loses:
            return
        self.entries.append(Entry(next(self._ids), action, actor, now(), data, group, folders, file))


def _is_within(source: Folder, folder: Folder) -> bool:
    """Whether something stays in its room, or among what is somebody's own."""
    return source.room is folder.room and source.root is folder.root


def _placed(folder: Folder, source: Folder | None) -> dict[str, Any]:
    if source is None:
        return {"parentId": folder.id, "parentTitle": folder.title, "parentType": _type(folder)}
    return {
        "toFolderId": str(folder.id),
        "parentTitle": folder.title,
        "parentType": _type(folder),
        "fromParentTitle": source.title,
        "fromParentType": _type(source),
        "fromFolderId": source.id,
    }


def _type(folder: Folder) -> int:
    return FOLDER_TYPES.get(folder.room_type or 0, folder.kind)
