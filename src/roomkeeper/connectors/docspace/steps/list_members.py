"""`list_members`: who is in a room, and who did nothing in it for how long.

A list is whole or a failure: others take something from people by it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.automations.condition import Asked, asking_for, fits
from roomkeeper.automations.duration import Duration
from roomkeeper.connectors.docspace.people import of_room
from roomkeeper.connectors.docspace.places import must_be_named, way_to
from roomkeeper.contract.step import Plan, StepContext, StepKind, plan_of_list
from roomkeeper.docspace import EntryId, PathPart, Portal
from roomkeeper.docspace.models import Access, HistoryEntry, Member
from roomkeeper.docspace.roles import named
from roomkeeper.errors import StepFailed

_JOINED = "RoomCreateUser"  # 5085 (MessageAction.cs; recorded: history)


class ListedMember(BaseModel):
    """Somebody with access to a room."""

    id: str
    name: str
    email: str
    type: str = Field(description="`owner`, `admin`, `room_admin`, `user`, `guest` or `group`.")
    access: str
    owner: bool = Field(description="Whether the room is theirs.")
    active: datetime | None = Field(
        description="When they last did something in the room, by its history; with `inactive_for` only."
    )


_OF_A_MEMBER = frozenset(ListedMember.model_fields) - {"active"}


class ListMembers(BaseModel):
    """What `list_members` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    room: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room: its id or its exact title.", examples=["{{ item.id }}"]
    )
    where: Annotated[dict[str, Asked], asking_for(_OF_A_MEMBER, "a member")] = Field(
        default_factory=dict,
        description="What a member's fields must be, as in an automation's own `where`.",
        examples=[{"type": "guest"}],
    )
    inactive_for: Duration | None = Field(
        default=None,
        description="Only people who did nothing in the room for so long, by its history, in which reading and "
        "downloading leave no trace; no groups, no owner.",
        examples=["30d"],
    )


class Members(BaseModel):
    """The members; `ids` is what `set_access` takes."""

    members: list[ListedMember] = Field(default_factory=list)
    ids: list[str] = Field(default_factory=list)
    count: int = 0
    room: EntryId = 0
    title: str = ""


async def list_members(params: ListMembers, context: StepContext) -> Members:
    """List them. Raises StepFailed where the members or the history cannot be read, RemoteError."""
    room = (await way_to(context, params.room, setting="room"))[-1]
    members = [_member(one) for one in await of_room(context, room)]
    if params.inactive_for is not None:
        members = await _inactive(members, room, params.inactive_for, context)
    found = [one for one in members if fits(params.where, one.model_dump())]
    return Members(members=found, ids=[one.id for one in found], count=len(found), room=room.id, title=room.title)


async def plan_members(params: ListMembers, context: StepContext) -> Plan:
    """Say who would be in the list."""
    listed = await list_members(params, context)
    lines = [f"list {one.name} ({one.access}) of {listed.title!r}" for one in listed.members]
    return plan_of_list(lines, f"nobody in {listed.title!r} is as it asks", listed)


LIST_MEMBERS = StepKind(
    name="list_members",
    summary="Find who has access to a room, and who did nothing in it for how long.",
    params=ListMembers,
    result=Members,
    plan=plan_members,
    apply=list_members,
    connection_type="docspace",
    scopes=frozenset({"rooms:read", "files:read"}),
)


def _member(member: Member) -> ListedMember:
    person, group = member.shared_to_user, member.shared_to_group
    return ListedMember(
        id=member.id,
        name=person.display_name if person is not None else group.name if group is not None else "",
        email=person.email if person is not None else "",
        type=person.kind if person is not None else "group",
        access=named(member.access) if isinstance(member.access, Access) else str(member.access),
        owner=member.is_owner,
        active=None,
    )


async def _inactive(
    members: Sequence[ListedMember], room: PathPart, inactive_for: float, context: StepContext
) -> list[ListedMember]:
    """Choose the people who did nothing for so long; the history is read until then, or the run fails."""
    if isinstance(room.id, str):
        what = f"room {room.title!r} lies in third-party storage, which has no history"
        raise StepFailed(what, remedy="Leave out `inactive_for` for it, or the room with `where` of `list_rooms`.")
    since = datetime.fromtimestamp(await context.now(), UTC) - timedelta(seconds=inactive_for)
    entries = await _history(context, room, since)
    seen, came = dict[str, datetime](), set[str]()
    for entry in entries:
        if entry.date is None:
            continue
        seen[entry.initiator.id] = max(entry.date, seen.get(entry.initiator.id, entry.date))
        if entry.action.key == _JOINED and entry.date >= since:
            came.add(str((entry.data.get("user") or {}).get("id", "")))
    people = [one.model_copy(update={"active": seen.get(one.id)}) for one in members if one.type != "group"]
    return [
        one for one in people if not one.owner and one.id not in came and (one.active is None or one.active < since)
    ]


async def _history(context: StepContext, room: PathPart, since: datetime) -> list[HistoryEntry]:
    """Read a room's history back to then. Raises StepFailed where the portal has not kept so much of it."""
    portal: Portal = context.client
    found, start = list[HistoryEntry](), 0
    while True:
        told = await context.call(partial(portal.history.of_folder, room.id, start))
        found += told.entries
        dates = [entry.date for entry in told.entries if entry.date is not None]
        if dates and min(dates) < since:
            return found
        if told.following is None:
            break
        start = told.following
    made = (await context.call(partial(portal.folders.get, room.id))).created
    if made is None or made < since:
        what = f"the history of room {room.title!r} does not go back to {since:%Y-%m-%d}: who was active is not known"
        raise StepFailed(what, remedy="Ask for less with `inactive_for`: the portal keeps histories for half a year.")
    return found
