"""A closed deal, in one shape whichever CRM says so."""

import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from roomkeeper import outside
from roomkeeper.automations.event import Event
from roomkeeper.contract.step import ABOUT, EventKind
from roomkeeper.contract.trail import Search
from roomkeeper.vendors import recent
from roomkeeper.vendors.by_hand import BY_HAND
from roomkeeper.vendors.by_hand import about as by_hand_about
from roomkeeper.vendors.reading import moment, overlaid

CLOSED = "deal.closed"
_SINCE = " since "
by_hand = by_hand_about("deal")
_FIELDS: Mapping[str, Mapping[str, Any] | None] = {
    **{name: {} for name in ("id", "name", "status", "company", "amount", "currency", "url", "connection")},
    "contact": {"email": {}},
    "owner": {"email": {}},
    "fields": None,  # the vendor's own
}
EVENTS = {CLOSED: EventKind(CLOSED, {"event": ABOUT, "deal": _FIELDS})}


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
        return f"{self.named} {self.status}"

    @property
    def named(self) -> str:
        """The line without what became of it: it may be open."""
        return " ".join(part for part in ("deal", self.id, self.company or self.name) if part)


@dataclass(frozen=True)
class Closing:
    """A deal as its CRM has it now: `stage` is the CRM's own word, `since` is when it came to be so.

    `is_certain` says whether the CRM's own record says so, or a field that people may edit.
    """

    deal: Deal
    is_closed: bool
    stage: str
    since: str
    is_certain: bool = True
    told: str = ""  # the moment by which the CRM's list names it, if it is another


@dataclass(frozen=True)
class Page:
    """A part of the list of deals that changed, in the order of their changes.

    `closings` are the closed ones among them: id, status, and since when; `until` is when the last of all changed.
    """

    closings: list[tuple[str, str, str]]
    until: str


def about(deal: str, **known: str) -> dict[str, dict[str, Any]]:
    """Give what a delivery tells that has little more than the deal's id."""
    return {"deal": {"id": deal, **known}}


def completed(event: Event, deal: Deal, *, since: str, why: str = "", certain: bool = True, told: str = "") -> Event:
    """Add to an event what was read of its deal; what was said by hand stands.

    `why` says that it is not closed; what would be done if it were can be tried all the same. `since` is when the
    deal came to be closed this way: one closing is one event, however often it was told, and closing it again later
    is another. Asked for by hand, it is done again. Not `certain`, the moment may have been edited by people: then
    it is the closing that is known already, unless the deal was told of as reopened, or closed otherwise, since.
    `told` is the moment by which the vendor's list names this closing, if it is another.
    """
    said = event.facts["deal"] if event.meaning.startswith(BY_HAND) else about(deal.id, **_told(event))["deal"]
    facts = {"deal": overlaid(deal.facts(event.connection)["deal"], said)}
    known = replace(event, subject=deal.named if why else deal.subject, facts=facts, ignored=why)
    if event.meaning.startswith(BY_HAND):
        return known
    if why:
        return replace(known, meaning=not_closed(deal.id, event.delivery))
    if not since:
        return known
    meaning = closing(deal.id, deal.status, since)
    listed = closing(deal.id, deal.status, told) if told else ""
    return replace(known, meaning=meaning, standing="" if certain else standing_of(meaning), witness=listed)


def found(connection: str, deal: str, status: str, since: str) -> Event:
    """Make the event of a closed deal that was found in the vendor's list; `since` is when it came to be closed."""
    meaning = closing(deal, status, since)
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


async def _listed(client: Any, search: Search, since: datetime) -> AsyncIterator[recent.Part]:  # noqa: ANN401
    """List the closings of the deals that changed since then, from the pages of `client.closed_deals(since)`."""
    async for page in client.closed_deals(since):
        yield recent.Part([found(search.connection, *one) for one in page.closings], outside.moment(page.until))


#: Where closed deals that were never told of are found.
TRAIL = recent.trail(_listed)


def closing(deal: str, status: str, since: str) -> str:
    """Name one closing of a deal."""
    return f"deal {deal} {status}{_SINCE}{since}"


def not_closed(deal: str, told: str) -> str:
    """Name what was told of a deal that is open: what closes it afterwards is another closing."""
    return f"deal {deal} not closed: {told}"


def standing_of(meaning: str) -> str:
    """Give the state that the name of a closing tells of, without its beginning; empty if it names none."""
    state, since, _ = meaning.partition(_SINCE)
    return state if since else ""


def began(history: Sequence[tuple[str, str]], outcome: str, means: Callable[[str], str | None]) -> str:
    """Say since when a deal is closed as it is: the beginning of the unbroken end of its history.

    `history` are stages with the moments at which they were entered, the newest first; `means` says how a stage
    closes a deal, None if it does not. A deal that goes from one won stage to another stays closed (facts/vendors.md).
    """
    since = ""
    for stage, entered in history:
        if means(stage) != outcome:
            break
        since = entered or since
    return since


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
        read = float(str(value))
    except ValueError:
        return ""
    return read if math.isfinite(read) else ""
