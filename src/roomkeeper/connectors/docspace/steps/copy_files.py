"""`copy_files`: bring uploaded files into another room, each version of each file once, and see that it is there.

This module finds out what is to go where; `transfer` sees the copies through, `copying` decides about each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.automations.event import Event
from roomkeeper.connectors.docspace.files import copying, evidence
from roomkeeper.connectors.docspace.files.copying import Policy
from roomkeeper.connectors.docspace.files.meant import tells_of
from roomkeeper.connectors.docspace.files.transfer import Report, Transfer, already
from roomkeeper.connectors.docspace.places import address, folder_at, must_be_named, way_to
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.docspace import EntryId, File, PathPart, Portal
from roomkeeper.errors import (
    Forbidden,
    NotFound,
    StepFailed,
)


class CopyFiles(BaseModel):
    """What `copy_files` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room or folder to copy into: its id, or a room's exact title.", examples=[222222]
    )
    keep_folders: bool = Field(
        default=True,
        description="Recreate the folders below the source room, or put all files into one.",
        examples=[True],
    )
    on_conflict: Policy = Field(
        default="version",
        description="If a file of that title is there: add a version to it, skip it, or keep both.",
        examples=["version"],
    )
    files: list[EntryId] | None = Field(
        default=None, description="Files to copy by id, instead of the event's.", examples=[[50123]]
    )


class Copied(BaseModel):
    """What `copy_files` did: how many files it copied, found copied already, or skipped, and where each went."""

    copied: int = 0
    already: int = 0
    skipped: int = 0
    folder: EntryId | None = None
    url: str = ""
    report: list[dict[str, object]] = Field(default_factory=list)


@dataclass(frozen=True)
class _Wanted:
    """A file to be copied, and where below the room it was uploaded."""

    file: EntryId
    title: str = ""
    folder: EntryId | None = None
    path: tuple[str, ...] = ()
    #: What told of it; empty if it is named otherwise.
    events: tuple[Event, ...] = ()


async def apply(params: CopyFiles, context: StepContext) -> Copied:
    """Copy the files. Raises StepFailed, naming each file that could not be copied, with reason and remedy."""
    return await _Copying(params, context).run()


async def plan(params: CopyFiles, context: StepContext) -> Plan:
    """Say what `apply` would do, without writing."""
    return await _Copying(params, context).plan()


COPY_FILES = StepKind(
    name="copy_files",
    summary="Copy files into another room or folder: the newest version of each file once, verified.",
    params=CopyFiles,
    result=Copied,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    takes_many=True,
    destination="to",
    places={"to": "write"},
    scopes=frozenset({"files:write", "rooms:read"}),
    evidence=evidence.of_copies,
    remembered=evidence.of_copy,
)


class _Copying:
    """One execution of the step."""

    def __init__(self, params: CopyFiles, context: StepContext) -> None:
        self._params, self._context = params, context
        self._portal: Portal = context.client
        self._report = Report()
        self._total = 0

    async def run(self) -> Copied:
        way = await way_to(self._context, self._params.to, setting="to")
        groups = await self._grouped(way)
        self._total = sum(map(len, groups.values()))
        scope = _scope(self._context.connection, way[-1].id)
        for path, files in groups.items():
            folder = await folder_at(self._context, way[-1].id, path)
            async with self._context.hold(f"contents of folder {folder}"):
                transfer = Transfer(self._context, scope, folder, self._params.on_conflict, self._report)
                await transfer.carry_out(files, progress=self._progress)
        return self._outcome(way[-1])

    def _progress(self) -> str:
        return f"{len(self._report.lines) + len(self._report.failed)} of {self._total} files"

    async def plan(self) -> Plan:
        way = await way_to(self._context, self._params.to, setting="to")
        groups = await self._grouped(way)
        lines = [
            f"copy file {file.id} {file.title!r}, version {file.version}, "
            f"to {'/'.join((way[-1].title, *path))} (on_conflict: {self._params.on_conflict})"
            for path, files in groups.items()
            for file in files
        ]
        lines += [f"report {one.item}: {one.reason}" for one in self._report.failed]
        already = self._report.count("already")
        others = len(self._report.lines) - already
        because = f"copied already: {already}; in the destination's own room: {others}"
        return Plan(tuple(lines), "" if lines else because)

    # --- what is wanted, and what is there ------------------------------------------------------------------

    def _wanted(self, room: EntryId | None) -> list[_Wanted]:
        """List the files, each once; what was uploaded to the destination's own room is there already."""
        if self._params.files is not None:
            return [_Wanted(file) for file in dict.fromkeys(self._params.files)]
        wanted: dict[EntryId, _Wanted] = {}
        for event in self._context.events:
            about, place = event.facts.get("file", {}), event.place
            if "id" not in about:
                continue
            if place is not None and room is not None and str(place.room) == str(room):
                line = {
                    "file": about["id"],
                    "title": about.get("title", ""),
                    "outcome": "lies in the destination's room",
                }
                self._report.lines.append(line)
                continue
            folder, path = (place.folder, place.path) if place is not None else (None, ())
            before = wanted[about["id"]].events if about["id"] in wanted else ()
            title = str(about.get("title", ""))
            wanted[about["id"]] = _Wanted(about["id"], title, folder, path, (*before, event))
        return list(wanted.values())

    async def _grouped(self, way: Sequence[PathPart]) -> dict[tuple[str, ...], list[File]]:
        """Look at each wanted file; group those still to be copied by where they go."""
        room = next((part.id for part in way if part.room_type is not None), None)
        wanted = self._wanted(room)
        files = await self._look(wanted)
        standing = await already(self._context, _scope(self._context.connection, way[-1].id), list(files.values()))
        groups: dict[tuple[str, ...], list[File]] = {}
        for one in wanted:
            file = files.get(one.file)
            if file is None:
                continue
            if one.events and not await tells_of(self._context, one.events, file):
                self._report.failed.append(copying.replaced(one.file, one.title))
                continue
            if file.id in standing:
                self._report.note_already(file, standing[file.id], way[-1].id)
                continue
            groups.setdefault(one.path if self._params.keep_folders else (), []).append(file)
        return groups

    async def _look(self, wanted: Sequence[_Wanted]) -> dict[EntryId, File]:
        """Read the files as they are now: from listings where many lie together, else one by one."""
        found: dict[EntryId, File] = {}
        for folder in {one.folder for one in wanted if one.folder is not None}:
            inside = {one.file for one in wanted if one.folder == folder}
            if len(inside) > 1:
                found |= await self._context.call(partial(self._listed, folder, inside))
        for one in wanted:
            if one.file not in found:
                file = await self._single(one)
                if file is not None:
                    found[one.file] = file
        return found

    async def _listed(self, folder: EntryId, wanted: set[EntryId]) -> dict[EntryId, File]:
        """Find files in a folder, newest first, as long as the pages that remain are fewer than the files."""
        found: dict[EntryId, File] = {}
        seen = 0
        try:
            async for page in self._portal.folders.pages(folder, sort_by="DateAndTime", newest_first=True):
                found |= {file.id: file for file in page.files if file.id in wanted}
                seen += page.entries
                pages_left = (page.total - seen) / copying.BATCH
                if len(wanted) - len(found) <= pages_left or len(found) == len(wanted):
                    break
        except (NotFound, Forbidden):
            pass  # the folder is gone or hidden; whether the files are, they are asked themselves
        return found

    async def _single(self, one: _Wanted) -> File | None:
        try:
            file = await self._context.call(lambda: self._portal.files.get(one.file))
        except NotFound:
            self._report.failed.append(copying.gone(one.file, one.title))
            return None
        except Forbidden:
            await self._context.call(self._portal.people.myself)  # a dead key is answered so as well: this says it
            self._report.failed.append(copying.hidden(one.file, one.title))
            return None
        if file.is_in_trash:
            self._report.failed.append(copying.gone(file.id, file.title))
            return None
        return file

    def _outcome(self, destination: PathPart) -> Copied:
        report = self._report
        result = Copied(
            copied=report.count("copied"),
            already=report.count("already"),
            skipped=report.count("skipped"),
            folder=destination.id,
            url=address(self._portal, destination.id),
            report=report.lines,
        )
        if not report.failed:
            return result
        what = f"{len(report.failed)} of {len(report.failed) + len(report.lines)} files could not be copied"
        names = ", ".join(one.item for one in report.failed[:3]) + (" …" if len(report.failed) > 3 else "")  # noqa: PLR2004
        remedy = "Each file has its reason and remedy below; put them right, then `roomkeeper runs retry`."
        raise StepFailed(f"{what}: {names}", remedy=remedy, items=report.failed, result=result.model_dump(mode="json"))


def _scope(connection: str, root: EntryId) -> str:
    """Name the ledger's scope: copies of files into one destination. File and folder ids are counted apart (14)."""
    return f"{copying.COPIES}{connection}, into folder {root}"
