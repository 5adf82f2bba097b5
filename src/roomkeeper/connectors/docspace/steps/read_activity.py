"""`read_activity`: what the portal itself keeps of who did what, and who logged in."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.automations.condition import Asked, asking_for, fits
from roomkeeper.automations.duration import Duration, spoken
from roomkeeper.connectors.docspace.instructions import READ_BY_ADMINISTRATORS
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.docspace import Portal
from roomkeeper.docspace.models import AuditEntry
from roomkeeper.docspace.wire import PAGE
from roomkeeper.errors import Forbidden, StepFailed

MOST = 10_000  # entries that are kept with a run; the people are counted over all (ours)
#: Entries by which a page goes on: it shows half of the last one again, for the order has no tie-breaker (ours).
_STEP = PAGE // 2
_RECORDS = {"events": "events", "logins": "login"}


class Deed(BaseModel):
    """An entry of the portal's record."""

    id: int
    at: datetime
    who: str
    who_id: str
    action: str = Field(description="What was done, in the portal's words.")
    action_id: int = Field(description="Which action it was: 5011 is an upload (MessageAction.cs).")
    ip: str
    context: str = Field(description="Where: `Rooms: Acme`.")


class Doer(BaseModel):
    """Somebody, how often they are in the record, and when last."""

    id: str
    name: str
    count: int
    last: datetime


_ASKED_FOR = frozenset(Deed.model_fields) - {"at"}


class ReadActivity(BaseModel):
    """What `read_activity` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: Literal["events", "logins"] = Field(
        default="events", description="What people did, or when they logged in.", examples=["logins"]
    )
    since: Duration = Field(description="How far back; the portal keeps its records for half a year.", examples=["30d"])
    where: Annotated[dict[str, Asked], asking_for(_ASKED_FOR, "an entry")] = Field(
        default_factory=dict,
        description="What an entry's fields must be, as in an automation's own `where`.",
        examples=[{"context": {"contains": "Acme"}}],
    )


class Activity(BaseModel):
    """The entries, newest first, and who is in them; `ids` are those people's."""

    entries: list[Deed] = Field(default_factory=list)
    count: int = 0
    more: int = Field(default=0, description="Entries beyond the 10,000 that are kept; they are counted in `people`.")
    people: list[Doer] = Field(default_factory=list)
    ids: list[str] = Field(default_factory=list)


async def read_activity(params: ReadActivity, context: StepContext) -> Activity:
    """Read the record back to then. Raises StepFailed where the portal does not show all of it, RemoteError."""
    since = datetime.fromtimestamp(await context.now(), UTC) - timedelta(seconds=params.since)
    try:
        await _make_sure_that_it_is_whole(params, context)
        told = await _read(params, context, since)
    except Forbidden as error:
        what = f"the account may not read the portal's records: {error.message}"
        raise StepFailed(what, remedy=READ_BY_ADMINISTRATORS) from error
    deeds = [one for one in map(_deed, told) if fits(params.where, one.model_dump())]
    people = _people(deeds)
    return Activity(
        entries=deeds[:MOST],
        count=min(MOST, len(deeds)),
        more=max(0, len(deeds) - MOST),
        people=people,
        ids=[one.id for one in people],
    )


async def plan_activity(params: ReadActivity, context: StepContext) -> Plan:
    """Say how much there is."""
    activity = await read_activity(params, context)
    many = activity.count + activity.more
    said = f"read {many} entries of {len(activity.people)} people, since {spoken(params.since)}"
    return Plan((said,), result=activity)


READ_ACTIVITY = StepKind(
    name="read_activity",
    summary="Read who did what, or who logged in, from the portal's own records, back to a moment.",
    params=ReadActivity,
    result=Activity,
    plan=plan_activity,
    apply=read_activity,
    connection_type="docspace",
)


async def _make_sure_that_it_is_whole(params: ReadActivity, context: StepContext) -> None:
    """Refuse a record that is cut short: by the tariff, in silence, or by its age. Raises StepFailed."""
    portal: Portal = context.client
    if not (await context.call(portal.activity.quota)).audit:
        what = "the portal's tariff has no audit: it would show its last twenty entries, whatever is asked"
        raise StepFailed(what, remedy="Take a tariff with the audit trail, or leave this automation out.")
    days = await context.call(portal.activity.kept_for)
    if params.since > days * 86_400:
        what = f"the portal keeps its records for {days:g} days, and {spoken(params.since)} are asked for"
        remedy = "Ask for less with `since`, or have the portal keep them longer (Settings, Security)."
        raise StepFailed(what, remedy=remedy)


async def _read(params: ReadActivity, context: StepContext, since: datetime) -> list[AuditEntry]:
    """Read pages until one goes back to then; each shows a part of the last one again."""
    portal: Portal = context.client
    found, start = dict[int, AuditEntry](), 0
    while True:
        page = await context.call(partial(portal.activity.page, _RECORDS[params.what], start))
        found |= {one.id: one for one in page}
        dates = [one.date for one in page if one.date is not None]
        if len(page) < PAGE or (dates and min(dates) < since):
            break
        start += _STEP
        await context.progress(f"{len(found)} entries read")
    mine = [one for one in found.values() if one.date is not None and one.date >= since]
    return sorted(mine, key=lambda one: (one.date or since, one.id), reverse=True)


def _deed(entry: AuditEntry) -> Deed:
    return Deed(
        id=entry.id,
        at=entry.date or datetime.fromtimestamp(0, UTC),
        who=entry.user,
        who_id=entry.user_id,
        action=entry.action,
        action_id=entry.action_id,
        ip=entry.ip,
        context=entry.context,
    )


def _people(deeds: Sequence[Deed]) -> list[Doer]:
    """Count by person, the busiest first."""
    found: dict[str, Doer] = {}
    for one in deeds:
        known = found.get(one.who_id)
        if known is None:
            found[one.who_id] = Doer(id=one.who_id, name=one.who, count=1, last=one.at)
        else:
            found[one.who_id] = known.model_copy(update={"count": known.count + 1, "last": max(known.last, one.at)})
    return sorted(found.values(), key=lambda one: (-one.count, one.name, one.id))
