"""`approve`: the run shows what it would do next, and waits for a person's consent."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

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


def asked_first(many: int, limit: int | None) -> list[str]:
    """Say in a plan that a person is asked first, if so."""
    return [f"ask a person first, as it is more than {limit}"] if limit is not None and many > limit else []


async def ask_over(context: StepContext, lines: Sequence[str], *, limit: int | None, question: str) -> None:
    """Ask a person before more than `limit` things are done, each with its line; None never asks.

    A consent is to what was shown: what has come to it since is asked for again. Raises ApprovalNeeded.
    """
    if limit is None or len(lines) <= limit:
        return
    recorded = await context.recorded() or {}
    if context.approved and set(lines) <= set(recorded.get("asked", [])):
        return
    await ask(context, question, lines, kept=recorded | {"asked": list(lines)})


def is_covered(context: StepContext, wanted: int, *, limit: int | None, asked: int) -> bool:
    """Whether `wanted` things may be done: few enough, or a consent to `asked` covers them and `limit` more."""
    return limit is None or wanted <= limit or (context.approved and wanted <= asked + limit)


async def ask(context: StepContext, question: str, lines: Sequence[str], *, kept: Mapping[str, Any]) -> NoReturn:
    """Ask a person, who is shown these lines and what follows; `kept` is recorded. Raises ApprovalNeeded."""
    then = [f"then {line}" for line in await context.ahead()]
    await context.record({**kept, "lines": [*lines, *then]})
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
