"""Look for what steps left behind: copies, archived files, rooms."""

from collections.abc import Iterable, Mapping
from typing import Any

from roomkeeper.contract.evidence import Evidence
from roomkeeper.docspace import EntryId, File, Portal
from roomkeeper.docspace.wire import next_start
from roomkeeper.errors import Forbidden, NotFound, ScopeMissing

_FEW = 20  # files that are asked one by one rather than listed


def of_copies(result: Mapping[str, Any]) -> list[Evidence]:
    """List the copies that `copy_files` reports."""
    return [
        Evidence(
            kind="file",
            id=line["copy"],
            item=str(line["file"]),
            within=result.get("folder"),
            said=f"version {line.get('version')} as file {line['copy']} below folder {result.get('folder')}",
        )
        for line in result.get("report") or []
        if line.get("copy") is not None and line.get("outcome") in {"copied", "already"}
    ]


def of_archive(result: Mapping[str, Any]) -> list[Evidence]:
    """List the files that `archive_files` reports as moved, and their folder."""
    folder = result.get("folder")
    if folder is None:
        return []
    said = f"{result.get('files')} files in {result.get('title')!r} (folder {folder})"
    moved = [line["file"] for line in result.get("report") or [] if line.get("outcome") == "moved"]
    return [
        Evidence(kind="folder", id=folder, said=said),
        *(Evidence(kind="file", id=file, within=folder, said=said) for file in moved),
    ]


def of_room(result: Mapping[str, Any]) -> list[Evidence]:
    """Name the room that `create_room` found or made."""
    number = result.get("id")
    return [Evidence(kind="room", id=number, said=f"room {number} {result.get('title')!r}")] if number else []


async def standing(portal: Portal, looked_for: Iterable[Evidence]) -> frozenset[Evidence]:
    """Choose those that are there. Raises RemoteError if that cannot be said."""
    wanted = set(looked_for)
    found = {one for one in wanted if one.kind != "file" and await _is_there(portal, one)}
    for folder in {one.within for one in wanted if one.kind == "file" and one.within is not None}:
        mine = [one for one in wanted if one.kind == "file" and one.within == folder]
        below = await _files_below(portal, folder) if len(mine) > _FEW else {}
        found |= {one for one in mine if str(one.id) in below and below[str(one.id)].version >= one.version}
    # What a listing lacks may have been moved, or skipped: pages overlap where times are equal. So it is asked itself.
    rest = [one for one in wanted - found if one.kind == "file"]
    return frozenset(found | {one for one in rest if await _file_is_there(portal, one)})


async def _is_there(portal: Portal, one: Evidence) -> bool:
    try:
        return not (await portal.folders.get(one.id)).is_in_trash
    except NotFound:
        return False


async def _file_is_there(portal: Portal, one: Evidence) -> bool:
    try:
        file = await portal.files.get(one.id)
    except ScopeMissing:
        raise
    except (NotFound, Forbidden):  # what lies in another's trash is answered so, too
        return False
    return not file.is_in_trash and file.version >= one.version


async def _files_below(portal: Portal, folder: EntryId) -> dict[str, File]:
    found: dict[str, File] = {}
    start: int | None = 0
    try:
        while start is not None:
            page = await portal.folders.page(folder, start, sort_by="DateAndTimeCreation", below="files")
            found |= {str(file.id): file for file in page.files}
            start = next_start(start, page.entries, page.total)
    except (NotFound, Forbidden):
        pass  # then each is asked itself
    return found
