"""`move_files`: bring files into one folder, wherever they lie now, and see that each is there.

A move keeps ids: so whatever cuts this short, a look at each file says what is left to do. The plan is recorded before
anything is moved, with each file's folder and title, so that `roomkeeper runs undo` can put them back.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.automations.duration import Duration
from roomkeeper.automations.event import Event
from roomkeeper.connectors.docspace.files import evidence
from roomkeeper.connectors.docspace.files.archiving import EACH_FILE, Line
from roomkeeper.connectors.docspace.files.identity import made_at
from roomkeeper.connectors.docspace.files.meant import tells_of
from roomkeeper.connectors.docspace.files.relocation import (
    MovePlan,
    Policy,
    Relocation,
    _gone,
    colliding_with,
    looked_at,
)
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
from roomkeeper.docspace import EntryId, PathPart, Portal, entry_id
from roomkeeper.errors import FailedItem, Forbidden, NotFound, StepFailed


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
        asked = asked_first(len(lines), self._params.approve_over)
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
            meant = [
                one for one in wanted if one in seen and await tells_of(self._context, self._telling(one), seen[one])
            ]
            seen = {number: seen[number] for number in meant}
        self._failed = [_gone(number) for number in wanted if number not in seen]
        ways = {folder: await self._way(folder) for folder in {one.folder_id for one in seen.values()}}
        if self._target:
            room = self._target[1].id
            new = [one for one in seen.values() if not ways[one.folder_id] or ways[one.folder_id][0].id != room]
            await must_keep(self._context, room, new, so="nothing was moved")
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
        if is_covered(self._context, wanted, limit=limit, asked=planned.asked):
            return
        planned.asked = wanted
        await ask(self._context, planned.told()[0], planned.told(), kept=planned.to_json())

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
        raise StepFailed(what, remedy=EACH_FILE, items=failed, result=result.model_dump(mode="json"))


def _reported(planned: MovePlan, line: Line, outcome: str) -> dict[str, object]:
    to = planned.goes_to(line) if outcome == "moved" else ""
    about = {"file": line.file, "title": line.title, "size": line.size, "made": line.created}
    return {**about, "outcome": outcome, "from": line.was, "to": to}
