"""Whatever a service answers, its client gives something that can be kept, or says what was wrong; and it ends."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from stage import sized
from stage.hostile import changed
from stage.recorded import ASKED, RECORDED

from roomkeeper.connectors.freshdesk.client import FreshdeskClient
from roomkeeper.connectors.freshdesk.settings import Freshdesk
from roomkeeper.connectors.hubspot.client import HubSpotClient
from roomkeeper.connectors.hubspot.settings import HubSpot
from roomkeeper.connectors.jira.client import JiraClient
from roomkeeper.connectors.jira.settings import Jira
from roomkeeper.connectors.pipedrive.client import PipedriveClient
from roomkeeper.connectors.pipedrive.settings import Pipedrive
from roomkeeper.connectors.salesforce.client import SalesforceClient
from roomkeeper.connectors.salesforce.settings import Salesforce
from roomkeeper.connectors.zendesk.client import ZendeskClient
from roomkeeper.connectors.zendesk.settings import Zendesk
from roomkeeper.docspace import Budget, Limits, Portal
from roomkeeper.docspace.budget import LocalTally
from roomkeeper.errors import Forbidden, Garbled, RemoteError, Throttled, Unauthorized, Unavailable
from roomkeeper.vendors.answers import Pages, count, record, rows
from roomkeeper.vendors.client import VendorClient

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
AT = "2026-11-20T10:00:00Z"
#: More than any call here needs: a client that asks for more goes round in a circle.
MOST = 40

Ask = Callable[[Any], Awaitable[object]]


@dataclass(frozen=True)
class Service:
    """A service: how its client is made, what that is asked, and what is answered, by a part of the call."""

    client: Callable[[str], Any]
    asks: Mapping[str, Ask]
    answers: Mapping[str, Any]


async def every(pages: AsyncIterator[object]) -> list[object]:
    return [page async for page in pages]


TICKETS: dict[str, Ask] = {
    "whoami": lambda client: client.whoami(),
    "ticket": lambda client: client.ticket("7"),
    "newest": lambda client: every(client.newest_tickets(SINCE)),
    "notes": lambda client: client.ticket_notes("7"),
    "note": lambda client: client.add_ticket_note("7", "A room was opened."),
    "field": lambda client: client.ticket_field("7", "360001"),
    "set field": lambda client: client.set_ticket_field("7", "priority", "high"),
}
DEALS: dict[str, Ask] = {
    "whoami": lambda client: client.whoami(),
    "closing": lambda client: client.closing("42"),
    "closed": lambda client: every(client.closed_deals(SINCE)),
    "notes": lambda client: client.deal_notes("42"),
    "note": lambda client: client.add_deal_note("42", "Archived."),
}
WANTED = frozenset({"company", "contact.email", "owner.email", "requester.email", "fields.region"})
PLAN = {"calls_per_minute": 100_000}
TICKET = {"id": 7, "subject": "Invoice", "priority": "high", "created_at": AT, "requester_id": 8}
HUBSPOT_DEAL = {
    "id": "42",
    "properties": {"dealname": "Acme", "dealstage": "won", "pipeline": "p", "amount": "9.5", "closedate": AT},
    "propertiesWithHistory": {"dealstage": [{"value": "won", "timestamp": AT}]},
    "associations": {"companies": {"results": [{"id": "1", "type": "deal_to_company"}]}},
}
STAGE = {"id": "won", "metadata": {"isClosed": "true", "probability": "1.0"}}
ISSUE = {"id": "10007", "key": "IT-7", "fields": {"summary": "Invoice", "created": AT, "360001": {"value": "north"}}}
PIPEDRIVE_DEAL = {
    "id": 42,
    "title": "Acme",
    "value": 9.5,
    "status": "won",
    "org_id": 1,
    "person_id": {"value": 2},
    "owner_id": 3,
    "won_time": AT,
    "update_time": AT,
    "custom_fields": {"c": {"type": "varchar", "value": "north"}},
}
OPPORTUNITY = {"Id": "006000000000042AAA", "Name": "Acme", "Amount": 9.5, "StageName": "Won", "IsClosed": True}
OPPORTUNITY |= {"IsWon": True, "AccountId": "001000000000042AAA", "OwnerId": "005000000000042AAA"}

SERVICES = {
    "zendesk": Service(
        lambda url: ZendeskClient(Zendesk(url=url, email="b@a.example", api_token="t", **PLAN), WANTED, dry=False),
        TICKETS,
        {
            "/users/me": {"user": {"name": "Bot", "email": "b@a.example", "role": "agent"}},
            "/users/": {"user": {"id": 8, "name": "Ann", "email": "ann@a.example"}},
            "/comments": {"comments": [{"id": 1, "plain_body": "x"}], "meta": {"has_more": False, "after_cursor": "c"}},
            "/tickets.json": {"tickets": [TICKET], "count": 1},
            "/tickets/": {"ticket": TICKET | {"custom_fields": [{"id": 360001, "value": "north"}]}, "audit": {"id": 9}},
        },
    ),
    "freshdesk": Service(
        lambda url: FreshdeskClient(Freshdesk(url=url, api_key="k", **PLAN), WANTED, dry=False),
        TICKETS,
        {
            "/agents/me": {"contact": {"name": "Bot", "email": "b@a.example"}},
            "/conversations": [{"id": 1, "body": "<p>x</p>", "body_text": "x"}],
            "/notes": {"id": 9},
            "/tickets/": TICKET
            | {"360001": "north", "requester": {"name": "Ann"}, "custom_fields": {"cf_region": "north"}},
            "/tickets": [TICKET],
        },
    ),
    "jira": Service(
        lambda url: JiraClient(Jira(url=url, email="b@a.example", api_token="t", **PLAN), WANTED, dry=False),
        TICKETS,
        {
            "/myself": {"displayName": "Bot"},
            "/comment": {"id": "9", "comments": [{"id": "1", "body": {"type": "doc"}}], "total": 1},
            "/search": {"issues": [ISSUE], "nextPageToken": None, "total": 1},
            "/issue/": ISSUE,
        },
    ),
    "hubspot": Service(
        lambda url: HubSpotClient(HubSpot(url=url, access_token="t", **PLAN), WANTED, dry=False),
        DEALS,
        {
            "/pipelines/": {"results": [{"id": "p", "stages": [STAGE]}]},
            "/deals/search": {"results": [HUBSPOT_DEAL], "paging": {"next": {"after": ""}}},
            "/associations/notes": {"results": [{"toObjectId": 1}], "paging": {"next": {"after": ""}}},
            "/notes/batch/read": {"results": [{"id": "1", "properties": {"hs_note_body": "x"}}]},
            "/objects/notes": {"id": "9"},
            "/objects/deals/": HUBSPOT_DEAL,
            "/companies/": {"properties": {"name": "Acme"}},
            "/owners/": {"email": "o@a.example"},
        },
    ),
    "pipedrive": Service(
        lambda url: PipedriveClient(Pipedrive(url=url, api_token="t", **PLAN), WANTED, dry=False),
        DEALS,
        {
            "/users/me": {"data": {"name": "Bot", "email": "b@a.example", "is_admin": 1}},
            "/changelog": {
                "data": [{"field_key": "status", "new_value": "won", "time": AT}],
                "additional_data": {"next_cursor": None},
            },
            "/deals/archived": {"data": [], "additional_data": {"next_cursor": None}},
            "/deals/": {"data": PIPEDRIVE_DEAL},
            "/deals": {"data": [PIPEDRIVE_DEAL], "additional_data": {"next_cursor": None}},
            "POST /api/v1/notes": {"data": {"id": 9}},
            "/notes": {
                "data": [{"id": 1, "content": "x"}],
                "additional_data": {"pagination": {"more_items_in_collection": False}},
            },
            "/organizations/": {"data": {"name": "Acme"}},
            "/persons/": {"data": {"emails": [{"value": "c@a.example", "primary": True}]}},
            "/users/": {"data": {"email": "o@a.example"}},
        },
    ),
    "salesforce": Service(
        lambda url: SalesforceClient(
            Salesforce(url=url, client_id="c", client_secret="s", organization_id="00D5g000004pReT", **PLAN),
            WANTED,
            dry=False,
        ),
        {**DEALS, "closing": lambda client: client.closing(OPPORTUNITY["Id"])},
        {
            "/oauth2/token": {"access_token": "t"},
            "GET /services/data/v62.0/sobjects/Opportunity/": OPPORTUNITY,
            "/sobjects/Task": {"id": "00T000000000009AAA"},
            "/sobjects/": {"Name": "Acme", "Email": "o@a.example"},
            "/query": {"records": [OPPORTUNITY | {"Contact": {"Email": "c@a.example"}}], "nextRecordsUrl": None},
        },
    ),
    "docspace": Service(
        lambda url: Portal(url, "sk-x", budget=Budget(Limits(10**9, 10**6, 10**6, 10**9), LocalTally())),
        ASKED,
        {},
    ),
}


class Pretender:
    """Answers in HTTP whatever it is told to, by a part of the call."""

    def __init__(self) -> None:
        self.answers: Mapping[str, bytes] = {}
        self.statuses: Mapping[str, int] = {}  # of some calls, where it is another
        self.status, self.head, self.asked, self.url = 200, "", 0, ""
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for writer in self._open:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lengths = [
                    line.split(":")[1] for line in head.lower().splitlines() if line.startswith("content-length")
                ]
                await reader.readexactly(int(lengths[0]) if lengths else 0)
                self.asked += 1
                call = " ".join(head.split(" ")[:2])
                body = next((said for part, said in self.answers.items() if part in call), b"{}")
                said = next((one for part, one in self.statuses.items() if part in call), self.status)
                status = 500 if self.asked > MOST else said
                length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"HTTP/1.1 {status} Said\r\n{length}{self.head}\r\n".encode("latin-1") + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture
def pretender(loop: asyncio.AbstractEventLoop) -> Iterator[Pretender]:
    pretender = Pretender()
    loop.run_until_complete(pretender.start())
    yield pretender
    loop.run_until_complete(pretender.stop())


def plain(found: object) -> Any:
    if isinstance(found, BaseModel):
        return found.model_dump(mode="json")
    if is_dataclass(found) and not isinstance(found, type):
        return {one: plain(getattr(found, one)) for one in found.__dataclass_fields__}
    if isinstance(found, Mapping):
        return {str(name): plain(one) for name, one in found.items()}
    return [plain(one) for one in found] if isinstance(found, list | tuple) else found


@st.composite
def broken(draw: st.DrawFn, answer: Any) -> bytes:
    """An answer with other values than it should have; now and then no JSON, or only half of it."""
    body = json.dumps(draw(changed(answer)), ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    match draw(st.sampled_from(["", "", "", "", "cut", "page", "bytes", "nothing"])):
        case "cut":
            return body[: draw(st.integers(0, len(body)))]
        case "page":
            return b"<html><body>Please log in</body></html>"
        case "bytes":
            return draw(st.binary(max_size=30))
        case "nothing":
            return b""
    return body


STATUSES = [200] * 12 + [201, 202, 204, 304, 400, 401, 403, 404, 408, 409, 422, 423, 425, 429, 477, 500, 502, 503]
COME_BACK = ["", "", "", "0", "-1", "soon", "1e999", "9" * 40, "Wed, 21 Oct 2015 07:28:00 GMT", "\xe4"]


async def asked(service: Service, url: str, ask: Ask) -> None:
    client = service.client(url)
    try:
        found = await ask(client)
    except RemoteError as error:
        assert error.message
        json.dumps(error.message, ensure_ascii=False).encode()
    else:
        json.dumps(plain(found), ensure_ascii=False, allow_nan=False, default=str).encode()
    finally:
        await client.close()


@pytest.mark.parametrize("name", SERVICES)
def test_whatever_is_answered_is_read_or_named_and_comes_to_an_end(
    name: str, loop: asyncio.AbstractEventLoop, pretender: Pretender
) -> None:
    service = SERVICES[name]

    @settings(max_examples=sized(20_000, 100), deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def answered(data: st.DataObject) -> None:
        question = data.draw(st.sampled_from(sorted(service.asks)))
        answers = service.answers or {"/": RECORDED[question]["answer"]}
        odd = data.draw(st.sampled_from(list(answers)))
        pretender.answers = {part: json.dumps(one).encode() for part, one in answers.items()}
        pretender.answers |= {odd: data.draw(broken(answers[odd]))}
        pretender.status = data.draw(st.sampled_from(STATUSES))
        after = data.draw(st.sampled_from(COME_BACK))
        pretender.head, pretender.asked = f"Retry-After: {after}\r\n" if after else "", 0

        loop.run_until_complete(asyncio.wait_for(asked(service, pretender.url, service.asks[question]), 30))
        assert pretender.asked <= MOST

    answered()


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "docspace"])
def test_what_is_answered_as_it_should_be_is_read(
    name: str, loop: asyncio.AbstractEventLoop, pretender: Pretender
) -> None:
    """Else the test above would show nothing."""
    service = SERVICES[name]
    pretender.answers = {part: json.dumps(one).encode() for part, one in service.answers.items()}

    async def all_asked() -> dict[str, object]:
        client: VendorClient = service.client(pretender.url)
        try:
            return {question: await ask(client) for question, ask in service.asks.items()}
        finally:
            await client.close()

    found = loop.run_until_complete(all_asked())
    assert [question for question, value in found.items() if not value] == ["set field"] * (service.asks is TICKETS)


async def answer_of(name: str, url: str, question: str) -> object:
    client = SERVICES[name].client(url)
    try:
        return await SERVICES[name].asks[question](client)
    finally:
        await client.close()


@pytest.mark.parametrize("question", ["newest", "ticket"])
@pytest.mark.parametrize("reason", ["AUTHENTICATED_FAILED", ""])
def test_a_token_that_has_ended_is_no_empty_jira(
    loop: asyncio.AbstractEventLoop, pretender: Pretender, question: str, reason: str
) -> None:
    """The cloud shows what strangers may see, with a word in a header or without one; and says 401 only of `myself`."""
    nothing = {"issues": [], "isLast": True} if question == "newest" else {"errorMessages": ["Issue does not exist"]}
    pretender.answers = {"/": json.dumps(nothing).encode()}
    pretender.statuses = {"/myself": 401, "/search": 200, "/issue/": 404}
    pretender.head = f"X-Seraph-LoginReason: {reason}\r\n" if reason else ""

    with pytest.raises(Unauthorized) as refused:
        loop.run_until_complete(answer_of("jira", pretender.url, question))
    assert "one *with scopes*" in refused.value.remedy


def test_an_empty_jira_is_one(loop: asyncio.AbstractEventLoop, pretender: Pretender) -> None:
    pretender.answers = {"/search": b'{"issues": [], "isLast": true}', "/myself": b'{"displayName": "Bot"}'}

    assert loop.run_until_complete(answer_of("jira", pretender.url, "newest")) == [[]]


@pytest.mark.parametrize("name", SERVICES)
def test_an_answer_that_goes_on_for_ever_is_given_up(
    name: str, loop: asyncio.AbstractEventLoop, pretender: Pretender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roomkeeper.remote.LARGEST", 100_000)
    packed = gzip.compress(b" " * 1_000_000)
    pretender.answers, pretender.head = {"/": packed}, "Content-Encoding: gzip\r\n"

    with pytest.raises(Garbled, match=r"answered .* with more than can be read: its answer is longer than"):
        loop.run_until_complete(answer_of(name, pretender.url, next(iter(SERVICES[name].asks))))


def test_a_redirect_says_where_to(loop: asyncio.AbstractEventLoop, pretender: Pretender) -> None:
    pretender.status, pretender.head = 302, "Location: https://new.example/\r\n"

    with pytest.raises(Unavailable, match=r"a redirect to https://new\.example/") as refused:
        loop.run_until_complete(answer_of("zendesk", pretender.url, "ticket"))
    assert "correct `url`" in refused.value.remedy


@pytest.mark.parametrize(
    ("head", "kind"), [("", Forbidden), ("CF-Ray: 8f\r\n", Throttled), ("Retry-After: 9\r\n", Throttled)]
)
def test_a_page_instead_of_an_answer_passes_only_if_it_says_so(
    loop: asyncio.AbstractEventLoop, pretender: Pretender, head: str, kind: type[RemoteError]
) -> None:
    pretender.answers, pretender.status = {"/": b"<html>No</html>"}, 403
    pretender.head = f"Content-Type: text/html\r\n{head}"

    with pytest.raises(kind):
        loop.run_until_complete(answer_of("hubspot", pretender.url, "notes"))


def test_a_note_at_zendesk_is_known_by_its_own_number(loop: asyncio.AbstractEventLoop, pretender: Pretender) -> None:
    """By the audit's it was not found among the ticket's notes, and was reported as a second one."""
    events = [{"id": 11, "type": "Change"}, {"id": 12, "type": "Comment"}]
    pretender.answers = {"/tickets/": json.dumps({"ticket": TICKET, "audit": {"id": 9, "events": events}}).encode()}

    assert loop.run_until_complete(answer_of("zendesk", pretender.url, "note")) == "12"


@pytest.mark.parametrize("odd", [0, "x", {}, [1], [None], [[]], True])
def test_a_list_that_is_none_is_no_empty_list(odd: object) -> None:
    """A note that is not found is written a second time."""
    with pytest.raises(Garbled, match="Acme's list of notes cannot be read: a list of objects was expected"):
        rows(odd, "Acme's list of notes")


@pytest.mark.parametrize("odd", [None, 0, "x", [], {}, {"id": None}, {"id": ""}, {"id": {}}, {"no": "id"}])
def test_an_answer_that_is_not_the_record_says_nothing_of_it(odd: object) -> None:
    """A deal without an id was taken for one that is open, and its closing was passed over."""
    with pytest.raises(Garbled, match="Acme's deal 7 cannot be read: the answer has no `id`"):
        record(odd, "Acme's deal 7")


@pytest.mark.parametrize("odd", ["x", "", "²", "-1", -1, 1.5, True, []])
def test_a_count_that_is_none_is_said(odd: object) -> None:
    with pytest.raises(Garbled, match="a number was expected"):
        count(odd, "Acme's list")


def test_a_list_that_leads_back_to_where_it_was_is_given_up() -> None:
    pages = Pages("Acme's list")
    assert [pages.next(one) for one in ("a", "b", None, "")] == ["a", "b", "", ""]
    with pytest.raises(Garbled, match="has no end: the answer leads back to 'a'"):
        pages.next("a")
