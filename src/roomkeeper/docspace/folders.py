"""Folders: list, look up, create, rename. A room is a folder too (facts/docspace.md 3, 4)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

from roomkeeper.docspace.models import Contents, EntryId, Folder, PathPart
from roomkeeper.docspace.wire import PAGE, Answer, Call, Pages, sanitise_title, segment, shortened
from roomkeeper.errors import Garbled

Send = Callable[[Call], Awaitable[Answer]]
# FilterTypeEnum.cs; recorded: folder.listing
_FILES_ONLY, _FOLDERS_ONLY = 1, 2  # filterType; any filter makes a listing deep (3)


class Folders:
    """The portal's folders."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def get(self, folder: EntryId) -> Folder:
        """Read one folder's or room's own data. Raises NotFound, Forbidden."""
        answer = await self._send(Call("GET", f"/files/folder/{segment(folder)}"))
        return Folder.of(answer.response)

    async def mine(self) -> EntryId:
        """Give the id of the account's own documents."""
        query = {"count": 1, "startIndex": 0, "sortBy": "AZ", "sortOrder": 0}
        contents = Contents.of((await self._send(Call("GET", "/files/@my", query=query))).response)
        if contents.current is None:
            raise Garbled("The portal does not say where the account's own documents are")
        return contents.current.id

    async def delete(self, folder: EntryId) -> None:
        """Start deleting a folder for good, with all that is in it."""
        body = {"deleteAfter": False, "immediately": True}
        await self._send(Call("DELETE", f"/files/folder/{segment(folder)}", body=body))

    async def path(self, folder: EntryId) -> tuple[PathPart, ...]:
        """Read the way from the section's root down to this folder, itself included."""
        answer = await self._send(Call("GET", f"/files/folder/{segment(folder)}/path"))
        return PathPart.many(answer.response)

    async def subfolders(self, folder: EntryId) -> tuple[Folder, ...]:
        """List the direct subfolders; this call is not paged."""
        answer = await self._send(Call("GET", f"/files/{segment(folder)}/subfolders"))
        return Folder.many(answer.response)

    async def pages(
        self, folder: EntryId, *, sort_by: str = "DateAndTimeCreation", newest_first: bool = False
    ) -> AsyncIterator[Contents]:
        """List the direct contents, page by page.

        The sort order is always sent, for the server remembers the last one; it has no tie-breaker, so pages may
        overlap (3).
        """
        pages = Pages()
        while pages.start is not None:
            page = await self.page(folder, pages.start, sort_by=sort_by, descending=newest_first)
            yield page
            pages.turn(page.ids, page.total)

    async def page(
        self,
        folder: EntryId,
        start: int,
        *,
        sort_by: str,
        descending: bool = False,
        below: Literal["files", "folders"] | None = None,
    ) -> Contents:
        """Read one page: of the direct contents, or of all files or all folders `below`, whatever their depth (3)."""
        query: dict[str, object] = {"count": PAGE, "startIndex": start}
        if below is not None:
            query |= {"filterType": _FILES_ONLY if below == "files" else _FOLDERS_ONLY, "withSubFolders": True}
        query |= {"sortBy": sort_by, "sortOrder": int(descending)}
        answer = await self._send(Call("GET", f"/files/{segment(folder)}", query=query))
        return Contents.of(answer.response)

    async def create(self, parent: EntryId, title: str) -> Folder:
        """Create a folder; not idempotent, for titles need not be unique. The answer's title is the truth (4)."""
        call = Call("POST", f"/files/folder/{segment(parent)}", body={"title": shortened(title)})
        return Folder.of((await self._send(call)).response)

    async def rename(self, folder: EntryId, title: str) -> Folder:
        """Give a folder another title. Raises NotFound, Forbidden."""
        call = Call("PUT", f"/files/folder/{segment(folder)}", body={"title": shortened(title)})
        return Folder.of((await self._send(call)).response)


def stored_folder_title(title: str) -> str:
    """Give the title that `create` will leave in the portal."""
    return sanitise_title(shortened(title))
