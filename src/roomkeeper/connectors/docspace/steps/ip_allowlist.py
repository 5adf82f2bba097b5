"""`ip_allowlist`: add to or take from the addresses that people may come from; never the one that we come from.

Whoever comes from an address that is not in it is refused everything, but for the portal's owner (IPSecurity.cs): so
it is never switched on or off here, and what is taken away is never what lets this very account in.
"""

import ipaddress
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.contract.approve import ask_over, asked_first
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.docspace import Portal
from roomkeeper.docspace.models import AllowedAddress
from roomkeeper.errors import Forbidden, Rejected, StepFailed


def _address(value: str) -> str:
    """Read a single address; the portal takes no ranges (IpRestrictionsController.cs). Raises ValueError."""
    return str(ipaddress.ip_address(value.strip()))


_Address = Annotated[str, AfterValidator(_address)]


class IpAllowlist(BaseModel):
    """What `ip_allowlist` can be told: with neither `add` nor `remove` it only reads the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    add: list[_Address] = Field(
        default_factory=list, description="Single addresses to let in.", examples=[["203.0.113.7"]]
    )
    remove: list[_Address] = Field(
        default_factory=list, description="Single addresses to let in no more.", examples=[["198.51.100.9"]]
    )
    ours: _Address | None = Field(
        default=None,
        description="The address from which Roomkeeper reaches the portal; needed to take addresses away, unless the "
        "key is the owner's. It must be in the list, and stays there.",
        examples=["203.0.113.5"],
    )


class Allowed(BaseModel):
    """The list as it is now, and what this step changed."""

    addresses: list[str] = Field(default_factory=list, description="From which anybody may come.")
    on: bool = Field(description="Whether the list is in force.")
    added: list[str] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list)


async def apply(params: IpAllowlist, context: StepContext) -> Allowed:
    """Change the list, and read it again; a person is always asked first. Raises StepFailed."""
    try:
        return await _changed(params, context)
    except (Forbidden, Rejected) as error:
        what = f"the portal's list of addresses cannot be seen or changed: {error.message}"
        raise StepFailed(what, remedy=_ADMINISTRATOR) from error


async def plan(params: IpAllowlist, context: StepContext) -> Plan:
    """Say what would change."""
    before = await context.call(context.client.allowlist.addresses)
    lines = _lines(params, before)
    is_on = await context.call(context.client.allowlist.is_on)
    listed = Allowed(addresses=_let_in(before), on=is_on)
    return Plan((*asked_first(len(lines), 0), *lines), "" if lines else "nothing of it would change", result=listed)


IP_ALLOWLIST = StepKind(
    name="ip_allowlist",
    summary="Read or change the addresses that people may come from, asking a person first; never locks itself out.",
    lasting="Whoever comes from another address is kept out of the portal, Roomkeeper, too.",
    params=IpAllowlist,
    result=Allowed,
    plan=plan,
    apply=apply,
    connection_type="docspace",
    in_a_loop=False,
    scopes=frozenset({"*"}),
)


async def _changed(params: IpAllowlist, context: StepContext) -> Allowed:
    portal: Portal = context.client
    before, is_on = await context.call(portal.allowlist.addresses), await context.call(portal.allowlist.is_on)
    lines = _lines(params, before)
    if not lines:
        return Allowed(addresses=_let_in(before), on=is_on)
    me = await context.call(portal.people.myself)
    owns = (await context.call(partial(portal.people.get, me.id))).is_owner
    _make_sure(params, before, is_on=is_on, owns=owns)
    await ask_over(context, lines, limit=0, question="change the addresses that people may come from")
    was: tuple[AllowedAddress, ...] = ()

    async def change() -> None:
        nonlocal was  # whatever somebody has changed meanwhile stays so, also between two attempts
        was, on = await portal.allowlist.addresses(), await portal.allowlist.is_on()
        _make_sure(params, was, is_on=on, owns=owns)
        await portal.allowlist.save(_wanted(params, was))

    async with context.hold("addresses"):
        await context.call(change)
        now = await context.call(portal.allowlist.addresses)
    wrong = {one for one in params.add if one not in _let_in(now)} | {
        one for one in params.remove if one in _let_in(now)
    }
    if wrong:
        what = f"the portal said that it changed its addresses, and {', '.join(sorted(wrong))} is not as it was to be"
        raise StepFailed(what, remedy="See Settings, Security on the portal; then `roomkeeper runs retry`.")
    then, after = set(_let_in(was)), set(_let_in(now))
    return Allowed(addresses=sorted(after), on=True, added=sorted(after - then), removed=sorted(then - after))


def _let_in(addresses: tuple[AllowedAddress, ...]) -> list[str]:
    """List those from which anybody may come; some are for administrators only (IPSecurity.cs)."""
    return [one.ip for one in addresses if not one.for_admin]


def _lines(params: IpAllowlist, before: tuple[AllowedAddress, ...]) -> list[str]:
    """Say what changes, in lines for people."""
    there, anybody = {one.ip for one in before}, set(_let_in(before))
    lines = [f"let people in from {one}" for one in dict.fromkeys(params.add) if one not in anybody]
    return lines + [f"let nobody in from {one} any more" for one in dict.fromkeys(params.remove) if one in there]


def _wanted(params: IpAllowlist, now: tuple[AllowedAddress, ...]) -> list[AllowedAddress]:
    kept = [one for one in now if one.ip not in params.remove and one.ip not in params.add]
    return kept + [AllowedAddress(ip=one) for one in dict.fromkeys(params.add)]


def _make_sure(params: IpAllowlist, now: tuple[AllowedAddress, ...], *, is_on: bool, owns: bool) -> None:
    """Refuse what could lock somebody out, and what the portal would not take. Raises StepFailed."""
    if not is_on:
        what = "the portal's list of addresses is not in force, and switching it on could lock everybody out"
        raise StepFailed(what, remedy=_SWITCH_IT_ON)
    if both := sorted(set(params.add) & set(params.remove)):
        what = f"{', '.join(both)} is to be let in and not to be let in"
        raise StepFailed(what, remedy="Correct the automation.")
    wanted = _wanted(params, now)
    if not wanted:
        what = "no address would be left, and the portal takes no empty list"
        raise StepFailed(what, remedy="Leave one in, or switch the list off yourself on the portal.")
    if ranges := [one.ip for one in wanted if not _is_single(one.ip)]:
        what = f"the list has {', '.join(ranges)}, which the portal does not take back: it wants single addresses"
        raise StepFailed(
            what, remedy="Write single addresses in its place on the portal; then `roomkeeper runs retry`."
        )
    if not params.remove or owns:
        return
    if params.ours is None:
        what = "an address is to be taken away, and it is not said which one Roomkeeper itself comes from"
        raise StepFailed(what, remedy=_SAY_OURS)
    if params.ours in params.remove or params.ours not in {one.ip for one in now}:
        what = f"Roomkeeper comes from {params.ours}, which is to be taken away or is not in the list"
        raise StepFailed(what, remedy=_SAY_OURS)


def _is_single(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


_ADMINISTRATOR = (
    "It takes a key of the owner or an administrator, with the permission for everything (`*`); and single addresses. "
    "Then `roomkeeper runs retry`."
)
_SWITCH_IT_ON = (
    "Switch it on yourself on the portal (Settings, Security, IP security), from an address that is in it; then "
    "`roomkeeper runs retry`."
)
_SAY_OURS = (
    "Write the address from which the portal sees Roomkeeper into `ours:` of the step, and see that it is in the list; "
    "or give the connection the owner's key."
)
