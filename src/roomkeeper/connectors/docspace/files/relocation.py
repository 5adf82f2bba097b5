"""Bring files into one folder, wherever they lie now, see that each is there, and put them back.

A move keeps ids: so whatever cuts this short, a look at each file says what is left to do. The plan is recorded before
anything is moved, with each file's folder and title, so that `roomkeeper runs undo` can put them back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, Literal

from roomkeeper.connectors.docspace.files import archiving
from roomkeeper.connectors.docspace.files.archiving import Line
from roomkeeper.connectors.docspace.files.moving import BATCH, DestinationGone, Item, is_there, move, rename
from roomkeeper.connectors.docspace.files.tree import directly_in
from roomkeeper.connectors.docspace.places import folder_at, must_keep
from roomkeeper.contract.step import StepContext
from roomkeeper.docspace import EntryId, File, Portal
from roomkeeper.docspace.titles import title_key
from roomkeeper.errors import FailedItem, Forbidden, NotFound, Rejected, StepFailed

Policy = Literal["keep_both", "skip"]
#: Keeps the lines with the titles that their files are about to get, and which files are in the folder.
Noted = Callable[[Mapping[EntryId, Line], Collection[EntryId]], Awaitable[None]]
_AT_ONCE = 8  # files looked at at the same time (ours)
_FIRST, _LONGEST = 1.0, 300.0  # seconds between two attempts at what is locked or open (ours)
_BACK_WITHIN = 60.0  # seconds for which files are tried that do not go back (ours)
_SHOWN = 30  # lines of a plan that are shown to whoever approves it (ours)


@dataclass
class MovePlan:
    """What is recorded with the run: which files were found where, and the folder they go to. Enough to undo it."""

    to: EntryId
    where: str  # the destination, for people
    below: list[str]
    folder: EntryId | None = None
    asked: int = 0  # for how many files a person was asked
    lines: dict[EntryId, Line] = field(default_factory=dict)
    #: The files that were seen in the folder: people may have moved them on since, and they are not moved again.
    done: set[EntryId] = field(default_factory=set)
    #: By folder: the room it lies in, so that a folder that is gone can be made again.
    rooms: dict[EntryId, EntryId] = field(default_factory=dict)

    def told(self) -> list[str]:
        """Say what is to be done, in lines for people."""
        size = sum(line.size for line in self.lines.values())
        head = f"move {len(self.lines)} file{'' if len(self.lines) == 1 else 's'} ({size:,} bytes) to {self.where!r}"
        shown = [f"move {line.was!r} to {self.goes_to(line)!r}" for line in islice(self.lines.values(), _SHOWN)]
        rest = [f"… and {len(self.lines) - _SHOWN} more"] if len(self.lines) > _SHOWN else []
        return [head, *shown, *rest]

    def goes_to(self, line: Line) -> str:
        """Where a file goes, for people."""
        return f"{self.where}/{line.new_title or line.title}"

    def to_json(self) -> dict[str, Any]:
        """Give what is to be written as JSON; `lines` is for people. The files are not copied: they may be many."""
        plain: dict[str, Any] = {"to": self.to, "where": self.where, "folder": self.folder, "asked": self.asked}
        plain |= {"below": self.below, "done": list(self.done), "rooms": [list(pair) for pair in self.rooms.items()]}
        return plain | {"files": list(self.lines.values()), "lines": self.told()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "MovePlan":
        """Read what `to_json` gave."""
        lines = {line.file: line for line in map(Line.from_json, data["files"])}
        plain = {name: data[name] for name in ("to", "where", "below", "folder", "asked")}
        return cls(**plain, lines=lines, done=set(data["done"]), rooms=dict(data["rooms"]))


class Relocation:
    """Brings files into one folder, each under its `new_title` where that is free; says which are there then.

    What is gone is taken out of `lines`, and reported.
    """

    def __init__(
        self, context: StepContext, folder: EntryId, lines: dict[EntryId, Line], where: str, policy: Policy
    ) -> None:
        self._context, self._folder, self._lines, self._where, self._policy = context, folder, lines, where, policy
        self._why: dict[Item, str] = {}
        self.done: set[EntryId] = set()
        self.skipped: set[EntryId] = set()
        self.failed: list[FailedItem] = []

    async def carry_out(self, patience: float, *, noted: Noted) -> None:
        """Move until each is there, is left, or has not moved for `patience` seconds; `noted` keeps new titles.

        Raises StepFailed if the folder is gone.
        """
        began, pause = time.monotonic(), _FIRST
        left = await self._elsewhere(noted)
        while left:
            await self._round(list(left.values()), noted)
            before, left = left, await self._elsewhere(noted)
            if len(left) < len(before):
                began, pause = time.monotonic(), _FIRST
                continue
            if time.monotonic() - began >= patience:
                self.failed += [self._explained(file) for file in left.values()]
                return
            told = f"{len(left)} file{'' if len(left) == 1 else 's'} cannot be moved yet"
            await self._context.progress(f"{told}; next try in {pause:.0f} s")
            await self._context.pause(min(pause, patience))
            pause = min(_LONGEST, 2 * pause)

    def _explained(self, file: File) -> FailedItem:
        return archiving.explain_left(file, self._lines[file.id], self._why.get(("file", file.id), ""))

    async def _elsewhere(self, noted: Noted) -> dict[EntryId, File]:
        """Look at each file that is still to be moved; gives those that are not in the folder."""
        wanted = [number for number in self._lines if number not in self.done | self.skipped]
        seen = await looked_at(self._context, wanted)
        left: dict[EntryId, File] = {}
        for number in wanted:
            file = seen.get(number)
            if file is None or not self._lines[number].is_of(file):
                self.failed.append(_gone(number, self._lines.pop(number).title))
            elif str(file.folder_id) == str(self._folder):
                self.done.add(number)
            else:
                left[number] = file
        await noted(self._lines, self.done)
        return left

    async def _round(self, files: Sequence[File], noted: Noted) -> None:
        """Try once to move them all. Raises StepFailed if the folder is gone."""
        async with self._context.hold(f"contents of folder {self._folder}"):
            fit = await self._entitled(files, noted)
            # What is locked or open would spoil its whole batch, so it comes last, where it is soon alone.
            fit.sort(key=lambda file: file.locked or file.is_being_edited)
            items: list[Item] = [("file", file.id) for file in fit]
            try:
                moved = await move(self._context, items, self._folder)
            except DestinationGone as error:
                what = f"the folder {self._where!r} ({self._folder}) was deleted while files were being moved into it"
                raise StepFailed(what, remedy="Restore it from the trash, then `roomkeeper runs retry`.") from error
            self._why |= {item: why for item in items if (why := moved.why(item))}

    async def _entitled(self, files: Sequence[File], noted: Noted) -> list[File]:
        """Give the files titles that are free in the folder, or leave those whose title is taken."""
        for file in files:  # whatever people call it meanwhile, it is called
            if file.title not in {self._lines[file.id].title, self._lines[file.id].new_title}:
                self._lines[file.id] = replace(self._lines[file.id], title=file.title, new_title="")
        lines = [self._lines[file.id] for file in files]
        taken = await colliding_with(self._context, lines, self._folder)
        if self._policy == "skip":
            self.skipped |= taken
            return [file for file in files if file.id not in taken]
        others = [line.file for line, file in zip(lines, files, strict=True) if line.new_title not in {"", file.title}]
        if taken or others or _repeats(lines):
            mine = {file.id for file in files}
            there = await directly_in(self._context, self._folder)
            used = [file.title for file in there.files.values() if file.id not in mine]
            self._lines |= {line.file: line for line in archiving.titled(archiving.ordered(lines), used)}
            await noted(self._lines, self.done)
        titles = {file.id: self._lines[file.id].new_title or file.title for file in files}
        refused = await rename(
            self._context, {file.id: titles[file.id] for file in files if file.title != titles[file.id]}
        )
        self._why |= {("file", number): why for number, why in refused.items()}
        return [file for file in files if file.id not in refused]


async def put_back(context: StepContext, planned: MovePlan) -> tuple[list[Line], list[FailedItem]]:
    """Bring what a plan moved back into its folders, under its titles; gives what is back, and what cannot go.

    What people moved on since stays where they put it, and is named.
    """
    ours = {line.file: line for line in planned.lines.values() if str(line.folder) != str(planned.folder)}
    seen = await looked_at(context, list(ours))
    back, failed = list[Line](), list[FailedItem]()
    by_folder: dict[EntryId, list[Line]] = {}
    for number, line in ours.items():
        file = seen.get(number)
        if file is None or not line.is_of(file):
            failed.append(_gone(number, line.title))
        elif str(file.folder_id) in {str(planned.folder), str(line.folder)}:
            by_folder.setdefault(line.folder, []).append(replace(line, title=file.title, new_title=""))
        elif number in planned.done:
            reason = f"somebody moved it on, to folder {file.folder_id}"
            failed.append(FailedItem(_name(line), reason, "Move it by hand, if it is to go back, too."))
    for folder, lines in by_folder.items():
        if (room := planned.rooms.get(folder)) is not None and await is_there(context, room):
            await must_keep(context, room, [seen[line.file] for line in lines], so="nothing was put back")
    for folder, lines in by_folder.items():
        there = await _made_again(context, planned, folder, ours[lines[0].file])
        if there is None:
            failed += [FailedItem(_name(line), f"its folder {folder} is gone", _ITS_FOLDER) for line in lines]
            continue
        where = "/".join(lines[0].path) or f"folder {there}"
        relocation = Relocation(context, there, {line.file: line for line in lines}, where, "keep_both")
        await relocation.carry_out(_BACK_WITHIN, noted=_unnoted)
        arrived = [ours[line.file] for line in lines if line.file in relocation.done]
        wrong = await _titled_back(context, there, arrived)
        back += [line for line in arrived if line.file not in wrong]
        failed += [*relocation.failed, *wrong.values()]
    return back, failed


async def _made_again(context: StepContext, planned: MovePlan, folder: EntryId, line: Line) -> EntryId | None:
    """Give the folder where a file was, made anew if it is gone; None if its room is."""
    if await is_there(context, folder):
        return folder
    room = planned.rooms.get(folder)
    if room is None or not await is_there(context, room):
        return None
    return await folder_at(context, room, line.path[1:])


async def _unnoted(_: Mapping[EntryId, Line], __: Collection[EntryId]) -> None:
    """Keep nothing: the plan that is undone has the titles."""


async def _titled_back(context: StepContext, folder: EntryId, lines: Sequence[Line]) -> dict[EntryId, FailedItem]:
    """Give files their own titles again; gives those that cannot have theirs."""
    there = (await directly_in(context, folder)).files
    others = {line.file: line for line in lines if line.file in there and there[line.file].title != line.title}
    taken = {title_key(file.title) for file in there.values() if file.id not in others}
    free = {number: line.title for number, line in others.items() if title_key(line.title) not in taken}
    why = dict.fromkeys(others.keys() - free.keys(), "another file has its title")
    why |= await rename(context, free)
    return {
        number: FailedItem(_name(others[number]), f"it is back as {there[number].title!r}: {said}", _ITS_TITLE)
        for number, said in why.items()
    }


async def looked_at(context: StepContext, files: Sequence[EntryId]) -> dict[EntryId, File]:
    """Read files as they are now, several at a time; what is gone, hidden or in the trash is left out."""
    portal: Portal = context.client

    async def one(number: EntryId) -> File | None:
        try:
            file = await context.call(partial(portal.files.get, number))
        except NotFound:
            return None
        except Forbidden:
            await context.call(portal.people.myself)  # a dead key is answered so as well: this says it
            return None
        return None if file.is_in_trash else file

    seen: dict[EntryId, File] = {}
    for at in range(0, len(files), _AT_ONCE):
        some = files[at : at + _AT_ONCE]
        found = await asyncio.gather(*map(one, some))
        seen |= {number: file for number, file in zip(some, found, strict=True) if file is not None}
        if at:
            await context.progress(f"{at} of {len(files)} looked at")
    return seen


async def colliding_with(context: StepContext, lines: Sequence[Line], folder: EntryId) -> frozenset[EntryId]:
    """Choose the files whose title something in the folder has: the portal's database decides what is equal."""
    portal: Portal = context.client
    found: set[EntryId] = set()
    for at in range(0, len(lines), BATCH):
        some = [line.file for line in lines[at : at + BATCH]]
        try:
            found |= await context.call(partial(portal.files.colliding, some, folder))
        except (NotFound, Forbidden, Rejected):
            # One among them that is gone or hidden may spoil the question; the folder's listing does not need them.
            there = {title_key(file.title) for file in (await directly_in(context, folder)).files.values()}
            found |= {line.file for line in lines[at : at + BATCH] if title_key(line.title) in there}
    return frozenset(found)


def _repeats(lines: Iterable[Line]) -> bool:
    titles = [title_key(line.title) for line in lines]
    return len(set(titles)) < len(titles)


def _gone(file: EntryId, title: str = "") -> FailedItem:
    name = f"file {file} {title!r}" if title else f"file {file}"
    reason = "it was deleted (it may lie in its owner's trash), or the account of this key may not see it"
    return FailedItem(name, reason, _BACK)


def _name(line: Line) -> str:
    return f"file {line.file} {line.was!r}"


_BACK = (
    "Restore it from the trash, or invite the account of the API key into its room, then `roomkeeper runs retry`; if "
    "it was meant to go, `roomkeeper runs cancel`."
)
_ITS_TITLE = "Rename it by hand, or put right what stands in the way and `roomkeeper runs retry`."
_ITS_FOLDER = "Restore its room from the trash, then `roomkeeper runs retry`; or move it by hand."
