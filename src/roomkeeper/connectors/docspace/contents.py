"""What rooms hold and no history tells of: it is found by comparing the two.

A history may have gaps. The server hands its entries over in memory and logs those that it could not write, so a
restart or a full disk there takes them (MessagesRepository.cs); the files are in the room all the same.
"""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta

from roomkeeper.automations.event import Event
from roomkeeper.contract.trail import CONCLUDED, Search
from roomkeeper.docspace import EntryId, File, PathPart, Portal
from roomkeeper.docspace.models import HistoryEntry
from roomkeeper.docspace.wire import Pages
from roomkeeper.errors import Forbidden, NotFound

LISTING = "room's listing"
#: What a file that nothing tells of is taken for.
TAKEN_FOR = "file.uploaded"
_BRINGING = ("FolderMoved", "FolderCopied")
_EVERY = timedelta(minutes=10)  # between two looks at a room: its history is read far more often (ours)
#: How long an entry may be on its way; nothing bounds it there (ours).
LATE = timedelta(minutes=5)


class Told:
    """What a history tells of: files, and folders that came with all that is in them."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def take(self, entries: Iterable[HistoryEntry]) -> None:
        """Add what these tell of."""
        for one in entries:
            if one.action.key.startswith(_BRINGING):
                self._folders.add(str(one.data.get("id")))
            elif not one.action.key.startswith(("Folder", "Room")):
                self._files.add(str(one.data.get("id")))

    def has(self, file: File) -> bool:
        """Whether an entry is about this file itself."""
        return str(file.id) in self._files

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


async def untold(portal: Portal, room: EntryId, between: tuple[datetime, datetime], told: Told) -> AsyncIterator[File]:
    """Find the files of a room that were last changed in that time, and of which no entry tells. Raises RemoteError."""
    begin, end = between
    async for file in _changed_since(portal, room, begin):
        if file.updated is None or file.updated > end or told.has(file):
            continue
        if not told.brought(await _way(portal, file)):
            yield file


async def _changed_since(portal: Portal, room: EntryId, begin: datetime) -> AsyncIterator[File]:
    """List a room's files, those first that were changed last, until one is older."""
    pages, seen = Pages(), set[EntryId]()
    while pages.start is not None:
        page = await portal.folders.page(room, pages.start, sort_by="DateAndTime", descending=True, below="files")
        for file in page.files:
            if file.updated is not None and file.updated < begin:
                return
            if file.id not in seen:
                seen.add(file.id)
                yield file
        pages.turn(page.ids, page.total)


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
        facts={"file": {"id": file.id, "title": file.title, "folder": file.folder_id}},
        raw={"listed": mark, "room": named, "number": room},
        channel=CONCLUDED,
        occurrence=f"{TAKEN_FOR} {file.id}",
        found=LISTING,
        lane=str(file.folder_id or ""),
    )
