"""What the pretend CRMs and helpdesks have in common: routes that ask for a token, and the portal's journal."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roomkeeper.simulator.api import Portal

Handler = Callable[[Any, Request], Awaitable[Response] | Response]
Allowed = Callable[[str, Handler, Request], bool]


def routes(
    portal: Portal, state: object, wanted: Sequence[tuple[str, str, str, Handler]], is_allowed: Allowed
) -> list[Route]:
    """Build the routes of several vendors, each below its name; every call is in the journal, under that name."""
    return [
        Route(f"/{vendor}{path}", _endpoint(portal, state, vendor, handler, is_allowed), methods=[method])
        for vendor, method, path, handler in wanted
    ]


def _endpoint(
    portal: Portal, state: object, vendor: str, handler: Handler, is_allowed: Allowed
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if not is_allowed(vendor, handler, request):
            answer: Response = JSONResponse({"message": "Unauthorized"}, 401)
        elif (seconds := portal.limits.vendor_refuses(vendor)) is not None:
            answer = JSONResponse({"message": "Too many requests"}, 429, {"Retry-After": seconds})
        else:
            outcome = handler(state, request)
            answer = outcome if isinstance(outcome, Response) else await outcome
        entry = {"at": datetime.now(UTC).isoformat(), "user": vendor, "method": request.method}
        portal.journal.append(entry | {"path": request.url.path, "status": answer.status_code})
        return answer

    return endpoint
