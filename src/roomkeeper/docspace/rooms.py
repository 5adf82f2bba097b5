"""Rooms: find one by its exact title, its members, the Archive section (facts/docspace.md 5)."""

from collections.abc import Awaitable, Callable

from roomkeeper.docspace.models import Access, Contents, EntryId, Folder, Member, Operation
from roomkeeper.docspace.wire import PAGE, Answer, Call, next_start, same_title, sanitise_title, segment
from roomkeeper.errors import Garbled

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
            page = Contents.of((await self._send(Call("GET", "/files/rooms", query=query))).response)
            found |= {room.id: room for room in page.folders if same_title(room.title, stored)}
            start = next_start(start, page.entries, page.total)
        return tuple(found.values())

    async def members(self, room: EntryId) -> tuple[Member, ...]:
        """List who has access to a room, by whatever grant (5.3)."""
        found: dict[str, Member] = {}
        start: int | None = 0
        while start is not None:
            query = {"filterType": 0, "count": PAGE, "startIndex": start}
            answer = await self._send(Call("GET", f"/files/rooms/{segment(room)}/share", query=query))
            if answer.response is None:
                raise Garbled(f"The portal's answer does not say who the members of room {room} are")
            page = Member.many(answer.response)
            found |= {member.id: member for member in page if member.id}
            start = next_start(start, len(page), answer.total or 0)
        return tuple(found.values())

    async def set_access(self, room: EntryId, person: str, access: Access) -> None:
        """Give or end a person's or a group's access; the answer is no proof: read the members (5.3, 14)."""
        body = {"invitations": [{"id": person, "access": int(access)}], "notify": False, "force": False}
        await self._send(Call("PUT", f"/files/rooms/{segment(room)}/share", body=body))

    async def archive(self, room: EntryId) -> Operation | None:
        """Start bringing a room to the Archive section; None if the operation is over and consumed already (5.6)."""
        return await self._archiving(room, "archive")

    async def unarchive(self, room: EntryId) -> Operation | None:
        """Start bringing a room back from the Archive section (5.6)."""
        return await self._archiving(room, "unarchive")

    async def _archiving(self, room: EntryId, what: str) -> Operation | None:
        call = Call("PUT", f"/files/rooms/{segment(room)}/{what}", body={"deleteAfter": False})
        response = (await self._send(call)).response
        return Operation.of(response) if response is not None else None
