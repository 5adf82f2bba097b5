"""The portal's REST API below /api/2.0, a module for each resource."""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from roomkeeper.simulator.api import (
    addresses,
    backups,
    files,
    folders,
    groups,
    hooks,
    keys,
    links,
    members,
    operations,
    people,
    reassigning,
    rooms,
    settings,
    templates,
    uploads,
)
from roomkeeper.simulator.api.answering import endpoint
from roomkeeper.simulator.api.request import Portal

#: In this order, for a pattern such as /files/{folder_id} fits what comes before it, too.
RESOURCES = (
    backups,
    addresses,
    reassigning,
    people,
    keys,
    groups,
    settings,
    operations,
    templates,
    rooms,
    members,
    links,
    files,
    uploads,
    folders,
    hooks,
)
ANONYMOUS = folders.ANONYMOUS | files.ANONYMOUS | operations.ANONYMOUS | settings.ANONYMOUS
#: Where a key without the scope is told so in a problem, and not by an empty answer (recorded: keys.scopes).
OPEN = ANONYMOUS | {files.file_rename, rooms.room_info}
SENSITIVE = keys.SENSITIVE | hooks.SENSITIVE


def build(portal: Portal, extra: list[Any]) -> Starlette:
    """Put the routes together; what a path has no handler for is answered 405 with those it has."""
    routes = [
        Route(
            f"/api/2.0{path}",
            endpoint(
                handler,
                family,
                is_anonymous=handler in ANONYMOUS,
                is_open=handler in OPEN,
                is_sensitive=handler in SENSITIVE,
            ),
            methods=[method],
        )
        for resource in RESOURCES
        for method, path, handler, family in resource.ROUTES
    ]
    for route in routes:
        if route.methods is not None:
            route.methods.discard("HEAD")  # (recorded: envelope.headers)
    app = Starlette(routes=[*extra, Route("/filehandler.ashx", files.file_content), *links.PAGES, *routes])
    app.add_exception_handler(405, _not_allowed)
    app.add_exception_handler(404, _not_found)
    app.state.portal = portal
    return app


async def _not_found(_: Request, __: Exception) -> Response:
    return Response(status_code=404)


async def _not_allowed(request: Request, _: Exception) -> Response:
    """Name what there is for that path; a browser asking beforehand is told that anybody may ask."""
    if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
        asked = request.headers["access-control-request-method"]
        allowed = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": asked}
        return Response(status_code=204, headers=allowed)
    path, methods = request.url.path, set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.path_regex.match(path) and route.methods:
            methods |= route.methods
    response = Response(status_code=405, headers={"Allow": ", ".join(sorted(methods))})
    if request.method == "HEAD":
        del response.headers["content-length"]
    return response


__all__ = ["Portal", "build"]
