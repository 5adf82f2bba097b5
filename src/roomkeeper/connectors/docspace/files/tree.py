"""Everything that lies below a room or folder, all levels."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

from roomkeeper.contract.step import StepContext
from roomkeeper.docspace import EntryId, File, Folder, Portal
from roomkeeper.docspace.models import Contents
from roomkeeper.docspace.wire import PAGE, next_start
from roomkeeper.errors import Forbidden, NotFound

#: The server's orders have no tie-breaker, so pages may overlap and skip (3): what one order misses, another shows.
_ORDERS = (("AZ", False), ("Size", True), ("DateAndTimeCreation", False), ("AZ", True))
_AT_ONCE = 8  # pages asked for at the same time (ours)


@dataclass(frozen=True)
class Tree:
    """What lies below `root`; `hidden` files are counted there and shown in no listing, as while one is converted."""

    root: EntryId
    folders: Mapping[EntryId, Folder]
    files: Mapping[EntryId, File]
    hidden: int = 0

    def path(self, folder: EntryId | None) -> tuple[str, ...]:
        """Give the titles from below the root down to a folder."""
        up: list[str] = []
        while folder is not None and folder != self.root and folder in self.folders:
            up.append(self.folders[folder].title)
            folder = self.folders[folder].parent_id
        return tuple(reversed(up))

    def files_in(self, folder: EntryId) -> list[File]:
        """List the files directly in a folder."""
        return self._by_folder.get(folder, [])

    def folders_in(self, parent: EntryId) -> list[Folder]:
        """List the folders directly in a folder."""
        return self._by_parent.get(parent, [])

    def has_files(self, folder: EntryId) -> bool:
        """Whether a file lies in this folder or below."""
        return bool(self.files_in(folder)) or any(self.has_files(one.id) for one in self.folders_in(folder))

    @cached_property
    def _by_folder(self) -> dict[EntryId, list[File]]:
        found: dict[EntryId, list[File]] = {}
        for file in self.files.values():
            found.setdefault(file.folder_id or self.root, []).append(file)
        return found

    @cached_property
    def _by_parent(self) -> dict[EntryId, list[Folder]]:
        found: dict[EntryId, list[Folder]] = {}
        for folder in self.folders.values():
            found.setdefault(folder.parent_id or self.root, []).append(folder)
        return found


async def below(context: StepContext, root: EntryId) -> Tree:
    """List every file and every folder below a room or folder. Raises RemoteError."""
    if isinstance(root, str):
        return await _walked(context, root)
    files = await files_below(context, root)
    pages = await _pages(context, root, "folders")
    counted = (pages[-1].current.files_count or 0) if pages[-1].current is not None else 0
    folders = {folder.id: folder for page in pages for folder in page.folders}
    unseen = {file.folder_id for file in files.values()} | {folder.parent_id for folder in folders.values()}
    await _add_ways(context, root, folders, unseen - {root, None})
    return Tree(root, folders, files, hidden=max(0, counted - len(files)))


async def files_below(context: StepContext, root: EntryId) -> dict[EntryId, File]:
    """List every file below a room or folder, all levels; until all are seen, or looking shows no new ones.

    Raises RemoteError.
    """
    found: dict[EntryId, File] = {}
    while True:
        before = len(found)
        for order, descending in _ORDERS:
            pages = await _pages(context, root, "files", order=order, descending=descending)
            found |= {file.id: file for page in pages for file in page.files}
            if len(found) >= pages[-1].total:
                return found
        if len(found) == before:
            return found


async def _walked(context: StepContext, root: EntryId) -> Tree:
    """List folder by folder: in third-party storage no listing shows what lies below (ThirdPartyFileDao.cs)."""
    files, folders, left = dict[EntryId, File](), dict[EntryId, Folder](), [root]
    while left:
        there = await directly_in(context, left.pop())
        left += there.folders.keys() - folders.keys()
        files |= there.files
        folders |= there.folders
    return Tree(root, folders, files)


async def directly_in(context: StepContext, folder: EntryId) -> Tree:
    """List the files and folders that lie directly in a folder, as far as they can be seen. Raises RemoteError."""
    files, folders = dict[EntryId, File](), dict[EntryId, Folder]()
    for order, descending in _ORDERS:
        pages = await _pages(context, folder, None, order=order, descending=descending)
        files |= {one.id: one for page in pages for one in page.files}
        folders |= {one.id: one for page in pages for one in page.folders}
        if len(files) + len(folders) >= pages[-1].total:
            break
    return Tree(folder, folders, files)


async def _pages(
    context: StepContext,
    root: EntryId,
    what: Literal["files", "folders"] | None,
    *,
    order: str = "AZ",
    descending: bool = False,
) -> list[Contents]:
    """Read all pages; each is asked for until it comes, so that one bad answer does not cost the others."""
    portal: Portal = context.client

    async def page(start: int) -> Contents:
        read = partial(portal.folders.page, root, start, sort_by=order, descending=descending, below=what)
        return await context.call(read)

    pages = [await page(0)]
    starts = list(range(PAGE, pages[0].total, PAGE))
    for at in range(0, len(starts), _AT_ONCE):
        pages += await asyncio.gather(*(page(start) for start in starts[at : at + _AT_ONCE]))
        await context.progress(f"{sum(one.entries for one in pages)} of {pages[0].total} listed")
    last = pages[-1]
    following = next_start((len(pages) - 1) * PAGE, last.entries, last.total)
    while following is not None:  # it grew meanwhile, or the total hid some
        pages.append(await page(following))
        following = next_start(following, pages[-1].entries, pages[-1].total)
    return pages


async def _add_ways(
    context: StepContext, root: EntryId, folders: dict[EntryId, Folder], wanted: set[EntryId | None]
) -> None:
    """Look up folders that the listing did not show, and those above them."""
    portal: Portal = context.client
    for start in wanted:
        folder = start
        while folder is not None and folder != root and folder not in folders:
            try:
                folders[folder] = await context.call(partial(portal.folders.get, folder))
            except (NotFound, Forbidden):
                break  # it went away meanwhile; the next listing shows where its files are
            folder = folders[folder].parent_id
