"""Links to rooms, folders and files: list, make, take away (facts/docspace.md 5.4).

What the requests for folders and files say is from FoldersController.cs and FilesController.cs; they are those for
rooms without the kind, for they have external links only.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from roomkeeper.docspace.models import Access, EntryId, Link, Shareable
from roomkeeper.docspace.wire import Answer, Call, segment
from roomkeeper.errors import Garbled, Rejected

Send = Callable[[Call], Awaitable[Answer]]
#: What has links, as the portal's addresses name it.
Linked = Literal["rooms", "folder", "file"]
EXTERNAL, INVITATION = 1, 0  # `linkType` (RoomLinkRequestDto.cs; recorded: links)


class Links:
    """The portal's links."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def entry(self, linked: Literal["folder", "file"], entry: EntryId) -> Shareable:
        """Read what a folder or a file is called, and what links to it may give. Raises NotFound, Forbidden."""
        return Shareable.of((await self._send(Call("GET", f"/files/{linked}/{segment(entry)}"))).response)

    async def of(self, linked: Linked, entry: EntryId, *, external: bool = True) -> tuple[Link, ...]:
        """List its external or, of a room, its invitation links; empty for who may not manage it (5.4)."""
        query = {"type": EXTERNAL if external else INVITATION} if linked == "rooms" else {}
        return Link.many((await self._send(Call("GET", _path(linked, entry), query=query))).response)

    async def make(self, linked: Linked, entry: EntryId, wanted: Mapping[str, object]) -> Link:
        """Make a link; a request that makes none is answered 200 without one (5.4). Raises Rejected."""
        answer = await self._send(Call("PUT", _path(linked, entry), body=wanted))
        if answer.response is None:
            raise Rejected("The portal accepted the request for a link, and made none", may_have_happened=False)
        link = Link.of(answer.response)
        if not link.url:
            raise Garbled("The portal made a link and does not give its address")
        return link

    async def remove(self, linked: Linked, entry: EntryId, link: Link) -> None:
        """Take a link away: it gives no access any more (5.4)."""
        gone = {"linkId": link.shared_link.id, "access": int(Access.NONE), "linkType": link.shared_link.link_type}
        # A change of `internal` is passed over in silence where nobody may make it (FileSharing.cs, SetAceObjectAsync).
        kept = {"title": link.title, "internal": link.is_internal}
        await self._send(Call("PUT", _path(linked, entry), body=gone | kept))

    async def primary(self, room: EntryId) -> Link:
        """Read a room's primary external link, made if it is missing (5.4). Raises Forbidden where there is none."""
        return Link.of((await self._send(Call("GET", f"/files/rooms/{segment(room)}/link"))).response)


def _path(linked: Linked, entry: EntryId) -> str:
    return f"/files/{linked}/{segment(entry)}/links"
