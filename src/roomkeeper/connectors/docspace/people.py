"""`list_people`, `list_members`: who is there, who is in a room, and who did nothing in it for how long.

A list is whole or a failure: others take something from people by it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.automations.condition import Asked, asking_for, fits
from roomkeeper.automations.duration import Duration
from roomkeeper.connectors.docspace.places import must_be_named, way_to
from roomkeeper.contract.step import Plan, StepContext, StepKind, plan_of_list
from roomkeeper.docspace import EntryId, PathPart, Portal
from roomkeeper.docspace.models import ACTIVE, DISABLED, PENDING, Access, HistoryEntry, Member, Person
from roomkeeper.docspace.roles import named
from roomkeeper.errors import StepFailed

_JOINED = "RoomCreateUser"  # 5085 (MessageAction.cs; recorded: history)
_STATUS: Mapping[int, Literal["active", "pending", "disabled"]] = {PENDING: "pending", DISABLED: "disabled"}
MOST = 10_000  # people in a list: it is kept with its run (ours)


class ListedPerson(BaseModel):
    """Somebody with an account, as it was when it was listed."""

    id: str
    name: str
    email: str
    type: str = Field(description="`owner`, `admin`, `room_admin`, `user` or `guest`.")
    status: Literal["active", "pending", "disabled"] = Field(
        description="`pending` is who was invited and has not come yet."
    )
    registered: datetime | None


class ListPeople(BaseModel):
    """What `list_people` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: Annotated[dict[str, Asked], asking_for(ListedPerson.model_fields, "a person")] = Field(
        default_factory=dict,
        description="What a person's fields must be, as in an automation's own `where`.",
        examples=[{"type": "guest", "email": {"like": "*@partner.example"}}],
    )
    older_than: Duration | None = Field(
        default=None, description="Only whose account was made longer ago than this.", examples=["60d"]
    )
    disabled: bool = Field(default=False, description="Those whose account is disabled as well.", examples=[True])
    seen: bool = Field(
        default=False,
        description="Those whom the account sees, if it is no administrator's: of guests, only its own. Without it, "
        "such an account's list is a failure.",
        examples=[True],
    )


class People(BaseModel):
    """The people; `ids` is what `disable_people` and `set_access` take."""

    people: list[ListedPerson] = Field(default_factory=list)
    ids: list[str] = Field(default_factory=list)
    count: int = 0


async def list_people(params: ListPeople, context: StepContext) -> People:
    """List them. Raises StepFailed, RemoteError."""
    portal: Portal = context.client
    await _make_sure_that_it_sees_all(params, context)
    asked = [ACTIVE, PENDING, *([DISABLED] if params.disabled else [])]
    found = [one for status in asked for one in await context.call(partial(portal.people.all, status))]
    since = await context.now() - (params.older_than or 0.0)
    old = [one for one in map(_listed, found) if params.older_than is None or _made_before(one, since)]
    people = [one for one in old if fits(params.where, one.model_dump())]
    if len(people) > MOST:
        what = f"{len(people)} people are as it asks, and a list holds {MOST}"
        raise StepFailed(what, remedy="Ask for fewer with `where`.")
    people.sort(key=lambda one: (one.name.casefold(), one.id))
    return People(people=people, ids=[one.id for one in people], count=len(people))


async def plan_people(params: ListPeople, context: StepContext) -> Plan:
    """Say who would be in the list."""
    listed = await list_people(params, context)
    lines = [f"list {one.name} <{one.email}>" for one in listed.people]
    return plan_of_list(lines, "nobody is as it asks", listed)


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


LIST_PEOPLE = StepKind(
    name="list_people",
    summary="Find people of the portal by type, name or address: all of them, or it fails.",
    params=ListPeople,
    result=People,
    plan=plan_people,
    apply=list_people,
    connection_type="docspace",
    scopes=frozenset({"accounts:read"}),
)

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


async def _make_sure_that_it_sees_all(params: ListPeople, context: StepContext) -> None:
    """See whether it is an administrator: the portal counts whom it shows, and shows them all (people.lookup)."""
    if params.seen:
        return
    me = await context.call(context.client.people.myself)
    account = await context.call(partial(context.client.people.get, me.id))
    if not (account.is_admin or account.is_owner):
        what = f"the account {me.name!r} is no administrator's, so it is not shown everybody"
        raise StepFailed(what, remedy="Use an administrator's key; or say `seen: true`, if those it sees will do.")


def _listed(person: Person) -> ListedPerson:
    return ListedPerson(
        id=person.id,
        name=person.display_name,
        email=person.email,
        type=person.kind,
        status=_STATUS.get(person.status, "active"),
        registered=person.registration_date,
    )


def _made_before(person: ListedPerson, moment: float) -> bool:
    """Whether the account is older than that; where the portal does not say, it is not."""
    return person.registered is not None and person.registered.timestamp() < moment


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


async def of_room(context: StepContext, room: PathPart) -> tuple[Member, ...]:
    """List who is in a room, by whatever grant. Raises StepFailed where the account is shown nobody."""
    portal: Portal = context.client
    members = await context.call(partial(portal.rooms.members, room.id))
    if not members:  # every room has its owner: who may not read it is shown nobody (recorded: share.listing)
        what = f"the account is shown nobody in room {room.id} {room.title!r}"
        raise StepFailed(what, remedy="Invite the account of the API key into that room, then `roomkeeper runs retry`.")
    return members


async def person_of(context: StepContext, name: str) -> Person:
    """Find somebody by id or e-mail address. Raises NotFound, Forbidden."""
    people = context.client.people
    found: Person = await context.call(partial(people.by_email if "@" in name else people.get, name))
    return found


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
