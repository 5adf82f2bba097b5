"""A new ticket, in one shape whichever helpdesk says so."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from roomkeeper.automations.event import Event
from roomkeeper.contract.step import ABOUT, EventKind, StepContext
from roomkeeper.contract.trail import Search
from roomkeeper.errors import StepFailed
from roomkeeper.vendors import recent
from roomkeeper.vendors.by_hand import about as by_hand_about
from roomkeeper.vendors.reading import moment, overlaid

CREATED = "ticket.created"
by_hand = by_hand_about("ticket")
_FIELDS: Mapping[str, Mapping[str, Any] | None] = {
    **{name: {} for name in ("id", "key", "subject", "url", "priority", "created_at", "connection")},
    "requester": {"name": {}, "email": {}},
    "fields": None,  # the vendor's own
}
EVENTS = {CREATED: EventKind(CREATED, {"event": ABOUT, "ticket": _FIELDS})}


@dataclass(frozen=True)
class Ticket:
    """A ticket; `fields` are the vendor's own."""

    id: str
    key: str = ""
    subject: str = ""
    url: str = ""
    priority: str = ""
    requester_name: str = ""
    requester_email: str = ""
    created_at: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    def facts(self, connection: str) -> dict[str, dict[str, Any]]:
        """Give the variables that templates see."""
        return {
            "ticket": {
                "id": self.id,
                "key": self.key or self.id,
                "subject": self.subject,
                "url": self.url,
                "priority": self.priority,
                "requester": {"name": self.requester_name, "email": self.requester_email},
                "created_at": self.created_at,
                "connection": connection,
                "fields": dict(self.fields),
            }
        }


def told(
    connection: str,
    ticket: Ticket,
    *,
    delivery: str,
    raw: object,
    why: str = "",
    kind: str = "",
    unusable: bool = False,
) -> Event:
    """Make the event: a ticket is created once, however often and by whatever way that is told.

    `why` says why it is no new ticket after all, `kind` the sender's own word for it then; `unusable` that it may be
    one, and nobody can tell.
    """
    return Event(
        type=kind[:100] if why and kind else CREATED,
        connection=connection,
        at=moment(ticket.created_at),
        delivery=delivery,
        meaning=delivery if why else f"ticket {ticket.id} created",
        subject=f"ticket {ticket.key or ticket.id} {ticket.subject}".strip()[:200],
        facts=ticket.facts(connection),
        lane=f"ticket {ticket.id}",
        raw=raw,
        ignored=why,
        unusable=unusable,
    )


def found(connection: str, ticket: Ticket) -> Event:
    """Make the event of a ticket that was found in the vendor's list."""
    return replace(
        told(connection, ticket, delivery=f"found ticket {ticket.id}", raw=dict(ticket.fields)), found=recent.RECENT
    )


async def _listed(client: Any, search: Search, since: datetime) -> AsyncIterator[recent.Part]:  # noqa: ANN401
    """List the tickets made since then; `client.newest_tickets(since)` gives pages of them, the newest first."""
    async for tickets in client.newest_tickets(since):
        young = [one for one in tickets if moment(one.created_at) >= since]
        yield recent.Part([found(search.connection, one) for one in young])
        if len(young) < len(tickets):
            return


#: Where tickets that were never told of are found.
TRAIL = recent.trail(_listed)


async def completed(event: Event, wanted: frozenset[str], read: Callable[[str], Awaitable[Ticket]]) -> Event:
    """Add what an automation uses and the delivery lacks; what was told stands. Raises RemoteError."""
    known = event.facts["ticket"]
    if all(_has(known, name) for name in wanted):
        return event
    ticket = await read(str(known["id"]))
    facts = overlaid(ticket.facts(event.connection)["ticket"], known)
    return replace(event, facts={"ticket": facts})


def identified(event: Event, ticket: Ticket) -> Event:
    """Say which ticket it is that was told of by a name alone: then it may be known already."""
    read = told(event.connection, ticket, delivery=event.delivery, raw=event.raw)
    given = {name: value for name, value in event.facts["ticket"].items() if name not in {"id", "key", "url"}}
    facts = {"ticket": overlaid(read.facts["ticket"], given)}
    return replace(event, meaning=read.meaning, subject=read.subject, lane=read.lane, facts=facts)


def subject_of(given: str | None, context: StepContext, noun: str) -> str:
    """Give the id of what is to be written on: named by the step, or the event's. Raises StepFailed."""
    found = given or next((event.facts.get(noun, {}).get("id") for event in context.events), None)
    if not found:
        raise StepFailed(f"it is not known which {noun} to write on", remedy=f"Add `{noun}:` with its id.")
    return str(found)


def _has(known: Mapping[str, Any], name: str) -> bool:
    value: Any = known
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value not in (None, "")
