"""Log in and out: by a password, or by the company's login service."""

import asyncio
import math
import re

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from roomkeeper.web import body, passwords, sessions
from roomkeeper.web.access import Access, origin_by, origin_of, take_word
from roomkeeper.web.attempts import Attempts
from roomkeeper.web.desk import Desk
from roomkeeper.web.oidc import Login, LoginRefused
from roomkeeper.web.rendering import HEADERS, NOT_YOURS, Shown, shown

log = structlog.get_logger("login")

_AT_ONCE = 2  # hashes that are worked out at once: each takes memory and time, on purpose
_KEPT = "roomkeeper_login"  # what the browser keeps while it is at the login service; over TLS from no other name
_NAME = 200  # characters of a name that are shown again
_FOR = 600  # seconds
_NOT_DONE = "You were logged out meanwhile, so what you sent was not done. You come back to it once you are logged in."
_OURS = re.compile(r"^/(?![/\\])[^\\\s]*$")  # a path on this site, however a browser reads it


class Doorman:
    """Serves the login page."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._attempts = desk, Attempts(desk.store)
        self._hashing = asyncio.Semaphore(_AT_ONCE)
        service = desk.config.dashboard.oidc
        self._service = Login(service, desk.config.public_url or "") if service is not None else None

    async def page(self, request: Request) -> Response:
        """Show the form; to whoever sent another one after their session was over, say that it was not done."""
        said = _NOT_DONE if request.query_params.get("undone") else ""
        return self._form(request, said, _then(request.query_params.get("then", "/")))

    async def enter(self, request: Request) -> Response:
        """Take name and password."""
        form = await body.form(request)
        then = _then(form.get("then", "/"))
        if not _access(request).is_same_origin(request):
            said = "The form was sent by another site; fill it in here. (A proxy in front must pass on `Host`.)"
            return self._form(request, said, then, 403)
        address = request.client.host if request.client is not None else ""
        name, password = form.get("name", ""), form.get("password", "")[: passwords.LONGEST]
        if wait := await asyncio.to_thread(self._attempts.begin, name, address):
            said = f"Too many failed attempts. Try again in {math.ceil(wait)} seconds."
            answer = self._form(request, said, then, 429)
            answer.headers["Retry-After"] = str(math.ceil(wait))
            return answer
        user = next((one for one in self._desk.config.dashboard.users if one.name == name), None)
        async with self._hashing:
            kept = user.password.get_secret_value() if user is not None else None
            fits = await asyncio.to_thread(passwords.fits, kept, password)
        if user is None or not fits:
            # A name that nobody has is not written down: people type their passwords there.
            log.warning("login failed", name=user.name if user is not None else None, address=address, each=True)
            return self._form(request, "Name or password is wrong.", then, 401, name=name)
        await asyncio.to_thread(self._attempts.succeeded, name, address)
        log.info("logged in", name=user.name, role=user.role)
        return await self._let_in(request, user.name, user.role, origin_of(user), then)

    async def to_service(self, request: Request) -> Response:
        """Send the browser to the login service."""
        if self._service is None:
            return self._form(request, "There is no login service.", "/", 404)
        try:
            url, kept = await self._service.begin(_then(request.query_params.get("then", "/")))
        except LoginRefused as error:
            return self._form(request, error.said, "/", 502)
        answer = RedirectResponse(url, 303)
        secure = _access(request).is_secure(request)
        answer.set_cookie(_named(secure), kept, max_age=_FOR, httponly=True, samesite="lax", secure=secure)
        return answer

    async def from_service(self, request: Request) -> Response:
        """Take the browser back from the login service."""
        if self._service is None:
            return self._form(request, "There is no login service.", "/", 404)
        secure = _access(request).is_secure(request)
        try:
            name, role, then = await self._service.end(request.query_params, request.cookies.get(_named(secure), ""))
        except LoginRefused as error:
            return self._form(request, error.said, "/", 403)
        log.info("logged in", name=name, role=role, by="login service")
        service = self._desk.config.dashboard.oidc
        origin = origin_by(service) if service is not None else ""
        answer = await self._let_in(request, name, role, origin, _then(then))
        answer.delete_cookie(_named(secure), secure=secure)
        return answer

    async def by_link(self, request: Request) -> Response:
        """Let in who brings a link's ticket."""
        given = request.query_params.get("once", "")[: sessions.LONGEST]
        seconds = self._desk.config.dashboard.session
        word = None
        if given and not _access(request).has_login:
            word = await asyncio.to_thread(sessions.redeem, self._desk.store, given, seconds)
        if word is None:
            said = "This link was used already, or is too old. `roomkeeper link` prints another.\n"
            return PlainTextResponse(said, 403, headers=HEADERS)
        log.info("opened by a link")
        answer = RedirectResponse("/", 303, headers=HEADERS)
        _access(request).give_word(answer, request, word, seconds=seconds)
        return answer

    async def leave(self, request: Request) -> Response:
        """Log out; asked for by one of our own pages, as every deed."""
        who = await asyncio.to_thread(_access(request).of_page, request)
        form = await body.form(request)
        if who is not None and _access(request).is_forged(request, who, form.get("token", "")):
            return self._form(request, NOT_YOURS, "/", 403)
        if who is not None:
            await asyncio.to_thread(sessions.end, self._desk.store, who.word)
        answer = RedirectResponse("/login", 303)
        take_word(answer, request)
        return answer

    async def _let_in(self, request: Request, name: str, role: str, origin: str, then: str) -> Response:
        seconds = self._desk.config.dashboard.session
        word = await asyncio.to_thread(sessions.begin, self._desk.store, name, role, origin, seconds)
        answer = RedirectResponse(then, 303)
        _access(request).give_word(answer, request, word, seconds=seconds)
        return answer

    def _form(self, request: Request, said: str, then: str, status: int = 200, *, name: str = "") -> Response:
        dashboard = self._desk.config.dashboard
        data = {
            "said": said,
            "then": then,
            "name": name[:_NAME],
            "by_password": bool(dashboard.users),
            "by_service": dashboard.oidc,
        }
        return shown(request, self._desk, None, Shown("Log in", "login.html", data, status=status))


def _named(secure: bool) -> str:  # noqa: FBT001 - as the cookie's own setting
    return f"__Host-{_KEPT}" if secure else _KEPT


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


def _then(wanted: str) -> str:
    """Go on to a page of ours, never to another site."""
    return wanted if _OURS.match(wanted) else "/"
