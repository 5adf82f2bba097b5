"""`copy_files`: bring uploaded files into another room, each version of each file once, and see that it is there.

The way of a batch: look (what is there now), intend (write it into the ledger), ask the portal, await the
operation, and believe only what the portal shows afterwards. Wherever that is cut short, by a crash, a lost answer
or an operation that vanished, the ledger's line says what to look for before asking again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.automations.step import Plan, StepContext, StepKind
from roomkeeper.connectors.docspace import copying
from roomkeeper.connectors.docspace.copying import Intent, Policy
from roomkeeper.docspace import EntryId, File, Operation, PathPart, Portal
from roomkeeper.docspace.files import OnConflict
from roomkeeper.docspace.folders import stored_folder_title
from roomkeeper.docspace.models import Folder, OperationKind
from roomkeeper.docspace.wire import same_title
from roomkeeper.errors import (
    FailedItem,
    Forbidden,
    NotFound,
    Rejected,
    RemoteError,
    RemoteFault,
    ScopeMissing,
    StepFailed,
    Unauthorized,
)

_FIRST_POLL, _POLL_GROWTH, _LONGEST_POLL = 0.15, 1.6, 2.0  # seconds; the server drops what is not asked for in 60 s
_GRACE = 1.0  # seconds for the item that a vanished operation may still be at work on
_FAULTS, _FAULTS_ALONE = 4, 10  # 5xx after which a request is suspected itself, if the portal is well; and one file's
_LOST = 6  # operations without effect after which a file is given up


class CopyFiles(BaseModel):
    """What `copy_files` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: EntryId = Field(
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
    files: list[dict[str, object]] = Field(default_factory=list)


@dataclass(frozen=True)
class _Wanted:
    """A file to be copied, and where below the room it was uploaded."""

    file: EntryId
    title: str = ""
    folder: EntryId | None = None
    path: tuple[str, ...] = ()


@dataclass
class _Report:
    """What came of it so far."""

    lines: list[dict[str, object]] = field(default_factory=list)
    failed: list[FailedItem] = field(default_factory=list)

    def note(self, file: File, outcome: str, copy: EntryId | None = None, folder: EntryId | None = None) -> None:
        line: dict[str, object] = {"file": file.id, "title": file.title, "version": file.version, "outcome": outcome}
        self.lines.append(line | {"copy": copy, "folder": folder})

    def count(self, outcome: str) -> int:
        return sum(1 for line in self.lines if line["outcome"] == outcome)


async def apply(params: CopyFiles, context: StepContext) -> Copied:
    """Copy the files. Raises StepFailed, naming each file that could not be copied, with reason and remedy."""
    return await _Copying(params, context).run()


async def plan(params: CopyFiles, context: StepContext) -> Plan:
    """Say what `apply` would do, without writing."""
    return await _Copying(params, context).plan()


COPY_FILES = StepKind(
    name="copy_files",
    summary="Copy files into another room or folder: each version of each file once, verified.",
    params=CopyFiles,
    result=Copied,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    takes_many=True,
    destination="to",
)


class _Copying:
    """One execution of the step."""

    def __init__(self, params: CopyFiles, context: StepContext) -> None:
        self._params, self._context = params, context
        self._portal: Portal = context.client
        self._report = _Report()
        self._total = 0

    async def run(self) -> Copied:
        way = await self._destination()
        groups = await self._grouped(way)
        self._total = sum(map(len, groups.values()))
        for path, files in groups.items():
            folder = await self._folder(way[-1].id, path)
            async with self._context.hold(f"copies into folder {folder}"):
                await self._copy_into(folder, way[-1].id, files)
        return self._outcome(way[-1])

    async def plan(self) -> Plan:
        way = await self._destination()
        groups = await self._grouped(way)
        lines = [
            f"copy file {file.id} {file.title!r}, version {file.version}, "
            f"to {'/'.join((way[-1].title, *path))} (on_conflict: {self._params.on_conflict})"
            for path, files in groups.items()
            for file in files
        ]
        lines += [f"report {one.item}: {one.reason}" for one in self._report.failed]
        already = self._report.count("already")
        return Plan(tuple(lines), "" if lines else f"all {already} files are copied already" if already else "no files")

    # --- what is wanted, and what is there ------------------------------------------------------------------

    async def _destination(self) -> tuple[PathPart, ...]:
        """Find the destination: the way from the portal's root to it. Raises StepFailed."""
        to = self._params.to
        try:
            if isinstance(to, str):
                to = await self._room_titled(to)
            way = await self._context.call(lambda: self._portal.folders.path(to))
        except NotFound as error:
            remedy = "Correct `to:` in the automation (it holds for new runs), or restore the folder and retry."
            raise StepFailed(f"the destination {to} does not exist: {error.message}", remedy=remedy) from error
        except ScopeMissing:
            raise
        except Forbidden as error:
            remedy = "Invite the account of the API key into that room as room manager or content creator, then retry."
            raise StepFailed(f"the account may not see the destination {to}: {error.message}", remedy=remedy) from error
        if not way:
            raise StepFailed(
                f"the destination {to} has no place on the portal", remedy="Correct `to:` in the automation."
            )
        return way

    async def _room_titled(self, to: str) -> EntryId:
        """Read a string: it is a room's title, or else the id of a folder in third-party storage."""
        if to.isdigit():
            return int(to)
        rooms = await self._context.call(lambda: self._portal.rooms.titled(to))
        if len(rooms) > 1:
            ids = ", ".join(str(room.id) for room in rooms)
            raise StepFailed(
                f"several rooms are called {to!r}: {ids}", remedy="Write the id of one of them into `to:`."
            )
        return rooms[0].id if rooms else to

    def _wanted(self, room: EntryId | None) -> list[_Wanted]:
        """List the files, each once; what was uploaded to the destination's own room is there already."""
        if self._params.files is not None:
            return [_Wanted(file) for file in dict.fromkeys(self._params.files)]
        wanted: dict[EntryId, _Wanted] = {}
        for event in self._context.events:
            about, place = event.facts.get("file", {}), event.place
            if "id" not in about or (place is not None and room is not None and str(place.room) == str(room)):
                continue
            folder, path = (place.folder, place.path) if place is not None else (None, ())
            wanted[about["id"]] = _Wanted(about["id"], str(about.get("title", "")), folder, path)
        return list(wanted.values())

    async def _grouped(self, way: Sequence[PathPart]) -> dict[tuple[str, ...], list[File]]:
        """Look at each wanted file; group those still to be copied by where they go."""
        room = next((part.id for part in way if part.room_type is not None), None)
        wanted = self._wanted(room)
        files = await self._look(wanted)
        scope = _scope(self._context.connection, way[-1].id)
        known = await self._context.ledger.look(scope, [copying.item(file.id, file.version) for file in files.values()])
        groups: dict[tuple[str, ...], list[File]] = {}
        for one in wanted:
            file = files.get(one.file)
            if file is None:
                continue
            entry = known.get(copying.item(file.id, file.version))
            if entry is not None and entry.done:
                self._report.note(file, "already", entry.target or None)
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
        except ScopeMissing:
            raise
        except Forbidden:
            await self._context.call(self._portal.people.myself)  # a dead key is answered so as well: this says it
            self._report.failed.append(copying.hidden(one.file, one.title))
            return None
        if file.is_in_trash:
            self._report.failed.append(copying.gone(file.id, file.title))
            return None
        return file

    # --- where it goes --------------------------------------------------------------------------------------

    async def _folder(self, root: EntryId, path: Sequence[str]) -> EntryId:
        """Find or create the folder below the destination; one run at a time, for the portal allows twins (4)."""
        here = root
        if not path:
            return here
        async with self._context.hold(f"folders of {root}"):
            for title in path:
                here = (await self._context.call(partial(self._found_or_created, here, title))).id
        return here

    async def _found_or_created(self, parent: EntryId, title: str) -> Folder:
        """Look before each attempt to create: the answer to the last one may have been lost."""
        wanted = stored_folder_title(title)
        for folder in await self._portal.folders.subfolders(parent):
            if same_title(folder.title, wanted):
                return folder
        return await self._portal.folders.create(parent, title)

    # --- the copies -----------------------------------------------------------------------------------------

    async def _copy_into(self, folder: EntryId, root: EntryId, files: Sequence[File]) -> None:
        scope = _scope(self._context.connection, root)
        left = await self._settled_before(scope, files)
        for batch in copying.batches(left):
            await self._copy_batch(scope, folder, batch)

    async def _settled_before(self, scope: str, files: Sequence[File]) -> list[File]:
        """Find what an earlier attempt may have done before it was cut short; returns what is still to be done."""
        entries = await self._context.ledger.look(scope, [copying.item(file.id, file.version) for file in files])
        intents = [Intent.from_json(entry.detail) for entry in entries.values() if not entry.done]
        done: set[EntryId] = {
            file.id for file in files if (e := entries.get(copying.item(file.id, file.version))) and e.done
        }
        for place in {(intent.operation, intent.folder) for intent in intents}:
            together = [intent for intent in intents if (intent.operation, intent.folder) == place]
            done |= await self._finish(scope, together, {file.id: file for file in files})
        return [file for file in files if file.id not in done]

    async def _copy_batch(self, scope: str, folder: EntryId, files: Sequence[File], *, attempt: int = 1) -> None:
        """Copy files of different titles; what stays undone is looked at afresh: the destination may have changed."""
        namesakes = await self._namesakes(files, folder)
        left: list[File] = []
        for intents in await self._intents(scope, folder, files, namesakes):
            undone = await self._carry_out(scope, intents, {file.id: file for file in files}, namesakes)
            if attempt >= _LOST and undone:
                error = Rejected("The portal started the copy several times and never showed it")
                await self._refused(scope, undone, {file.id: file for file in files}, namesakes, error)
                continue
            left += [file for file in files if file.id in {intent.file for intent in undone}]
        if left:
            await self._copy_batch(scope, folder, left, attempt=attempt + 1)

    async def _intents(
        self, scope: str, folder: EntryId, files: Sequence[File], namesakes: Mapping[str, File]
    ) -> list[list[Intent]]:
        """Decide for each file how its namesake is to be treated; one list for each way."""
        by_mode: dict[OnConflict, list[Intent]] = {}
        for file in files:
            namesake = namesakes.get(file.title.casefold())
            anothers = namesake is not None and await self._belongs_to_another(scope, file, namesake)
            mode = copying.mode_for(self._params.on_conflict, namesake, is_anothers=anothers)
            if mode is None:
                self._report.note(file, "skipped", namesake.id if namesake else None, folder)
                continue
            old = (namesake.id, namesake.version) if namesake is not None else (None, 0)
            intent = Intent(file.id, file.version, file.title, file.size, folder, mode, *old)
            by_mode.setdefault(mode, []).append(intent)
        return list(by_mode.values())

    async def _namesakes(self, files: Sequence[File], folder: EntryId) -> dict[str, File]:
        """Find the destination's files of the same titles."""
        ids = [file.id for file in files]
        try:
            found = await self._context.call(lambda: self._portal.files.namesakes(ids, folder))
        except (NotFound, Forbidden, Rejected) as error:
            if isinstance(error, ScopeMissing):
                raise
            # A file among them that is gone or hidden may spoil this question; the folder's listing does not depend
            # on them, and says it if the folder itself is the trouble.
            titles = {file.title.casefold() for file in files}
            found = tuple(file for file in await self._contents(folder) if file.title.casefold() in titles)
        return {file.title.casefold(): file for file in found}

    async def _belongs_to_another(self, scope: str, file: File, namesake: File) -> bool:
        """Whether the namesake is our copy of another file, and that file still exists."""
        entries = await self._context.ledger.of_target(scope, str(namesake.id))
        sources = {copying.file_of(entry.item): Intent.from_json(entry.detail).file for entry in entries}
        if not sources or str(file.id) in sources:
            return False
        for source in sources.values():
            try:
                other = await self._context.call(partial(self._portal.files.get, source))
            except (NotFound, Forbidden):
                continue
            if not other.is_in_trash:
                return True
        return False

    async def _carry_out(
        self, scope: str, intents: Sequence[Intent], files: Mapping[EntryId, File], namesakes: Mapping[str, File]
    ) -> list[Intent]:
        """Ask for one operation and see it through; gives what it left undone without a word."""
        left, attempts, faults = list(intents), 0, 0
        while left:
            await self._context.check()
            attempts += 1
            try:
                done, complaint = await self._ask(scope, left, files)
            except RemoteError as error:
                faults += isinstance(error, RemoteFault)
                suspicious = faults >= (_FAULTS if len(left) > 1 else _FAULTS_ALONE)
                if error.retryable and not (suspicious and await self._is_well(left[0].folder)):
                    left = await self._after_trouble(scope, left, files, error, attempts)
                    continue
                await self._refused(scope, left, files, namesakes, error)
                return []
            left = [intent for intent in left if intent.file not in done]
            if left and complaint:
                await self._refused(scope, left, files, namesakes, Rejected(f"The portal did not copy it: {complaint}"))
                return []
            return left
        return []

    async def _ask(
        self, scope: str, intents: Sequence[Intent], files: Mapping[EntryId, File]
    ) -> tuple[set[EntryId], str]:
        """Write down what is intended, start the operation, await it; gives what is done and the portal's complaint."""
        await self._context.ledger.trying(scope, {intent.item: intent.to_json() for intent in intents})
        ids, first = [intent.file for intent in intents], intents[0]
        try:
            operation = await self._portal.files.copy(ids, first.folder, on_conflict=first.mode)
        except RemoteError as error:
            if not error.may_have_happened:
                await self._context.ledger.undone(scope, [intent.item for intent in intents])
            raise
        named = [replace(intent, operation=operation.id) for intent in intents]
        await self._context.ledger.trying(scope, {intent.item: intent.to_json() for intent in named})
        ended = await self._awaited(operation.id)
        done = await self._believed(scope, named, ended, files)
        complaint = ended.error if ended is not None and ended.error else ""
        return done, complaint

    async def _after_trouble(
        self, scope: str, intents: Sequence[Intent], files: Mapping[EntryId, File], error: RemoteError, attempts: int
    ) -> list[Intent]:
        """Wait, and find out what a call whose answer was lost has done; gives what is still to do."""
        wait = error.retry_after or min(30.0, 0.3 * 2 ** min(attempts, 7))
        await self._context.progress(f"{error.message}; goes on in {wait:.0f} s")
        await self._context.pause(wait)
        if not error.may_have_happened:
            return list(intents)
        done = await self._finish(scope, intents, files)
        return [intent for intent in intents if intent.file not in done]

    async def _awaited(self, operation: str) -> Operation | None:
        """Watch an operation to its end, however long that takes; None if it vanished."""
        pause = _FIRST_POLL
        while True:
            await self._context.pause(pause)
            seen = await self._context.call(lambda: self._portal.operations.get(operation))
            if seen is None or seen.finished:
                return seen
            pause = min(_LONGEST_POLL, pause * _POLL_GROWTH)

    async def _finish(self, scope: str, intents: Sequence[Intent], files: Mapping[EntryId, File]) -> set[EntryId]:
        """Find out what became of intents whose end was not seen; gives the files that are copied."""
        operation, folder = intents[0].operation, intents[0].folder
        ended = await self._awaited(operation) if operation else None
        if not operation:
            await self._wait_for_strays(folder)
        return await self._believed(scope, intents, ended, files)

    async def _wait_for_strays(self, folder: EntryId) -> None:
        """Wait until no copy into this folder is under way: one of them may be ours, started by a lost answer."""
        while True:
            await self._context.pause(_GRACE)
            under_way = await self._context.call(self._portal.operations.all)
            if not any(_is_into(one, folder) for one in under_way):
                return

    async def _believed(
        self, scope: str, intents: Sequence[Intent], ended: Operation | None, files: Mapping[EntryId, File]
    ) -> set[EntryId]:
        """Write down as done what the portal shows: the operation's result, else the destination's listing."""
        shown = copying.match(intents, ended.files, ours=frozenset()) if ended is not None else {}
        missing = [intent for intent in intents if intent.file not in shown]
        if missing:
            if ended is None:
                await self._context.pause(_GRACE)
            shown |= await self._found_in_folder(scope, missing)
        results: dict[str, tuple[str, Mapping[str, object]]] = {}
        for intent in intents:
            copy = shown.get(intent.file)
            if copy is None or copy.id is None:
                continue
            proven = await self._proven(intent, copy, files[intent.file])
            for version in proven:
                results[copying.item(intent.file, version)] = (str(copy.id), intent.to_json() | {"version": version})
            if proven:
                self._report.note(files[intent.file], "copied", copy.id, intent.folder)
        await self._context.ledger.done(scope, results)
        done = {intent.file for intent in intents if intent.item in results}
        await self._context.ledger.undone(scope, [intent.item for intent in intents if intent.file not in done])
        await self._context.progress(f"{len(self._report.lines)} of {self._total} files")
        return done

    async def _found_in_folder(self, scope: str, intents: Sequence[Intent]) -> dict[EntryId, copying.Copy]:
        """Look for copies in the destination's listing, among what this account made."""
        me = (await self._context.call(self._portal.people.myself)).id
        ours = frozenset(await self._context.ledger.targets(scope))
        contents = [file for file in await self._contents(intents[0].folder) if copying.may_be_by(file, me, intents)]
        return copying.match(intents, contents, ours=ours)

    async def _proven(self, intent: Intent, copy: copying.Copy, file: File) -> list[int]:
        """Tell which versions of the file this copy is; none if it is not the file's content.

        A version uploaded while the copy was under way may be what was copied: then the sizes tell.
        """
        if copying.same_size(copy.size, file.size):
            return [intent.version]
        seen = await self._context.call(lambda: self._portal.files.get(copy.id))  # type: ignore[arg-type]
        if copying.same_size(seen.size, file.size):
            return [intent.version]
        now = await self._context.call(lambda: self._portal.files.get(intent.file))
        if now.version > intent.version and copying.same_size(seen.size, now.size):
            return [intent.version, now.version]
        return []

    async def _contents(self, folder: EntryId) -> list[File]:
        """List the files that lie directly in the destination."""

        async def read() -> list[File]:
            pages = self._portal.folders.pages(folder, sort_by="DateAndTime", newest_first=True)
            found = {file.id: file async for page in pages for file in page.files}
            return list(found.values())

        return await self._context.call(read)

    # --- what could not be done -----------------------------------------------------------------------------

    async def _is_well(self, folder: EntryId) -> bool:
        """Whether the portal answers otherwise, so that a request it fails at is itself the trouble."""
        try:
            await self._portal.folders.get(folder)
        except RemoteError:
            return False
        return True

    async def _refused(
        self,
        scope: str,
        intents: Sequence[Intent],
        files: Mapping[EntryId, File],
        namesakes: Mapping[str, File],
        error: RemoteError,
    ) -> None:
        """Divide what the portal refuses as a whole until the culprits are alone, and name them."""
        if isinstance(error, Unauthorized | ScopeMissing):
            raise error
        await self._context.ledger.undone(scope, [intent.item for intent in intents])
        if len(intents) == 1:
            self._report.failed.append(await self._explained(files[intents[0].file], error, namesakes))
            return
        await self._check_destination(intents[0].folder)
        middle = len(intents) // 2
        for half in (intents[:middle], intents[middle:]):
            await self._copy_batch(scope, intents[0].folder, [files[intent.file] for intent in half])

    async def _check_destination(self, folder: EntryId) -> None:
        """Spare the files an examination one by one if the destination is what is refused."""
        try:
            there = await self._context.call(lambda: self._portal.folders.get(folder))
        except NotFound as error:
            remedy = "Restore it, or correct `to:` in the automation; then retry."
            raise StepFailed(f"the destination folder {folder} is gone: {error.message}", remedy=remedy) from error
        if there.security.get("Create") is False:
            remedy = "Invite the account of the API key into that room as room manager or content creator, then retry."
            raise StepFailed(f"the account may not create files in {there.title!r} (folder {folder})", remedy=remedy)

    async def _explained(self, file: File, error: RemoteError, namesakes: Mapping[str, File]) -> FailedItem:
        try:
            current = await self._context.call(lambda: self._portal.files.get(file.id))
        except NotFound:
            current = None
        except Forbidden:
            return copying.hidden(file.id, file.title)
        return copying.explain(file, error, current=current, namesake=namesakes.get(file.title.casefold()))

    def _outcome(self, destination: PathPart) -> Copied:
        report = self._report
        result = Copied(
            copied=report.count("copied"),
            already=report.count("already"),
            skipped=report.count("skipped"),
            folder=destination.id,
            url=f"{self._portal.url}/rooms/shared/{destination.id}",
            files=report.lines,
        )
        if not report.failed:
            return result
        what = f"{len(report.failed)} of {len(report.failed) + len(report.lines)} files could not be copied"
        names = ", ".join(one.item for one in report.failed[:3]) + (" …" if len(report.failed) > 3 else "")  # noqa: PLR2004
        remedy = "Each file is listed with its reason and remedy (`roomkeeper runs show`); then retry the run."
        raise StepFailed(f"{what}: {names}", remedy=remedy, items=report.failed, result=result.model_dump(mode="json"))


def _scope(connection: str, root: EntryId) -> str:
    """Name the ledger's scope: copies of files into one destination. File and folder ids are counted apart (14)."""
    return f"copy of files: {connection}, into folder {root}"


def _is_into(operation: Operation, folder: EntryId) -> bool:
    """Whether an unfinished copy may be one into this folder; one that does not say where may be."""
    if operation.finished or operation.kind != OperationKind.COPY:
        return False
    where = [str(one.id) for one in operation.folders if one.id is not None]
    return not where or str(folder) in where
