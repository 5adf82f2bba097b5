"""Bring rooms into the portal's own Archive section and out of it, and see that they are there."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from roomkeeper.connectors.docspace.files.tree import files_below
from roomkeeper.connectors.docspace.files.watching import awaited
from roomkeeper.contract.step import UNFINISHED, StepContext
from roomkeeper.docspace import EntryId, Folder, Portal
from roomkeeper.errors import Forbidden, StepFailed

_ATTEMPTS = 5  # ours
_LOOK, _PATIENCE = 5.0, 600.0  # seconds between two looks whether a file is closed, and of waiting for it (ours)
_OWNER = "Make the account of the API key the room's owner (or a portal administrator), then `roomkeeper runs retry`."
_TARIFF = "If the portal has as many rooms as it may, archive or delete one first."
_CLOSE = "Have it closed, then `roomkeeper runs retry`."
_SOMEBODY = "See on the portal whether somebody moves it back, then `roomkeeper runs retry`."


async def bring_back(context: StepContext, room: EntryId) -> bool:
    """Bring a room back from the Archive section, if it is there; tells whether it was. Raises StepFailed."""
    portal: Portal = context.client
    return await brought(context, await context.call(partial(portal.folders.get, room)), archived=False)


async def archive(context: StepContext, room: EntryId) -> bool:
    """Bring a room to the Archive section; tells whether it was not there. Raises StepFailed."""
    portal: Portal = context.client
    return await brought(context, await context.call(partial(portal.folders.get, room)), archived=True)


@asynccontextmanager
async def out_of_the_archive(context: StepContext, room: EntryId) -> AsyncIterator[None]:
    """Have a room out of the Archive section while something is changed that cannot be changed there, and back again.

    Its members cannot be changed in there (FileSecurity.cs; recorded: archive). Raises StepFailed.
    """
    async with context.hold(f"members of room {room}"):
        with context.to_the_end():  # else a room that was archived stays open to all who are in it
            recorded = await context.recorded() or {}
            folder = await context.call(partial(context.client.folders.get, room))
            if folder.is_archived and not recorded.get("was_archived"):
                await context.record(recorded | {"was_archived": True, UNFINISHED: True})
            was_archived = await brought(context, folder, archived=False) or bool(recorded.get("was_archived"))
            try:
                yield
            finally:
                if was_archived:
                    await archive(context, room)
                    await context.record((await context.recorded() or {}) | {"was_archived": False, UNFINISHED: False})


async def brought(context: StepContext, room: Folder, *, archived: bool) -> bool:
    """Bring a room into the Archive section or out of it; false if it is so already. Doing it twice is harmless.

    It is waited for while somebody has a file in it open: the portal refuses it then in the words that it has for a
    missing right (CopyPermissionsCheck.cs). Raises StepFailed.
    """
    portal: Portal = context.client
    if room.is_archived == archived:
        return False
    begin = portal.rooms.archive if archived else portal.rooms.unarchive
    tries, waited = 0, 0.0
    while True:
        refused = ""
        try:
            operation = await context.call(partial(begin, room.id))
            ended = await awaited(context, operation.id) if operation is not None else None
            refused = f"it stays where it is: {ended.error}" if ended is not None and ended.error else ""
        except Forbidden as error:
            refused = f"the account may not {'archive' if archived else 'bring back'} it: {error.message}"
        now = await context.call(partial(portal.folders.get, room.id))
        if now.is_archived == archived:
            return True
        tries += not refused
        if tries >= _ATTEMPTS:
            stays = f"room {room.id} {room.title!r} was asked for again and again, and stays where it is"
            raise StepFailed(stays, remedy=_SOMEBODY)
        if not refused:
            continue
        opened = await _opened(context, room) if archived else []
        if not opened or waited >= _PATIENCE:
            raise _stays(room, refused, opened, archived=archived)
        await context.progress(f"waits until {opened[0]!r} in room {room.id} is closed")
        await context.pause(_LOOK)
        waited += _LOOK


async def _opened(context: StepContext, room: Folder) -> list[str]:
    """List the titles of what is open in the editor there."""
    return [one.title for one in (await files_below(context, room.id)).values() if one.is_being_edited]


def _stays(room: Folder, why: str, opened: Sequence[str], *, archived: bool) -> StepFailed:
    """Say why a room stays where it is."""
    told = f"room {room.id} {room.title!r}"
    if opened:
        return StepFailed(f"{told} cannot be archived while {opened[0]!r} is open in the editor", remedy=_CLOSE)
    return StepFailed(f"{told}: {why}", remedy=_OWNER if archived else f"{_OWNER} {_TARIFF}")
