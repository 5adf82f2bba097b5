"""`invite`: bring people and groups into a room, each with the access asked for, as the member list shows it."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from roomkeeper.automations import template
from roomkeeper.connectors.docspace.people import AccessName
from roomkeeper.connectors.docspace.places import must_be_named, way_to
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.contract.text import EmailAddress
from roomkeeper.docspace import EntryId, PathPart, Portal
from roomkeeper.docspace.models import Access, Member, Person, RoomType
from roomkeeper.docspace.roles import IN_ROOM, named, room_type_named
from roomkeeper.errors import (
    FailedItem,
    Forbidden,
    NotFound,
    QuotaExceeded,
    Rejected,
    RemoteError,
    ScopeMissing,
    StepFailed,
)


class Invitee(BaseModel):
    """Whom to invite, and what for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str | None = Field(default=None, description="A user's id.", examples=["1f3a…"])
    email: EmailAddress | None = Field(
        default=None, description="An e-mail address; who is not known becomes a guest.", examples=["lead@acme.example"]
    )
    group: str | None = Field(default=None, description="A group's id or exact name.", examples=["Support"])
    access: AccessName = Field(default="content_creator", description="What they may do.", examples=["editing"])

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if any(one is not None and not one.strip() for one in (self.user, self.email, self.group)):
            raise ValueError("whom to invite came out empty")
        if sum(one is not None for one in (self.user, self.email, self.group)) != 1:
            raise ValueError("name one of `user`, `email`, `group`")
        return self

    @property
    def shown(self) -> str:
        """Who it is, for people."""
        return f"group {self.group!r}" if self.group else str(self.email or self.user)


class Invite(BaseModel):
    """What `invite` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    room: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room: its id or its exact title.", examples=["{{ room.id }}"]
    )
    members: list[Invitee] = Field(
        min_length=1,
        description="Whom to invite: by `user`, `email` or `group`, each with an `access`.",
        examples=[
            [{"group": "Support", "access": "editing"}, {"email": "lead@acme.example", "access": "room_manager"}]
        ],
    )
    notify: bool = Field(
        default=False,
        description="Let the portal send its mail to them. Who has no account there yet is sent one in any case.",
        examples=[False],
    )


class Invited(BaseModel):
    """Who has the access asked for, by whom it was given."""

    invited: list[str] = Field(default_factory=list)
    already: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class _Wanted:
    """An invitation as the portal takes it."""

    invitee: Invitee
    id: str = ""

    @property
    def access(self) -> Access:
        return Access[self.invitee.access.upper()]

    def to_json(self) -> dict[str, Any]:
        who = {"id": self.id} if self.id else {"email": self.invitee.email}
        return who | {"access": int(self.access)}

    def is_met(self, members: Sequence[Member]) -> bool:
        return any(
            self._is(one) and (one.is_owner or one.access in {self.access, Access.ROOM_MANAGER}) for one in members
        )

    def _is(self, member: Member) -> bool:
        if self.id:
            return member.id == self.id
        user = member.shared_to_user
        return user is not None and user.email.casefold() == (self.invitee.email or "").casefold()


def mistakes(given: Mapping[str, Any], type_of_room: str | None) -> list[tuple[tuple[str | int, ...], str, str]]:
    """Say what of an automation's text cannot work in a room of this type: where, what, the remedy."""
    members = given.get("members")
    if type_of_room is None or type_of_room.upper() not in RoomType.__members__ or not isinstance(members, list):
        return []
    allowed = IN_ROOM[room_type_named(type_of_room)]
    found: list[tuple[tuple[str | int, ...], str, str]] = []
    for at, one in enumerate(members):
        access = str(one.get("access", "content_creator")) if isinstance(one, Mapping) else ""
        role = Access.__members__.get(access.upper())
        if role is None:
            continue
        may = allowed - ({Access.ROOM_MANAGER} if isinstance(one, Mapping) and "group" in one else set())
        if role not in may:
            whom = "a group" if isinstance(one, Mapping) and "group" in one else "anybody"
            what = f"a {type_of_room} room cannot give {whom} the access {access!r}"
            found.append((("members", at), what, f"take one of: {', '.join(sorted(map(named, may)))}"))
    return found


async def apply(params: Invite, context: StepContext) -> Invited:
    """Invite whoever is not a member yet. Raises StepFailed, naming each who could not be invited."""
    portal: Portal = context.client
    room = (await way_to(context, params.room, setting="room"))[-1]
    failed = _refused_by_type(params.members, room)
    wanted = await _identified([one for one in params.members if one.shown not in failed], context, failed)
    async with context.hold(f"members of room {room.id}"):
        before = await context.call(partial(portal.rooms.members, room.id))
        missing = [one for one in wanted if not one.is_met(before)]
        warnings = await _invite(context, room, missing, failed, notify=params.notify)
        after = await context.call(partial(portal.rooms.members, room.id)) if missing else before
    for one in wanted:
        if not one.is_met(after):
            failed.setdefault(one.invitee.shown, _unseen(one.invitee, warnings.get(one, "")))
    result = Invited(
        invited=[one.invitee.shown for one in missing if one.is_met(after)],
        already=[one.invitee.shown for one in wanted if one not in missing],
    )
    if failed:
        what = f"{len(failed)} of {len(params.members)} could not be invited into room {room.id}: {', '.join(failed)}"
        raise StepFailed(what, remedy=_EACH, items=list(failed.values()), result=result.model_dump(mode="json"))
    return result


async def plan(params: Invite, context: StepContext) -> Plan:
    """Say who would be invited."""
    room = (await way_to(context, params.room, setting="room"))[-1]
    refused = _refused_by_type(params.members, room)
    lines = [
        f"report {one.shown}: {refused[one.shown].reason}"
        if one.shown in refused
        else f"invite {one.shown} into room {room.id} {room.title!r} as {one.access}"
        for one in params.members
    ]
    return Plan(tuple(lines))


def groups_named(settings: Mapping[str, Any]) -> list[str]:
    """List the groups that a step names as they are; what a template gives is known only when it runs."""
    members = settings.get("members")
    named = [one.get("group") for one in members if isinstance(one, Mapping)] if isinstance(members, list) else []
    return [one for one in named if isinstance(one, str) and not template.is_template(one)]


INVITE = StepKind(
    name="invite",
    summary="Invite people and groups into a room, as the member list shows it.",
    lasting="An invitation that was mailed cannot be called back; the access it gives can be ended.",
    params=Invite,
    result=Invited,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    side_by_side=True,
    mistakes=mistakes,
    groups=groups_named,
    places={"room": "manage"},
    scopes=frozenset({"rooms:write", "accounts:read"}),
)


def _refused_by_type(members: Sequence[Invitee], room: PathPart) -> dict[str, FailedItem]:
    """Find who asks for what a room of this type does not give, before the portal refuses all of them."""
    kind = room.room_type
    if not isinstance(kind, RoomType):
        return {}
    given = {"members": [one.model_dump(exclude_none=True) for one in members]}
    wrong = mistakes(given, kind.name.lower())
    return {
        members[int(where[1])].shown: FailedItem(members[int(where[1])].shown, what, remedy)
        for where, what, remedy in wrong
    }


async def _identified(members: Sequence[Invitee], context: StepContext, failed: dict[str, FailedItem]) -> list[_Wanted]:
    """Find the ids of users and groups; who is not known is named.

    Somebody who is on the portal already is invited by id: by e-mail address the portal refuses what that person may
    hold, such as managing a room (recorded: share.shapes). An address that it does not know is invited as it is.
    """
    groups: dict[str, list[str]] | None = None
    wanted: list[_Wanted] = []
    for one in members:
        if one.user is not None and not _is_guid(one.user):
            failed[one.shown] = FailedItem(one.shown, "this is not a user's id", "Write the GUID, or use `email`.")
            continue
        name = one.group
        if name is None:
            person = await _known(one, context)
            if person is not None and person.is_disabled:
                failed[one.shown] = FailedItem(one.shown, "the account is disabled: nobody could use it", _ENABLE)
                continue
            known = person.id if person is not None else ""
            wanted.append(_Wanted(one, known or (str(uuid.UUID(one.user)) if one.user is not None else "")))
            continue
        if _is_guid(name):
            wanted.append(_Wanted(one, str(uuid.UUID(name))))
            continue
        if groups is None:
            groups = await _groups(context)
        ids = groups.get(name.casefold(), [])
        if not ids:
            failed[one.shown] = FailedItem(one.shown, "there is no such group on the portal", _GROUP)
        elif len(ids) > 1:
            failed[one.shown] = FailedItem(one.shown, f"several groups have this name: {', '.join(ids)}", _ONE_GROUP)
        else:
            wanted.append(_Wanted(one, ids[0]))
    return wanted


async def _known(invitee: Invitee, context: StepContext) -> Person | None:
    """Find who this is; None if nobody, or if this account may not look that person up."""
    people = context.client.people
    find = partial(people.by_email, invitee.email) if invitee.email else partial(people.get, str(invitee.user))
    try:
        found: Person = await context.call(find)
    except (NotFound, Forbidden, ScopeMissing):
        return None
    return found


async def _groups(context: StepContext) -> dict[str, list[str]]:
    portal: Portal = context.client
    try:
        found = await context.call(portal.people.groups)
    except ScopeMissing as error:
        remedy = (
            "Give the API key the scope `accounts:read`, or name groups by their ids; then `roomkeeper runs retry`."
        )
        raise StepFailed(f"the key may not look groups up by name: {error.message}", remedy=remedy) from error
    groups: dict[str, list[str]] = {}
    for one in found:
        groups.setdefault(one.name.casefold(), []).append(one.id)
    return groups


async def _invite(
    context: StepContext, room: PathPart, wanted: Sequence[_Wanted], failed: dict[str, FailedItem], *, notify: bool
) -> dict[_Wanted, str]:
    """Invite all at once; where that is refused, each alone, for the portal does not say who spoilt it (5.3).

    Gives what the portal warned of, for each whom that may be about.
    """
    if not wanted:
        return {}
    portal: Portal = context.client
    try:
        invitations = [one.to_json() for one in wanted]
        warning = await context.call(partial(portal.rooms.invite, room.id, invitations, notify=notify))
    except (Forbidden, NotFound, QuotaExceeded, Rejected) as error:
        if len(wanted) == 1:
            failed[wanted[0].invitee.shown] = _explained(wanted[0].invitee, error)
            return {}
        warnings = dict[_Wanted, str]()
        for one in wanted:
            warnings |= await _invite(context, room, [one], failed, notify=notify)
        return warnings
    return dict.fromkeys(wanted, warning)


def _is_guid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _explained(invitee: Invitee, error: RemoteError) -> FailedItem:
    if isinstance(error, NotFound):
        return FailedItem(invitee.shown, f"nobody on the portal has this id: {error.message}", _GROUP)
    if invitee.access == "room_manager":
        remedy = "Only room admins and administrators can manage rooms: give another access, or change the user's type."
        return FailedItem(invitee.shown, f"the portal refuses it: {error.message}", remedy)
    return FailedItem(invitee.shown, f"the portal refuses it: {error.message}", _MAY)


def _unseen(invitee: Invitee, warning: str) -> FailedItem:
    reason = "the portal accepted the invitation, but the member list does not show it"
    if warning:
        return FailedItem(invitee.shown, f"{reason}; it warned: {warning}", "Put right what it says, then retry.")
    return FailedItem(invitee.shown, reason, "See whether the account is active, and may be seen by ours; then retry.")


_ENABLE = "Enable it under Accounts, or name somebody else in the automation; then `roomkeeper runs retry`."
_EACH = "Each has its reason and remedy below; put them right, then `roomkeeper runs retry`."
_GROUP = (
    "Correct the name in the automation, then `roomkeeper runs retry --as-now`; or make the group, then "
    "`roomkeeper runs retry`."
)
_ONE_GROUP = "Write the id of one of them into the automation, then `roomkeeper runs retry --as-now`."
_MAY = (
    "See whether the account of the API key manages the room, and guests may be invited; then `roomkeeper runs retry`."
)
