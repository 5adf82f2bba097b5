"""What may be given in which room (facts/docspace.md 5.3, 5.4). Pure."""

from collections.abc import Mapping

from roomkeeper.docspace.models import Access, RoomType

#: What a person may be given in a room of this type; a group may be given the same, but never manage it.
IN_ROOM: Mapping[RoomType, frozenset[Access]] = {
    RoomType.CUSTOM: frozenset(
        {
            Access.ROOM_MANAGER,
            Access.CONTENT_CREATOR,
            Access.EDITING,
            Access.REVIEW,
            Access.COMMENT,
            Access.READ,
        }
    ),
    RoomType.PUBLIC: frozenset({Access.ROOM_MANAGER, Access.CONTENT_CREATOR}),
    RoomType.FORM_FILLING: frozenset({Access.ROOM_MANAGER, Access.CONTENT_CREATOR, Access.FILL_FORMS}),
    RoomType.COLLABORATION: frozenset({Access.ROOM_MANAGER, Access.CONTENT_CREATOR, Access.EDITING, Access.READ}),
    RoomType.VIRTUAL_DATA: frozenset(
        {Access.ROOM_MANAGER, Access.CONTENT_CREATOR, Access.EDITING, Access.READ, Access.FILL_FORMS}
    ),
    RoomType.AI: frozenset({Access.ROOM_MANAGER, Access.CONTENT_CREATOR, Access.READ}),
}
_OPEN = frozenset({Access.EDITING, Access.REVIEW, Access.COMMENT, Access.READ, Access.FILL_FORMS})
#: What an external link to a room of this type may give; no entry: it has none (recorded: links).
BY_EXTERNAL_LINK: Mapping[RoomType, frozenset[Access]] = {
    RoomType.CUSTOM: _OPEN,
    RoomType.PUBLIC: _OPEN,
    RoomType.FORM_FILLING: frozenset({Access.FILL_FORMS}),
}


def named(access: Access) -> str:
    """Give the name by which an automation calls it: `content_creator`."""
    return access.name.lower()


def room_type_named(name: str) -> RoomType:
    """Read a room type's name. Raises KeyError."""
    return RoomType[name.upper()]


def by_invitation_link(room: RoomType) -> frozenset[Access]:
    """List what an invitation link may give: anything but managing the room; into a public one, reading, too.

    Nobody can be invited to read there by name (recorded: links, share.values).
    """
    may = IN_ROOM[room] - {Access.ROOM_MANAGER}
    return may | {Access.READ} if room is RoomType.PUBLIC else may
