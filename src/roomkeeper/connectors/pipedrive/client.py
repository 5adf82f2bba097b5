"""Pipedrive's API: the deal with what belongs to it, and its notes (facts/vendors.md 5)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from roomkeeper.automations.event import Event
from roomkeeper.connectors.pipedrive.settings import Pipedrive
from roomkeeper.connectors.pipedrive.webhook import CLOSED
from roomkeeper.errors import Forbidden, NotFound, Rejected
from roomkeeper.vendors import deals
from roomkeeper.vendors.answers import Pages, record, rows
from roomkeeper.vendors.client import VendorClient
from roomkeeper.vendors.deals import Closing, Deal, Page
from roomkeeper.vendors.notes import as_html
from roomkeeper.vendors.pace import Rate
from roomkeeper.vendors.reading import mapping, text
from roomkeeper.vendors.recent import stamp

_PAGE = 100
_RECORD = 500  # changes on a page of a deal's record


class PipedriveClient(VendorClient):
    """A Pipedrive company; `wanted` are the fields of deals that automations use."""

    vendor = "Pipedrive"
    #: The burst of an API token on the smallest plan (facts/vendors.md 5, Limits).
    rate: ClassVar[Rate | None] = Rate(20, 2.0)
    remedy = "Give `api_token` the token of a user who may see and change all deals; then it goes on."

    def __init__(self, settings: Pipedrive, wanted: frozenset[str], *, dry: bool) -> None:
        headers = {"x-api-token": settings.api_token.get_secret_value()}
        super().__init__(settings.url, settings, headers=headers, dry=dry)
        self._wanted, self._names = wanted, settings.fields

    async def whoami(self) -> str:
        """Say whose token this is. Raises RemoteError."""
        me = _data(await self.get("/api/v1/users/me"))
        seen = "" if me.get("is_admin") else "; no administrator, so deals that this user may not see are not told of"
        return f"{text(me.get('name'))} <{text(me.get('email'))}>{seen}"

    def attempts(self) -> Mapping[str, Callable[[], Awaitable[str]]]:
        """Name what can be tried without changing anything."""
        notes = self.reading("/api/v1/notes", {"limit": 1})
        return {"deals": self.reading("/api/v2/deals", {"limit": 1}), "notes": notes}

    async def closing(self, deal: str) -> Closing:
        """Read a deal: whether and how it is closed, its status, and since when."""
        answer = await self.get(f"/api/v2/deals/{quote(deal, safe='')}")
        found = record(_data(answer), f"Pipedrive's deal {deal}")
        status = text(found.get("status"))
        changed = await self._changed(deal, status) if status in CLOSED else ""
        return Closing(
            Deal(
                id=text(found.get("id")) or deal,
                status="lost" if status == "lost" else "won",
                name=text(found.get("title")),
                company=await self._related("company", f"/api/v2/organizations/{_id(found.get('org_id'))}", "name"),
                contact_email=await self._contact(_id(found.get("person_id"))),
                owner_email=await self._related("owner.email", f"/api/v1/users/{_id(found.get('owner_id'))}", "email"),
                amount=deals.amount(found.get("value")),
                currency=text(found.get("currency")),
                url=f"{self.url}/deal/{deal}",
                fields=self._fields(found),
            ),
            is_closed=status in CLOSED,
            stage=status,
            since=changed or _since(found),
            is_certain=bool(changed),
            told=_since(found),
        )

    async def _changed(self, deal: str, status: str) -> str:
        """Say when a deal came to have its status, by its own record: `won_time` may be edited on a won deal.

        Empty if the record does not say (`GET /deals/{id}/changelog`, developers.pipedrive.com, 14 February 2024).
        """
        query: dict[str, str | int] = {"limit": _RECORD}
        moments: list[str] = []
        pages = Pages("Pipedrive's record of a deal")
        while True:
            try:
                page = mapping(await self.get(f"/api/v1/deals/{quote(deal, safe='')}/changelog", query))
            except (NotFound, Rejected, Forbidden):
                return ""
            moments += [
                text(one.get("time"))
                for one in rows(page.get("data"), "Pipedrive's record of a deal")
                if one.get("field_key") == "status" and text(one.get("new_value")) == status
            ]
            cursor = pages.next(mapping(page.get("additional_data")).get("next_cursor"))
            if not cursor:
                return max(moments, default="")
            query |= {"cursor": cursor}

    async def closed_deals(self, since: datetime) -> AsyncIterator[Page]:
        """List the closed deals among those that changed since then; those that are archived have a list of their own.

        (Pipedrive's changelog, 2025-07-15)
        """
        async for page in self._closed_deals("/api/v2/deals/archived", since):
            yield replace(page, until="")  # how far the search has come is told by the other list, which comes last
        async for page in self._closed_deals("/api/v2/deals", since):
            yield page

    async def _closed_deals(self, address: str, since: datetime) -> AsyncIterator[Page]:
        query: dict[str, str | int] = {
            "updated_since": stamp(since),
            "sort_by": "update_time",
            "sort_direction": "asc",
            "limit": _PAGE,
        }
        pages = Pages("Pipedrive's list of deals")
        while True:
            page = mapping(await self.get(address, query))
            found = rows(page.get("data"), "Pipedrive's list of deals")
            stands = [(text(one.get("id")), text(one.get("status")), _since(one)) for one in found]
            closings = [one for one in stands if one[1] in CLOSED]
            yield Page(closings, text(found[-1].get("update_time")) if found else "")
            cursor = pages.next(mapping(page.get("additional_data")).get("next_cursor"))
            if not cursor:
                return
            query |= {"cursor": cursor}

    async def deal_notes(self, deal: str) -> dict[str, str]:
        """List the deal's notes with their texts."""
        notes: dict[str, str] = {}
        pages, start = Pages("Pipedrive's list of notes"), 0
        while True:
            query: dict[str, str | int] = {"deal_id": deal, "start": start, "limit": _PAGE, "sort": "add_time DESC"}
            page = mapping(await self.get("/api/v1/notes", query))
            found = rows(page.get("data"), "Pipedrive's list of notes")
            notes |= {text(one.get("id")): text(one.get("content")) for one in found}
            more = mapping(mapping(page.get("additional_data")).get("pagination"))
            if not found or not more.get("more_items_in_collection"):
                return notes
            pages.next(len(notes))
            start += len(found)

    async def add_deal_note(self, deal: str, text_: str) -> str:
        """Write a note on the deal."""
        body = {"content": as_html(text_), "deal_id": int(deal) if deal.isdecimal() else deal}
        return text(record(_data(await self.post("/api/v1/notes", body)), "Pipedrive's answer to a note")["id"])

    def _fields(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Give all fields of the deal, custom ones beside the others, and under the names they were given here."""
        own = found.get("custom_fields")
        fields = {name: value for name, value in found.items() if name != "custom_fields" and value is not None}
        if isinstance(own, dict):
            fields |= {key: plain for key, value in own.items() if (plain := _plain(value)) is not None}
        return fields | {name: fields[key] for name, key in self._names.items() if key in fields}

    async def _contact(self, person: str) -> str:
        if "contact.email" not in self._wanted or not person:
            return ""
        try:
            found = _data(await self.get(f"/api/v2/persons/{person}"))
        except NotFound:
            return ""
        emails = rows(found.get("emails") or found.get("email"), "Pipedrive's list of addresses")
        chosen = sorted(emails, key=lambda one: not one.get("primary"))
        return text(chosen[0].get("value")) if chosen else ""

    async def _related(self, wanted: str, path: str, name: str) -> str:
        """Read one field of what belongs to the deal, if an automation uses it."""
        if wanted not in self._wanted or path.endswith("/"):
            return ""
        try:
            return text(_data(await self.get(path)).get(name))
        except NotFound:
            return ""


async def complete(client: PipedriveClient, event: Event) -> Event:
    """Read the deal as it is now. Raises RemoteError."""
    known = deals.identified(event)
    found = await client.closing(known)
    why = "" if found.is_closed else f"deal {known} is not closed: it is {found.stage or 'without a status'}"
    # A delivery tells of a change of the status; the list of deals tells only what they are now.
    certain = found.is_certain or not event.found
    return deals.completed(event, found.deal, since=found.since, why=why, certain=certain, told=found.told)


def _since(deal: Mapping[str, Any]) -> str:
    """When a deal came to have its status."""
    return text(deal.get(f"{text(deal.get('status'))}_time") or deal.get("close_time"))


def _data(answer: object) -> Mapping[str, Any]:
    return mapping(mapping(answer).get("data"))


def _id(value: object) -> str:
    """Take the id of something related: a number, or an object with `value` as version 1 writes it."""
    return quote(text(mapping(value).get("value") if isinstance(value, dict) else value), safe="")


def _plain(value: object) -> object:
    """Take a custom field's value out of the object that version 2 puts around it."""
    return value.get("value", value.get("id")) if isinstance(value, dict) else value
