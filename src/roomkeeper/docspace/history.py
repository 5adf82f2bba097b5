"""Histories: what happened to a file, or in a room or folder and in all below it (facts/docspace.md 11.3)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roomkeeper.docspace.models import EntryId, HistoryEntry
from roomkeeper.docspace.wire import PAGE, Answer, Call, segment

Send = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True)
class Told:
    """A page of a history, newest first; `following` is where the next one starts, None after the last."""

    entries: tuple[HistoryEntry, ...]
    following: int | None


class History:
    """The portal's histories."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def of_file(self, file: EntryId, start: int = 0) -> Told:
        """Read a page of a file's own history. Raises NotFound, Forbidden."""
        return await self._page(f"/files/file/{segment(file)}/log", start)

    async def of_folder(self, folder: EntryId, start: int = 0) -> Told:
        """Read a page of a room's or folder's history. Raises NotFound, Forbidden."""
        return await self._page(f"/files/folder/{segment(folder)}/log", start)

    async def _page(self, path: str, start: int) -> Told:
        """Read a page.

        The server counts raw entries and gives them folded, so a page is followed by the raw count, not by what
        came.
        """
        answer = await self._send(Call("GET", path, query={"count": PAGE, "startIndex": start}))
        entries = tuple(one for entry in HistoryEntry.many(answer.response) for one in entry.flattened())
        following = start + PAGE
        # Without a total, an empty page is the end.
        ends = not answer.response if answer.total is None else following >= answer.total
        return Told(entries, None if ends else following)
