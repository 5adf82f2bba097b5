"""`reassign`: another owner for what somebody leaves behind."""

from collections.abc import Sequence
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.people import person_of
from roomkeeper.contract.approve import ask_over, asked_first
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.contract.text import NotBlank
from roomkeeper.docspace import Portal
from roomkeeper.docspace.models import ACTIVE, MAY_OWN, Folder, Person
from roomkeeper.errors import Forbidden, NotFound, Rejected, StepFailed

_ATTEMPTS, _ALL = 3, 100  # times, per cent (ours; ReassignProgressItem.cs)
_LOOK = 2.0  # seconds between two looks at what the portal is handing over (ours)


class Reassign(BaseModel):
    """What `reassign` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    person: NotBlank = Field(
        description="Whose rooms and shared files they are: an id or an e-mail address. The account must be disabled.",
        examples=["{{ event.raw.email }}"],
    )
    to: NotBlank = Field(
        description="Who gets them: an id or an e-mail address, of an administrator or a room admin.",
        examples=["lead@acme.example"],
    )
    approve_over: int | None = Field(
        default=0, ge=0, description="Ask a person if it is more than so many; `null` never asks.", examples=[0]
    )


class Reassigned(BaseModel):
    """Who left, who has it now, and whether this step did it."""

    person: str
    to: str
    made: bool


async def reassign(params: Reassign, context: StepContext) -> Reassigned:
    """Have the portal give everything to another, and see that no room is left. Raises StepFailed."""
    leaving, heir = await _both(params, context)
    done = Reassigned(person=leaving.email or leaving.id, to=heir.email or heir.id, made=False)
    scope, item = f"reassigned: {context.connection}", f"{leaving.id} to {heir.id}"
    known = (await context.ledger.look(scope, [item])).get(item)
    has_rooms = bool(await _rooms_of(leaving, context))  # before anything is given away: the key may lack the scope
    if known is not None and known.done and not has_rooms:
        return done
    if known is None:
        await _others_are_over(leaving, context)
    line = _giving(leaving, heir)
    await ask_over(context, [line], limit=params.approve_over, question=line)
    async with context.hold(f"belongings of {leaving.id}"):
        try:
            await context.ledger.trying(scope, {item: {"asked_at": await context.now()}})
            await _given(leaving, heir, context)
        except (Forbidden, Rejected) as error:
            what = f"the portal does not give to another what {leaving.email} has: {error.message}"
            raise StepFailed(what, remedy=_ADMINISTRATOR) from error
        if kept := await _rooms_of(leaving, context):
            named = ", ".join(f"{one.id} {one.title!r}" for one in kept)
            what = f"the portal said that all was given away, and still {leaving.email}'s: {named}"
            raise StepFailed(what, remedy=_AGAIN)
        await context.ledger.done(scope, {item: (heir.id, {})})
    return done.model_copy(update={"made": True})


async def plan_reassigning(params: Reassign, context: StepContext) -> Plan:
    """Say what would be given to whom."""
    try:
        leaving, heir = await _both(params, context)
    except StepFailed as error:
        return Plan((f"fail: {error.message}",))
    line = _giving(leaving, heir)
    return Plan((*asked_first(1, params.approve_over), line))


REASSIGN = StepKind(
    name="reassign",
    summary="Give the rooms and shared files of a disabled account to another, asking a person first.",
    lasting="What was given away belongs to its new owner, and only they can give it back.",
    params=Reassign,
    result=Reassigned,
    plan=plan_reassigning,
    apply=reassign,
    connection_type="docspace",
    in_a_loop=False,
    scopes=frozenset({"accounts:write", "accounts:read", "rooms:read"}),
)


def _giving(leaving: Person, heir: Person) -> str:
    return f"give the rooms and shared files of {leaving.display_name} <{leaving.email}> to {heir.display_name}"


async def _both(params: Reassign, context: StepContext) -> tuple[Person, Person]:
    """Look both up, and refuse what the portal would (ReassignController.cs). Raises StepFailed."""
    leaving, heir = await _found(params.person, context), await _found(params.to, context)
    if leaving.is_owner:
        raise StepFailed(f"{params.person} owns the portal", remedy="Give the portal itself to another first.")
    if not leaving.is_disabled:
        what = f"the account of {leaving.email} is not disabled"
        raise StepFailed(what, remedy="Put `disable_people` before it in the automation, or disable it by hand.")
    if heir.status != ACTIVE or heir.kind not in MAY_OWN:
        asleep = "is disabled" if heir.is_disabled else "has not accepted the invitation yet"
        why = asleep if heir.status != ACTIVE else f"is of the type {heir.kind!r}, which can own no room"
        raise StepFailed(f"the account of {heir.email} {why}", remedy=_HEIR)
    return leaving, heir


async def _found(name: str, context: StepContext) -> Person:
    try:
        return await person_of(context, name)
    except (NotFound, Forbidden) as error:
        what = f"{name!r} is nobody on the portal, or not to be seen: {error.message}"
        raise StepFailed(what, remedy="Correct it where it comes from, then `roomkeeper runs retry`.") from error


async def _others_are_over(leaving: Person, context: StepContext) -> None:
    """Wait until nobody else has it given away: the portal would take our order for theirs. Raises StepFailed.

    What it tells of one that is under way does not say to whom (TaskProgressResponseDto.cs).
    """
    portal: Portal = context.client
    waited = False
    while (other := await context.call(partial(portal.people.reassigning, leaving.id))) and not other.is_completed:
        waited = True
        await context.progress(f"waits until what somebody else ordered for {leaving.email} is done")
        await context.pause(_LOOK)
    if waited and not await _rooms_of(leaving, context):
        what = f"somebody else had what {leaving.email} has given away at the same time, to whom is not known"
        raise StepFailed(what, remedy=_SEE_WHO_HAS_IT)


async def _rooms_of(leaving: Person, context: StepContext) -> Sequence[Folder]:
    """List what is still theirs. The portal's own word for it counts rooms that they are only in (FolderDao.cs)."""
    rooms: Sequence[Folder] = await context.call(partial(context.client.rooms.owned_by, leaving.id))
    return rooms


async def _given(leaving: Person, heir: Person, context: StepContext) -> None:
    """Have it done, and wait for its end. Doing it again is harmless: it gives what is still there."""
    portal: Portal = context.client
    for _ in range(_ATTEMPTS):
        under_way = await context.call(partial(portal.people.reassigning, leaving.id))
        if under_way is None or under_way.is_completed:
            under_way = await context.call(partial(portal.people.reassign, leaving.id, heir.id))
        while under_way is not None and not under_way.is_completed:
            await context.progress(f"the portal gives away what {leaving.email} has: {under_way.percentage} %")
            await context.pause(_LOOK)
            under_way = await context.call(partial(portal.people.reassigning, leaving.id))
        if under_way is None:  # the portal has forgotten it: it was started anew, say
            continue
        if under_way.error or under_way.percentage < _ALL:
            why = under_way.error or f"it was cancelled at {under_way.percentage} %"
            raise StepFailed(f"the portal stopped: {why}", remedy=_AGAIN)
        return
    what = f"the portal forgets again and again that it gives away what {leaving.email} has"
    raise StepFailed(what, remedy=_AGAIN)


_HEIR = "Correct `to` in the automation: it takes an active administrator or room admin."
_ADMINISTRATOR = (
    "It needs a key of the owner or an administrator with `accounts:write`; what an administrator has is given away "
    "with the owner's key only. Then `roomkeeper runs retry`."
)
_SEE_WHO_HAS_IT = (
    "See on the portal who owns those rooms now. If that is right, `roomkeeper runs cancel`; if not, change their "
    "owners there."
)
_AGAIN = "See the portal's people page; then `roomkeeper runs retry`, which goes on with what is left."
