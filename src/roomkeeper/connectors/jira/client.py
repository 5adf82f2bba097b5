"""Jira's API: the issue, internal comments, remote links, fields (facts/vendors.md 3)."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2

from roomkeeper.automations.event import Event
from roomkeeper.connectors.jira.settings import Jira
from roomkeeper.connectors.jira.webhook import NAMED, issue_as_ticket, why_ignored
from roomkeeper.errors import NotFound, Rejected
from roomkeeper.vendors import tickets
from roomkeeper.vendors.answers import Pages, count, record, rows
from roomkeeper.vendors.client import VendorClient
from roomkeeper.vendors.notes import URL
from roomkeeper.vendors.reading import mapping, text
from roomkeeper.vendors.tickets import Ticket

_PAGE = 100
_NEEDED = ("BROWSE_PROJECTS", "ADD_COMMENTS", "LINK_ISSUES", "EDIT_ISSUES")
_INTERNAL = [{"key": "sd.public.comment", "value": {"internal": True}}]  # `visibility` would not hide it (3)


class JiraClient(VendorClient):
    """A Jira site; `wanted` are the fields of tickets that automations use."""

    vendor = "Jira"
    remedy = (
        "Check `email` and `api_token` (or `token`): it may have ended, or be one *with scopes*, which the site itself "
        "does not take. And see that the account is an agent of the project, with the rights to comment and to link "
        "issues; then it goes on."
    )

    def __init__(self, settings: Jira, wanted: frozenset[str], *, dry: bool) -> None:
        super().__init__(settings.url, settings, headers=_authorization(settings), dry=dry)
        self.wanted, self._settings = wanted, settings
        self._api = "/rest/api/3" if settings.is_cloud else "/rest/api/2"

    def _is_to_nobody(self, response: httpx2.Response) -> bool:
        """Whether a token was refused: with one that has ended, the cloud shows what strangers may see.

        (developer.atlassian.com, "Basic auth for REST APIs": X-Seraph-LoginReason)
        """
        reason = response.headers.get("x-seraph-loginreason", "").upper()
        return "AUTHENTICATED_FAILED" in reason or "AUTHENTICATION_DENIED" in reason

    async def whoami(self) -> str:
        """Say whose token this is. Raises RemoteError."""
        return text(mapping(await self.get(f"{self._api}/myself")).get("displayName"))

    def attempts(self) -> Mapping[str, Callable[[], Awaitable[str]]]:
        """Name what can be tried without changing anything."""
        return {"permissions": self._permissions, "issues": self._issues}

    async def _permissions(self) -> str:
        found = mapping(await self.get(f"{self._api}/mypermissions", {"permissions": ",".join(_NEEDED)}))
        held = mapping(found.get("permissions"))
        lacking = [one for one in _NEEDED if mapping(held.get(one)).get("havePermission") is not True]
        return f"the account lacks {', '.join(lacking)}" if lacking else ""

    async def _issues(self) -> str:
        async for _ in self.newest_tickets(datetime.now(UTC) - timedelta(minutes=1)):
            break
        return ""

    async def ticket(self, number: str) -> Ticket:
        """Read an issue. Raises NotFound."""
        try:
            found = record(await self.get(self._path(number)), f"Jira's issue {number}")
        except NotFound:
            await self.whoami()  # with a token that has ended, nothing is there; this says it
            raise
        return issue_as_ticket(self._settings, found)

    async def newest_tickets(self, since: datetime) -> AsyncIterator[list[Ticket]]:
        """List the issues made since then, page by page, the newest first.

        Jira reads times in the account's own zone, so it is asked for minutes back from now.
        """
        minutes = int((datetime.now(UTC) - since).total_seconds() // 60) + 1
        only = f"({self._settings.jql}) AND " if self._settings.jql else ""
        query: dict[str, str | int] = {
            "jql": f"{only}created >= -{max(1, minutes)}m ORDER BY created DESC",
            "fields": "*all",
            "maxResults": _PAGE,
        }
        pages = Pages("Jira's list of issues")
        while True:
            page = mapping(await self.get(f"{self._api}/search{'/jql' if self._settings.is_cloud else ''}", query))
            found = rows(page.get("issues"), "Jira's list of issues")
            if not found:
                await self.whoami()  # with a token that has ended, the list is empty; this says it
            yield [issue_as_ticket(self._settings, one) for one in found]
            following = pages.next(page.get("nextPageToken"))
            start = int(query.get("startAt", 0)) + len(found)
            if not found or (self._settings.is_cloud and not following):
                return
            if not self._settings.is_cloud and start >= count(page.get("total"), "Jira's list of issues"):
                return
            query |= {"nextPageToken": following} if self._settings.is_cloud else {"startAt": start}

    async def ticket_notes(self, ticket: str) -> dict[str, str]:
        """List the issue's comments with their texts."""
        notes: dict[str, str] = {}
        pages = Pages("Jira's list of comments")
        while True:
            query: dict[str, str | int] = {"startAt": len(notes), "maxResults": _PAGE}
            page = mapping(await self.get(f"{self._path(ticket)}/comment", query))
            found = rows(page.get("comments"), "Jira's list of comments")
            notes |= {text(one.get("id")): json.dumps(one.get("body"), ensure_ascii=False) for one in found}
            if not found or len(notes) >= count(page.get("total"), "Jira's list of comments"):
                return notes
            pages.next(len(notes))

    async def add_ticket_note(self, ticket: str, text_: str) -> str:
        """Write an internal comment; customers do not see it."""
        body = as_document(text_) if self._settings.is_cloud else text_
        answer = await self.post(f"{self._path(ticket)}/comment", {"body": body, "properties": _INTERNAL})
        return text(record(answer, "Jira's answer to a comment")["id"])

    async def link_ticket(self, ticket: str, *, url: str, title: str, name: str) -> None:
        """Link the issue to an address; a link of the same name is updated, not added."""
        link = {
            "globalId": name,
            "application": {"type": "com.onlyoffice.docspace", "name": "DocSpace"},
            "relationship": "investigation room",
            "object": {"url": url, "title": title},
        }
        await self.post(f"{self._path(ticket)}/remotelink", link)

    async def ticket_field(self, ticket: str, field: str) -> str:
        """Read a field by its id, such as `customfield_10070`."""
        found = record(await self.get(self._path(ticket), {"fields": field}), f"Jira's issue {ticket}")
        value = mapping(found.get("fields")).get(field)
        said = mapping(value)  # a priority, a choice: an object with a name or a value
        if said.get("type") == "doc":
            return "\n".join(as_text(line) for line in rows(said.get("content"), "Jira's document"))
        return text(said.get("name") or said.get("value") or said.get("id")) if said else text(value)

    async def set_ticket_field(self, ticket: str, field: str, value: str | float) -> None:
        """Set a field by its id; it must be on the edit screen. One of several lines takes a document only.

        (Jira Cloud REST API v3, introduction: Atlassian Document Format)
        """
        try:
            await self.send("PUT", self._path(ticket), body={"fields": {field: value}})
        except Rejected as refused:
            if not isinstance(value, str):
                raise
            try:
                await self.send("PUT", self._path(ticket), body={"fields": {field: as_document(value)}})
            except Rejected:
                raise refused from None

    def _path(self, ticket: str) -> str:
        return f"{self._api}/issue/{quote(ticket, safe='')}"


async def complete(client: JiraClient, event: Event) -> Event:
    """Read what the delivery lacks, and the issue itself where only one of its names was told. Raises RemoteError."""
    if not event.meaning.startswith(f"{NAMED} "):
        return await tickets.completed(event, client.wanted, client.ticket)
    known = event.facts["ticket"]
    ticket = await client.ticket(str(known["key"]))
    has_both = known["id"] and known["key"] != known["id"]
    if has_both and str(known["id"]).lstrip("0") != ticket.id:
        return replace(event, ignored=f"ambiguous: it names issue {known['id']} and {known['key']}, which are two")
    body = event.raw if isinstance(event.raw, dict) else {}
    if why := why_ignored(body, {"fields": {"created": ticket.created_at}}):  # its age was not told
        return replace(event, ignored=why)
    return tickets.identified(event, ticket)


def as_text(node: Mapping[str, Any]) -> str:
    """Read a part of an Atlassian document as text."""
    inner = "".join(as_text(mapping(one)) for one in node.get("content") or [])
    return text(node.get("text")) + inner


def as_document(text_: str) -> dict[str, Any]:
    """Write text as an Atlassian document: a paragraph a line, addresses as links."""
    lines = [{"type": "paragraph", "content": _parts(line)} for line in text_.split("\n") if line.strip()]
    return {"type": "doc", "version": 1, "content": lines}


def _parts(line: str) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    at = 0
    for match in URL.finditer(line):
        if match.start() > at:
            parts.append({"type": "text", "text": line[at : match.start()]})
        link = {"type": "link", "attrs": {"href": match[0]}}
        parts.append({"type": "text", "text": match[0], "marks": [link]})
        at = match.end()
    return [*parts, {"type": "text", "text": line[at:]}] if line[at:] else parts


def _authorization(settings: Jira) -> dict[str, str]:
    if settings.token is not None:
        return {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
    secret = settings.api_token.get_secret_value() if settings.api_token is not None else ""
    return {"Authorization": f"Basic {base64.b64encode(f'{settings.email}:{secret}'.encode()).decode()}"}
