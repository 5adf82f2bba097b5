"""Files: look up, ask what would collide, rename, copy, move (facts/docspace.md 2, 3)."""

from collections.abc import Awaitable, Callable, Sequence
from enum import IntEnum

from roomkeeper.docspace.models import EntryId, File, Operation
from roomkeeper.docspace.wire import Answer, Call, segment
from roomkeeper.errors import Garbled

Send = Callable[[Call], Awaitable[Answer]]
_FILE = 2  # fileEntryType; 1 is a folder (recorded: file.info)


class OnConflict(IntEnum):  # FileConflictResolveType.cs; recorded: ops.conflicts
    """What a copy does when the destination has a file of that title (2.5)."""

    SKIP = 0
    OVERWRITE = 1
    DUPLICATE = 2


class _Entry(File):
    file_entry_type: int = _FILE


class Files:
    """The portal's files."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def get(self, file: EntryId, *, version: int | None = None) -> File:
        """Read one file's data, of the current version or another (recorded: file.info). Raises NotFound, Forbidden."""
        query = {"version": version} if version is not None else {}
        answer = await self._send(Call("GET", f"/files/file/{segment(file)}", query=query))
        return File.of(answer.response)

    async def upload(self, folder: EntryId, name: str, content: bytes, *, is_new: bool = False) -> File:
        """Upload a small file in a single request (10); `is_new` has it numbered where a namesake is (10)."""
        query = {"createNewIfExist": True} if is_new else {}
        answer = await self._send(Call("POST", f"/files/{segment(folder)}/upload", query=query, file=(name, content)))
        uploaded = File.many(answer.response) if isinstance(answer.response, list) else (File.of(answer.response),)
        if not uploaded:
            raise Garbled("The portal took an upload and names no file for it")
        return uploaded[0]

    async def colliding(self, files: Sequence[EntryId], folder: EntryId) -> frozenset[EntryId]:
        """Choose those of these files whose title something in the folder has; the folder's listing says what.

        The portal answers with the sources, not with what they collide with (recorded: ops.check).
        """
        query = {"destFolderId": folder, "fileIds": list(files)}
        answer = await self._send(Call("GET", "/files/fileops/move", query=query))
        return frozenset(one.id for one in _Entry.many(answer.response) if one.file_entry_type == _FILE)

    async def rename(self, file: EntryId, title: str) -> File:
        """Give a file another title; the answer's title is the truth. Raises NotFound, Forbidden."""
        call = Call("PUT", f"/files/file/{segment(file)}", body={"title": title, "lastVersion": 0})
        return File.of((await self._send(call)).response)

    async def comment(self, file: EntryId, version: int, text: str) -> str:
        """Set a version's comment; gives what the portal keeps of it (recorded: hooks.events). Raises Forbidden.

        It keeps 255 characters, and refuses what is locked by another or may not be changed (FileDao.cs).
        """
        call = Call("PUT", f"/files/file/{segment(file)}/comment", body={"version": version, "comment": text})
        return str((await self._send(call)).response or "")

    async def copy(self, files: Sequence[EntryId], folder: EntryId, *, on_conflict: OnConflict) -> Operation:
        """Start copying; a refusal concerns the whole list and starts nothing (2.2)."""
        return await self._transfer("copy", files, (), folder, on_conflict)

    async def move(self, files: Sequence[EntryId], folders: Sequence[EntryId], into: EntryId) -> Operation:
        """Start moving files and whole folders, which keep their ids; what collides with a title stays (2.5).

        A refusal concerns the whole list and starts nothing (2.2).
        """
        return await self._transfer("move", files, folders, into, OnConflict.SKIP)

    async def _transfer(
        self,
        what: str,
        files: Sequence[EntryId],
        folders: Sequence[EntryId],
        into: EntryId,
        on_conflict: OnConflict,
    ) -> Operation:
        """Start an operation.

        `deleteAfter: false` keeps it observable once it has finished, `returnSingleOperation: true` keeps this call
        from consuming other operations' results (2.1, 2.3).
        """
        call = Call(
            "PUT",
            f"/files/fileops/{what}",
            body={
                "fileIds": list(files),
                "folderIds": list(folders),
                "destFolderId": into,
                "conflictResolveType": int(on_conflict),
                "deleteAfter": False,
                "content": False,
                "toFillOut": False,
                "returnSingleOperation": True,
            },
        )
        answer = await self._send(call)
        if not isinstance(answer.response, list) or not answer.response:
            raise Garbled(f"The portal accepted a {what} but named no operation for it")
        return Operation.of(answer.response[0])
