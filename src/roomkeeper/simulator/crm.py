"""Pretend CRMs: HubSpot, Pipedrive and Salesforce, as far as closed deals and notes on them go.

Each below a path of its own (`/hubspot`, `/pipedrive`, `/salesforce`), in its own shapes, as vendors' documentation
has them. `/_sim/crm/…` makes deals, closes them and tells whoever is to be told.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import re
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roomkeeper.simulator import vendor
from roomkeeper.simulator.api import Portal
from roomkeeper.simulator.outward import outward
from roomkeeper.simulator.vendor import Handler

HUBSPOT_TOKEN, PIPEDRIVE_TOKEN, SALESFORCE_SECRET = "pat-pretend", "pipedrive-pretend", "salesforce-pretend"
ORGANIZATION = "00D5g000004pReT"
OPEN_STAGE, CUSTOM_WON, SECOND_WON = "appointmentscheduled", "13394832", "invoiced"
SINGULAR = {"companies": "company", "contacts": "contact"}


@dataclass
class Deal:
    id: int
    name: str
    company: str = ""
    contact: str = ""
    owner: str = ""
    amount: float = 0.0
    status: str = "open"
    stage: str = OPEN_STAGE
    pipeline: str = "default"
    changed: datetime = field(default_factory=lambda: datetime.now(UTC))  # its status
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))  # anything about it
    own: dict[str, Any] = field(default_factory=dict)
    stages: list[tuple[str, str]] = field(default_factory=list)  # with when it entered them, the newest first
    statuses: list[tuple[str, str, datetime]] = field(default_factory=list)  # before, after, when
    won_time: str = ""  # as somebody has corrected it
    is_archived: bool = False
    previous: dict[str, Any] = field(default_factory=dict)  # what the last change changed, as it was
    notes: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stages = self.stages or [(self.stage, self.stamp)]

    @property
    def stamp(self) -> str:
        return _stamp(self.changed)

    @property
    def modified_stamp(self) -> str:
        return _stamp(self.modified)

    @property
    def opportunity(self) -> str:
        """Its id at Salesforce, in the long form."""
        return f"006{self.id:012d}AAQ"


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


class Crm:
    """All deals, seen by three vendors."""

    def __init__(self) -> None:
        self.deals: dict[int, Deal] = {}
        self.ids = itertools.count(5001)
        self.sessions: set[str] = set()
        self.http = outward(seconds=30.0)

    def deal(self, text: str) -> Deal | None:
        digits = re.fullmatch(r"(?:006)?0*(\d+?)(?:AAQ)?", text)
        return self.deals.get(int(digits[1])) if digits else None


# --- HubSpot --------------------------------------------------------------------------------------------------


def hubspot_deal(crm: Crm, request: Request) -> Response:
    deal = crm.deal(request.path_params["id"])
    if deal is None:
        return JSONResponse({"status": "error", "message": "resource not found"}, 404)
    all_known = {
        "dealname": deal.name,
        "amount": str(deal.amount),
        "deal_currency_code": "EUR",
        "dealstage": deal.stage,
        "pipeline": deal.pipeline,
        "hubspot_owner_id": str(deal.id + 3),
        "hs_is_closed": str(deal.status != "open").lower(),
        "hs_is_closed_won": str(deal.status == "won").lower(),
        **{name: None if value is None else str(value) for name, value in deal.own.items()},
    }
    asked = (request.query_params.get("properties") or "").split(",")
    shown = {name: all_known.get(name) for name in asked if name} | {"hs_object_id": str(deal.id)}
    body: dict[str, Any] = {"id": str(deal.id), "properties": shown, "archived": False}
    if "dealstage" in (request.query_params.get("propertiesWithHistory") or ""):
        history = [{"value": stage, "timestamp": at, "sourceType": "CRM_UI"} for stage, at in deal.stages]
        body["propertiesWithHistory"] = {"dealstage": history}
    links = {"companies": (deal.company, deal.id + 1), "contacts": (deal.contact, deal.id + 2)}
    wanted = (request.query_params.get("associations") or "").split(",")
    found = {
        kind: {"results": [{"id": str(id_), "type": f"deal_to_{SINGULAR[kind]}"}]}
        for kind, (has, id_) in links.items()
        if has and kind in wanted
    }
    return JSONResponse(body | ({"associations": found} if found else {}))


async def hubspot_search(crm: Crm, request: Request) -> Response:
    """One filter, on when deals were modified; pages by offset, up to ten thousand results."""
    wanted = await request.json()
    (asked,) = wanted["filterGroups"][0]["filters"]
    if asked["propertyName"] != "hs_lastmodifieddate" or asked["operator"] != "GTE" or wanted.get("limit", 10) > 200:
        return JSONResponse({"status": "error", "message": "There was a problem with the request."}, 400)
    since = datetime.fromtimestamp(int(asked["value"]) / 1000, UTC)
    rows = sorted((one for one in crm.deals.values() if one.modified >= since), key=lambda one: one.modified)
    start, size = int(wanted.get("after") or 0), int(wanted.get("limit", 10))
    if start + size > 10_000:
        return JSONResponse({"status": "error", "message": "You requested more results than allowed"}, 400)
    page = [
        {
            "id": str(one.id),
            "properties": {"dealstage": one.stage, "pipeline": one.pipeline, "hs_lastmodifieddate": one.modified_stamp},
        }
        for one in rows[start : start + size]
    ]
    more = {"paging": {"next": {"after": str(start + size)}}} if len(rows) > start + size else {}
    return JSONResponse({"total": len(rows), "results": page} | more)


def hubspot_deals(_: Crm, __: Request) -> Response:
    return JSONResponse({"results": []})


def hubspot_related(crm: Crm, request: Request) -> Response:
    kind, number = request.path_params["kind"], int(request.path_params["id"])
    away = {"companies": 1, "contacts": 2}[kind]
    deal = crm.deals.get(number - away)
    if deal is None:
        return JSONResponse({"message": "not found"}, 404)
    shown = {"name": deal.company} if kind == "companies" else {"email": deal.contact}
    return JSONResponse({"id": str(number), "properties": shown})


def hubspot_owner(crm: Crm, request: Request) -> Response:
    deal = crm.deals.get(int(request.path_params["id"]) - 3)
    return JSONResponse({"id": request.path_params["id"], "email": deal.owner} if deal else {}, 200 if deal else 404)


def hubspot_pipelines(_: Crm, __: Request) -> Response:
    def stage(id_: str, closed: str, probability: str) -> dict[str, Any]:
        return {"id": id_, "label": id_, "metadata": {"isClosed": closed, "probability": probability}}

    default = [stage(OPEN_STAGE, "false", "0.2"), stage("closedlost", "true", "0.0")]
    default += [stage(won, "true", "1.0") for won in ("closedwon", SECOND_WON)]
    own = [stage("13394830", "false", "0.5"), stage(CUSTOM_WON, "true", "1.0")]
    return JSONResponse({"results": [{"id": "default", "stages": default}, {"id": "777", "stages": own}]})


def hubspot_note_links(crm: Crm, request: Request) -> Response:
    deal = crm.deal(request.path_params["id"])
    rows = [{"toObjectId": number, "associationTypes": []} for number in (deal.notes if deal else {})]
    return JSONResponse({"results": rows}, 200 if deal else 404)


async def hubspot_notes_read(crm: Crm, request: Request) -> Response:
    wanted = [int(one["id"]) for one in (await request.json())["inputs"]]
    every = {number: text for deal in crm.deals.values() for number, text in deal.notes.items()}
    found = [{"id": str(one), "properties": {"hs_note_body": every[one]}} for one in wanted if one in every]
    return JSONResponse({"status": "COMPLETE", "results": found})


async def hubspot_note_create(crm: Crm, request: Request) -> Response:
    body = await request.json()
    properties, links = body.get("properties") or {}, body.get("associations") or []
    if not properties.get("hs_timestamp") or len(properties.get("hs_note_body", "")) > 65_536:
        return JSONResponse({"message": "Error creating NOTE. Some required properties were not set."}, 400)
    deal = crm.deal(str(links[0]["to"]["id"])) if links else None
    if deal is None or links[0]["types"][0]["associationTypeId"] != 214:
        return JSONResponse({"message": "One or more associations are invalid"}, 400)
    number = next(crm.ids)
    deal.notes[number] = properties["hs_note_body"]
    return JSONResponse({"id": str(number), "properties": properties}, 201)


# --- Pipedrive ------------------------------------------------------------------------------------------------


def pipedrive_shape(deal: Deal) -> dict[str, Any]:
    own = {name: {"type": "varchar", "value": value} for name, value in deal.own.items()}
    return {
        "id": deal.id,
        "title": deal.name,
        "value": deal.amount,
        "currency": "EUR",
        "status": deal.status,
        "org_id": deal.id + 1 if deal.company else None,
        "person_id": deal.id + 2 if deal.contact else None,
        "owner_id": deal.id + 3,
        "won_time": (deal.won_time or deal.stamp) if deal.status == "won" else None,
        "lost_time": deal.stamp if deal.status == "lost" else None,
        "close_time": deal.stamp if deal.status != "open" else None,
        "update_time": deal.modified_stamp,
        "custom_fields": own,
    }


def pipedrive_deal(crm: Crm, request: Request) -> Response:
    deal = crm.deal(request.path_params["id"])
    if deal is None:
        return JSONResponse({"success": False, "error": "Deal not found"}, 404)
    return JSONResponse({"success": True, "data": pipedrive_shape(deal)})


def pipedrive_changelog(crm: Crm, request: Request) -> Response:
    """The status alone; pages by cursor (developers.pipedrive.com, changelog of 14 February 2024)."""
    deal = crm.deal(request.path_params["id"])
    if deal is None:
        return JSONResponse({"success": False, "error": "Deal not found"}, 404)
    rows = [
        {"field_key": "status", "old_value": before, "new_value": after, "time": f"{at:%Y-%m-%d %H:%M:%S}"}
        for before, after, at in deal.statuses
    ]
    return JSONResponse({"success": True, "data": rows, "additional_data": {"next_cursor": None}})


def pipedrive_deals(crm: Crm, request: Request) -> Response:
    """Pages by cursor, in the order of their last change; archived deals have a list of their own.

    (Pipedrive's changelog, 2025-07-15)
    """
    since = datetime.fromisoformat(request.query_params.get("updated_since", "2026-01-01T00:00:00Z"))
    wanted = request.url.path.endswith("/archived")
    asked_for = [one for one in crm.deals.values() if one.modified >= since and one.is_archived == wanted]
    rows = sorted(asked_for, key=lambda one: one.modified)
    start, size = int(request.query_params.get("cursor", 0)), int(request.query_params.get("limit", 100))
    following = str(start + size) if len(rows) > start + size else None
    page = [pipedrive_shape(one) for one in rows[start : start + size]]
    return JSONResponse({"success": True, "data": page, "additional_data": {"next_cursor": following}})


def pipedrive_myself(_: Crm, __: Request) -> Response:
    return _data({"id": 1, "name": "Bot", "email": "bot@x.example", "is_admin": 1})


def pipedrive_organization(crm: Crm, request: Request) -> Response:
    deal = crm.deals.get(int(request.path_params["id"]) - 1)
    return _data({"id": int(request.path_params["id"]), "name": deal.company} if deal else None)


def pipedrive_person(crm: Crm, request: Request) -> Response:
    deal = crm.deals.get(int(request.path_params["id"]) - 2)
    return _data({"id": 1, "emails": [{"value": deal.contact, "primary": True}]} if deal else None)


def pipedrive_user(crm: Crm, request: Request) -> Response:
    deal = crm.deals.get(int(request.path_params["id"]) - 3)
    return _data({"id": 1, "email": deal.owner} if deal else None)


def pipedrive_notes(crm: Crm, request: Request) -> Response:
    deal = crm.deal(request.query_params.get("deal_id", ""))
    start, limit = int(request.query_params.get("start", 0)), int(request.query_params.get("limit", 100))
    rows = [{"id": number, "content": text} for number, text in (deal.notes if deal else {}).items()]
    more = {"start": start, "limit": limit, "more_items_in_collection": len(rows) > start + limit}
    return JSONResponse(
        {"success": True, "data": rows[start : start + limit] or None, "additional_data": {"pagination": more}}
    )


async def pipedrive_note_create(crm: Crm, request: Request) -> Response:
    body = await request.json()
    deal = crm.deal(str(body.get("deal_id", "")))
    if deal is None or not body.get("content"):
        return JSONResponse({"success": False, "error": "Bad request"}, 400)
    number = next(crm.ids)
    deal.notes[number] = body["content"]
    return JSONResponse({"success": True, "data": {"id": number, "content": body["content"]}}, 201)


def _data(found: dict[str, Any] | None) -> Response:
    return JSONResponse({"success": found is not None, "data": found}, 200 if found else 404)


# --- Salesforce -----------------------------------------------------------------------------------------------


async def salesforce_token(crm: Crm, request: Request) -> Response:
    async with request.form() as form:
        if form.get("grant_type") != "client_credentials" or form.get("client_secret") != SALESFORCE_SECRET:
            return JSONResponse({"error": "invalid_client", "error_description": "invalid client credentials"}, 400)
    token = f"00D!{uuid.uuid4().hex}"
    crm.sessions.add(token)
    return JSONResponse(
        {"access_token": token, "instance_url": "https://acme.my.salesforce.com", "token_type": "Bearer"}
    )


SALESFORCE_STAGES = {OPEN_STAGE: "Prospecting", "closedwon": "Closed Won", "closedlost": "Closed Lost"}


def salesforce_stages() -> list[dict[str, Any]]:
    def stage(label: str, closed: bool, won: bool) -> dict[str, Any]:
        return {"ApiName": label, "MasterLabel": f"{label} (label)", "IsClosed": closed, "IsWon": won}

    return [
        stage("Prospecting", False, False),
        stage("Closed Won", True, True),
        stage("Closed Lost", True, False),
        stage(SECOND_WON, True, True),
    ]


def opportunity_shape(deal: Deal) -> dict[str, Any]:
    return {
        "attributes": {"type": "Opportunity"},
        "Id": deal.opportunity,
        "Name": deal.name,
        "Amount": deal.amount,
        "StageName": SALESFORCE_STAGES.get(deal.stage, deal.stage),
        "IsClosed": deal.status != "open",
        "IsWon": deal.status == "won",
        "AccountId": f"001{deal.id:012d}" if deal.company else None,
        "OwnerId": f"005{deal.id:012d}",
        "LastStageChangeDate": deal.stages[0][1],
        "LastModifiedDate": deal.modified_stamp,
        **deal.own,
    }


def salesforce_record(crm: Crm, request: Request) -> Response:
    kind, number = request.path_params["kind"], int(request.path_params["id"][3:15])
    deal = crm.deals.get(number)
    if deal is None:
        return JSONResponse([{"errorCode": "NOT_FOUND", "message": "Provided external ID field does not exist"}], 404)
    if kind == "Opportunity":
        return JSONResponse(opportunity_shape(deal))
    return JSONResponse({"Name": deal.company} if kind == "Account" else {"Email": deal.owner})


def salesforce_described(_: Crm, __: Request) -> Response:
    return JSONResponse({"queryable": True, "retrieveable": True, "createable": True, "updateable": True})


def salesforce_closed(crm: Crm, since: datetime, start: int) -> Response:
    """Pages of two hundred, by an address of their own."""
    rows = sorted((one for one in crm.deals.values() if one.status != "open"), key=lambda one: one.modified)
    rows = [one for one in rows if one.modified >= since]
    page = {"totalSize": len(rows), "records": [opportunity_shape(one) for one in rows[start : start + 200]]}
    if len(rows) <= start + 200:
        return JSONResponse(page | {"done": True})
    following = f"/services/data/v62.0/query/{since:%Y%m%dT%H%M%S}-{start + 200}"
    return JSONResponse(page | {"done": False, "nextRecordsUrl": following})


def salesforce_more(crm: Crm, request: Request) -> Response:
    since, start = request.path_params["cursor"].rsplit("-", 1)
    return salesforce_closed(crm, datetime.strptime(since, "%Y%m%dT%H%M%S").replace(tzinfo=UTC), int(start))


def salesforce_query(crm: Crm, request: Request) -> Response:
    asked = request.query_params.get("q", "")
    closed = re.search(r"FROM Opportunity WHERE IsClosed = true AND LastModifiedDate >= (\S+)", asked)
    if closed is not None:
        return salesforce_closed(crm, datetime.fromisoformat(closed[1]), 0)
    if asked.endswith("FROM OpportunityStage"):
        return JSONResponse({"totalSize": 4, "done": True, "records": salesforce_stages()})
    found = re.search(r"FROM (\w+) WHERE (?:WhatId|OpportunityId) = '(006\d{12})'", asked)
    if found is None:
        return JSONResponse([{"errorCode": "MALFORMED_QUERY", "message": "unexpected token"}], 400)
    deal = crm.deals.get(int(found[2][3:]))
    rows: list[dict[str, Any]] = []
    if deal is not None and found[1] == "Task":
        rows = [{"Id": f"00T{number:012d}", "Description": text} for number, text in deal.notes.items()]
    elif deal is not None and found[1] == "OpportunityHistory":
        rows = [{"StageName": SALESFORCE_STAGES.get(stage, stage), "CreatedDate": at} for stage, at in deal.stages]
    elif deal is not None and deal.contact:
        rows = [{"Contact": {"Email": deal.contact}}]
    return JSONResponse({"totalSize": len(rows), "done": True, "records": rows})


async def salesforce_task(crm: Crm, request: Request) -> Response:
    body = await request.json()
    deal = crm.deal(str(body.get("WhatId", "")))
    if deal is None or len(body.get("Subject", "")) > 255:
        return JSONResponse([{"errorCode": "STRING_TOO_LONG", "message": "Subject"}], 400)
    number = next(crm.ids)
    deal.notes[number] = body.get("Description", "")
    return JSONResponse({"id": f"00T{number:012d}", "success": True, "errors": []}, 201)


# --- telling --------------------------------------------------------------------------------------------------


def told_by_hubspot(deal: Deal, to: str, secret: str) -> tuple[bytes, dict[str, str]]:
    """One change of the deal's stage, signed as version 3."""
    at = int(deal.changed.timestamp() * 1000)
    change: dict[str, Any] = {
        "eventId": deal.id * 7,
        "subscriptionId": 25,
        "portalId": 33,
        "appId": 1160452,
        "occurredAt": at,
        "subscriptionType": "deal.propertyChange",
        "attemptNumber": 0,
        "objectId": deal.id,
        "propertyName": "dealstage",
        "propertyValue": deal.stage,
        "changeSource": "CRM_UI",
    }
    body = json.dumps([change]).encode()
    stamp = str(int(time.time() * 1000))
    digest = hmac.new(secret.encode(), f"POST{to}".encode() + body + stamp.encode(), hashlib.sha256).digest()
    signed = base64.b64encode(digest).decode()
    return body, {"X-HubSpot-Signature-v3": signed, "X-HubSpot-Request-Timestamp": stamp}


def told_by_pipedrive(deal: Deal, _: str, secret: str) -> tuple[bytes, dict[str, str]]:
    """A change of the deal, as version 2; `secret` is user:password."""
    meta: dict[str, Any] = {
        "action": "change",
        "entity": "deal",
        "entity_id": str(deal.id),
        "id": str(uuid.uuid4()),
        "version": "2.0",
        "timestamp": deal.stamp,
        "host": "acme.pipedrive.com",
        "attempt": 1,
    }
    before = deal.previous or {"status": "open", "won_time": None}
    body = {"meta": meta, "data": pipedrive_shape(deal), "previous": before}
    return json.dumps(body).encode(), {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}


def told_by_salesforce(deal: Deal, _: str, secret: str) -> tuple[bytes, dict[str, str]]:
    """An Outbound Message with one notification; `secret` is the token."""
    fields = {
        name: value for name, value in opportunity_shape(deal).items() if name in {"Id", "Name", "IsClosed", "IsWon"}
    }
    inner = "".join(
        f"<sf:{name}>{str(value).lower() if isinstance(value, bool) else value}</sf:{name}>"
        for name, value in fields.items()
    )
    body = f"""<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
<notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>{ORGANIZATION}AAA</OrganizationId>
<ActionId>04k000000000001</ActionId><SessionId xsi:nil="true"/><Notification><Id>04l{uuid.uuid4().hex[:12]}</Id>
<sObject xsi:type="sf:Opportunity" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">{inner}</sObject>
</Notification></notifications></soapenv:Body></soapenv:Envelope>"""
    return body.encode(), {"Content-Type": "text/xml; charset=utf-8", "X-Webhook-Token": secret}


TELLING = {"hubspot": told_by_hubspot, "pipedrive": told_by_pipedrive, "salesforce": told_by_salesforce}


def control(crm: Crm) -> list[Route]:
    async def make(request: Request) -> Response:
        """Make a deal: {name, company, contact, owner, amount, own: {…}}."""
        deal = Deal(next(crm.ids) * 10, **await request.json())
        crm.deals[deal.id] = deal
        return JSONResponse({"id": deal.id, "opportunity": deal.opportunity})

    async def change(request: Request) -> Response:
        """Set any of {status, stage, pipeline, won_time, own, is_archived}; then tell {vendor, to, secret, times}.

        All at once.
        """
        deal, wanted = crm.deals[int(request.path_params["id"])], await request.json()
        if "status" in wanted and wanted["status"] != deal.status:
            before, deal.changed, deal.won_time = deal.status, datetime.now(UTC), ""
            deal.status = wanted["status"]
            deal.statuses.append((before, deal.status, deal.changed))
            deal.stage = {"won": "closedwon", "lost": "closedlost", "open": OPEN_STAGE}[deal.status]
            deal.previous = {"status": before}
        elif "won_time" in wanted or "own" in wanted:
            deal.previous = {"won_time": deal.won_time or deal.stamp} if "won_time" in wanted else {"custom_fields": {}}
        deal.modified = datetime.now(UTC)
        deal.stage, deal.pipeline = wanted.get("stage", deal.stage), wanted.get("pipeline", deal.pipeline)
        deal.won_time = wanted.get("won_time", deal.won_time)
        if deal.stage != deal.stages[0][0]:
            deal.stages.insert(0, (deal.stage, deal.modified_stamp))
        deal.own |= wanted.get("own", {})
        deal.is_archived = wanted.get("is_archived", deal.is_archived)
        if "vendor" not in wanted:
            return JSONResponse({})
        body, headers = TELLING[wanted["vendor"]](deal, wanted["to"], wanted["secret"])
        headers = {"Content-Type": "application/json", **headers}
        posts = [crm.http.post(wanted["to"], content=body, headers=headers) for _ in range(wanted.get("times", 1))]
        answers = await asyncio.gather(*posts)
        return JSONResponse([{"status": one.status_code, "body": one.text} for one in answers])

    async def show(request: Request) -> Response:
        deal = crm.deals[int(request.path_params["id"])]
        return JSONResponse({"status": deal.status, "notes": list(deal.notes.values())})

    return [
        Route("/_sim/crm/deals", make, methods=["POST"]),
        Route("/_sim/crm/deals/{id}", change, methods=["PUT"]),
        Route("/_sim/crm/deals/{id}", show, methods=["GET"]),
    ]


ROUTES: list[tuple[str, str, str, Handler]] = [
    ("hubspot", "POST", "/crm/v3/objects/deals/search", hubspot_search),
    ("hubspot", "GET", "/crm/v3/objects/deals", hubspot_deals),
    ("hubspot", "GET", "/crm/v3/objects/deals/{id}", hubspot_deal),
    ("hubspot", "GET", "/crm/v3/pipelines/deals", hubspot_pipelines),
    ("hubspot", "GET", "/crm/v3/owners/{id}", hubspot_owner),
    ("hubspot", "GET", "/crm/v4/objects/deals/{id}/associations/notes", hubspot_note_links),
    ("hubspot", "POST", "/crm/v3/objects/notes/batch/read", hubspot_notes_read),
    ("hubspot", "POST", "/crm/v3/objects/notes", hubspot_note_create),
    ("hubspot", "GET", "/crm/v3/objects/{kind}/{id}", hubspot_related),
    ("pipedrive", "GET", "/api/v2/deals", pipedrive_deals),
    ("pipedrive", "GET", "/api/v2/deals/archived", pipedrive_deals),
    ("pipedrive", "GET", "/api/v1/users/me", pipedrive_myself),
    ("pipedrive", "GET", "/api/v2/deals/{id}", pipedrive_deal),
    ("pipedrive", "GET", "/api/v1/deals/{id}/changelog", pipedrive_changelog),
    ("pipedrive", "GET", "/api/v2/organizations/{id}", pipedrive_organization),
    ("pipedrive", "GET", "/api/v2/persons/{id}", pipedrive_person),
    ("pipedrive", "GET", "/api/v1/users/{id}", pipedrive_user),
    ("pipedrive", "GET", "/api/v1/notes", pipedrive_notes),
    ("pipedrive", "POST", "/api/v1/notes", pipedrive_note_create),
    ("salesforce", "POST", "/services/oauth2/token", salesforce_token),
    ("salesforce", "GET", "/services/data/v62.0/query", salesforce_query),
    ("salesforce", "GET", "/services/data/v62.0/query/{cursor}", salesforce_more),
    ("salesforce", "GET", "/services/data/v62.0/sobjects/{kind}/describe", salesforce_described),
    ("salesforce", "GET", "/services/data/v62.0/sobjects/{kind}/{id}", salesforce_record),
    ("salesforce", "POST", "/services/data/v62.0/sobjects/Task", salesforce_task),
]


def routes(portal: Portal) -> list[Route]:
    """Build all routes."""
    crm = Crm()
    return [*control(crm), *vendor.routes(portal, crm, ROUTES, partial(_is_allowed, crm))]


def _is_allowed(crm: Crm, name: str, handler: Handler, request: Request) -> bool:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if name == "hubspot":
        return given == HUBSPOT_TOKEN
    if name == "pipedrive":
        return request.headers.get("x-api-token") == PIPEDRIVE_TOKEN
    return handler is salesforce_token or given in crm.sessions
