"""One portal, one HTTP client."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from roomkeeper.docspace.budget import Budget
from roomkeeper.docspace.files import Files
from roomkeeper.docspace.folders import Folders
from roomkeeper.docspace.models import Operation
from roomkeeper.docspace.operations import Operations
from roomkeeper.docspace.people import People
from roomkeeper.docspace.rooms import Rooms
from roomkeeper.docspace.wire import PREFIX, Answer, Call, read
from roomkeeper.errors import RemoteError, Unreachable, WriteRefused


@dataclass(frozen=True)
class Exchange:
    """One call as it went: for the record of a run. `status` is 0 if there was no answer."""

    method: str
    path: str
    status: int
    milliseconds: int
    error: str = ""


Observe = Callable[[Exchange], None]


class Portal:
    """A portal as one account sees it: `.rooms .folders .files .operations .people`.

    `view` gives the same portal for bulk work, or with its calls observed; all views share one HTTP client, one
    budget and the operations seen finished.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        budget: Budget,
        timeout: float = 100.0,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.budget = budget
        self._http = httpx2.AsyncClient(
            base_url=self.url + PREFIX,
            headers={"Authorization": f"Bearer {api_key}", "Accept": "application/json"},
            timeout=httpx2.Timeout(timeout, connect=10.0),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=30.0),
            transport=transport,
        )
        self._bulk = False
        self._observe: Observe = _ignore
        self._finished: dict[str, Operation] = {}
        self._bind()

    def view(self, *, bulk: bool = False, observe: Observe | None = None) -> "Portal":
        """Give the same portal for other work."""
        other = object.__new__(Portal)
        other.__dict__.update(self.__dict__)
        other._bulk = bulk
        other._observe = observe or _ignore
        other._bind()
        return other

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, call: Call) -> Answer:
        """Make one call, once.

        Raises the RemoteError that fits; for a write, `may_have_happened` tells whether it may have had its effect.
        """
        async with self.budget.permit(write=call.is_write, daily=call.counts_for_the_day, bulk=self._bulk):
            started = time.monotonic()
            status = 0
            try:
                async with _translated(call):
                    response = await self._http.request(
                        call.method, call.path, params=_query(call.query), json=call.body
                    )
                status = response.status_code
                answer = read(call, status, response.headers, response.content)
            except RemoteError as error:
                self.budget.heed(error, daily=call.counts_for_the_day)
                self._note(call, status, started, str(error))
                raise
            self.budget.heed(None, daily=False)
            self._note(call, status, started, "")
            return answer

    def _bind(self) -> None:
        self.rooms = Rooms(self.send)
        self.folders = Folders(self.send)
        self.files = Files(self.send)
        self.people = People(self.send)
        self.operations = Operations(self.send, self._finished)

    def _note(self, call: Call, status: int, started: float, error: str) -> None:
        took = round((time.monotonic() - started) * 1000)
        self._observe(Exchange(call.method, call.path, status, took, error))


class ReadOnlyTransport(httpx2.AsyncBaseTransport):
    """Lets GET through and nothing else: what makes a dry run dry."""

    def __init__(self, inner: httpx2.AsyncBaseTransport | None = None) -> None:
        self._inner = inner or httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Refuse any request that could change something."""
        if request.method != "GET":
            raise WriteRefused(
                f"A dry run does not write: {request.method} {request.url.path} was not sent",
                may_have_happened=False,
            )
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the transport underneath."""
        await self._inner.aclose()


@asynccontextmanager
async def _translated(call: Call) -> AsyncIterator[None]:
    """Say in our words why there was no answer, and whether the call may have arrived."""
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
        raise Unreachable(f"No connection for {call}: {_why(error)}", may_have_happened=False) from error
    except httpx2.TimeoutException as error:
        raise Unreachable(f"The portal did not answer {call} in time") from error
    except (httpx2.TransportError, httpx2.DecodingError) as error:
        raise Unreachable(f"The connection broke before {call} was answered: {_why(error)}") from error


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


def _query(query: Mapping[str, object]) -> list[tuple[str, str | int | float | bool | None]]:
    """Repeat a name for each value of a list, as the server binds arrays."""
    pairs: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in query.items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, _text(one)) for one in values]
    return pairs


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _ignore(exchange: Exchange) -> None:
    """Keep no record."""
