"""`list_rooms`: find the rooms that are as the automation asks, all of them or none, and when they were last used.

A room's own `updated` moves with uploads and edits alone (FileDao.cs, UpdateFoldersAsync), not with moves and
deletions. So whoever asks for rooms that nobody uses is answered by their histories, too; reading and downloading
stand in neither (HistoryService.cs).
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.automations.condition import Asked, asking_for, fits
from roomkeeper.automations.duration import Duration
from roomkeeper.connectors.docspace.places import address
from roomkeeper.contract.step import Plan, StepContext, StepKind, plan_of_list
from roomkeeper.docspace import EntryId, Folder, Portal
from roomkeeper.errors import Forbidden, NotFound, StepFailed

MOST = 10_000  # rooms in a list: it is kept with its run (ours)
_AT_ONCE = 8  # histories that are read at the same time (ours)


class ListedRoom(BaseModel):
    """A room as it was when it was listed."""

    id: EntryId
    title: str
    type: str = Field(description="`collaboration`, `custom`, `public`, `form_filling`, `virtual_data` or `ai`.")
    tags: list[str]
    archived: bool
    created: datetime | None
    updated: datetime | None = Field(description="When a file in it was last uploaded or edited, or itself changed.")
    active: datetime | None = Field(
        description="When something last happened in it, by its history too; with `inactive_for` only."
    )
    created_by: str = Field(description="Its owner, by name.")
    files: int | None
    url: str


_ASKED_FOR = frozenset(ListedRoom.model_fields) - {"active"}


class ListRooms(BaseModel):
    """What `list_rooms` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: Annotated[dict[str, Asked], asking_for(_ASKED_FOR, "a room")] = Field(
        default_factory=dict,
        description="What a room's fields must be, as in an automation's own `where`; of `tags`, any.",
        examples=[{"title": {"like": "Client: *"}, "tags": "active"}],
    )
    archived: bool = Field(default=False, description="Those in the Archive section as well.", examples=[True])
    inactive_for: Duration | None = Field(
        default=None,
        description="Only those in which nothing happened for so long, by their files and their histories.",
        examples=["180d"],
    )
    most: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="So many at most, those first that were not used for longest; `more` counts the others. Without "
        "it, a list of more than 10,000 is a failure.",
        examples=[100],
    )


class Survey(BaseModel):
    """The rooms, how many more there are, and of how many the account may not read the history."""

    rooms: list[ListedRoom] = Field(default_factory=list)
    ids: list[EntryId] = Field(default_factory=list)
    count: int = 0
    more: int = 0
    unread: int = Field(
        default=0,
        description="With `inactive_for`: rooms whose history is closed to the account; they go by `updated`.",
    )


async def apply(params: ListRooms, context: StepContext) -> Survey:
    """List the rooms. Raises StepFailed, RemoteError."""
    portal: Portal = context.client
    rooms = await context.call(partial(portal.rooms.all, archived=params.archived))
    found = [_listed(room, portal) for room in rooms]
    found = [room for room in found if fits(params.where, room.model_dump())]
    unread = 0
    if params.inactive_for is not None:
        found, unread = await _inactive(found, params.inactive_for, context)
    if params.most is None and len(found) > MOST:
        what = f"{len(found)} rooms are as it asks, and a list holds {MOST}"
        raise StepFailed(what, remedy="Ask for fewer, or say with `most:` that some of them will do.")
    found.sort(key=lambda room: (_used(room), str(room.id)))
    taken = found[: params.most or MOST]
    return Survey(
        rooms=taken, ids=[one.id for one in taken], count=len(taken), more=len(found) - len(taken), unread=unread
    )


async def plan(params: ListRooms, context: StepContext) -> Plan:
    """Say what would be in the list."""
    survey = await apply(params, context)
    lines = [f"list room {one.id} {one.title!r}" for one in survey.rooms]
    return plan_of_list(lines, "no room is as it asks", survey, more=survey.more)


LIST_ROOMS = StepKind(
    name="list_rooms",
    summary="Find rooms by title, type, tag, or how long nothing happened in them: all of them, or it fails.",
    params=ListRooms,
    result=Survey,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    scopes=frozenset({"files:read", "rooms:read"}),
)


def _listed(room: Folder, portal: Portal) -> ListedRoom:
    kind = room.room_type
    return ListedRoom(
        id=room.id,
        title=room.title,
        type=kind.name.lower() if hasattr(kind, "name") else str(kind or ""),  # type: ignore[union-attr]
        tags=list(room.tags),
        archived=room.is_archived,
        created=room.created,
        updated=room.updated,
        active=None,
        created_by=room.created_by.display_name,
        files=room.files_count,
        url=address(portal, room.id),
    )


def _used(room: ListedRoom) -> float:
    at = room.active or room.updated
    return at.timestamp() if at is not None else 0.0


async def _inactive(
    rooms: Sequence[ListedRoom], inactive_for: float, context: StepContext
) -> tuple[list[ListedRoom], int]:
    """Choose those in which nothing happened for so long; of what looks so by its files the history is read."""
    until = await context.now() - inactive_for
    quiet, found, unread = [room for room in rooms if _used(room) < until], list[ListedRoom](), 0
    for at in range(0, len(quiet), _AT_ONCE):
        part = quiet[at : at + _AT_ONCE]
        for room, told in zip(part, await asyncio.gather(*(_told(one, context) for one in part)), strict=True):
            unread += told is None
            known = room.model_copy(update={"active": max(filter(None, (room.updated, *(told or ()))), default=None)})
            found += [known] if _used(known) < until else []
        await context.progress(f"{min(at + _AT_ONCE, len(quiet))} of {len(quiet)} histories read")
    return found, unread


async def _told(room: ListedRoom, context: StepContext) -> list[datetime] | None:
    """Give when the newest entries of a room's history are from; None where the account may not read it."""
    portal: Portal = context.client
    if isinstance(room.id, str):
        return None  # third-party storage has no history (FoldersController.cs, `{folderId:int}/log`)
    try:
        told = await context.call(partial(portal.history.of_folder, room.id))
    except (Forbidden, NotFound):
        return None
    return [entry.date for entry in told.entries if entry.date is not None]
