"""`join_room`: bring the account of the key into a room of somebody else, as room manager.

The portal lets an administrator who is in no room do one thing to it: give it another owner (FileSecurity.cs,
ChangeOwner; recorded: the flags of a room that an administrator looks at). Whoever owned it becomes its manager
(FileStorageService.cs, ChangeOwnerAsync). So the account takes the room and gives it back, and is then its manager.
"""

from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.places import must_be_named, way_to
from roomkeeper.contract.step import UNFINISHED, Plan, StepContext, StepKind
from roomkeeper.docspace import EntryId, Folder, PathPart, Portal
from roomkeeper.docspace.models import ACTIVE, MAY_OWN
from roomkeeper.errors import Forbidden, NotFound, Rejected, StepFailed


class JoinRoom(BaseModel):
    """What `join_room` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    room: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room: its id or its exact title.", examples=["{{ room.id }}"]
    )


class Joined(BaseModel):
    """The room, whose it is, and whether the account is new in it."""

    room: EntryId
    title: str
    owner: str = Field(description="The owner's id; the same as before.")
    made: bool


async def apply(params: JoinRoom, context: StepContext) -> Joined:
    """Join it, unless the account manages it already; it is its owner's again in the end. Raises StepFailed.

    Whose it is stands in the ledger from before it is taken until it is given back: whatever becomes of a run that
    stopped between the two, the next one gives it back.
    """
    room = await _room(params, context)
    me = (await context.call(context.client.people.myself)).id
    scope, item = f"joined: {context.connection}", str(room.id)
    async with context.hold(f"members of room {room.id}"):
        now = await _seen(room, context)
        begun = (await context.ledger.look(scope, [item])).get(item)
        if begun is None:
            owner, holders = now.created_by.id, [me, now.created_by.id]
            if owner == me or now.security.get("EditAccess"):
                return Joined(room=room.id, title=room.title, owner=owner, made=False)
            await _make_sure_that_it_can_be_given_back(room, owner, context)
            await context.record({UNFINISHED: True})
            await context.ledger.trying(scope, {item: {"owner": owner}})
        else:  # an earlier run has taken it, or was about to
            owner = str(begun.detail["owner"])
            holders = _still_to_hold(now, me, owner)
        with context.to_the_end():  # else the room stays ours
            for holder in holders:
                await _give(room, holder, context)
            await context.ledger.undone(scope, [item])
        await context.record({})
        after = await _seen(room, context)
    if not after.security.get("EditAccess"):
        what = f"room {room.id} {room.title!r} was taken and given back, and the account does not manage it"
        raise StepFailed(what, remedy=_BY_HAND)
    return Joined(room=room.id, title=room.title, owner=owner, made=True)


async def plan(params: JoinRoom, context: StepContext) -> Plan:
    """Say whether it would join."""
    room = await _room(params, context)
    now = await _seen(room, context)
    if now.security.get("EditAccess"):
        return Plan((), f"the account manages room {room.id} {room.title!r} already")
    return Plan((f"take room {room.id} {room.title!r} from its owner and give it back, to be its manager",))


JOIN_ROOM = StepKind(
    name="join_room",
    summary="Bring the account of the key, an administrator's, into a room of somebody else as its manager.",
    params=JoinRoom,
    result=Joined,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    in_a_loop=False,
    scopes=frozenset({"files:write", "rooms:read", "accounts:read"}),
)


def _still_to_hold(now: Folder, me: str, owner: str) -> list[str]:
    """Say who has to have the room yet, one after the other, for it to be its owner's with us in it."""
    if now.created_by.id == me:
        return [owner]
    is_untouched = now.created_by.id == owner and not now.security.get("EditAccess")
    return [me, owner] if is_untouched else []  # else it was given back, or people gave it to somebody else


async def _room(params: JoinRoom, context: StepContext) -> PathPart:
    room = (await way_to(context, params.room, setting="room"))[-1]
    if room.room_type is None:
        raise StepFailed(f"{room.title!r} ({room.id}) is no room", remedy="Correct `room:` in the automation.")
    return room


async def _seen(room: PathPart, context: StepContext) -> Folder:
    found: Folder = await context.call(partial(context.client.folders.get, room.id))
    return found


async def _make_sure_that_it_can_be_given_back(room: PathPart, owner: str, context: StepContext) -> None:
    """Refuse a room whose owner can own none any more. Raises StepFailed."""
    try:
        person = await context.call(partial(context.client.people.get, owner))
    except NotFound as error:
        what = f"the owner of room {room.id} {room.title!r} has no account any more: {error.message}"
        raise StepFailed(what, remedy=_ANOTHER_OWNER) from error
    if person.status != ACTIVE or person.kind not in MAY_OWN:
        why = "is not active" if person.status != ACTIVE else f"is of the type {person.kind!r}, which can own no room"
        what = f"room {room.id} {room.title!r} is {person.display_name}'s, whose account {why}"
        raise StepFailed(what, remedy=_ANOTHER_OWNER)


async def _give(room: PathPart, holder: str, context: StepContext) -> None:
    """Give the room to somebody, and see that it is theirs."""
    portal: Portal = context.client

    async def give() -> None:
        if (await portal.folders.get(room.id)).created_by.id != holder:  # else it is not ours to give any more
            await portal.rooms.give(room.id, holder)

    try:
        await context.call(give)
    except (Forbidden, Rejected) as error:
        owner = (await _seen(room, context)).created_by
        what = f"the portal does not change the owner of room {room.id} {room.title!r}: {error.message}"
        raise StepFailed(f"{what}; it is now {owner.display_name or owner.id!r}", remedy=_ADMINISTRATOR) from error
    if (owner := (await _seen(room, context)).created_by).id != holder:
        what = f"the portal said that room {room.id} {room.title!r} has another owner, and it has not: {owner.id}"
        raise StepFailed(what, remedy=_BY_HAND)


_ADMINISTRATOR = (
    "It takes a key of the owner or an administrator, and an owner of the room whose account is active. If the room is "
    "not its owner's any more, give it back on the portal; then `roomkeeper runs retry`."
)
_ANOTHER_OWNER = "Give the room to another first, on the portal's pages or by `reassign`; then `roomkeeper runs retry`."
_BY_HAND = "Have the room's owner invite the account of the API key as room manager; then `roomkeeper runs retry`."
