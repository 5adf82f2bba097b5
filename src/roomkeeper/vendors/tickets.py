"""A new ticket, in one shape whichever helpdesk says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from roomkeeper.automations.event import Event
from roomkeeper.automations.step import EventKind
from roomkeeper.errors import NotThere

CREATED = "ticket.created"
_FIELDS: Mapping[str, Mapping[str, Any] | None] = {
    **{name: {} for name in ("id", "key", "subject", "url", "priority", "created_at", "connection")},
    "requester": {"name": {}, "email": {}},
    "fields": None,  # the vendor's own
}
_ABOUT: Mapping[str, Mapping[str, Any] | None] = {
    **{name: {} for name in ("id", "type", "connection", "at", "actor")},
    "raw": None,
}
EVENTS = {CREATED: EventKind(CREATED, {"event": _ABOUT, "ticket": _FIELDS})}


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


def created(connection: str, ticket: Ticket, *, delivery: str, raw: object) -> Event:
    """Make the event: a ticket is created once, however often and by whatever way that is told."""
    return Event(
        type=CREATED,
        connection=connection,
        at=datetime.now(UTC),
        delivery=delivery,
        meaning=f"ticket {ticket.id} created",
        subject=f"ticket {ticket.key or ticket.id} {ticket.subject}".strip()[:200],
        facts=ticket.facts(connection),
        lane=f"ticket {ticket.id}",
        raw=raw,
    )


def by_hand(connection: str, type_: str, fields: Mapping[str, Any]) -> Event:
    """Make the event that somebody asks for by hand: `ticket.id=42`. Raises NotThere."""
    given = dict(fields.get("ticket") or {})
    if not given.get("id"):
        raise NotThere(f"{type_} needs to know which ticket", remedy="Add `--with ticket.id=…`.")
    now = datetime.now(UTC)
    name = f"by hand ticket {given['id']} {now.isoformat()}"
    raw = {"by_hand": dict(fields)}
    lane = f"ticket {given['id']}"
    return Event(
        type_, connection, now, delivery=name, meaning=name, subject=lane, facts={"ticket": given}, lane=lane, raw=raw
    )
