"""`read_usage`: what is used up of the portal's space, and by what."""

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.connectors.docspace.instructions import READ_BY_ADMINISTRATORS
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.docspace import Portal
from roomkeeper.errors import Forbidden, StepFailed

_UNLIMITED = 2**53  # bytes: nobody's limit (ours); the portal says 2**63 - 1 for none (recorded: quota.usage)


class ReadUsage(BaseModel):
    """What `read_usage` can be told: nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Usage(BaseModel):
    """What is used of the portal, in bytes, and what its tariff holds."""

    used: int = Field(description="Bytes that all files use.")
    limit: int | None = Field(description="Bytes that the tariff holds; null if it has no limit.")
    percent: float | None = Field(description="Used of the limit; null if there is none.")
    rooms: int
    archive: int
    trash: int
    people: int = Field(description="Accounts.")


async def read_usage(_params: ReadUsage, context: StepContext) -> Usage:
    """Read it. Raises StepFailed, RemoteError."""
    portal: Portal = context.client
    try:
        quota = await context.call(portal.activity.quota)
        sections = await context.call(portal.activity.used)
        people = await context.call(portal.activity.people)
    except Forbidden as error:
        what = f"the account may not see what the portal uses: {error.message}"
        raise StepFailed(what, remedy=READ_BY_ADMINISTRATORS) from error
    used = {name: one.used_space for name, one in sections.items()}
    limit = quota.max_total_size if 0 < quota.max_total_size < _UNLIMITED else None
    total = sum(used.values())
    return Usage(
        used=total,
        limit=limit,
        percent=round(100 * total / limit, 1) if limit is not None else None,
        rooms=used.get("roomsUsedSpace", 0),
        archive=used.get("archiveUsedSpace", 0),
        trash=used.get("trashUsedSpace", 0),
        people=people,
    )


async def plan_usage(params: ReadUsage, context: StepContext) -> Plan:
    """Say what is used."""
    usage = await read_usage(params, context)
    of = f" of {usage.limit}" if usage.limit is not None else ""
    return Plan((f"read that {usage.used}{of} bytes are used",), result=usage)


READ_USAGE = StepKind(
    name="read_usage",
    summary="Read how much of the portal's space is used, and by what.",
    params=ReadUsage,
    result=Usage,
    plan=plan_usage,
    apply=read_usage,
    connection_type="docspace",
)
