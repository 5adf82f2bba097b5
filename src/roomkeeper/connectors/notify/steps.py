"""`notify`: tell people something as a step of a run."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.contract.message import Message
from roomkeeper.contract.step import Plan, StepContext, StepKind

_SCOPE = "notify"


class Notify(BaseModel):
    """What `notify` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    text: str = Field(
        min_length=1,
        max_length=20_000,
        description="What is said.",
        examples=["{{ deal.company }} is archived: {{ archive.url }}"],
    )
    subject: str = Field(
        default="Roomkeeper", max_length=200, description="A line above it.", examples=["A deal was archived"]
    )


class Notified(BaseModel):
    """What was said, and whether this run said it."""

    text: str
    told: bool


def notify_by(type_: str, tell: Callable[[Any, Message], Awaitable[None]]) -> StepKind:
    """Make the step for one kind of connection."""

    async def apply(params: Notify, context: StepContext) -> Notified:
        """Tell it, unless this run has told it already. Raises RemoteError.

        Nobody can be asked what was told, so after a crash between telling and noting it may be told twice.
        """
        item = f"{context.run} {context.task} {hashlib.sha256(params.model_dump_json().encode()).hexdigest()[:16]}"
        known = (await context.ledger.look(_SCOPE, [item])).get(item)
        if known is not None and known.done:
            return Notified(text=params.text, told=False)
        data = {"run": context.run, "task": context.task, "subject": params.subject, "text": params.text}
        await context.call(lambda: tell(context.client, Message(params.subject, params.text, data)))
        await context.ledger.done(_SCOPE, {item: ("told", {})})
        return Notified(text=params.text, told=True)

    async def plan(params: Notify, context: StepContext) -> Plan:
        """Say what would be told."""
        return Plan((f"tell {context.connection}: {params.text}",))

    return StepKind(
        name="notify",
        summary="Tell people something: a chat, an e-mail, or a program of yours.",
        params=Notify,
        result=Notified,
        plan=plan,
        apply=apply,
        connection_type=type_,
        takes_many=True,
    )
