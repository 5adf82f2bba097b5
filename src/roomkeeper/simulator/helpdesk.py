"""Pretend helpdesks: Zendesk, Freshdesk and Jira, as far as new tickets and internal notes on them go.

Each below a path of its own (`/zendesk`, `/freshdesk`, `/jira`), in its own shapes, as vendors' documentation has
them. `/_sim/helpdesk/…` makes tickets and tells whoever is to be told.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roomkeeper.simulator import vendor
from roomkeeper.simulator.api import Portal
from roomkeeper.simulator.outward import outward
from roomkeeper.simulator.vendor import Handler

INDIA = timezone(timedelta(hours=5, minutes=30))
TOKEN = "helpdesk-pretend"  # noqa: S105 - a pretend helpdesk's token is no secret


@dataclass
class Note:
    id: int
    body: Any
    public: bool


#: Fields that take no text: a number, or (Jira Cloud REST API v3) a document.
NUMBERS = frozenset({"cf_count", "customfield_10001"})
DOCUMENTS = frozenset({"customfield_10002"})


@dataclass
class Ticket:
    id: int
    subject: str
    requester: str = "Ann"
    email: str = "ann@client.example"
    priority: str = "high"
    closed: bool = False
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    notes: list[Note] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"SUP-{self.id}"

    @property
    def stamp(self) -> str:
        return f"{self.created:%Y-%m-%dT%H:%M:%SZ}"


class Helpdesk:
    """All tickets, seen by three vendors."""

    def __init__(self) -> None:
        self.tickets: dict[int, Ticket] = {}
        self.ids = itertools.count(7001)
        self.roles = dict.fromkeys(("zendesk", "freshdesk", "jira"), "agent")  # what the token's owner is, at each
        self.http = outward(seconds=30.0, connections=200)

    def ticket(self, text: str) -> Ticket | None:
        digits = text.removeprefix("SUP-")
        return self.tickets.get(int(digits)) if digits.isdigit() else None

    def add_note(self, ticket: Ticket, body: Any, *, public: bool) -> Note:
        note = Note(next(self.ids), body, public)
        ticket.notes.append(note)
        return note


def _newest_first(desk: Helpdesk) -> list[Ticket]:
    return sorted(desk.tickets.values(), key=lambda one: (one.created, one.id), reverse=True)


# --- Zendesk --------------------------------------------------------------------------------------------------


def zendesk_ticket(desk: Helpdesk, request: Request) -> Response:
    ticket = desk.ticket(request.path_params["id"])
    if ticket is None:
        return JSONResponse({"error": "RecordNotFound", "description": "Not found"}, 404)
    return JSONResponse({"ticket": _zendesk_shape(ticket)})


def _zendesk_shape(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "subject": ticket.subject,
        "priority": ticket.priority,
        "status": "closed" if ticket.closed else "new",
        "requester_id": ticket.id + 1,
        "created_at": ticket.stamp,
        "custom_fields": [{"id": int(name), "value": value} for name, value in ticket.fields.items()],
    }


def zendesk_tickets(desk: Helpdesk, request: Request) -> Response:
    """Pages by number; beyond the hundredth they are refused."""
    page, size = int(request.query_params.get("page", 1)), int(request.query_params.get("per_page", 100))
    if page > 100 or size > 100:
        return JSONResponse({"error": "BadRequest"}, 400)
    rows = _newest_first(desk) if request.query_params.get("sort_order") == "desc" else list(desk.tickets.values())
    found = [_zendesk_shape(one) for one in rows[(page - 1) * size : page * size]]
    return JSONResponse({"tickets": found, "count": len(rows), "next_page": None})


def zendesk_myself(desk: Helpdesk, __: Request) -> Response:
    return JSONResponse({"user": {"id": 1, "name": "Bot", "email": "bot@x.example", "role": desk.roles["zendesk"]}})


def zendesk_user(desk: Helpdesk, request: Request) -> Response:
    ticket = desk.tickets.get(int(request.path_params["id"]) - 1)
    if ticket is None:
        return JSONResponse({"error": "RecordNotFound"}, 404)
    return JSONResponse({"user": {"id": ticket.id + 1, "name": ticket.requester, "email": ticket.email}})


def zendesk_comments(desk: Helpdesk, request: Request) -> Response:
    ticket = desk.ticket(request.path_params["id"])
    rows = [
        {"id": one.id, "body": one.body, "html_body": one.body, "plain_body": one.body, "public": one.public}
        for one in reversed(ticket.notes if ticket else [])
    ]
    return JSONResponse({"comments": rows, "meta": {"has_more": False, "after_cursor": None}})


async def zendesk_update(desk: Helpdesk, request: Request) -> Response:
    ticket, wanted = desk.ticket(request.path_params["id"]), (await request.json()).get("ticket") or {}
    if ticket is None:
        return JSONResponse({"error": "RecordNotFound"}, 404)
    if ticket.closed:
        details = {"status": [{"description": "Status: closed prevents ticket update"}]}
        return JSONResponse(
            {"error": "RecordInvalid", "description": "Record validation errors", "details": details}, 422
        )
    comment = wanted.get("comment")
    events: list[dict[str, Any]] = []
    if comment:
        note = desk.add_note(
            ticket, comment.get("html_body") or comment.get("body"), public=comment.get("public", True)
        )
        events.append({"id": note.id, "type": "Comment"})
    for one in wanted.get("custom_fields") or []:
        ticket.fields[str(one["id"])] = one["value"]
    return JSONResponse({"ticket": _zendesk_shape(ticket), "audit": {"id": next(desk.ids), "events": events}})


# --- Freshdesk ------------------------------------------------------------------------------------------------


def freshdesk_tickets(desk: Helpdesk, request: Request) -> Response:
    page, size = int(request.query_params.get("page", 1)), int(request.query_params.get("per_page", 30))
    since = datetime.fromisoformat(request.query_params.get("updated_since", "2026-01-01T00:00:00Z"))
    rows = [one for one in _newest_first(desk) if one.created >= since][(page - 1) * size : page * size]
    return JSONResponse([_freshdesk_shape(one, request) for one in rows])


def freshdesk_myself(desk: Helpdesk, __: Request) -> Response:
    if desk.roles["freshdesk"] != "agent":
        return JSONResponse({"code": "access_denied"}, 403)
    return JSONResponse({"id": 1, "contact": {"name": "Bot", "email": "bot@x.example"}, "ticket_scope": 1})


def freshdesk_ticket(desk: Helpdesk, request: Request) -> Response:
    ticket = desk.ticket(request.path_params["id"])
    if ticket is None:
        return Response(status_code=404)
    return JSONResponse(_freshdesk_shape(ticket, request))


def _freshdesk_shape(ticket: Ticket, request: Request) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": ticket.id,
        "subject": ticket.subject,
        "priority": 3,
        "status": 5 if ticket.closed else 2,
        "created_at": ticket.stamp,
        "custom_fields": ticket.fields,
    }
    if request.query_params.get("include") == "requester":
        shown["requester"] = {"id": 1, "name": ticket.requester, "email": ticket.email}
    return shown


def freshdesk_conversations(desk: Helpdesk, request: Request) -> Response:
    ticket = desk.ticket(request.path_params["id"])
    page, size = int(request.query_params.get("page", 1)), int(request.query_params.get("per_page", 30))
    rows = [
        {"id": one.id, "body": one.body, "body_text": one.body, "private": not one.public}
        for one in (ticket.notes if ticket else [])
    ]
    return JSONResponse(rows[(page - 1) * size : page * size])


async def freshdesk_note(desk: Helpdesk, request: Request) -> Response:
    ticket, wanted = desk.ticket(request.path_params["id"]), await request.json()
    if ticket is None:
        return Response(status_code=404)
    note = desk.add_note(ticket, wanted["body"], public=not wanted.get("private", True))
    return JSONResponse({"id": note.id, "body": note.body, "private": not note.public}, 201)


async def freshdesk_update(desk: Helpdesk, request: Request) -> Response:
    ticket = desk.ticket(request.path_params["id"])
    if ticket is None:
        return Response(status_code=404)
    wanted = (await request.json()).get("custom_fields") or {}
    if any(name in NUMBERS and isinstance(value, str) for name, value in wanted.items()):
        return JSONResponse({"errors": [{"code": "datatype_mismatch"}]}, 400)  # (Freshdesk's API, Errors)
    ticket.fields |= wanted
    return freshdesk_ticket(desk, request)


# --- Jira -----------------------------------------------------------------------------------------------------


def _jira_shape(ticket: Ticket) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "summary": ticket.subject,
        "description": None,
        "created": f"{ticket.created.astimezone(INDIA):%Y-%m-%dT%H:%M:%S}.000+0530",
        "reporter": {"accountId": "712020:1", "displayName": ticket.requester},
        "priority": {"name": ticket.priority.capitalize()},
        "status": {"name": "Done" if ticket.closed else "To Do"},
        "project": {"key": "SUP", "projectTypeKey": "service_desk"},
        **ticket.fields,
    }
    return {
        "id": str(ticket.id),
        "key": ticket.key,
        "self": f"https://internal/rest/api/2/issue/{ticket.id}",
        "fields": fields,
    }


def jira_search(desk: Helpdesk, request: Request) -> Response:
    """Understands `created >= -Nm`, and a project before it; pages by token in the cloud, by number elsewhere."""
    asked = request.query_params.get("jql", "")
    back = re.search(r"created >= -(\d+)m", asked)
    project = re.search(r"project = (\w+)", asked)
    if back is None:
        return JSONResponse({"errorMessages": ["Error in the JQL Query"]}, 400)
    since = datetime.now(UTC) - timedelta(minutes=int(back[1]))
    rows = [one for one in _newest_first(desk) if one.created >= since and (not project or project[1] == "SUP")]
    is_cloud = request.url.path.endswith("/jql")
    start = int(request.query_params.get("nextPageToken" if is_cloud else "startAt", 0))
    size = min(int(request.query_params.get("maxResults", 50)), 100)
    page = {"issues": [_jira_shape(one) for one in rows[start : start + size]]}
    if not is_cloud:
        return JSONResponse(page | {"startAt": start, "maxResults": size, "total": len(rows)})
    more = {"nextPageToken": str(start + size)} if len(rows) > start + size else {}
    return JSONResponse(page | more | {"isLast": not more})


def jira_myself(_: Helpdesk, __: Request) -> Response:
    return JSONResponse({"accountId": "712020:1", "displayName": "Bot", "active": True})


def jira_permissions(desk: Helpdesk, request: Request) -> Response:
    wanted = request.query_params.get("permissions", "").split(",")
    may = desk.roles["jira"] == "agent"
    return JSONResponse({"permissions": {one: {"key": one, "havePermission": may} for one in wanted if one}})


def jira_issue(desk: Helpdesk, request: Request) -> Response:
    ticket = desk.ticket(request.path_params["id"])
    if ticket is None:
        return JSONResponse({"errorMessages": ["Issue does not exist"]}, 404)
    return JSONResponse(_jira_shape(ticket))


def jira_comments(desk: Helpdesk, request: Request) -> Response:
    ticket = desk.ticket(request.path_params["id"])
    start, size = int(request.query_params.get("startAt", 0)), int(request.query_params.get("maxResults", 50))
    notes = ticket.notes if ticket else []
    rows = [{"id": str(one.id), "body": one.body} for one in notes[start : start + size]]
    return JSONResponse({"startAt": start, "maxResults": size, "total": len(notes), "comments": rows})


async def jira_comment(desk: Helpdesk, request: Request) -> Response:
    ticket, wanted = desk.ticket(request.path_params["id"]), await request.json()
    if ticket is None:
        return JSONResponse({"errorMessages": ["Issue does not exist"]}, 404)
    is_document = isinstance(wanted.get("body"), dict)
    if is_document != (request.path_params["version"] == "3"):
        return JSONResponse({"errorMessages": [], "errors": {"comment": "Comment body is not valid!"}}, 400)
    hidden = {"key": "sd.public.comment", "value": {"internal": True}}
    note = desk.add_note(ticket, wanted["body"], public=hidden not in (wanted.get("properties") or []))
    return JSONResponse({"id": str(note.id), "body": note.body}, 201)


async def jira_link(desk: Helpdesk, request: Request) -> Response:
    ticket, wanted = desk.ticket(request.path_params["id"]), await request.json()
    if ticket is None:
        return JSONResponse({"errorMessages": ["Issue does not exist"]}, 404)
    known = wanted.get("globalId") in ticket.links
    ticket.links[wanted.get("globalId") or uuid.uuid4().hex] = wanted["object"]["url"]
    return JSONResponse({"id": 1}, 200 if known else 201)


async def jira_update(desk: Helpdesk, request: Request) -> Response:
    ticket = desk.ticket(request.path_params["id"])
    if ticket is None:
        return JSONResponse({"errorMessages": ["Issue does not exist"]}, 404)
    wanted = (await request.json())["fields"]
    kinds = {name: "number" if name in NUMBERS else "document" for name in wanted if name in NUMBERS | DOCUMENTS}
    told: dict[type, str] = {dict: "document", str: "text"}
    given = {name: told.get(type(value), "number") for name, value in wanted.items()}
    wrong = {name: f"Operation value must be a {kind}" for name, kind in kinds.items() if given[name] != kind}
    if wrong:
        return JSONResponse({"errors": wrong}, 400)
    ticket.fields |= wanted
    return Response(status_code=204)


# --- telling --------------------------------------------------------------------------------------------------


def told_by_zendesk(ticket: Ticket, secret: str) -> tuple[bytes, dict[str, str]]:
    """A trigger's webhook with the template that the how-to page gives, rendered as placeholders are."""
    body = json.dumps(
        {
            "ticket_id": str(ticket.id),
            "subject": ticket.subject,
            "url": f"https://acme.zendesk.com/{ticket.id}",
            "requester_name": ticket.requester,
            "requester_email": ticket.email,
            "priority": ticket.priority.capitalize(),
            "created_at": ticket.stamp,
        }
    ).encode()
    return body, _zendesk_signed(body, secret)


def told_by_zendesk_event(ticket: Ticket, secret: str) -> tuple[bytes, dict[str, str]]:
    """The fixed event: no requester's address, no link."""
    detail = {
        "id": str(ticket.id),
        "subject": ticket.subject,
        "priority": "HIGH",
        "status": "NEW",
        "created_at": ticket.stamp,
    }
    body = json.dumps(
        {
            "account_id": 1,
            "id": str(uuid.uuid4()),
            "type": "zen:event-type:ticket.created",
            "subject": f"zen:ticket:{ticket.id}",
            "detail": detail,
            "event": {},
        }
    ).encode()
    return body, _zendesk_signed(body, secret)


def _zendesk_signed(body: bytes, secret: str) -> dict[str, str]:
    stamp = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    digest = hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).digest()
    signed = base64.b64encode(digest).decode()
    return {
        "X-Zendesk-Webhook-Signature": signed,
        "X-Zendesk-Webhook-Signature-Timestamp": stamp,
        "X-Zendesk-Webhook-Invocation-Id": uuid.uuid4().hex,
    }


def told_by_freshdesk(ticket: Ticket, secret: str) -> tuple[bytes, dict[str, str]]:
    """Simple content, in its wrapper."""
    inner = {
        "ticket_id": str(ticket.id),
        "ticket_subject": ticket.subject,
        "ticket_url": f"http://acme.freshdesk.com/helpdesk/tickets/{ticket.id}",
        "ticket_status": "Open",
        "ticket_priority": "High",
        "requester_name": ticket.requester,
        "requester_email": ticket.email,
        "triggered_event": "{ticket_action:created}",
    }
    return json.dumps({"freshdesk_webhook": inner}).encode(), {"X-Webhook-Token": secret}


def told_by_jira(ticket: Ticket, secret: str) -> tuple[bytes, dict[str, str]]:
    """The admin webhook, signed."""
    body = json.dumps(
        {
            "timestamp": int(ticket.created.timestamp() * 1000),
            "webhookEvent": "jira:issue_created",
            "issue_event_type_name": "issue_created",
            "user": {"accountId": "712020:1", "displayName": ticket.requester},
            "issue": _jira_shape(ticket),
        }
    ).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return body, {"X-Hub-Signature": f"sha256={digest}", "X-Atlassian-Webhook-Identifier": uuid.uuid4().hex}


TELLING = {
    "zendesk": told_by_zendesk,
    "zendesk-event": told_by_zendesk_event,
    "freshdesk": told_by_freshdesk,
    "jira": told_by_jira,
}


def control(desk: Helpdesk) -> list[Route]:
    async def make(request: Request) -> Response:
        """Make a ticket {subject, …}; then tell {by, to: [addresses], secret}, each of them at once."""
        wanted = await request.json()
        told = {name: wanted.pop(name, None) for name in ("by", "to", "secret")}
        ticket = Ticket(next(desk.ids), **wanted)
        desk.tickets[ticket.id] = ticket
        answers = await _tell(desk, ticket, told) if told["by"] else []
        return JSONResponse({"id": ticket.id, "key": ticket.key, "answers": answers})

    async def change(request: Request) -> Response:
        """Set {closed}; tell {by, to, secret} again."""
        ticket, wanted = desk.tickets[int(request.path_params["id"])], await request.json()
        ticket.closed = wanted.get("closed", ticket.closed)
        return JSONResponse(await _tell(desk, ticket, wanted) if wanted.get("by") else [])

    async def show(request: Request) -> Response:
        ticket = desk.tickets[int(request.path_params["id"])]
        notes = [{"body": one.body, "public": one.public} for one in ticket.notes]
        return JSONResponse({"notes": notes, "links": ticket.links, "fields": ticket.fields})

    async def roles(request: Request) -> Response:
        """Say what the token's owner is, at each helpdesk: {zendesk: "end-user"}."""
        desk.roles |= await request.json()
        return JSONResponse(desk.roles)

    return [
        Route("/_sim/helpdesk/roles", roles, methods=["PUT"]),
        Route("/_sim/helpdesk/tickets", make, methods=["POST"]),
        Route("/_sim/helpdesk/tickets/{id}", change, methods=["PUT"]),
        Route("/_sim/helpdesk/tickets/{id}", show, methods=["GET"]),
    ]


async def _tell(desk: Helpdesk, ticket: Ticket, told: dict[str, Any]) -> list[int]:
    """Deliver to each address at the same moment, each delivery with an id of its own; gives the answers' statuses."""

    async def deliver(address: str) -> int:
        body, headers = TELLING[told["by"]](ticket, told["secret"])
        try:
            answer = await desk.http.post(
                address, content=body, headers={"Content-Type": "application/json", **headers}
            )
        except httpx2.HTTPError:
            return 0
        return answer.status_code

    return list(await asyncio.gather(*(deliver(address) for address in told["to"])))


ROUTES: list[tuple[str, str, str, Handler]] = [
    ("zendesk", "GET", "/api/v2/tickets.json", zendesk_tickets),
    ("zendesk", "GET", "/api/v2/users/me.json", zendesk_myself),
    ("zendesk", "GET", "/api/v2/tickets/{id}.json", zendesk_ticket),
    ("zendesk", "PUT", "/api/v2/tickets/{id}.json", zendesk_update),
    ("zendesk", "GET", "/api/v2/tickets/{id}/comments.json", zendesk_comments),
    ("zendesk", "GET", "/api/v2/users/{id}.json", zendesk_user),
    ("freshdesk", "GET", "/api/v2/tickets", freshdesk_tickets),
    ("freshdesk", "GET", "/api/v2/agents/me", freshdesk_myself),
    ("freshdesk", "GET", "/api/v2/tickets/{id}", freshdesk_ticket),
    ("freshdesk", "PUT", "/api/v2/tickets/{id}", freshdesk_update),
    ("freshdesk", "GET", "/api/v2/tickets/{id}/conversations", freshdesk_conversations),
    ("freshdesk", "POST", "/api/v2/tickets/{id}/notes", freshdesk_note),
    ("jira", "GET", "/rest/api/3/search/jql", jira_search),
    ("jira", "GET", "/rest/api/2/search", jira_search),
    ("jira", "GET", "/rest/api/{version}/myself", jira_myself),
    ("jira", "GET", "/rest/api/{version}/mypermissions", jira_permissions),
    ("jira", "GET", "/rest/api/{version}/issue/{id}", jira_issue),
    ("jira", "PUT", "/rest/api/{version}/issue/{id}", jira_update),
    ("jira", "GET", "/rest/api/{version}/issue/{id}/comment", jira_comments),
    ("jira", "POST", "/rest/api/{version}/issue/{id}/comment", jira_comment),
    ("jira", "POST", "/rest/api/{version}/issue/{id}/remotelink", jira_link),
]


def routes(portal: Portal) -> list[Route]:
    """Build all routes."""
    desk = Helpdesk()
    return [*control(desk), *vendor.routes(portal, desk, ROUTES, _is_allowed)]


def _is_allowed(_name: str, _handler: Handler, request: Request) -> bool:
    """The token is the password, the user name or the bearer's, as each vendor has it."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme == "Bearer":
        return given == TOKEN
    try:
        user, _, password = base64.b64decode(given).decode().partition(":")
    except ValueError:
        return False
    return TOKEN in {user, password}
