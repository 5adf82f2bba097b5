"""`create_user`: an account for an address, by the portal's own invitation, once."""

from functools import partial
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.contract.text import EmailAddress
from roomkeeper.docspace import Portal
from roomkeeper.docspace.models import Person
from roomkeeper.errors import Forbidden, NotFound, QuotaExceeded, Rejected, StepFailed
from roomkeeper.once import once

_RANK = ("user", "room_admin", "admin", "owner")  # each may do what those before it may (EmployeeType.cs)


class CreateUser(BaseModel):
    """What `create_user` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    email: EmailAddress = Field(
        description="The address; the portal writes to it, and whoever reads it chooses name and password.",
        examples=["{{ event.raw.email }}"],
    )
    type: Literal["user", "room_admin", "admin"] = Field(
        default="user",
        description="What kind of account. The last two are paid for; only the owner's key makes administrators.",
        examples=["room_admin"],
    )
    language: str | None = Field(
        default=None, description="Of the portal's mail: a culture such as `de` or `en-US`.", examples=["de"]
    )


class UserCreated(BaseModel):
    """The account, and whether this step made it."""

    id: str
    email: str
    type: str
    made: bool


async def create_user(params: CreateUser, context: StepContext) -> UserCreated:
    """Make an account, unless the address has one. Raises StepFailed."""
    known = await _by_email(params.email, context)
    if known is not None:
        return _usable(known, params, made=False)
    portal: Portal = context.client

    async def find() -> list[str]:
        there = await _by_email(params.email, context)
        return [there.id] if there is not None else []

    async def make() -> str:
        await portal.people.invite(params.email, params.type, params.language)
        there = await _by_email(params.email, context)
        if there is None:
            raise Rejected("The portal said that it made an account, and has none", may_have_happened=True)
        return there.id

    async def stands(_: str) -> bool:
        return bool(await find())

    scope, item = f"accounts: {context.connection}", params.email.casefold()
    try:
        made = await once(context, scope, item, find=find, make=make, stands=stands)
    except (QuotaExceeded, Rejected, Forbidden) as error:
        raise StepFailed(f"{params.email} gets no account: {error.message}", remedy=_against(error)) from error
    now = await _by_email(params.email, context)
    if now is None:
        raise StepFailed(f"the account of {params.email} was made, and is gone", remedy=_SEE_PEOPLE)
    return _usable(now, params, made=made.here)


async def plan_creating(params: CreateUser, context: StepContext) -> Plan:
    """Say whether an account would be made."""
    known = await _by_email(params.email, context)
    if known is not None:
        there = _usable(known, params, made=False)
        return Plan((), f"{params.email} has an account: {there.type}", result=there)
    return Plan((f"make an account of the type {params.type!r} for {params.email}; the portal writes to it",))


CREATE_USER = StepKind(
    name="create_user",
    summary="Make an account for an address, by the portal's own invitation; once.",
    lasting="The portal mails an invitation, which cannot be called back.",
    params=CreateUser,
    result=UserCreated,
    plan=plan_creating,
    apply=create_user,
    connection_type="docspace",
    scopes=frozenset({"accounts:write", "accounts:read"}),
)


async def _by_email(email: str, context: StepContext) -> Person | None:
    try:
        found: Person = await context.call(partial(context.client.people.by_email, email))
    except NotFound:
        return None
    return found


def _against(error: Exception) -> str:
    if isinstance(error, QuotaExceeded):
        return _NONE_LEFT
    return _CORRECT_IT if isinstance(error, Rejected) else _MAY_INVITE


def _usable(person: Person, params: CreateUser, *, made: bool) -> UserCreated:
    """Give the account that is there. Raises StepFailed where it is not what was asked for: nobody is raised here."""
    if person.is_disabled:
        raise StepFailed(f"the account of {params.email} is disabled", remedy=_ENABLE)
    if person.is_guest or _RANK.index(person.kind) < _RANK.index(params.type):
        what = f"{params.email} has an account of the type {person.kind!r}, not {params.type!r}"
        raise StepFailed(what, remedy=_CHANGE_TYPE)
    return UserCreated(id=person.id, email=person.email, type=person.kind, made=made)


_NONE_LEFT = "The tariff has no such account left: disable one or raise it; then `roomkeeper runs retry`."
_CORRECT_IT = "Correct the address where it comes from, or enable the account; then `roomkeeper runs retry`."
_MAY_INVITE = (
    "Administrators are made by the owner's key, room admins by an administrator's, and the portal must allow inviting "
    "(Settings, Security); give the connection such a key, then `roomkeeper runs retry`."
)
_ENABLE = "Enable the account on the portal's people page if that person is to come back; then `roomkeeper runs retry`."
_CHANGE_TYPE = "Change the type on the portal's people page, or `type` in the automation; then `roomkeeper runs retry`."
_SEE_PEOPLE = "See the portal's people page; then `roomkeeper runs retry`."
