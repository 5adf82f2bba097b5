"""A vendor's JSON API, as one account sees it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Protocol, Self
from urllib.parse import urlsplit

import httpx2

from roomkeeper import outside
from roomkeeper.errors import Forbidden, Garbled, RemoteError, Throttled, Unauthorized
from roomkeeper.remote import CONNECT, Exchange, Observe, ReadOnlyTransport, answered, fetched, trusted, unobserved
from roomkeeper.statuses import by_status, is_success, redirected
from roomkeeper.vendors.pace import Pace, Rate
from roomkeeper.vendors.settings import ListingSettings

_SAID = 300  # characters of a refusal that are passed on
_COME_BACK = 10.0  # seconds, where a service does not say when: HubSpot's rolling window (facts/vendors.md 4); ours
_SHORTEST_WAIT, _LONGEST_WAIT = 1.0, 120.0  # seconds that a patient call waits at a time; ours
_KEPT_OUT = 60.0  # seconds, where what stands in front of a service refuses without saying for how long; ours
#: By these headers one sees that a refusal passes: Cloudflare's, or when to come again (facts/vendors.md 5).
_PASSING_BY = frozenset({"cf-ray", "cf-mitigated", "retry-after"})
_PATIENT_FOR = 900.0  # seconds, in all; then it is given up; ours


class VendorClient:
    """Makes calls, each once; says in our words what went wrong. Vendors' clients build on it.

    `view` gives the same client with its calls observed; all views share one HTTP client.
    """

    #: The vendor's name, for people.
    vendor = ""
    #: What to do about a token that is refused, or a right that it lacks.
    remedy = ""
    #: How many calls its smallest plan allows, where it says so.
    rate: ClassVar[Rate | None] = None
    #: Refusals that pass by themselves, and what they mean: by status, or by the code of the error in the body.
    passing: ClassVar[Mapping[int | str, type[RemoteError]]] = {}

    def __init__(
        self,
        url: str,
        settings: ListingSettings,
        *,
        headers: Mapping[str, str],
        dry: bool = False,
        signing_in: Collection[str] = (),
    ) -> None:
        by_plan = settings.calls_per_minute
        self._pace = Pace(Rate(by_plan, 60.0) if by_plan is not None else self.rate)
        self.url = url.rstrip("/")
        base = urlsplit(self.url).path
        self._http = httpx2.AsyncClient(
            verify=trusted(),
            base_url=self.url,
            headers={"Accept": "application/json", **headers},
            timeout=httpx2.Timeout(settings.timeout, connect=CONNECT),
            transport=ReadOnlyTransport(signing_in=[f"{base}{path}" for path in signing_in]) if dry else None,
        )
        self._observe: Observe = unobserved
        self._is_patient = False

    def view(self, *, bulk: bool = False, observe: Observe | None = None) -> Self:
        """Give the same client for other work; `bulk` work waits where the service wants fewer calls."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._observe = observe or unobserved
        other._is_patient = bulk
        return other

    def share(self, processes: Callable[[], int]) -> None:
        """Say how many processes call the vendor for this connection."""
        self._pace.processes = processes

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, query: Mapping[str, str | int] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Read. Raises RemoteError."""
        return await self.send("GET", path, query=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Write. Raises RemoteError."""
        return await self.send("POST", path, body=body)

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """Make one call, once; gives the answer's JSON, None if it is empty.

        Raises the RemoteError that fits; `may_have_happened` tells whether a write may have had its effect. Patient,
        it waits and asks again where it was told to come back soon: such a call was not taken.
        """
        until = time.monotonic() + _PATIENT_FOR
        while True:
            await self._pace.turn(self.vendor, bulk=self._is_patient)
            try:
                return await self._send(method, path, query=query, body=body, form=form, headers=headers)
            except Throttled as error:
                wait = error.retry_after if error.retry_after is not None else _COME_BACK
                if not self._is_patient or wait > _LONGEST_WAIT or time.monotonic() + wait > until:
                    raise
                await asyncio.sleep(max(wait, _SHORTEST_WAIT))

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> Any:  # noqa: ANN401 - JSON
        started, status, call = time.monotonic(), 0, f"{method} {path}"
        try:
            async with answered(self.vendor, call):
                response = await fetched(self._http, method, path, params=query, json=body, data=form, headers=headers)
            status = response.status_code
            if self._is_to_nobody(response):
                told = f"{self.vendor} answered {call} as to somebody who is not logged in: it does not take the token"
                has_happened = is_success(status)  # strangers may comment in some projects
                raise Unauthorized(told, status=status, may_have_happened=has_happened, remedy=self.remedy)
            if not is_success(status):
                raise self._heeded(self._refusal(call, response))
            self._pace.heed(None)
            answer = self._read(call, response)
        except RemoteError as error:
            self._note(method, path, status, started, error.message)
            raise
        self._note(method, path, status, started, "")
        return answer

    def _is_to_nobody(self, response: httpx2.Response) -> bool:  # noqa: ARG002 - for services that serve strangers, too
        """Whether we were taken for a stranger, whatever the status."""
        return False

    async def whoami(self) -> str:
        """Say whose token this is. Raises RemoteError."""
        raise NotImplementedError

    def attempts(self) -> Mapping[str, Callable[[], Awaitable[str]]]:
        """Name what can be tried without changing anything; each says what is missing, or nothing."""
        return {}

    def reading(self, path: str, query: Mapping[str, str | int] | None = None) -> Callable[[], Awaitable[str]]:
        """Give the attempt to read something."""

        async def read() -> str:
            await self.get(path, query)
            return ""

        return read

    def _read(self, call: str, response: httpx2.Response) -> Any:  # noqa: ANN401 - JSON
        if not response.content:
            return None
        try:
            return outside.document(response.content).value
        except outside.Unreadable as error:
            raise Garbled(f"{self.vendor} answered {call} with something that cannot be read: it {error}") from error

    def _heeded(self, error: RemoteError) -> RemoteError:
        """Have all calls wait where the vendor wants fewer of them."""
        if isinstance(error, Throttled):
            self._pace.heed(error)
        return error

    def _refusal(self, call: str, response: httpx2.Response) -> RemoteError:
        status, is_page = response.status_code, "html" in response.headers.get("content-type", "")
        said = "" if is_page else outside.one_line(response.text, _SAID)
        told = f"{self.vendor} answered {call} with {status}" + (f": {said}" if said else "")
        remedy = self.remedy if status in {401, 403} else ""
        moved = redirected(status, told, response.headers)
        if moved is not None:
            return moved
        error = by_status(status, told, response.headers, remedy=remedy)
        if status == HTTPStatus.FORBIDDEN and is_page:
            return self._kept_out(told, response, error)
        passing = next((kind for mark, kind in self.passing.items() if mark in (status, _code(response))), None)
        return passing(told, status=status, retry_after=error.retry_after) if passing is not None else error

    def _kept_out(self, told: str, response: httpx2.Response, error: RemoteError) -> RemoteError:
        """Read a page: it is from what stands in front of the service, for that itself answers in JSON.

        It may be because of too many calls (facts/vendors.md 5: Cloudflare's 403).
        """
        if not _PASSING_BY.intersection(response.headers):
            in_front = f"{told}, and a page: what stands in front of it (a proxy, a list of addresses) refuses us"
            return Forbidden(
                in_front, status=error.status, remedy=f"Let this machine's address in there. {self.remedy}"
            )
        wait = error.retry_after if error.retry_after is not None else _KEPT_OUT
        return Throttled(told, status=error.status, retry_after=wait)

    def _note(self, method: str, path: str, status: int, started: float, error: str) -> None:
        took = round((time.monotonic() - started) * 1000)
        self._observe(Exchange(method, path, status, took, error))


def _code(response: httpx2.Response) -> str:
    """Give the code of an error, where its body is a list of errors as Salesforce sends it; empty if it is not."""
    try:
        document = outside.document(response.content).value
    except outside.Unreadable:
        return ""
    first = document[0] if isinstance(document, list) and document else None
    return str(first.get("errorCode", "")) if isinstance(first, dict) else ""


class Shared(Protocol):
    """What knows how many processes share a connection."""

    def processes(self) -> int:
        """Tell how many."""


def opener(client: Callable[..., VendorClient]) -> Callable[..., VendorClient]:
    """Give what opens a vendor's client for a connection; a dry one cannot write."""

    def connect(
        settings: object, *, tally: Shared, wanted: frozenset[str] = frozenset(), dry: bool = False
    ) -> VendorClient:
        opened = client(settings, wanted, dry=dry)
        opened.share(tally.processes)
        return opened

    return connect
