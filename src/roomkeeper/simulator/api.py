"""The portal's REST API below /api/2.0, as routes that read top-down."""

import asyncio
import json
import random
import re
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roomkeeper.simulator import dto
from roomkeeper.simulator.fileops import COPY, MOVE, Batch, FileOps
from roomkeeper.simulator.history import History
from roomkeeper.simulator.limits import Limits
from roomkeeper.simulator.webhooks import TRIGGERS, Webhooks
from roomkeeper.simulator.world import (
    ARCHIVE_ROOT,
    MY_ROOT,
    Access,
    ApiError,
    File,
    Folder,
    Key,
    Link,
    Share,
    User,
    ValidationError,
    Version,
    World,
    forbidden,
    missing,
    now,
    rule_broken,
    sanitise,
)

ROOM_TYPES = {
    "FillingFormsRoom": 1,
    "EditingRoom": 2,
    "CustomRoom": 5,
    "PublicRoom": 6,
    "VirtualDataRoom": 8,
    "AiRoom": 9,
}
CONFLICTS = {"skip": 0, "overwrite": 1, "duplicate": 2}
ROLES = {  # room type: what a user may be given
    1: {9, 11, 7, 0},
    2: {9, 11, 10, 2, 0},
    5: {9, 11, 10, 5, 6, 2, 0},
    6: {9, 11, 0},
    8: {9, 11, 10, 2, 7, 0},
    9: {9, 11, 2, 0},
}
EXTERNAL = {1: {7}, 5: {10, 5, 6, 2}, 6: {2}}  # what external links of each type of room may give; others have none
PRIMARY = {1: Access.FILL_FORMS, 6: Access.READ}  # the link that such a room is made with
SORTS = {"dateandtime", "az", "size", "author", "type", "new", "dateandtimecreation", "usedspace", "lastopened"}
FILES_ONLY, FOLDERS_ONLY = {"1", "filesonly"}, {"2", "foldersonly"}
UPLOAD_LIMIT = 100 * 1024 * 1024
RENAME_LIMIT = 165  # characters (recorded: file.rename)
VERSION = "3.7.2"


@dataclass
class Session:
    """A chunked upload under way."""

    id: str
    folder: Folder
    title: str
    size: int
    user: User
    create_new: bool
    chunks: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Portal:
    """What the handlers work on."""

    world: World
    webhooks: Webhooks
    history: History
    fileops: FileOps
    limits: Limits
    sessions: dict[str, Session] = field(default_factory=dict)
    journal: list[dict[str, Any]] = field(default_factory=list)
    suspended: bool = False
    sorting: dict[str, tuple[str, bool]] = field(default_factory=dict)
    sensitive: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    template_job: dict[str, Any] | None = None
    jobs: set[Any] = field(default_factory=set)


Handler = Callable[["Api"], Awaitable[Any] | Any]


@dataclass
class Reply:
    """A response with what the envelope says of it."""

    response: Any
    count: int | None = None
    total: int | None = None
    status: int = 200


class Api:
    """One request in the hands of a handler."""

    def __init__(self, request: Request, portal: Portal, key: Key, body: dict[str, Any]) -> None:
        self.request, self.portal, self.user, self.key, self.body = request, portal, key.user, key, body
        self.world = portal.world

    def query(self, name: str, default: str = "") -> str:
        return next(
            (value for key, value in self.request.query_params.multi_items() if key.lower() == name.lower()), default
        )

    def queries(self, name: str) -> list[str]:
        wanted = {name.lower(), f"{name.lower()}[]"}
        return [value for key, value in self.request.query_params.multi_items() if key.lower() in wanted]

    def number(self, name: str, default: int, most: int | None = None) -> int:
        text = self.query(name)
        if not text:
            return default
        if not text.isdigit() or (most is not None and not 1 <= int(text) <= most):
            raise ValidationError({name: [f"The field {name} must be between 1 and {most}."]})
        return int(text)

    def folder(self, name: str = "folder_id") -> Folder:
        folder = self.world.folder(self.request.path_params[name])
        if folder is None:
            raise forbidden() if self.user is self.world.anonymous else missing("folder")
        if not self.world.may_read(self.user, folder):
            raise rule_broken("You don't have enough permission to view the folder content")
        return folder

    def file(self) -> File:
        file = self.world.file(self.request.path_params["file_id"])
        if file is None:
            raise forbidden() if self.user is self.world.anonymous else missing("file")
        if not self.world.may_read(self.user, file.folder):
            raise forbidden()
        return file

    def room(self) -> Folder:
        room = self.world.folder(self.request.path_params["room_id"])
        if room is None or room.room_type is None:
            raise missing("folder")
        if not self.world.may_read(self.user, room):
            raise forbidden()
        return room

    def title(self, most: int) -> str:
        title = self.body.get("title")
        if not isinstance(title, str) or not title.strip():
            raise ValidationError({"Title": ["The Title field is required."]})
        if len(title.encode("utf-16-le", "surrogatepass")) // 2 > most:
            raise ValidationError({"Title": [f"The field Title must be a string with a maximum length of {most}."]})
        return title.strip()


# --- people, keys ---------------------------------------------------------------------------------------------


def people_self(api: Api) -> Any:
    return dto.profile(api.user)


def people_one(api: Api) -> Any:
    wanted = api.request.path_params["user_id"].casefold()
    for user in api.world.users.values():
        if wanted in {user.id, user.email.casefold(), user.email.partition("@")[0].casefold()}:
            return dto.profile(_looked_up(api, user))
    raise missing("user")


def _looked_up(api: Api, user: User) -> User:
    """Users and guests look up nobody but themselves, and a guest only whoever has a relation (people.lookup)."""
    viewer = api.user
    if viewer is user or viewer.kind in {"owner", "admin"}:
        return user
    if viewer.kind != "room_admin" or (user.kind == "guest" and user.id not in api.world.relations.get(viewer.id, ())):
        raise forbidden()
    return user


def people_email(api: Api) -> Any:
    wanted = api.query("email").casefold()
    for user in api.world.users.values():
        if user.email.casefold() == wanted:
            return dto.profile(_looked_up(api, user))
    raise missing("user")


def people_guests_delete(api: Api) -> Any:
    """End the caller's relation to guests, and the shares that the caller granted: nothing more."""
    guests = [_person(api, one) for one in api.body.get("userIds") or []]
    mine = api.world.relations.get(api.user.id, set())
    if not api.user.may_manage_rooms or any(
        one.kind != "guest" or one.status != 1 or one.id not in mine for one in guests
    ):
        raise forbidden()
    for guest in guests:
        mine.discard(guest.id)
        for folder in api.world.folders.values():
            if guest.id in folder.shares and folder.shares[guest.id].granted_by == api.user.id:
                del folder.shares[guest.id]
    return Reply(None)


def people_status(api: Api) -> Any:
    status = {"active": 1, "1": 1, "terminated": 2, "2": 2}.get(api.request.path_params["status"].casefold())
    if status is None:
        raise ApiError(400, "The value is invalid.", "System.ArgumentException")
    people = [_person(api, one) for one in api.body.get("userIds") or []]
    if not api.user.is_admin or any(one is api.user or one.kind == "owner" for one in people):
        raise forbidden()
    for one in people:
        one.status = status
    return Reply([dto.profile(one) for one in people])


def _person(api: Api, wanted: Any) -> User:
    try:
        return api.world.users[str(uuid.UUID(wanted))]
    except (ValueError, TypeError, AttributeError) as error:
        raise ValidationError({"$.userIds[0]": ["The JSON value could not be converted to System.Guid."]}) from error
    except KeyError as error:
        raise missing("user") from error


def keys_self(api: Api) -> Any:
    return dto.key(api.key)


def keys_list(api: Api) -> Any:
    mine = [key for key in api.world.keys.values() if api.user.is_admin or key.user is api.user]
    return Reply([dto.key(key) for key in mine], count=1)


def keys_create(api: Api) -> Any:
    if api.user.kind == "guest":
        raise forbidden()
    name = api.body.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= 30:
        raise ValidationError({"Name": ["The field Name must be a string with a maximum length of 30."]})
    days = api.body.get("expiresInDays")
    if days is not None and not 1 <= int(days) <= 365:
        raise ValidationError({"ExpiresInDays": ["The field ExpiresInDays must be between 1 and 365."]})
    key = api.world.add_key(api.user, name, api.body.get("permissions"))
    key.expires = now() + timedelta(days=int(days)) if days is not None else None
    return dto.key(key, with_secret=True)


# --- folders and files ----------------------------------------------------------------------------------------


def folder_contents(api: Api) -> Any:
    """Folders first, then files, one offset over both; a filter makes the listing deep."""
    folder = api.folder()
    count, start = api.number("count", 100, most=100), api.number("startIndex", 0)
    kind, text = api.query("filterType").casefold(), api.query("filterValue").casefold()
    extensions = [one.strip().casefold() for one in api.query("extension").split(",") if one.strip()]
    deep = api.query("withSubFolders", "true").casefold() != "false" and bool(
        kind not in {"", "0", "none"} or text or extensions
    )
    folders = [] if kind in FILES_ONLY else _folders_below(api.world, folder, deep=deep)
    files = [] if kind in FOLDERS_ONLY else [one for one in api.world.files_in(folder, deep=deep) if not one.converting]
    folders = [one for one in folders if text in one.title.casefold() and not extensions]
    files = [one for one in files if text in one.title.casefold() and (not extensions or one.extension in extensions)]
    folders, files = _sorted(api, folders), _sorted(api, files)
    page: list[Any] = [*folders, *files][start : start + count]
    return {
        "files": [dto.file(one, api.world, api.user) for one in page if isinstance(one, File)],
        "folders": [dto.folder(one, api.world, api.user) for one in page if isinstance(one, Folder)],
        "current": dto.folder(folder, api.world, api.user),
        "pathParts": _path(folder),
        "startIndex": start,
        "count": len(page),
        "total": len(folders) + len(files),
        "new": 0,
    }


def my_contents(api: Api) -> Any:
    api.request.path_params["folder_id"] = api.world.personal(api.user, MY_ROOT).id
    return folder_contents(api)


def _folders_below(world: World, folder: Folder, *, deep: bool) -> list[Folder]:
    found = world.subfolders(folder)
    if deep:
        found += [below for child in list(found) for below in _folders_below(world, child, deep=True)]
    return found


def _sorted(api: Api, entries: list[Any]) -> list[Any]:
    """Sort without a tie-breaker; the order asked for is remembered for the next time that none is."""
    by, down = api.query("sortBy").casefold(), api.query("sortOrder").casefold() in {"1", "descending"}
    remembered = api.portal.sorting.get(api.user.id, ("dateandtime", True))
    by, down = (by, down) if by in SORTS else remembered
    api.portal.sorting[api.user.id] = (by, down)
    entries = random.sample(entries, len(entries))
    keys: dict[str, Callable[[Any], Any]] = {
        "dateandtimecreation": lambda one: one.created.replace(microsecond=0),
        "dateandtime": lambda one: (one.current.at if isinstance(one, File) else one.modified).replace(microsecond=0),
        "size": lambda one: len(one.current.content) if isinstance(one, File) else 0,
    }
    return sorted(entries, key=keys.get(by, lambda one: one.title.casefold()), reverse=down)


def _path(folder: Folder) -> list[dict[str, Any]]:
    parts = []
    for one in folder.way():
        part: dict[str, Any] = {"id": one.id, "title": one.title, "folderType": one.kind}
        if one.room_type is not None:
            part["roomType"] = one.room_type
        parts.append(part)
    return parts


def folder_info(api: Api) -> Any:
    return dto.folder(api.folder(), api.world, api.user)


def folder_path(api: Api) -> Any:
    return Reply([dto.folder(one, api.world, api.user) for one in api.folder().way()], count=1)


def folder_subfolders(api: Api) -> Any:
    return Reply([dto.folder(one, api.world, api.user) for one in api.world.subfolders(api.folder())], count=1)


def folder_create(api: Api) -> Any:
    title = api.title(165)
    parent = api.world.folder(api.request.path_params["folder_id"])
    if parent is None:
        raise rule_broken("The required folder was not found")
    if not api.world.may_create(api.user, parent):
        raise rule_broken("You don't have enough permission to create")
    folder = api.world.add_folder(parent, title, api.user)
    api.portal.history.note("FolderCreated", folder, api.user)
    api.portal.webhooks.publish("folder.created", folder, api.user)
    return dto.folder(folder, api.world, api.user)


def folder_rename(api: Api) -> Any:
    folder, title = api.folder(), api.title(165)
    if api.world.role(api.user, folder) not in {Access.ROOM_MANAGER, Access.CONTENT_CREATOR}:
        raise forbidden()
    folder.title, folder.modified, folder.modified_by = sanitise(title), now(), api.user
    api.portal.webhooks.publish("room.updated" if folder.room_type else "folder.updated", folder, api.user)
    return dto.folder(folder, api.world, api.user)


def folder_delete(api: Api) -> Any:
    shown = api.portal.fileops.delete(api.user, [], [api.folder()], immediately=bool(api.body.get("immediately")))
    return Reply(shown, count=1)


def folder_log(api: Api) -> Any:
    folder = api.folder()
    items, total = api.portal.history.page(
        folder,
        api.number("startIndex", 0),
        api.number("count", 100, most=100),
        _asked_moment(api, "fromDate"),
        _asked_moment(api, "toDate"),
    )
    return Reply(items, count=len(items), total=total)


def _asked_moment(api: Api, name: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(api.query(name)) if api.query(name) else None
    except ValueError as error:
        raise ValidationError({name: [f"The value '{api.query(name)}' is not valid."]}) from error
    return read.replace(tzinfo=UTC) if read is not None and read.tzinfo is None else read


def file_info(api: Api) -> Any:
    file = api.file()
    return dto.file(_at_version(file, api.number("version", file.version)), api.world, api.user)


def file_history(api: Api) -> Any:
    file = api.file()
    versions = [_at_version(file, number) for number in range(file.version, 0, -1)]
    return Reply([dto.file(one, api.world, api.user) for one in versions], count=1)


def _at_version(file: File, number: int) -> File:
    """Show a file as it was in one version (recorded: file.info)."""
    if number == file.version:
        return file
    if not 1 <= number <= file.version:
        raise missing("file")
    return replace(file, versions=file.versions[:number])


def file_rename(api: Api) -> Any:
    file = api.file()
    if not api.world.may_edit(api.user, file):
        raise forbidden()
    if file.editing_by or file.locked_by not in (None, api.user):
        raise rule_broken("The file is locked or being edited")
    title = str(api.body.get("title") or "").strip()
    if len(title.encode("utf-16-le", "surrogatepass")) > 2 * RENAME_LIMIT:
        raise ValidationError({"Title": [f"The field Title must have a maximum length of {RENAME_LIMIT}."]})
    if title:
        api.world.rename_file(file, title + ("" if title.endswith(file.extension) else file.extension))
        api.portal.history.note("FileRenamed", file, api.user)
        api.portal.webhooks.publish("file.updated", file, api.user)
    return dto.file(file, api.world, api.user)


def file_delete(api: Api) -> Any:
    shown = api.portal.fileops.delete(api.user, [api.file()], [], immediately=bool(api.body.get("immediately")))
    return Reply(shown, count=1)


def file_lock(api: Api) -> Any:
    file = api.file()
    if not api.world.may_edit(api.user, file):
        raise forbidden()
    if api.body.get("lockFile"):
        if file.locked_by not in (None, api.user):
            raise rule_broken("The file is locked by another user")
        file.locked_by = api.user
    else:
        file.locked_by = None
    return dto.file(file, api.world, api.user)


async def file_content(request: Request) -> Response:
    """The download behind viewUrl."""
    portal: Portal = request.app.state.portal
    key = _authenticate(portal, request)
    file = portal.world.file(request.query_params.get("fileid"))
    if key is None or file is None or not portal.world.may_read(key.user, file.folder):
        return Response(status_code=404)
    number = int(request.query_params.get("version") or file.version)
    return Response(file.versions[number - 1].content, media_type="application/octet-stream")


# --- uploads --------------------------------------------------------------------------------------------------


async def upload(api: Api) -> Any:
    """The single request: two deliveries, created and uploaded, also when it overwrote."""
    folder = _upload_folder(api)
    part = await _part(api.request)
    file = store(api.portal, folder, part[0], part[1], api.user, create_new=_flag(api, "createNewIfExist"))
    api.portal.webhooks.publish("file.created", file, api.user)
    api.portal.webhooks.publish("file.uploaded", file, api.user)
    return [dto.file(file, api.world, api.user)]


async def insert(api: Api) -> Any:
    folder = _upload_folder(api)
    name, content, title = await _part(api.request)
    file = store(api.portal, folder, title or name, content, api.user, create_new=_flag(api, "createNewIfExist"))
    api.portal.webhooks.publish("file.created", file, api.user)
    api.portal.webhooks.publish("file.uploaded", file, api.user)
    return dto.file(file, api.world, api.user)


def upload_check(api: Api) -> Any:
    folder = api.folder()
    return [title for title in api.body.get("filesTitle") or [] if api.world.namesake(folder, sanitise(title))]


def session_create(api: Api) -> Any:
    folder = _upload_folder(api)
    name = api.body.get("fileName")
    if not isinstance(name, str) or not name.strip():
        raise ValidationError({"FileName": ["The FileName field is required."]})
    for title in [one for one in str(api.body.get("relativePath") or "").split("/")[:-1] if one]:
        same = next((one for one in folder.children.values() if one.title == sanitise(title)), None)
        folder = same or api.world.add_folder(folder, title, api.user)  # fires no folder.created
    session = Session(
        uuid.uuid4().hex,
        folder,
        name,
        int(api.body.get("fileSize") or 0),
        api.user,
        bool(api.body.get("createNewIfExist")),
    )
    api.portal.sessions[session.id] = session
    return {
        "id": session.id,
        "path": [part.id for part in folder.way()],
        "created": f"{now():%Y-%m-%dT%H:%M:%S.%fZ}",
        "expired": f"{now() + timedelta(hours=12):%Y-%m-%dT%H:%M:%S.%fZ}",
        "location": f"/ChunkedUploader.ashx?uid={session.id}",
        "bytes_total": session.size,
    }


async def session_chunk(api: Api) -> Any:
    """Sequential: the chunk that completes the announced size ends the session, 201."""
    session = _session(api)
    session.chunks[len(session.chunks) + 1] = (await _part(api.request))[1]
    if sum(map(len, session.chunks.values())) < session.size:
        return {"id": session.id, "bytes_total": session.size, "bytes_uploaded": sum(map(len, session.chunks.values()))}
    return _finish(api, session)


async def session_part(api: Api) -> Any:
    session = _session(api)
    session.chunks[api.number("chunkNumber", 1)] = (await _part(api.request))[1]
    return {"id": session.id}


def session_finalize(api: Api) -> Any:
    return _finish(api, _session(api))


def session_abort(api: Api) -> Any:
    api.portal.sessions.pop(_session(api).id)
    return True


def _session(api: Api) -> Session:
    session = api.portal.sessions.get(api.request.path_params["session_id"])
    if session is None or session.user is not api.user:
        raise missing("upload session")
    return session


def _finish(api: Api, session: Session) -> Reply:
    """One delivery only: uploaded."""
    content = b"".join(session.chunks[number] for number in sorted(session.chunks))
    file = store(api.portal, session.folder, session.title, content, api.user, create_new=session.create_new)
    api.portal.sessions.pop(session.id)
    api.portal.webhooks.publish("file.uploaded", file, api.user)
    body = {
        "id": file.id,
        "folderId": file.folder.id,
        "version": file.version,
        "title": file.title,
        "uploaded": True,
        "file": dto.file(file, api.world, api.user),
    }
    return Reply(body, status=201)


def store(portal: Portal, folder: Folder, title: str, content: bytes, user: User, *, create_new: bool) -> File:
    """A namesake gets a new version if the user may edit it; else a second file of the same title appears."""
    world = portal.world
    if len(content) > UPLOAD_LIMIT:
        raise ApiError(402, "The file size exceeds the limit", "ASC.Core.Tenants.TenantQuotaException")
    target = world.namesake(folder, sanitise(title))
    if target is not None and not create_new:
        may = world.may_edit(user, target) and user.kind != "guest"
        if may and not target.editing_by and target.locked_by in (None, user):
            target.versions.append(Version(content, user, now()))
            portal.history.note("UserFileUpdated", target, user)
            return target
    wanted = world.free_title(folder, sanitise(title)) if create_new else title
    file = world.add_file(folder, wanted, content, user)
    portal.history.note("FileUploaded", file, user)
    return file


def save_edited(portal: Portal, file: File, content: bytes, user: User) -> None:
    """What the editor does: a new version, an entry that looks like an upload that overwrote, another trigger."""
    file.versions.append(Version(content, user, now()))
    portal.history.note("UserFileUpdated", file, user)
    portal.webhooks.publish("file.updated", file, user)


def _upload_folder(api: Api) -> Folder:
    wanted = api.request.path_params.get("folder_id")
    folder = api.world.personal(api.user, MY_ROOT) if wanted is None else api.world.folder(wanted)
    if folder is None:
        raise missing("folder")
    if not api.world.may_create(api.user, folder):
        raise rule_broken("You don't have enough permission to create")
    return folder


async def _part(request: Request) -> tuple[str, bytes, str]:
    """Take the one file of a form; gives its name, its content and the form's title."""
    async with request.form(max_part_size=UPLOAD_LIMIT + 1) as form:
        for value in form.values():
            if isinstance(value, UploadFile):
                title = form.get("title")
                return value.filename or "file", await value.read(), title if isinstance(title, str) else ""
    raise ApiError(400, "No file in the request", "System.ArgumentException")


def _flag(api: Api, name: str) -> bool:
    return api.query(name).casefold() == "true"


# --- operations -----------------------------------------------------------------------------------------------


def fileops_copy(api: Api) -> Any:
    return Reply(api.portal.fileops.transfer(api.user, COPY, _batch(api)), count=1)


def fileops_move(api: Api) -> Any:
    return Reply(api.portal.fileops.transfer(api.user, MOVE, _batch(api)), count=1)


def fileops_delete(api: Api) -> Any:
    files = [file for one in api.body.get("fileIds") or [] if (file := api.world.file(one)) is not None]
    folders = [folder for one in api.body.get("folderIds") or [] if (folder := api.world.folder(one)) is not None]
    immediately = bool(api.body.get("immediately"))
    return Reply(api.portal.fileops.delete(api.user, files, folders, immediately=immediately), count=1)


def fileops_list(api: Api) -> Any:
    return Reply(api.portal.fileops.listing(api.user, api.query("id") or None), count=1)


def fileops_conflicts(api: Api) -> Any:
    return Reply(api.portal.fileops.conflicts(api.user, api.query("destFolderId"), api.queries("fileIds")), count=1)


def fileops_terminate(api: Api) -> Any:
    return Reply(api.portal.fileops.terminate(api.user, api.request.path_params.get("id")), count=1)


def _batch(api: Api) -> Batch:
    body = api.body
    conflict = body.get("conflictResolveType", 0)
    if isinstance(conflict, str):
        conflict = CONFLICTS.get(conflict.casefold(), conflict)
    if conflict not in {0, 1, 2}:
        raise ValidationError({"conflictResolveType": ["The JSON value could not be converted."]})
    for name in ("deleteAfter", "content", "returnSingleOperation"):
        if not isinstance(body.get(name, False), bool):
            raise ValidationError({name: ["The JSON value could not be converted to System.Boolean."]})
    for name in ("fileIds", "folderIds"):
        if not isinstance(body.get(name) or [], list):
            raise ValidationError({name: ["The JSON value could not be converted."]})
        if any(not isinstance(one, int | str) for one in body.get(name) or []):
            raise ValidationError({name: ["The JSON value could not be converted."]})
    return Batch(
        files=list(body.get("fileIds") or []),
        folders=list(body.get("folderIds") or []),
        destination=body.get("destFolderId"),
        conflict=int(conflict),
        hold=not body.get("deleteAfter", False),
        content=bool(body.get("content", False)),
        single=bool(body.get("returnSingleOperation", False)),
    )


# --- rooms ----------------------------------------------------------------------------------------------------


def rooms_list(api: Api) -> Any:
    area = api.query("searchArea").casefold()
    roots = {"1": [ARCHIVE_ROOT], "archive": [ARCHIVE_ROOT], "2": [14, ARCHIVE_ROOT], "any": [14, ARCHIVE_ROOT]}.get(
        area, [14]
    )
    text = api.query("filterValue").casefold()
    tags = _tags(api.query("tags"))
    rooms = [
        room
        for room in api.world.folders.values()
        if room.room_type is not None
        and room.root.kind in roots
        and text in room.title.casefold()
        and tags <= set(room.tags)
        and api.world.may_read(api.user, room)
    ]
    start, count = api.number("startIndex", 0), api.number("count", 100, most=100)
    page = _sorted(api, rooms)[start : start + count]
    root = api.world.rooms_root
    return {
        "files": [],
        "folders": [dto.folder(room, api.world, api.user) for room in page],
        "current": dto.folder(root, api.world, api.user),
        "pathParts": _path(root),
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
        raise ApiError(500, "Unexpected character", "System.Text.Json.JsonException") from error


def room_create(api: Api) -> Any:
    title = api.title(170)
    kind = api.body.get("roomType")
    number = ROOM_TYPES.get(kind, -1) if isinstance(kind, str) and not kind.isdigit() else int(kind or -1)
    if number not in ROOM_TYPES.values():
        raise ApiError(
            400, "Specified argument was out of the range of valid values.", "System.ArgumentOutOfRangeException"
        )
    if not api.user.may_manage_rooms:
        raise forbidden()
    _check_room_count(api)
    return dto.folder(_made_room(api, title, number), api.world, api.user)


def _check_room_count(api: Api) -> None:
    limit = api.world.room_limit
    if limit is not None and len(api.world.rooms_root.children) >= limit:
        raise ApiError(402, "The number of rooms exceeds the tariff", "ASC.Core.Tenants.TenantQuotaException")


def _made_room(api: Api, title: str, number: int) -> Folder:
    room = api.world.add_folder(api.world.rooms_root, title, api.user, room_type=number)
    room.tags = [str(tag) for tag in api.body.get("tags") or []]
    if number in PRIMARY:
        room.links.append(Link(1, PRIMARY[number], "Shared link", primary=True))
    api.portal.history.note("RoomCreated", room, api.user)
    api.portal.webhooks.publish("room.created", room, api.user)
    return room


def room_from_template(api: Api) -> Any:
    """One job on the whole portal: while one runs, another is dropped without a word."""
    job = api.portal.template_job
    if job is not None and not job["isCompleted"]:
        return job
    template = api.world.templates.get(int(api.body.get("templateId") or 0))
    if template is None:
        raise missing("folder")
    if not api.user.may_manage_rooms:
        raise forbidden()
    title = api.title(170)
    job = {"progress": 0, "error": "", "isCompleted": False}
    api.portal.template_job = job

    async def work() -> None:
        await asyncio.sleep(0.3)
        room = _made_room(api, title, template[0])
        for name in template[1]:
            api.world.add_folder(room, name, api.user)
        job.update(progress=100, isCompleted=True, roomId=room.id)

    api.portal.jobs.add(asyncio.get_running_loop().create_task(work()))
    return job


def room_template_status(api: Api) -> Any:
    return api.portal.template_job


def room_links(api: Api) -> Any:
    wanted = api.query("type")
    shown = [one for one in api.room().links if wanted == "" or one.kind == int(wanted)]
    return Reply([_link(api, one) for one in shown], count=1)


def room_primary_link(api: Api) -> Any:
    """A GET that makes what is missing."""
    room = api.room()
    if room.room_type not in EXTERNAL:
        raise rule_broken("The role is not available for this user type")
    if not any(one.primary for one in room.links):
        room.links.append(Link(1, PRIMARY.get(room.room_type or 0, Access.READ), "Shared link", primary=True))
    return _link(api, next(one for one in room.links if one.primary))


def room_link(api: Api) -> Any:
    """Without `access` nothing is made, and 200 says so; an empty request beside an invitation link is refused."""
    room, body = api.room(), api.body
    if api.world.role(api.user, room) is not Access.ROOM_MANAGER or room.root.kind == ARCHIVE_ROOT:
        raise forbidden()
    kind, access = body.get("linkType", 0), _access(body.get("access"))
    if kind not in {0, 1}:
        raise ValidationError(
            {"$.linkType": ["The JSON value could not be converted to ASC.Files.Core.ApiModels.LinkType."]}
        )
    if any(one.kind == 0 for one in room.links) and kind == 0 and not body.get("linkId"):
        raise rule_broken("The maximum number of links has been reached")
    if access == Access.NONE:
        return None
    number = room.room_type or 2
    allowed = EXTERNAL.get(number, set()) if kind == 1 else ROLES[number] - {9, 0}
    if access not in allowed:
        raise rule_broken("The role is not available for this user type")
    external = [one for one in room.links if one.kind == 1 and not one.primary]
    if kind == 1 and (len(external) >= 5 or number == 1):
        raise rule_broken("The maximum number of links has been reached")
    link = Link(
        kind,
        Access(access),
        str(body.get("title") or "Link"),
        expires=body.get("expirationDate"),
        password=body.get("password"),
        internal=bool(body.get("internal")),
    )
    room.links.append(link)
    return _link(api, link)


def _link(api: Api, link: Link) -> dict[str, Any]:
    path = "s" if link.kind == 1 else "confirm/LinkInvite"
    data: dict[str, Any] = {
        "id": link.id,
        "title": link.title,
        "linkType": link.kind,
        "shareLink": f"{api.world.base}/{path}/{link.token}",
        "primary": link.primary,
        "internal": link.internal,
        "denyDownload": False,
        "isExpired": False,
        "requestToken": link.token,
    }
    if link.expires:
        data["expirationDate"] = link.expires
    if link.password:
        data["password"] = link.password
    subject = 3 if link.kind == 0 else 4 if link.primary else 1
    return {
        "access": int(link.access),
        "isLocked": False,
        "isOwner": False,
        "canEditAccess": True,
        "canEditInternal": True,
        "canEditDenyDownload": True,
        "canEditExpirationDate": not link.primary,
        "canRevoke": True,
        "sharedLink": data,
        "sharedTo": data,
        "subjectType": subject,
    }


def groups_list(api: Api) -> Any:
    shown = [{"id": id_, "name": name, "manager": None} for id_, (name, _) in api.world.groups.items()]
    start, count = api.number("startIndex", 0), api.number("count", 100)
    return Reply(shown[start : start + count], count=len(shown[start : start + count]), total=len(shown))


async def shared_page(_: Request) -> Response:
    """What a browser finds behind a link: the web client's page, whether there is such a link or not."""
    return Response("<!doctype html><title>DocSpace</title>", media_type="text/html")


async def share_data(request: Request) -> Response:
    """What the portal says of an external link, to anybody: 0 ok, 1 invalid, 3 wants a password."""
    world: World = request.app.state.portal.world
    token = request.path_params["key"]
    found = next((link for room in world.folders.values() for link in room.links if link.token == token), None)
    state = 1 if found is None else 3 if found.password else 0
    return JSONResponse(
        dto.envelope({"status": state, "tenantId": "1", "shared": found is not None}, href=str(request.url))
    )


def room_info(api: Api) -> Any:
    return dto.folder(api.room(), api.world, api.user)


def room_update(api: Api) -> Any:
    room = api.room()
    if api.world.role(api.user, room) is not Access.ROOM_MANAGER:
        raise forbidden()
    if isinstance(api.body.get("title"), str):
        room.title, room.modified, room.modified_by = sanitise(api.body["title"]), now(), api.user
    api.portal.webhooks.publish("room.updated", room, api.user)
    return dto.folder(room, api.world, api.user)


def room_tags(api: Api) -> Any:
    room, names = api.room(), [str(name) for name in api.body.get("names") or []]
    if api.world.role(api.user, room) is not Access.ROOM_MANAGER or room.root.kind == ARCHIVE_ROOT:
        raise forbidden()
    if api.request.method == "DELETE":
        room.tags = [tag for tag in room.tags if tag not in names]
    else:
        room.tags += [name for name in names if name not in room.tags]
    return dto.folder(room, api.world, api.user)


def room_share(api: Api) -> Any:
    """`entries` is not a field of this request: without `invitations` nothing happens, and 200 says so."""
    room, invitations = api.room(), api.body.get("invitations")
    if invitations is None:
        return {"error": 0}
    if api.world.role(api.user, room) is not Access.ROOM_MANAGER or room.root.kind == ARCHIVE_ROOT:
        raise forbidden()
    shown: list[str] = []
    for one in invitations:
        member, access = _invitee(api, one), _access(one.get("access"))
        user = api.world.users.get(member)
        if access not in ROLES[room.room_type or 2] or (user is None and access == Access.ROOM_MANAGER):
            raise rule_broken("The role is not available for this user type")
        by_address = bool(one.get("email"))  # then the portal takes somebody who is there for a guest (share.shapes)
        if user is not None and access == Access.ROOM_MANAGER and (by_address or not user.may_manage_rooms):
            raise rule_broken("The role is not available for this user type")
        if user is room.created_by:
            continue
        related = member in api.world.relations.get(api.user.id, set())
        if access == Access.NONE:
            if user is None or user.kind != "guest" or room.created_by is api.user or related:
                room.shares.pop(member, None)  # for anybody else's guest: 200, and nothing
        else:
            room.shares[member] = Share(Access(access), api.user.id)
            api.world.relations.setdefault(api.user.id, set()).add(member)
            if "email" not in one:
                shown.append(member)
    return {"members": [_member(api, room, member) for member in shown], "error": 0}


def _invitee(api: Api, one: dict[str, Any]) -> str:
    if one.get("email"):
        found = next((user for user in api.world.users.values() if user.email == one["email"]), None)
        return (found or api.world.add_user(one["email"], one["email"], "guest")).id
    try:
        wanted = str(uuid.UUID(one.get("id")))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValidationError({"id": ["The JSON value could not be converted to System.Guid."]}) from error
    if wanted not in api.world.users and wanted not in api.world.groups:
        raise missing("user")
    return wanted


def _access(value: Any) -> int:
    """A number or a name; any name that is not known silently means none."""
    if isinstance(value, int):
        return value
    name = "".join(part for part in str(value or "") if part.isalnum()).casefold()
    return next((int(one) for one in Access if one.name.replace("_", "").casefold() == name), 0)


def room_members(api: Api) -> Any:
    room = api.room()
    members = [room.created_by.id, *room.shares]
    start, count = api.number("startIndex", 0), api.number("count", 100, most=100)
    page = [_member(api, room, member) for member in members[start : start + count]]
    return Reply(page, count=len(page), total=len(members))


def _member(api: Api, room: Folder, member: str) -> dict[str, Any]:
    is_owner = room.created_by.id == member
    access = Access.READ_WRITE if is_owner else room.shares[member].access
    out: dict[str, Any] = {
        "access": int(access),
        "isLocked": False,
        "isOwner": is_owner,
        "canEditAccess": not is_owner,
        "canEditInternal": False,
        "canEditDenyDownload": False,
        "canEditExpirationDate": False,
        "canRevoke": not is_owner,
    }
    if member in api.world.users:
        return out | {"sharedToUser": dto.profile(api.world.users[member]), "subjectType": 0}
    return out | {"sharedToGroup": {"id": member, "name": api.world.groups[member][0]}, "subjectType": 2}


def room_archive(api: Api) -> Any:
    return api.portal.fileops.archive(api.user, api.room(), back=api.request.url.path.endswith("/unarchive"))


# --- webhooks -------------------------------------------------------------------------------------------------


def webhooks_list(api: Api) -> Any:
    if api.user.kind == "guest":
        raise forbidden()
    mine = [one for one in api.portal.webhooks.configs.values() if api.user.is_admin or one.by is api.user]
    rows = [{"configs": api.portal.webhooks.config_dto(one), "status": one.last_status} for one in mine]
    return Reply(rows, count=1)


async def webhook_create(api: Api) -> Any:
    _check_webhook(api)
    if not api.body.get("secretKey"):
        raise ApiError(400, "Password must be between 8 and 30 characters long", "System.ArgumentException")
    return api.portal.webhooks.config_dto(await api.portal.webhooks.register(api.body, api.user))


async def webhook_update(api: Api) -> Any:
    _check_webhook(api)
    config = _webhook(api, api.body.get("id"))
    await api.portal.webhooks.probe(api.body["uri"])
    config.name, config.uri = api.body["name"], api.body["uri"]
    config.enabled, config.ssl = bool(api.body.get("enabled")), bool(api.body.get("ssl"))
    config.triggers, config.target = int(api.body.get("triggers") or 0), api.body.get("targetId")
    config.secret = api.body.get("secretKey") or config.secret
    config.modified = now()
    return api.portal.webhooks.config_dto(config)


async def webhook_enable(api: Api) -> Any:
    _check_webhook(api)
    config = _webhook(api, api.body.get("id"))
    if api.body.get("enabled"):
        await api.portal.webhooks.probe(config.uri)
    config.enabled, config.modified = bool(api.body.get("enabled")), now()
    return api.portal.webhooks.config_dto(config)


def webhook_delete(api: Api) -> Any:
    config = _webhook(api, api.request.path_params["id"])
    api.portal.webhooks.configs.pop(config.id)
    return api.portal.webhooks.config_dto(config)


def webhook_triggers(_: Api) -> Any:
    shown = [{"name": "*", "id": 0, "available": True}]
    shown += [{"name": name, "id": bit, "available": True} for bit, name in TRIGGERS.items()]
    return Reply(shown, count=1)


def webhook_log(api: Api) -> Any:
    hooks = api.portal.webhooks
    named = {"notsent": 1, "status2xx": 2, "status3xx": 4, "status4xx": 8, "status5xx": 16}
    asked = api.query("groupStatus").casefold()
    group = named.get(asked) or int(asked or 0)
    rows = [
        row
        for row in reversed(hooks.log)
        if row.config.id in hooks.configs
        and (api.user.is_admin or row.config.by is api.user)
        and (not api.query("configId") or row.config.id == int(api.query("configId")))
        and (not api.query("eventId") or row.id == int(api.query("eventId")))
        and (not api.query("trigger") or row.trigger == int(api.query("trigger")))
        and (not api.query("hookUri") or row.config.uri == api.query("hookUri"))
        and (not (api.query("deliveryFrom") or api.query("deliveryTo")) or row.delivery is not None)
        and (not group or _status_group(row.status) & group)
    ]
    start, count = api.number("startIndex", 0), api.number("count", 100, most=100)
    page = [hooks.row_dto(row) for row in rows[start : start + count]]
    return Reply(page, count=1, total=len(rows))


def webhook_retry(api: Api) -> Any:
    ids = api.body.get("ids") or [api.request.path_params.get("id")]
    wanted = {int(one) for one in ids if one is not None}
    rows = [
        row for row in api.portal.webhooks.log if row.id in wanted and (api.user.is_admin or row.config.by is api.user)
    ]
    sent = [api.portal.webhooks.row_dto(api.portal.webhooks.resend(row)) for row in rows]
    if "id" not in api.request.path_params:
        return Reply(sent, count=1)
    if not sent:
        raise missing("delivery")
    return sent[0]


def _status_group(status: int) -> int:
    return {0: 1, 2: 2, 3: 4, 4: 8, 5: 16}.get(status // 100, 16)


def _webhook(api: Api, wanted: Any) -> Any:
    config = api.portal.webhooks.configs.get(int(wanted or 0))
    if config is None:
        raise missing("webhook")
    if not api.user.is_admin and config.by is not api.user:
        raise forbidden()
    return config


def _check_webhook(api: Api) -> None:
    if api.user.kind == "guest":
        raise forbidden()
    problems = {}
    if not 0 < len(str(api.body.get("name") or "")) <= 50:
        problems["Name"] = ["The Name field is required, 50 characters at most."]
    if not api.body.get("uri"):
        problems["Uri"] = ["The Uri field is required."]
    if not isinstance(api.body.get("triggers", 0), int):
        problems["$.triggers"] = ["The JSON value could not be converted to ASC.Webhooks.Core.WebhookTrigger."]
    if problems:
        raise ValidationError(problems)
    if api.body.get("ssl") and not str(api.body["uri"]).startswith("https://"):
        raise ApiError(400, "The url must use https", "System.ArgumentException")
    secret = str(api.body.get("secretKey") or "")
    if secret and not _fits(secret, api.portal.webhooks.policy):
        raise ApiError(400, "Password must be between 8 and 30 characters long", "System.ArgumentException")


def _fits(secret: str, policy: dict[str, Any]) -> bool:
    """The portal's password policy; 30 is the end whatever the field admits."""
    asked = {
        "upperCase": any(one.isupper() for one in secret),
        "digits": any(one.isdigit() for one in secret),
        "specSymbols": any(not one.isalnum() for one in secret),
    }
    is_printable = secret.isascii() and secret.isprintable()
    return policy["minLength"] <= len(secret) <= 30 and is_printable and all(asked[n] for n in asked if policy[n])


def password_policy(api: Api) -> Any:
    return dict(api.portal.webhooks.policy)


def portal_settings(_: Api) -> Any:
    return {"version": VERSION, "culture": "en-US", "utcOffset": "02:00:00", "baseDomain": "localhost"}


# --- the way of a request -------------------------------------------------------------------------------------

ROUTES: list[tuple[str, str, Handler, str]] = [
    ("GET", "/people/@self", people_self, "accounts.self"),
    ("GET", "/people/email", people_email, "accounts"),
    ("DELETE", "/people/guests", people_guests_delete, "accounts"),
    ("PUT", "/people/status/{status}", people_status, "accounts"),
    ("GET", "/people/{user_id}", people_one, "accounts"),
    ("GET", "/keys/@self", keys_self, ""),
    ("GET", "/keys", keys_list, "*"),
    ("POST", "/keys", keys_create, "*"),
    ("PUT", "/files/fileops/copy", fileops_copy, "files"),
    ("GET", "/files/fileops/move", fileops_conflicts, "files"),
    ("PUT", "/files/fileops/move", fileops_move, "files"),
    ("PUT", "/files/fileops/delete", fileops_delete, "files"),
    ("GET", "/files/fileops", fileops_list, "files"),
    ("PUT", "/files/fileops/terminate/{id}", fileops_terminate, "files"),
    ("PUT", "/files/fileops/terminate", fileops_terminate, "files"),
    ("GET", "/files/rooms", rooms_list, "rooms"),
    ("POST", "/files/rooms", room_create, "rooms"),
    ("POST", "/files/rooms/fromTemplate", room_from_template, "rooms"),
    ("GET", "/files/rooms/fromTemplate/status", room_template_status, "rooms"),
    ("PUT", "/files/rooms/{room_id}/links", room_link, "rooms"),
    ("GET", "/files/rooms/{room_id}/links", room_links, "rooms"),
    ("GET", "/files/rooms/{room_id}/link", room_primary_link, "rooms"),
    ("GET", "/group", groups_list, "accounts"),
    ("GET", "/files/rooms/{room_id}", room_info, "rooms"),
    ("PUT", "/files/rooms/{room_id}", room_update, "rooms"),
    ("PUT", "/files/rooms/{room_id}/tags", room_tags, "rooms"),
    ("DELETE", "/files/rooms/{room_id}/tags", room_tags, "rooms"),
    ("PUT", "/files/rooms/{room_id}/share", room_share, "rooms"),
    ("GET", "/files/rooms/{room_id}/share", room_members, "rooms"),
    ("PUT", "/files/rooms/{room_id}/archive", room_archive, "rooms"),
    ("PUT", "/files/rooms/{room_id}/unarchive", room_archive, "rooms"),
    ("GET", "/files/file/{file_id}", file_info, "files"),
    ("GET", "/files/file/{file_id}/history", file_history, "files"),
    ("PUT", "/files/file/{file_id}/lock", file_lock, "files"),
    ("PUT", "/files/file/{file_id}", file_rename, "files"),
    ("DELETE", "/files/file/{file_id}", file_delete, "files"),
    ("POST", "/files/folder/{folder_id}", folder_create, "files"),
    ("PUT", "/files/folder/{folder_id}", folder_rename, "files"),
    ("DELETE", "/files/folder/{folder_id}", folder_delete, "files"),
    ("GET", "/files/folder/{folder_id}", folder_info, "files"),
    ("GET", "/files/folder/{folder_id}/path", folder_path, "files"),
    ("GET", "/files/folder/{folder_id}/log", folder_log, "files"),
    ("GET", "/files/@my", my_contents, "files"),
    ("POST", "/files/@my/upload", upload, "files"),
    ("POST", "/files/{folder_id}/upload", upload, "files"),
    ("POST", "/files/{folder_id}/insert", insert, "files"),
    ("POST", "/files/{folder_id}/upload/check", upload_check, "files"),
    ("POST", "/files/{folder_id}/session", session_create, "files"),
    ("POST", "/files/{folder_id}/session/{session_id}", session_chunk, "files"),
    ("POST", "/files/{folder_id}/session/{session_id}/upload", session_part, "files"),
    ("PUT", "/files/{folder_id}/session/{session_id}/finalize", session_finalize, "files"),
    ("DELETE", "/files/{folder_id}/session/{session_id}", session_abort, "files"),
    ("GET", "/files/{folder_id}/subfolders", folder_subfolders, "files"),
    ("GET", "/files/{folder_id}", folder_contents, "files"),
    ("GET", "/settings", portal_settings, "*"),
    ("GET", "/settings/security/password", password_policy, "*"),
    ("GET", "/settings/webhook/triggers", webhook_triggers, "*"),
    ("GET", "/settings/webhook", webhooks_list, "*"),
    ("POST", "/settings/webhook", webhook_create, "*"),
    ("PUT", "/settings/webhook/enable", webhook_enable, "*"),
    ("PUT", "/settings/webhook/retry", webhook_retry, "*"),
    ("PUT", "/settings/webhook/{id}/retry", webhook_retry, "*"),
    ("PUT", "/settings/webhook", webhook_update, "*"),
    ("DELETE", "/settings/webhook/{id}", webhook_delete, "*"),
    ("GET", "/settings/webhooks/log", webhook_log, "*"),
]


PAGES = [
    Route("/s/{token}", shared_page),
    Route("/confirm/LinkInvite/{token}", shared_page),
    Route("/rooms/shared/{room}", shared_page),
    Route("/api/2.0/files/share/{key}", share_data),
]
ANONYMOUS = {portal_settings, folder_contents, folder_info, folder_path, file_info, fileops_list}
SENSITIVE = {keys_create, webhook_retry}


def build(portal: Portal, extra: list[Any]) -> Starlette:
    routes = [
        Route(f"/api/2.0{path}", _endpoint(handler, family), methods=[method])
        for method, path, handler, family in ROUTES
    ]
    app = Starlette(routes=[*extra, Route("/filehandler.ashx", file_content), *PAGES, *routes])
    app.state.portal = portal
    return app


def _endpoint(handler: Handler, family: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        portal: Portal = request.app.state.portal
        if portal.suspended:
            return Response(status_code=404)
        key = _authenticate(portal, request)
        if key is None and request.method == "GET" and handler in ANONYMOUS:
            key = Key(portal.world.anonymous, "none")  # a token that is not known is then no token at all
        if key is None:
            return Response(status_code=401)
        key.last_used = now()
        if handler in SENSITIVE and not _may_again(portal, key, request.url.path):
            _note(portal, request, key, 429)
            return Response(status_code=429)
        refused = portal.limits.enter(key.user.id, request.method)
        if refused is not None:
            _note(portal, request, key, 429)
            return Response(status_code=429, headers=refused)
        try:
            if not _in_scope(key, family, request.method):
                _note(portal, request, key, 403)
                return Response(status_code=403)
            response = await _handle(handler, request, portal, key)
        finally:
            portal.limits.leave(key.user.id, request.method)
        _note(portal, request, key, response.status_code)
        return response

    return endpoint


async def _handle(handler: Handler, request: Request, portal: Portal, key: Key) -> Response:
    href = str(request.url)
    try:
        outcome = handler(Api(request, portal, key, await _body(request)))
        reply = await outcome if hasattr(outcome, "__await__") else outcome
    except ValidationError as problem:
        body = {"title": "One or more validation errors occurred.", "status": 400, "errors": problem.errors}
        return JSONResponse(dto.envelope(body, href=href) | {"status": 1, "statusCode": 400}, 400)
    except ApiError as problem:
        error = {"message": problem.message, "type": problem.kind, "stack": None, "hresult": 0}
        return JSONResponse({"error": error, "status": 1, "statusCode": problem.status}, problem.status)
    except Exception as fault:  # noqa: BLE001 - as the server does: whatever it is, a 500 with an error
        traceback.print_exc()
        error = {"message": str(fault), "type": "System.Exception", "stack": None, "hresult": 0}
        return JSONResponse({"error": error, "status": 1, "statusCode": 500}, 500)
    if not isinstance(reply, Reply):
        reply = Reply(reply)
    document = dto.envelope(reply.response, href=href, count=reply.count, total=reply.total)
    return JSONResponse(document | {"statusCode": reply.status}, reply.status)


async def _body(request: Request) -> dict[str, Any]:
    if "json" not in request.headers.get("content-type", ""):
        return {}
    raw = await request.body()
    if not raw:
        return {}
    try:
        parsed = await request.json()
    except ValueError as error:
        raise ValidationError({"$": ["The JSON value could not be converted."]}) from error
    if not isinstance(parsed, dict):
        raise ValidationError({"$": ["The JSON value could not be converted."]})
    return parsed


def _may_again(portal: Portal, key: Key, path: str) -> bool:
    """Five calls in a quarter of an hour, by user and path."""
    at = time.monotonic()
    made = [one for one in portal.sensitive.get((key.user.id, path), []) if one > at - 900]
    portal.sensitive[key.user.id, path] = [*made, at][:5]
    return len(made) < 5


def _authenticate(portal: Portal, request: Request) -> Key | None:
    match = re.fullmatch(r"Bearer (\S+)", request.headers.get("authorization", ""))
    key = portal.world.keys.get(match[1]) if match else None
    if key is None or (key.expires is not None and key.expires <= now()):
        return None
    return key if key.is_active and key.user.status == 1 else None


def _in_scope(key: Key, family: str, method: str) -> bool:
    """First match wins; a write scope also reads its family; what is in no family needs `*`."""
    if not key.permissions or "*" in key.permissions or not family:
        return True
    if family == "*":
        return "*:write" in key.permissions or (method == "GET" and "*:read" in key.permissions)
    wanted = {f"{family}:write", "*:write"} | ({f"{family}:read", "*:read"} if method == "GET" else set())
    return bool(wanted & set(key.permissions))


def _note(portal: Portal, request: Request, key: Key, status: int) -> None:
    path = request.url.path.removeprefix("/api/2.0")
    portal.journal.append(
        {"at": now().isoformat(), "user": key.user.name, "method": request.method, "path": path, "status": status}
    )
