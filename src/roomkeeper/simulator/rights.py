"""What somebody may do with a folder or a file: the portal's `security` flags (recorded: rooms.info, file.info,
folder.create, file.lock, archive). Pure."""

from collections.abc import Mapping
from enum import IntEnum


class Access(IntEnum):  # FileShare.cs; recorded: share.values
    """The server's FileShare numbers."""

    NONE = 0
    READ_WRITE = 1
    READ = 2
    RESTRICT = 3
    VARIES = 4
    REVIEW = 5
    COMMENT = 6
    FILL_FORMS = 7
    CUSTOM_FILTER = 8
    ROOM_MANAGER = 9
    EDITING = 10
    CONTENT_CREATOR = 11


FOLDER_FLAGS = (
    *("Read", "Create", "Delete", "EditRoom", "Rename", "CopyTo", "Copy", "MoveTo", "Move", "Pin", "Mute"),
    *("EditAccess", "Duplicate", "Download", "CopySharedLink", "Reconnect", "CreateRoomFrom", "CopyLink", "Embed"),
    *("ChangeOwner", "IndexExport", "UseChat", "UpdateXlsx", "AnalyzeResponses"),
)
FILE_FLAGS = (
    *("Read", "Comment", "FillForms", "Review", "Edit", "Delete", "CustomFilter", "Rename", "ReadHistory", "Lock"),
    *("EditHistory", "Copy", "Move", "Duplicate", "SubmitToFormGallery", "Download", "Convert", "CreateRoomFrom"),
    *("CopyLink", "Embed", "StartFilling", "FillingStatus", "ResetFilling", "StopFilling", "OpenForm"),
    *("Vectorization", "AskAi"),
)
SEEN = frozenset({"Read", "Copy", "Download", "CopyLink"})
HELD = SEEN | {"Create", "CopyTo", "MoveTo"}
LED = HELD | {"EditRoom", "Rename", "EditAccess", "Duplicate", "CopySharedLink"}
OWN_FOLDER = HELD | {"Delete", "Rename", "Move", "Duplicate"}
#: What a room shows to each role, beside pinning and muting.
ROOM: Mapping[Access, frozenset[str]] = {
    Access.ROOM_MANAGER: LED,
    Access.CONTENT_CREATOR: HELD,
    Access.RESTRICT: frozenset({"Read", "Copy", "Move", "Pin", "Duplicate", "Download", "ChangeOwner"}),
}
FOLDER: Mapping[Access, frozenset[str]] = {
    Access.ROOM_MANAGER: LED | {"Delete", "Move"},
    Access.CONTENT_CREATOR: HELD,
    Access.RESTRICT: frozenset({"Read", "Download"}),
}
WRITTEN = SEEN | {"Comment", "Review", "Edit", "CustomFilter", "ReadHistory"}
CREATED = WRITTEN | {"Lock", "EditHistory", "Convert"}
FILE: Mapping[Access, frozenset[str]] = {
    Access.ROOM_MANAGER: CREATED | {"Delete", "Rename", "Move", "Duplicate"},
    Access.CONTENT_CREATOR: CREATED,
    Access.EDITING: WRITTEN,
    Access.REVIEW: SEEN | {"Comment", "Review"},
    Access.COMMENT: SEEN | {"Comment"},
    Access.FILL_FORMS: SEEN | {"FillForms"},
    Access.RESTRICT: frozenset({"Read", "Download", "CopyLink"}),
}
#: What is left of a file while another holds it locked.
LOCKED = frozenset({"Read", "ReadHistory", "Lock", "Copy", "Duplicate", "Download"})
IN_ARCHIVE = frozenset({"Read", "Copy", "Download"})
IN_TRASH = frozenset({"Read", "Delete", "Move", "MoveTo", "Copy", "Download"})
AI_ROOM = 9  # its own folders take what is put into them, it does not (recorded: rooms.create)


def of_room(role: Access, kind: int, *, is_owner: bool, is_archived: bool) -> frozenset[str]:
    if role is Access.NONE:
        return frozenset()
    if is_archived:
        return IN_ARCHIVE | ({"Delete", "Move"} if is_owner or role is Access.RESTRICT else set())
    flags = ROOM.get(role, SEEN)
    if role is not Access.RESTRICT:
        flags |= {"Pin", "Mute"}
    if is_owner:
        flags |= {"Delete", "Move", "ChangeOwner"}
    if kind == AI_ROOM:
        flags = (flags - {"Create", "CopyTo", "Copy", "MoveTo", "Move", "Duplicate"}) | {"UseChat"}
    return flags


def of_folder(role: Access, *, is_creator: bool, is_archived: bool) -> frozenset[str]:
    if role is Access.NONE:
        return frozenset()
    if is_archived:
        return IN_ARCHIVE
    if is_creator and role is Access.CONTENT_CREATOR:
        return OWN_FOLDER
    return FOLDER.get(role, SEEN)


def of_file(role: Access, *, is_creator: bool, is_held_by_another: bool, is_archived: bool) -> frozenset[str]:
    if role is Access.NONE:
        return frozenset()
    if is_archived:
        return IN_ARCHIVE
    flags = FILE.get(role, SEEN)
    if is_creator and role in {Access.ROOM_MANAGER, Access.CONTENT_CREATOR}:
        flags = FILE[Access.ROOM_MANAGER] | {"SubmitToFormGallery"}
    return flags & LOCKED if is_held_by_another else flags


def shown(flags: frozenset[str], names: tuple[str, ...]) -> dict[str, bool]:
    return {name: name in flags for name in names}
