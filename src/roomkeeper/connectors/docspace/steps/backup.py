"""`backup`: have the portal back itself up into a folder, and see that the file lies there."""

from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.files.evidence import of_saved_file
from roomkeeper.connectors.docspace.files.tree import directly_in
from roomkeeper.connectors.docspace.places import address, must_be_named, must_take_files, way_to
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.docspace import EntryId, File, PathPart, Portal
from roomkeeper.docspace.models import BackupRecord
from roomkeeper.errors import Clash, Forbidden, QuotaExceeded, Rejected, StepFailed
from roomkeeper.once import once

_LOOK = 10.0  # seconds between two looks at a backup that is under way: it takes minutes or hours (ours)


class MakeBackup(BaseModel):
    """What `backup` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room or folder that the backup goes into: a room's id or exact title, or a folder's id.",
        examples=[50123],
    )


class MadeBackup(BaseModel):
    """The backup's file, and whether this step made it."""

    id: str = Field(description="What the portal calls the backup.")
    file: EntryId
    title: str
    folder: EntryId
    url: str = Field(description="Where people see the folder.")
    version: int
    bytes: int
    warning: str = Field(description="What the portal says is missing in it; empty if nothing is.")
    made: bool
    created: str = ""


async def apply(params: MakeBackup, context: StepContext) -> MadeBackup:
    """Make one, wait until it is over, and look for its file. Raises StepFailed."""
    folder = await _folder(params, context)
    try:
        task, made = await _begun(folder, context)
    except QuotaExceeded as error:
        raise StepFailed(f"the portal makes no backup: {error.message}", remedy=_NONE_LEFT) from error
    except (Forbidden, Rejected) as error:
        raise StepFailed(f"the portal makes no backup: {error.message}", remedy=_ADMINISTRATOR) from error
    record, warning = await _over(task, context)
    file = await _file(record, folder, context)
    return MadeBackup(
        id=task,
        file=file.id,
        title=file.title,
        folder=folder.id,
        url=address(context.client, folder.id),
        version=file.version,
        bytes=file.size or 0,
        warning=warning,
        made=made,
        created=file.created.isoformat() if file.created is not None else "",
    )


async def plan(params: MakeBackup, context: StepContext) -> Plan:
    """Say where it would lie."""
    folder = await _folder(params, context)
    return Plan((f"back the whole portal up into {folder.title!r} ({folder.id})",))


BACKUP = StepKind(
    name="backup",
    summary="Have the portal back itself up into a folder, and see that the file lies there.",
    params=MakeBackup,
    result=MadeBackup,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    takes_many=True,
    in_a_loop=False,
    places={"to": "write"},
    scopes=frozenset({"*"}),
    evidence=of_saved_file,
)


async def _folder(params: MakeBackup, context: StepContext) -> PathPart:
    way = await way_to(context, params.to, setting="to")
    await must_take_files(context, way, setting="to")
    return way[-1]


async def _begun(folder: PathPart, context: StepContext) -> tuple[str, bool]:
    """Begin this run's backup once; gives its id, and whether this call did. Raises RemoteError."""
    portal: Portal = context.client
    scope, item = f"backups: {context.connection}", f"run {context.run} {context.task}"
    before = await _before(context)

    async def find() -> list[str]:
        if (await context.ledger.look(scope, [item])).get(item) is None:
            return []  # nothing that is there can be ours
        latest = await portal.backups.latest()
        ours = [latest.task_id] if latest is not None and not latest.is_completed else []
        ours += [one for one in await _kept_in(folder, context) if one not in ours]
        taken = await context.ledger.known_targets(scope, ours)
        return [one for one in ours if one not in before and one not in taken]

    async def make() -> str:
        others = await _ids(context)
        task = (await portal.backups.start(folder.id)).task_id
        if task in others or await context.ledger.known_targets(scope, [task]):
            raise Clash("Somebody else began a backup in the same moment", may_have_happened=False)
        return task

    async def stands(task: str) -> bool:
        latest = await portal.backups.latest()
        is_under_way = latest is not None and latest.task_id == task and not latest.is_completed
        return is_under_way or task in await _kept_in(folder, context)

    async with context.hold("backups"):  # the portal makes one at a time
        if (await context.ledger.look(scope, [item])).get(item) is None:
            await _others_are_over(context)
        made = await once(context, scope, item, find=find, make=make, stands=stands)
        return made.target, made.here


async def _ids(context: StepContext) -> set[str]:
    """List the backups that there are, and the one that the portal tells of."""
    portal: Portal = context.client
    latest = await portal.backups.latest()
    return {one.id for one in await portal.backups.kept()} | ({latest.task_id} if latest is not None else set())


async def _kept_in(folder: PathPart, context: StepContext) -> list[str]:
    """List the backups whose file lies in this folder, and has something in it."""
    portal: Portal = context.client
    there = {file.title for file in (await directly_in(context, folder.id)).files.values() if file.size}
    return [one.id for one in await portal.backups.kept() if one.file_name in there]


async def _before(context: StepContext) -> set[str]:
    """Recall which backups there were when this run came to it: none of them is its own. Raises RemoteError."""
    known = await context.recorded()
    if known is None:
        known = {"before": sorted(await context.call(partial(_ids, context)))}
        await context.record(known)
    return set(known["before"])


async def _others_are_over(context: StepContext) -> None:
    """Wait until no backup is under way: the portal makes one at a time, and takes another order for the same."""
    while (latest := await context.call(context.client.backups.latest)) is not None and not latest.is_completed:
        await context.progress(f"waits for a backup that somebody began: {latest.progress} %")
        await context.pause(_LOOK)


async def _over(task: str, context: StepContext) -> tuple[BackupRecord, str]:
    """Wait until it is over; gives its record, and the portal's warning. Raises StepFailed."""
    portal: Portal = context.client
    while True:
        latest = await context.call(portal.backups.latest)
        if latest is None or latest.task_id != task or latest.is_completed:
            break
        await context.progress(f"the backup is at {latest.progress} %")
        await context.pause(_LOOK)
    mine = latest if latest is not None and latest.task_id == task else None
    if mine is not None and mine.error:
        raise StepFailed(f"the portal's backup failed: {mine.error}", remedy=_SEE_PORTAL)
    record = next((one for one in await context.call(portal.backups.kept) if one.id == task), None)
    if record is None:
        why = mine.warning if mine is not None and mine.warning else "it is not among those that are kept"
        raise StepFailed(f"the portal's backup came to nothing: {why}", remedy=_SEE_PORTAL)
    return record, (mine.warning or "") if mine is not None else ""


async def _file(record: BackupRecord, folder: PathPart, context: StepContext) -> File:
    """Find the backup's file. Raises StepFailed where it is not there, or empty."""
    files = (await directly_in(context, folder.id)).files.values()
    found = next((file for file in files if file.title == record.file_name), None)
    if found is None:
        what = f"the portal made the backup {record.file_name!r}, and it does not lie in {folder.title!r} ({folder.id})"
        raise StepFailed(what, remedy=_ANOTHERS)
    portal: Portal = context.client
    file = await context.call(partial(portal.files.get, found.id))
    if not file.size:
        raise StepFailed(f"the backup {file.title!r} ({file.id}) is empty", remedy=_SEE_PORTAL)
    return file


_ADMINISTRATOR = (
    "Give the connection a key of the owner or an administrator, with the permission for everything; see whether the "
    "portal allows backups (Settings, Backup) and whether that account may write into the folder; then `roomkeeper "
    "runs retry`."
)
_NONE_LEFT = (
    "The tariff has no backup left for this month, or there is no space for one: free some, or see Settings, Backup; "
    "then `roomkeeper runs retry`."
)
_SEE_PORTAL = "See the portal's Settings, Backup, and its log; then `roomkeeper runs retry`, which makes another one."
_ANOTHERS = (
    "Somebody else's backup was begun in the same moment, and the portal makes one at a time: `roomkeeper runs retry` "
    "makes one into this folder."
)
