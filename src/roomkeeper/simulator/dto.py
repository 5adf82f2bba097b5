"""How the portal writes things down: the envelope and the data transfer objects of its REST API."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from roomkeeper.simulator.world import Access, File, Folder, Key, User, World

TENANT = timezone(timedelta(hours=2))
Json = dict[str, Any]
FOLDER_TYPES = {1: 15, 2: 16, 5: 19, 6: 22, 8: 29, 9: 31}  # a room's type, as its folder's type
BASE = "https://portal.example"


def moment(at: datetime) -> str:
    """ISO 8601 with seven digits and the tenant's offset."""
    local = at.astimezone(TENANT)
    return f"{local:%Y-%m-%dT%H:%M:%S}.0000000+02:00"


def utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def envelope(response: object, *, href: str, count: int | None = None, total: int | None = None) -> Json:
    """The success envelope: `count` is 1 for anything that is not a counted list."""
    out: Json = {}
    if response is not None:
        out["response"] = response
    out["count"] = count if count is not None else (len(response) if isinstance(response, list) else 1)
    if total is not None:
        out["total"] = total
    return out | {"links": [{"href": href, "action": "GET"}], "status": 0, "statusCode": 200}


def employee(user: User) -> Json:
    return {
        "id": user.id,
        "displayName": user.name,
        "avatar": "/static/default.png",
        "profileUrl": f"/accounts/people/filter?search={user.email}",
        "hasAvatar": False,
        "isAnonim": False,
    }


def profile(user: User) -> Json:
    first, _, last = user.name.partition(" ")
    return employee(user) | {
        "firstName": first,
        "lastName": last,
        "userName": user.email.partition("@")[0],
        "email": user.email,
        "status": user.status,
        "activationStatus": 1,
        "department": "",
        "isAdmin": user.is_admin,
        "isRoomAdmin": user.may_manage_rooms,
        "isLDAP": False,
        "isOwner": user.kind == "owner",
        "isVisitor": user.kind == "guest",
        "isCollaborator": user.kind == "user",
        "isSSO": False,
    }


def key(one: Key, *, with_secret: bool = False) -> Json:
    out: Json = {
        "id": one.id,
        "name": one.name,
        "key": one.secret if with_secret else "sk-***" + one.secret[-4:],
        "keyPostfix": one.secret[-4:],
        "permissions": one.permissions or [],
        "createOn": moment(one.created),
        "createBy": employee(one.user),
        "isActive": one.is_active,
    }
    if one.expires is not None:
        out["expiresAt"] = moment(one.expires)
    if one.last_used is not None:
        out["lastUsed"] = moment(one.last_used)
    return out


def folder(one: Folder, world: World, viewer: User) -> Json:
    root = one.root
    out: Json = {
        "id": one.id,
        "title": one.title,
        "access": int(_shown(world.role(viewer, one), one, viewer)),
        "shared": bool(one.shares),
        "created": moment(one.created),
        "createdBy": employee(one.created_by),
        "updated": moment(one.modified),
        "updatedBy": employee(one.modified_by or one.created_by),
        "rootFolderType": root.kind,
        "rootFolderId": root.id,
        "fileEntryType": 1,
        "filesCount": sum(len(each.contents) for each in one.branch()),  # all levels (recorded: folder.listing)
        "foldersCount": sum(1 for _ in one.branch()) - 1,
        "new": 0,
        "mute": False,
        "pinned": False,
        "private": False,
        "indexing": False,
        "denyDownload": False,
        "security": {
            "Read": world.may_read(viewer, one),
            "Create": world.may_create(viewer, one),
            "CopyTo": world.may_create(viewer, one),
            "EditRoom": world.role(viewer, one) is Access.ROOM_MANAGER,
        },
    }
    if one.parent is not None:
        out["parentId"] = one.parent.id
    if one.room_type is not None:
        out |= {"roomType": one.room_type, "tags": list(one.tags), "inRoom": one.room is not None}
    elif one.parent is None:
        out["type"] = one.kind
    return out


def file(one: File, world: World, viewer: User) -> Json:
    root, room, size = one.folder.root, one.folder.room, len(one.current.content)
    out: Json = {
        "id": one.id,
        "folderId": one.folder.id,
        "rootFolderId": root.id,
        "title": one.title,
        "version": one.version,
        "versionGroup": one.version,
        "contentLength": f"{size / 1024:.2f} KB" if size >= 1024 else f"{size} bytes",
        "fileStatus": (1 if one.editing_by else 0) | (4 if one.converting else 0),
        "mute": False,
        "fileType": 7,
        "fileExst": one.extension,
        "comment": "Created" if one.version == 1 else "Uploaded",
        "viewUrl": f"{BASE}/filehandler.ashx?action=download&fileid={one.id}&version={one.version}",
        "webUrl": f"{BASE}/doceditor?fileid={one.id}",
        "thumbnailStatus": 0,
        "access": int(_shown(world.role(viewer, one.folder), one.folder, viewer)),
        "shared": False,
        "created": moment(one.created),
        "createdBy": employee(one.created_by),
        "updated": moment(one.current.at),
        "updatedBy": employee(one.current.by),
        "rootFolderType": root.kind,
        "fileEntryType": 2,
        "security": {
            "Read": world.may_read(viewer, one.folder),
            "Copy": world.may_copy(viewer, one),
            "Move": world.may_move(viewer, one),
            "Edit": world.may_edit(viewer, one),
        },
    }
    if size:
        out["pureContentLength"] = size
    if one.locked_by is not None:
        out |= {"locked": True, "lockedBy": one.locked_by.name}
    if room is not None:
        out["parentRoomType"] = FOLDER_TYPES.get(room.room_type or 0, 14)
    return out


def dotnet_json(value: object) -> str:
    """JSON as the webhook's serialiser writes it: non-ASCII and `<>&'"+` escaped, no spaces."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{dotnet_json(str(k))}:{dotnet_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(dotnet_json(one) for one in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    inner = json.dumps(value)[1:-1].replace('\\"', "\\u0022")
    inner = re.sub(r"\\u[0-9a-f]{4}", lambda match: "\\u" + match[0][2:].upper(), inner)
    for character in "<>&'+":
        inner = inner.replace(character, f"\\u{ord(character):04X}")
    return f'"{inner}"'


def _shown(role: Access, one: Folder, viewer: User) -> Access:
    room = one.room
    return Access.NONE if room is not None and room.created_by is viewer else role
