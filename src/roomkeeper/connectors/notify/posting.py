"""Post JSON to an address that may itself be a secret: it is in no record and no error."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from roomkeeper.errors import RemoteError, Unreachable
from roomkeeper.remote import CONNECT, Exchange, Observe, ReadOnlyTransport, answered, fetched, trusted, unobserved
from roomkeeper.statuses import by_status, is_success

_CALL = "POST"
_TAKE_A_LOOK = "Check the address in the configuration, and that this machine may reach it (proxy, firewall, DNS)."


class Poster:
    """Posts, each time once."""

    def __init__(self, url: str, *, timeout: float, dry: bool = False) -> None:
        transport = ReadOnlyTransport() if dry else None
        self._http = httpx2.AsyncClient(
            verify=trusted(), timeout=httpx2.Timeout(timeout, connect=CONNECT), transport=transport
        )
        self._url = url
        self._observe: Observe = unobserved

    def view(self, *, bulk: bool = False, observe: Observe | None = None) -> Self:  # noqa: ARG002 - no budget here
        """Give the same client for other work."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._observe = observe or unobserved
        return other

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def headers(self, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - others sign it
        """Give the headers that say who we are."""
        return {}

    async def post(self, value: Mapping[str, Any]) -> None:
        """Post it. Raises RemoteError."""
        started, status = time.monotonic(), 0
        body = json.dumps(value, ensure_ascii=False).encode()
        try:
            async with answered(f"the receiver at {urlsplit(self._url).hostname}", _CALL):
                headers = {"Content-Type": "application/json", **self.headers(body)}
                response = await fetched(self._http, "POST", self._url, content=body, headers=headers)
            status = response.status_code
            if not is_success(status):
                raise by_status(status, f"the receiver answered with {status}", response.headers)
        except RemoteError as error:
            self._note(status, started, error.message)
            raise
        self._note(status, started, "")

    async def reached(self) -> str:
        """Open a line to the receiver, and say nothing: it would take any call for a message. Raises RemoteError."""
        url = httpx2.URL(self._url)
        if getproxies().get(url.scheme) and not proxy_bypass(url.host):
            return f"{url.host} is reached through a proxy, so it is tried when there is a message"
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            async with asyncio.timeout(CONNECT):
                _, line = await asyncio.open_connection(
                    url.host, port, ssl=trusted() if url.scheme == "https" else None
                )
        except (OSError, TimeoutError) as error:
            what = f"no connection to the receiver at {url.host}:{port}: {str(error) or 'it took too long'}"
            raise Unreachable(what, remedy=_TAKE_A_LOOK) from error
        line.transport.abort()
        return f"{url.host}:{port} can be reached; whether it takes a message is seen when there is one"

    def _note(self, status: int, started: float, error: str) -> None:
        milliseconds = round((time.monotonic() - started) * 1000)
        self._observe(Exchange(_CALL, "(its address is a secret)", status, milliseconds, error))
