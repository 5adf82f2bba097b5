"""What calls to any service have in common: their record, words for their troubles, a transport that only reads."""

import ssl
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache

import httpx2

from roomkeeper.errors import Unreachable, WriteRefused

CONNECT = 10.0  # seconds to wait for a connection


@dataclass(frozen=True)
class Exchange:
    """One call as it went: for the record of a run. `status` is 0 if there was no answer."""

    method: str
    path: str
    status: int
    milliseconds: int
    error: str = ""


Observe = Callable[[Exchange], None]


def unobserved(exchange: Exchange) -> None:
    """Keep no record."""


@cache
def trusted() -> ssl.SSLContext:
    """Give the authorities that all calls trust; loaded once, for that takes tens of milliseconds."""
    return httpx2.create_ssl_context()


class ReadOnlyTransport(httpx2.AsyncBaseTransport):
    """Lets GET through and nothing else: what makes a dry run dry. `signing_in` are paths where POST only logs in."""

    def __init__(self, inner: httpx2.AsyncBaseTransport | None = None, *, signing_in: Collection[str] = ()) -> None:
        self._inner = inner or httpx2.AsyncHTTPTransport(verify=trusted())
        self._signing_in = frozenset(signing_in)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Refuse any request that could change something."""
        if request.method != "GET" and request.url.path not in self._signing_in:
            raise WriteRefused(
                f"A dry run does not write: {request.method} {request.url.path} was not sent",
                may_have_happened=False,
            )
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the transport underneath."""
        await self._inner.aclose()


@asynccontextmanager
async def answered(service: str, call: object) -> AsyncIterator[None]:
    """Say in our words why there was no answer, and whether the call may have arrived. Raises Unreachable."""
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
        raise Unreachable(f"No connection to {service} for {call}: {_why(error)}", may_have_happened=False) from error
    except httpx2.TimeoutException as error:
        raise Unreachable(f"{service[0].upper()}{service[1:]} did not answer {call} in time") from error
    except (httpx2.TransportError, httpx2.DecodingError) as error:
        raise Unreachable(f"The connection broke before {call} was answered: {_why(error)}") from error


def _why(error: Exception) -> str:
    if "WRONG_VERSION_NUMBER" in str(error):  # OpenSSL's words
        return "what answers there does not speak TLS: try http:// instead of https://"
    return str(error) or type(error).__name__
