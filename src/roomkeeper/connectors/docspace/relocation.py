"""`move_files`: bring files into one folder, wherever they lie now, and see that each is there.

A move keeps ids: so whatever cuts this short, a look at each file says what is left to do. The plan is recorded before
anything is moved, with each file's folder and title, so that `roomkeeper runs undo` can put them back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.automations.duration import Duration
from roomkeeper.automations.event import Event
from roomkeeper.connectors.docspace import archiving, evidence
from roomkeeper.connectors.docspace.archiving import Line
from roomkeeper.connectors.docspace.identity import is_told_of, made_at
from roomkeeper.connectors.docspace.moving import BATCH, DestinationGone, Item, is_there, move, rename
from roomkeeper.connectors.docspace.places import (
    address,
    folder_at,
    folder_titled,
    must_be_named,
    must_keep,
    must_take_files,
    way_to,
)
from roomkeeper.connectors.docspace.tree import directly_in
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.docspace import EntryId, File, PathPart, Portal, entry_id
from roomkeeper.docspace.titles import title_key
from roomkeeper.errors import ApprovalNeeded, FailedItem, Forbidden, NotFound, Rejected, StepFailed

Policy = Literal["keep_both", "skip"]
#: Keeps the lines with the titles that their files are about to get, and which files are in the folder.
Noted = Callable[[Mapping[EntryId, Line], Collection[EntryId]], Awaitable[None]]
_AT_ONCE = 8  # files looked at at the same time (ours)
_FIRST, _LONGEST = 1.0, 300.0  # seconds between two attempts at what is locked or open (ours)
_BACK_WITHIN = 60.0  # seconds for which files are tried that do not go back (ours)
_TO_APPROVE = 7 * 86_400.0  # seconds that a person may take to approve (ours)
_SHOWN = 30  # lines of a plan that are shown to whoever approves it (ours)


class MoveFiles(BaseModel):
    """What `move_files` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    to: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room or folder to move into: its id, or a room's exact title.", examples=[222222]
    )
    folder: str = Field(
        default="", description="Folders below it, with slashes; made if they are not there.", examples=["2026/Signed"]
    )
    files: list[EntryId] | None = Field(
        default=None,
        description="Files to move by id, such as those that `list_files` found, instead of the event's.",
        examples=["{{ old.ids }}"],
    )
    on_conflict: Policy = Field(
        default="keep_both",
        description="If something there has a file's title: move it under a title with a number, or leave it.",
        examples=["keep_both"],
    )
    patience: Duration = Field(
        default=3600.0, description="How long to try what is open or locked before it is reported.", examples=["1h"]
    )
    approve_over: int | None = Field(
        default=None, ge=0, description="Ask a person before moving more files than this.", examples=[100]
    )


class Moved(BaseModel):
    """What `move_files` did: how many files it moved, found there already, or left because of their titles."""

    files: int = 0
    already: int = 0
    skipped: int = 0
    bytes: int = 0
    renamed: int = 0
    folder: EntryId | None = None
    title: str = ""
    url: str = ""
    report: list[dict[str, object]] = Field(default_factory=list)


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


async def apply(params: MoveFiles, context: StepContext) -> Moved:
    """Move the files. Raises StepFailed, naming each file that is not there, with reason and remedy; ApprovalNeeded."""
    return await _Moving(params, context).run()


async def plan(params: MoveFiles, context: StepContext) -> Plan:
    """Say what `apply` would do, without writing."""
    return await _Moving(params, context).foretell()


MOVE_FILES = StepKind(
    name="move_files",
    summary="Move files into another room or folder: none overwritten, verified, and undone on demand.",
    params=MoveFiles,
    result=Moved,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    takes_many=True,
    in_a_loop=False,
    places={"to": "write"},
    scopes=frozenset({"files:write", "rooms:read"}),
    evidence=evidence.of_moves,
)


class _Moving:
    """One execution of the step."""

    def __init__(self, params: MoveFiles, context: StepContext) -> None:
        self._params, self._context = params, context
        self._portal: Portal = context.client
        self._failed: list[FailedItem] = []
        self._target: Sequence[PathPart] = ()  # the way to where they are to lie, of a plan that is made now

    async def run(self) -> Moved:
        planned = await self._planned()
        await self._ask_for_approval(planned)
        if not planned.lines:
            return self._outcome(planned, set(), [])
        if planned.folder is None:
            planned.folder = await folder_at(self._context, planned.to, self._below())
        await self._context.record(planned.to_json())
        # What an earlier list had and this one has not is no business of this one; it stays in the plan to be undone.
        lines = {number: planned.lines[number] for number in self._wanted() if number in planned.lines}
        left = {number: line for number, line in lines.items() if number not in planned.done}
        relocation = Relocation(self._context, planned.folder, left, planned.where, self._params.on_conflict)
        await relocation.carry_out(self._params.patience, noted=partial(self._note, planned))
        return self._outcome(planned, relocation.skipped, relocation.failed)

    async def foretell(self) -> Plan:
        planned = await self._planned()
        there = await self._folder_there(planned.to)
        lines = [line for line in planned.lines.values() if there is None or str(line.folder) != str(there)]
        colliding = await colliding_with(self._context, lines, there) if there is not None else frozenset()
        told = [self._foretold(planned, line, is_taken=line.file in colliding) for line in lines]
        limit = self._params.approve_over
        asked = [f"ask a person: more than {limit} files"] if limit is not None and len(lines) > limit else []
        made = [f"create the folder {planned.where!r}"] if there is None and lines else []
        reported = [f"report {one.item}: {one.reason}" for one in self._failed]
        because = "" if told or reported else "there is no file to move"
        return Plan((*made, *asked, *told, *reported), because)

    def _foretold(self, planned: MovePlan, line: Line, *, is_taken: bool) -> str:
        if is_taken and self._params.on_conflict == "skip":
            return f"leave file {line.file} {line.was!r}: something in {planned.where!r} has its title"
        numbered = ", under a title with a number" if is_taken else ""
        return f"move file {line.file} {line.was!r} ({line.size:,} bytes) to {planned.where!r}{numbered}"

    # --- plan -----------------------------------------------------------------------------------------------

    async def _planned(self) -> MovePlan:
        """Read the plan that is being carried out, or make one; what it lacks is looked for again."""
        recorded = await self._context.recorded()
        has_begun = recorded is not None and recorded["folder"] is not None
        planned = MovePlan.from_json(recorded) if has_begun else await self._new_plan()
        if has_begun and planned.below != self._below():
            what = f"files were moved to {planned.where!r} already, and now `folder` is {self._params.folder!r}"
            raise StepFailed(what, remedy="`roomkeeper runs undo` this run, then replay its event: that plans anew.")
        planned.asked = recorded["asked"] if recorded is not None else 0
        await self._take_in(planned, [number for number in self._wanted() if number not in planned.lines])
        return planned

    async def _new_plan(self) -> MovePlan:
        self._target = way = await way_to(self._context, self._params.to, setting="to")
        if isinstance(way[-1].id, str) or any(isinstance(one, str) for one in self._wanted()):
            what = "files cannot be moved out of or into third-party storage: there, a moved file is another file"
            raise StepFailed(what, remedy="Choose files and a folder of the portal's own storage, or `copy_files`.")
        await must_take_files(self._context, way, setting="to")
        return MovePlan(way[-1].id, "/".join((way[-1].title, *self._below())), self._below())

    def _below(self) -> list[str]:
        return [part.strip() for part in self._params.folder.split("/") if part.strip()]

    def _wanted(self) -> list[EntryId]:
        if self._params.files is not None:
            return list(dict.fromkeys(entry_id(str(one)) for one in self._params.files))
        about = [event.facts.get("file", {}) for event in self._context.events]
        return list(dict.fromkeys(one["id"] for one in about if "id" in one))

    def _telling(self, number: EntryId) -> list[Event]:
        return [one for one in self._context.events if one.facts.get("file", {}).get("id") == number]

    async def _take_in(self, planned: MovePlan, wanted: Sequence[EntryId]) -> None:
        """Look at each file: where it lies, so that it can go back there."""
        seen = await looked_at(self._context, wanted)
        if self._params.files is None:
            seen = {number: file for number, file in seen.items() if is_told_of(file, self._telling(number))}
        self._failed = [_gone(number) for number in wanted if number not in seen]
        ways = {folder: await self._way(folder) for folder in {one.folder_id for one in seen.values()}}
        if self._target:
            room = self._target[1].id
            new = [one for one in seen.values() if not ways[one.folder_id] or ways[one.folder_id][0].id != room]
            await must_keep(self._context, self._target, new, setting="to")
        for number, file in seen.items():
            folder, way = file.folder_id or 0, ways[file.folder_id]
            titles = tuple(part.title for part in way)
            planned.lines[number] = Line(number, file.title, file.size or 0, folder, titles, created=made_at(file))
            if way:
                planned.rooms[folder] = way[0].id

    async def _way(self, folder: EntryId | None) -> tuple[PathPart, ...]:
        """Find the way from the room down; a folder that cannot be seen has none."""
        if folder is None:
            return ()
        try:
            return (await self._context.call(partial(self._portal.folders.path, folder)))[1:]
        except (NotFound, Forbidden):
            return ()

    async def _folder_there(self, to: EntryId) -> EntryId | None:
        """Find the destination, if it is there already."""
        here = to
        for title in self._below():
            there = await folder_titled(self._context, here, title)
            if there is None:
                return None
            here = there.id
        return here

    async def _note(self, planned: MovePlan, lines: Mapping[EntryId, Line], done: Collection[EntryId]) -> None:
        """Keep the titles that files are about to get, and which files were seen in the folder."""
        planned.lines |= lines
        planned.done |= set(done)
        await self._context.record(planned.to_json())

    async def _ask_for_approval(self, planned: MovePlan) -> None:
        """Ask a person before moving many files, and again if by then it is many more. Raises ApprovalNeeded."""
        limit, wanted = self._params.approve_over, len(planned.lines.keys() & set(self._wanted()) - planned.done)
        if limit is None or wanted <= limit or (self._context.approved and wanted <= planned.asked + limit):
            return
        planned.asked = wanted
        then = [f"then {line}" for line in await self._context.ahead()]
        await self._context.record(planned.to_json() | {"lines": [*planned.told(), *then]})
        raise ApprovalNeeded(f"{planned.told()[0]}?", within=_TO_APPROVE)

    def _outcome(self, planned: MovePlan, left: set[EntryId], gone: Sequence[FailedItem]) -> Moved:
        done = [line for line in planned.lines.values() if line.file in planned.done]
        skipped = [line for line in planned.lines.values() if line.file in left]
        already = [line for line in done if str(line.folder) == str(planned.folder)]
        moved = [line for line in done if line not in already]
        title = planned.where.rpartition("/")[2]
        result = Moved(
            files=len(moved),
            already=len(already),
            skipped=len(skipped),
            bytes=sum(line.size for line in moved),
            renamed=sum(1 for line in moved if line.new_title not in {"", line.title}),
            folder=planned.folder,
            title=title,
            url=address(self._portal, planned.folder) if planned.folder is not None else "",
            report=[
                _reported(planned, line, outcome)
                for outcome, lines in (("moved", moved), ("already", already), ("skipped", skipped))
                for line in lines
            ],
        )
        failed = [*self._failed, *gone]
        if not failed:
            return result
        names = ", ".join(one.item for one in failed[:3]) + (" …" if len(failed) > 3 else "")  # noqa: PLR2004
        what = f"{len(failed)} of {len(failed) + len(done) + len(skipped)} files are not in {planned.where!r}: {names}"
        raise StepFailed(what, remedy=_EACH, items=failed, result=result.model_dump(mode="json"))


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


def _reported(planned: MovePlan, line: Line, outcome: str) -> dict[str, object]:
    to = planned.goes_to(line) if outcome == "moved" else ""
    about = {"file": line.file, "title": line.title, "size": line.size, "made": line.created}
    return {**about, "outcome": outcome, "from": line.was, "to": to}


_BACK = (
    "Restore it from the trash, or invite the account of the API key into its room, then `roomkeeper runs retry`; if "
    "it was meant to go, `roomkeeper runs cancel`."
)
_ITS_TITLE = "Rename it by hand, or put right what stands in the way and `roomkeeper runs retry`."
_ITS_FOLDER = "Restore its room from the trash, then `roomkeeper runs retry`; or move it by hand."
_EACH = "Each file has its reason and remedy below; put them right, then `roomkeeper runs retry`."
