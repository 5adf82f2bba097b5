"""Whether the service lives, and whether it can do its work."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from roomkeeper.errors import StoreUnavailable
from roomkeeper.runs.history import History


async def live(_: Request) -> Response:
    """Answer: the process is there."""
    return JSONResponse({"status": "alive"})


async def ready(request: Request) -> Response:
    """Answer 200 if deliveries can be kept, else 503."""
    history: History = request.app.state.history
    try:
        await asyncio.to_thread(history.counts)
    except StoreUnavailable as error:
        return JSONResponse({"status": "not ready", "error": error.message}, 503)
    return JSONResponse({"status": "ready"})
