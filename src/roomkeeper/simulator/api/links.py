"""Links to rooms, folders and files, and what is behind them (recorded: links)."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.answering import PortalResponse
from roomkeeper.simulator.api.request import Api, Reply, Routes, units
from roomkeeper.simulator.problems import ApiError, ValidationError, forbidden, rule_broken
from roomkeeper.simulator.rights import Access
from roomkeeper.simulator.world import ARCHIVE_ROOT, File, Folder, Link, World, now

#: What external links of each type of room may give, others have none; and what invitation links may.
EXTERNAL = {1: {7}, 5: {2, 5, 6, 7, 10}, 6: {2, 5, 6, 7, 10}}  # recorded: links
# recorded: links
INVITING = {1: {7, 11}, 2: {2, 10, 11}, 5: {2, 5, 6, 10, 11}, 6: {2, 11}, 8: {2, 7, 10, 11}, 9: {2, 11}}
PRIMARY = {1: Access.FILL_FORMS, 6: Access.READ}  # the link that such a room is made with (recorded: links)
AT_MOST = {1: 0, 5: 5, 6: 5}  # beside the primary one (recorded: links)
TITLE, FORM_TITLE = "Shared link", "Link to fill out"
TITLE_LIMIT, USES_LIMIT = 255, 1000  # RoomLinkRequestDto.cs
INVITATION, EXTERNAL_LINK = 0, 1  # RoomLinkRequestDto.cs
NOT_FOR_IT = "The role is not available for this user type"
OK, INVALID, WANTS_PASSWORD, WRONG_PASSWORD = 0, 1, 3, 4  # recorded: links
DENIED = 5  # ExternalShare.cs, Status
NOBODY = "00000000-0000-0000-0000-000000000000"


def add_primary(room: Folder) -> Link:
    title = FORM_TITLE if room.room_type == 1 else TITLE
    link = Link(EXTERNAL_LINK, PRIMARY.get(room.room_type or 0, Access.READ), title, primary=True)
    room.links.append(link)
    return link


def room_links(api: Api) -> Any:
    """Managers see them; anybody else sees none, and 200."""
    room, wanted = api.world.folder(api.request.path_params["room_id"]), api.query("type")
    seen = room is not None and api.world.may_manage(api.user, room)
    shown = [one for one in room.links if wanted in {"", str(one.kind)}] if room is not None and seen else []
    return Reply([shown_link(api, one) for one in shown], count=len(shown))


def room_primary_link(api: Api) -> Any:
    """A GET that makes what is missing."""
    room = api.room()
    if room.room_type not in EXTERNAL:
        raise rule_broken(NOT_FOR_IT)
    found = next((one for one in room.links if one.primary), None)
    return shown_link(api, found or add_primary(room))


def room_link(api: Api) -> Any:
    """Without `access` nothing is made, and 200 says so; an empty request beside an invitation link is refused."""
    room, body = api.room(), api.body
    if not api.world.may_manage(api.user, room) or room.root.kind == ARCHIVE_ROOT:
        raise forbidden()
    wanted = _Wanted(api)
    known = next((one for one in room.links if one.id == wanted.id), None)
    if wanted.access == Access.NONE and known is not None:
        return _removed(api, room, known)
    _check(room, wanted, known)
    if wanted.access == Access.NONE:
        return Reply(None, count=0)
    link = _set(room, known, wanted, body)
    if known is None and wanted.kind == EXTERNAL_LINK:
        data = {"id": link.id, "title": link.title, "access": "Viewer"}
        api.portal.history.note_other("RoomExternalLinkCreated", room, api.user, data)
    return shown_link(api, link)


def entry_links(api: Api) -> Any:
    """The links of a folder or a file: none for who does not manage the room, and 200 (FileSharing.cs)."""
    entry = _entry(api)
    shown = entry.links if _may_share(api, entry) else []
    return Reply([shown_link(api, one) for one in shown], count=len(shown), total=len(shown))


def entry_link(api: Api) -> Any:
    """Set a link of a folder or a file: external ones only, by the rules of its room (FileStorageService.cs,
    SetExternalLinkAsync; FileSharing.cs, SetAceObjectAsync; FileSecurity.cs, GetAccesses)."""
    entry, body = _entry(api), api.body
    if not _may_share(api, entry):
        raise forbidden()
    wanted = _Wanted(api, kind=EXTERNAL_LINK)
    known = next((one for one in entry.links if one.id == wanted.id), None)
    if wanted.access == Access.NONE and known is not None:
        if known.internal == api.switch("internal") or not known.internal:  # FileSharing.cs: CanEditInternalAsync
            entry.links.remove(known)
        return Reply(None, count=0)
    room = (entry if isinstance(entry, Folder) else entry.folder).room
    may = {name.casefold() for name in dto.given_by_link(entry, room)}
    if Access(wanted.access).name.replace("_", "").casefold() not in may:
        raise rule_broken(NOT_FOR_IT)
    most = {1: 0, 6: dto.OTHER_LINKS}.get((room.room_type or 0) if room is not None else 0, dto.LINKS_OF_AN_ENTRY)
    if known is None and len(entry.links) >= most:  # FileSecurity.cs, _linkCountRoomFileSettingsAccesses
        raise rule_broken(f"The maximum number of links may not exceed {most}")
    link = _set(entry, known, wanted, body)
    link.internal = {8: True, 6: False}.get((room.room_type or 0) if room is not None else 0, link.internal)
    return shown_link(api, link)


def _entry(api: Api) -> Folder | File:
    return api.file() if "file_id" in api.request.path_params else api.folder()


def _may_share(api: Api, entry: Folder | File) -> bool:
    folder = entry if isinstance(entry, Folder) else entry.folder
    room = folder.room
    return room is not None and api.world.may_manage(api.user, room) and folder.root.kind != ARCHIVE_ROOT


def _set(entry: Folder | File, known: Link | None, wanted: "_Wanted", body: Mapping[str, Any]) -> Link:
    end = _end(body.get("expirationDate"), wanted.kind)
    title = str(body.get("title") or "") or (known.title if known else TITLE)
    link = known or Link(wanted.kind, Access.NONE, title)
    if known is None:
        link.id = wanted.id or link.id
        entry.links.append(link)
    link.access, link.title, link.expires = Access(wanted.access), title, end
    # (VirtualRoomsController.cs, FoldersController.cs: trimmed)
    link.password = str(body.get("password") or "").strip() or None
    link.internal = bool(body.get("internal"))
    link.deny_download, link.max_use = bool(body.get("denyDownload")), body.get("maxUseCount")
    return link


class _Wanted:
    """What a request for a link says, checked for itself."""

    def __init__(self, api: Api, kind: int | None = None) -> None:
        body = api.body
        self.kind, self.id = body.get("linkType", INVITATION) if kind is None else kind, body.get("linkId")
        self.access = _access(body.get("access"))
        if not isinstance(self.kind, int):
            what = "The JSON value could not be converted to ASC.Files.Core.ApiModels.ResponseDto.LinkType."
            raise ValidationError({"$.linkType": [what]})
        if self.id is not None:
            try:
                self.id = str(uuid.UUID(self.id))
            except (ValueError, TypeError, AttributeError) as error:
                raise ValidationError(
                    {"$.linkId": ["The JSON value could not be converted to System.Guid."]}
                ) from error
        if units(str(body.get("title") or "")) > TITLE_LIMIT:
            what = f"The field Title must be a string with a maximum length of {TITLE_LIMIT}."
            raise ValidationError({"RoomLink.Title": [what]})
        uses = body.get("maxUseCount")
        if uses is not None and not 1 <= int(uses) <= USES_LIMIT:
            what = f"The field MaxUseCount must be between 1 and {USES_LIMIT}."
            raise ValidationError({"RoomLink.MaxUseCount": [what]})
        if self.kind not in {INVITATION, EXTERNAL_LINK}:
            raise rule_broken("Operation is not valid due to the current state of the object.")
        password = str(body.get("password") or "")
        if password and not api.portal.webhooks.fits(password):
            raise ApiError(400, api.portal.webhooks.policy_told(), "System.ArgumentException")


def _check(room: Folder, wanted: _Wanted, known: Link | None) -> None:
    """Refuse what such a room does not give, and one link too many (recorded: links)."""
    number = room.room_type or 2
    if wanted.kind == INVITATION:
        if known is None and any(one.kind == INVITATION for one in room.links):
            raise rule_broken("The maximum number of links may not exceed 1")
        if wanted.access != Access.NONE and wanted.access not in INVITING[number]:
            raise rule_broken(NOT_FOR_IT)
        return
    if number not in EXTERNAL or (
        wanted.access != Access.NONE and wanted.access not in EXTERNAL[number] | _seen(number)
    ):
        raise rule_broken(NOT_FOR_IT)
    others = [one for one in room.links if one.kind == EXTERNAL_LINK and not one.primary and one is not known]
    is_more = wanted.access != Access.NONE or not AT_MOST[number]
    if known is None and is_more and len(others) >= AT_MOST[number]:
        raise rule_broken(f"The maximum number of links may not exceed {AT_MOST[number]}")


def _seen(number: int) -> set[int]:
    """In a form room the number of links is looked at before an access to read."""
    return {2} if number == 1 else set()


def _removed(api: Api, room: Folder, known: Link) -> Any:
    """Take a link away; the primary one of a room that must have one is made anew."""
    room.links.remove(known)
    if known.kind == EXTERNAL_LINK:  # FileStorageService.cs, EventType.Remove
        api.portal.history.note_other("RoomExternalLinkDeleted", room, api.user, {"title": known.title})
    if known.primary and room.room_type in PRIMARY:
        return shown_link(api, add_primary(room))
    return Reply(None, count=0)


def _end(text: Any, kind: int) -> datetime | None:
    """Read when a link is to end: what is past, or no moment, is dropped, but refused for an invitation."""
    try:
        end = datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
    end = end.replace(tzinfo=UTC) if end is not None and end.tzinfo is None else end
    if end is not None and end <= now():
        if kind == INVITATION:
            what = "Value does not fall within the expected range. (Parameter 'expirationDate')"
            raise ApiError(400, what, "System.ArgumentException")
        return None
    return end


def _access(value: Any) -> int:
    if isinstance(value, int):
        return value
    name = "".join(part for part in str(value or "") if part.isalnum()).casefold()
    return next((int(one) for one in Access if one.name.replace("_", "").casefold() == name), 0)


def shown_link(api: Api, link: Link) -> dict[str, Any]:
    is_external = link.kind == EXTERNAL_LINK
    data: dict[str, Any] = {
        "id": link.id,
        "title": link.title,
        "linkType": link.kind,
        "shareLink": f"{api.world.base}/s/{link.token}",
        "primary": link.primary,
        "internal": link.internal,
        "denyDownload": link.deny_download,
        "isExpired": link.expires is not None and link.expires <= now(),
    }
    if is_external:
        data["requestToken"] = link.token
    else:
        data["currentUseCount"] = 0
    if link.max_use is not None:
        data["maxUseCount"] = link.max_use
    if link.expires is not None:
        data["expirationDate"] = dto.moment(link.expires)
    if link.password:
        data["password"] = link.password
    return {
        "access": int(link.access),
        "isLocked": False,
        "isOwner": False,
        "canEditAccess": False,
        "canEditInternal": is_external,
        "canEditDenyDownload": is_external,
        "canEditExpirationDate": is_external and not link.primary,
        "canRevoke": is_external,
        "sharedLink": data,
        "sharedTo": data,
        "subjectType": 3 if not is_external else 4 if link.primary else 1,
    }


async def shared_page(_: Request) -> Response:
    """What a browser finds behind a link: the web client's page, whether there is such a link or not."""
    return Response("<!doctype html><title>DocSpace</title>", media_type="text/html")


async def share_data(request: Request) -> Response:
    """What the portal says of an external link, to anybody."""
    entry, link = _behind(request)
    if entry is None or link is None:
        nothing = "Object reference not set to an instance of an object."
        return PortalResponse(ApiError(500, nothing, "System.NullReferenceException").document(), 500)
    if link.internal:  # ExternalShare.cs, ValidateRecordAsync
        return _said(request, entry, link, DENIED)
    return _said(request, entry, link, WANTS_PASSWORD if link.password else OK)


async def share_password(request: Request) -> Response:
    entry, link = _behind(request)
    given = (await request.json()).get("password")
    is_right = link is not None and given == link.password
    return _said(request, entry if is_right else None, link, OK if is_right else WRONG_PASSWORD)


def _behind(request: Request) -> tuple[Folder | File | None, Link | None]:
    world: World = request.app.state.portal.world
    return world.behind(request.path_params["key"])


def _said(request: Request, entry: Folder | File | None, link: Link | None, status: int) -> Response:
    is_open = status == OK and link is not None
    body: dict[str, Any] = {"status": status}
    if entry is not None:
        is_room = isinstance(entry, Folder) and entry.room_type is not None
        type_ = 1 if isinstance(entry, Folder) else 2  # FileEntryType.cs
        body |= {"id": str(entry.id), "title": entry.title, "type": type_, "isRoom": is_room}
    body |= {"tenantId": int(is_open), "shared": False, "linkId": link.id if is_open and link is not None else NOBODY}
    body |= {"isAuthenticated": False, "isRoomMember": False}
    return PortalResponse(dto.envelope(body, link={"href": str(request.url), "action": request.method}))


PAGES = [
    Route("/s/{token}", shared_page),
    Route("/rooms/shared/{room}", shared_page),
    Route("/api/2.0/files/share/{key}", share_data),
    Route("/api/2.0/files/share/{key}/password", share_password, methods=["POST"]),
]
ROUTES: Routes = [
    ("PUT", "/files/rooms/{room_id}/links", room_link, "rooms"),
    ("GET", "/files/rooms/{room_id}/links", room_links, "rooms"),
    ("GET", "/files/rooms/{room_id}/link", room_primary_link, "rooms"),
    # FilesController.cs, FoldersController.cs
    *(
        (method, f"/files/{entry}/links", answer, "files")
        for entry in ("file/{file_id}", "folder/{folder_id}")
        for method, answer in (("PUT", entry_link), ("GET", entry_links))
    ),
]
