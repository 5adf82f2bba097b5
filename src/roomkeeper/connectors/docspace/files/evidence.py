"""Look for what steps left behind: copies, archived files, rooms; each as the portal shows it now."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from roomkeeper.connectors.docspace.files.copying import COPIES, Intent, as_id, same_size
from roomkeeper.connectors.docspace.files.identity import same_file
from roomkeeper.contract.evidence import Evidence, Sight
from roomkeeper.contract.step import Entry
from roomkeeper.docspace import EntryId, File, Portal
from roomkeeper.docspace.wire import next_start
from roomkeeper.errors import Forbidden, NotFound


def of_saved_file(result: Mapping[str, Any]) -> list[Evidence]:
    """Name the file that was saved."""
    if result.get("file") is None:
        return []
    return [
        Evidence(
            kind="file",
            id=result["file"],
            within=result.get("folder"),
            version=result.get("version") or 0,
            size=result.get("bytes"),
            made=result.get("created") or "",
            said=f"{result.get('title')!r} as file {result['file']}",
        )
    ]


T = TypeVar("T")
_BY_AGE = "DateAndTimeCreation"
_FEW = 20  # files that are asked one by one rather than listed (ours)
_GONE = Sight(stands=False, said="is no longer there")


def of_copies(result: Mapping[str, Any]) -> list[Evidence]:
    """List the copies that `copy_files` reports."""
    return [
        Evidence(
            kind="file",
            id=line["copy"],
            item=str(line["file"]),
            within=result.get("folder"),
            version=line.get("copy_version") or 0,
            size=line.get("copy_size"),
            made=line.get("copy_made") or "",
            said=f"version {line.get('version')} as file {line['copy']}{_titled(line)}",
        )
        for line in result.get("report") or []
        if line.get("copy") is not None and line.get("outcome") in {"copied", "already"}
    ]


def _titled(line: Mapping[str, Any]) -> str:
    """Name the copy's title where it is another than the file's: a namesake was there, such as another's file."""
    title = line.get("copy_title") or line.get("title")
    return f", under the title {title!r}" if title != line.get("title") else ""


def of_copy(scope: str, entry: Entry) -> Evidence | None:
    """Name the copy that a line of the ledger is about; None if it is about something else."""
    if not scope.startswith(COPIES) or not entry.done:
        return None
    intent, copy = Intent.from_json(entry.detail), as_id(entry.target)
    if copy is None:
        return None
    return Evidence(
        kind="file",
        id=copy,
        item=str(intent.file),
        within=intent.folder,
        version=intent.copy_version,
        size=intent.copy_size,
        made=intent.copy_made,
        said=f"version {intent.version} as file {copy}",
    )


def of_archive(result: Mapping[str, Any]) -> list[Evidence]:
    """List the files that `archive_files` reports as moved, and their folder."""
    folder = result.get("folder")
    if folder is None:
        return []
    said = f"{result.get('files')} files in {result.get('title')!r} (folder {folder})"
    moved = [line for line in result.get("report") or [] if line.get("outcome") == "moved"]
    return [
        Evidence(kind="folder", id=folder, said=said),
        *(
            Evidence(
                kind="file", id=line["file"], within=folder, stays=True, made=str(line.get("made") or ""), said=said
            )
            for line in moved
        ),
    ]


def of_moves(result: Mapping[str, Any]) -> list[Evidence]:
    """List the files that `move_files` brought to their folder or found there; people may move them on."""
    said = f"moved to {result.get('title')!r} (folder {result.get('folder')})"
    return [
        Evidence(kind="file", id=line["file"], item=str(line["file"]), made=str(line.get("made") or ""), said=said)
        for line in result.get("report") or []
        if line.get("outcome") in {"moved", "already"}
    ]


def of_room(result: Mapping[str, Any]) -> list[Evidence]:
    """Name the room that `create_room` found or made."""
    number = result.get("id")
    return [Evidence(kind="room", id=number, said=f"room {number} {result.get('title')!r}")] if number else []


class Ask(Protocol):
    """Makes one request, and repeats it or not if it fails."""

    async def __call__(self, request: Callable[[], Awaitable[T]], /) -> T: ...  # noqa: D102


async def _once(request: Callable[[], Awaitable[T]], /) -> T:
    return await request()


async def sighted(portal: Portal, looked_for: Iterable[Evidence], ask: Ask = _once) -> dict[Evidence, Sight]:
    """Look for each; `ask` makes each request, so that of many only the one that failed is repeated.

    Raises RemoteError if that cannot be said.
    """
    wanted = set(looked_for)
    sights = {one: await _place(portal, one, ask) for one in wanted if one.kind != "file"}
    looking = _Looking(portal, ask)
    for folder in {one.within for one in wanted if one.kind == "file" and one.within is not None}:
        mine = [one for one in wanted if one.kind == "file" and one.within == folder]
        if len(mine) > _FEW:
            await looking.list_below(folder)
    for one in wanted - sights.keys():
        sights[one] = await looking.sight(one)
    return sights


async def _place(portal: Portal, one: Evidence, ask: Ask) -> Sight:
    try:
        folder = await ask(partial(portal.folders.get, one.id))
    except NotFound:
        return _GONE
    return Sight(stands=not folder.is_in_trash, said="lies in the trash" if folder.is_in_trash else repr(folder.title))


class _Looking:
    """Looks for files, each once, however many versions of it are looked for."""

    def __init__(self, portal: Portal, ask: Ask) -> None:
        self._portal, self._ask = portal, ask
        self._seen: dict[str, File | None] = {}
        self._below: dict[EntryId, set[str]] = {}
        self._ways: dict[EntryId, tuple[str, ...]] = {}

    async def list_below(self, folder: EntryId) -> None:
        """Note all files of a folder. What a listing lacks may have been moved, or skipped: pages overlap (3)."""
        below: set[str] = set()
        start: int | None = 0
        try:
            while start is not None:
                request = partial(self._portal.folders.page, folder, start, sort_by=_BY_AGE, below="files")
                page = await self._ask(request)
                self._seen |= {str(file.id): file for file in page.files}
                below |= {str(file.id) for file in page.files}
                start = next_start(start, page.entries, page.total)
        except (NotFound, Forbidden):
            pass  # then each is asked itself
        self._below[folder] = below

    async def sight(self, one: Evidence) -> Sight:
        """Say whether it stands: that very file, with that very version, where it must be."""
        file = await self._file(one.id)
        if file is None:
            return _GONE
        if file.is_in_trash:
            return Sight(stands=False, said="lies in the trash")
        if not same_file(one.made, file):
            return Sight(stands=False, said=f"is gone, and another file, {file.title!r}, has its id now")
        is_within = one.within is None or await self._is_below(file, one.within)
        if one.stays and not is_within:
            return Sight(stands=False, said=f"was moved away: it lies in folder {file.folder_id} now")
        said = f"{file.title!r}, version {file.version} of {file.size or 0} bytes"
        said += "" if is_within else f", moved to folder {file.folder_id}"
        wrong = await self._wrong_version(file, one)
        return Sight(stands=False, said=f"{wrong}: it is {said}") if wrong else Sight(stands=True, said=said)

    async def _file(self, number: EntryId) -> File | None:
        if str(number) not in self._seen:
            try:
                self._seen[str(number)] = await self._ask(partial(self._portal.files.get, number))
            except NotFound:
                self._seen[str(number)] = None
            except Forbidden:  # what lies in another's trash is answered so; and all, if the key is dead: this tells
                await self._ask(self._portal.people.myself)
                self._seen[str(number)] = None
        return self._seen[str(number)]

    async def _is_below(self, file: File, folder: EntryId) -> bool:
        where = file.folder_id
        if str(file.id) in self._below.get(folder, ()) or where is None or str(where) == str(folder):
            return True
        if where not in self._ways:
            try:
                way = await self._ask(partial(self._portal.folders.path, where))
                self._ways[where] = tuple(str(part.id) for part in way)
            except (NotFound, Forbidden):
                self._ways[where] = ()
        return str(folder) in self._ways[where]

    async def _wrong_version(self, file: File, one: Evidence) -> str:
        """Say what is wrong with the version that was made; empty if nothing is, or if it cannot be told.

        Third-party storage gives every version the number 1, and keeps only the last (facts/docspace.md 10).
        """
        if not one.version or isinstance(file.id, str):
            return ""
        if file.version < one.version:
            return f"has no version {one.version} any more"
        then = file
        if file.version > one.version:
            try:
                then = await self._ask(partial(self._portal.files.get, file.id, version=one.version))
            except NotFound:
                return f"has no version {one.version} any more"
        if one.size is None or same_size(then.size, one.size):
            return ""
        return f"has another content in version {one.version} ({then.size or 0} bytes, not {one.size})"
