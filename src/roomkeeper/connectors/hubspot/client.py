"""HubSpot's API: the deal with what belongs to it, and its notes (facts/vendors.md 4)."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from roomkeeper.automations.event import Event
from roomkeeper.connectors.hubspot.settings import HubSpot
from roomkeeper.errors import Clash, Forbidden, Garbled, NotFound, RemoteError, Unavailable
from roomkeeper.vendors import deals
from roomkeeper.vendors.answers import Pages, count, record, rows
from roomkeeper.vendors.client import VendorClient
from roomkeeper.vendors.deals import Closing, Deal, Page
from roomkeeper.vendors.notes import as_html
from roomkeeper.vendors.pace import Rate
from roomkeeper.vendors.reading import mapping, moment, text

_NOTE_ON_DEAL = 214  # the type of the association
_BATCH, _SEARCHABLE = 100, 9_900  # a search gives ten thousand results at most
_PROPERTIES = ("dealname", "amount", "deal_currency_code", "dealstage", "pipeline", "closedate", "hubspot_owner_id")
_STAGES_KEPT = 60.0  # seconds; ours
_LAG = 120.0  # seconds after a change in which a deal may still be shown as it was before
_DEALS, _NOTES = "HubSpot's list of deals", "HubSpot's list of notes"
Status = Literal["won", "lost"] | None


class HubSpotClient(VendorClient):
    """A HubSpot account; `wanted` are the fields of deals that automations use."""

    vendor = "HubSpot"
    #: Of a private app below Professional (facts/vendors.md 4, Limits).
    rate: ClassVar[Rate | None] = Rate(100, 10.0)
    remedy = (
        "Give the app the scopes crm.objects.deals.read and .write, companies.read, contacts.read and .write and "
        "crm.objects.owners.read, or a new `access_token`; then it goes on."
    )

    #: A locked record, and an account that is being moved to another data centre, which takes up to a day; it says
    #: when to come back (developers.hubspot.com, HTTP error codes).
    passing: ClassVar[Mapping[int | str, type[RemoteError]]] = {HTTPStatus.LOCKED: Clash, 477: Unavailable}

    def __init__(self, settings: HubSpot, wanted: frozenset[str], *, dry: bool) -> None:
        token = settings.access_token.get_secret_value()
        headers = {"Authorization": f"Bearer {token}"}
        super().__init__(settings.url, settings, headers=headers, dry=dry)
        self._wanted = wanted
        own = {name.partition(".")[2].partition(".")[0] for name in wanted if name.startswith("fields.")}
        self._properties = ",".join(sorted({*_PROPERTIES, *own} - {""}))
        self._stages: dict[str, dict[str, Status]] = {}
        self._read_at: dict[str, float] = {}  # when they were; in a box, for all views share it
        self._reading = asyncio.Lock()

    async def whoami(self) -> str:
        """Try the token; HubSpot does not say whose it is without being told the token again. Raises RemoteError."""
        await self.get("/crm/v3/pipelines/deals")
        return "the token is accepted, and may read pipelines"

    def attempts(self) -> Mapping[str, Callable[[], Awaitable[str]]]:
        """Name what can be tried without changing anything."""
        return {"deals": self.reading("/crm/v3/objects/deals", {"limit": 1}), "changes": self._changes}

    async def _changes(self) -> str:
        async for _ in self.closed_deals(datetime.now(UTC) - timedelta(minutes=1)):
            break
        return ""

    async def closing(self, deal: str) -> Closing:
        """Read a deal: whether and how it is closed, its stage, and when it entered that."""
        query = {
            "properties": self._properties,
            "propertiesWithHistory": "dealstage",
            "associations": "companies,contacts",
        }
        answer = await self.get(f"/crm/v3/objects/deals/{quote(deal, safe='')}", query)
        found = record(answer, f"HubSpot's deal {deal}")
        properties = mapping(found.get("properties"))
        stage = text(properties.get("dealstage"))
        status = await self.outcome(text(properties.get("pipeline")), stage)
        began = self._began(found, status)
        links = mapping(found.get("associations"))
        return Closing(
            Deal(
                id=text(found.get("id")) or deal,
                status=status or "won",
                name=text(properties.get("dealname")),
                company=await self._name_of(links, "companies", "name", "company"),
                contact_email=await self._name_of(links, "contacts", "email", "contact.email"),
                owner_email=await self._owner(text(properties.get("hubspot_owner_id"))),
                amount=deals.amount(properties.get("amount")),
                currency=text(properties.get("deal_currency_code")),
                fields={name: value for name, value in properties.items() if value is not None},
            ),
            is_closed=status is not None,
            stage=stage,
            since=began or text(properties.get("closedate")),
            is_certain=bool(began),
        )

    async def closed_deals(self, since: datetime) -> AsyncIterator[Page]:
        """List the closed deals among those that changed since then."""
        floor, after, pages = int(since.timestamp() * 1000), "", Pages(_DEALS)
        while True:
            changed = {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": str(floor)}
            wanted: dict[str, Any] = {
                "filterGroups": [{"filters": [changed]}],
                "sorts": [{"propertyName": "hs_lastmodifieddate", "direction": "ASCENDING"}],
                "properties": ["dealstage", "pipeline", "hs_lastmodifieddate"],
                "limit": _BATCH,
            }
            page = mapping(
                await self.post("/crm/v3/objects/deals/search", wanted | ({"after": after} if after else {}))
            )
            found = rows(page.get("results"), _DEALS)
            closings = [one for row in found if (one := await self._closed(row)) is not None]
            yield Page(closings, _changed(found[-1]) if found else "")
            after = pages.next(_after(page))
            if not after or not found:
                return
            if count(after, _DEALS) >= _SEARCHABLE:  # more is refused, so the search begins anew where it came to
                floor, after, pages = _later(found[-1], floor), "", Pages(_DEALS)

    async def _closed(self, row: Mapping[str, Any]) -> tuple[str, str, str] | None:
        properties, number = mapping(row.get("properties")), text(row.get("id"))
        if await self.outcome(text(properties.get("pipeline")), text(properties.get("dealstage"))) is None:
            return None
        query = {"properties": "dealstage,pipeline,closedate", "propertiesWithHistory": "dealstage"}
        answer = await self.get(f"/crm/v3/objects/deals/{quote(number, safe='')}", query)
        found = record(answer, f"HubSpot's deal {number}")
        current = mapping(found.get("properties"))
        status = await self.outcome(text(current.get("pipeline")), text(current.get("dealstage")))
        return (number, status, self._began(found, status) or text(current.get("closedate"))) if status else None

    async def deal_notes(self, deal: str) -> dict[str, str]:
        """List the deal's notes with their texts."""
        ids: list[str] = []
        pages, after = Pages(_NOTES), ""
        while True:
            path = f"/crm/v4/objects/deals/{quote(deal, safe='')}/associations/notes"
            page = mapping(await self.get(path, {"limit": 500} | ({"after": after} if after else {})))
            ids += [text(one.get("toObjectId")) for one in rows(page.get("results"), _NOTES)]
            after = pages.next(_after(page))
            if not after:
                break
        notes: dict[str, str] = {}
        for at in range(0, len(ids), _BATCH):
            wanted = {"properties": ["hs_note_body"], "inputs": [{"id": id_} for id_ in ids[at : at + _BATCH]]}
            read = mapping(await self.post("/crm/v3/objects/notes/batch/read", wanted))
            for one in rows(read.get("results"), _NOTES):
                notes[text(one.get("id"))] = text(mapping(one.get("properties")).get("hs_note_body"))
        return notes

    async def add_deal_note(self, deal: str, text_: str) -> str:
        """Write a note on the deal."""
        association = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": _NOTE_ON_DEAL}
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "properties": {"hs_timestamp": moment, "hs_note_body": as_html(text_)},
            "associations": [{"to": {"id": deal}, "types": [association]}],
        }
        return text(record(await self.post("/crm/v3/objects/notes", body), "HubSpot's answer to a note")["id"])

    async def outcome(self, pipeline: str, stage: str) -> Status:
        """Tell what a stage means, by its pipeline: stage ids are the customer's own; None if it is open.

        What a stage means may be changed: before one is said to be open, the pipelines are read again. Where they
        cannot be read nothing is said, and whoever asks meanwhile waits for the answer.
        """
        known = self._stages.get(pipeline, {}).get(stage)
        if known is not None:
            return known
        async with self._reading:
            await self._read_stages()
        return self._stages.get(pipeline, {}).get(stage)

    async def _read_stages(self) -> None:
        """Read what stages mean, unless that was done just now. Raises RemoteError."""
        if time.monotonic() - self._read_at.get("", -_STAGES_KEPT) >= _STAGES_KEPT:
            answer = mapping(await self.get("/crm/v3/pipelines/deals"))
            for one in rows(answer.get("results"), "HubSpot's list of pipelines"):
                stages = rows(one.get("stages"), "HubSpot's list of stages")
                meanings = {text(each.get("id")): _outcome(mapping(each.get("metadata"))) for each in stages}
                self._stages[text(one.get("id"))] = meanings
            self._read_at[""] = time.monotonic()

    def _began(self, found: Mapping[str, Any], status: Status) -> str:
        """Say since when a deal is closed this way, if HubSpot's history of its stage says so.

        Its stages may have been of other pipelines; their ids are unique in an account.
        """
        if status is None:
            return ""
        history = mapping(found.get("propertiesWithHistory")).get("dealstage")
        versions = [mapping(one) for one in history] if isinstance(history, list) else []
        entered = [(text(one.get("value")), text(one.get("timestamp"))) for one in versions]
        meanings = {stage: means for stages in self._stages.values() for stage, means in stages.items()}
        return deals.began(entered, status, meanings.get)

    async def _name_of(self, links: Mapping[str, Any], kind: str, name: str, wanted: str) -> str:
        """Read one field of the deal's company or contact, if an automation uses it."""
        one = _primary(mapping(links.get(kind)).get("results"), kind)
        if wanted not in self._wanted or not one:
            return ""
        path = f"/crm/v3/objects/{kind}/{quote(one, safe='')}"
        try:
            found = mapping(await self.get(path, {"properties": name}))
        except NotFound:
            return ""
        return text(mapping(found.get("properties")).get(name))

    async def _owner(self, owner: str) -> str:
        if "owner.email" not in self._wanted or not owner:
            return ""
        try:
            return text(mapping(await self.get(f"/crm/v3/owners/{quote(owner, safe='')}")).get("email"))
        except (NotFound, Forbidden):
            return ""


async def complete(client: HubSpotClient, event: Event) -> Event:
    """Read the deal: the delivery has its id only. Raises RemoteError."""
    known = deals.identified(event)
    found = await client.closing(known)
    if found.is_closed:
        return deals.completed(event, found.deal, since=found.since, certain=found.is_certain)
    told = text(event.facts["deal"].get("stage"))
    if told not in {"", found.stage} and time.time() - event.at.timestamp() < _LAG:
        raise Unavailable(f"HubSpot told that deal {known} went to {told!r}, and shows it in {found.stage!r} still")
    why = f"deal {known} is not closed: it is in the stage {found.stage!r}"
    return deals.completed(event, found.deal, since="", why=why)


def _after(page: Mapping[str, Any]) -> object:
    """Where the page after this one is."""
    return mapping(mapping(page.get("paging")).get("next")).get("after")


def _changed(row: Mapping[str, Any]) -> str:
    """When a deal was modified."""
    return text(mapping(row.get("properties")).get("hs_lastmodifieddate"))


def _later(row: Mapping[str, Any], known: int) -> int:
    """When a deal was modified, in milliseconds; later than known, or a search would not go on. Raises Garbled."""
    modified = int(moment(_changed(row)).timestamp() * 1000)
    if modified <= known:
        raise Garbled(f"{_DEALS} has no end: {_SEARCHABLE} of them were modified at {_changed(row)!r}")
    return modified


def _primary(results: object, kind: str) -> str:
    """Choose the primary company, or the only one: which of several is meant is not ours to guess."""
    links = [mapping(one) for one in results] if isinstance(results, list) else []
    primary = [text(one.get("id")) for one in links if kind == "companies" and one.get("type") == "deal_to_company"]
    every = list(dict.fromkeys(text(one.get("id")) for one in links))
    if kind == "contacts":
        return every[0] if every else ""
    return primary[0] if primary else every[0] if len(every) == 1 else ""


def _outcome(metadata: Mapping[str, Any]) -> Status:
    """Say won or lost of a closed stage. Everything is text, also truth and probability."""
    if text(metadata.get("isClosed")).lower() != "true":
        return None
    return "won" if deals.amount(metadata.get("probability")) == 1.0 else "lost"
