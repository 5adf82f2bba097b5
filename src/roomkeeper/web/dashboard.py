"""The live page: events and runs as they come and go.

It shows names of files and people, so until there is a login it is for this machine only.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from roomkeeper.errors import StoreUnavailable
from roomkeeper.runs.history import History

_HERE = Path(__file__).parent
_pages = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_STATIC = {"style.css": "text/css", "live.js": "text/javascript"}
_LOCAL = {"127.0.0.1", "::1", "localhost", "testserver"}
_EVERY = 1.0  # seconds between two looks for something to show
_SHOWN = 30
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


async def page(request: Request) -> Response:
    """Show the page, readable without script."""
    if not _is_local(request):
        return _kept_out()
    try:
        inner = await asyncio.to_thread(_inner, request.app.state.history)
    except StoreUnavailable as error:
        return PlainTextResponse(f"{error.message}\n", 503)
    whole = _pages.get_template("page.html").render(inner=inner, warnings=request.app.state.warnings)
    return Response(whole, media_type="text/html", headers=_HEADERS)


async def live(request: Request) -> Response:
    """Send the page's inside again whenever it has changed, as server-sent events."""
    if not _is_local(request):
        return _kept_out()

    async def changes() -> AsyncIterator[str]:
        last = ""
        while not await request.is_disconnected():
            try:
                inner = await asyncio.to_thread(_inner, request.app.state.history)
            except StoreUnavailable as error:
                inner = error.message
            if inner != last:
                last = inner
                yield "".join(f"data: {line}\n" for line in inner.splitlines()) + "\n"
            await asyncio.sleep(_EVERY)

    return StreamingResponse(changes(), media_type="text/event-stream", headers=_HEADERS)


async def static(request: Request) -> Response:
    """Serve the two files that the page needs."""
    name = request.path_params["name"]
    if name not in _STATIC:
        return PlainTextResponse("not found\n", 404)
    return Response((_HERE / "static" / name).read_bytes(), media_type=_STATIC[name])


def _inner(history: History) -> str:
    counts, alerts = history.counts(), history.alerts()
    shown: dict[str, Any] = {
        "counts": counts,
        "alerts": alerts,
        "sentence": _sentence(counts, len(alerts)),
        "attention": history.runs(limit=_SHOWN, state="needs_attention"),
        "runs": history.runs(limit=_SHOWN),
        "events": history.events(limit=_SHOWN),
    }
    return _pages.get_template("inner.html").render(shown)


def _sentence(counts: dict[str, Any], alerts: int) -> str:
    """Say in one sentence whether all is well."""
    stuck = counts["runs"].get("needs_attention", 0)
    if stuck:
        return f"{stuck} run{'s need' if stuck > 1 else ' needs'} a person."
    if alerts:
        return (
            f"{alerts} thing{'s are' if alerts > 1 else ' is'} wrong, and wait{'' if alerts > 1 else 's'} for a person."
        )
    held = counts["events_held"]
    if held:
        return f"{held} event{'s wait' if held > 1 else ' waits'} for something to be put right; see the reasons below."
    at_work = counts["runs"].get("running", 0) + counts["runs"].get("waiting", 0)
    waits = counts["events_waiting"]
    if at_work or waits:
        return f"At work: {at_work} run{'' if at_work == 1 else 's'}, {waits} event{'' if waits == 1 else 's'} waiting."
    return "All is well: everything that arrived has been dealt with."


def _is_local(request: Request) -> bool:
    """Whether the request comes from this machine, and not through a proxy on it."""
    host = (request.headers.get("host") or "").rsplit(":", 1)[0].strip("[]")
    peer = request.client.host if request.client is not None else ""
    forwarded = {"forwarded", "x-forwarded-for", "x-forwarded-host", "via", "x-real-ip"} & set(request.headers)
    return peer in _LOCAL and host in _LOCAL and not forwarded


def _kept_out() -> Response:
    return PlainTextResponse(
        "This page is for the machine that Roomkeeper runs on: open it there, or with `ssh -L 8080:127.0.0.1:8080`.\n",
        403,
    )
