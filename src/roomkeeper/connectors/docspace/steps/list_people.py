"""`list_people`: who has an account, by type, name or address.

A list is whole or a failure: others take something from people by it.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.automations.condition import Asked, asking_for, fits
from roomkeeper.automations.duration import Duration
from roomkeeper.contract.step import Plan, StepContext, StepKind, plan_of_list
from roomkeeper.docspace import Portal
from roomkeeper.docspace.models import ACTIVE, DISABLED, PENDING, Person
from roomkeeper.errors import StepFailed

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
