"""`notify`: tell people something as a step of a run."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from email.errors import HeaderParseError
from email.headerregistry import Address
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roomkeeper.contract.message import Message
from roomkeeper.contract.step import Plan, StepContext, StepKind

_SCOPE = "notify"
#: What stands before and after the @, as mail is written to (RFC 5321, 4.1.2 and 4.5.3.1), without quotes.
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_DOMAIN = re.compile(r"[A-Za-z0-9.-]{1,255}")


def _an_address(value: str) -> str:
    """Read an address that every mail server takes. Raises ValueError."""
    local, _, domain = value.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii")
        Address(username=local, domain=domain)
    except (ValueError, HeaderParseError, IndexError, AttributeError) as error:
        raise ValueError("must be an e-mail address") from error
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise ValueError("must be an e-mail address, with plain letters before the @")
    return f"{local}@{domain}"


Addressee = Annotated[str, AfterValidator(_an_address)]


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


class NotifyByMail(Notify):
    """What `notify` can be told of a connection that knows addresses."""

    to: list[Addressee] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Whom it goes to, in place of the connection's own `to`.",
        examples=[["{{ item.email }}"]],
    )


class Notified(BaseModel):
    """What was said, and whether this run said it."""

    text: str
    told: bool


def notify_by(
    type_: str, tell: Callable[[Any, Message], Awaitable[None]], params_of: type[Notify] = Notify
) -> StepKind:
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
        await context.call(lambda: tell(context.client, Message(params.subject, params.text, data, _to(params))))
        await context.ledger.done(_SCOPE, {item: ("told", {})})
        return Notified(text=params.text, told=True)

    async def plan(params: Notify, context: StepContext) -> Plan:
        """Say what would be told."""
        whom = f" ({', '.join(_to(params))})" if _to(params) else ""
        return Plan((f"tell {context.connection}{whom}: {params.text}",))

    return StepKind(
        name="notify",
        summary="Tell people something: a chat, an e-mail, or a program of yours.",
        lasting="A message that was sent cannot be called back.",
        params=params_of,
        result=Notified,
        plan=plan,
        apply=apply,
        connection_type=type_,
        takes_many=True,
    )


def _to(params: Notify) -> tuple[str, ...]:
    return tuple(params.to or ()) if isinstance(params, NotifyByMail) else ()
