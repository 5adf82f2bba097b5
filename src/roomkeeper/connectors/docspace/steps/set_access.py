"""`set_access`: change or end what people may do in a room, and see that it is so.

Who loses something is named before it happens: beyond `approve_over` a person is asked.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.people import CORRECT_IT, AccessName, of_room, person_of
from roomkeeper.connectors.docspace.places import must_be_named, way_to
from roomkeeper.connectors.docspace.rooms import archive, bring_back
from roomkeeper.contract.approve import ask_over, asked_first
from roomkeeper.contract.step import UNFINISHED, Plan, StepContext, StepKind
from roomkeeper.docspace import EntryId, PathPart
from roomkeeper.docspace.models import Access, Member
from roomkeeper.errors import FailedItem, Forbidden, FormRoleHeld, NotFound, Rejected, StepFailed

_ASK_OVER = 10  # people who lose something without a person being asked, if the automation does not say (ours)


class SetAccess(BaseModel):
    """What `set_access` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    room: Annotated[EntryId, AfterValidator(must_be_named)] = Field(
        description="The room: its id or its exact title; one in the Archive section is brought back for it and "
        "archived again.",
        examples=["{{ room.id }}"],
    )
    people: list[str] = Field(
        description="Whose access it is: ids or e-mail addresses of members of the room.",
        examples=["{{ guests.ids }}"],
    )
    access: AccessName | Literal["none"] = Field(
        description="What they may do from now on; `none` ends their access.", examples=["none"]
    )
    approve_over: int | None = Field(
        default=_ASK_OVER,
        ge=0,
        description="Ask a person if more than so many lose their access or get another; `null` never asks.",
        examples=[10],
    )


class AccessSet(BaseModel):
    """Whose access was changed, and who had it so already."""

    room: EntryId
    title: str
    changed: list[str] = Field(default_factory=list, description="E-mail addresses, or names.")
    already: int = 0
    absent: list[str] = Field(default_factory=list, description="Who is not in the room, by any grant.")


async def set_access(params: SetAccess, context: StepContext) -> AccessSet:
    """Change it, for each, and see that it is so. Raises StepFailed with those for whom it is not."""
    room = (await way_to(context, params.room, setting="room"))[-1]
    wanted = Access[params.access.upper()]
    members = {one.id: one for one in await of_room(context, room)}
    changing, failed = _to_change(params, members, wanted)
    absent = await _absent(params, members, context, failed) if wanted == Access.NONE else []
    await ask_over(
        context,
        [_said(one, params.access, room) for one in changing],
        limit=params.approve_over,
        question=f"change the access of {_counted(len(changing))} to {room.title!r}",
    )
    if changing or (await context.recorded() or {}).get("was_archived"):
        failed += await _changed(context, room, changing, wanted)
    done = AccessSet(
        room=room.id,
        title=room.title,
        changed=[_called(one) for one in changing if one.id not in {item.item for item in failed}],
        already=max(0, len(params.people) - len(changing) - len(absent) - len(failed)),
        absent=absent,
    )
    if failed:
        named_ = [
            FailedItem(_called(members[one.item]), one.reason, one.remedy) if one.item in members else one
            for one in failed
        ]
        what = f"the access to {room.title!r} stays as it was for {len(failed)} of {_counted(len(params.people))}"
        raise StepFailed(what, remedy=named_[0].remedy, items=named_, result=done.model_dump(mode="json"))
    return done


async def plan_access(params: SetAccess, context: StepContext) -> Plan:
    """Say whose access would change."""
    room = (await way_to(context, params.room, setting="room"))[-1]
    members = {one.id: one for one in await of_room(context, room)}
    changing, failed = _to_change(params, members, Access[params.access.upper()])
    if params.access == "none":
        await _absent(params, members, context, failed)
    lines = [_said(one, params.access, room) for one in changing]
    first = asked_first(len(lines), params.approve_over)
    folder = await context.call(partial(context.client.folders.get, room.id))
    if lines and folder.is_archived:
        first.append(f"bring room {room.id} {room.title!r} back from the Archive section, and archive it again")
    wrong = (f"fail: {one.item}: {one.reason}" for one in failed)
    return Plan((*first, *lines, *wrong), "" if lines or failed else "it is so already")


SET_ACCESS = StepKind(
    name="set_access",
    summary="Change or end people's access to a room, of an archived one, too; verified.",
    lasting="Whoever loses access here gets it back only by hand.",
    params=SetAccess,
    result=AccessSet,
    plan=plan_access,
    apply=set_access,
    connection_type="docspace",
    in_a_loop=False,
    places={"room": "manage"},
    scopes=frozenset({"rooms:write", "files:read", "accounts:read"}),
)


def _to_change(
    params: SetAccess, members: Mapping[str, Member], wanted: Access
) -> tuple[list[Member], list[FailedItem]]:
    """Choose whose access is another than wanted; who is no member has none, and gets none here."""
    known, changing, failed = _by_name(members), dict[str, Member](), list[FailedItem]()
    for name in params.people:
        member = known.get(name) or known.get(name.casefold())
        if member is None and wanted != Access.NONE:
            failed.append(FailedItem(name, "is not in the room", "Let `invite` bring them in."))
        elif member is not None and member.is_owner:
            failed.append(FailedItem(member.id, "owns the room", "Give the room to another first."))
        elif member is not None and member.access != wanted:
            changing[member.id] = member
    return list(changing.values()), failed


def _by_name(members: Mapping[str, Member]) -> dict[str, Member]:
    """Give members by their ids and by their addresses."""
    emails = {one.shared_to_user.email.casefold(): one for one in members.values() if one.shared_to_user is not None}
    return {**emails, **members}


async def _absent(
    params: SetAccess, members: Mapping[str, Member], context: StepContext, failed: list[FailedItem]
) -> list[str]:
    """Find who is in the room by no grant; who is there by a group, or is nobody, is added to what failed."""
    groups = {one.id: one.shared_to_group.name for one in members.values() if one.shared_to_group is not None}
    known, absent = _by_name(members), list[str]()
    for name in params.people:
        if name in known or name.casefold() in known:
            continue
        try:
            person = await person_of(context, name)
        except (NotFound, Forbidden) as error:
            failed.append(FailedItem(name, error.message, CORRECT_IT))
            continue
        within = [groups[one.id] for one in person.groups if one.id in groups]
        if within:
            why = f"is in the room by the group {', '.join(map(repr, within))}, which keeps its access"
            failed.append(FailedItem(name, why, "Take the person out of the group, or the group out of the room."))
        else:
            absent.append(name)
    return absent


async def _changed(
    context: StepContext, room: PathPart, changing: Sequence[Member], wanted: Access
) -> list[FailedItem]:
    """Change it for each, in an archived room between bringing it back and archiving it again; name who keeps it."""
    portal, failed = context.client, dict[str, FailedItem]()
    async with context.hold(f"members of room {room.id}"):
        with context.to_the_end():  # else a room that was archived stays open to all who are in it
            was_archived = await _brought_back(context, room)
            try:
                for one in changing:
                    try:
                        await context.call(partial(portal.rooms.set_access, room.id, one.id, wanted))
                    except (Forbidden, Rejected) as error:
                        remedy = error.remedy if isinstance(error, FormRoleHeld) else _MANAGER
                        failed[one.id] = FailedItem(one.id, error.message, remedy)
            finally:
                if was_archived:
                    await archive(context, room.id)
                    await context.record((await context.recorded() or {}) | {"was_archived": False, UNFINISHED: False})
    now = {one.id: one.access for one in await of_room(context, room)}
    for one in changing:
        if one.id not in failed and now.get(one.id, Access.NONE) != wanted:
            failed[one.id] = FailedItem(one.id, "the portal said that it is done, and it is not", _RELATED)
    return list(failed.values())


async def _brought_back(context: StepContext, room: PathPart) -> bool:
    """Bring the room back from the Archive section, if it is there, or was before this run brought it back."""
    recorded = await context.recorded() or {}
    folder = await context.call(partial(context.client.folders.get, room.id))
    if folder.is_archived and not recorded.get("was_archived"):
        await context.record(recorded | {"was_archived": True, UNFINISHED: True})
    return await bring_back(context, room.id) or bool(recorded.get("was_archived"))


def _counted(many: int) -> str:
    return "1 person" if many == 1 else f"{many} people"


def _called(member: Member) -> str:
    person = member.shared_to_user
    if person is not None:
        return person.email or person.display_name
    return member.shared_to_group.name if member.shared_to_group is not None else member.id


def _said(member: Member, access: str, room: PathPart) -> str:
    if access == "none":
        return f"end the access of {_called(member)} to room {room.id} {room.title!r}"
    return f"give {_called(member)} the access {access!r} to room {room.id} {room.title!r}"


_MANAGER = "Make the account of the API key manager of that room, then `roomkeeper runs retry`."
_RELATED = (
    "The portal lets only the room's owner and whoever invited a guest end this access, and does not say so. Make the "
    "account of the API key the room's owner, or have the other one end it; then `roomkeeper runs retry`."
)
