"""The front: what the server calls. Behind it, one application is exchanged for another, and who calls waits."""

import asyncio
from typing import Protocol

import structlog
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from roomkeeper.configuration.config import Config

log = structlog.get_logger("web")

_HELD = 75.0  # seconds that a request waits: senders give an answer as long, and those that give less come again
_LAST_ANSWERS = 5.0  # seconds that requests under way have
_AT_ONCE = frozenset({"/livez"})  # whether the process lives does not depend on what it serves


class Served(Protocol):
    """What is served."""

    @property
    def site(self) -> Starlette:
        """Every route there is."""

    @property
    def config(self) -> Config:
        """What it was built from."""


class Front:
    """Passes requests on."""

    def __init__(self, served: Served) -> None:
        self._under_way: set[asyncio.Task[object]] = set()
        self._is_open = asyncio.Event()
        self.open(served)

    def open(self, served: Served) -> None:
        """Pass requests on to this."""
        self._site = served.site
        proxies = list(served.config.trusted_proxies)
        self._behind: ASGIApp = ProxyHeadersMiddleware(served.site, trusted_hosts=proxies)  # type: ignore[arg-type, assignment]
        self._is_open.set()

    async def close(self) -> None:
        """Let requests wait, and those under way be answered; the ones that do not end are ended."""
        self._is_open.clear()
        self.let_go()
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=_LAST_ANSWERS)
            for one in late:
                one.cancel()
            if late:
                log.warning("requests were ended that took too long", many=len(late))
                await asyncio.wait(late)

    def let_go(self) -> None:
        """Have the pages that show what is new end: browsers ask for them again."""
        self._site.state.leaving.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not self._is_open.is_set() and scope.get("path") not in _AT_ONCE and not await self._opens():
            busy = JSONResponse({"error": "the configuration is being exchanged; come again"}, 503)
            busy.headers["Retry-After"] = "5"
            await busy(scope, receive, send)
            return
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is answered in a task")
        self._under_way.add(task)
        try:
            await self._behind(scope, receive, send)
        finally:
            self._under_way.discard(task)

    async def _opens(self) -> bool:
        try:
            async with asyncio.timeout(_HELD):
                await self._is_open.wait()
        except TimeoutError:
            return False
        return True
