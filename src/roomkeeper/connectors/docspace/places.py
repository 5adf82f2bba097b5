"""Find the rooms and folders that an automation names, and make folders that are to be there."""

import asyncio
from collections.abc import Sequence
from functools import partial

from roomkeeper.automations.step import StepContext
from roomkeeper.docspace import EntryId, PathPart, Portal
from roomkeeper.docspace.folders import stored_folder_title
from roomkeeper.docspace.models import Folder
from roomkeeper.docspace.wire import same_title
from roomkeeper.errors import Forbidden, NotFound, ScopeMissing, StepFailed

LET_IN = "Invite the account of the API key into that room as room manager, then `roomkeeper runs retry`."


def must_be_named(value: EntryId) -> EntryId:
    """Refuse an empty id or title. Raises ValueError."""
    if (isinstance(value, str) and not value.strip()) or value == 0:
        raise ValueError("must be the id or the title of a room or folder")
    return value


async def way_to(context: StepContext, wanted: EntryId, *, setting: str) -> tuple[PathPart, ...]:
    """Find a room by id or exact title, or a folder by id: the way from the portal's root to it. Raises StepFailed.

    `setting` is what the automation calls it, for the remedy.
    """
    portal: Portal = context.client
    try:
        place = await _room_titled(context, wanted, setting) if isinstance(wanted, str) else wanted
        way = await context.call(lambda: portal.folders.path(place))
    except NotFound as error:
        remedy = (
            f"Correct `{setting}` where it comes from (the deal or the ticket), or restore the folder; then "
            "`roomkeeper runs retry`. If it stands in the automation, correct it there: that holds for new runs."
        )
        raise StepFailed(f"`{setting}` {wanted} does not exist: {error.message}", remedy=remedy) from error
    except ScopeMissing:
        raise
    except Forbidden as error:
        raise StepFailed(f"the account may not see `{setting}` {wanted}: {error.message}", remedy=LET_IN) from error
    if not way:
        remedy = f"Correct `{setting}:` in the automation."
        raise StepFailed(f"`{setting}` {wanted} has no place on the portal", remedy=remedy)
    return way


async def _room_titled(context: StepContext, wanted: str, setting: str) -> EntryId:
    """Read a string: it is a room's title, or else the id of a folder in third-party storage."""
    if wanted.isdigit():
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
            here = (await context.call(partial(_found_or_created, context.client, here, title))).id
    return here


async def folders_at(
    context: StepContext, root: EntryId, paths: Sequence[str], *, is_new: bool = False
) -> dict[str, EntryId]:
    """Find or create many folders by path, those side by side at the same time; `is_new` says that none is there."""
    ways = [tuple(part.strip() for part in path.split("/") if part.strip()) for path in paths]
    levels = [dict.fromkeys(way[: depth + 1] for way in ways if len(way) > depth) for depth in range(_deepest(ways))]
    made: dict[tuple[str, ...], EntryId] = {(): root}
    if not levels:
        return {}
    async with context.hold(f"folders of {root}"):
        for level in levels:
            found = await asyncio.gather(*(_child(context, made[way[:-1]], way[-1], is_new=is_new) for way in level))
            made |= dict(zip(level, found, strict=True))
    return {"/".join(way): made[way] for way in ways if way}


def _deepest(ways: Sequence[tuple[str, ...]]) -> int:
    return max(map(len, ways), default=0)


async def _child(context: StepContext, parent: EntryId, title: str, *, is_new: bool) -> EntryId:
    """Find or create one folder. In a new room the first attempt need not look; the answer to it may be lost."""
    portal: Portal = context.client
    first = is_new

    async def attempt() -> Folder:
        nonlocal first
        looks, first = not first, False
        found = await _found(portal, parent, title) if looks else None
        return found or await portal.folders.create(parent, title)

    return (await context.call(attempt)).id


async def folder_titled(context: StepContext, parent: EntryId, title: str) -> Folder | None:
    """Find the direct subfolder of this title, as the portal stores titles."""
    portal: Portal = context.client
    return await context.call(partial(_found, portal, parent, title))


async def _found(portal: Portal, parent: EntryId, title: str) -> Folder | None:
    wanted = stored_folder_title(title)
    return next((one for one in await portal.folders.subfolders(parent) if same_title(one.title, wanted)), None)


async def _found_or_created(portal: Portal, parent: EntryId, title: str) -> Folder:
    """Look before each attempt to create: the answer to the last one may have been lost."""
    return await _found(portal, parent, title) or await portal.folders.create(parent, title)


def address(portal: Portal, folder: EntryId) -> str:
    """Where people see a room or folder."""
    return f"{portal.url}/rooms/shared/{folder}"
