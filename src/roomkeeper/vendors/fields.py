"""`set_ticket_field`: write a value into a field of the ticket, and read it back."""

import contextlib
import re
from functools import partial
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.errors import NotFound, Rejected, StepFailed
from roomkeeper.vendors.tickets import subject_of

_WORDS = {"true": True, "false": False}


class TicketFields(Protocol):
    """A helpdesk's client, as far as fields of tickets go."""

    async def ticket_field(self, ticket: str, field: str) -> str: ...  # noqa: D102
    async def set_ticket_field(self, ticket: str, field: str, value: str | float) -> None: ...  # noqa: D102


def _as_text(value: Any) -> Any:  # noqa: ANN401 - YAML
    if isinstance(value, bool):
        return str(value).lower()  # as helpdesks write it
    return str(value) if isinstance(value, int | float) else value


def _typed(value: str) -> list[str | bool | int | float]:
    """Give a value as it may have to be sent: as text, and as what it is where the helpdesk wants no text."""
    if value in _WORDS:
        return [value, _WORDS[value]]
    number = re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", value)
    return [value, float(value) if number[1] else int(value)] if number else [value]


def _is(read: str, wanted: str) -> bool:
    """Whether that stands there already: the same text, or the same word for yes or no."""
    return read == wanted or (wanted.lower() in _WORDS and read.lower() == wanted.lower())


def _came_of(read: str, wanted: str) -> bool:
    """Whether that came of what was written: a number may be written otherwise there, and lines may lack some."""
    number = _typed(wanted)[-1]
    is_number = isinstance(number, int | float) and not isinstance(number, bool) and read == str(float(number))
    return _is(read, wanted) or is_number or _lines(read) == _lines(wanted)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


class SetTicketField(BaseModel):
    """What `set_ticket_field` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: Annotated[str, BeforeValidator(_as_text)] = Field(
        min_length=1,
        description="The field, by the id under which the helpdesk's API knows it; such as a number at Zendesk, `cf_…` "
        "at Freshdesk, `customfield_…` at Jira.",
        examples=["360012345678"],
    )
    value: Annotated[str, BeforeValidator(_as_text)] = Field(
        max_length=5000, description="What to write into it.", examples=["{{ link.url }}"]
    )
    ticket: Annotated[str | None, BeforeValidator(_as_text)] = Field(
        default=None, description="The ticket's id, if it is not the event's.", examples=["{{ ticket.id }}"]
    )


class FieldSet(BaseModel):
    """The field as it is, and whether this step wrote it."""

    ticket: str
    field: str
    value: str
    made: bool


def set_ticket_field(connection_type: str) -> StepKind:
    """Give the step for one helpdesk, whose client has `ticket_field` and `set_ticket_field`."""
    return StepKind(
        name="set_ticket_field",
        summary="Write a value into a field of the ticket.",
        lasting="What the field held before is not kept.",
        params=SetTicketField,
        result=FieldSet,
        plan=_plan,
        apply=_apply,
        connection_type=connection_type,
        side_by_side=True,
    )


async def _apply(params: SetTicketField, context: StepContext) -> FieldSet:
    """Write the value; doing it twice is harmless. Raises StepFailed."""
    fields: TicketFields = context.client
    ticket = subject_of(params.ticket, context, "ticket")
    async with context.hold(f"ticket {ticket}"):  # helpdesks want the writes on one ticket one after another
        try:
            if _is(await context.call(lambda: fields.ticket_field(ticket, params.field)), params.value):
                return FieldSet(ticket=ticket, field=params.field, value=params.value, made=False)
            await _write(fields, ticket, params, context)
            now = await context.call(lambda: fields.ticket_field(ticket, params.field))
        except (NotFound, Rejected) as error:
            what = f"the field {params.field!r} of ticket {ticket} was refused: {error.message}"
            remedy = "Check the field's name and the ticket; then `roomkeeper runs retry`."
            raise StepFailed(what, remedy=remedy) from error
    if not _came_of(now, params.value):
        what = f"the field {params.field!r} of ticket {ticket} is {now!r} after it was set"
        raise StepFailed(what, remedy="See whether something at the helpdesk changes it back; then retry.")
    return FieldSet(ticket=ticket, field=params.field, value=params.value, made=True)


async def _write(fields: TicketFields, ticket: str, params: SetTicketField, context: StepContext) -> None:
    """Write it as text; a field that takes none gets what it is. Raises NotFound, Rejected."""
    *ways, last = _typed(params.value)
    for value in ways:
        with contextlib.suppress(Rejected):
            await context.call(partial(fields.set_ticket_field, ticket, params.field, value))
            return
    await context.call(partial(fields.set_ticket_field, ticket, params.field, last))


async def _plan(params: SetTicketField, context: StepContext) -> Plan:
    """Say what would be written."""
    ticket = subject_of(params.ticket, context, "ticket")
    return Plan((f"set the field {params.field!r} of ticket {ticket} to {params.value!r}",))
