"""`archive_files`: move every file of a room, all levels, into a folder of its own, and see that none is left.

Plan, apply, verify, report. The plan is recorded with the run before anything is moved; `archiving` decides,
`tree` lists, `moving` moves. A move keeps ids, so whatever cuts this short, a fresh listing says what is left to do.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.automations.duration import Duration
from roomkeeper.connectors.docspace.files import archiving, evidence
from roomkeeper.connectors.docspace.files.archiving import EACH_FILE, ArchivePlan, Layout, Line
from roomkeeper.connectors.docspace.files.moving import WIDTH, DestinationGone, Item, Moved, is_there, move, rename
from roomkeeper.connectors.docspace.files.tree import Tree, below, directly_in, files_below
from roomkeeper.connectors.docspace.places import (
    address,
    folder_at,
    folder_titled,
    must_be_named,
    must_keep,
    must_take_files,
    way_to,
)
from roomkeeper.contract.approve import ask, asked_first, is_covered
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.contract.text import NotBlank
from roomkeeper.docspace import EntryId, File, Folder, PathPart, Portal
from roomkeeper.docspace.folders import stored_folder_title
from roomkeeper.docspace.titles import title_key
from roomkeeper.errors import (
    FailedItem,
    RemoteError,
    StepFailed,
)

_FIRST, _LONGEST = 1.0, 300.0  # seconds between two attempts at what is locked or open (ours)
_IN_VAIN = 2  # attempts to move a folder whole after which its contents are moved one by one (ours)
_EXPLAINED = 200  # missing files that are looked up one by one, to say where they are (ours)


class ArchiveFiles(BaseModel):
    """What `archive_files` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    room: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room to empty: its id or its exact title.", examples=["{{ deal.fields.docspace_room_id }}"]
    )
    under: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room or folder that holds the archive: its id, or a room's exact title.", examples=[654321]
    )
    title: NotBlank = Field(
        description="The folder's title below it; made if it is not there.", examples=["{{ deal.company }}"]
    )
    layout: Layout = Field(
        default="flat",
        description="All files into one folder, renaming what collides; or the folders as they are.",
        examples=["flat"],
    )
    patience: Duration = Field(
        default=3600.0, description="How long to try what is open or locked before it is reported.", examples=["1h"]
    )
    approve_over: int | None = Field(
        default=None, ge=0, description="Ask a person before moving more files than this.", examples=[500]
    )


class Archived(BaseModel):
    """What `archive_files` did: how many files, how many bytes, and where they are now."""

    files: int = 0
    bytes: int = 0
    folder: EntryId | None = None
    title: str = ""
    url: str = ""
    renamed: int = 0
    unseen: int = 0
    report: Sequence[Mapping[str, object]] = Field(default_factory=list)


async def apply(params: ArchiveFiles, context: StepContext) -> Archived:
    """Archive the room's files. Raises StepFailed, naming each file that is not archived; ApprovalNeeded."""
    return await _Archiving(params, context).run()


async def plan(params: ArchiveFiles, context: StepContext) -> Plan:
    """Say what `apply` would do, without writing."""
    return await _Archiving(params, context).foretell()


ARCHIVE_FILES = StepKind(
    name="archive_files",
    summary="Move every file of a room into a folder of the archive: none left, none overwritten, verified.",
    params=ArchiveFiles,
    result=Archived,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    until_closed=True,
    in_a_loop=False,
    destination="under",
    places={"room": "manage", "under": "write"},
    scopes=frozenset({"files:write", "rooms:read"}),
    evidence=evidence.of_archive,
)


class _Archiving:
    """One execution of the step."""

    def __init__(self, params: ArchiveFiles, context: StepContext) -> None:
        self._params, self._context = params, context
        self._portal: Portal = context.client
        self._why: dict[Item, str] = {}
        self._tried: dict[EntryId, int] = {}
        self._since: dict[EntryId, float] = {}
        self._target: Sequence[PathPart] = ()
        self._listed: Tree | None = None  # what the room holds, for whoever needs it next

    async def run(self) -> Archived:
        room, under = await self._places()
        async with self._context.hold(f"archive of room {room.id}"):
            planned = await self._planned(room, under)
            await self._ask_for_approval(planned)
            await self._find_destination(planned)
            while True:
                await self._empty(planned)
                outcome = await self._verified(planned)
                self._listed = await below(self._context, room.id)
                if not self._listed.files and not planned.waits_for(self._listed):  # nothing came meanwhile
                    return outcome

    async def foretell(self) -> Plan:
        room, under = await self._places()
        planned = self._new_plan(room, under)
        tree = await below(self._context, room.id)
        await must_keep(self._context, self._target[1].id, tree.files.values(), so="nothing was moved")
        planned.take_in(tree)
        made = [] if await self._foresee(planned) else [f"create the folder {planned.where!r}"]
        asked = asked_first(len(planned.lines), self._params.approve_over)
        moves = [
            f"move file {line.file} {line.was!r} ({line.size:,} bytes) to {planned.goes_to(line)!r}"
            for line in planned.lines.values()
        ]
        return Plan((*made, *asked, *moves) if moves else (), "" if moves else f"{room.title!r} holds no file")

    async def _foresee(self, planned: ArchivePlan) -> bool:
        """Choose the titles that the files would get by what is there now; tells whether the folder is there."""
        there = await folder_titled(self._context, planned.under, planned.title)
        taken = await directly_in(self._context, there.id) if there is not None else None
        collide = [line for line in planned.lines.values() if planned.layout == "flat" or not line.path]
        _entitle(planned, collide, taken)
        return there is not None

    # --- plan -----------------------------------------------------------------------------------------------

    async def _places(self) -> tuple[PathPart, PathPart]:
        """Find the room to empty and where the archive is. Raises StepFailed."""
        source = await way_to(self._context, self._params.room, setting="room")
        self._target = target = await way_to(self._context, self._params.under, setting="under")
        room, under = source[-1], target[-1]
        if room.room_type is None:
            what = f"`room` {room.id} {room.title!r} is a folder or a section, not a room"
            raise StepFailed(what, remedy="Put the id of the client's room into the deal, then start anew.")
        if isinstance(room.id, str) or isinstance(under.id, str):
            what = "files cannot be archived out of or into third-party storage: there, a moved file is another file"
            raise StepFailed(what, remedy="Choose a room and an archive in the portal's own storage.")
        if str(room.id) in {str(part.id) for part in target}:
            what = f"the archive {under.title!r} ({under.id}) lies in the very room that is to be emptied"
            raise StepFailed(what, remedy="Choose a folder of another room for `under:`.")
        if (await self._context.call(lambda: self._portal.folders.get(room.id))).is_archived:
            what = f"room {room.id} {room.title!r} lies in the portal's Archive section, where nothing can be moved"
            raise StepFailed(what, remedy="Bring it back from there, then `roomkeeper runs retry`.")
        await must_take_files(self._context, target, setting="under")
        return room, under

    def _new_plan(self, room: PathPart, under: PathPart) -> ArchivePlan:
        title = stored_folder_title(self._params.title)
        return ArchivePlan(room.id, room.title, under.id, under.title, title, self._params.layout)

    async def _planned(self, room: PathPart, under: PathPart) -> ArchivePlan:
        """Read the plan that is being carried out, or make one."""
        recorded = await self._context.recorded()
        if recorded is not None and recorded["folder"] is not None:
            return ArchivePlan.from_json(recorded)
        self._listed = await below(self._context, room.id)
        await must_keep(self._context, self._target[1].id, self._listed.files.values(), so="nothing was moved")
        planned = self._new_plan(room, under)
        planned.asked = recorded["asked"] if recorded is not None else 0
        planned.take_in(self._listed)
        await self._context.record(planned.to_json())
        return planned

    async def _ask_for_approval(self, planned: ArchivePlan) -> None:
        """Ask a person before moving many files, and again if by then it is many more. Raises ApprovalNeeded."""
        limit, wanted = self._params.approve_over, len(planned.lines)
        if limit is None or is_covered(self._context, wanted, limit=limit, asked=planned.asked):
            return
        planned.asked = wanted
        await self._foresee(planned)
        more = f"then what comes into the room until it is empty, too; above {wanted + limit} files you are asked again"
        await ask(self._context, planned.told()[0], [*planned.told(), more], kept=planned.to_json())

    async def _find_destination(self, planned: ArchivePlan) -> None:
        """Find or create the folder. One that was deleted with archived files in it is not quietly replaced."""
        if planned.folder is not None and await is_there(self._context, planned.folder):
            return
        if planned.folder is not None:
            gone = await self._not_in_the_room(planned)
            if gone:
                raise await self._destination_gone(planned, gone)
        planned.folder = await folder_at(self._context, planned.under, [planned.title])
        await self._context.record(planned.to_json())

    # --- apply ----------------------------------------------------------------------------------------------

    async def _empty(self, planned: ArchivePlan) -> None:
        """Move what is in the room until nothing is; gives up on what does not move for `patience`."""
        pause = _FIRST
        tree, self._listed = self._listed or await below(self._context, planned.room), None
        while tree.files or planned.waits_for(tree):
            if not tree.files:
                tree = await self._shown(planned)
                continue
            if planned.take_in(tree):
                await self._context.record(planned.to_json())
                await self._ask_for_approval(planned)
            for file in tree.files:
                self._since.setdefault(file, time.monotonic())
            await self._try_round(planned, tree)
            before, tree = tree, await below(self._context, planned.room)
            await self._context.progress(f"{len(planned.lines) - len(tree.files)} of {len(planned.lines)} files moved")
            stuck = [file for file in tree.files if file in before.files]
            if stuck and all(time.monotonic() - self._since[file] >= self._params.patience for file in stuck):
                planned.take_in(tree)
                raise self._left_behind(planned, list(tree.files.values()))
            if len(stuck) < max(len(before.files), len(tree.files)):
                pause = _FIRST
                continue  # something moved, or came
            first = planned.lines[stuck[0]].was
            told = f"{len(stuck)} file{'' if len(stuck) == 1 else 's'} cannot be moved yet ({first!r} …)"
            await self._context.progress(f"{told}; next try in {pause:.0f} s")
            await self._context.pause(min(pause, self._params.patience))
            pause = min(_LONGEST, 2 * pause)
            tree = await below(self._context, planned.room)

    async def _shown(self, planned: ArchivePlan) -> Tree:
        """Wait until what is counted in the room is listed, or gone: a file is hidden while it is converted.

        The count itself may be wrong, for good (FileDao.cs, MoveFileAsync: counted after the commit); a person tells.
        """
        began, pause = time.monotonic(), _FIRST
        while True:
            tree = await below(self._context, planned.room)
            if tree.files or not planned.waits_for(tree):
                return tree
            hidden = f"{tree.hidden} file{'' if tree.hidden == 1 else 's'}"
            if time.monotonic() - began >= self._params.patience:
                planned.unseen = tree.hidden
                await self._context.record(planned.to_json())
                what = f"room {planned.room} {planned.room_title!r} counts {hidden} that no listing shows"
                raise StepFailed(
                    f"{what}: probably being converted",
                    remedy="Look into the room: wait until nothing is being converted; if nothing is, its count is "
                    "wrong. Then `roomkeeper runs retry`, which goes by what is shown.",
                    result=self._json(planned, []),
                )
            await self._context.progress(f"{hidden} in the room cannot be seen yet; next look in {pause:.0f} s")
            await self._context.pause(min(pause, self._params.patience))
            pause = min(_LONGEST, 2 * pause)

    async def _try_round(self, planned: ArchivePlan, tree: Tree) -> None:
        try:
            await self._round(planned, tree)
        except DestinationGone as error:
            if planned.folder is not None and await is_there(self._context, planned.folder):
                return  # a folder within it, which the next round makes again
            raise await self._destination_gone(planned, await self._not_in_the_room(planned)) from error

    async def _not_in_the_room(self, planned: ArchivePlan) -> list[Line]:
        """List what was planned and is not in the room any more: it had been moved."""
        left = await files_below(self._context, planned.room)
        return [line for line in planned.lines.values() if line.file not in left]

    async def _round(self, planned: ArchivePlan, tree: Tree) -> None:
        """Try once to move everything. Raises DestinationGone."""
        if planned.folder is None or not await is_there(self._context, planned.folder):
            raise DestinationGone
        self._why.clear()
        async with self._context.hold(f"contents of folder {planned.folder}"):
            if planned.layout == "flat":
                await self._move_into(planned, list(tree.files.values()), [], planned.folder)
            else:
                await self._merge(planned, tree, tree.root, planned.folder)

    async def _merge(self, planned: ArchivePlan, tree: Tree, source: EntryId, target: EntryId) -> None:
        """Bring what lies in one folder into another: folders whole if nothing is in the way, else their contents."""
        there = await directly_in(self._context, target)
        taken = {title_key(folder.title) for folder in there.folders.values()}
        whole: list[Folder] = []
        opened: list[Folder] = []
        for folder in tree.folders_in(source):
            if self._tried.get(folder.id, 0) >= _IN_VAIN or title_key(folder.title) in taken:
                opened.append(folder)
                continue
            taken.add(title_key(folder.title))
            self._tried[folder.id] = self._tried.get(folder.id, 0) + 1
            whole.append(folder)
        await self._move_into(planned, tree.files_in(source), whole, target, there)
        for folder in opened:
            if tree.has_files(folder.id):
                inner = await folder_at(self._context, target, [folder.title])
                await self._merge(planned, tree, folder.id, inner)

    async def _move_into(
        self,
        planned: ArchivePlan,
        files: Sequence[File],
        folders: Sequence[Folder],
        target: EntryId,
        there: Tree | None = None,
    ) -> None:
        """Move files, under titles that are free, and whole folders. Raises DestinationGone."""
        there = there or await directly_in(self._context, target)
        if _entitle(planned, [planned.lines[file.id] for file in files], there):
            await self._context.record(planned.to_json())
        titles = {file.id: planned.lines[file.id].new_title for file in files}
        refused = await rename(
            self._context, {file.id: titles[file.id] for file in files if file.title != titles[file.id]}
        )
        self._why |= {("file", file): why for file, why in refused.items()}
        fit = [file for file in files if file.id not in refused]
        # What is locked or open would spoil its whole batch, so it comes last, where it is soon alone.
        fit.sort(key=lambda file: file.locked or file.is_being_edited)
        items: list[Item] = [("folder", folder.id) for folder in folders]
        items += [("file", file.id) for file in fit]
        moved: Moved = await move(self._context, items, target, width=WIDTH)
        self._why |= {item: why for item in items if (why := moved.why(item))}
        for folder in folders:
            if moved.why(("folder", folder.id)):
                self._tried[folder.id] = _IN_VAIN  # something in it cannot be moved: then the rest of it can

    # --- verify and report ----------------------------------------------------------------------------------

    async def _verified(self, planned: ArchivePlan) -> Archived:
        """Make sure that every planned file is in the archive. Raises StepFailed, naming those that are not."""
        folder = planned.folder or planned.under
        try:
            missing = planned.see(await below(self._context, folder)) if planned.lines else []
        except RemoteError as error:
            if await is_there(self._context, folder):
                raise
            raise await self._destination_gone(planned, await self._not_in_the_room(planned)) from error
        if missing and not await is_there(self._context, folder):
            raise await self._destination_gone(planned, missing)
        if missing:
            items = await self._explained(planned, missing)
            what = f"{len(missing)} of {len(planned.lines)} files are not in {planned.where!r}"
            raise StepFailed(
                f"{what}: {_names(items)}", remedy=EACH_FILE, items=items, result=self._json(planned, missing)
            )
        await self._note_title(planned)
        return self._outcome(planned, [])

    async def _note_title(self, planned: ArchivePlan) -> None:
        """Take the folder's title from the portal: somebody may have renamed it meanwhile."""
        if planned.folder is not None:
            planned.title = (await self._context.call(partial(self._portal.folders.get, planned.folder))).title

    async def _explained(self, planned: ArchivePlan, missing: Sequence[Line]) -> list[FailedItem]:
        items = []
        for at, line in enumerate(missing):
            file = await self._looked_up(line.file) if at < _EXPLAINED else None
            items.append(archiving.explain_missing(line, file, planned))
        return items

    async def _looked_up(self, file: EntryId) -> File | None:
        try:
            return await self._context.call(partial(self._portal.files.get, file))
        except RemoteError as error:
            if error.status in {403, 404}:
                return None
            raise

    async def _destination_gone(self, planned: ArchivePlan, gone: Sequence[Line]) -> StepFailed:
        """Say that the archive's folder was deleted, and which files went with it."""
        items = await self._explained(planned, gone)
        with_it = f", with {len(gone)} of {len(planned.lines)} files in it" if gone else ""
        what = (
            f"the folder {planned.where!r} ({planned.folder}) was deleted while files were being moved into it{with_it}"
        )
        remedy = "Restore it from the trash, then `roomkeeper runs retry`."
        every = list(planned.lines.values())
        return StepFailed(what, remedy=remedy, items=items, result=self._json(planned, every))

    def _left_behind(self, planned: ArchivePlan, left: Sequence[File]) -> StepFailed:
        lines = [planned.lines[file.id] for file in left]
        items = [
            archiving.explain_left(file, line, self._why.get(("file", file.id), ""))
            for file, line in zip(left, lines, strict=True)
        ]
        what = f"{len(left)} of {len(planned.lines)} files are still in room {planned.room} {planned.room_title!r}"
        return StepFailed(f"{what}: {_names(items)}", remedy=EACH_FILE, items=items, result=self._json(planned, lines))

    def _json(self, planned: ArchivePlan, not_done: Sequence[Line]) -> dict[str, object]:
        return dict(self._outcome(planned, not_done))

    def _outcome(self, planned: ArchivePlan, not_done: Sequence[Line]) -> Archived:
        undone = {line.file for line in not_done}
        done = [line for line in planned.lines.values() if line.file not in undone]
        folder = planned.folder
        return Archived.model_construct(  # of our own making: a report of so many lines is not looked through again
            files=len(done),
            bytes=sum(line.size for line in done),
            folder=folder,
            title=planned.title,
            url=address(self._portal, folder) if folder is not None else "",
            unseen=planned.unseen,
            renamed=sum(1 for line in done if line.new_title not in {"", line.title}),
            report=archiving.Report(planned, done, not_done),
        )


def _entitle(planned: ArchivePlan, lines: Sequence[Line], there: Tree | None) -> bool:
    """Choose titles for files that come to lie together, beside what is there; true if any is another than before."""
    mine = {line.file for line in lines}
    taken = [file.title for file in there.files.values() if file.id not in mine] if there is not None else []
    changed = False
    for line in archiving.titled(archiving.ordered(lines), taken):
        changed |= planned.lines[line.file] != line
        planned.lines[line.file] = line
    return changed


def _names(items: Sequence[FailedItem]) -> str:
    return ", ".join(one.item for one in items[:3]) + (" …" if len(items) > 3 else "")  # noqa: PLR2004
