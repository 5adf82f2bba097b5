"""How the portal writes things down: the envelope and the data transfer objects of its REST API (recorded)."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from roomkeeper.simulator import rights
from roomkeeper.simulator.rights import Access
from roomkeeper.simulator.world import (
    ARCHIVE_ROOT,
    FOLDER_TYPES,
    MY_ROOT,
    ROOMS_ROOT,
    TRASH_ROOT,
    File,
    Folder,
    Key,
    User,
    World,
    now,
)

Json = dict[str, Any]
BASE = "https://portal.example"
EDITED, NEW, CONVERTED = 1, 2, 4  # flags of fileStatus (recorded: file.open, file.info; facts, "Listings and history")
TEMPLATES_ROOT = 30  # FolderType.cs
KEPT_IN_TRASH = timedelta(days=30)  # recorded: ops.delete
SECTIONS = {ARCHIVE_ROOT: "Archive", TRASH_ROOT: "Trash"}  # as an answer names them (recorded: archive, ops.delete)
PRIMARY_LINK, OTHER_LINKS, LINKS_OF_AN_ENTRY = 1, 5, 6  # recorded: links
LINK_RIGHTS = {1: ["FillForms", "None"]}  # recorded: links
OTHER_LINK_RIGHTS = ["Editing", "Review", "Comment", "Read", "None"]
#: What a link to a file may give beside reading, by its extension (recorded: file.info).
LINKS_TO_FILES: Mapping[str, set[str]] = {
    ".docx": {"Editing", "Review", "Comment"},
    **{ending: {"Editing", "Comment"} for ending in (".pdf", ".pptx", ".xlsx")},
}
#: The kinds of file by extension (recorded: upload.single).
FILE_TYPES: Mapping[str, int] = {
    **dict.fromkeys((".zip", ".rar", ".7z", ".gz"), 1),
    **dict.fromkeys((".mp4", ".avi", ".mov"), 2),
    **dict.fromkeys((".mp3", ".wav"), 3),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".svg"), 4),
    **dict.fromkeys((".xlsx", ".xls", ".csv", ".ods"), 5),
    **dict.fromkeys((".pptx", ".ppt", ".odp"), 6),
    **dict.fromkeys((".docx", ".doc", ".odt", ".txt", ".md", ".rtf", ".oform"), 7),
    ".pdf": 10,
}


def moment(at: datetime) -> str:
    """ISO 8601 with seven digits; the portal's clock runs in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.0000000Z"


def utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def with_offset(at: datetime) -> str:
    """How webhooks and their log are dated (recorded: hooks.create)."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.0000000+00:00"


def envelope(response: object, *, link: Json, count: int | None = None, total: int | None = None) -> Json:
    """The success envelope: `count` is 1 for anything that is not a counted list."""
    out: Json = {}
    if response is not None:
        out["response"] = response
    out["count"] = count if count is not None else (len(response) if isinstance(response, list) else 1)
    if total is not None:
        out["total"] = total
    return out | {"links": [link], "status": 0, "statusCode": 200}


def pruned(response: Any, fields: str) -> Any:
    """Leave only the fields that were asked for, also of what is below (recorded: envelope.success, folder.listing)."""
    wanted = [one.strip().lower() for one in fields.split(",") if one.strip()]
    if not wanted:
        return response
    if isinstance(response, list):
        return [pruned(one, fields) for one in response]
    below = {
        name: [one[len(name) + 1 :] for one in wanted if one.startswith(f"{name}.")] for name in _lowered(response)
    }
    return {
        name: value if name.lower() in wanted else pruned(value, ",".join(below[name.lower()]))
        for name, value in response.items()
        if name.lower() in wanted or below[name.lower()]
    }


def _lowered(names: Mapping[str, Any]) -> list[str]:
    return [name.lower() for name in names]


def parsed(raw: bytes) -> Any:
    """Read JSON as strictly as the server: half characters are refused (recorded: rooms.titles). Raises ValueError."""
    document = json.loads(raw.decode("utf-8-sig"))
    json.dumps(document, ensure_ascii=False).encode()
    return document


# --- people and keys ------------------------------------------------------------------------------------------


def employee(user: User) -> Json:
    picture = "/static/images/default_user_photo_size"
    return {
        "id": user.id,
        "displayName": user.name,
        "avatar": f"{picture}_82-82.png",
        "avatarOriginal": f"{picture}_200-200.png",
        "avatarMax": f"{picture}_200-200.png",
        "avatarMedium": f"{picture}_48-48.png",
        "avatarSmall": f"{picture}_32-32.png",
        "profileUrl": f"{BASE}/accounts/people/filter?search={quote(user.email)}",
        "hasAvatar": False,
        "isAnonim": False,
    }


def profile(user: User, viewer: User | None = None, *, is_self: bool = False) -> Json:
    first, _, last = user.name.partition(" ")
    out: Json = {
        "firstName": first,
        "lastName": last,
        "userName": user.email.partition("@")[0],
        "email": user.email,
        "status": user.status,
        "activationStatus": 0 if user.kind == "owner" else 2,
        "department": "",
        "isAdmin": user.kind == "admin",
        "isRoomAdmin": user.kind == "room_admin",
        "isLDAP": False,
        "isOwner": user.kind == "owner",
        "isVisitor": user.kind == "guest",
        "isCollaborator": user.kind == "user",
        "mobilePhoneActivationStatus": 0,
        "isSSO": False,
        "registrationDate": moment(user.registered),
    }
    if viewer is None or viewer is user or viewer.is_admin:
        out["usedSpace"] = 0  # (recorded: people.lookup)
    if user.is_admin:
        out["listAdminModules"] = ["files"]
    if viewer is not None and viewer.is_admin and user.created_by is not None:
        out["createdBy"] = employee(user.created_by)
    if is_self:
        out |= {"theme": "System", "loginEventId": 0, "hasPersonalFolder": user.kind != "guest"}
    return out | employee(user)


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


def group(id_: str, name: str, members: int) -> Json:
    shown = {"id": id_, "name": name, "manager": None, "category": NOBODY, "parent": NOBODY, "isLDAP": False}
    return shown | {"membersCount": members}


NOBODY = "00000000-0000-0000-0000-000000000000"


# --- folders and files ----------------------------------------------------------------------------------------


def folder(one: Folder, world: World, viewer: User, *, is_single: bool = False) -> Json:
    """`is_single` is for the answer to a question after this very folder, which tells more (recorded: rooms.info)."""
    root, role = one.root, world.role(viewer, one)
    flags = world.folder_rights(viewer, one)
    out: Json = {
        "id": one.id,
        "title": one.title,
        "parentId": one.parent.id if one.parent is not None else 0,
        "access": int(_shown(role, one, viewer)),
        "rootFolderType": root.kind,
        "rootFolderId": root.id,
        "fileEntryType": 1,
        "filesCount": sum(len(each.contents) for each in one.branch()),  # all levels (recorded: folder.listing)
        "foldersCount": sum(1 for _ in one.branch()) - 1,
        "new": 0,
        "mute": False,
        "pinned": viewer.id in one.pinned_by,
        "private": False,
        "indexing": one.is_indexed,
        "denyDownload": one.deny_download,
        "security": rights.shown(flags, rights.FOLDER_FLAGS),
    }
    out |= _dated(one.created, one.created_by, one.modified, one.modified_by or one.created_by)
    if one.room_type is not None and root.kind == ARCHIVE_ROOT and role is Access.RESTRICT:
        out["access"] = int(Access.NONE)  # (recorded: archive)
    out |= _sharing(one, one.room, may_share="EditAccess" in flags)
    if one.room_type is not None:
        out |= _as_room(one, viewer, role, is_template=one.id in world.templates)
    elif one.parent is not None:
        out |= _in_room(one.room)
    if is_single:
        out["isFavorite"] = False
        if root.kind == TRASH_ROOT:
            out["autoDelete"] = moment(one.modified + KEPT_IN_TRASH)
    if TRASH_ROOT not in (one.kind, root.kind):
        out |= _owned(one, world, viewer, has_shared=True)
    return out


def _owned(one: Folder, world: World, viewer: User, *, has_shared: bool) -> Json:
    """Whose room it is, to whoever else has a role in it (recorded: rooms.info, upload.single, file.lock)."""
    room = one.room
    if room is None or viewer is room.created_by or world.role(viewer, one) in {Access.NONE, Access.RESTRICT}:
        return {}
    if viewer.is_admin and viewer.id not in room.shares:
        return {}
    owner = employee(room.created_by)
    return {"ownedBy": owner} | ({"sharedBy": owner} if has_shared else {})


def _as_room(one: Folder, viewer: User, role: Access, *, is_template: bool) -> Json:
    out: Json = {
        "roomType": one.room_type,
        "tags": list(one.tags),
        "logo": _logo(one),
        "inRoom": role is not Access.RESTRICT,
    }
    is_archived = one.root.kind == ARCHIVE_ROOT
    sees_space = viewer.is_admin if is_archived else viewer.kind == "guest" or role is Access.ROOM_MANAGER
    if viewer is one.created_by or sees_space:  # (recorded: rooms.info, archive)
        out["usedSpace"] = sum(file.size for each in one.branch() for file in each.contents.values())
    if is_template:
        out["parentRoomType"] = TEMPLATES_ROOT
    if one.lifetime:
        out["lifetime"] = one.lifetime
    if one.watermark:
        out["watermark"] = one.watermark
    if one.room_type == 1:
        out |= {"saveFormAsXLSX": True, "sendFormToExternalDB": False}
    return out


def _logo(one: Folder) -> Json:
    logo = {"original": "", "large": "", "medium": "", "small": "", "color": one.colour}
    return logo | ({"cover": {"id": one.cover, "data": ""}} if one.cover else {})  # Logo.cs


def _in_room(room: Folder | None) -> Json:
    return {"parentRoomType": FOLDER_TYPES.get(room.room_type or 0, 14)} if room is not None else {}


def _dated(created: datetime, by: User, updated: datetime, updated_by: User) -> Json:
    out = {"created": moment(created), "createdBy": employee(by)}
    return out | {"updated": moment(updated), "updatedBy": employee(updated_by)}


def _sharing(one: Folder | File, room: Folder | None, *, may_share: bool) -> Json:
    is_room = isinstance(one, Folder) and one.room_type is not None
    kind = room.room_type if room is not None else 0
    out: Json = {
        "canShare": may_share,
        "shared": is_room and isinstance(one, Folder) and any(link.kind == 1 for link in one.links),
        "sharedForUser": bool(one.shares) if is_room and isinstance(one, Folder) else False,
        "sharedExternal": False,
        "parentShared": False,
        "shortWebUrl": "",
    }
    given = given_by_link(one, room)
    out["availableShareRights"] = {"ExternalLink": given, "PrimaryExternalLink": given}
    if not may_share or (isinstance(one, Folder) and one.parent is None):
        return out
    if not is_room:
        return out | {"shareSettings": {"ExternalLink": LINKS_OF_AN_ENTRY}}
    if kind == 1:
        return out | {"shareSettings": {"PrimaryExternalLink": PRIMARY_LINK}}
    if kind in {5, 6}:
        return out | {"shareSettings": {"PrimaryExternalLink": PRIMARY_LINK, "ExternalLink": OTHER_LINKS}}
    return out


def given_by_link(one: Folder | File, room: Folder | None) -> list[str]:
    """What an external link to it may give (recorded: file.info, rooms.info)."""
    given = LINK_RIGHTS.get(room.room_type or 0 if room is not None else 0, OTHER_LINK_RIGHTS)
    if isinstance(one, Folder) or given is not OTHER_LINK_RIGHTS:
        return given
    more = LINKS_TO_FILES.get(one.extension, ())
    return [name for name in given if name in {"Read", "None", *more}]


def path_part(one: Folder) -> Json:
    if one.room_type is None:
        return {"id": one.id, "title": one.title, "folderType": one.kind}
    kind = FOLDER_TYPES.get(one.room_type, 14)
    return {"id": one.id, "title": one.title, "folderType": kind, "roomType": one.room_type}


def file(one: File, world: World, viewer: User, *, is_single: bool = False) -> Json:
    """`is_single` is for the answer to a question after this very file, which tells more (recorded: file.info)."""
    root, room = one.folder.root, one.folder.room
    flags = world.file_rights(viewer, one)
    sees_it = viewer is not one.created_by and world.role(viewer, one.folder) is not Access.RESTRICT
    is_new = is_single and sees_it and one.moved_by is not viewer and root.kind != ARCHIVE_ROOT  # (recorded: ops.dates)
    out: Json = {
        "id": one.id,
        "folderId": one.folder.id,
        "rootFolderId": root.id,
        "title": one.title,
        "version": one.version,
        "versionGroup": one.version,
        "contentLength": length(one.size),
        "fileStatus": (EDITED if one.editing_by else 0) | (NEW if is_new else 0) | (CONVERTED if one.converting else 0),
        "editingBy": {},
        "mute": False,
        "fileType": FILE_TYPES.get(one.extension.casefold(), 0),
        "fileExst": one.extension.lower(),  # (recorded: file.rename)
        "viewUrl": f"{BASE}/filehandler.ashx?action=download&fileid={one.id}",
        "webUrl": f"{BASE}/doceditor?fileid={one.id}&version={one.version}",
        "thumbnailStatus": 0,
        "formFillingStatus": 0,
        "viewAccessibility": accessibility(one),
        "access": int(_shown(world.role(viewer, one.folder), one.folder, viewer)),
        "rootFolderType": root.kind,
        "fileEntryType": 2,
        "security": rights.shown(flags, rights.FILE_FLAGS),
    }
    changed = max(one.created, one.current.at)  # FileEntryDto.cs
    out |= _dated(one.created, one.created_by, changed, one.current.by)
    out |= _sharing(one, room, may_share=_may_share(one, world, viewer))
    if root.kind != ARCHIVE_ROOT:
        out |= _in_room(room)
    if one.current.comment:
        out["comment"] = one.current.comment
    if one.size:
        out["pureContentLength"] = one.size
    if one.extension.casefold() == ".pdf":
        out["isForm"] = False
    if one.locked_by is not None:
        out["locked"] = True
        if one.locked_by is not viewer:
            out["lockedBy"] = one.locked_by.name
    if root.kind != TRASH_ROOT:
        out |= _owned(one.folder, world, viewer, has_shared=not is_single)
    return out


def file_in_place(one: File, world: World, viewer: User) -> Json:
    """The answer to a question after this very file: also where it lies (recorded: file.info, archive, ops.delete)."""
    room, holder = one.folder.room, one.folder
    out = file(one, world, viewer, is_single=True)
    if room is not None:
        out |= {"originRoomId": room.id, "originRoomTitle": room.title}
    if holder is room:
        holder = room.root
    if holder.kind != ROOMS_ROOT:
        out |= {"originId": holder.id, "originTitle": SECTIONS.get(holder.kind, holder.title)}
    if holder.kind == TRASH_ROOT:
        out["autoDelete"] = moment(now() + KEPT_IN_TRASH)
    return out


def _may_share(one: File, world: World, viewer: User) -> bool:
    """A file of a room is shared by the room's managers, whoever made it; one's own by oneself (recorded: upload.*)."""
    kind = one.folder.root.kind
    if kind == ROOMS_ROOT:
        return world.may_manage(viewer, one.folder)
    return kind == MY_ROOT and viewer is one.created_by


def accessibility(one: File) -> Json:
    is_text = FILE_TYPES.get(one.extension.casefold()) in {5, 6, 7}
    out = dict.fromkeys(("WebView", "WebEdit", "WebReview", "WebComment", "CanConvert"), is_text)
    shown = {"ImageView": FILE_TYPES.get(one.extension.casefold()) == 4, "MediaView": False, "MustConvert": False}
    return out | shown | {"WebCustomFilterEditing": False, "WebRestrictedEditing": False}


def length(size: int) -> str:
    """A size for people, as the portal writes it (recorded: upload.single)."""
    if size < 1024:
        return f"{size:,} bytes"
    power = min(3, (size.bit_length() - 1) // 10)
    return f"{round(size / 1024**power, 2):g} {('KB', 'MB', 'GB')[power - 1]}"


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
    """Whoever made a room, or owns a section, is shown no role there (recorded: rooms.create, folder.create)."""
    room = one.room
    owner = room.created_by if room is not None else one.root.created_by
    if room is None and one.root.kind not in {MY_ROOT, TRASH_ROOT, ARCHIVE_ROOT}:
        return role
    return Access.NONE if owner is viewer else role
