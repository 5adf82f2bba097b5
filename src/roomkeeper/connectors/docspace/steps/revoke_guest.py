"""`revoke_guest`: end a guest's access, and see that it has ended. Never anybody's but a guest's."""

import uuid
from functools import partial
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.people import person_of
from roomkeeper.connectors.docspace.places import way_to
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.contract.text import Text
from roomkeeper.docspace import EntryId, PathPart, Portal
from roomkeeper.docspace.models import Access, Member, Person
from roomkeeper.errors import Forbidden, FormRoleHeld, NotFound, RemoteError, ScopeMissing, StepFailed


class RevokeGuest(BaseModel):
    """What `revoke_guest` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    guest: Text = Field(
        description="The guest: user id or e-mail address.", examples=["{{ deal.fields.docspace_guest_id }}"]
    )
    room: EntryId | None = Field(
        default=None,
        description="The room that the guest is to leave.",
        examples=["{{ deal.fields.docspace_room_id }}"],
    )
    from_: Literal["room", "portal"] = Field(
        default="room",
        alias="from",
        description="`room` ends the access to that room. `portal` ends this account's relation to the guest and all "
        "access that this account granted; what others granted remains.",
        examples=["room"],
    )
    disable: bool = Field(
        default=False,
        description="Disable the guest's account as well; an administrator can enable it again.",
        examples=[False],
    )


class Revoked(BaseModel):
    """Whose access ended, and whether this step ended it; else it had ended already."""

    guest: str
    email: str
    room: EntryId | None = None
    revoked: bool = False
    disabled: bool = False
    because: str = ""


async def apply(params: RevokeGuest, context: StepContext) -> Revoked:
    """End the access. Raises StepFailed."""
    return await _Revoking(params, context).run()


async def plan(params: RevokeGuest, context: StepContext) -> Plan:
    """Say whose access would end."""
    return await _Revoking(params, context).foretell()


REVOKE_GUEST = StepKind(
    name="revoke_guest",
    summary="End a guest's access to a room or to the portal, verified; refuses anybody who is not a guest.",
    lasting="Access that ended is not given back by undoing: the guest is to be invited again.",
    params=RevokeGuest,
    result=Revoked,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    closes=True,
    places={"room": "manage"},
    scopes=frozenset({"rooms:write", "accounts:write"}),
)


class _Revoking:
    """One execution of the step."""

    def __init__(self, params: RevokeGuest, context: StepContext) -> None:
        self._params, self._context = params, context
        self._portal: Portal = context.client

    async def run(self) -> Revoked:
        room = await self._room()
        guest = await self._guest(room)
        await self._make_sure_that_it_may_disable(guest)
        if self._params.from_ == "portal":
            revoked, because = await self._leave_portal(guest, room)
        else:
            revoked, because = await self._leave_room(guest, room)
        room_id = room.id if room is not None else None
        done = Revoked(guest=guest.id, email=guest.email, room=room_id, revoked=revoked, because=because)
        return done.model_copy(update={"disabled": await self._disabled(guest, done)})

    async def foretell(self) -> Plan:
        room = await self._room()
        guest = await self._guest(room)
        await self._make_sure_that_it_may_disable(guest)
        effects = []
        if self._params.from_ == "portal":
            effects.append(f"end this account's relation to {_named(guest)} and the access that it granted")
        elif room is not None and await self._membership(guest, room) is not None:
            effects.append(f"end the access of {_named(guest)} to room {room.id} {room.title!r}")
        if self._params.disable and not guest.is_disabled:
            effects.append(f"disable the account of {_named(guest)}")
        return Plan(tuple(effects), "" if effects else f"{_named(guest)} has no access any more")

    # --- who, where -----------------------------------------------------------------------------------------

    async def _guest(self, room: PathPart | None) -> Person:
        """Find the guest. Raises StepFailed if there is none, or if it is not a guest.

        The room's own list says who is who. The portal lets an account look up only people it shares something with
        (recorded: people.lookup, guests.revoke), so it is asked only about somebody whom that list does not have.
        """
        wanted = self._params.guest.strip()
        if "@" not in wanted:
            wanted = _guid(wanted)
        person = await self._in_room(wanted, room) or await self._looked_up(wanted, room)
        if not person.is_guest:
            what = f"{_named(person)} is not a guest, but one of the portal's own users: nothing was done"
            raise StepFailed(what, remedy="Correct the guest's id at the deal, then `roomkeeper runs retry`.")
        return person

    async def _in_room(self, wanted: str, room: PathPart | None) -> Person | None:
        if room is None:
            return None
        members = await self._context.call(partial(self._portal.rooms.members, room.id))
        people = [one.shared_to_user for one in members if one.shared_to_user is not None]
        return next((one for one in people if wanted.casefold() in {one.id, one.email.casefold()}), None)

    async def _looked_up(self, wanted: str, room: PathPart | None) -> Person:
        try:
            return await person_of(self._context, wanted)
        except NotFound as error:
            what = f"nobody on the portal is {wanted!r}: the account was deleted, or this is another's id"
            remedy = (
                "Correct it at the deal, then `roomkeeper runs retry`; if the account is to be gone, cancel the run."
            )
            raise StepFailed(what, remedy=remedy) from error
        except ScopeMissing as error:
            raise StepFailed(f"the key may not look people up: {error.message}", remedy=_SCOPE) from error
        except Forbidden:
            if room is None or self._params.from_ == "portal" or self._params.disable:
                raise
            known = {"email": wanted} if "@" in wanted else {"id": wanted}
            return Person(**known, is_visitor=True)  # a stranger to this account, and not in the room: nothing to end

    async def _room(self) -> PathPart | None:
        if self._params.room is None:
            if self._params.from_ == "room":
                raise StepFailed("it is not known which room the guest is to leave", remedy="Add `room:` to the step.")
            return None
        return (await way_to(self._context, self._params.room, setting="room"))[-1]

    async def _membership(self, guest: Person, room: PathPart) -> Member | None:
        members = await self._context.call(partial(self._portal.rooms.members, room.id))
        return next((one for one in members if one.id == guest.id and one.access != Access.NONE), None)

    # --- acts -----------------------------------------------------------------------------------------------

    async def _leave_room(self, guest: Person, room: PathPart | None) -> tuple[bool, str]:
        """End the access to one room, whoever granted it; doing it twice is harmless (6.2)."""
        if room is None:
            return False, ""
        if await self._membership(guest, room) is None:
            return False, "the member list of the room does not have the guest (any more)"
        try:
            await self._context.call(partial(self._portal.rooms.set_access, room.id, guest.id, Access.NONE))
        except FormRoleHeld as error:
            what = f"{_named(guest)} still has access to room {room.id}: {error.message}"
            raise StepFailed(what, remedy=error.remedy) from error
        except Forbidden as error:
            if (await self._context.call(partial(self._portal.folders.get, room.id))).is_archived:
                what = f"room {room.id} {room.title!r} is archived, and {_named(guest)} goes on reading it"
                raise StepFailed(what, remedy=_ARCHIVED) from error
            what = f"the portal does not let the account end the access of {_named(guest)}: {error.message}"
            raise StepFailed(what, remedy=_MANAGER) from error
        if await self._membership(guest, room) is not None:
            what = f"the portal answered that all is well, but {_named(guest)} still has access to room {room.id}"
            raise StepFailed(what, remedy=_RELATED)
        return True, ""

    async def _leave_portal(self, guest: Person, room: PathPart | None) -> tuple[bool, str]:
        """End the relation to the guest. A second call is refused (6.1), so an unanswered one is remembered."""
        scope, item = f"guests forgotten: {self._context.connection}", f"run {self._context.run} {guest.id}"
        known = (await self._context.ledger.look(scope, [item])).get(item)
        if known is None or not known.done:
            await self._forget(guest, room, scope, item, unsure=known is not None)
            await self._context.ledger.done(scope, {item: (guest.id, {})})
        if room is not None and await self._membership(guest, room) is not None:
            what = f"{_named(guest)} still has access to room {room.id}, granted by somebody else"
            raise StepFailed(what, remedy="Use `from: room`, which ends it whoever granted it; start the run anew.")
        return True, ""

    async def _forget(self, guest: Person, room: PathPart | None, scope: str, item: str, *, unsure: bool) -> None:
        """Ask until there is an answer. `unsure` says that an earlier request may have done it already."""
        ledger, attempts = self._context.ledger, self._context.attempts()
        while True:
            await self._context.check()
            await ledger.trying(scope, {item: {}})
            try:
                await self._portal.people.forget_guest(guest.id)
                return
            except RemoteError as error:
                unsure = unsure or error.may_have_happened
                if not unsure:
                    await ledger.undone(scope, [item])
                if isinstance(error, ScopeMissing):
                    raise StepFailed(f"the key may not remove guests: {error.message}", remedy=_SCOPE) from error
                if isinstance(error, Forbidden):
                    await self._refused(guest, room, error, unsure=unsure)
                    return
                await attempts.failed(error)

    async def _refused(self, guest: Person, room: PathPart | None, error: Forbidden, *, unsure: bool) -> None:
        """Accept a refusal only where an earlier request went unanswered, and the room shows that it worked."""
        if unsure and room is not None and await self._membership(guest, room) is None:
            return
        doubt = " (an earlier request was not answered, so it may be done; name `room:` to have that checked)"
        what = f"the portal does not let the account remove {_named(guest)}: {error.message}"
        raise StepFailed(what + (doubt if unsure else ""), remedy=_INVITED) from error

    async def _make_sure_that_it_may_disable(self, guest: Person) -> None:
        """Find out before anything is done that disabling will be refused (recorded: people.guest-disabled)."""
        if not self._params.disable or guest.is_disabled:
            return
        me = await self._context.call(self._portal.people.myself)
        account = await self._context.call(partial(self._portal.people.get, me.id))
        if not (account.is_admin or account.is_owner):
            what = f"the account {me.name!r} does not administrate the portal, so it cannot disable {_named(guest)}"
            raise StepFailed(f"{what}: nothing was done", remedy=_ADMINISTRATOR)

    async def _disabled(self, guest: Person, done: Revoked) -> bool:
        """Disable the account, if that is wanted and it is not; doing it twice is harmless (6.2)."""
        if not self._params.disable or guest.is_disabled:
            return False
        try:
            await self._context.call(partial(self._portal.people.disable, guest.id))
        except Forbidden as error:
            before = f"the access to room {done.room} ended, but " if done.revoked and done.room is not None else ""
            what = f"{before}the portal does not let the account disable {_named(guest)}: {error.message}"
            raise StepFailed(what, remedy=_ADMINISTRATOR, result=done.model_dump(mode="json")) from error
        now = await self._context.call(partial(self._portal.people.get, guest.id))
        if not now.is_disabled:
            raise StepFailed(f"the account of {_named(guest)} is still active", remedy=_ADMINISTRATOR)
        return True


def _guid(wanted: str) -> str:
    try:
        return str(uuid.UUID(wanted))
    except ValueError as error:
        what = f"{wanted!r} is not a user's id: the portal knows people by GUIDs or e-mail addresses"
        remedy = (
            "Put the guest's e-mail address, or the GUID from the portal, into the deal; then `roomkeeper runs retry`."
        )
        raise StepFailed(what, remedy=remedy) from error


def _named(person: Person) -> str:
    return " ".join(part for part in (person.display_name, f"<{person.email}>" if person.email else person.id) if part)


_SCOPE = "Give the API key the scope `accounts:write` (or full access), then `roomkeeper runs retry`."
_ARCHIVED = (
    "Nobody's access to an archived room can be changed: bring it back on the portal, then `roomkeeper runs retry`. Or "
    "write the step as `set_access` with `access: none`, which brings it back and archives it again."
)
_MANAGER = "Make the account of the API key manager of that room, then `roomkeeper runs retry`."
_RELATED = (
    "The portal lets only the room's owner and whoever invited the guest end this access, and does not say so. Make "
    "the account of the API key the room's owner, or have the other one end it; then `roomkeeper runs retry`."
)
_INVITED = (
    "Only who invited a guest can remove it from the portal, and only once. Use `from: room`, or have the inviter do "
    "it; then `roomkeeper runs retry`, or cancel the run."
)
_ADMINISTRATOR = (
    "Disabling needs an account that administrates the portal, and a key with `accounts:write`; then "
    "`roomkeeper runs retry`."
)
