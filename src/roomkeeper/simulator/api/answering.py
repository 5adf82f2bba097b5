"""The way of a request: who is it, may that key do this, what is answered and how."""

import re
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.request import BODILESS, Api, Body, Handler, Portal, Reply
from roomkeeper.simulator.problems import ApiError, UnsupportedMediaType, ValidationError
from roomkeeper.simulator.world import Key, now

# RateLimiterSettings.cs
SENSITIVE_CALLS, SENSITIVE_SPAN = 5, 900.0  # in so many seconds, by user and path (facts/docspace.md 7)
ACTIVE = 1  # a person's status (recorded: people.lookup)
RFC = "https://tools.ietf.org/html/rfc9110#section-15.5"


class PortalResponse(JSONResponse):
    """JSON as the portal sends it: in chunks, with these headers (recorded: envelope.headers)."""

    media_type = "application/json; charset=utf-8"

    def __init__(self, content: Any, status: int = 200) -> None:
        super().__init__(content, status)
        kept = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        kept.append((b"api-supported-versions", b"2.0"))
        self.raw_headers = kept if status < 400 else [*kept, (b"cache-control", b"no-cache,no-store")]


def endpoint(
    handler: Handler, family: str, *, is_anonymous: bool, is_open: bool, is_sensitive: bool
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        portal: Portal = request.app.state.portal
        closed = _closed(portal, request.url.path)
        if closed is not None:
            return closed
        key = authenticate(portal, request)
        if key is None:
            if _is_disabled(portal, request):  # (recorded: people.guest-disabled)
                return PortalResponse(ApiError(401, "System error.", None).document(), 401)
            if not is_anonymous:
                basic = request.headers.get("authorization", "").startswith("Basic ")
                return Response(status_code=401, headers={"WWW-Authenticate": "Basic"} if basic else None)
            if _looks_like_key(request):  # switched off, deleted, mistyped (recorded: envelope.anonymous, keys.create)
                return _problem("15.5.4", "Forbidden", 403)
            key = Key(portal.world.visitor(request.headers.get("request-token", "")), "none")
        key.last_used = now()
        if is_sensitive and not _may_again(portal, key, request.url.path):
            _note(portal, request, key, 429)
            return Response(status_code=429)
        refused = portal.limits.enter(key.user.id, request.method)
        if refused is not None:
            _note(portal, request, key, 429)
            return Response(status_code=429, headers=refused)
        try:
            if not _in_scope(key, family, request.method):
                _note(portal, request, key, 403)
                return _problem("15.5.4", "Forbidden", 403) if is_open else Response(status_code=403)
            response = await _handle(handler, request, portal, key)
        finally:
            portal.limits.leave(key.user.id, request.method)
        _note(portal, request, key, response.status_code)
        return response

    return answer


async def _handle(handler: Handler, request: Request, portal: Portal, key: Key) -> Response:
    link = {"href": str(request.url), "action": request.method}
    try:
        outcome = handler(Api(request, portal, key, await _body(request, handler)))
        reply = await outcome if hasattr(outcome, "__await__") else outcome
    except ValidationError as problem:
        said = _said("15.5.1", "One or more validation errors occurred.", 400) | {"errors": problem.errors}
        return PortalResponse(dto.envelope(said, link=link) | {"status": 1, "statusCode": 400}, 400)
    except UnsupportedMediaType:
        return PortalResponse(dto.envelope(_said("15.5.16", "Unsupported Media Type", 415), link=link), 415)
    except ApiError as problem:
        return PortalResponse(problem.document(), problem.status)
    except Exception as fault:  # noqa: BLE001 - as the server does: whatever it is, a 500 with an error
        traceback.print_exc()
        return PortalResponse(ApiError(500, str(fault)).document(), 500)
    if isinstance(reply, Response):
        return reply
    if not isinstance(reply, Reply):
        reply = Reply(reply)
    response = dto.pruned(reply.response, request.query_params.get("fields", ""))
    document = dto.envelope(response, link=link, count=reply.count, total=reply.total)
    return PortalResponse(document | {"statusCode": reply.status}, reply.status)


def _said(section: str, title: str, status: int) -> dict[str, Any]:
    trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
    part = section.removeprefix("15.5")
    return {"type": f"{RFC}{part}", "title": title, "status": status, "traceId": trace}


def _closed(portal: Portal, path: str) -> Response | None:
    """Answer for a portal that is not active (TenantStatusFilter.cs, SettingsController.cs)."""
    if portal.tenant_status in {1, 2} and not path.endswith("/settings"):  # suspended, to be removed
        return _problem("15.5.5", "Not Found", 404)
    # Moved, restoring, encrypted: these are let through.
    if portal.tenant_status in {3, 4, 6} and not path.endswith(("/settings", "@self", "/build", "/portal")):
        return _problem("15.5.4", "Forbidden", 403)
    return None


def _problem(section: str, title: str, status: int) -> Response:
    return JSONResponse(_said(section, title, status), status, media_type="application/problem+json; charset=utf-8")


async def _body(request: Request, handler: Handler) -> Body:
    """Read the JSON that a request must bring; a form belongs to who handles it."""
    kind = request.headers.get("content-type", "")
    if request.method == "GET" or handler in BODILESS or kind.startswith("multipart/"):
        return Body({})
    raw = await request.body()
    if "json" not in kind:
        raise UnsupportedMediaType
    if not raw:
        # By the name of the body in the request (recorded: envelope.errors); other calls' names were not recorded.
        named = "Folder" if "/files/folder/" in request.url.path else ""
        raise ValidationError({named: ["A non-empty request body is required."]})
    try:
        parsed = dto.parsed(raw)
    except ValueError as error:
        raise ValidationError({"$": [f"{error}. Path: $."]}) from error
    if not isinstance(parsed, dict):
        raise ValidationError({"$": ["The JSON value could not be converted."]})
    return Body(parsed)


def _may_again(portal: Portal, key: Key, path: str) -> bool:
    at = time.monotonic()
    made = [one for one in portal.sensitive.get((key.user.id, path), []) if one > at - SENSITIVE_SPAN]
    portal.sensitive[key.user.id, path] = [*made, at][:SENSITIVE_CALLS]
    return len(made) < SENSITIVE_CALLS


def authenticate(portal: Portal, request: Request) -> Key | None:
    match = re.fullmatch(r"Bearer (\S+)", request.headers.get("authorization", ""))
    key = portal.world.keys.get(match[1]) if match else None
    if key is None or (key.expires is not None and key.expires <= now()):
        return None
    return key if key.is_active and key.user.status == ACTIVE else None


def _is_disabled(portal: Portal, request: Request) -> bool:
    known = portal.world.keys.get(request.headers.get("authorization", "").removeprefix("Bearer "))
    return known is not None and known.is_active and known.user.status != ACTIVE


def _looks_like_key(request: Request) -> bool:
    return re.fullmatch(r"Bearer +sk-\S*", request.headers.get("authorization", "")) is not None


def _in_scope(key: Key, family: str, method: str) -> bool:
    """A write scope also reads its family, but for groups; what is in no family needs `*` (recorded: keys.scopes)."""
    if not key.permissions or "*" in key.permissions or not family:
        return True
    has = set(key.permissions)
    if family == "group":
        return bool(
            has & ({"accounts:read", "*:read", "*:write"} if method == "GET" else {"accounts:write", "*:write"})
        )
    reads = {"*:read"} if family == "*" else {"*:read", f"{family}:read"}
    writes = {"*:write"} if family == "*" else {"*:write", f"{family}:write"}
    return bool(has & (writes | reads if method == "GET" else writes))


def _note(portal: Portal, request: Request, key: Key, status: int) -> None:
    path = request.url.path.removeprefix("/api/2.0")
    portal.journal.append(
        {"at": now().isoformat(), "user": key.user.name, "method": request.method, "path": path, "status": status}
    )
