"""What is seen from outside: the receiver of deliveries, the live page, the health of the service."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from roomkeeper.runs.history import History
from roomkeeper.runs.inbox import Inbox
from roomkeeper.web import dashboard, health
from roomkeeper.web.receiver import Gate, Receiver

__all__ = ["Gate", "site"]

Lifespan = Callable[[Starlette], "contextlib.AbstractAsyncContextManager[None]"]


def site(
    gates: Mapping[str, Gate], inbox: Inbox, history: History, *, warnings: Sequence[str], lifespan: Lifespan
) -> Starlette:
    """Build the site: every route there is."""
    receiver = Receiver(gates, inbox)
    routes: list[Any] = [
        Route("/hooks/{connection}", receiver, methods=["POST", "HEAD"]),
        Route("/livez", health.live),
        Route("/readyz", health.ready),
        Route("/", dashboard.page),
        Route("/live", dashboard.live),
        Route("/static/{name}", dashboard.static),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.history, app.state.warnings = history, list(warnings)
    return app
