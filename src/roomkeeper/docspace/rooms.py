"""Rooms: find, make, share and archive them (facts/docspace.md 5)."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence

from roomkeeper import outside
from roomkeeper.docspace.models import (
    Access,
    Contents,
    EntryId,
    Folder,
    Member,
    Operation,
    RoomType,
    TemplateJob,
)
from roomkeeper.docspace.titles import bearing, title_key
from roomkeeper.docspace.wire import LOOKS, PAGE, Answer, Call, sanitise_title, segment, storable, whole
from roomkeeper.errors import FormRoleHeld, Garbled

Send = Callable[[Call], Awaitable[Answer]]
TITLE_LIMIT = 170  # UTF-16 units; longer is answered 400 (CreateRoomRequestDto.cs; recorded: rooms.titles)
#: Orders of a listing, ascending and descending (SortedByType.cs); the second is for what the first left out.
_ORDERS = (("DateAndTimeCreation", 0), ("AZ", 0), ("DateAndTimeCreation", 1), ("AZ", 1), ("DateAndTime", 0))
_ACTIVE, _ANY, _TEMPLATES = 0, 2, "Templates"  # searchArea (RoomContentRequestDto.cs; recorded: rooms.list)


_SAID = 300  # characters of a warning that are passed on (ours)
_OTHER_PAGES = 13  # fewer members a page at each further look at them (ours)


class Rooms:
    """The portal's rooms."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def titled(self, title: str) -> tuple[Folder, ...]:
        """List the active rooms of this title, as the portal stores titles; there may be several.

        Compared here. The server's filter asks its search engine, where it has one, and that knows nothing of
        collations, gives a thousand entries of any kind at most, and is late (FolderDao.cs, Selector.cs): where
        it finds one it is believed, and else all rooms are looked through.
        """
        stored = sanitise_title(title)
        found = bearing(stored, await self._listed({"filterValue": stored, "searchArea": _ACTIVE}))
        return tuple(found) if len(found) == 1 else tuple(bearing(stored, await self.all()))

    async def owned_by(self, person: str) -> tuple[Folder, ...]:
        """List somebody's active rooms: theirs, and not those that they are only in (5.5)."""
        return tuple(room for room in await self.all() if room.created_by.id == person)

    async def all(self, *, archived: bool = False) -> tuple[Folder, ...]:
        """List the rooms that this account sees, archived ones too if asked for; an administrator sees all (5.5)."""
        return await self._listed({"searchArea": _ANY if archived else _ACTIVE})

    async def templates(self) -> tuple[Folder, ...]:
        """List the room templates that this account sees (recorded: templates)."""
        return await self._listed({"searchArea": _TEMPLATES})

    async def tagged(self, tag: str) -> tuple[Folder, ...]:
        """List the rooms, archived ones too, that bear this tag, or as every portal can hold it (5.5)."""
        same = {title_key(tag), title_key(storable(tag))}
        if len(same) == 1:
            rooms = await self._listed({"tags": json.dumps([tag], ensure_ascii=False), "searchArea": _ANY})
        else:  # asking for what it cannot hold is answered 500
            rooms = await self.all(archived=True)
        return tuple(room for room in rooms if same & {title_key(one) for one in room.tags})

    async def _listed(self, narrowed: Mapping[str, object]) -> tuple[Folder, ...]:
        """List the rooms until all that are counted are seen. Raises Garbled where they are not.

        No order has a tie-breaker (FolderDao.cs), so that pages in one order may leave rooms out, such as those that
        were made in the same second: then another order shows them.
        """

        async def read(look: int, start: int) -> tuple[list[tuple[EntryId, Folder]], int]:
            by, order = _ORDERS[look]
            query = {**narrowed, "count": PAGE, "startIndex": start, "sortBy": by, "sortOrder": order}
            page = Contents.of((await self._send(Call("GET", "/files/rooms", query=query))).response)
            return [(room.id, room) for room in page.folders], page.total

        return await whole(read, looks=len(_ORDERS), what="rooms")

    async def create(self, title: str, kind: RoomType, tags: Sequence[str]) -> Folder:
        """Make a room; not idempotent, for titles need not be unique (5.1). Raises QuotaExceeded, Forbidden."""
        body = {"title": title, "roomType": int(kind), "tags": list(tags)}
        return Folder.of((await self._send(Call("POST", "/files/rooms", body=body))).response)

    async def from_template(self, template: Folder, title: str, tags: Sequence[str]) -> None:
        """Start making a room from a template; dropped in silence while another one is being made (5.2).

        Of what the template is set to, the server passes on only indexing, downloads, privacy and quota: a lifetime, a
        watermark and the looks are those of the request (FileStorageService.cs, CreateRoomFromTemplateAsync).
        """
        body = {"templateId": template.id, "title": title, "tags": list(tags), "copyLogo": True}
        await self._send(Call("POST", "/files/rooms/fromTemplate", body=body | _passed_on(template)))

    async def template_status(self) -> TemplateJob | None:
        """Tell how far the room from a template is, whoever's it is; None if there is none."""
        response = (await self._send(Call("GET", "/files/rooms/fromTemplate/status"))).response
        return TemplateJob.of(response) if response is not None else None

    async def tag(self, room: EntryId, tags: Sequence[str]) -> None:
        """Add tags; doing it twice is harmless (5.5)."""
        await self._send(Call("PUT", f"/files/rooms/{segment(room)}/tags", body={"names": list(tags)}))

    async def invite(self, room: EntryId, invitations: Sequence[Mapping[str, object]], *, notify: bool) -> str:
        """Give people and groups access; the answer is no proof: read the members (5.3).

        Gives what the portal says of somebody whom it passed over (FileSharing.cs, SetAceObjectAsync: `warning`), or
        nothing. Raises FormRoleHeld where somebody is to leave who has a role in a form there: 200 with an error, and
        nothing happens (VirtualRoomsController.cs, SetRoomSecurity).
        """
        body = {"invitations": list(invitations), "notify": notify, "force": False}
        answer = (await self._send(Call("PUT", f"/files/rooms/{segment(room)}/share", body=body))).response
        if isinstance(answer, dict) and answer.get("error"):
            raise FormRoleHeld("The portal keeps in a data room whoever has a role in a form there")
        return outside.one_line(str(answer.get("warning") or ""), _SAID) if isinstance(answer, dict) else ""

    async def members(self, room: EntryId) -> tuple[Member, ...]:
        """List who has access to a room, by whatever grant (5.3). Raises Garbled where not all of them are shown."""

        async def read(look: int, start: int) -> tuple[list[tuple[str, Member]], int]:
            # Who has the same access and first name comes in any order (SecurityDao.cs), so that a page may leave out
            # one whom the next does not show either: pages of another size end elsewhere.
            query = {"filterType": 0, "count": PAGE - look * _OTHER_PAGES, "startIndex": start}
            answer = await self._send(Call("GET", f"/files/rooms/{segment(room)}/share", query=query))
            if answer.response is None:
                raise Garbled(f"The portal's answer does not say who the members of room {room} are")
            shown = Member.many(answer.response)
            # An owner who was invited as well has two lines (FileSharing.cs, GetPureSharesAsync).
            return [(one.id and f"{one.id} {one.is_owner}", one) for one in shown], answer.total or 0

        lines = await whole(read, looks=LOOKS, what=f"members of room {room}")
        owners = {one.id for one in lines if one.is_owner}
        return tuple(one for one in lines if one.is_owner or one.id not in owners)

    async def set_access(self, room: EntryId, person: str, access: Access) -> None:
        """Give or end a person's or a group's access; the answer is no proof: read the members (5.3, 14)."""
        await self.invite(room, [{"id": person, "access": int(access)}], notify=False)

    async def give(self, room: EntryId, to: str) -> None:
        """Give a room another owner; who had it becomes its manager (SecurityController.cs, ChangeFileOwner).

        It may be repeated. Raises Forbidden for who may not, or if the other can own none.
        """
        await self._send(Call("POST", "/files/owner", body={"folderIds": [room], "fileIds": [], "userId": to}))

    async def archive(self, room: EntryId) -> Operation | None:
        """Start bringing a room to the Archive section; None if the operation is over and consumed already (5.6)."""
        return await self._archiving(room, "archive")

    async def unarchive(self, room: EntryId) -> Operation | None:
        """Start bringing a room back from the Archive section (5.6)."""
        return await self._archiving(room, "unarchive")

    async def delete(self, room: EntryId) -> None:
        """Start deleting a room for good, with all that is in it (recorded: room.delete)."""
        await self._send(Call("DELETE", f"/files/rooms/{segment(room)}", body={"deleteAfter": False}))

    async def _archiving(self, room: EntryId, what: str) -> Operation | None:
        call = Call("PUT", f"/files/rooms/{segment(room)}/{what}", body={"deleteAfter": False})
        response = (await self._send(call)).response
        return Operation.of(response) if response is not None else None


def _passed_on(template: Folder) -> dict[str, object]:
    """Give the settings of a template that a room has only if it is asked for with them."""
    logo = template.logo
    asked: dict[str, object] = {"color": logo.color, "cover": logo.cover and logo.cover.id} if logo is not None else {}
    for name, one in (("lifetime", template.lifetime), ("watermark", template.watermark)):
        if one is not None:
            asked[name] = one.model_dump(by_alias=True, exclude_none=True) | {"enabled": True}
    return {name: value for name, value in asked.items() if value}
