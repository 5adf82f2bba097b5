"""The site: every route there is."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from roomkeeper.runs.inbox import Inbox
from roomkeeper.web import api, health, metrics, pages, rendering
from roomkeeper.web.access import Access
from roomkeeper.web.desk import Desk
from roomkeeper.web.login import Doorman
from roomkeeper.web.receiver import Gate, Receiver

Lifespan = Callable[[Starlette], "contextlib.AbstractAsyncContextManager[None]"]


def site(gates: Mapping[str, Gate], inbox: Inbox, desk: Desk, *, lifespan: Lifespan) -> Starlette:
    """Build the site: every route there is."""
    receiver, doorman = Receiver(gates, inbox), Doorman(desk)
    routes: list[Any] = [
        Route("/hooks/{connection}", receiver, methods=["POST", "HEAD"]),
        Route("/livez", health.live),
        Route("/readyz", health.ready),
        Route("/metrics", metrics.metrics),
        Route("/login", doorman.page),
        Route("/login", doorman.enter, methods=["POST"]),
        Route("/login/oidc", doorman.to_service),
        Route("/login/oidc/callback", doorman.from_service),
        Route("/logout", doorman.leave, methods=["POST"]),
        Route("/static/{name}", rendering.static),
        *api.ROUTES,
        *pages.ROUTES,
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: rendering.missing})
    app.state.desk, app.state.access = desk, Access(desk.config, desk.store)
    return app
