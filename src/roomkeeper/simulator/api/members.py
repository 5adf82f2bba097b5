"""Who is in a room, and inviting and removing people (recorded: share.*)."""

import uuid
from typing import Any

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.links import shown_link
from roomkeeper.simulator.api.request import Api, Reply, Routes
from roomkeeper.simulator.problems import ApiError, ValidationError, forbidden, missing, rule_broken
from roomkeeper.simulator.rights import Access
from roomkeeper.simulator.world import ARCHIVE_ROOT, Folder, Share

#: What may be given in each type of room.
ROLES = {  # FileSecurity.cs; recorded: share.values
    1: {9, 11, 7, 0},
    2: {9, 11, 10, 2, 0},
    5: {9, 11, 10, 5, 6, 2, 0},
    6: {9, 11, 0},
    8: {9, 11, 10, 2, 7, 0},
    9: {9, 11, 2, 0},
}
DATA_ROOM, AI_ROOM = 8, 9  # recorded: rooms.create
HELD_BY_A_FORM = 1  # RoomAccessDto.cs
NOT_FOR_IT = "The role is not available for this user type"
#: The values of `filterType`: whether people, groups and links are listed (recorded: share.listing; SubjectFilter.cs).
FILTERS = {"": (True, True, False), "0": (True, True, False), "1": (False, False, False), "2": (False, False, True)}
FILTERS |= {"3": (True, True, True), "4": (False, False, False), "5": (True, True, True), "8": (False, False, True)}
FILTERS |= {"user": (True, False, False), "group": (False, True, False), "externallink": (False, False, True)}
ALL_BUT_OWNER = {"3", "5"}
ACTIVE, PENDING = 1, 4  # recorded: people.lookup; EmployeeStatus.cs


def room_share(api: Api) -> Any:
    """`entries` is not a field of this request: without `invitations` nothing happens, and 200 says so."""
    room, invitations = api.room(), api.body.get("invitations")
    if invitations is None:
        return {"error": 0}
    if not api.world.may_manage(api.user, room) or room.root.kind == ARCHIVE_ROOT:
        raise forbidden()
    leaving = {str(one.get("id")) for one in invitations if access_of(one.get("access")) == Access.NONE}
    if room.room_type == DATA_ROOM and not api.body.get("force") and leaving & room.form_roles:
        return {"error": HELD_BY_A_FORM}
    shown = [member for one in invitations if (member := _shared(api, room, one)) is not None]
    return {"members": [_member(api, room, member) for member in shown], "error": 0}


def _shared(api: Api, room: Folder, one: dict[str, Any]) -> str | None:
    """Give or take an access; gives whom the answer shows: nobody who was named by an address, or who left."""
    member, access = _invitee(api, one), access_of(one.get("access"))
    user = api.world.users.get(member)
    if access not in ROLES[room.room_type or 2] or (user is None and access == Access.ROOM_MANAGER):
        raise rule_broken(NOT_FOR_IT)
    by_address = bool(one.get("email"))  # then the portal takes somebody who is there for a guest (share.shapes)
    if user is not None and access == Access.ROOM_MANAGER and (by_address or not user.may_manage_rooms):
        raise rule_broken(NOT_FOR_IT)
    if user is not None and user.kind == "guest" and room.room_type == AI_ROOM and access == Access.CONTENT_CREATOR:
        raise rule_broken(NOT_FOR_IT)
    if user is room.created_by:
        return None
    before = room.shares.get(member)
    related = member in api.world.relations.get(api.user.id, set())
    if access == Access.NONE:
        if user is None or user.kind != "guest" or room.created_by is api.user or related:
            room.shares.pop(member, None)  # for anybody else's guest: 200, and nothing
            if user is not None and before is not None:
                api.portal.history.note_member("RoomRemoveUser", room, api.user, user, access=Access.NONE)
        return None
    room.shares[member] = Share(Access(access), api.user.id)
    api.world.relations.setdefault(api.user.id, set()).add(member)
    if user is not None:
        action = "RoomCreateUser" if before is None else "RoomUpdateAccessForUser"
        old = before.access if before else None
        api.portal.history.note_member(action, room, api.user, user, access=Access(access), old=old)
    return None if by_address else member


def _invitee(api: Api, one: dict[str, Any]) -> str:
    if one.get("email"):
        found = next((user for user in api.world.users.values() if user.email == one["email"]), None)
        if found is None:
            found = api.world.add_user(one["email"], one["email"], "guest")
            found.created_by, found.status = api.user, PENDING  # UserManagerWrapper.cs, AddInvitedUserAsync
        return found.id
    try:
        wanted = str(uuid.UUID(one.get("id")))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValidationError({"id": ["The JSON value could not be converted to System.Guid."]}) from error
    if wanted not in api.world.users and wanted not in api.world.groups:
        raise missing("user")
    return wanted


def access_of(value: Any) -> int:
    """A number or a name; any name that is not known silently means none."""
    if isinstance(value, int):
        return value
    name = "".join(part for part in str(value or "") if part.isalnum()).casefold()
    return next((int(one) for one in Access if one.name.replace("_", "").casefold() == name), 0)


def room_members(api: Api) -> Any:
    """A page: the owner first, then by access; past its end the count goes below nothing (recorded: share.listing)."""
    room = api.world.folder(api.request.path_params["room_id"])
    if room is None:
        raise ApiError(404, "Item not found", "ASC.Common.Web.ItemNotFoundException")
    people, groups, links = _filtered(api)
    start, count, text = api.number("startIndex", 0), api.number("count", 100, most=100), api.query("filterValue")
    if not api.world.may_read(api.user, room):
        return Reply([], count=0, total=0)
    order = {Access.ROOM_MANAGER: 0, Access.CONTENT_CREATOR: 1}
    given = sorted(room.shares, key=lambda one: order.get(room.shares[one].access, 2))
    members = [
        one
        for one in [room.created_by.id, *given]
        if (people if one in api.world.users else groups) and text.casefold() in _name(api, one).casefold()
    ]
    shown = members[1:] if api.query("filterType") in ALL_BUT_OWNER else members
    page = [_member(api, room, member) for member in shown[start : start + count]]
    shown_links = [shown_link(api, one) for one in room.links if one.kind == 1] if links else []
    total = len(members) if people or groups else len(shown_links)
    left = total - start if start > total else len(page) + len(shown_links)
    return Reply(page + shown_links, count=left, total=total)


def room_owner(api: Api) -> Any:
    """Give rooms another owner; who had one manages it (FileStorageService.cs, ChangeOwnerAsync)."""
    heir = api.person(api.body.get("userId"), "$.userId")
    if not heir.may_manage_rooms or heir.status != ACTIVE:
        raise rule_broken("Failed to change owner. Please choose another user.")
    rooms = [api.world.folder(one) for one in api.body.get("folderIds") or []]
    for room in rooms:
        if room is None or "ChangeOwner" not in api.world.folder_rights(api.user, room):
            raise rule_broken("You don't have enough permission to perform the operation")
        if room.created_by is not heir:
            room.shares.pop(heir.id, None)
            room.shares[room.created_by.id] = Share(Access.ROOM_MANAGER, api.user.id)
            room.created_by = heir
    return Reply([dto.folder(room, api.world, api.user) for room in rooms if room is not None], count=len(rooms))


def _filtered(api: Api) -> tuple[bool, bool, bool]:
    text = api.query("filterType")
    wanted = FILTERS.get(text.casefold())
    if wanted is None:
        raise ValidationError({"filterType": [f"The value '{text}' is not valid for FilterType."]})
    return wanted


def _name(api: Api, member: str) -> str:
    user = api.world.users.get(member)
    return f"{user.name} {user.email}" if user is not None else api.world.groups[member][0]


def _member(api: Api, room: Folder, member: str) -> dict[str, Any]:
    is_owner = room.created_by.id == member
    access = Access.READ_WRITE if is_owner else room.shares[member].access
    out: dict[str, Any] = {
        "access": int(access),
        "isLocked": False,
        "isOwner": is_owner,
        "canEditAccess": not is_owner and api.world.may_manage(api.user, room),
        "canEditInternal": False,
        "canEditDenyDownload": False,
        "canEditExpirationDate": False,
        "canRevoke": False,
    }
    if member in api.world.users:
        user = dto.profile(api.world.users[member], api.user)
        return out | {"sharedTo": user, "sharedToUser": user, "subjectType": 0}
    group = dto.group(member, *_group(api, member))
    return out | {"sharedTo": group, "sharedToGroup": group, "subjectType": 2}


def _group(api: Api, member: str) -> tuple[str, int]:
    name, members = api.world.groups[member]
    return name, len(members)


ROUTES: Routes = [
    ("PUT", "/files/rooms/{room_id}/share", room_share, "rooms"),
    ("GET", "/files/rooms/{room_id}/share", room_members, "rooms"),
    ("POST", "/files/owner", room_owner, "files"),
]
