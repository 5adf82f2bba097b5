"""Rooms: listing, making, changing, archiving and deleting them (recorded: rooms.*, archive, room.delete)."""

import json
from typing import Any

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.links import PRIMARY, add_primary
from roomkeeper.simulator.api.listing import in_order
from roomkeeper.simulator.api.request import Api, Reply, Routes, bodiless, lacking, not_of_type, units
from roomkeeper.simulator.problems import ApiError, ValidationError, forbidden, must_be_storable, rule_broken
from roomkeeper.simulator.world import ARCHIVE_ROOT, COLOURS, ROOMS_ROOT, Folder, now, sanitise

ROOM_TYPES = {  # recorded: rooms.create
    "fillingformsroom": 1,
    "editingroom": 2,
    "customroom": 5,
    "publicroom": 6,
    "virtualdataroom": 8,
    "airoom": 9,
}
AI_ROOM = 9  # recorded: rooms.create
DATA_ROOM = 8  # recorded: rooms.create
LIFETIME = ("deletePermanently", "period", "value")
AI_FOLDERS = ("Knowledge", "Result Storage")
TITLE_LIMIT, TAG_LIMIT, COLOUR_LIMIT = 170, 255, 6  # CreateRoomRequestDto.cs; recorded: rooms.titles
AREAS = {
    "1": [ARCHIVE_ROOT],
    "archive": [ARCHIVE_ROOT],
    "2": [ROOMS_ROOT, ARCHIVE_ROOT],
    "any": [ROOMS_ROOT, ARCHIVE_ROOT],
}
TEMPLATES = {"4", "templates"}


def rooms_list(api: Api) -> Any:
    if astral := next((one for one in api.query("filterValue") if ord(one) > 0xFFFF), ""):
        shown = "".join(f"\\x{byte:02X}" for byte in astral.encode())  # (recorded: rooms.titles)
        what = f"Cannot convert string '%{shown}%' from utf8mb4 to utf8mb3"
        raise ApiError(500, what, "MySqlConnector.MySqlException")
    area = api.query("searchArea").casefold()
    # searched in small letters on every database (AbstractDao.cs, BuildSearch)
    text, tags = api.world.title_key(api.query("filterValue").lower()), _tags(api.query("tags"))
    start, count = api.start(), api.number("count", 100, most=100)
    found = [one for one in api.world.rooms() if one.root.kind in AREAS.get(area, [ROOMS_ROOT])]
    if area in TEMPLATES:
        found = list(api.world.templates.values())
    rooms = [
        room
        for room in found
        if text in api.world.title_key(room.title.lower())
        and (not text or api.world.is_indexed)  # what the engine finds is all there is (FolderDao.cs, GetRoomsAsync)
        and tags <= set(room.tags)
        and api.world.may_read(api.user, room)
    ]
    page = in_order(api, rooms)[start : start + count]
    root = api.world.rooms_root
    return {
        "files": [],
        "folders": [dto.folder(room, api.world, api.user) for room in page],
        "current": dto.folder(root, api.world, api.user),
        "pathParts": [dto.path_part(root)],
        "startIndex": start,
        "count": len(page),
        "total": len(rooms),
        "new": 0,
    }


def _tags(text: str) -> set[str]:
    if not text:
        return set()
    try:
        return set(json.loads(text))
    except ValueError as error:
        what = f"'{text[:1]}' is an invalid start of a value. Path: $ | LineNumber: 0 | BytePositionInLine: 0."
        raise ApiError(500, what, "System.Text.Json.JsonException") from error


def room_create(api: Api) -> Any:
    if "roomType" not in api.body:
        raise lacking("CreateRoomRequestDto", "roomType")
    number = _room_type(api.body.get("roomType"))
    title = api.title(TITLE_LIMIT, "CreateRoomRequestDto")
    if units(str(api.body.get("color") or "")) > COLOUR_LIMIT:
        what = f"The field Color must be a string with a maximum length of {COLOUR_LIMIT}."
        raise ValidationError({"Color": [what]})
    if number not in ROOM_TYPES.values():
        what = "Specified argument was out of the range of valid values. (Parameter 'roomType')"
        raise ApiError(400, f"{what}\nActual value was {number}.", "System.ArgumentOutOfRangeException")
    tags = _checked_tags(api.body.get("tags") or [])
    if not api.user.may_manage_rooms:
        raise rule_broken("You don't have enough permission to create")
    _check_room_count(api)
    room = made_room(api, title, number, tags)
    if number == DATA_ROOM:
        room.is_indexed, room.deny_download = api.switch("indexing"), api.switch("denyDownload")
        given = api.body.get("lifetime") or {}
        if given and not 1 <= int(given.get("value", 0)) <= 999:  # RoomDataLifetimeDto.cs
            raise ValidationError({"Lifetime.Value": ["The field Value must be between 1 and 999."]})
        room.lifetime = {name: given[name] for name in LIFETIME if name in given}
    shown = dto.folder(room, api.world, api.user)
    if number in PRIMARY:
        shown["access"] = int(PRIMARY[number])  # the primary link's, this once (recorded: rooms.create)
    return shown | {"shared": False, "foldersCount": 0}


def _room_type(value: Any) -> int:
    if isinstance(value, str) and not value.isdigit():
        number = ROOM_TYPES.get(value.casefold())
        if number is None:
            raise not_of_type("roomType", "ASC.Files.Core.ApiModels.RequestDto.RoomType")
        return number
    return int(value)


def _checked_tags(given: list[Any]) -> list[str]:
    tags = list(dict.fromkeys(str(tag) for tag in given))
    if any(not tag.strip() for tag in tags):
        what = "The value cannot be an empty string. (Parameter 'name')"
        raise ApiError(400, what, "System.ArgumentException")
    if any(units(tag) > TAG_LIMIT for tag in tags):
        what = f"The field Name must be a string or array type with a maximum length of '{TAG_LIMIT}'."
        raise ApiError(400, what, "System.ArgumentException")
    for tag in tags:
        must_be_storable(tag, "name")
    return tags


def _check_room_count(api: Api) -> None:
    limit = api.world.room_limit
    if limit is not None and len(api.world.rooms_root.children) >= limit:
        raise ApiError(402, "The number of rooms exceeds the tariff", "ASC.Core.Tenants.TenantQuotaException")


def made_room(api: Api, title: str, number: int, tags: list[str]) -> Folder:
    room = api.world.add_folder(api.world.rooms_root, title, api.user, room_type=number)
    room.tags, room.colour = tags, COLOURS[room.id % len(COLOURS)]
    if number in PRIMARY:
        add_primary(room)
    if number == AI_ROOM:
        for name in AI_FOLDERS:
            api.world.add_folder(room, name, api.user)
    kind = "Agent" if number == AI_ROOM else "Room"  # FileStorageService.cs, CreateRoomAsync
    api.portal.history.note(f"{kind}Created", room, api.user)
    api.portal.webhooks.publish(f"{kind.lower()}.created", room, api.user)
    return room


def room_info(api: Api) -> Any:
    return dto.folder(api.room(), api.world, api.user, is_single=True)


def room_update(api: Api) -> Any:
    title, room = api.body.get("title"), api.world.folder(api.request.path_params["room_id"])
    if isinstance(title, str) and units(title) > TITLE_LIMIT:
        what = f"The field Title must be a string with a maximum length of {TITLE_LIMIT}."
        raise ValidationError({"UpdateRoom.Title": [what]})
    if room is None:
        raise rule_broken("The required folder was not found")
    if "EditRoom" not in api.world.folder_rights(api.user, room):
        raise rule_broken("You don't have permission to edit the room")
    if isinstance(title, str) and title.strip() and sanitise(title) != room.title:
        old = room.title
        room.title, room.modified, room.modified_by = sanitise(title), now(), api.user
        api.portal.history.note("RoomRenamed", room, api.user, old_title=old)
    if isinstance(api.body.get("tags"), list):
        room.tags = _checked_tags(api.body.get("tags"))
    room.deny_download = bool(api.body.get("denyDownload", room.deny_download))
    api.portal.webhooks.publish("room.updated", room, api.user)
    return dto.folder(room, api.world, api.user)


def room_tags(api: Api) -> Any:
    if not isinstance(api.body.get("names"), list):
        raise ValidationError({"BatchTags.Names": ["The Names field is required."]})
    room = api.world.folder(api.request.path_params["room_id"])
    if room is None:
        raise ApiError(404, "The record could not be found", "ASC.Common.Web.ItemNotFoundException")
    may = api.world.may_manage(api.user, room) or api.user.is_admin
    if not may or room.root.kind == ARCHIVE_ROOT:
        raise forbidden()
    given = api.body.get("names")
    if api.request.method == "DELETE":
        taken = [tag for tag in room.tags if tag in given]
        room.tags = [tag for tag in room.tags if tag not in given]
        if taken:  # CustomTagsService.cs
            api.portal.history.note_other("DeletedRoomTags", room, api.user, {"tags": taken})
        return dto.folder(room, api.world, api.user)
    known = {api.world.title_key(tag) for tag in room.tags}
    added = [name for name in _checked_tags(given) if api.world.title_key(name) not in known]
    room.tags += added
    if added:
        api.portal.history.note_other("AddedRoomTags", room, api.user, {"tags": added})
    return dto.folder(room, api.world, api.user)


def tags_list(api: Api) -> Any:
    text = api.query("filterValue").casefold()
    found = {tag for room in api.world.rooms() for tag in room.tags if text in tag.casefold()}
    return Reply(sorted(found), count=1)


def room_covers(_: Api) -> Any:
    return []


@bodiless
def room_pin(api: Api) -> Any:
    room = api.room()
    if api.request.url.path.endswith("/pin"):
        room.pinned_by.add(api.user.id)
    else:
        room.pinned_by.discard(api.user.id)
    return dto.folder(room, api.world, api.user)


def room_archive(api: Api) -> Any:
    room = api.room()
    if room.room_type is None:
        raise forbidden()
    return api.portal.fileops.archive(api.user, room, back=api.request.url.path.endswith("/unarchive"))


def room_delete(api: Api) -> Any:
    return api.portal.fileops.delete_room(api.user, api.room())


def room_news(api: Api) -> Any:
    api.room()
    return Reply([], count=0)


ROUTES: Routes = [
    ("GET", "/files/rooms", rooms_list, "rooms"),
    ("POST", "/files/rooms", room_create, "rooms"),
    ("GET", "/files/rooms/covers", room_covers, "rooms"),
    ("GET", "/files/tags", tags_list, "rooms"),
    ("GET", "/files/rooms/{room_id}", room_info, "rooms"),
    ("PUT", "/files/rooms/{room_id}", room_update, "rooms"),
    ("DELETE", "/files/rooms/{room_id}", room_delete, "rooms"),
    ("PUT", "/files/rooms/{room_id}/tags", room_tags, "rooms"),
    ("DELETE", "/files/rooms/{room_id}/tags", room_tags, "rooms"),
    ("PUT", "/files/rooms/{room_id}/pin", room_pin, "rooms"),
    ("PUT", "/files/rooms/{room_id}/unpin", room_pin, "rooms"),
    ("GET", "/files/rooms/{room_id}/news", room_news, "rooms"),
    ("PUT", "/files/rooms/{room_id}/archive", room_archive, "rooms"),
    ("PUT", "/files/rooms/{room_id}/unarchive", room_archive, "rooms"),
]
