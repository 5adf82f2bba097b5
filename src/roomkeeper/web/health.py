"""Whether the service lives, and whether it can do its work."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from roomkeeper.errors import StoreUnavailable
from roomkeeper.web.desk import Desk


async def live(_: Request) -> Response:
    """Answer: the process is there."""
    return JSONResponse({"status": "alive"})


async def ready(request: Request) -> Response:
    """Answer 200 if deliveries can be kept, else 503."""
    desk: Desk = request.app.state.desk
    try:
        await asyncio.to_thread(desk.history.answers)
    except StoreUnavailable as error:
        return JSONResponse({"status": "not ready", "error": error.message}, 503)
    return JSONResponse({"status": "ready"})
