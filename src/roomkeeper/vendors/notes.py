"""`note_on_deal`: a note at the vendor's, once, with a marker that is looked for before it is posted again."""

import hashlib
import html
import re
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from roomkeeper.automations.step import Plan, StepContext, StepKind
from roomkeeper.errors import NotFound, Rejected, StepFailed
from roomkeeper.once import once

_URL = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")


class DealNotes(Protocol):
    """A CRM's client, as far as notes on deals go. `deal_notes` gives note ids with their texts."""

    async def deal_notes(self, deal: str) -> dict[str, str]: ...  # noqa: D102
    async def add_deal_note(self, deal: str, text: str) -> str: ...  # noqa: D102


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
    deal: str
    made: bool
    marker: str


def note_on_deal(connection_type: str) -> StepKind:
    """Give the step for one CRM, whose client has `deal_notes` and `add_deal_note`."""
    return StepKind(
        name="note_on_deal",
        summary="Write a note on the deal, once.",
        params=NoteOnDeal,
        result=Noted,
        plan=_plan,
        apply=_apply,
        connection_type=connection_type,
    )


async def _apply(params: NoteOnDeal, context: StepContext) -> Noted:
    """Write the note. Raises StepFailed."""
    deal = _deal(params, context)
    marker = marker_of(context, deal)
    notes: DealNotes = context.client
    text = f"{params.text.rstrip()}\n\n{marker}"

    async def find() -> str | None:
        written = await notes.deal_notes(deal)
        return next((note for note, said in written.items() if marker in said), None)

    async def make() -> str:
        return await notes.add_deal_note(deal, text)

    try:
        scope = f"notes on deals: {context.connection}"
        note, made = await once(context, scope, f"{deal} {marker}", find=find, make=make)
    except (NotFound, Rejected) as error:
        remedy = "See whether the deal still exists, and what it says; then `roomkeeper runs retry`."
        raise StepFailed(f"the note on deal {deal} was refused: {error.message}", remedy=remedy) from error
    return Noted(note=note, deal=deal, made=made, marker=marker)


async def _plan(params: NoteOnDeal, context: StepContext) -> Plan:
    """Say what would be written."""
    return Plan((f"write on deal {_deal(params, context)}: {params.text.strip()!r}",))


def _deal(params: NoteOnDeal, context: StepContext) -> str:
    given: Any = params.deal or next((event.facts.get("deal", {}).get("id") for event in context.events), None)
    if not given:
        raise StepFailed("it is not known which deal to write on", remedy="Add `deal:` with its id.")
    return str(given)


def marker_of(context: StepContext, subject: str) -> str:
    """Give the mark by which the note is known again: the same for this step and this occurrence, whatever the run."""
    occurrence = context.events[0].meaning if context.events else f"run {context.run}"
    digest = hashlib.sha256(f"{context.connection}\n{subject}\n{occurrence}\n{context.task}".encode()).hexdigest()
    return f"ref: rk-{digest[:10]}"


def as_html(text: str) -> str:
    """Write text as HTML: escaped, its lines kept, its addresses made links."""
    lines, at = [], 0
    for match in _URL.finditer(text):
        address = html.escape(match[0])
        lines += [html.escape(text[at : match.start()]), f'<a href="{address}">{address}</a>']
        at = match.end()
    return "".join([*lines, html.escape(text[at:])]).replace("\n", "<br>")
