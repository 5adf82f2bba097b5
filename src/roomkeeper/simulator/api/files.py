"""Files: looking at them and their versions, renaming, locking, opening, deleting (recorded: file.*)."""

import secrets
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.answering import authenticate
from roomkeeper.simulator.api.folders import log
from roomkeeper.simulator.api.request import Api, Portal, Reply, Routes, units
from roomkeeper.simulator.problems import ApiError, ValidationError, forbidden, missing, must_be_storable, rule_broken
from roomkeeper.simulator.world import File

COMMENT_LIMIT = 255  # characters (FileDao.cs, UpdateCommentAsync)
RENAME_LIMIT = 165  # characters (recorded: file.rename)


def file_info(api: Api) -> Any:
    file = api.file()
    shown = _at_version(file, api.number("version", file.version))
    return dto.file_in_place(shown, api.world, api.user)


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


def file_log(api: Api) -> Any:
    return log(api, api.file())


def file_rename(api: Api) -> Any:
    there = api.world.file(api.request.path_params["file_id"])
    if there is not None and not api.world.may_read(api.user, there.folder):
        raise forbidden()  # (recorded: ops.folders)
    file, title = api.file(), str(api.body.get("title") or "").strip()
    if units(title) > RENAME_LIMIT:
        what = f"The field Title must be a string or array type with a maximum length of '{RENAME_LIMIT}'."
        raise ValidationError({"Title": [what]})
    if file.locked_by not in (None, api.user):
        raise ApiError(500, "The file is currently locked by another user", "System.Exception")
    if "Rename" not in api.world.file_rights(api.user, file):
        raise forbidden()
    if title:
        old, extension = file.title, file.extension
        has_it = title.casefold().endswith(extension.casefold())
        api.world.rename_file(file, title if has_it else title + extension)
        api.portal.history.note("FileRenamed", file, api.user, old_title=old)
        api.portal.webhooks.publish("file.updated", file, api.user)
    shown = dto.file_in_place(file, api.world, api.user)
    return shown | dto.file(file, api.world, api.user) | {"fileStatus": shown["fileStatus"]}


def file_delete(api: Api) -> Any:
    shown = api.portal.fileops.delete(api.user, [api.file()], [], immediately=api.switch("immediately"))
    return Reply(shown, count=1)


def file_lock(api: Api) -> Any:
    """Whoever may lock it locks it; another's lock is taken off by a manager of the room only."""
    file, wanted = api.file(), api.switch("lockFile")
    may = "Lock" in api.world.file_rights(api.user, file)
    if not may or (file.locked_by not in (None, api.user) and not api.world.may_manage(api.user, file.folder)):
        raise rule_broken("You do not have enough permissions to edit the file")
    if wanted is not (file.locked_by is not None):
        file.locked_by = api.user if wanted else None
        api.portal.history.note("FileLocked" if wanted else "FileUnlocked", file, api.user)
        api.portal.webhooks.publish("file.updated", file, api.user)
    shown = dto.file(file, api.world, api.user)
    shown["fileStatus"] = dto.file(file, api.world, api.user, is_single=True)["fileStatus"]
    if not wanted:  # told twice, and commented on for the next who asks (recorded: hooks.events, file.lock)
        file.current.comment = "The file is unlocked"
        api.portal.webhooks.publish("file.updated", file, api.user)
    return shown


def file_comment(api: Api) -> Any:
    """A refusal is a broken rule, and a long comment is cut (FileStorageService.cs, FileDao.cs: UpdateCommentAsync)."""
    file = api.file()
    if not api.world.may_edit(api.user, file):
        raise rule_broken("You do not have enough permissions to edit the file")
    if file.locked_by not in (None, api.user):
        raise rule_broken("The file is currently locked by another user")
    must_be_storable(str(api.body.get("comment") or ""), "comment")
    file.current.comment = _cut(str(api.body.get("comment") or ""))
    api.portal.webhooks.publish("file.updated", file, api.user)
    return file.current.comment


def _cut(text: str) -> str:
    """The server counts UTF-16 units, and may leave half a character, which its JSON shows as U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass")[: 2 * COMMENT_LIMIT].decode("utf-16-le", "replace")


def file_copy_as(api: Api) -> Any:
    file, folder = api.file(), api.world.folder(api.body.get("destFolderId"))
    if folder is None:
        raise missing("folder")
    if not api.world.may_copy(api.user, file) or not api.world.may_create(api.user, folder):
        raise forbidden()
    copy = api.world.add_file(folder, str(api.body.get("destTitle")), file.current.content, api.user, "Created")
    api.portal.history.note("FileCreated", copy, api.user)
    api.portal.webhooks.publish("file.created", copy, api.user)
    return dto.file(copy, api.world, api.user)


def file_start_edit(api: Api) -> Any:
    """Without a document server there is no editing (recorded: file.copyas)."""
    api.file()
    raise rule_broken("File editing start error")


def file_open_edit(api: Api) -> Any:
    file = api.file()
    key = secrets.token_urlsafe(24)
    return {"document": {"fileType": file.extension.removeprefix("."), "key": key, "title": file.title}}


def file_track(api: Api) -> Any:
    """What the editor says again and again while a file is open, and once when it is closed."""
    file, who = api.file(), api.user.id
    if api.query("isFinish").casefold() == "true":
        file.editing_by.discard(who)
    else:
        file.editing_by.add(who)
    return {"key": True, "value": ""}


def file_presigned(api: Api) -> Any:
    file = api.file()
    return {"filetype": file.extension, "token": secrets.token_urlsafe(16), "url": _stream(file)}


def file_presigned_uri(api: Api) -> Any:
    return _stream(api.file())


def _stream(file: File) -> str:
    return f"{dto.BASE}/filehandler.ashx?action=stream&fileid={file.id}&version={file.version}&stream_auth=1"


async def file_content(request: Request) -> Response:
    """The download behind viewUrl."""
    portal: Portal = request.app.state.portal
    key = authenticate(portal, request)
    file = portal.world.file(request.query_params.get("fileid"))
    if file is None:
        return Response(status_code=404)
    if key is None or not portal.world.may_read(key.user, file.folder):
        return Response(status_code=403)
    number = int(request.query_params.get("version") or file.version)
    if file.versions[number - 1].is_lost:
        return Response(status_code=404)  # FileHandler.ashx.cs
    portal.webhooks.publish("file.downloaded", file, key.user)
    headers = {"Content-Disposition": f"attachment; filename={file.id}", "Accept-Ranges": "bytes"}
    return Response(file.versions[number - 1].content, media_type="application/octet-stream", headers=headers)


ROUTES: Routes = [
    ("GET", "/files/file/{file_id}", file_info, "files"),
    ("PUT", "/files/file/{file_id}", file_rename, "files"),
    ("DELETE", "/files/file/{file_id}", file_delete, "files"),
    ("GET", "/files/file/{file_id}/history", file_history, "files"),
    ("GET", "/files/file/{file_id}/log", file_log, "files"),
    ("PUT", "/files/file/{file_id}/lock", file_lock, "files"),
    ("PUT", "/files/file/{file_id}/comment", file_comment, "files"),
    ("POST", "/files/file/{file_id}/copyas", file_copy_as, "files"),
    ("POST", "/files/file/{file_id}/startedit", file_start_edit, "files"),
    ("GET", "/files/file/{file_id}/openedit", file_open_edit, "files"),
    ("GET", "/files/file/{file_id}/trackeditfile", file_track, "files"),
    ("GET", "/files/file/{file_id}/presigned", file_presigned, "files"),
    ("GET", "/files/file/{file_id}/presigneduri", file_presigned_uri, "files"),
]
ANONYMOUS = {file_info}
