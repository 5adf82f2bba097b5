"""Rooms: find one by its exact title (facts/docspace.md 5.5)."""

from collections.abc import Awaitable, Callable

from roomkeeper.docspace.models import Contents, Folder
from roomkeeper.docspace.wire import PAGE, Answer, Call, next_start, same_title, sanitise_title

Send = Callable[[Call], Awaitable[Answer]]


class Rooms:
    """The portal's rooms."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def titled(self, title: str) -> tuple[Folder, ...]:
        """List the active rooms of exactly this title, as the portal stores titles; there may be several.

        The server's own filter is a substring match, so titles are compared here.
        """
        stored = sanitise_title(title)
        found: dict[int | str, Folder] = {}
        start: int | None = 0
        while start is not None:
            query = {
                "filterValue": stored,
                "searchArea": 0,
                "count": PAGE,
                "startIndex": start,
                "sortBy": "DateAndTimeCreation",
                "sortOrder": 0,
            }
            page = Contents.of((await self._send(Call("GET", "/files/rooms", query=query))).response or {})
            found |= {room.id: room for room in page.folders if same_title(room.title, stored)}
            start = next_start(start, page.entries, page.total)
        return tuple(found.values())
