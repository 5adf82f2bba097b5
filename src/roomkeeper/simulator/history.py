"""The audit trail that `GET /files/folder/{id}/log` shows."""

import itertools
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from roomkeeper.simulator.dto import employee, moment
from roomkeeper.simulator.world import File, Folder, User, now

ACTIONS = {
    "FileCreated": 5000,
    "FileRenamed": 5001,
    "FileUpdated": 5002,
    "UserFileUpdated": 5034,  # an upload that overwrites, a save in the editor, a restored version (recorded: history)
    "FileUploaded": 5011,
    "FileCopied": 5013,
    "FileMoved": 5015,
    "FileDeleted": 5018,
    "FileMovedToTrash": 5016,
    "FileLocked": 5008,
    "FolderCreated": 5101,
    "FolderCopied": 5106,
    "FolderMoved": 5107,
    "FolderDeleted": 5109,
    "RoomCreated": 5070,
    "RoomArchived": 5071,
    "RoomUnarchived": 5072,
}


@dataclass
class Entry:
    id: int
    action: str
    actor: User
    at: datetime
    data: dict[str, Any]
    parent: int
    folders: frozenset[int]

    def dto(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "action": {"id": ACTIONS[self.action], "key": self.action},
            "initiator": employee(self.actor),
            "date": moment(self.at),
            "data": self.data,
        }


class History:
    """What happened, each entry referenced to all the folders above it."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._ids = itertools.count(1)

    def note(self, action: str, entity: File | Folder, actor: User, *, source: Folder | None = None) -> None:
        folder = entity.folder if isinstance(entity, File) else (entity.parent or entity)
        data: dict[str, Any] = {"id": entity.id, "title": entity.title, "parentTitle": folder.title}
        if source is None:
            data |= {"parentId": folder.id, "parentType": folder.kind or 14}
        else:
            data |= {"toFolderId": folder.id, "fromFolderId": source.id, "fromParentTitle": source.title}
        above = {part.id for part in folder.way()} | ({part.id for part in source.way()} if source else set())
        if isinstance(entity, Folder):
            above.add(entity.id)
        entry = Entry(next(self._ids), action, actor, now(), data, folder.id, frozenset(above))
        self._entries.append(entry)

    def page(
        self, folder: Folder, start: int, count: int, since: datetime | None = None, until: datetime | None = None
    ) -> tuple[list[dict[str, Any]], int]:
        """A page of raw events, newest first, then folded: same action, user, parent and minute become one item."""
        raw = [
            entry
            for entry in reversed(self._entries)
            if folder.id in entry.folders
            and (since is None or entry.at >= since)
            and (until is None or entry.at <= until)
        ]
        items: list[dict[str, Any]] = []
        groups: dict[tuple[object, ...], dict[str, Any]] = {}
        for entry in raw[start : start + count]:
            group = (entry.action, entry.actor.id, entry.parent, entry.at.replace(second=0, microsecond=0))
            if group in groups:
                groups[group].setdefault("related", []).append(entry.dto())
                continue
            groups[group] = entry.dto()
            items.append(groups[group])
        return items, len(raw)
