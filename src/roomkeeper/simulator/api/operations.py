"""File operations: copy, move, delete, and what became of them (recorded: ops.*)."""

from typing import Any

from roomkeeper.simulator.api.request import Api, Reply, Routes, bodiless, no_selector, not_of_type
from roomkeeper.simulator.fileops import COPY, DUPLICATE, MOVE, Batch
from roomkeeper.simulator.problems import ApiError, ValidationError, missing
from roomkeeper.simulator.world import File, Folder

CONFLICTS = {"skip": 0, "overwrite": 1, "duplicate": 2}  # FileConflictResolveType.cs
# FileOperationDto.cs
KINDS = {"move": 0, "copy": 1, "delete": 2, "download": 3, "markasread": 4, "import": 5, "convert": 6, "duplicate": 7}


def fileops_copy(api: Api) -> Any:
    return Reply(api.portal.fileops.transfer(api.user, COPY, _batch(api)), count=1)


def fileops_move(api: Api) -> Any:
    return Reply(api.portal.fileops.transfer(api.user, MOVE, _batch(api)), count=1)


def fileops_delete(api: Api) -> Any:
    files, folders = _files(api), _folders(api)
    immediately = api.switch("immediately")
    return Reply(api.portal.fileops.delete(api.user, files, folders, immediately=immediately), count=1)


def fileops_duplicate(api: Api) -> Any:
    return Reply(api.portal.fileops.duplicate(api.user, _files(api), _folders(api)), count=1)


def fileops_download(api: Api) -> Any:
    return Reply(api.portal.fileops.download(api.user, _files(api)), count=1)


def fileops_list(api: Api) -> Any:
    return Reply(api.portal.fileops.listing(api.user, api.query("id") or None), count=1)


def fileops_of_kind(api: Api) -> Any:
    text = api.request.path_params["kind"]
    kind = int(text) if text.isdigit() else KINDS.get(text.casefold())
    if kind is None:
        raise ValidationError({"operationType": [f"The value '{text}' is not valid for OperationType."]})
    return Reply(api.portal.fileops.of_kind(api.user, kind), count=1)


def fileops_conflicts(api: Api) -> Any:
    return Reply(api.portal.fileops.conflicts(api.user, api.query("destFolderId"), api.queries("fileIds")), count=1)


@bodiless
def fileops_terminate(api: Api) -> Any:
    return Reply(api.portal.fileops.terminate(api.user, api.request.path_params.get("id")), count=1)


def _files(api: Api) -> list[File]:
    found = [api.world.file(one) for one in api.body.get("fileIds") or []]
    if any(one is None for one in found):
        raise missing("file")
    return [one for one in found if one is not None]


def _folders(api: Api) -> list[Folder]:
    found = [api.world.folder(one) for one in api.body.get("folderIds") or []]
    if any(one is None for one in found):
        raise missing("folder")
    return [one for one in found if one is not None]


def _batch(api: Api) -> Batch:
    body = api.body
    for name in ("deleteAfter", "content", "returnSingleOperation"):
        api.switch(name)
    files, folders = _ids(api, "fileIds"), _ids(api, "folderIds")
    destination = body.get("destFolderId")
    if (files or folders) and not str(destination if destination is not None else "x").lstrip("-").isdigit():
        raise no_selector(str(destination or ""))
    return Batch(
        files=files,
        folders=folders,
        destination=destination,
        conflict=_conflict(body.get("conflictResolveType", 0)),
        hold=not body.get("deleteAfter", False),
        content=bool(body.get("content", False)),
        single=bool(body.get("returnSingleOperation", False)),
    )


def _conflict(value: Any) -> int:
    """A number or a name; a number that means nothing is no fault (recorded: ops.conflicts)."""
    if isinstance(value, str):
        named = CONFLICTS.get(value.casefold(), int(value) if value.lstrip("-").isdigit() else None)
        if named is None:
            raise not_of_type("conflictResolveType", "ASC.Files.Core.Core.Entries.FileConflictResolveType")
        value = named
    if value is None:
        raise not_of_type("conflictResolveType", "ASC.Files.Core.Core.Entries.FileConflictResolveType")
    return value if value in {0, 1, 2} else DUPLICATE


def _ids(api: Api, name: str) -> list[Any]:
    """Read ids: numbers, or texts; what is neither is dropped, but for fractions (recorded: ops.bad)."""
    given = api.body.get(name)
    if given is not None and not isinstance(given, list):
        raise not_of_type(name, "System.Collections.Generic.List`1[System.Text.Json.JsonElement]")
    ids = [one for one in given or [] if isinstance(one, int | float | str) and not isinstance(one, bool)]
    for one in ids:
        if isinstance(one, float):
            raise ApiError(500, "One of the identified items was in an invalid format.", "System.FormatException")
        if isinstance(one, str) and not one.lstrip("-").isdigit():
            raise no_selector(one)
    return ids


ROUTES: Routes = [
    ("PUT", "/files/fileops/copy", fileops_copy, "files"),
    ("GET", "/files/fileops/move", fileops_conflicts, "files"),
    ("PUT", "/files/fileops/move", fileops_move, "files"),
    ("PUT", "/files/fileops/delete", fileops_delete, "files"),
    ("PUT", "/files/fileops/duplicate", fileops_duplicate, "files"),
    ("PUT", "/files/fileops/bulkdownload", fileops_download, "files"),
    ("GET", "/files/fileops", fileops_list, "files"),
    ("PUT", "/files/fileops/terminate/{id}", fileops_terminate, "files"),
    ("PUT", "/files/fileops/terminate", fileops_terminate, "files"),
    ("GET", "/files/fileops/{kind}", fileops_of_kind, "files"),
]
ANONYMOUS = {fileops_list}
