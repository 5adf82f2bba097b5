"""`restore_files`: what `roomkeeper runs undo` runs: put archived or moved files back where the plan found them.

It goes by what the portal shows, not by what the archiving did: a folder that lies elsewhere than it did goes back
whole, then each file that is not in its folder, then its title. So it can be cut short and goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.files.archiving import EACH_FILE, ArchivePlan, Line, numbered
from roomkeeper.connectors.docspace.files.moving import DestinationGone, Item, Moved, move, rename
from roomkeeper.connectors.docspace.files.relocation import MovePlan, put_back
from roomkeeper.connectors.docspace.files.tree import Tree, below
from roomkeeper.connectors.docspace.places import folder_at, must_keep
from roomkeeper.connectors.docspace.rooms import bring_back
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.docspace import EntryId, File, Folder, Portal
from roomkeeper.docspace.titles import same_title, title_key
from roomkeeper.errors import FailedItem, Forbidden, NotFound, StepFailed

_ATTEMPTS = 5  # ours
_PAUSE = 2.0  # seconds between them (ours)


class RestoreFiles(BaseModel):
    """What `restore_files` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: int = Field(description="The run that archived or moved the files.", examples=[12])
    position: int = Field(default=0, ge=0, description="Which of its steps did, counted from 0.", examples=[0])


class Restored(BaseModel):
    """What `restore_files` did."""

    files: int = 0
    room: EntryId | None = None
    recreated: int = 0
    report: list[dict[str, object]] = Field(default_factory=list)


@dataclass
class _State:
    """Where everything is now: in the room, and in the archive."""

    room: Tree
    archive: Tree
    lines: Mapping[EntryId, Line]

    @property
    def files(self) -> Mapping[EntryId, File]:
        """Every file of either that was archived."""
        return {
            number: file for number, file in {**self.archive.files, **self.room.files}.items() if self.is_ours(file)
        }

    def in_room(self, line: Line) -> File | None:
        """Find the file of a line in the room."""
        file = self.room.files.get(line.file)
        return file if file is not None and line.is_of(file) else None

    def is_ours(self, file: File) -> bool:
        """Whether it is one of those that were archived, and not one that got the id of one."""
        line = self.lines.get(file.id)
        return line is not None and line.is_of(file)

    @property
    def folders(self) -> Mapping[EntryId, Folder]:
        """Every folder of either."""
        return {**self.archive.folders, **self.room.folders}


async def apply(params: RestoreFiles, context: StepContext) -> Restored:
    """Put the files back. Raises StepFailed, naming each that cannot go back."""
    planned = await _planned(params, context)
    if isinstance(planned, MovePlan):
        return await _moved_back(context, planned)
    async with context.hold(f"archive of room {planned.room}"):
        await bring_back(context, planned.room)
        return await _Restoring(context, planned).run()


async def plan(params: RestoreFiles, context: StepContext) -> Plan:
    """Say what would be put back."""
    planned = await _planned(params, context)
    lines = [f"move {planned.goes_to(line)!r} back to {line.was!r}" for line in planned.lines.values()]
    return Plan(tuple(lines), "" if lines else "nothing was archived")


RESTORE_FILES = StepKind(
    name="restore_files",
    summary="Put the files that a run archived or moved back where they were, verified (`roomkeeper runs undo`).",
    params=RestoreFiles,
    result=Restored,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    in_a_loop=False,
    scopes=frozenset({"files:write", "rooms:read"}),
)


async def _planned(params: RestoreFiles, context: StepContext) -> ArchivePlan | MovePlan:
    recorded = await context.recorded((params.run, params.position))
    if not isinstance(recorded, dict) or recorded.get("folder") is None:
        what = f"run {params.run} has not moved anything in its step {params.position}"
        raise StepFailed(
            what, remedy="`roomkeeper runs show` has its steps, counted from 0: name one that moves files."
        )
    return MovePlan.from_json(recorded) if "room" not in recorded else ArchivePlan.from_json(recorded)


async def _moved_back(context: StepContext, planned: MovePlan) -> Restored:
    """Put back what `move_files` moved. Raises StepFailed, naming each that cannot go back."""
    back, failed = await put_back(context, planned)
    lines = [
        {"file": line.file, "title": line.title, "outcome": "back", "from": planned.goes_to(line), "to": line.was}
        for line in back
    ]
    result = Restored(files=len(back), report=lines)
    if not failed:
        return result
    what = f"{len(failed)} of {len(planned.lines)} files cannot go back to where they were"
    raise StepFailed(what, remedy=EACH_FILE, items=failed, result=result.model_dump(mode="json"))


class _Restoring:
    """One execution of the step."""

    def __init__(self, context: StepContext, planned: ArchivePlan) -> None:
        self._context, self._planned = context, planned
        self._portal: Portal = context.client
        self._recreated: dict[EntryId, EntryId] = {}
        self._wrong: dict[EntryId, FailedItem] = {}
        self._stays: dict[EntryId, str] = {}

    async def run(self) -> Restored:
        state = await self._look()
        away = [file for number, file in state.archive.files.items() if number in state.files]
        await must_keep(self._context, self._planned.room, away, so="nothing was put back")
        for attempt in range(_ATTEMPTS):
            if attempt:
                await self._context.pause(_PAUSE)
            await self._folders_back(state)
            await self._files_back(await self._look())
            await self._titles_back(await self._look())
            state = await self._look()
            if not self._left(state):
                break
        return self._outcome(state)

    async def _look(self) -> _State:
        archive = self._planned.folder
        if archive is None:
            what = "the plan names no folder of the archive, so that nothing was put there"
            raise StepFailed(what, remedy="There is nothing to bring back: `roomkeeper runs cancel`.")
        room = await below(self._context, self._planned.room)
        try:
            return _State(room, await below(self._context, archive), self._planned.lines)
        except (NotFound, Forbidden):
            return _State(room, Tree(archive, {}, {}), self._planned.lines)  # the archive is gone; each file is named

    # --- folders --------------------------------------------------------------------------------------------

    async def _folders_back(self, state: _State) -> None:
        """Bring whole folders back to where they were, those higher up first: what is in them comes along."""
        for folder, (title, parent) in self._top_down():
            now = state.archive.folders.get(folder)
            if now is None or folder in state.room.folders:
                continue
            if now.parent_id != state.archive.root and now.parent_id in self._planned.folders:
                continue  # it comes along with the folder it lies in
            target = await self._folder(state, parent)
            if target is None:
                continue
            moved = await self._move([("folder", folder)], target)
            self._stays[folder] = moved.why(("folder", folder)) or "it was moved in vain"
            if not same_title(now.title, title):
                await self._context.call(partial(self._portal.folders.rename, folder, title))

    def _top_down(self) -> list[tuple[EntryId, tuple[str, EntryId]]]:
        def depth(folder: EntryId) -> int:
            steps = 0
            while folder in self._planned.folders:
                folder, steps = self._planned.folders[folder][1], steps + 1
            return steps

        return sorted(self._planned.folders.items(), key=lambda one: depth(one[0]))

    async def _folder(self, state: _State, folder: EntryId) -> EntryId | None:
        """Give the folder where something was, made anew if it is gone; None while it lies in the archive itself."""
        if folder == self._planned.room or folder in state.room.folders:
            return folder
        if folder in state.archive.folders:
            return None
        if folder not in self._recreated:
            self._recreated[folder] = await folder_at(self._context, self._planned.room, self._path(folder))
        return self._recreated[folder]

    def _path(self, folder: EntryId) -> list[str]:
        up: list[str] = []
        while folder in self._planned.folders:
            title, folder = self._planned.folders[folder]
            up.append(title)
        return up[::-1]

    # --- files ----------------------------------------------------------------------------------------------

    async def _files_back(self, state: _State) -> None:
        """Bring back the files that lie elsewhere, unless another file has their title there now."""
        self._wrong.clear()
        by_target: dict[EntryId, list[Line]] = {}
        for line in self._left(state):
            if line.file not in state.files:
                self._wrong[line.file] = _gone(line)
                continue
            target = await self._folder(state, line.folder)
            if target is None:
                why = self._stays.get(line.folder, "a folder above it stays")
                self._wrong[line.file] = _refused(line, f"its folder cannot be moved back: {why}")
                continue
            other = self._stranger(state, target, line)
            if other is not None:
                self._wrong[line.file] = _taken(line, other)
            elif state.files[line.file].folder_id != target:
                by_target.setdefault(target, []).append(line)
        for target, lines in by_target.items():
            await self._into(state, target, lines)

    def _stranger(self, state: _State, target: EntryId, line: Line) -> File | None:
        """Find a file of the same title in the folder that was not there when the room was archived."""
        there = (one for one in state.room.files_in(target) if same_title(one.title, line.title))
        return next((one for one in there if not state.is_ours(one)), None)

    async def _into(self, state: _State, target: EntryId, lines: Sequence[Line]) -> None:
        """Move files, under titles that are free for the moment: of two equal ones, the portal moves only the first."""
        used = {title_key(one.title) for one in state.room.files_in(target)}
        titles: dict[EntryId, str] = {}
        for line in lines:
            now = state.files[line.file].title
            title = next(one for one in (now, *islice(numbered(now), len(used) + 1)) if title_key(one) not in used)
            used.add(title_key(title))
            titles[line.file] = title
        refused = await self._entitle(
            {file: title for file, title in titles.items() if title != state.files[file].title}
        )
        moved = await self._move([("file", file) for file in titles if file not in refused], target)
        for line in lines:
            if why := moved.why(("file", line.file)):
                self._wrong[line.file] = _refused(line, why)

    async def _titles_back(self, state: _State) -> None:
        wrong = {
            line.file: line.title
            for line in self._left(state)
            if (file := state.in_room(line)) is not None and file.title != line.title and line.file not in self._wrong
        }
        await self._entitle(wrong)

    async def _entitle(self, titles: Mapping[EntryId, str]) -> Mapping[EntryId, str]:
        """Give files their titles; gives those that do not take it now."""
        refused = await rename(self._context, titles)
        self._wrong |= {file: _refused(self._planned.lines[file], why) for file, why in refused.items()}
        return refused

    async def _move(self, items: Sequence[Item], target: EntryId) -> Moved:
        try:
            return await move(self._context, items, target)
        except DestinationGone:
            self._recreated = {old: new for old, new in self._recreated.items() if new != target}
            return Moved()

    # --- the end --------------------------------------------------------------------------------------------

    def _left(self, state: _State) -> list[Line]:
        """List the files that are not where they were, or not under their title."""
        return [line for line in self._planned.lines.values() if not self._is_back(line, state)]

    def _is_back(self, line: Line, state: _State) -> bool:
        file = state.in_room(line)
        places = {line.folder, self._recreated.get(line.folder)}
        return file is not None and file.title == line.title and (file.folder_id or state.room.root) in places

    def _outcome(self, state: _State) -> Restored:
        left = self._left(state)
        items = [self._wrong.get(line.file) or _stuck(line, state.files.get(line.file)) for line in left]
        done = [line for line in self._planned.lines.values() if line not in left]
        lines = [
            {"file": line.file, "title": line.title, "outcome": "back", "from": self._planned.goes_to(line)}
            | {"to": f"{self._planned.room_title}/{line.was}"}
            for line in done
        ]
        result = Restored(files=len(done), room=self._planned.room, recreated=len(self._recreated), report=lines)
        if not items:
            return result
        what = f"{len(items)} of {len(self._planned.lines)} files cannot go back to {self._planned.room_title!r}"
        raise StepFailed(what, remedy=EACH_FILE, items=items, result=result.model_dump(mode="json"))


def _name(line: Line) -> str:
    return f"file {line.file} {line.was!r}"


def _gone(line: Line) -> FailedItem:
    reason = "it is not in the archive any more: deleted, or moved elsewhere"
    return FailedItem(_name(line), reason, "Bring it back into the archive's folder, then `roomkeeper runs retry`.")


def _taken(line: Line, other: File) -> FailedItem:
    reason = f"another file (file {other.id}) has its title there now; it stays in the archive"
    return FailedItem(_name(line), reason, "Rename or move the other one, then `roomkeeper runs retry`.")


def _refused(line: Line, said: str) -> FailedItem:
    return FailedItem(_name(line), f"the portal refuses it: {said}", "Put that right, then `roomkeeper runs retry`.")


def _stuck(line: Line, file: File | None) -> FailedItem:
    if file is not None and (file.locked or file.is_being_edited):
        state = "locked" if file.locked else "open in the editor"
        return FailedItem(_name(line), f"it is {state}", "Have that ended, then `roomkeeper runs retry`.")
    return _refused(line, "it was moved again and again, and is not there")
