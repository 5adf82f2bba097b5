"""Files: look up, find namesakes, copy (facts/docspace.md 2, 3)."""

from collections.abc import Awaitable, Callable, Sequence
from enum import IntEnum

from roomkeeper.docspace.models import EntryId, File, Operation
from roomkeeper.docspace.wire import Answer, Call, segment
from roomkeeper.errors import Garbled

Send = Callable[[Call], Awaitable[Answer]]
_FILE = 2  # fileEntryType; 1 is a folder


class OnConflict(IntEnum):
    """What a copy does when the destination has a file of that title (2.5)."""

    SKIP = 0
    OVERWRITE = 1
    DUPLICATE = 2


class _Namesake(File):
    file_entry_type: int = _FILE


class Files:
    """The portal's files."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def get(self, file: EntryId) -> File:
        """Read one file's data, the current version's. Raises NotFound, Forbidden."""
        answer = await self._send(Call("GET", f"/files/file/{segment(file)}"))
        return File.of(answer.response)

    async def namesakes(self, files: Sequence[EntryId], folder: EntryId) -> tuple[File, ...]:
        """List the files in the folder that bear the title of one of these files (2.7)."""
        query = {"destFolderId": folder, "fileIds": list(files)}
        answer = await self._send(Call("GET", "/files/fileops/move", query=query))
        return tuple(entry for entry in _Namesake.many(answer.response) if entry.file_entry_type == _FILE)

    async def copy(self, files: Sequence[EntryId], folder: EntryId, *, on_conflict: OnConflict) -> Operation:
        """Start copying; a refusal concerns the whole list and starts nothing (2.2).

        `deleteAfter: false` keeps the finished operation observable, `returnSingleOperation: true` keeps this call
        from consuming other operations' results (2.1, 2.3).
        """
        call = Call(
            "PUT",
            "/files/fileops/copy",
            body={
                "fileIds": list(files),
                "folderIds": [],
                "destFolderId": folder,
                "conflictResolveType": int(on_conflict),
                "deleteAfter": False,
                "content": False,
                "toFillOut": False,
                "returnSingleOperation": True,
            },
        )
        answer = await self._send(call)
        if not isinstance(answer.response, list) or not answer.response:
            raise Garbled("The portal accepted a copy but named no operation for it")
        return Operation.of(answer.response[0])
