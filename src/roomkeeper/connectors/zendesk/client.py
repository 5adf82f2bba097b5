"""Zendesk's API: the ticket, internal notes, custom fields (facts/vendors.md 1)."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from roomkeeper.automations.event import Event
from roomkeeper.connectors.zendesk.settings import Zendesk
from roomkeeper.errors import NotFound, Unauthorized
from roomkeeper.vendors import tickets
from roomkeeper.vendors.answers import Pages, record, rows
from roomkeeper.vendors.client import VendorClient
from roomkeeper.vendors.notes import as_html
from roomkeeper.vendors.reading import mapping, text
from roomkeeper.vendors.tickets import Ticket

_PAGE, _LAST_PAGE = 100, 100  # beyond, Zendesk refuses


class ZendeskClient(VendorClient):
    """A Zendesk account; `wanted` are the fields of tickets that automations use."""

    vendor = "Zendesk"
    remedy = (
        "Check `email` and `api_token` (Admin Center, APIs), and that this agent may see the ticket; then it goes on."
    )

    def __init__(self, settings: Zendesk, wanted: frozenset[str], *, dry: bool) -> None:
        pair = f"{settings.email}/token:{settings.api_token.get_secret_value()}"
        headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        super().__init__(settings.url, settings, headers=headers, dry=dry)
        self.wanted, self._email = wanted, settings.email

    async def whoami(self) -> str:
        """Say whose token this is; Zendesk answers a wrong one as a stranger. Raises RemoteError."""
        me = mapping(mapping(await self.get("/api/v2/users/me.json")).get("user"))
        role = text(me.get("role"))
        if role not in {"agent", "admin"}:
            raise Unauthorized(
                f"Zendesk takes {self._email} for {role or 'a stranger'}, not an agent", remedy=self.remedy
            )
        return f"{text(me.get('name'))} <{text(me.get('email'))}>, {role}"

    def attempts(self) -> Mapping[str, Callable[[], Awaitable[str]]]:
        """Name what can be tried without changing anything."""
        return {"tickets": self.reading("/api/v2/tickets.json", {"per_page": 1})}

    async def ticket(self, number: str) -> Ticket:
        """Read a ticket, with its requester if an automation uses that. Raises NotFound."""
        found = await self._found(number)
        requester: Mapping[str, Any] = {}
        if {"requester.name", "requester.email"} & self.wanted and found.get("requester_id"):
            try:
                answer = await self.get(f"/api/v2/users/{quote(text(found['requester_id']), safe='')}.json")
                requester = mapping(mapping(answer).get("user"))
            except NotFound:
                requester = {}
        return self._read_ticket(found, requester)

    async def newest_tickets(self, since: datetime) -> AsyncIterator[list[Ticket]]:  # noqa: ARG002 - the list knows none
        """List tickets, page by page, the newest first; their requesters are not read."""
        for page in range(1, _LAST_PAGE + 1):
            query: dict[str, str | int] = {
                "sort_by": "created_at",
                "sort_order": "desc",
                "per_page": _PAGE,
                "page": page,
            }
            answer = mapping(await self.get("/api/v2/tickets.json", query))
            found = rows(answer.get("tickets"), "Zendesk's list of tickets")
            yield [self._read_ticket(one, {}) for one in found]
            if len(found) < _PAGE:
                return

    async def ticket_notes(self, ticket: str) -> dict[str, str]:
        """List the ticket's comments with their texts, the newest first."""
        notes: dict[str, str] = {}
        pages, after = Pages("Zendesk's list of comments"), ""
        while True:
            query: dict[str, str | int] = {"sort": "-created_at", "page[size]": _PAGE}
            path = f"/api/v2/tickets/{quote(ticket, safe='')}/comments.json"
            page = mapping(await self.get(path, query | ({"page[after]": after} if after else {})))
            for one in rows(page.get("comments"), "Zendesk's list of comments"):
                notes[text(one.get("id"))] = text(one.get("plain_body")) + text(one.get("body"))
            meta = mapping(page.get("meta"))
            after = pages.next(meta.get("after_cursor")) if meta.get("has_more") is True else ""
            if not after:
                return notes

    async def add_ticket_note(self, ticket: str, text_: str) -> str:
        """Write an internal comment; it is never public."""
        answer = await self._change(ticket, {"comment": {"html_body": as_html(text_), "public": False}})
        # By its own number it is listed; the audit's is that of the change as a whole (Zendesk, Ticket Audits).
        audit = record(answer.get("audit"), "Zendesk's answer to a comment")
        events = rows(audit.get("events") or [], "Zendesk's list of what was changed")
        return text(next((one for one in events if one.get("type") == "Comment"), audit).get("id"))

    async def ticket_field(self, ticket: str, field: str) -> str:
        """Read a custom field by its number, or a field of the ticket by its name."""
        found = await self._found(ticket)
        own = {
            text(one.get("id")): one.get("value")
            for one in rows(found.get("custom_fields"), "Zendesk's list of custom fields")
        }
        return text(own.get(field) if field.isdecimal() else found.get(field))

    async def set_ticket_field(self, ticket: str, field: str, value: str | float) -> None:
        """Set a custom field by its number, or a field of the ticket by its name."""
        change = {"custom_fields": [{"id": int(field), "value": value}]} if field.isdecimal() else {field: value}
        await self._change(ticket, change)

    async def _found(self, ticket: str) -> Mapping[str, Any]:
        return record(mapping(await self.get(_path(ticket))).get("ticket"), f"Zendesk's ticket {ticket}")

    def _read_ticket(self, found: Mapping[str, Any], requester: Mapping[str, Any]) -> Ticket:
        return Ticket(
            id=text(found.get("id")),
            subject=text(found.get("subject")),
            url=f"{self.url}/agent/tickets/{text(found.get('id'))}",
            priority=text(found.get("priority")).lower(),
            requester_name=text(requester.get("name")),
            requester_email=text(requester.get("email")),
            created_at=text(found.get("created_at")),
            fields=dict(found),
        )

    async def _change(self, ticket: str, change: Mapping[str, Any]) -> Mapping[str, Any]:
        return mapping(await self.send("PUT", _path(ticket), body={"ticket": change}))


async def complete(client: ZendeskClient, event: Event) -> Event:
    """Read what the delivery lacks. Raises RemoteError."""
    return await tickets.completed(event, client.wanted, client.ticket)


def _path(ticket: str) -> str:
    return f"/api/v2/tickets/{quote(ticket, safe='')}.json"
