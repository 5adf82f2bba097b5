"""Bring rooms into the portal's own Archive section and out of it, and see that they are there."""

from collections.abc import Sequence
from functools import partial

from roomkeeper.connectors.docspace.files.tree import below
from roomkeeper.connectors.docspace.files.watching import awaited
from roomkeeper.contract.step import StepContext
from roomkeeper.docspace import EntryId, Folder, Portal
from roomkeeper.errors import Forbidden, StepFailed

_ATTEMPTS = 5  # ours
_TARIFF = "If the portal has as many rooms as it may have, archive or delete one first."
_OWNER = "Make the account of the API key the room's owner (or a portal administrator), then `roomkeeper runs retry`."


async def bring_back(context: StepContext, room: EntryId) -> bool:
    """Bring a room back from the Archive section, if it is there; tells whether it was. Raises StepFailed."""
    portal: Portal = context.client
    return await brought(context, await context.call(partial(portal.folders.get, room)), archived=False)


async def archive(context: StepContext, room: EntryId) -> bool:
    """Bring a room to the Archive section; tells whether it was not there. Raises StepFailed."""
    portal: Portal = context.client
    return await brought(context, await context.call(partial(portal.folders.get, room)), archived=True)


async def brought(context: StepContext, room: Folder, *, archived: bool) -> bool:
    """Bring a room into the Archive section or out of it; false if it is so already. Doing it twice is harmless."""
    portal: Portal = context.client
    if room.is_archived == archived:
        return False
    begin = portal.rooms.archive if archived else portal.rooms.unarchive
    for _ in range(_ATTEMPTS):
        try:
            operation = await context.call(partial(begin, room.id))
        except Forbidden as error:
            if archived and (opened := await _opened(context, room)):
                raise _is_open(room, opened) from error
            what = f"the account may not {'archive' if archived else 'bring back'} room {room.id}: {error.message}"
            raise StepFailed(what, remedy=_OWNER) from error
        ended = await awaited(context, operation.id) if operation is not None else None
        now = await context.call(partial(portal.folders.get, room.id))
        if now.is_archived == archived:
            return True
        if ended is not None and ended.error:
            if archived and (opened := await _opened(context, room)):
                raise _is_open(room, opened)
            remedy = _OWNER if archived else f"{_OWNER} {_TARIFF}"
            raise StepFailed(f"room {room.id} {room.title!r} stays where it is: {ended.error}", remedy=remedy)
    stays = f"room {room.id} {room.title!r} was asked for again and again, and stays where it is"
    raise StepFailed(stays, remedy="See on the portal whether somebody moves it back, then `roomkeeper runs retry`.")


async def _opened(context: StepContext, room: Folder) -> list[str]:
    """List the titles of what is open in the editor there: the portal then refuses to archive the room.

    It does so in the words that it has for a missing right (CopyPermissionsCheck.cs).
    """
    try:
        tree = await below(context, room.id)
    except Forbidden:
        return []
    return [one.title for one in tree.files.values() if one.is_being_edited]


def _is_open(room: Folder, titles: Sequence[str]) -> StepFailed:
    what = f"room {room.id} {room.title!r} cannot be archived while {titles[0]!r} is open in the editor"
    return StepFailed(what, remedy="Have it closed, then `roomkeeper runs retry`.")
