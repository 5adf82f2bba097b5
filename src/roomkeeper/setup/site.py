"""The setup's pages: for whoever brings the link that was printed here, and only until it is switched on."""

import asyncio
import hashlib
import hmac
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from roomkeeper import connecting
from roomkeeper.automations.redaction import Redactor
from roomkeeper.configuration.config import Config
from roomkeeper.errors import ConfigError, Problem, RoomkeeperError
from roomkeeper.running.rehearsal import Tried
from roomkeeper.setup import trying
from roomkeeper.setup.draft import Draft
from roomkeeper.setup.questions import QUESTIONS, Question, Unfit, open_ones
from roomkeeper.setup.written import write
from roomkeeper.store.database import opened
from roomkeeper.watching import webhooks as upkeep
from roomkeeper.web import body, rendering
from roomkeeper.web.access import is_same_origin
from roomkeeper.web.rendering import HEADERS, NOT_YOURS

log = structlog.get_logger("setup")

_COOKIE = "roomkeeper_setup"
_USED = (
    "This link was used already, in another browser perhaps. Stop Roomkeeper and start it again: it prints another.\n"
)
_CLOSED = "These pages are opened by the link that was printed where Roomkeeper was started.\n"


@dataclass
class Interview:
    """The asking, from the link to the switch: its draft, and who may go through it.

    `done` is set when the configuration is written.
    """

    draft: Draft
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    word: str = ""
    #: What the last answers came to, for the next page.
    said: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def token(self) -> str:
        """What a form must bring back."""
        return hmac.new(self.word.encode(), b"roomkeeper setup form", hashlib.sha256).hexdigest()

    def redact(self, text: str) -> str:
        """Take out what was given as a secret; for pages and the log."""
        return Redactor([*self.draft.secrets.values(), *self.draft.typed.values(), *self.draft.invented.values()])(text)

    @property
    def path(self) -> str:
        """Where it begins, for one browser."""
        return f"/enter?once={self.ticket}"

    @property
    def unanswered(self) -> str:
        """The path of the first question that has no answer; the review's, if all have."""
        draft = self.draft
        answered = {
            "portal": draft.seen is not None,
            "jobs": bool(draft.jobs),
            "rooms": _has_rooms(draft),
            "arrival": draft.has_password,
            "services": draft.has_services,
        }
        return next((f"/setup/{one.name}" for one in open_ones(draft) if not answered[one.name]), "/setup/review")


def site(interview: Interview) -> Starlette:
    """Build the site of one interview."""
    routes = [
        Route("/enter", partial(_enter, interview)),
        Route("/static/{name}", rendering.static),
        # The portal's address is tried before there is a service.
        Route("/hooks/{connection}", _nobody_yet, methods=["HEAD"]),
        Route("/setup/review", _guarded(interview, _review)),
        Route("/setup/on", _guarded(interview, _switch_on), methods=["POST"]),
        *(Route(f"/setup/{one.name}", _guarded(interview, partial(_ask, one))) for one in QUESTIONS),
        *(Route(f"/setup/{one.name}", _guarded(interview, partial(_take, one)), methods=["POST"]) for one in QUESTIONS),
        Route("/{path:path}", _guarded(interview, _elsewhere)),
    ]
    return Starlette(routes=routes, exception_handlers={body.NotCome: _not_come})


Page = Callable[[Interview, Request], Awaitable[Response]]


def _guarded(interview: Interview, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """Let through who brought the link; a form only from these pages."""

    async def guarded(request: Request) -> Response:
        kept = request.cookies.get(_COOKIE, "").encode()
        if not interview.word or not hmac.compare_digest(kept, interview.word.encode()):
            return PlainTextResponse(_CLOSED, 403, headers=HEADERS)
        if request.method == "POST":
            request.state.form = await body.form(request)
            given = request.state.form.get("token", "").encode("utf-8", "replace")
            if not is_same_origin(request) or not hmac.compare_digest(given, interview.token.encode()):
                return _page(interview, "trouble.html", "Not done", {"what": NOT_YOURS}, status=403)
        return await page(interview, request)

    return guarded


async def _enter(interview: Interview, request: Request) -> Response:
    given = request.query_params.get("once", "").encode("utf-8", "replace")
    if interview.word or not hmac.compare_digest(given, interview.ticket.encode()):
        return PlainTextResponse(_USED, 403, headers=HEADERS)
    interview.word = secrets.token_urlsafe(32)
    answer = RedirectResponse("/setup/portal", 303, headers=HEADERS)
    secure = request.url.scheme == "https"
    answer.set_cookie(_COOKIE, interview.word, httponly=True, samesite="strict", secure=secure)
    return answer


async def _nobody_yet(_: Request) -> Response:
    return Response(status_code=200)


async def _elsewhere(interview: Interview, _: Request) -> Response:
    if interview.done.is_set():
        return _is_on(interview)
    return RedirectResponse(interview.unanswered, 303)


async def _not_come(_: Request, __: Exception) -> Response:
    return PlainTextResponse("The form did not come.\n", 408, headers={"Connection": "close"})


# --- the questions ---


async def _ask(question: Question, interview: Interview, _: Request) -> Response:
    if interview.draft.seen is None and question.name != "portal":
        return RedirectResponse("/setup/portal", 303)
    return _question(interview, question)


async def _take(question: Question, interview: Interview, request: Request) -> Response:
    if interview.draft.seen is None and question.name != "portal":
        return RedirectResponse("/setup/portal", 303)
    form, draft = request.state.form, interview.draft.copy()
    if not question.is_asked(draft):  # another page of this browser has changed what is asked
        return RedirectResponse(interview.unanswered, 303)
    try:
        interview.said = await question.take(draft, form)
    except Unfit as error:
        return _question(interview, question, form, wrong=error.wrong)
    except RoomkeeperError as error:
        return _question(interview, question, form, trouble=error)
    draft.typed.clear()
    interview.draft = draft
    following = open_ones(draft)
    at = following.index(question) + 1
    return RedirectResponse(f"/setup/{following[at].name}" if at < len(following) else "/setup/review", 303)


def _question(
    interview: Interview,
    question: Question,
    form: Mapping[str, str] | None = None,
    *,
    wrong: Mapping[str, str] | None = None,
    trouble: RoomkeeperError | None = None,
) -> Response:
    """Show a question; with what was filled in, but for secrets, where an answer would not do."""
    said, interview.said = interview.said if form is None else "", ""
    data = {
        "question": question,
        "fields": question.fields(interview.draft),
        "guides": question.guides(interview.draft),
        "filled": form or {},
        "is_again": form is not None,
        "wrong": wrong or {},
        "trouble": trouble,
        "said": said,
    }
    return _page(interview, "setup/question.html", question.title, data, status=422 if form is not None else 200)


# --- the review ---


async def _review(interview: Interview, _: Request) -> Response:
    if interview.unanswered != "/setup/review":
        return RedirectResponse(interview.unanswered, 303)
    return await _reviewed(interview)


async def _reviewed(interview: Interview, *, refused: str = "") -> Response:
    problems = _clashes(interview.draft)
    came = Tried()
    try:
        came = await trying.tried(interview.draft.config())
    except ConfigError as error:
        problems += error.problems
    said, interview.said = interview.said, ""
    data = {
        "text": interview.draft.text(),
        "tried": came,
        "problems": problems,
        "refused": refused,
        "said": said,
        "file": str(interview.draft.file),
    }
    return _page(interview, "setup/review.html", "Look it over", data)


async def _switch_on(interview: Interview, _: Request) -> Response:
    if interview.unanswered != "/setup/review":
        return RedirectResponse(interview.unanswered, 303)
    async with interview.writing:
        if interview.done.is_set():  # a second click
            return _is_on(interview)
        draft = interview.draft
        if _clashes(draft):
            return await _reviewed(interview)
        try:
            config = draft.config()
            await _expect_webhooks(config)
            await asyncio.to_thread(write, draft.file, draft.text(), draft.all_secrets(), replaces=False)
        except (RoomkeeperError, OSError, ValueError) as error:
            return await _reviewed(interview, refused=f"Nothing was switched on: {error}")
        log.info("written", file=str(draft.file))
        interview.done.set()
        return _is_on(interview)


def _clashes(draft: Draft) -> list[Problem]:
    """Say which secrets the environment has otherwise: it goes before `.env`, so that not what was tried would hold."""
    remedy = "Stop Roomkeeper, take it out of the environment, and begin again."
    return [
        Problem(str(draft.file), 0, f"{name} is set in the environment to something else than you gave here", remedy)
        for name, given in draft.all_secrets().items()
        if os.environ.get(name) not in {None, "", given}
    ]


def _is_on(interview: Interview) -> Response:
    """Say so, and send the browser to the service, which takes this address over; not by this connection, it ends."""
    answer = _page(interview, "setup/on.html", "It is switched on", {})
    answer.headers["Refresh"] = "2; url=/"
    answer.headers["Connection"] = "close"
    return answer


async def _expect_webhooks(config: Config) -> None:
    """Have the service register the webhooks as soon as it listens: it makes one again that is not there."""
    store = await asyncio.to_thread(opened, config.store)
    sources = connecting.connected(config, store)
    try:
        for kept in connecting.kept(config, sources):
            await asyncio.to_thread(upkeep.remember, store, kept.hook)
    finally:
        await connecting.close(sources)
        store.close()


def _has_rooms(draft: Draft) -> bool:
    wanted = {"client", "internal"} if "copy" in draft.jobs else set()
    return (wanted | ({"archive"} if "archive" in draft.jobs else set())) <= set(draft.rooms)


def _page(interview: Interview, template: str, title: str, data: Mapping[str, Any], *, status: int = 200) -> Response:
    steps = [(f"/setup/{one.name}", one.title) for one in open_ones(interview.draft)] + [
        ("/setup/review", "Look it over")
    ]
    around = {"steps": steps, "token": interview.token, "title": title}
    inner = interview.redact(rendering.inner(template, around | dict(data)))
    return rendering.alone(title, inner, status=status)
