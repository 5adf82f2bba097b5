"""Rendering: a page as a whole, or its inside again while it is open; and what stands around it."""

import asyncio
import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import structlog
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from roomkeeper.errors import NotThere, OrderRefused, RoomkeeperError, StoreUnavailable
from roomkeeper.outside import cleaned
from roomkeeper.web import body
from roomkeeper.web.access import CLOSED, Access, Who
from roomkeeper.web.desk import Desk

log = structlog.get_logger("web")

_HERE = Path(__file__).parent
_STATIC = {"style.css": "text/css", "desk.js": "text/javascript", "editor.js": "text/javascript"}
_EVERY = 1.0  # seconds between two looks whether a page has changed
_REST = 20  # times as long as it took to render
_LIVE_PAGES = 12  # at once, of one session: each is rendered again and again
NOT_YOURS = "This form is not one of yours, or it is too old. Nothing was done: go back, reload, and try again."
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: Commands of which the pages have what they do: what it is called there, and where, unless it is where it is said.
_ON_PAGES = (
    (r"roomkeeper runs retry", "Retry", ""),
    (r"roomkeeper runs retry --as-now", "Retry with the automation as it is now", ""),
    (r"roomkeeper runs retry (?P<run>\d+)", "Retry", "/runs/{run}"),
    (r"roomkeeper runs retry (?P<run>\d+) --as-now", "Retry with the automation as it is now", "/runs/{run}"),
    (r"roomkeeper runs show (?P<run>\d+)", "Run {run}", "/runs/{run}"),
    (r"roomkeeper runs approve \d+", "Approve", ""),
    (r"roomkeeper runs undo", "Undo", ""),
    (r"roomkeeper runs cancel", "Cancel", ""),
    (r"(roomkeeper )?events replay", "Replay", ""),
    (r"(roomkeeper )?events replay (?P<event>\d+)", "Replay event {event}", "/events/{event}"),
    (r"roomkeeper events list", "Events", "/events"),
    (r"roomkeeper events list --status (?P<status>\w+)", "Events", "/events?status={status}"),
    (r"roomkeeper reload", "Take it over", "/reload"),
)
#: The pages that the menu names.
MENU = (
    ("/", "Now"),
    ("/runs", "Runs"),
    ("/events", "Events"),
    ("/automations", "Automations"),
    ("/configuration", "Configuration"),
    ("/accounted", "Accounted for"),
    ("/actions", "Done by hand"),
)


@dataclass(frozen=True)
class Shown:
    """What a page shows: its title, its template, and what goes into it."""

    title: str
    template: str
    data: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    is_live: bool = True


View = Callable[[Request, Desk, Who], Awaitable[Shown]]
Act = Callable[[Request, Desk, Who, Mapping[str, str]], Awaitable[Shown | str]]


def page(path: str, view: View) -> list[Route]:
    """Make the routes of a page that people look at: the whole, and its inside, again and again."""

    async def whole(request: Request) -> Response:
        desk, who = _desk(request), await _who(request)
        if who is None:
            return _to_the_door(request)
        return shown(request, desk, who, await _viewed(view, request, desk, who))

    async def live(request: Request) -> Response:
        desk, who = _desk(request), await _who(request)
        if who is None:
            return PlainTextResponse("log in\n", 401 if _access(request).has_login else 403, headers=HEADERS)
        whose = who.word or who.name
        if request.app.state.live[whose] >= _LIVE_PAGES:
            return PlainTextResponse(f"{_LIVE_PAGES} pages of yours are live already\n", 429, headers=HEADERS)
        return StreamingResponse(_changes(view, request, desk, whose), media_type="text/event-stream", headers=HEADERS)

    return [Route(path, whole), Route(f"/live{path}", live)]


def download(path: str, make: Callable[[Request, Desk, Who], Awaitable[Response]]) -> Route:
    """Make the route of a file that a page offers."""

    async def made(request: Request) -> Response:
        desk, who = _desk(request), await _who(request)
        if who is None:
            return _to_the_door(request)
        try:
            return await make(request, desk, who)
        except NotThere as error:
            return shown(request, desk, who, _trouble("Not there", error.message, error.remedy, status=404))

    return Route(path, made)


def deed(path: str, act: Act, *, most: int = body.FORM) -> Route:
    """Make the route by which a form of so many bytes is sent: only by who may act, and only from our own pages."""

    async def done(request: Request) -> Response:
        desk, who = _desk(request), await _who(request)
        if who is None:
            return _to_the_door(request)
        form = await body.form(request, most)
        if _access(request).is_forged(request, who, form.get("token", "")):
            return shown(request, desk, who, _trouble("Not done", NOT_YOURS, status=403))
        if not who.may_act:
            said = f"{who.name} may look, and not act. Nothing was done. An operator can do it."
            return shown(request, desk, who, _trouble("Not done", said, status=403))

        async def view(request: Request, desk: Desk, who: Who) -> Shown:
            came = await act(request, desk, who, form)
            return Shown("", came) if isinstance(came, str) else came

        came = await _viewed(view, request, desk, who)
        if came.template.startswith("/"):
            return RedirectResponse(came.template, 303)
        return shown(request, desk, who, came)

    return Route(path, done, methods=["POST"])


def shown(request: Request, desk: Desk, who: Who | None, what: Shown) -> Response:
    """Write a page as a whole."""
    around = {
        "title": what.title,
        "who": who,
        "menu": MENU if who is not None else (),
        "here": request.url.path,
        "live": f"/live{request.url.path}{'?' + request.url.query if request.url.query else ''}",
        "is_live": request.method == "GET" and who is not None and what.status == 200 and what.is_live,  # noqa: PLR2004 - it is fine
        "has_login": _access(request).has_login,
        "warnings": desk.warnings,
        "is_outdated": who is not None and desk.config.changed_text is not None,
        "inner": Markup(_inner(desk, who, what)),  # noqa: S704 - written by our own templates, escaped there
        "q": request.query_params.get("q", ""),
    }
    text = fit_to_send(desk, _pages.get_template("page.html").render(around))
    answer = Response(text, what.status, media_type="text/html", headers=HEADERS)
    if _access(request).is_secure(request):
        answer.headers["Strict-Transport-Security"] = "max-age=31536000"
    return answer


def inner(template: str, data: Mapping[str, Any]) -> str:
    """Write the inside of a page that stands outside of the desk."""
    return _pages.get_template(template).render(data)


def alone(title: str, inner: str, *, status: int = 200) -> Response:
    """Write a page that stands outside of the desk, without a menu."""
    around = {"title": title, "inner": Markup(inner), "who": None, "menu": (), "here": "", "is_live": False}  # noqa: S704 - our own templates'
    return Response(_pages.get_template("page.html").render(around), status, media_type="text/html", headers=HEADERS)


def attached(desk: Desk, name: str, text: str) -> Response:
    """Give a text as a file of this name to be kept; no secret is in it."""
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(fit_to_send(desk, text), media_type=f"text/{name.rpartition('.')[2]}", headers=headers)


async def static(request: Request) -> Response:
    """Serve the files that the pages need."""
    name = request.path_params["name"]
    if name not in _STATIC:
        return PlainTextResponse("not found\n", 404)
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return Response((_HERE / "static" / name).read_bytes(), media_type=_STATIC[name], headers=headers)


async def missing(request: Request, _: Exception) -> Response:
    """Say that there is no such page."""
    who = await _who(request)
    if who is None:
        return PlainTextResponse("not found\n", 404)
    return shown(request, _desk(request), who, _trouble("Not there", "There is no such page.", status=404))


async def _changes(view: View, request: Request, desk: Desk, whose: str) -> AsyncIterator[str]:
    """Give the inside again whenever it has changed, as server-sent events, for as long as one is logged in."""
    live = request.app.state.live
    live[whose] += 1
    try:
        async for one in _insides(view, request, desk):
            yield one
    finally:
        live[whose] -= 1
        live += Counter()  # whoever has none is forgotten


async def _insides(view: View, request: Request, desk: Desk) -> AsyncIterator[str]:
    last, leaving = "", request.app.state.leaving
    while not leaving.is_set() and not await request.is_disconnected():
        began = time.monotonic()
        try:
            who = await _who(request)
            if who is None:
                yield "event: gone\ndata: \n\n"
                return
            inner = fit_to_send(desk, _inner(desk, who, await _viewed(view, request, desk, who)))
        except StoreUnavailable as error:
            inner = fit_to_send(desk, _inner(desk, None, out_of_order(error)))
        if inner != last:
            last = inner
            yield "".join(f"data: {line}\n" for line in inner.splitlines()) + "\n"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(_EVERY, _REST * (time.monotonic() - began))):
                await leaving.wait()


def out_of_order(error: StoreUnavailable) -> Shown:
    """Say that nothing can be told just now; whoever asks may be a stranger, and is not told where the store is."""
    log.warning("the store does not answer", reason=error.message, remedy=error.remedy)
    what = "Nothing can be read or written just now. The log says why."
    return _trouble("The store does not answer", what, "Reload in a moment.", status=503)


async def _viewed(view: View, request: Request, desk: Desk, who: Who) -> Shown:
    """Make a page, or say why it cannot be made."""
    try:
        return await view(request, desk, who)
    except NotThere as error:
        return _trouble("Not there", error.message, error.remedy, status=404)
    except OrderRefused as error:
        return _trouble("Not done", error.message, error.remedy, status=409)
    except StoreUnavailable as error:
        return out_of_order(error)
    except RoomkeeperError as error:
        return _trouble("That did not work", error.message, error.remedy, status=502)


def _trouble(title: str, what: str, remedy: str = "", *, status: int) -> Shown:
    return Shown(title, "trouble.html", {"what": what, "remedy": remedy}, status)


def _inner(desk: Desk, who: Who | None, what: Shown) -> str:
    common: dict[str, Any] = {"who": who, "title": what.title, "token": who.form_token if who is not None else ""}
    common["may_act"] = who is not None and who.may_act
    common["automation_names"] = [one.name for one in desk.config.automations]
    return _pages.get_template(what.template).render(common | dict(what.data))


async def _who(request: Request) -> Who | None:
    """Tell who asks. Raises StoreUnavailable."""
    return await asyncio.to_thread(_access(request).of_page, request)


def fit_to_send(desk: Desk, text: str) -> str:
    """Make a text fit to be sent: no secret in it, and no half characters."""
    return cleaned(desk.redact(text))


def _to_the_door(request: Request) -> Response:
    if _access(request).has_login:
        is_deed = request.method == "POST"  # the page that asks for it has the same address
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        asked = {"then": wanted if wanted != "/" else "", "undone": "yes" if is_deed else ""}
        return RedirectResponse(f"/login?{_query(asked)}".rstrip("?"), 303)
    return PlainTextResponse(CLOSED, 403, headers=HEADERS)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


# --- how templates write things ---


def _when(moment: str | None, *, short: bool = False) -> Markup:
    """Write a moment in UTC."""
    if not moment:
        return Markup("")
    said = moment[:19].replace("T", " ")
    return Markup('<time datetime="{}">{}</time>').format(moment, said[11:] if short else said)


def _took(began: str | None, ended: str | None) -> str:
    """Say how long something took."""
    if not began or not ended:
        return ""
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    return spoken(seconds)


def spoken(seconds: float) -> str:
    """Say a duration for people."""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _query(base: Mapping[str, object], **changed: object) -> str:
    """Write a query, some of it changed; what is empty is left out."""
    return urlencode({name: value for name, value in {**base, **changed}.items() if value not in (None, "")})


def _said(text: object) -> Markup:
    """Write what we say of something; what stands between backticks is code, or a command for which there is a page."""
    parts = str(text or "").split("`")
    return Markup("").join(_code(one) if at % 2 else one for at, one in enumerate(parts))


def _code(text: str) -> Markup:
    """Write code; of a command what the pages call it, where they have it, and the command for whoever points at it."""
    for command, words, path in _ON_PAGES:
        if found := re.fullmatch(command, text):
            word, place = (one.format(**found.groupdict()) for one in (words, path))
            label = Markup('<a href="{}">{}</a>').format(place, word) if place else word
            return Markup('<em title="{}">{}</em>').format(text, label)
    return Markup("<code>{}</code>").format(text)


def _shown(value: object) -> str:
    """Write data as people read it; what is dangerous in a page is escaped like any other text."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _instructed(text: str) -> Markup:
    """Write an instruction: code between backticks, and what stands on a vendor's page between stars."""
    parts = re.split(r"\*((?:[^*`]|`[^`]*`)+)\*", text)
    said = (_said(one) for one in parts)
    return Markup("").join(Markup("<em>{}</em>").format(one) if at % 2 else one for at, one in enumerate(said))


def _plainly(word: object) -> str:
    return str(word).replace("_", " ")


_pages = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_pages.filters |= {
    "when": _when,
    "plainly": _plainly,
    "said": _said,
    "instructed": _instructed,
    "shown": _shown,
    "segment": lambda text: quote(str(text), safe=""),
}
_pages.globals |= {"took": _took, "query": _query, "spoken": spoken}
