"""`note_on_deal`, `note_on_ticket`: a note, once, with a marker that is looked for before it is posted."""

import hashlib
import html
import re
from collections.abc import Awaitable, Callable
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.contract.step import Plan, StepContext, StepKind
from roomkeeper.errors import NotFound, Rejected, StepFailed
from roomkeeper.once import once
from roomkeeper.vendors.tickets import subject_of

URL = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")


class DealNotes(Protocol):
    """A CRM's client, as far as notes on deals go. `deal_notes` gives note ids with their texts."""

    async def deal_notes(self, deal: str) -> dict[str, str]: ...  # noqa: D102
    async def add_deal_note(self, deal: str, text: str) -> str: ...  # noqa: D102


class TicketNotes(Protocol):
    """A helpdesk's client, as far as internal notes on tickets go."""

    async def ticket_notes(self, ticket: str) -> dict[str, str]: ...  # noqa: D102
    async def add_ticket_note(self, ticket: str, text: str) -> str: ...  # noqa: D102


class NoteOnTicket(BaseModel):
    """What `note_on_ticket` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    text: str = Field(
        min_length=1,
        max_length=20_000,
        description="The note, which only agents see; addresses in it become links.",
        examples=["Investigation room: {{ link.url }}"],
    )
    ticket: str | None = Field(
        default=None, description="The ticket's id, if it is not the event's.", examples=["{{ ticket.id }}"]
    )


class NoteOnDeal(BaseModel):
    """What `note_on_deal` can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    text: str = Field(
        min_length=1,
        max_length=20_000,
        description="The note; addresses in it become links.",
        examples=["Archived {{ archive.files }} files: {{ archive.url }}"],
    )
    deal: str | None = Field(
        default=None, description="The deal's id, if it is not the event's.", examples=["{{ deal.id }}"]
    )


class Noted(BaseModel):
    """The note that is there, and whether this step made it."""

    note: str
    subject: str
    made: bool
    marker: str
    because: str = ""


def note_on_deal(connection_type: str) -> StepKind:
    """Give the step for one CRM, whose client has `deal_notes` and `add_deal_note`."""
    return StepKind(
        name="note_on_deal",
        summary="Write a note on the deal, once.",
        lasting="A note stays until somebody deletes it there.",
        params=NoteOnDeal,
        result=Noted,
        plan=_plan_on_deal,
        apply=_write_on_deal,
        connection_type=connection_type,
    )


def note_on_ticket(connection_type: str) -> StepKind:
    """Give the step for one helpdesk, whose client has `ticket_notes` and `add_ticket_note`."""
    return StepKind(
        name="note_on_ticket",
        summary="Write an internal note on the ticket, once.",
        lasting="A note stays until somebody deletes it there.",
        params=NoteOnTicket,
        result=Noted,
        plan=_plan_on_ticket,
        apply=write_on_ticket,
        connection_type=connection_type,
        side_by_side=True,
    )


async def write_on_ticket(params: NoteOnTicket, context: StepContext) -> Noted:
    """Write the note. Raises StepFailed."""
    notes: TicketNotes = context.client
    ticket = subject_of(params.ticket, context, "ticket")
    async with context.hold(f"ticket {ticket}"):  # helpdesks want the writes on one ticket one after another
        return await _written(
            context,
            f"ticket {ticket}",
            params.text,
            marker=marker_of(context, ticket, "created"),
            subject=ticket,
            read=lambda: notes.ticket_notes(ticket),
            add=lambda text: notes.add_ticket_note(ticket, text),
        )


async def _write_on_deal(params: NoteOnDeal, context: StepContext) -> Noted:
    """Write the note. Raises StepFailed."""
    notes: DealNotes = context.client
    deal = subject_of(params.deal, context, "deal")
    return await _written(
        context,
        f"deal {deal}",
        params.text,
        marker=marker_of(context, deal, context.events[0].meaning if context.events else f"run {context.run}"),
        subject=deal,
        read=lambda: notes.deal_notes(deal),
        add=lambda text: notes.add_deal_note(deal, text),
    )


async def _written(
    context: StepContext,
    shown: str,
    text: str,
    *,
    marker: str,
    subject: str,
    read: Callable[[], Awaitable[dict[str, str]]],
    add: Callable[[str], Awaitable[str]],
) -> Noted:
    """Write a note with its mark, unless one with that mark is there. Raises StepFailed."""

    async def find() -> list[str]:
        return [note for note, said in (await read()).items() if marker in said]

    async def make() -> str:
        return await add(f"{text.rstrip()}\n\n{marker}")

    try:
        scope = f"notes: {context.connection}"
        made = await once(context, scope, f"{subject} {marker}", find=find, make=make)
    except (NotFound, Rejected) as error:
        remedy = f"See whether the {shown} still exists and is open, and what it says; then `roomkeeper runs retry`."
        raise StepFailed(f"the note on {shown} was refused: {error.message}", remedy=remedy) from error
    twins = f"a request that was taken for lost left another: {', '.join(made.twins)}" if made.twins else ""
    return Noted(note=made.target, subject=subject, made=made.here, marker=marker, because=twins)


async def _plan_on_deal(params: NoteOnDeal, context: StepContext) -> Plan:
    """Say what would be written."""
    return Plan((f"write on deal {subject_of(params.deal, context, 'deal')}: {params.text.strip()!r}",))


async def _plan_on_ticket(params: NoteOnTicket, context: StepContext) -> Plan:
    """Say what would be written."""
    return Plan((f"write on ticket {subject_of(params.ticket, context, 'ticket')}: {params.text.strip()!r}",))


def marker_of(context: StepContext, subject: str, occurrence: str) -> str:
    """Give the mark by which the note is known again: the same for this step and this occurrence, whatever the run."""
    digest = hashlib.sha256(f"{context.connection}\n{subject}\n{occurrence}\n{context.task}".encode()).hexdigest()
    return f"ref: rk-{digest[:10]}"


def as_html(text: str) -> str:
    """Write text as HTML: escaped, its lines kept, its addresses made links."""
    lines, at = [], 0
    for match in URL.finditer(text):
        address = html.escape(match[0])
        lines += [html.escape(text[at : match.start()]), f'<a href="{address}">{address}</a>']
        at = match.end()
    return "".join([*lines, html.escape(text[at:])]).replace("\n", "<br>")
