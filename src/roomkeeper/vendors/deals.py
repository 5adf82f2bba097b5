"""A closed deal, in one shape whichever CRM says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from roomkeeper.automations.event import Event
from roomkeeper.automations.step import EventKind
from roomkeeper.errors import NotThere

CLOSED = "deal.closed"
_BY_HAND = "by hand"
_FIELDS: Mapping[str, Mapping[str, Any] | None] = {
    **{name: {} for name in ("id", "name", "status", "company", "amount", "currency", "url", "connection")},
    "contact": {"email": {}},
    "owner": {"email": {}},
    "fields": None,  # the vendor's own
}
_ABOUT: Mapping[str, Mapping[str, Any] | None] = {name: {} for name in ("id", "type", "connection", "at", "actor")} | {
    "raw": None
}
EVENTS = {CLOSED: EventKind(CLOSED, {"event": _ABOUT, "deal": _FIELDS})}


@dataclass(frozen=True)
class Deal:
    """A deal that was won or lost; `fields` are the vendor's own."""

    id: str
    status: Literal["won", "lost"]
    name: str = ""
    company: str = ""
    contact_email: str = ""
    owner_email: str = ""
    amount: float | str = ""
    currency: str = ""
    url: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    def facts(self, connection: str) -> dict[str, dict[str, Any]]:
        """Give the variables that templates see."""
        return {
            "deal": {
                "id": self.id,
                "name": self.name,
                "status": self.status,
                "company": self.company,
                "contact": {"email": self.contact_email},
                "owner": {"email": self.owner_email},
                "amount": self.amount,
                "currency": self.currency,
                "url": self.url,
                "connection": connection,
                "fields": dict(self.fields),
            }
        }

    @property
    def subject(self) -> str:
        """A line for people."""
        return " ".join(part for part in ("deal", self.id, self.company or self.name, self.status) if part)


@dataclass(frozen=True)
class Closing:
    """A deal as its CRM has it now: `stage` is the CRM's own word, `since` is when it came to be so."""

    deal: Deal
    is_closed: bool
    stage: str
    since: str


def about(deal: str, **known: str) -> dict[str, dict[str, Any]]:
    """Give what a delivery tells that has little more than the deal's id."""
    return {"deal": {"id": deal, **known}}


def completed(event: Event, deal: Deal, *, since: str, why: str = "") -> Event:
    """Add to an event what was read of its deal; what was said by hand stands.

    `why` says that it is not closed; what would be done if it were can be tried all the same. `since` is when the
    deal came to be closed this way: one closing is one event, however often it was told, and closing it again later
    is another. Asked for by hand, it is done again.
    """
    said = event.facts["deal"] if event.meaning.startswith(_BY_HAND) else about(deal.id, **_told(event))["deal"]
    facts = {"deal": _with(deal.facts(event.connection)["deal"], said)}
    told = f"deal {deal.id} {deal.status} since {since}"
    meaning = event.meaning if why or not since or event.meaning.startswith(_BY_HAND) else told
    return replace(event, meaning=meaning, subject=deal.subject, facts=facts, ignored=why)


def _told(event: Event) -> dict[str, str]:
    """Give what only the delivery tells."""
    told = event.facts["deal"]
    return {name: told[name] for name in ("url", "stage") if told.get(name)}


def _with(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Add what is said to what is known, field by field."""
    out = dict(known)
    for name, value in more.items():
        both = isinstance(value, Mapping) and isinstance(out.get(name), Mapping)
        out[name] = _with(out[name], value) if both else value
    return out


def identified(event: Event) -> str:
    """Give the id of the deal that an event is about."""
    return str(event.facts["deal"]["id"])


def by_hand(connection: str, type_: str, fields: Mapping[str, Any]) -> Event:
    """Make the event that somebody asks for by hand: `deal.id=42`. Raises NotThere."""
    given = dict(fields.get("deal") or {})
    if not given.get("id"):
        raise NotThere(f"{type_} needs to know which deal", remedy="Add `--with deal.id=…`.")
    now = datetime.now(UTC)
    name = f"{_BY_HAND} deal {given['id']} {now.isoformat()}"
    raw = {"by_hand": dict(fields)}
    lane = f"deal {given['id']}"
    return Event(
        type_, connection, now, delivery=name, meaning=name, subject=lane, facts={"deal": given}, lane=lane, raw=raw
    )


def amount(value: object) -> float | str:
    """Read a sum of money; empty if there is none."""
    try:
        return float(str(value))
    except ValueError:
        return ""
