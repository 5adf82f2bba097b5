"""A closed deal, in one shape whichever CRM says so."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from roomkeeper.automations.event import Event
from roomkeeper.contract.step import EventKind
from roomkeeper.contract.trail import Search
from roomkeeper.vendors import recent
from roomkeeper.vendors.by_hand import BY_HAND
from roomkeeper.vendors.by_hand import about as by_hand_about
from roomkeeper.vendors.reading import moment, overlaid

CLOSED = "deal.closed"
by_hand = by_hand_about("deal")
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
    said = event.facts["deal"] if event.meaning.startswith(BY_HAND) else about(deal.id, **_told(event))["deal"]
    facts = {"deal": overlaid(deal.facts(event.connection)["deal"], said)}
    is_its_own = why or not since or event.meaning.startswith(BY_HAND)
    meaning = event.meaning if is_its_own else _closing(deal.id, deal.status, since)
    return replace(event, meaning=meaning, subject=deal.subject, facts=facts, ignored=why)


def found(connection: str, deal: str, status: str, since: str) -> Event:
    """Make the event of a closed deal that was found in the vendor's list; `since` is when it came to be closed."""
    meaning = _closing(deal, status, since)
    return Event(
        type=CLOSED,
        connection=connection,
        at=moment(since),
        delivery=f"found {meaning}",
        meaning=meaning,
        subject=f"deal {deal} {status}",
        facts=about(deal),
        lane=f"deal {deal}",
        raw={"found": meaning},
        found=recent.RECENT,
    )


async def _listed(client: Any, search: Search, since: datetime) -> AsyncIterator[list[Event]]:  # noqa: ANN401
    """List the closings of the deals that changed since then, from `client.closed_deals(since)`."""
    async for closings in client.closed_deals(since):
        yield [found(search.connection, *one) for one in closings]


#: Where closed deals that were never told of are found.
TRAIL = recent.trail(_listed)


def _closing(deal: str, status: str, since: str) -> str:
    """Name one closing of a deal."""
    return f"deal {deal} {status} since {since}"


def _told(event: Event) -> dict[str, str]:
    """Give what only the delivery tells."""
    told = event.facts["deal"]
    return {name: told[name] for name in ("url", "stage") if told.get(name)}


def identified(event: Event) -> str:
    """Give the id of the deal that an event is about."""
    return str(event.facts["deal"]["id"])


def amount(value: object) -> float | str:
    """Read a sum of money; empty if there is none."""
    try:
        return float(str(value))
    except ValueError:
        return ""
