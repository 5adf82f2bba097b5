"""`archive_room`: bring a room to the portal's own Archive section, and see that it is there."""

from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.places import address, way_to
from roomkeeper.connectors.docspace.rooms import brought
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.docspace import EntryId, Folder, Portal
from roomkeeper.errors import StepFailed


class ArchiveRoom(BaseModel):
    """What `archive_room` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    room: EntryId = Field(
        description="The room: its id or its exact title.", examples=["{{ deal.fields.docspace_room_id }}"]
    )


class ArchivedRoom(BaseModel):
    """The room, and whether this step archived it; else it was archived already."""

    room: EntryId
    url: str
    made: bool


async def apply(params: ArchiveRoom, context: StepContext) -> ArchivedRoom:
    """Archive the room. Raises StepFailed."""
    portal: Portal = context.client
    room = await _room(params, context)
    made = await brought(context, room, archived=True)
    return ArchivedRoom(room=room.id, url=address(portal, room.id), made=made)


async def plan(params: ArchiveRoom, context: StepContext) -> Plan:
    """Say what would be archived."""
    room = await _room(params, context)
    if room.is_archived:
        return Plan((), f"room {room.id} {room.title!r} is archived already")
    kept = f", and its lifetime of {room.lifetime.days} days is lost" if room.lifetime is not None else ""
    return Plan((f"archive room {room.id} {room.title!r}; its members are told, and keep reading it{kept}",))


ARCHIVE_ROOM = StepKind(
    name="archive_room",
    summary="Bring a room to the portal's Archive section, verified.",
    # (FileMoveCopyOperation.cs: DeleteLifetimeSettings, SendRoomMovedArchiveAsync)
    lasting="An archived room is brought back on the portal, by hand; what said how long it keeps its files is lost.",
    params=ArchiveRoom,
    result=ArchivedRoom,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    places={"room": "manage"},
    scopes=frozenset({"rooms:write", "files:read"}),
)


async def _room(params: ArchiveRoom, context: StepContext) -> Folder:
    portal: Portal = context.client
    found = await way_to(context, params.room, setting="room")
    room = await context.call(partial(portal.folders.get, found[-1].id))
    if room.room_type is None:
        what = f"{room.title!r} ({room.id}) is a folder, and only rooms can be archived"
        raise StepFailed(what, remedy="Write the room that it lies in.")
    return room
