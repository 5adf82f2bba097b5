"""Whether the service can do its work."""

import asyncio

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from roomkeeper.errors import StoreUnavailable
from roomkeeper.store import services
from roomkeeper.web.desk import Desk

log = structlog.get_logger("health")


async def ready(request: Request) -> Response:
    """Answer 200 if deliveries can be kept, else 503."""
    desk: Desk = request.app.state.desk
    try:
        await asyncio.to_thread(services.must_be_kept, desk.store)
    except StoreUnavailable as error:
        log.warning("not ready", reason=error.message)  # a stranger is not told how the store is reached
        return JSONResponse({"status": "not ready", "error": "the store does not keep anything; the log says why"}, 503)
    return JSONResponse({"status": "ready"})
