"""See copies into one folder through: intend, ask, await, believe.

Intend: what is about to be copied is written into the ledger. Ask: one operation for up to a hundred files. Await:
as long as it takes. Believe: only what the portal shows afterwards. Wherever that is cut short, by a crash, a lost
answer or an operation that vanished, the ledger's line says what to look for before asking again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from roomkeeper import settling
from roomkeeper.connectors.docspace.files import copying
from roomkeeper.connectors.docspace.files.copying import Intent, Policy
from roomkeeper.connectors.docspace.files.evidence import of_copy, sighted
from roomkeeper.connectors.docspace.files.identity import changed_at, made_at
from roomkeeper.connectors.docspace.files.tree import directly_in
from roomkeeper.connectors.docspace.files.watching import GRACE, awaited
from roomkeeper.contract.step import Attempts, Entry, StepContext
from roomkeeper.docspace import EntryId, File, Operation, Portal
from roomkeeper.docspace.files import OnConflict
from roomkeeper.docspace.models import OperationKind
from roomkeeper.docspace.titles import bearing, title_key
from roomkeeper.errors import (
    FailedItem,
    Forbidden,
    NotFound,
    QuotaExceeded,
    Rejected,
    RemoteError,
    RemoteFault,
    ScopeMissing,
    StepFailed,
    Unauthorized,
    Unavailable,
)

# Ours
_FAULTS, _FAULTS_ALONE = 4, 10  # 5xx after which a request is suspected itself, if the portal is well; and one file's
_EPOCH = datetime.fromtimestamp(0, UTC)  # (ours)
_OTHERS_PASS = 5.0  # seconds until a file is copied again for which the room was locked (ours)
_LOST = 6  # operations without effect after which a file is given up (ours)
_SELDOM = 30.0  # seconds between two looks for a copy, at most (ours)
_SLOWEST = 20 * 1024 * 1024  # bytes a second that a portal copies at least (ours)
_COMPARED = 64 * 1024 * 1024  # bytes of a file whose content is read to be compared; of a longer one it is not (ours)


@dataclass(frozen=True)
class Namesake:
    """The file in the folder that a copy would meet, and whether an earlier copy of ours lies there beside it."""

    file: File
    is_beside_ours: bool


#: By file that is to be copied.
Namesakes = Mapping[EntryId, Namesake]


@dataclass
class Report:
    """What came of the files so far."""

    lines: list[dict[str, object]] = field(default_factory=list)
    failed: list[FailedItem] = field(default_factory=list)

    def note(
        self, file: File, outcome: str, copy: EntryId | None, folder: EntryId, became: Intent | None = None
    ) -> None:
        """Write down that a file was copied, is there already, or is skipped; `became` says what the copy was."""
        line: dict[str, object] = {"file": file.id, "title": file.title, "version": file.version, "outcome": outcome}
        line |= {"copy": copy, "folder": folder}
        if became is not None and became.copy_version:
            line |= {"copy_title": became.copy_title, "copy_version": became.copy_version}
            line |= {"copy_size": became.copy_size, "copy_made": became.copy_made}
        self.lines.append(line)

    def note_already(self, file: File, entry: Entry, folder: EntryId) -> None:
        """Write down that a file's copy is there already, by its line of the ledger."""
        self.note(file, "already", copying.as_id(entry.target), folder, Intent.from_json(entry.detail))

    def count(self, outcome: str) -> int:
        """Count the files of one outcome."""
        return sum(1 for line in self.lines if line["outcome"] == outcome)


class Transfer:
    """Copies into one folder; `context.hold` must keep others from doing so meanwhile."""

    def __init__(self, context: StepContext, scope: str, folder: EntryId, policy: Policy, report: Report) -> None:
        self._context, self._scope, self._folder = context, scope, folder
        self._policy, self._report = policy, report
        self._portal: Portal = context.client
        self._ledger = context.ledger
        self._in_the_way = ""  # what the portal last said that others did

    async def carry_out(self, files: Sequence[File], *, progress: Callable[[], str]) -> None:
        """Copy the files. What cannot be copied is in the report; raises what concerns all of them."""
        for batch in copying.batches(await self._left_from_before(files)):
            await self._copy_batch(batch)
            await self._context.progress(progress())

    async def _left_from_before(self, files: Sequence[File]) -> list[File]:
        """Find out what an earlier attempt did before it was cut short; returns what is still to be done."""
        entries = await self._ledger.look(self._scope, copying.lines_of(files))
        by_id = {file.id: file for file in files}
        standing = await already(self._context, self._scope, files)
        for number, entry in standing.items():
            self._report.note_already(by_id[number], entry, self._folder)
        settled = set(standing)
        tried = [Intent.from_json(entry.detail) for entry in entries.values() if not entry.done]
        intents = [one for one in tried if one.is_of(by_id[one.file])]
        for operation, folder in {(intent.operation, intent.folder) for intent in intents}:
            together = [one for one in intents if (one.operation, one.folder) == (operation, folder)]
            # It may have gone to another folder, if the automation was changed meanwhile.
            there = Transfer(self._context, self._scope, folder, self._policy, self._report)
            settled_at = await settling.since_before(self._context, max(one.asked_at for one in together))
            settled.update(await there._finish(together, by_id, settled_at))
        return [file for file in by_id.values() if file.id not in settled]

    async def _copy_batch(self, files: Sequence[File], *, attempt: int = 1) -> None:
        """Copy files of different titles; what stays undone is looked at afresh: either room may have changed."""
        if attempt == 1:
            self._in_the_way = ""
        missing = await self._without_what_copies_hold(files)
        namesakes = await self._namesakes(missing)
        by_id = {file.id: file for file in missing}
        left: list[File] = []
        for intents in await self._intents(missing, namesakes):
            undone = [by_id[intent.file] for intent in await self._see_through(intents, by_id, namesakes)]
            if attempt >= _LOST and undone:
                said = f": {self._in_the_way}" if self._in_the_way else ""
                in_vain = Rejected(f"The portal started the copy again and again, in vain{said}")
                await self._refused(undone, namesakes, in_vain, attempt=attempt)
                continue
            left += undone
        if left:
            await self._copy_batch(await self._again(left), attempt=attempt + 1)

    async def _again(self, files: Sequence[File]) -> list[File]:
        """Read files again; one that is gone by now is reported."""
        seen = []
        for file in files:
            try:
                seen.append(await self._context.call(partial(self._portal.files.get, file.id)))
            except NotFound:
                self._report.failed.append(copying.gone(file.id, file.title))
            except Forbidden:
                self._report.failed.append(copying.hidden(file.id, file.title))
        return seen

    # --- deciding -------------------------------------------------------------------------------------------

    async def _namesakes(self, files: Sequence[File]) -> Namesakes:
        """Find, for each file whose title is taken in the folder, the file there that has it.

        Whether a title is taken is asked of the portal, for its database decides; which file has it, of the listing.
        """
        colliding = await self._colliding(files)
        if not colliding:
            return {}
        there: dict[str, list[File]] = {}
        for one in await self._contents():
            there.setdefault(title_key(one.title), []).append(one)
        found = [(file, there.get(title_key(file.title), [])) for file in files if file.id in colliding]
        return {file.id: await self._met(file, several) for file, several in found if several}

    async def _colliding(self, files: Sequence[File]) -> frozenset[EntryId]:
        ids = [file.id for file in files]

        async def ask() -> frozenset[EntryId]:
            try:
                return await self._portal.files.colliding(ids, self._folder)
            except Unavailable as error:  # if it is the portal and not the question, the listing will say so
                raise NotFound(error.message, status=error.status) from error

        try:
            return await self._context.call(ask)
        except (NotFound, Forbidden, Rejected):
            # A file among them that is gone or hidden may spoil this question; the folder's listing does not depend
            # on them, and says it if the folder itself is the trouble.
            return frozenset(ids)

    async def _met(self, file: File, several: Sequence[File]) -> Namesake:
        """Choose the namesake that the portal would: of equal titles, the oldest (FileQueries.cs, ByTitle)."""
        by_age = sorted(bearing(file.title, several), key=lambda one: (one.created or _EPOCH, str(one.id)))
        for one in by_age if len(by_age) > 1 else []:
            entries = await self._ledger.of_target(self._scope, str(one.id))
            if str(file.id) in {copying.file_of(entry.item) for entry in entries}:
                return Namesake(by_age[0], is_beside_ours=one is not by_age[0])
        return Namesake(by_age[0], is_beside_ours=False)

    async def _intents(self, files: Sequence[File], namesakes: Namesakes) -> list[list[Intent]]:
        """Decide for each file how its namesake is to be treated; one list for each way."""
        by_mode: dict[OnConflict, list[Intent]] = {}
        for file in files:
            met = namesakes.get(file.id)
            namesake = met.file if met is not None else None
            became = await self._ledger.of_target(self._scope, str(namesake.id)) if namesake is not None else []
            anothers = (met is not None and met.is_beside_ours) or await self._belongs_to_another(file, became)
            anothers = anothers or isinstance(self._folder, str)  # where nothing shows that a file was replaced
            mode = copying.mode_for(self._policy, namesake, is_anothers=anothers)
            if mode is None:
                self._report.note(file, "skipped", namesake.id if namesake else None, self._folder)
                continue
            by_mode.setdefault(mode, []).append(self._intent(file, mode, namesake))
        return list(by_mode.values())

    async def _without_what_copies_hold(self, files: Sequence[File]) -> list[File]:
        """Leave out files whose content an earlier version's copy has: it was uploaded while that was being copied.

        An operation copies what a file holds when its turn comes. Where neither sizes nor moments tell the two
        versions apart, their contents do. The file may have been moved meanwhile, and the copy lie in another folder.
        """
        entries = await self._ledger.look(self._scope, copying.lines_of(files))
        return [file for file in files if not await self._is_held(file, copying.last_copied(file, entries))]

    async def _is_held(self, file: File, line: Entry | None) -> bool:
        piece = of_copy(self._scope, line) if line is not None else None
        if line is None or piece is None:
            return False
        earlier = Intent.from_json(line.detail)
        if not copying.same_size(earlier.copy_size, file.size):
            return False
        try:
            copy = await self._context.call(partial(self._portal.files.get, piece.id))
        except (NotFound, Forbidden):
            return False
        if not copying.may_hold(file, copy, earlier) or not await _are_equal(self._context, file, copy):
            return False
        sights = await sighted(self._context.client, [piece], self._context.call)
        if not sights[piece].stands:
            return False
        held = replace(earlier, version=file.version, size=file.size, changed=changed_at(file)).become(copy)
        await self._ledger.done(self._scope, {held.item: (line.target, held.to_json())})
        self._report.note(file, "already", copy.id, held.folder, held)
        return True

    def _intent(self, file: File, mode: OnConflict, namesake: File | None) -> Intent:
        return Intent(
            *(file.id, file.version, file.title, file.size, self._folder, mode),
            namesake=namesake.id if namesake is not None else None,
            namesake_version=namesake.version if namesake is not None else 0,
            created=made_at(file),
            changed=changed_at(file),
        )

    async def _belongs_to_another(self, file: File, became: Sequence[Entry]) -> bool:
        """Whether the namesake, which these became, is our copy of another file, and that file still exists."""
        sources = {copying.file_of(entry.item): Intent.from_json(entry.detail).file for entry in became}
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

    # --- asking ---------------------------------------------------------------------------------------------

    async def _see_through(
        self, intents: Sequence[Intent], files: Mapping[EntryId, File], namesakes: Namesakes
    ) -> list[Intent]:
        """Get one operation started and see it to its end; gives what it left undone without a word."""
        left, attempts, faults = list(intents), self._context.attempts(), 0
        while left:
            try:
                asked, operation = await self._ask(left)
            except RemoteError as error:
                faults += isinstance(error, RemoteFault) and error.may_be_of_the_request
                left = await self._after_trouble(left, files, error, attempts)
                if not left or (error.retryable and not await self._is_to_blame(left, faults)):
                    continue
                await self._refused([files[intent.file] for intent in left], namesakes, error)
                return []
            ended = await awaited(self._context, operation)
            if ended is not None:
                done = await self._believed(asked, ended, files)
            else:  # it may still be in the queue, or at its last file: as with a request that was not answered
                done = await self._looked_for(asked, files, await settling.from_now(self._context))
            left = [intent for intent in asked if intent.file not in done]
            if left and ended is not None and ended.error and copying.is_passing(ended.error):
                self._in_the_way = ended.error
                await self._context.pause(_OTHERS_PASS)
            elif left and ended is not None and ended.error:
                complaint = Rejected(f"The portal did not copy it: {ended.error}")
                await self._refused([files[intent.file] for intent in left], namesakes, complaint)
                return []
            return left
        return []

    async def _ask(self, intents: Sequence[Intent]) -> tuple[list[Intent], str]:
        """Write down what is intended, then start the operation; gives its id. Raises RemoteError."""
        await self._context.check()
        now = await self._context.now()
        asked = [replace(intent, asked_at=now) for intent in intents]
        await self._keep_what_is_replaced(asked)
        await self._ledger.trying(self._scope, {intent.item: intent.to_json() for intent in asked})
        mode = asked[0].mode
        operation = await self._portal.files.copy([one.file for one in asked], self._folder, on_conflict=mode)
        named = [replace(intent, operation=operation.id) for intent in asked]
        await self._ledger.trying(self._scope, {intent.item: intent.to_json() for intent in named})
        return named, operation.id

    async def _keep_what_is_replaced(self, intents: Sequence[Intent]) -> None:
        """Go on knowing whose copies there are, though the line of what was saved again is written anew."""
        known = await self._ledger.look(self._scope, [intent.item for intent in intents])
        kept: dict[str, tuple[str, Mapping[str, object]]] = {}
        for intent in intents:
            line = known.get(intent.item)
            before = Intent.from_json(line.detail).changed if line is not None and line.done else ""
            if line is not None and before not in {"", intent.changed}:
                kept[f"{intent.item}@{before}"] = (line.target, line.detail)
        await self._ledger.done(self._scope, kept)

    async def _after_trouble(
        self, intents: Sequence[Intent], files: Mapping[EntryId, File], error: RemoteError, attempts: Attempts
    ) -> list[Intent]:
        """Find out what a request that was not answered well has done; gives what is still to do."""
        settled_at = await settling.after_trouble(self._context, error)
        if not error.may_have_happened:
            await self._ledger.undone(self._scope, [intent.item for intent in intents])
        if error.retryable:
            await attempts.failed(error)
        if not error.may_have_happened:
            return list(intents)
        done = await self._finish(intents, files, settled_at)
        return [intent for intent in intents if intent.file not in done]

    async def _is_to_blame(self, intents: Sequence[Intent], faults: int) -> bool:
        """Whether a request fails again and again at a portal that is well otherwise."""
        if faults < (_FAULTS if len(intents) > 1 else _FAULTS_ALONE):
            return False
        try:
            await self._portal.folders.get(self._folder)
        except RemoteError:
            return False
        return True

    # --- believing ------------------------------------------------------------------------------------------

    async def _finish(
        self, intents: Sequence[Intent], files: Mapping[EntryId, File], settled_at: float
    ) -> set[EntryId]:
        """Find out what became of intents whose end was not seen; gives the files that are copied."""
        if intents[0].operation:
            ended = await awaited(self._context, intents[0].operation)
            if ended is not None:
                return await self._believed(intents, ended, files)
            settled_at = max(settled_at, await settling.from_now(self._context))
        return await self._looked_for(intents, files, settled_at)

    async def _looked_for(
        self, intents: Sequence[Intent], files: Mapping[EntryId, File], settled_at: float
    ) -> set[EntryId]:
        """Look for copies until all are there, or can come no more; gives the files of which no more is to be done.

        A worker that is stopped may leave a copy without content. It is named, and looked for again by a retry.
        """
        # An operation is listed for a minute after its last progress, and a file is one step, however large it is
        # (DistributedTaskQueue.cs): its content may come much later.
        settled_at += max((one.size or 0 for one in intents), default=0) / _SLOWEST
        pause, stored = GRACE, set[EntryId]()
        while True:
            await self._context.pause(pause)
            under_way = await self._context.call(self._portal.operations.all)
            if any(_is_into(one, self._folder) for one in under_way):
                continue
            found = await self._found_in_folder(intents)
            hollow = {file for file in found.keys() - stored if not await self._holds(found[file])}
            stored |= found.keys() - hollow
            now = await self._context.now()
            if now >= settled_at or (len(found) == len(intents) and not hollow):
                self._report.failed += [copying.hollow(found[file]) for file in hollow]
                whole = [intent for intent in intents if intent.file not in hollow]
                return hollow | await self._record(whole, found, files)
            pause = min(2 * pause, _SELDOM, max(GRACE, settled_at - now))

    async def _holds(self, copy: copying.Copy) -> bool:
        """Whether the portal has what a copy is to hold; of one that is gone by now, a listing tells."""
        if copy.id is None or await self._context.call(partial(self._portal.holds, copy.id)):
            return True
        try:
            await self._context.call(partial(self._portal.files.get, copy.id))
        except (NotFound, Forbidden):
            return True
        return False

    async def _believed(
        self, intents: Sequence[Intent], ended: Operation, files: Mapping[EntryId, File]
    ) -> set[EntryId]:
        """Write down as done what the operation's result shows, and else the folder's listing."""
        found = copying.results(intents, ended.files)
        missing = [intent for intent in intents if intent.file not in found]
        if missing:
            found |= await self._found_in_folder(missing)
        return await self._record(intents, found, files)

    async def _record(
        self, intents: Sequence[Intent], found: Mapping[EntryId, copying.Copy], files: Mapping[EntryId, File]
    ) -> set[EntryId]:
        """Write the proven ones into the ledger, and take the others back; gives the files that are up to date."""
        results: dict[str, tuple[str, Mapping[str, object]]] = {}
        done: set[EntryId] = set()
        for intent in intents:
            copy = found.get(intent.file)
            if copy is None:
                continue
            versions, became = await self._proven(intent, copy), intent.become(copy)
            for version in versions:
                # What came while it was copied is known by its number alone: when it was changed was not seen.
                line = became if version == intent.version else replace(became, version=version, changed="")
                results[copying.item(intent.file, version)] = (str(copy.id), line.to_json())
            if any(version >= files[intent.file].version for version in versions):
                done.add(intent.file)
                self._report.note(files[intent.file], "copied", copy.id, self._folder, became)
        await self._ledger.done(self._scope, results)
        await self._ledger.undone(self._scope, [one.item for one in intents if one.item not in results])
        return done

    async def _proven(self, intent: Intent, copy: copying.Copy) -> list[int]:
        """Tell which versions of the file this copy is; none if it is not the file's content.

        A version uploaded while the copy was under way may be what was copied. Several may have been, and be of one
        size: that it is the newest is believed only if both hold the same. Else that one is copied when its turn comes.
        """
        if copying.same_size(copy.size, intent.size):
            return [intent.version]
        try:
            seen = await self._context.call(partial(self._portal.files.get, copy.id or ""))
            if copying.same_size(seen.size, intent.size):
                return [intent.version]
            now = await self._context.call(partial(self._portal.files.get, intent.file))
        except (NotFound, Forbidden):
            return []
        if not copying.same_size(seen.size, now.size):
            return []
        is_newest = now.version == intent.version or await _are_equal(self._context, seen, now)
        return [intent.version, now.version] if is_newest else [intent.version]

    async def _found_in_folder(self, intents: Sequence[Intent]) -> dict[EntryId, copying.Copy]:
        """Look for copies in the folder's listing, among what this account made."""
        me = (await self._context.call(self._portal.people.myself)).id
        listed = [file for file in await self._contents() if copying.may_be_by(file, me, intents)]
        ours = await self._ledger.known_targets(self._scope, [str(file.id) for file in listed])
        found = copying.match(intents, listed, ours=ours)
        missing = [intent for intent in intents if intent.file not in found]
        renamed = [replace(one, title=title) for one in missing if (title := await self._new_title(one)) is not None]
        taken = {copy.id for copy in found.values()}
        return found | copying.match(renamed, [file for file in listed if file.id not in taken], ours=ours)

    async def _new_title(self, intent: Intent) -> str | None:
        """Give a source's title if it was renamed meanwhile: its copy then bears the new one."""
        try:
            title = (await self._context.call(partial(self._portal.files.get, intent.file))).title
        except (NotFound, Forbidden):
            return None
        return title if title != intent.title else None

    async def _contents(self) -> list[File]:
        """List the files that lie directly in the folder."""
        return list((await directly_in(self._context, self._folder)).files.values())

    # --- what could not be done -----------------------------------------------------------------------------

    async def _refused(
        self, files: Sequence[File], namesakes: Namesakes, error: RemoteError, *, attempt: int = 1
    ) -> None:
        """Divide what the portal refuses as a whole until the culprits are alone, and name them."""
        if isinstance(error, Unauthorized | ScopeMissing | QuotaExceeded):  # which no division helps
            raise error
        await self._check_folder()
        if len(files) == 1:
            self._report.failed.append(await self._explained(files[0], error, namesakes))
            return
        middle = len(files) // 2
        for half in (files[:middle], files[middle:]):
            await self._copy_batch(half, attempt=attempt)

    async def _check_folder(self) -> None:
        """Spare the files an examination one by one if the destination is what is refused. Raises StepFailed."""
        try:
            there = await self._context.call(lambda: self._portal.folders.get(self._folder))
        except NotFound as error:
            remedy = "Restore it, or correct `to:` in the automation; then retry."
            raise StepFailed(
                f"the destination folder {self._folder} is gone: {error.message}", remedy=remedy
            ) from error
        if there.is_archived or there.is_in_trash:
            what = f"{there.title!r} (folder {self._folder}) is {'archived' if there.is_archived else 'in the trash'}"
            raise StepFailed(f"{what}, and takes no files", remedy="Restore it, or correct `to:`; then retry.")
        if there.security.get("Create") is False:
            remedy = "Invite the account of the API key into that room as room manager or content creator, then retry."
            what = f"the account may not create files in {there.title!r} (folder {self._folder})"
            raise StepFailed(what, remedy=remedy)

    async def _explained(self, file: File, error: RemoteError, namesakes: Namesakes) -> FailedItem:
        try:
            current = await self._context.call(lambda: self._portal.files.get(file.id))
        except NotFound:
            return copying.gone(file.id, file.title)
        except Forbidden:
            await self._context.call(self._portal.people.myself)  # a dead key is answered so as well: this says it
            return copying.hidden(file.id, file.title)
        met = namesakes.get(file.id)
        return copying.explain(file, error, current=current, namesake=met.file if met is not None else None)


async def already(context: StepContext, scope: str, files: Sequence[File]) -> dict[EntryId, Entry]:
    """Choose the files whose copies the ledger knows and the portal still has; gives the line of each.

    A copy that somebody deleted is made again: by a replay, a retry from the start, or by hand.
    """
    items = {file.id: copying.item(file.id, file.version) for file in files}
    known = await context.ledger.look(scope, list(items.values()))
    done = {
        file.id: known[item]
        for file in files
        if (item := items[file.id]) in known and copying.is_done(known[item], file)
    }
    copies = {number: copy for number, entry in done.items() if (copy := of_copy(scope, entry)) is not None}
    sights = await sighted(context.client, copies.values(), context.call)
    by_id = {file.id: file for file in files}
    return {
        number: done[number]
        for number, copy in copies.items()
        if sights[copy].stands and await _holds_still(context, by_id[number], done[number])
    }


async def _holds_still(context: StepContext, file: File, line: Entry) -> bool:
    """Whether the copy of a line holds what the file does now: in the editor a version is saved again and again."""
    known, portal = Intent.from_json(line.detail), context.client
    if not known.may_be_older(file):
        return True
    if not any(copying.same_size(file.size, size) for size in (known.size, known.copy_size)):
        return False
    copy: File = await context.call(partial(portal.files.get, copying.as_id(line.target) or ""))
    is_as_made = copy.version == known.copy_version and copying.same_size(copy.size, file.size)
    # Where nobody can say, it is left alone: a rename moves the moment, too, and who changed the copy meant to.
    return not is_as_made or await _are_equal(context, file, copy) is not False


async def _are_equal(context: StepContext, one: File, other: File) -> bool | None:
    """Whether two files hold the same; None if that is not to be known: large ones are not compared."""
    try:
        contents = [
            await context.call(partial(context.client.digest, file.id, most=_COMPARED)) for file in (one, other)
        ]
    except NotFound:
        return False
    return contents[0] == contents[1] if None not in contents else None


def _is_into(operation: Operation, folder: EntryId) -> bool:
    """Whether an unfinished copy may be one into this folder; one that does not say where may be."""
    if operation.finished or operation.kind != OperationKind.COPY:
        return False
    where = [str(one.id) for one in operation.folders if one.id is not None]
    return not where or str(folder) in where
