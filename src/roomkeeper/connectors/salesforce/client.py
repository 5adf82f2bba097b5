"""Salesforce's API: the opportunity with what belongs to it, and tasks as notes (facts/vendors.md 6)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Literal

from roomkeeper.automations.event import Event
from roomkeeper.connectors.salesforce.settings import Salesforce
from roomkeeper.connectors.salesforce.webhook import record_id
from roomkeeper.errors import Clash, Forbidden, Garbled, NotFound, Rejected, RemoteError, Throttled, Unauthorized
from roomkeeper.vendors import deals
from roomkeeper.vendors.answers import Pages, record, rows
from roomkeeper.vendors.client import VendorClient
from roomkeeper.vendors.deals import Closing, Deal, Page
from roomkeeper.vendors.reading import mapping, text
from roomkeeper.vendors.recent import stamp

_API = "/services/data/v62.0"
_TOKEN = "/services/oauth2/token"  # noqa: S105 - a path
_SUBJECT = 255  # characters of a task's subject
_LIMIT = "REQUEST_LIMIT_EXCEEDED"  # comes as 403, and passes


class SalesforceClient(VendorClient):
    """A Salesforce organisation; `wanted` are the fields of deals that automations use."""

    vendor = "Salesforce"
    remedy = (
        "Let the connected app's run-as user see and change opportunities and tasks, and check `client_id` and "
        "`client_secret`; then it goes on."
    )

    #: Somebody else is writing the record, or one that it hangs on (jsforce/jsforce#1018).
    passing: ClassVar[Mapping[int | str, type[RemoteError]]] = {"UNABLE_TO_LOCK_ROW": Clash}

    def __init__(self, settings: Salesforce, wanted: frozenset[str], *, dry: bool) -> None:
        super().__init__(settings.url, settings, headers={}, dry=dry, signing_in={_TOKEN})
        self._wanted = wanted
        self._login = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret.get_secret_value(),
        }
        self._session = _Session()

    async def whoami(self) -> str:
        """Log in. Raises RemoteError."""
        await self._token()
        return "the connected app is let in"

    def attempts(self) -> Mapping[str, Callable[[], Awaitable[str]]]:
        """Name what can be tried without changing anything."""
        return {
            "opportunities": partial(self._may, "Opportunity", "queryable"),
            "tasks": partial(self._may, "Task", "createable"),
        }

    async def _may(self, kind: str, what: str) -> str:
        described = mapping(await self._ask("GET", f"/sobjects/{kind}/describe"))
        return "" if described.get(what) is True else f"the run-as user finds {kind} not {what}"

    async def closing(self, deal: str) -> Closing:
        """Read an opportunity: whether and how it is closed, its stage, and since when it is in that."""
        answer = await self._ask("GET", f"/sobjects/Opportunity/{record_id(deal)}")
        found = record(answer, f"Salesforce's opportunity {deal}", name="Id")
        stage = text(found.get("StageName"))
        is_closed = found.get("IsClosed") is True
        status: Literal["won", "lost"] = "lost" if is_closed and found.get("IsWon") is not True else "won"
        began = await self._began(deal, status) if is_closed else ""
        return Closing(
            Deal(
                id=record_id(text(found.get("Id"))) or deal,
                status=status,
                name=text(found.get("Name")),
                company=await self._related("company", "Account", text(found.get("AccountId")), "Name"),
                contact_email=await self._contact(deal),
                owner_email=await self._related("owner.email", "User", text(found.get("OwnerId")), "Email"),
                amount=deals.amount(found.get("Amount")),
                currency=text(found.get("CurrencyIsoCode")),
                url=f"{self.url}/{record_id(deal)}",
                fields={name: value for name, value in found.items() if value is not None and name != "attributes"},
            ),
            is_closed=is_closed,
            stage=stage,
            since=began or _since(found),
            is_certain=bool(began),
            told=_since(found),
        )

    async def _began(self, deal: str, status: str) -> str:
        """Say since when an opportunity is closed this way, by its stages' history; empty if it may not be read.

        `LastStageChangeDate` is not enough: from one won stage to another it changes, too (Object Reference,
        OpportunityHistory, OpportunityStage).
        """
        query = (
            "SELECT StageName, CreatedDate FROM OpportunityHistory "  # noqa: S608 - only letters and digits
            f"WHERE OpportunityId = '{record_id(deal)}' ORDER BY CreatedDate DESC"
        )
        try:
            stages = await self._outcomes()
            history = [
                (text(one.get("StageName")), text(one.get("CreatedDate")))
                async for records in self._queried(query)
                for one in records
            ]
        except (Forbidden, NotFound, Rejected):
            return ""
        return deals.began(history, status, stages.get)

    async def _outcomes(self) -> dict[str, str | None]:
        """Say of each stage how it closes an opportunity; None if it does not."""
        found: dict[str, str | None] = {}
        async for records in self._queried("SELECT ApiName, MasterLabel, IsClosed, IsWon FROM OpportunityStage"):
            for one in records:
                closed = "won" if one.get("IsWon") is True else "lost"
                means = closed if one.get("IsClosed") is True else None
                found |= {text(one.get("MasterLabel")): means, text(one.get("ApiName")): means}
        return found

    async def closed_deals(self, since: datetime) -> AsyncIterator[Page]:
        """List the closed opportunities among those that changed since then."""
        query = (
            "SELECT Id, IsWon, CloseDate, LastStageChangeDate, LastModifiedDate FROM Opportunity WHERE IsClosed = true "  # noqa: S608
            f"AND LastModifiedDate >= {stamp(since)} ORDER BY LastModifiedDate"
        )
        async for records in self._queried(query):
            closings = [
                (record_id(text(one.get("Id"))), "won" if one.get("IsWon") is True else "lost", _since(one))
                for one in records
            ]
            yield Page(closings, text(records[-1].get("LastModifiedDate")) if records else "")

    async def deal_notes(self, deal: str) -> dict[str, str]:
        """List the opportunity's tasks with their texts."""
        query = f"SELECT Id, Description FROM Task WHERE WhatId = '{record_id(deal)}' ORDER BY CreatedDate DESC"  # noqa: S608 - only letters and digits
        notes: dict[str, str] = {}
        async for records in self._queried(query):
            notes |= {text(one.get("Id")): text(one.get("Description")) for one in records}
        return notes

    async def add_deal_note(self, deal: str, text_: str) -> str:
        """Write a completed task on the opportunity's timeline."""
        task = {
            "WhatId": record_id(deal),
            "Subject": text_.strip().splitlines()[0][:_SUBJECT],
            "Description": text_,
            "Status": "Completed",
            "ActivityDate": datetime.now(UTC).strftime("%Y-%m-%d"),
        }
        return text(record(await self._ask("POST", "/sobjects/Task", body=task), "Salesforce's answer to a task")["id"])

    async def _related(self, wanted: str, kind: str, record: str, name: str) -> str:
        """Read one field of what belongs to the opportunity, if an automation uses it."""
        if wanted not in self._wanted or not record_id(record):
            return ""
        try:
            found = await self._ask("GET", f"/sobjects/{kind}/{record_id(record)}", query={"fields": name})
        except NotFound:
            return ""
        return text(mapping(found).get(name))

    async def _contact(self, deal: str) -> str:
        if "contact.email" not in self._wanted:
            return ""
        query = (
            "SELECT Contact.Email FROM OpportunityContactRole "  # noqa: S608 - only letters and digits
            f"WHERE OpportunityId = '{record_id(deal)}' ORDER BY IsPrimary DESC LIMIT 1"
        )
        answer = mapping(await self._ask("GET", "/query", query={"q": query}))
        records = rows(answer.get("records"), "Salesforce's list of contacts")
        return text(mapping(records[0].get("Contact")).get("Email")) if records else ""

    async def _queried(self, query: str) -> AsyncIterator[list[Mapping[str, Any]]]:
        """Give the records that a query finds, page by page."""
        page, pages = mapping(await self._ask("GET", "/query", query={"q": query})), Pages("Salesforce's list")
        while True:
            yield rows(page.get("records"), "Salesforce's list")
            following = pages.next(page.get("nextRecordsUrl"))
            if not following:
                return
            page = mapping(await self._ask("GET", following.removeprefix(_API)))

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """Make a call with a session that is renewed when it has expired."""
        token = await self._token()
        try:
            return await self._with(token, method, path, query, body)
        except Unauthorized:
            if self._session.token == token:
                self._session.token = ""
            return await self._with(await self._token(), method, path, query, body)

    async def _with(
        self,
        token: str,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
    ) -> Any:  # noqa: ANN401 - JSON
        try:
            headers = {"Authorization": f"Bearer {token}"}
            return await self.send(method, f"{_API}{path}", query=query, body=body, headers=headers)
        except Forbidden as error:
            if _LIMIT in error.message:
                raise Throttled(error.message, status=error.status, retry_after=60.0) from error
            raise

    async def _token(self) -> str:
        async with self._session.renewing:
            if not self._session.token:
                try:
                    self._session.token = _token_in(await self.send("POST", _TOKEN, form=self._login))
                except Rejected as error:  # Salesforce answers 400 to credentials that are wrong
                    raise Unauthorized(error.message, status=error.status, remedy=self.remedy) from error
                except RemoteError as error:
                    error.may_have_happened = False  # logging in is no effect that could be doubled
                    raise
            return self._session.token


def _token_in(answer: object) -> str:
    token = text(record(answer, "Salesforce's answer to the login", name="access_token")["access_token"])
    if not (token.isascii() and token.isprintable()):
        raise Garbled("Salesforce's answer to the login cannot be read: what it gives is no token")
    return token


def _since(opportunity: Mapping[str, Any]) -> str:
    """When an opportunity came into its stage."""
    return text(opportunity.get("LastStageChangeDate") or opportunity.get("CloseDate"))


class _Session:
    """The access token that all views of a client share."""

    def __init__(self) -> None:
        self.token = ""
        self.renewing = asyncio.Lock()


async def complete(client: SalesforceClient, event: Event) -> Event:
    """Read the opportunity as it is now. Raises RemoteError."""
    known = deals.identified(event)
    found = await client.closing(known)
    why = "" if found.is_closed else f"opportunity {known} is not closed: it is in the stage {found.stage!r}"
    return deals.completed(event, found.deal, since=found.since, why=why, certain=found.is_certain, told=found.told)
