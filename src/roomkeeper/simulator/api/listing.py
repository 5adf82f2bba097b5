"""What listings share: filters, orders, the way to a folder (recorded: folder.listing)."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.request import Api
from roomkeeper.simulator.problems import ValidationError
from roomkeeper.simulator.world import File, Folder, World

SORTS = {"dateandtime", "az", "size", "author", "type", "new", "dateandtimecreation", "usedspace", "lastopened"}
FILES_ONLY, FOLDERS_ONLY = 1, 2  # FilterTypeEnum.cs
#: The values of `filterType`, and the kinds of file that each of them lets through.
# FilterTypeEnum.cs; recorded: folder.listing
FILTERS = {"none": 0, "filesonly": FILES_ONLY, "foldersonly": FOLDERS_ONLY, "documentsonly": 3, "presentationsonly": 4}
FILTERS |= {"spreadsheetsonly": 5, "imagesonly": 7, "byuser": 8, "archiveonly": 10, "mediaonly": 12, "pdf": 22}
KINDS = {3: {7}, 4: {6}, 5: {5}, 7: {4}, 10: {1}, 12: {2, 3}, 22: {10}}  # FilterTypeEnum.cs; recorded: folder.listing
NUMBERS = {*FILTERS.values(), 8, 9, 11, 13, 22, 23, 24, 25, 26, 27, 28}  # FilterTypeEnum.cs; recorded: folder.listing


class Filter:
    """What a listing was asked for."""

    def __init__(self, api: Api) -> None:
        self.kind = _kind(api.query("filterType"))
        self.text = api.query("filterValue").casefold()
        extensions = (one.strip().casefold() for one in api.query("extension").split(",") if one.strip())
        self.extensions = [one if one.startswith(".") else f".{one}" for one in extensions]
        self.by = api.query("userIdOrGroupId").casefold()
        self.excludes = api.query("excludeSubject").casefold() == "true"
        wants_deep = api.query("withSubFolders", "true").casefold() != "false"
        self.is_deep = wants_deep and bool(self.kind or self.text or self.extensions or self.by)

    def folders(self, api: Api, folder: Folder) -> list[Folder]:
        if self.kind and self.kind != FOLDERS_ONLY:
            return []
        # An extension is a filter of files: the folders are listed as they are (recorded: folder.listing).
        is_deep = self.is_deep and not (self.extensions and not self.kind and not self.text and not self.by)
        found = folders_below(api.world, folder, deep=is_deep)
        return [one for one in found if self.text in one.title.casefold() and self._is_by(one.created_by.id)]

    def files(self, api: Api, folder: Folder) -> list[File]:
        if self.kind == FOLDERS_ONLY:
            return []
        found = (one for one in api.world.files_in(folder, deep=self.is_deep) if not one.converting)
        return [one for one in found if self._fits(one)]

    def _fits(self, one: File) -> bool:
        if self.text not in one.title.casefold() or not self._is_by(one.created_by.id):
            return False
        if self.extensions and one.extension.casefold() not in self.extensions:
            return False
        return self.kind not in KINDS or dto.FILE_TYPES.get(one.extension.casefold(), 0) in KINDS[self.kind]

    def _is_by(self, user: str) -> bool:
        return not self.by or (user == self.by) is not self.excludes


def _kind(text: str) -> int:
    kind = FILTERS.get(text.casefold()) if not text.isdigit() else int(text)
    if text and (kind is None or kind not in NUMBERS):
        raise ValidationError({"filterType": [f"The value '{text}' is not valid for FilterType."]})
    return kind or 0


def contents(api: Api, folder: Folder) -> dict[str, Any]:
    """Folders first, then files, one offset over both; a filter makes the listing deep."""
    count, start = api.number("count", 100, most=100), api.start()
    wanted = Filter(api)
    # With an index, it has one order, whatever is asked for (EntryManager.cs).
    is_indexed = folder.room is not None and folder.room.is_indexed
    arrange = by_index if is_indexed else partial(in_order, api)
    folders = arrange(wanted.folders(api, folder))
    files = arrange(wanted.files(api, folder))
    page: list[Any] = [*folders, *files][start : start + count]
    return {
        "files": [dto.file(one, api.world, api.user) for one in page if isinstance(one, File)],
        "folders": [dto.folder(one, api.world, api.user) for one in page if isinstance(one, Folder)],
        "current": dto.folder(folder, api.world, api.user),
        "pathParts": [dto.path_part(one) for one in folder.way()],
        "startIndex": start,
        "count": len(page),
        "total": len(folders) + len(files),
        "new": 0,
    }


def folders_below(world: World, folder: Folder, *, deep: bool) -> list[Folder]:
    found = world.subfolders(folder)
    if deep:
        found += [below for child in list(found) for below in folders_below(world, child, deep=True)]
    return found


def by_index(entries: list[Any]) -> list[Any]:
    """Sort by a room's own order; what is new comes last."""
    return sorted(entries, key=lambda one: one.id)


def in_order(api: Api, entries: list[Any]) -> list[Any]:
    """Sort without a tie-breaker; the order asked for is remembered for the next time that none is."""
    by, down = api.query("sortBy").casefold(), api.query("sortOrder").casefold() in {"1", "descending"}
    remembered = api.portal.sorting.get(api.user.id, ("dateandtime", True))
    by, down = (by, down) if by in SORTS else remembered
    api.portal.sorting[api.user.id] = (by, down)
    entries = random.sample(entries, len(entries))
    keys: dict[str, Callable[[Any], Any]] = {
        "dateandtimecreation": lambda one: one.created.replace(microsecond=0),
        "dateandtime": lambda one: (one.current.at if isinstance(one, File) else one.modified).replace(microsecond=0),
        "size": lambda one: one.size if isinstance(one, File) else 0,
    }
    return sorted(entries, key=keys.get(by, lambda one: one.title.casefold()), reverse=down)
