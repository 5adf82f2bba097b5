"""`disable_people`: disable accounts, and see that they are.

Who loses something is named before it happens: beyond `approve_over` a person is asked.
"""

from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.people import CORRECT_IT, person_of
from roomkeeper.contract.approve import ask_over, asked_first
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.docspace import Portal
from roomkeeper.docspace.models import Person
from roomkeeper.errors import FailedItem, Forbidden, NotFound, Rejected, StepFailed


class DisablePeople(BaseModel):
    """What `disable_people` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    people: list[str] = Field(
        description="Whose accounts: ids or e-mail addresses.", examples=[["{{ event.raw.email }}"]]
    )
    approve_over: int | None = Field(
        default=0,
        ge=0,
        description="Ask a person if it is more than so many; `null` never asks.",
        examples=[1],
    )


class Disabled(BaseModel):
    """Whose accounts were disabled, and how many were already."""

    disabled: list[str] = Field(default_factory=list, description="E-mail addresses, or names.")
    already: int = 0


async def disable_people(params: DisablePeople, context: StepContext) -> Disabled:
    """Disable accounts, and see that they are. Raises StepFailed with those that are not."""
    portal: Portal = context.client
    found, failed = await _looked_up(params, context)
    active = [one for one in found if not one.is_disabled]
    await ask_over(
        context,
        [_disabling(one) for one in active],
        limit=params.approve_over,
        question=f"disable {len(active)} account{'' if len(active) == 1 else 's'}",
    )
    done = list[str]()
    for one in active:
        try:
            await context.call(partial(portal.people.disable, one.id))
            now = await context.call(partial(portal.people.get, one.id))
        except (Forbidden, Rejected, NotFound) as error:
            failed.append(FailedItem(one.email or one.id, error.message, _ADMINISTRATOR))
            continue
        if now.is_disabled:
            done.append(one.email or one.display_name)
        else:
            failed.append(FailedItem(one.email or one.id, "the account is still active", _ADMINISTRATOR))
    result = Disabled(disabled=done, already=len(found) - len(active))
    if failed:
        what = f"{len(failed)} of {len(params.people)} accounts are not disabled"
        raise StepFailed(what, remedy=failed[0].remedy, items=failed, result=result.model_dump(mode="json"))
    return result


async def plan_disabling(params: DisablePeople, context: StepContext) -> Plan:
    """Say whose accounts would be disabled."""
    found, failed = await _looked_up(params, context)
    lines = [_disabling(one) for one in found if not one.is_disabled]
    wrong = (f"fail: {one.item}: {one.reason}" for one in failed)
    first = asked_first(len(lines), params.approve_over)
    return Plan((*first, *lines, *wrong), "" if lines or failed else "all are already")


DISABLE_PEOPLE = StepKind(
    name="disable_people",
    summary="Disable people's accounts, asking a person first; verified.",
    lasting="A disabled account is enabled again on the portal, by hand.",
    params=DisablePeople,
    result=Disabled,
    plan=plan_disabling,
    apply=disable_people,
    connection_type="docspace",
    in_a_loop=False,
    scopes=frozenset({"accounts:write", "accounts:read"}),
)


async def _looked_up(params: DisablePeople, context: StepContext) -> tuple[list[Person], list[FailedItem]]:
    """Find them, but for those whom nobody may disable: the owner, and the account itself. Raises RemoteError."""
    portal: Portal = context.client
    me = (await context.call(portal.people.myself)).id
    found, failed = dict[str, Person](), list[FailedItem]()
    for name in params.people:
        try:
            person = await person_of(context, name)
        except (NotFound, Forbidden) as error:
            failed.append(FailedItem(name, error.message, CORRECT_IT))
            continue
        if person.is_owner or person.id == me:
            whose = "is the portal's owner" if person.is_owner else "is the account that Roomkeeper uses"
            failed.append(FailedItem(name, whose, "Take them out of the list."))
        else:
            found[person.id] = person
    return list(found.values()), failed


def _disabling(person: Person) -> str:
    return f"disable the account of {person.display_name} <{person.email}>"


_ADMINISTRATOR = (
    "Disabling needs an account that administrates the portal, and a key with `accounts:write`; then "
    "`roomkeeper runs retry`."
)
