"""Uploads: in one request or in chunks, and what the editor saves (recorded: upload.single, upload.chunked)."""

import asyncio
import uuid
from datetime import datetime, timedelta
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.request import Api, Portal, Reply, Routes, Session, bodiless, lacking
from roomkeeper.simulator.problems import ApiError, forbidden, missing
from roomkeeper.simulator.world import MY_ROOT, File, Folder, User, Version, now, sanitise

UPLOAD_LIMIT = 100 * 1024 * 1024  # bytes in one request (ours)
# recorded: upload.chunked
CHUNK = 10 * 1024 * 1024  # bytes; a session of less is finished by every request it gets (facts/docspace.md)
QUOTA = 100 * 1024**3  # bytes of one file (recorded: quota.usage)
BLANK = b"a blank document".ljust(7726)  # bytes (recorded: history)
CONVERTED = {".md", ".odt", ".ods", ".odp", ".doc", ".xls", ".ppt"}  # on upload, by the document server
GONE = "Object reference not set to an instance of an object."


@bodiless
async def upload(api: Api) -> Any:
    """The single request: two deliveries, created and uploaded, also when it overwrote."""
    folder, create_new = _upload_folder(api), api.flag("createNewIfExist")
    name, content, _ = await _part(api.request)
    file = store(api.portal, folder, name, content, api.user, create_new=create_new)
    api.portal.webhooks.publish("file.created", file, api.user)
    api.portal.webhooks.publish("file.uploaded", file, api.user)
    shown = dto.file(file, api.world, api.user)
    return [
        {name: value for name, value in shown.items() if name not in {"locked", "lockedBy"}}
    ]  # (recorded: file.lock)


@bodiless
async def insert(api: Api) -> Any:
    folder, create_new = _upload_folder(api), api.flag("createNewIfExist")
    name, content, title = await _part(api.request)
    file = store(api.portal, folder, title or name, content, api.user, create_new=create_new)
    api.portal.webhooks.publish("file.created", file, api.user)
    api.portal.webhooks.publish("file.uploaded", file, api.user)
    return dto.file(file, api.world, api.user)


def upload_check(api: Api) -> Any:
    folder = api.folder()
    return [title for title in api.body.get("filesTitle") or [] if api.world.namesake(folder, sanitise(title))]


def file_create(api: Api) -> Any:
    """A blank document, or a text."""
    folder = _upload_folder(api)
    content = str(api.body.get("content") or "").encode() or BLANK
    file = api.world.add_file(
        folder, str(api.body.get("title")), content, api.user, "" if api.body.get("content") else "Created"
    )
    api.portal.history.note("FileCreated", file, api.user)
    api.portal.webhooks.publish("file.created", file, api.user)
    return dto.file(file, api.world, api.user)


def session_create(api: Api) -> Any:
    if "fileName" not in api.body:
        raise lacking("SessionRequest", "fileName")
    wanted = api.world.folder(api.request.path_params.get("folder_id"))
    if wanted is None:
        raise ApiError(404, "The required folder was not found", "System.IO.DirectoryNotFoundException")
    if not api.world.may_create(api.user, wanted):
        raise forbidden()
    name, size = str(api.body.get("fileName") or ""), int(api.body.get("fileSize") or 0)
    if not name.strip():
        what = "The value cannot be an empty string. (Parameter 'title')"
        raise ApiError(400, what, "System.ArgumentException")
    if size > QUOTA:
        what = "The maximum file size is exceeded (100 GB)."
        raise ApiError(402, what, "ASC.Core.Tenants.TenantQuotaException")
    folder = wanted
    for title in [one for one in str(api.body.get("relativePath") or "").split("/")[:-1] if one]:
        same = next((one for one in folder.children.values() if one.title == sanitise(title)), None)
        folder = same or api.world.add_folder(folder, title, api.user)  # fires no folder.created
    created = datetime.fromisoformat(str(said)) if (said := api.body.get("createOn")) else None
    session = Session(uuid.uuid4().hex, folder, name, size, api.user, api.switch("createNewIfExist"), created)
    api.portal.sessions[session.id] = session
    return _shown(session)


def session_create_old(api: Api) -> Any:
    return {"success": True, "data": session_create(api)}


def _shown(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "path": [part.id for part in session.folder.way()],
        "created": f"{now():%Y-%m-%dT%H:%M:%S.%fZ}",
        "expired": f"{now() + timedelta(hours=12):%Y-%m-%dT%H:%M:%S.%fZ}",
        "location": f"/ChunkedUploader.ashx?uid={session.id}",
        "bytes_total": session.size,
    }


@bodiless
async def session_chunk(api: Api) -> Any:
    """Of less than one chunk, each request makes a version that is said to be as long as the whole will be.

    Anybody's key will do (recorded: upload.chunked).
    """
    session = _session(api)
    content = (await _part(api.request))[1]
    session.chunks[len(session.chunks) + 1] = content
    if len(content) > max(session.size, 0):
        raise ApiError(500, GONE, "System.NullReferenceException")
    if session.size >= CHUNK and sum(map(len, session.chunks.values())) < session.size:
        return _shown(session)
    return _finish(api, session)


@bodiless
async def session_part(api: Api) -> Any:
    session = _session(api)
    session.chunks[api.number("chunkNumber", 1)] = (await _part(api.request))[1]
    if sum(map(len, session.chunks.values())) >= session.size:
        _finish(api, session)
    return _shown(session)


@bodiless
def session_finalize(api: Api) -> Any:
    session = _session(api)
    if sum(map(len, session.chunks.values())) < session.size and session.file is not None:
        return _finished(api, session.file)
    return _finish(api, session)


@bodiless
def session_abort(api: Api) -> Any:
    _session(api).is_aborted = True
    return Reply(None, count=0)


def _session(api: Api) -> Session:
    session = api.portal.sessions.get(api.request.path_params["session_id"])
    if session is None or session.is_aborted:
        raise ApiError(500, GONE, "System.NullReferenceException")
    return session


def _finish(api: Api, session: Session) -> Reply:
    """One delivery only: uploaded."""
    content = b"".join(session.chunks[number] for number in sorted(session.chunks))
    whole = content.ljust(max(session.size, 0), b"\0")
    if session.file is not None and session.file.id in api.world.files:
        session.file.versions.append(Version(whole, session.user, now(), "Uploaded"))
        api.portal.history.note("UserFileUpdated", session.file, session.user)
    else:
        session.file = store(
            api.portal, session.folder, session.title, whole, session.user, create_new=session.create_new
        )
        if session.created is not None and session.file.version == 1:
            session.file.created = session.created  # there is no bound to it (FileUploader.cs, FileDao.cs)
    api.portal.webhooks.publish("file.uploaded", session.file, session.user)
    return _finished(api, session.file)


def _finished(api: Api, file: File) -> Reply:
    body = {"id": file.id, "folderId": file.folder.id, "version": file.version, "title": file.title, "uploaded": True}
    return Reply(body | {"file": dto.file(file, api.world, api.user)}, status=201)


def store(portal: Portal, folder: Folder, title: str, content: bytes, user: User, *, create_new: bool) -> File:
    """A namesake gets a new version if the user may edit it; else a second file of the same title appears.

    A guest's never does, not even of an own file (recorded: upload.single).
    """
    world = portal.world
    _touched(folder, user)
    if len(content) > UPLOAD_LIMIT:
        raise ApiError(402, "The file size exceeds the limit", "ASC.Core.Tenants.TenantQuotaException")
    target = world.namesake(folder, sanitise(title))
    may = target is not None and world.may_edit(user, target) and user.kind != "guest" and not create_new
    if target is not None and may and not target.editing_by and target.locked_by in (None, user):
        target.versions.append(Version(content, user, now(), "Uploaded"))
        # It takes the new title, but for its extension (recorded: folders.titles).
        world.rename_file(target, sanitise(title).removesuffix(_ending(sanitise(title))) + target.extension)
        portal.history.note("UserFileUpdated", target, user)
        return target
    wanted = world.free_title(folder, sanitise(title)) if create_new else title
    file = world.add_file(folder, wanted, content, user)
    portal.history.note("FileUploaded", file, user)
    if world.conversion_seconds and file.extension.casefold() in CONVERTED:
        portal.jobs.add(asyncio.get_running_loop().create_task(_converted(file, world.conversion_seconds)))
    return file


async def _converted(file: File, seconds: float) -> None:
    """Hide a file from the listings as long as it is converted."""
    file.converting = True
    await asyncio.sleep(seconds)
    file.converting = False


def convert(portal: Portal, file: File, title: str, *, in_place: bool) -> None:
    """Make a file of another kind of it, or another version; nobody is told (FileConverter.cs)."""
    made = file
    if in_place:
        file.versions.append(Version(file.current.content + b" converted", file.created_by, now()))
        portal.world.rename_file(file, title)
    else:
        made = portal.world.add_file(file.folder, title, file.current.content + b" converted", file.created_by)
    portal.history.note("FileConverted", made, file.created_by)


def _ending(title: str) -> str:
    return title[title.rindex(".") :] if "." in title else ""


def _touched(folder: Folder, user: User) -> None:
    """Have all above what was saved say so: not what is moved or deleted (FileDao.cs, UpdateFoldersAsync)."""
    for one in folder.way():
        one.modified, one.modified_by = now(), user


def save_edited(portal: Portal, file: File, content: bytes, user: User, *, is_forced: bool) -> None:
    """What the editor does: a new version, an entry that looks like an upload that overwrote, another trigger.

    What was saved before the editor was closed (`is_forced`) is replaced by the next save, under the same number
    (EntryManager.cs, SaveEditingAsync; FileDao.cs, ReplaceFileVersionAsync).
    """
    if file.is_open_version:
        file.versions.pop()
    file.versions.append(Version(content, user, now()))
    file.is_open_version = is_forced
    _touched(file.folder, user)
    portal.history.note("UserFileUpdated", file, user)
    portal.webhooks.publish("file.updated", file, user)


def _upload_folder(api: Api) -> Folder:
    wanted = api.request.path_params.get("folder_id")
    if wanted is None and api.user.kind == "guest":
        raise missing("folder")
    folder = api.world.personal(api.user, MY_ROOT) if wanted is None else api.world.folder(wanted)
    if folder is None:
        raise missing("folder")
    if not api.world.may_create(api.user, folder):
        raise forbidden()
    return folder


async def _part(request: Request) -> tuple[str, bytes, str]:
    """Take the file of a form, which must bear that name; gives its name, its content and the form's title."""
    if not request.headers.get("content-type", "").startswith("multipart/"):
        raise ApiError(400, "Value cannot be null. (Parameter 'uploadModel.File')", "System.ArgumentNullException")
    async with request.form(max_part_size=UPLOAD_LIMIT + 1) as form:
        title, value = form.get("title"), form.get("file")
        if isinstance(value, UploadFile):
            name, content = value.filename or "", await value.read()
            if "." not in name and name:
                name += "."  # (recorded: upload.single)
            return name, content, title if isinstance(title, str) else ""
    raise ApiError(400, "Value cannot be null. (Parameter 'uploadModel.File')", "System.ArgumentNullException")


ROUTES: Routes = [
    ("POST", "/files/@my/upload", upload, "files"),
    ("POST", "/files/{folder_id}/upload", upload, "files"),
    ("POST", "/files/{folder_id}/insert", insert, "files"),
    ("POST", "/files/{folder_id}/file", file_create, "files"),
    ("POST", "/files/{folder_id}/text", file_create, "files"),
    ("POST", "/files/{folder_id}/upload/check", upload_check, "files"),
    ("POST", "/files/{folder_id}/upload/create_session", session_create_old, "files"),
    ("POST", "/files/{folder_id}/session", session_create, "files"),
    ("POST", "/files/{folder_id}/session/{session_id}", session_chunk, "files"),
    ("POST", "/files/{folder_id}/session/{session_id}/upload", session_part, "files"),
    ("PUT", "/files/{folder_id}/session/{session_id}/finalize", session_finalize, "files"),
    ("DELETE", "/files/{folder_id}/session/{session_id}", session_abort, "files"),
]
