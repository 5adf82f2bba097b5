"""What rooms hold and no history tells of: it is found by comparing the two.

A history may have gaps. The server hands its entries over in memory and logs those that it could not write, so a
restart or a full disk there takes them (MessagesRepository.cs); the files are in the room all the same.
"""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta

from roomkeeper.automations.event import Event
from roomkeeper.connectors.docspace.events.facts import of_entry
from roomkeeper.contract.trail import CONCLUDED, Search
from roomkeeper.docspace import EntryId, File, PathPart, Portal
from roomkeeper.docspace.models import HistoryEntry
from roomkeeper.docspace.wire import Pages
from roomkeeper.errors import Forbidden, NotFound

LISTING = "room's listing"
#: What a file that nothing tells of is taken for.
TAKEN_FOR = "file.uploaded"
_NEAR = timedelta(minutes=1)  # between a change and its entry, which the same request writes (ours)
_EVERY = timedelta(minutes=10)  # between two looks at a room: its history is read far more often (ours)
#: How long an entry may be on its way; nothing bounds it there (ours).
LATE = timedelta(minutes=5)


class Told:
    """What a history tells of: files, and folders that came with all that is in them."""

    def __init__(self) -> None:
        self._files: dict[str, list[datetime]] = {}
        self._arrived: dict[str, datetime] = {}  # when a file came from elsewhere, with its date as it was
        self._folders: set[str] = set()

    def take(self, entries: Iterable[HistoryEntry]) -> None:
        """Add what these tell of."""
        for one in entries:
            number, key = str(one.data.get("id")), one.action.key
            if key.startswith(("FolderMoved", "FolderCopied")):
                self._folders.add(number)
            elif key.startswith(("Folder", "Room")) or one.date is None:
                continue
            elif key.startswith(("FileMoved", "FileCopied")):
                self._arrived[number] = max(one.date, self._arrived.get(number, one.date))
            else:
                self._files.setdefault(number, []).append(one.date)

    def has(self, file: File, changed: datetime) -> bool:
        """Whether an entry is about this change of the file: it is from that moment, or the file arrived later."""
        arrived = self._arrived.get(str(file.id))
        if arrived is not None and arrived >= changed - _NEAR:
            return True
        return any(abs(one - changed) <= _NEAR for one in self._files.get(str(file.id), ()))

    def brought(self, way: Iterable[PathPart]) -> bool:
        """Whether what lies there came with a folder."""
        return any(str(part.id) in self._folders for part in way)


def due(search: Search, looked: datetime | None) -> tuple[datetime, datetime] | None:
    """Say of which time a room's files are to be held against its history now, if so.

    Whoever asks by hand, or for a proof, has no position, and wants to know of everything until now; an entry that
    was on its way then is known for the same when it comes.
    """
    if TAKEN_FOR not in search.types:
        return None
    now = datetime.now(UTC)
    if not search.position:
        return search.since, now
    begin, end = max(search.since, looked or search.since), now - LATE
    return (begin, end) if end - begin >= _EVERY else None


async def changed(portal: Portal, room: EntryId, between: tuple[datetime, datetime]) -> list[File]:
    """List the files of a room that were last changed in that time. Raises RemoteError.

    To be asked before the history: then an entry that is not in it was not merely written after it was read.
    """
    begin, end = between
    found: dict[EntryId, File] = {}
    pages = Pages()
    while pages.start is not None:
        page = await portal.folders.page(room, pages.start, sort_by="DateAndTime", descending=True, below="files")
        is_newest_first = page.current is None or not page.current.indexing
        found |= {one.id: one for one in page.files if one.updated is not None and begin <= one.updated <= end}
        if is_newest_first and any(one.updated is not None and one.updated < begin for one in page.files):
            break
        pages.turn(page.ids, page.total)
    return list(found.values())


async def untold(portal: Portal, files: Iterable[File], told: Told) -> AsyncIterator[File]:
    """Choose the files of which no entry tells. Raises RemoteError."""
    ways: dict[EntryId | None, tuple[PathPart, ...]] = {}
    for file in files:
        if file.updated is None or told.has(file, file.updated):
            continue
        if file.folder_id not in ways:
            ways[file.folder_id] = await _way(portal, file)
        if not told.brought(ways[file.folder_id]):
            yield file


async def _way(portal: Portal, file: File) -> tuple[PathPart, ...]:
    """Give the way down to a file; of one that is gone meanwhile there is none."""
    try:
        return await portal.folders.path(file.folder_id or "")
    except (NotFound, Forbidden):
        return ()


def event_of(file: File, search: Search, named: EntryId | None, room: EntryId) -> Event:
    """Take a file that nothing tells of for an upload of it as it is now."""
    at = (file.updated or datetime.fromtimestamp(0, UTC)).astimezone(UTC)
    mark = f"{file.id} listed {file.version} {at.isoformat()}"
    return Event(
        type=TAKEN_FOR,
        connection=search.connection,
        at=at,
        delivery=f"listing {mark}",
        meaning=f"{TAKEN_FOR} {mark}",
        subject=f"file {file.id} {file.title}",
        actor=file.updated_by.id,
        facts={"file": of_entry("file", file.id, file.title, file.folder_id)},
        raw={"listed": mark, "room": named, "number": room},
        channel=CONCLUDED,
        occurrence=f"{TAKEN_FOR} {file.id}",
        found=LISTING,
        lane=str(file.folder_id or ""),
    )
