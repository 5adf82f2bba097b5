"""`tag_room`: add tags to a room, and see that it has them."""

from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.places import must_be_named, way_to
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.contract.text import NotBlank
from roomkeeper.docspace import EntryId, Portal
from roomkeeper.docspace.titles import title_key
from roomkeeper.docspace.wire import tag
from roomkeeper.errors import StepFailed


class TagRoom(BaseModel):
    """What `tag_room` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    room: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room: its id or its exact title.", examples=["{{ room.id }}"]
    )
    tags: list[NotBlank] = Field(
        min_length=1, description="Tags to add.", examples=[["investigation", "priority {{ ticket.priority }}"]]
    )


class Tagged(BaseModel):
    """The room's tags."""

    tags: list[str]


async def tag_room(params: TagRoom, context: StepContext) -> Tagged:
    """Add tags to a room; doing it twice is harmless. Raises StepFailed."""
    portal: Portal = context.client
    room = (await way_to(context, params.room, setting="room"))[-1].id
    tags = list(map(tag, params.tags))
    await context.call(partial(portal.rooms.tag, room, tags))
    now = await context.call(partial(portal.folders.get, room))
    missing = [one for one in tags if title_key(one) not in {title_key(there) for there in now.tags}]
    if missing:
        remedy = "Make the account of the API key manager of that room, then `roomkeeper runs retry`."
        raise StepFailed(
            f"room {room} does not have the tags {', '.join(missing)} after they were added", remedy=remedy
        )
    return Tagged(tags=list(now.tags))


async def plan_tags(params: TagRoom, context: StepContext) -> Plan:
    """Say which tags would be added."""
    room = (await way_to(context, params.room, setting="room"))[-1]
    return Plan((f"tag room {room.id} {room.title!r}: {', '.join(map(tag, params.tags))}",))


TAG_ROOM = StepKind(
    name="tag_room",
    summary="Add tags to a room.",
    params=TagRoom,
    result=Tagged,
    plan=plan_tags,
    apply=tag_room,
    connection_type="docspace",
    side_by_side=True,
    places={"room": "manage"},
    scopes=frozenset({"rooms:write", "files:read"}),
)
