"""Freshdesk's API: the ticket, private notes, custom fields (facts/vendors.md 2)."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from roomkeeper.automations.event import Event
from roomkeeper.connectors.freshdesk.settings import Freshdesk
from roomkeeper.connectors.freshdesk.webhook import priority_of
from roomkeeper.vendors import tickets
from roomkeeper.vendors.answers import record, rows
from roomkeeper.vendors.client import VendorClient
from roomkeeper.vendors.notes import as_html
from roomkeeper.vendors.pace import Rate
from roomkeeper.vendors.reading import mapping, text
from roomkeeper.vendors.recent import stamp
from roomkeeper.vendors.tickets import Ticket

_PAGE, _LAST_PAGE = 100, 300  # beyond, Freshdesk refuses


class FreshdeskClient(VendorClient):
    """A Freshdesk account; `wanted` are the fields of tickets that automations use."""

    vendor = "Freshdesk"
    #: The smallest plan that has an API (facts/vendors.md 2, Limits).
    rate: ClassVar[Rate | None] = Rate(200, 60.0)
    remedy = "Check `api_key` (profile settings), and that this agent may see the ticket; then it goes on."

    def __init__(self, settings: Freshdesk, wanted: frozenset[str], *, dry: bool) -> None:
        pair = f"{settings.api_key.get_secret_value()}:X"
        headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        super().__init__(settings.url, settings, headers=headers, dry=dry)
        self.wanted = wanted

    async def whoami(self) -> str:
        """Say whose key this is. Raises RemoteError."""
        contact = mapping(mapping(await self.get("/api/v2/agents/me")).get("contact"))
        return f"{text(contact.get('name'))} <{text(contact.get('email'))}>"

    def attempts(self) -> Mapping[str, Callable[[], Awaitable[str]]]:
        """Name what can be tried without changing anything."""
        return {"tickets": self.reading("/api/v2/tickets", {"per_page": 1})}

    async def ticket(self, number: str) -> Ticket:
        """Read a ticket with its requester. Raises NotFound."""
        found = await self.get(_path(number), {"include": "requester"})
        return self._read_ticket(record(found, f"Freshdesk's ticket {number}"))

    async def newest_tickets(self, since: datetime) -> AsyncIterator[list[Ticket]]:
        """List the tickets that changed since then, page by page, the newest first."""
        query: dict[str, str | int] = {
            "updated_since": stamp(since),
            "order_by": "created_at",
            "order_type": "desc",
            "include": "requester",
            "per_page": _PAGE,
        }
        for page in range(1, _LAST_PAGE + 1):
            found = rows(await self.get("/api/v2/tickets", query | {"page": page}), "Freshdesk's list of tickets")
            yield [self._read_ticket(one) for one in found]
            if len(found) < _PAGE:
                return

    async def ticket_notes(self, ticket: str) -> dict[str, str]:
        """List the ticket's conversations with their texts."""
        notes: dict[str, str] = {}
        for page in range(1, _LAST_PAGE + 1):
            answer = await self.get(f"{_path(ticket)}/conversations", {"per_page": _PAGE, "page": page})
            found = rows(answer, "Freshdesk's list of conversations")
            notes |= {text(one.get("id")): text(one.get("body_text")) + text(one.get("body")) for one in found}
            if len(found) < _PAGE:
                break
        return notes

    async def add_ticket_note(self, ticket: str, text_: str) -> str:
        """Write a private note; it is never public."""
        answer = await self.post(f"{_path(ticket)}/notes", {"body": as_html(text_), "private": True})
        return text(record(answer, "Freshdesk's answer to a note")["id"])

    async def ticket_field(self, ticket: str, field: str) -> str:
        """Read a custom field (`cf_…`), or a field of the ticket."""
        found = record(await self.get(_path(ticket)), f"Freshdesk's ticket {ticket}")
        return text(mapping(found.get("custom_fields")).get(field) if field.startswith("cf_") else found.get(field))

    async def set_ticket_field(self, ticket: str, field: str, value: str | float) -> None:
        """Set a custom field (`cf_…`), or a field of the ticket."""
        change = {"custom_fields": {field: value}} if field.startswith("cf_") else {field: value}
        await self.send("PUT", _path(ticket), body=change)

    def _read_ticket(self, found: Mapping[str, Any]) -> Ticket:
        requester, priority, number = (
            mapping(found.get("requester")),
            text(found.get("priority")),
            text(found.get("id")),
        )
        return Ticket(
            id=number,
            subject=text(found.get("subject")),
            url=f"{self.url}/a/tickets/{number}",
            priority=priority_of(priority),
            requester_name=text(requester.get("name")),
            requester_email=text(requester.get("email")),
            created_at=text(found.get("created_at")),
            fields={**found, **mapping(found.get("custom_fields"))},
        )


async def complete(client: FreshdeskClient, event: Event) -> Event:
    """Read what the delivery lacks. Raises RemoteError."""
    return await tickets.completed(event, client.wanted, client.ticket)


def _path(ticket: str) -> str:
    return f"/api/v2/tickets/{quote(ticket, safe='')}"
