"""The site of the door: where deliveries go, and whether it lives. Whatever else is asked for, the desk answers."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roomkeeper.intake.inbox import Inbox
from roomkeeper.web.receiver import Gate, Receiver

log = structlog.get_logger("door")

HOOKS = "/hooks/"
LIVE = "/livez"

Lifespan = Callable[[Starlette], "contextlib.AbstractAsyncContextManager[None]"]


def site(gates: Mapping[str, Gate], inbox: Inbox, *, lifespan: Lifespan) -> Starlette:
    """Build the door's site."""
    troubles: dict[Any, Any] = {404: _missing, 500: _broken}
    app = Starlette(routes=routes(gates, inbox), lifespan=lifespan, exception_handlers=troubles)
    app.router.redirect_slashes = False
    app.state.leaving = asyncio.Event()
    return app


def routes(gates: Mapping[str, Gate], inbox: Inbox) -> list[Route]:
    """List what the door answers."""
    receiver = Receiver(gates, inbox)
    return [
        Route(f"{HOOKS}{{connection}}", receiver, methods=["POST", "HEAD"]),
        # As it is pasted; senders follow no redirect.
        Route(f"{HOOKS}{{connection}}/", receiver, methods=["POST", "HEAD"]),
        Route(LIVE, live),
    ]


def is_here(path: str) -> bool:
    """Whether the door answers this itself."""
    return path.startswith(HOOKS) or path == LIVE


async def live(_: Request) -> Response:
    """Answer: the process is there."""
    return JSONResponse({"status": "alive"})


async def _missing(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "there is nothing under this address"}, 404)


async def _broken(request: Request, error: Exception) -> Response:
    """Say that it is our fault."""
    log.error("a fault in Roomkeeper itself", path=request.url.path, exc_info=error)
    return JSONResponse({"error": "a fault in Roomkeeper itself; the log says which"}, 500)
