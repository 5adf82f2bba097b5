"""Find the rooms and folders that an automation names, and make folders that are to be there."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from roomkeeper.contract.catalog import NamedRoom
from roomkeeper.contract.step import StepContext
from roomkeeper.docspace import EntryId, PathPart, Portal, entry_id
from roomkeeper.docspace.folders import stored_folder_title
from roomkeeper.docspace.models import File, Folder
from roomkeeper.docspace.titles import bearing, title_key
from roomkeeper.errors import Forbidden, NotFound, Rejected, StepFailed
from roomkeeper.once import once

_AT_ONCE = 8  # files looked at at the same time (ours)

LET_IN = "Invite the account of the API key into that room as room manager, then `roomkeeper runs retry`."


def must_be_named(value: EntryId) -> EntryId:
    """Refuse an empty id or title. Raises ValueError."""
    if (isinstance(value, str) and not value.strip()) or value == 0:
        raise ValueError("must be the id or the title of a room or folder")
    return value


async def rooms(portal: Portal) -> list[NamedRoom]:
    """List the rooms that the account sees. Raises RemoteError."""
    return [NamedRoom(room.id, room.title) for room in await portal.rooms.all()]


async def way_to(context: StepContext, wanted: EntryId, *, setting: str) -> tuple[PathPart, ...]:
    """Find a room by id or exact title, or a folder by id: the way from the portal's root to it. Raises StepFailed.

    `setting` is what the automation calls it, for the remedy.
    """
    portal: Portal = context.client
    try:
        place = await _room_titled(context, wanted, setting) if isinstance(wanted, str) else wanted
        way = await context.call(lambda: portal.folders.path(place))
    except NotFound as error:
        if isinstance(wanted, str) and not wanted.isdecimal():
            raise _not_called_so(wanted, setting) from error
        remedy = (
            f"Correct `{setting}` in the automation, then retry with the automation as it is now "
            "(`roomkeeper runs retry --as-now`). If a deal or a ticket gives it, correct it there, or restore the "
            "folder; then `roomkeeper runs retry`."
        )
        raise StepFailed(f"`{setting}` {wanted} does not exist: {error.message}", remedy=remedy) from error
    except Forbidden as error:
        raise StepFailed(f"the account may not see `{setting}` {wanted}: {error.message}", remedy=LET_IN) from error
    if not way:
        remedy = f"Correct `{setting}:` in the automation."
        raise StepFailed(f"`{setting}` {wanted} has no place on the portal", remedy=remedy)
    for part in way[1:2] + way[2:][-1:]:
        kind = "room" if part.room_type is not None else "folder"
        context.met(kind, str(part.id), part.title, wanted=str(wanted))
    return way


def _not_called_so(title: str, setting: str) -> StepFailed:
    remedy = (
        f"It may have been renamed, or the account of the API key is not in it. Invite the account, or correct "
        f"`{setting}` (a room's id stays whatever it is called), then retry with the automation as it is now "
        "(`roomkeeper runs retry --as-now`)."
    )
    return StepFailed(f"`{setting}`: the account sees no room that is called {title!r}", remedy=remedy)


async def must_take_files(context: StepContext, way: Sequence[PathPart], *, setting: str) -> None:
    """Make sure that files can be put there at all. Raises StepFailed."""
    portal: Portal = context.client
    place = way[-1]
    there = await context.call(partial(portal.folders.get, place.id))
    if there.is_archived or len(way) == 1:
        what = f"`{setting}` {place.id} {place.title!r} cannot take files: the portal's own sections take only rooms"
        raise StepFailed(what, remedy=f"Make an ordinary folder in a room, and put its id into `{setting}:`.")


async def must_keep(context: StepContext, room: EntryId, files: Collection[File], *, so: str) -> None:
    """Make sure that a room deletes none of these as soon as they come; `so` says what was not done. Raises StepFailed.

    A room with a lifetime deletes a file by when its first version was saved, which a move does not change
    (CleanupLifetimeExpiredService.cs: `ModifiedOn` of version 1). When it was made says nothing of that: whoever
    uploads may name that moment (SessionRequestDto.cs).
    """
    portal: Portal = context.client
    there = await context.call(partial(portal.folders.get, room)) if files else None
    if there is None or there.lifetime is None:
        return
    begin = datetime.now(UTC) - timedelta(days=there.lifetime.days)
    late = [file for file in files if file.updated is not None and file.updated < begin]
    later = [] if late else [file for file in files if file.version > 1]  # of the others the first version was saved so
    for at in range(0, len(later), _AT_ONCE):
        some = later[at : at + _AT_ONCE]
        are_late = await asyncio.gather(*(_began_before(context, file, begin) for file in some))
        late = [file for file, is_late in zip(some, are_late, strict=True) if is_late]
        if late:
            break
    if late:
        what = (
            f"room {there.id} {there.title!r} deletes what is older than {there.lifetime.days} days, and at least "
            f"{len(late)} of the files {'is' if len(late) == 1 else 'are'} ({late[0].title!r} …): {so}"
        )
        raise StepFailed(what, remedy=_NO_LIFETIME)


async def _began_before(context: StepContext, file: File, begin: datetime) -> bool:
    """Whether a file's first version was saved before that."""
    try:
        first: File = await context.call(partial(context.client.files.get, file.id, version=1))
    except (NotFound, Forbidden):  # it was deleted from the versions, and then nothing is deleted by it
        return False
    return first.updated is not None and first.updated < begin


_NO_LIFETIME = (
    "Switch off the lifetime of files in that room's settings, or make it longer, then `roomkeeper runs retry`; or "
    "name a room without one."
)


async def _room_titled(context: StepContext, wanted: str, setting: str) -> EntryId:
    """Read a string: it is a room's title, or else the id of a folder in third-party storage."""
    if wanted.isdecimal():
        return int(wanted)
    portal: Portal = context.client
    rooms = await context.call(lambda: portal.rooms.titled(wanted))
    if len(rooms) > 1:
        ids = ", ".join(str(room.id) for room in rooms)
        remedy = f"Write the id of one of them into `{setting}:`."
        raise StepFailed(f"several rooms are called {wanted!r}: {ids}", remedy=remedy)
    return rooms[0].id if rooms else wanted


async def folder_at(context: StepContext, root: EntryId, path: Sequence[str]) -> EntryId:
    """Find or create the folder below `root`; one run at a time, for the portal allows twins (4)."""
    here = root
    if not path:
        return here
    async with context.hold(f"folders of {root}"):
        for title in path:
            here = await _child(context, here, title, is_new=False)
    return here


async def folders_at(
    context: StepContext, root: EntryId, paths: Sequence[str], *, is_new: bool = False
) -> dict[str, EntryId]:
    """Find or create many folders by path, those side by side at the same time; `is_new` says that none is there."""
    ways = {path: tuple(part.strip() for part in path.split("/") if part.strip()) for path in paths}
    titles: dict[tuple[str, ...], str] = {}
    for way in ways.values():
        for at in range(len(way)):
            titles.setdefault(_key(way[: at + 1]), way[at])
    made: dict[tuple[str, ...], EntryId] = {(): root}
    if not titles:
        return {}
    async with context.hold(f"folders of {root}"):
        for depth in range(1, max(map(len, titles)) + 1):
            level = [key for key in titles if len(key) == depth]
            found = await asyncio.gather(
                *(_child(context, made[key[:-1]], titles[key], is_new=is_new) for key in level)
            )
            made |= dict(zip(level, found, strict=True))
    return {"/".join(way): made[_key(way)] for way in ways.values() if way}


def _key(way: Sequence[str]) -> tuple[str, ...]:
    """Tell paths apart as the portal does: by what it stores, and which titles are one to it."""
    return tuple(title_key(stored_folder_title(part)) for part in way)


async def _child(context: StepContext, parent: EntryId, title: str, *, is_new: bool) -> EntryId:
    """Find or create one folder, once; `is_new` says that it cannot be there yet. Raises RemoteError."""
    portal: Portal = context.client

    async def find() -> list[str]:
        return [str(one.id) for one in await _all_titled(portal, parent, title)]

    async def make() -> str:
        return str((await portal.folders.create(parent, title)).id)

    async def drop(folder: str) -> bool:
        return await dropped(portal, entry_id(folder), portal.folders.delete)

    async def stands(folder: str) -> bool:
        return folder in await find()

    scope, item = f"folders: {context.connection}", f"{parent} {title_key(stored_folder_title(title))}"
    made = await once(context, scope, item, find=find, make=make, drop=drop, stands=stands, is_new=is_new)
    return entry_id(made.target)


async def dropped(portal: Portal, folder: EntryId, delete: Callable[[EntryId], Awaitable[object]]) -> bool:
    """Delete a folder or a room that is empty; tells whether it is gone. What the portal does not let us stays."""
    try:
        there = await portal.folders.get(folder)
        if there.files_count is None or there.folders_count is None or there.files_count + there.folders_count:
            return False
        await delete(folder)
    except NotFound:
        return True
    except (Forbidden, Rejected):
        return False
    return True


async def folder_titled(context: StepContext, parent: EntryId, title: str) -> Folder | None:
    """Find the direct subfolder of this title, as the portal stores titles."""
    portal: Portal = context.client
    return await context.call(partial(_found, portal, parent, title))


async def _found(portal: Portal, parent: EntryId, title: str) -> Folder | None:
    return next(iter(await _all_titled(portal, parent, title)), None)


async def _all_titled(portal: Portal, parent: EntryId, title: str) -> list[Folder]:
    return bearing(stored_folder_title(title), await portal.folders.subfolders(parent))


def address(portal: Portal, folder: EntryId) -> str:
    """Where people see a room or folder."""
    return f"{portal.url}/rooms/shared/{folder}"
