"""The portal's own records of what happened: the webhooks' delivery log, and the rooms' histories.

The log has the deliveries themselves, but only of webhooks that existed then, and only for keys that may read it.
Histories have also what was moved or overwritten (facts/docspace.md 11), and where they have a gap the room's own
contents show it.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from roomkeeper import outside
from roomkeeper.automations.event import Event, noun_of
from roomkeeper.connectors.docspace.events import chronicle, contents, webhook
from roomkeeper.connectors.docspace.events.facts import of_entry
from roomkeeper.contract.delivery import Delivery
from roomkeeper.contract.trail import TRAIL, Findings, Move, Search, Trail, listened_by_number
from roomkeeper.docspace import EntryId, File, Portal, entry_id
from roomkeeper.docspace.models import HistoryEntry, LoggedDelivery, Webhook
from roomkeeper.docspace.webhooks import UNDELIVERED
from roomkeeper.errors import DeliveryUnreadable, Forbidden, Garbled, NotFound, Rejected, RemoteFault

LOG, HISTORY = "delivery log", "history"
#: What overwriting uploads, restored versions and saves in the editor all appear as: the server writes one number,
#: 5034, for them (recorded: history; ActionInterpreter.cs aliases the upload's own). `_trigger` tells them apart.
_AMBIGUOUS = "UserFileUpdated"
#: What the document server made of a file: another one, or another version of it. No delivery tells of that
#: (FileConverter.cs, SaveConvertedFileAsync).
_CONVERTED = "FileConverted"
#: What an entry's action tells of (11.3). What is deleted for good has no id there any more, so it is left out.
_ACTIONS: Mapping[str, str] = {
    "FileCreated": "file.created",
    "FileUploaded": "file.uploaded",
    "FileUploadedWithOverwriting": "file.uploaded",
    "UserFileUpdated": "file.uploaded",
    "FileConverted": "file.uploaded",
    "FileUpdated": "file.updated",
    "FileCopied": "file.copied",
    "FileCopiedWithOverwriting": "file.copied",
    "FileMoved": "file.moved",
    "FileMovedWithOverwriting": "file.moved",
    "FileMovedToTrash": "file.trashed",
    "FileDownloaded": "file.downloaded",
    "FolderCreated": "folder.created",
    "FolderRenamed": "folder.updated",
    "FolderCopied": "folder.copied",
    "FolderCopiedWithOverwriting": "folder.copied",
    "FolderMoved": "folder.moved",
    "FolderMovedWithOverwriting": "folder.moved",
    "FolderMovedToTrash": "folder.trashed",
    "FolderDownloaded": "folder.downloaded",
    "RoomCreated": "room.created",
    "RoomRenamed": "room.updated",
    "RoomArchived": "room.archived",
    "RoomUnarchived": "room.restored",
    "RoomCopied": "room.copied",
}
#: The kinds of event that histories tell of: all that a connection without deliveries can raise.
IN_HISTORY = frozenset(_ACTIONS.values()) | frozenset(chronicle.EVENTS)
# Ours
_SLACK = timedelta(minutes=5)  # entries are written in batches, so that a younger one may be there before an older
_HEAD_START = 3.0  # seconds that a delivery may take; one that is later is told beside what was found (ours)
_SAY_EVERY = 5.0  # seconds between two notes of how far it was read: each is of all rooms (ours)
_EPOCH = datetime.fromtimestamp(0, UTC)  # ours
_STORED_ELSEWHERE = (
    "lies in third-party storage, of which the portal keeps no history: what its webhooks do not deliver from there "
    "cannot be found again"  # FoldersController.cs: folder/{folderId:int}/log
)
_LET_IN = "Invite the account of the API key into the room, as room manager; or take the room out of `where`."


async def in_log(portal: Portal, search: Search) -> AsyncIterator[Findings]:
    """Find what the portal tried to deliver to us and could not. Raises RemoteError.

    What was found two searches ago and earlier is left out: ids grow, but lines may still change places while they
    are listed. A line is read as the delivery it is, so what arrives all the same later is the same event.
    """
    position = dict(search.position)
    for hook in [one for one in await portal.webhooks.all() if is_ours(one, search.hook)]:
        known: Mapping[str, int] = position.get(str(hook.id)) or {}
        floor, newest, start = known.get("before", 0), known.get("newest", 0), 0
        while True:
            page = await portal.webhooks.log(hook.id, start, only=UNDELIVERED)
            rows = [row for row in page.rows if row.id > floor]
            read = {row.id: _delivered(row, search) for row in rows}
            newest = max([newest, *read])
            events = [one for one in read.values() if one is not None]
            wanted = [one for one in events if one.type in search.types and not one.ignored]
            lost = {f"line {row}": f"line {row} of the log cannot be read" for row, one in read.items() if one is None}
            yield Findings([one for one in wanted if one.at >= search.begins(one.type) or one.at == _EPOCH], blind=lost)
            start += len(page.rows)
            is_older = bool(events) and _EPOCH < events[-1].at < search.since
            if not rows or is_older or start >= page.total:
                break
        position[str(hook.id)] = {"before": known.get("newest", 0), "newest": newest}
    yield Findings(position=position)


def is_ours(hook: Webhook, address: str) -> bool:
    """Whether a webhook delivers to this connection; `address` may be only the path, if no more is known."""
    if "://" in address:
        return hook.uri.rstrip("/") == address.rstrip("/")
    return urlsplit(hook.uri).path.rstrip("/").endswith(address)


def _delivered(row: LoggedDelivery, search: Search) -> Event | None:
    """Read a line as the delivery it is. The id is put in only when it is sent, and it is that of the line (1.1)."""
    try:
        document = outside.document(row.request_payload).value
        document["event"]["id"] = row.id
        body = json.dumps(document).encode()
        (event,) = webhook.read(search.connection, search.settings, Delivery(body))
    except (outside.Unreadable, TypeError, KeyError, DeliveryUnreadable):
        return None
    return replace(event, found=LOG)


_NOT_CALLED_SO = (
    "this account sees no active room of that title or id. Invite the account of the API key into the room; or, if it "
    "was renamed, archived or deleted, correct `where` of the automation."
)


async def in_histories(portal: Portal, search: Search) -> AsyncIterator[Findings]:
    """Find what happened in the rooms that automations name, or in all. Raises RemoteError.

    Each room is read back to the youngest entry that was seen in it, and a little further; one that cannot be read
    hides no other.
    """
    marks: dict[str, str] = dict(search.position.get("rooms") or {})
    looked: dict[str, str] = dict(search.position.get("looked") or {})
    begun: dict[str, float] = {}
    said, changed = time.monotonic(), False
    async for room, named in _rooms(portal, search):
        if isinstance(room, str) and room != named:  # what the file names and nobody finds is not there, or not seen
            yield Findings(blind={f"room {room}": f"room {room} {_STORED_ELSEWHERE}"})
            continue
        begun |= {listened_by_number(one, room): search.begins(one, named, room).timestamp() for one in search.types}
        reading = _Reading(_moment(marks.get(str(room))), _moment(looked.get(str(room))))
        try:
            async for findings in reading.of(portal, search, room, named):
                yield findings
        except (NotFound, Forbidden) as error:
            await portal.people.myself()  # a dead key is answered so as well: this says it
            is_title = isinstance(room, str)
            yield _unread(room, _NOT_CALLED_SO if is_title else f"{error.message}. {_LET_IN}")
        except (Rejected, RemoteFault, Garbled) as error:
            yield _unread(room, error.message)
        else:
            known = marks.get(str(room)), looked.get(str(room))
            marks |= {str(room): reading.youngest.isoformat()} if reading.youngest is not None else {}
            looked |= {str(room): reading.looked.isoformat()} if reading.looked is not None else {}
            changed = changed or known != (marks.get(str(room)), looked.get(str(room)))
            if changed and time.monotonic() - said > _SAY_EVERY:
                said, changed = time.monotonic(), False
                yield Findings(position={"rooms": dict(marks), "looked": dict(looked)})
    yield Findings(position={"rooms": marks, "looked": looked}, listened=begun)


class _Reading:
    """One room's history, and its files where it is time to hold them against that.

    `youngest` is the moment of the youngest entry that was seen, `looked` until when the files were compared.
    """

    def __init__(self, youngest: datetime | None, looked: datetime | None) -> None:
        self.youngest = _by_now(youngest) if youngest is not None else None
        self.looked = looked
        self._ways: dict[str, frozenset[str]] = {}  # what lies above a folder, and itself

    async def of(self, portal: Portal, search: Search, room: EntryId, named: EntryId | None) -> AsyncIterator[Findings]:
        """Find what happened in the room since the last reading. Raises RemoteError."""
        until = max(search.since, self.youngest - _SLACK) if self.youngest is not None else search.since
        look = contents.due(search, self.looked)
        until = min(until, look[0] - contents.LATE) if look is not None else until
        files: list[File] = []
        if look is not None:
            since = max(look[0], search.begins(contents.TAKEN_FOR, named, room))
            files = await contents.changed(portal, room, (since, look[1]))
        told = contents.Told()
        moves: list[Move] = []
        async for entries in _entries(portal, room, until):
            told.take(entries)
            moves += _moves(entries)
            dated = [_by_now(one.date) for one in entries if one.date is not None]
            self.youngest = max([*dated, *([self.youngest] if self.youngest is not None else [])], default=None)
            own = [one for one in entries if not await self._is_told_elsewhere(portal, one, room)]
            for is_sure in (True, False):
                chosen = [one for one in own if _is_sure(one) is is_sure]
                if not is_sure and search.hook:
                    await _deliveries_go_first(chosen)
                yield Findings([event for one in chosen for event in _told(one, search, named, room)], is_sure=is_sure)
        yield Findings(moves=moves)  # at the end: the newest is told first, and so a move before what it moved
        if look is None:
            return
        untold = contents.untold(portal, files, told)
        yield Findings([contents.event_of(one, search, named, room) async for one in untold], is_sure=False)
        self.looked = look[1]

    async def _is_told_elsewhere(self, portal: Portal, entry: HistoryEntry, room: EntryId) -> bool:
        """Whether an entry tells this room what another one's tells that something came to.

        Between two rooms a move or a copy is two entries; that of the first says neither where from nor what the folder
        is called that it went to (FilesMessageService.cs). Out of third-party storage it is one, in the same words.
        """
        deed, to = _ACTIONS.get(entry.action.key, "").partition(".")[2], str(entry.data.get("toFolderId") or "")
        if deed not in {"moved", "copied"} or entry.data.get("fromFolderId") or entry.data.get("parentTitle") or not to:
            return False
        if to not in self._ways:
            try:
                way = await portal.folders.path(entry_id(to))
            except (NotFound, Forbidden):  # it is another's room, or gone
                way = ()
            self._ways[to] = frozenset(str(part.id) for part in way)
        return str(room) not in self._ways[to]


def _by_now(date: datetime) -> datetime:
    """Take a date of a history for none after now, though it may say so.

    A moment whose reading in UTC is none in the portal's own time zone, in the night when summer time begins, is shown
    an hour ahead (ApiDateTime.cs, SetDate).
    """
    return min(date, datetime.now(UTC))


def _unread(room: EntryId, why: str) -> Findings:
    return Findings(blind={f"room {room}": f"the history of room {room} cannot be read: {why}"})


async def _rooms(portal: Portal, search: Search) -> AsyncIterator[tuple[EntryId, EntryId | None]]:
    """Find the rooms to look into, each with how the automation names it: by title, or else by id, or not at all."""
    if search.rooms is None:
        also_archived = search.is_full or any(one.startswith("room.") for one in search.types)
        for room in await portal.rooms.all(archived=also_archived):
            yield room.id, None
        return
    for wanted in search.rooms:
        for number in await rooms_called(portal, wanted) or [wanted]:
            yield number, wanted


async def rooms_called(portal: Portal, wanted: EntryId) -> list[EntryId]:
    """Find what `where` or a setting names: rooms by their title, or else one by its number; none if it is neither."""
    if not isinstance(wanted, str):
        return [wanted]
    titled: list[EntryId] = [room.id for room in await portal.rooms.titled(wanted)]
    return titled or ([int(wanted)] if wanted.isdecimal() else [])


async def _deliveries_go_first(entries: Sequence[HistoryEntry]) -> None:
    """Wait until what may be two things is old enough that a delivery has said which of them it is."""
    ages = [(datetime.now(UTC) - one.date).total_seconds() for one in entries if _alternative(one) and one.date]
    if ages and abs(min(ages)) < _HEAD_START:
        await asyncio.sleep(_HEAD_START - abs(min(ages)))


async def _entries(portal: Portal, room: EntryId, until: datetime) -> AsyncIterator[list[HistoryEntry]]:
    start: int | None = 0
    while start is not None:
        told = await portal.history.of_folder(room, start)
        yield [one for one in told.entries if one.date is None or one.date >= until]
        is_older = any(one.date is not None and one.date < until for one in told.entries)
        start = None if is_older else told.following


def _told(entry: HistoryEntry, search: Search, named: EntryId | None, room: EntryId) -> Iterator[Event]:
    """Read an entry as the event that a delivery would have told of; one whose subject is gone for good is none."""
    only_here = chronicle.told(entry, search.connection, HISTORY, room)
    if only_here is not None:
        if only_here.type in search.types and only_here.at >= search.begins(only_here.type, named, room):
            yield only_here
        return
    trigger, change = _trigger(entry, search)
    number = entry.data.get("id")
    if trigger not in search.types or entry.date is None or not number:
        return
    if entry.date < search.begins(trigger, named, room):
        return
    noun = noun_of(trigger)
    title = _title(entry)
    folder = number if noun == "room" else entry.data.get("parentId") or entry.data.get("toFolderId")
    yield Event(
        type=trigger,
        connection=search.connection,
        at=entry.date.astimezone(UTC),
        delivery=f"history {entry.id}",
        meaning=f"{trigger} {number} history {entry.id}",
        subject=f"{noun} {number} {title or ''}".strip(),
        actor=entry.initiator.id,
        facts={noun: of_entry(noun, number, title, folder, change=change)},
        raw={"history": entry.model_dump(mode="json", exclude={"related"}), "room": named, "number": room},
        channel=TRAIL,
        occurrence=f"{trigger} {number}{' converted' if entry.action.key == _CONVERTED else ''}",
        or_else=f"{other} {number}" if (other := _alternative(entry)) and other != trigger else "",
        found=HISTORY,
        lane=str(folder or ""),
    )


def _moves(entries: Iterable[HistoryEntry]) -> Iterator[Move]:
    """Tell where files were moved to (recorded: history, FileMoved)."""
    for one in entries:
        file, folder = one.data.get("id"), one.data.get("toFolderId")
        if _ACTIONS.get(one.action.key) == "file.moved" and file and folder and one.date is not None:
            yield Move("file", file, entry_id(str(folder)), one.date)


def _trigger(entry: HistoryEntry, search: Search) -> tuple[str, str | None]:
    """Say what an entry tells of, and of a file's change which one it was.

    Where uploads are listened to, what may be an overwriting one is taken for one: a webhook that was disabled
    meanwhile has no lines in the log, so nothing else may tell of it. A save in the editor names who made it
    (DocumentServiceTracker.cs, UserFileUpdateData), an upload nobody (recorded: history).
    """
    if entry.action.key == _AMBIGUOUS:
        if "file.uploaded" in search.types and "userName" not in entry.data:
            return "file.uploaded", None
        return "file.updated", "restored" if _title(entry) is None else "saved"
    trigger = _ACTIONS.get(entry.action.key, "")
    return trigger, "saved" if trigger == "file.updated" else None


def _title(entry: HistoryEntry) -> str | None:
    """Give the title that an entry tells of, after a rename the new one; None where it has to be looked up.

    Of a version that was brought back its number stands there (FileStorageService.cs, FileRestoreVersion).
    """
    title = str(entry.data.get("title") or entry.data.get("newTitle") or "")
    return None if entry.action.key == _AMBIGUOUS and title.isdecimal() else title


def _is_sure(entry: HistoryEntry) -> bool:
    """Whether a delivery was to be expected: else that none came is no fault."""
    return entry.action.key not in {*chronicle.ACTIONS, _CONVERTED} and not _alternative(entry)


def _alternative(entry: HistoryEntry) -> str:
    """Say what else an entry may tell of; nothing if it can be only what it says."""
    if entry.action.key == _AMBIGUOUS:
        return "file.updated"
    noun, _, deed = _ACTIONS.get(entry.action.key, "").partition(".")
    # What comes back from the trash is "moved", too (FileMoveCopyOperation.cs); where from, only a move within a room
    # says (recorded: history).
    return f"{noun}.restored" if deed == "moved" and not entry.data.get("fromFolderId") else ""


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None


TRAILS = (
    Trail(LOG, in_log, is_complete=False, can_stand_in=False),
    Trail(HISTORY, in_histories),
)
