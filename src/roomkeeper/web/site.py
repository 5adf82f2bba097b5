"""The site: every route there is."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from roomkeeper.errors import StoreUnavailable
from roomkeeper.intake.inbox import Inbox
from roomkeeper.web import api, body, doorway, health, metrics, pages, rendering
from roomkeeper.web.access import Access
from roomkeeper.web.desk import Desk
from roomkeeper.web.doorway import Lifespan
from roomkeeper.web.login import Doorman
from roomkeeper.web.receiver import Gate

log = structlog.get_logger("web")


def site(gates: Mapping[str, Gate], inbox: Inbox, desk: Desk, *, lifespan: Lifespan) -> Starlette:
    """Build the site: every route there is."""
    doorman = Doorman(desk)
    routes: list[Any] = [
        *doorway.routes(gates, inbox),
        Route("/readyz", health.ready),
        Route("/metrics", metrics.metrics),
        Route("/enter", doorman.by_link),
        Route("/login", doorman.page),
        Route("/login", doorman.enter, methods=["POST"]),
        Route("/login/oidc", doorman.to_service),
        Route("/login/oidc/callback", doorman.from_service),
        Route("/logout", doorman.leave, methods=["POST"]),
        Route("/static/{name}", rendering.static),
        *api.ROUTES,
        *pages.ROUTES,
    ]
    troubles = {404: _missing, 405: _other_way, 500: _broken, StoreUnavailable: _out_of_order, body.NotCome: _not_come}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=troubles)
    app.router.redirect_slashes = False
    app.state.desk, app.state.access = desk, Access(desk.config, desk.store)
    app.state.leaving = asyncio.Event()
    app.state.live = Counter[str]()  # pages that keep themselves up to date, by whose they are
    return app


async def _missing(request: Request, error: Exception) -> Response:
    """Say that there is nothing under this address, to a program or to a person."""
    answer = api.missing if request.url.path.startswith(f"{api.BASE}/") else rendering.missing
    return await answer(request, error)


async def _other_way(request: Request, error: Exception) -> Response:
    """Say that something can be asked for, but not so."""
    headers = getattr(error, "headers", None)
    if request.url.path.startswith(f"{api.BASE}/"):
        return JSONResponse({"error": f"{request.method} is not possible here"}, 405, headers)
    return PlainTextResponse(f"{request.method} is not possible here\n", 405, headers)


async def _not_come(_: Request, __: Exception) -> Response:
    """Let go of who announced a form and did not send it: without a page, for there may be thousands of them."""
    return PlainTextResponse("The form did not come.\n", 408, headers={"Connection": "close"})


async def _out_of_order(request: Request, error: Exception) -> Response:
    """Say that the store does not answer, so that nobody can even be known."""
    unavailable = error if isinstance(error, StoreUnavailable) else StoreUnavailable(str(error))
    return rendering.shown(request, request.app.state.desk, None, rendering.out_of_order(unavailable))


async def _broken(request: Request, error: Exception) -> Response:
    """Say that it is our fault."""
    log.error("a fault in Roomkeeper itself", path=request.url.path, exc_info=error)
    said = "a fault in Roomkeeper itself; the log says which"
    if request.url.path.startswith(("/api/", "/hooks/")):
        return JSONResponse({"error": said}, 500)
    return PlainTextResponse(f"This is {said}. Nothing was done.\n", 500)
