"""`/metrics`, for Prometheus: by a token."""

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from roomkeeper.errors import StoreUnavailable
from roomkeeper.telemetry.metrics import exposition
from roomkeeper.web.access import Access
from roomkeeper.web.desk import Desk

_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


async def metrics(request: Request) -> Response:
    """Give all metrics."""
    desk: Desk = request.app.state.desk
    access: Access = request.app.state.access
    if access.of_api(request) is None:
        said = "give a token of `dashboard: tokens`, as `Authorization: Bearer …`\n"
        return PlainTextResponse(said, 401, headers={"WWW-Authenticate": "Bearer"})
    try:
        written = await asyncio.to_thread(exposition, desk.store, desk.limits, desk.config.shown)
    except StoreUnavailable as error:
        return PlainTextResponse(f"{error.message}\n", 503)
    return Response(desk.redact(written.decode()), headers={"Content-Type": _FORMAT, "Cache-Control": "no-store"})
