"""`approve`: the run shows what it would do next, and waits for a person's consent."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.automations.duration import Duration, spoken
from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.errors import ApprovalNeeded

WEEK = 7 * 86_400.0


class Approve(BaseModel):
    """What `approve` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    text: str = Field(
        default="go on with the steps below?", description="What is asked.", examples=["Archive {{ deal.company }}?"]
    )
    within: Duration = Field(
        default=WEEK, description="How long it may take; after that, nothing is done.", examples=["7d"]
    )


class Approved(BaseModel):
    """What was consented to."""

    asked: str


def asked_first(lines: Sequence[str], limit: int | None) -> list[str]:
    """Say in a plan that a person is asked first, if so."""
    return [f"ask a person first, as it is more than {limit}"] if limit is not None and len(lines) > limit else []


async def ask_over(context: StepContext, lines: Sequence[str], *, limit: int | None, question: str) -> None:
    """Ask a person before more than `limit` things are done, each with its line; None never asks.

    A consent is to what was shown: what has come to it since is asked for again. Raises ApprovalNeeded.
    """
    if limit is None or len(lines) <= limit:
        return
    recorded = await context.recorded() or {}
    if context.approved and set(lines) <= set(recorded.get("asked", [])):
        return
    then = [f"then {line}" for line in await context.ahead()]
    await context.record(recorded | {"asked": list(lines), "lines": [*lines, *then]})
    raise ApprovalNeeded(f"{question}?", within=WEEK)


async def _apply(params: Approve, context: StepContext) -> Approved:
    """Go on if a person consented. Raises ApprovalNeeded."""
    if not context.approved:
        await context.record(await context.ahead())
        raise ApprovalNeeded(params.text, within=params.within)
    return Approved(asked=params.text)


async def _plan(params: Approve, context: StepContext) -> Plan:  # noqa: ARG001 - every step has one
    """Say that it would wait."""
    return Plan((f"wait up to {spoken(params.within)} for a person's consent: {params.text!r}",))


APPROVE = StepKind(
    name="approve",
    summary="Show what the next steps would do, and wait for a person's consent.",
    params=Approve,
    result=Approved,
    plan=_plan,
    apply=_apply,
    connection_type="",
    takes_many=True,
    in_a_loop=False,
)
