"""What calls to any service have in common: bounds, their record, words for their troubles, reading without writing.

An answer is read up to a bound in bytes and seconds, so that no service, and nothing that stands in front of one, can
use up the memory that all runs share, or keep a run for ever.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx2

from roomkeeper.errors import Garbled, Unreachable, WriteRefused

CONNECT = 10.0  # seconds to wait for a connection
#: Bytes, unpacked: a page of a hundred records of any service here is a tenth of it (ours).
LARGEST = 32 * 2**20
_WHOLE = 900.0  # seconds from the request to the end of its answer, for a service that dribbles (ours)
_OF_THE_WAY = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


class _TooLong(httpx2.DecodingError):
    """The answer is longer than any that is expected."""


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


async def fetched(
    http: httpx2.AsyncClient,
    method: str,
    url: str,
    **given: Any,  # noqa: ANN401 - what httpx takes
) -> httpx2.Response:
    """Make a call and read its answer, up to `LARGEST` bytes and for a quarter of an hour. Raises httpx2.HTTPError."""
    content = bytearray()
    try:
        async with asyncio.timeout(_WHOLE), http.stream(method, url, **given) as answer:
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > LARGEST:
                    raise _TooLong(f"its answer is longer than {LARGEST:,} bytes", request=answer.request)
    except TimeoutError as error:
        raise httpx2.ReadTimeout(f"its answer did not end within {_WHOLE:.0f} s") from error
    headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in _OF_THE_WAY]
    return httpx2.Response(answer.status_code, headers=headers, content=bytes(content), request=answer.request)


@asynccontextmanager
async def answered(service: str, call: object) -> AsyncIterator[None]:
    """Say in our words why there was no answer, and whether the call may have arrived. Raises Unreachable."""
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
        raise Unreachable(f"No connection to {service} for {call}: {_why(error)}", may_have_happened=False) from error
    except httpx2.TimeoutException as error:
        raise Unreachable(f"{service[0].upper()}{service[1:]} did not answer {call} in time") from error
    except _TooLong as error:
        raise Garbled(
            f"{service[0].upper()}{service[1:]} answered {call} with more than can be read: {error}"
        ) from error
    except (httpx2.TransportError, httpx2.DecodingError) as error:
        raise Unreachable(f"The connection broke before {call} was answered: {_why(error)}") from error


def _why(error: Exception) -> str:
    if "WRONG_VERSION_NUMBER" in str(error):  # OpenSSL's words
        return "what answers there does not speak TLS: try http:// instead of https://"
    return str(error) or type(error).__name__
