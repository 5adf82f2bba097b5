"""The JSON API: all that the pages show and do, for programs. Each operation is declared once, with its description."""

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from roomkeeper.desk import offers, overview
from roomkeeper.desk.history import Part
from roomkeeper.errors import NotThere, OrderRefused, RoomkeeperError, StoreUnavailable
from roomkeeper.intake import pauses
from roomkeeper.outside import cleaned
from roomkeeper.running import orders
from roomkeeper.store import actions
from roomkeeper.web import body, described, numbers, shapes
from roomkeeper.web.access import Access, Who
from roomkeeper.web.desk import Desk

BASE = "/api/v1"
_SAFE = 2**53 - 1  # the largest number that every JSON reader keeps exact


Text = Annotated[str, Field(max_length=200)]


class Nothing(BaseModel):
    """No parameters."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=1000, description="How many at most.")
    before: int | None = Field(default=None, ge=1, le=_SAFE, description="Only older than this number: the next page.")


class About(Page):
    """Which part of a list, about what, and from when to when."""

    about: Text = Field(default="", description="A room's, file's, ticket's or deal's number, or a part of its name.")
    kind: Literal["", "room", "file", "folder", "ticket", "deal"] = Field(default="", description="Which of these.")
    since: datetime | None = Field(default=None, description="Not before; UTC unless it says otherwise.")
    until: datetime | None = Field(default=None, description="Before.")

    @property
    def part(self) -> Part:
        """Say it to the history."""
        return Part(self.limit, self.before, cleaned(self.about), self.kind, _epoch(self.since), _epoch(self.until))


class RunsWanted(About):
    """Which runs."""

    automation: Text | None = Field(default=None, description="Of this automation.")
    state: Literal["waiting", "running", "done", "needs_attention", "cancelled"] | None = Field(
        default=None, description="In this state."
    )


class EventsWanted(About):
    """Which events."""

    connection: Text | None = Field(default=None, description="From this connection.")
    status: Literal["accepted", "duplicate", "ignored", "unusable", "refused"] | None = Field(
        default=None, description="Of this status."
    )
    type: Text | None = Field(default=None, description="Of this kind, such as file.uploaded.")


class Sought(BaseModel):
    """What is searched for."""

    model_config = ConfigDict(extra="forbid")

    q: Text = Field(min_length=1, description="A number, or a part of a name.")


class Ordered(BaseModel):
    """What is ordered with an order."""

    model_config = ConfigDict(extra="forbid")

    question: Text = Field(
        default="",
        description="Of `approve`: the `question` of the offer that was looked at; 409 if something else is asked by "
        "now. Empty consents to whatever is asked now.",
    )


class Try(BaseModel):
    """What to try an automation with."""

    model_config = ConfigDict(extra="forbid")

    event: int = Field(ge=1, le=_SAFE, description="The number of an event.")


@dataclass(frozen=True)
class Call:
    """One request: who, what of the address, and what was given."""

    desk: Desk
    who: Who
    request: Request
    given: Any

    @property
    def number(self) -> int:
        """The run's or event's number in the address."""
        return int(self.request.path_params["number"])

    @property
    def name(self) -> str:
        """The automation's name in the address."""
        return str(self.request.path_params["name"])


@dataclass(frozen=True)
class Operation:
    """One thing that can be asked for: what it gives, and what it takes in the query of a GET or the body of a POST."""

    method: Literal["GET", "POST"]
    path: str
    summary: str
    answer: Callable[[Call], Awaitable[Any]]
    gives: Any
    takes: type[BaseModel] = Nothing


async def _status(call: Call) -> Any:  # noqa: ANN401 - JSON
    desk = call.desk
    return await asyncio.to_thread(overview.of, desk.store, desk.history, desk.config, desk.limits)


async def _runs(call: Call) -> Any:  # noqa: ANN401
    wanted: RunsWanted = call.given
    chosen = {"automation": wanted.automation, "state": wanted.state}
    return await asyncio.to_thread(call.desk.history.runs, **chosen, part=wanted.part)  # type: ignore[arg-type]


async def _run(call: Call) -> Any:  # noqa: ANN401
    run = await asyncio.to_thread(call.desk.history.run, call.number)
    done = await asyncio.to_thread(actions.listed, call.desk.store, run=call.number)
    given = offers.of_run(run, call.desk.text_of(run["automation"]), call.desk.config.catalog)
    return run | {"offers": [vars(one) for one in given], "actions": done}


async def _order(call: Call) -> Any:  # noqa: ANN401
    order = call.request.path_params["order"]
    desk, who, give = call.desk, call.who.by, functools.partial(orders.give, question=call.given.question)
    return {"run": await asyncio.to_thread(give, desk.store, call.number, order, who, desk.config.present)}


async def _events(call: Call) -> Any:  # noqa: ANN401
    wanted: EventsWanted = call.given
    return await asyncio.to_thread(
        call.desk.history.events,
        connection=wanted.connection,
        status=wanted.status,
        types=[wanted.type] if wanted.type else (),
        part=wanted.part,
    )


async def _event(call: Call) -> Any:  # noqa: ANN401
    told = await asyncio.to_thread(described.event, call.desk, call.number)
    about = {"body": told["body"], "trusted": told["trusted"], "automations": told["judged"]}
    return dict(told["event"]) | about | {"offers": [vars(one) for one in told["offers"]]}


async def _replay(call: Call) -> Any:  # noqa: ANN401
    await asyncio.to_thread(orders.replay, call.desk.store, call.number, call.who.by)
    return {"event": call.number}


async def _automations(call: Call) -> Any:  # noqa: ANN401
    return await asyncio.to_thread(overview.automations, call.desk.store, call.desk.config)


async def _automation(call: Call) -> Any:  # noqa: ANN401
    automation = call.desk.config.present(call.name)
    told = await asyncio.to_thread(overview.automations, call.desk.store, call.desk.config)
    text = call.desk.config.texts.get(automation.name, "")
    return next(one for one in told if one["name"] == automation.name) | {"text": text}


async def _pause(call: Call) -> Any:  # noqa: ANN401
    await asyncio.to_thread(pauses.pause, call.desk.store, call.desk.config.present(call.name), call.who.by)
    return {"automation": call.name, "paused": True}


async def _resume(call: Call) -> Any:  # noqa: ANN401
    await asyncio.to_thread(pauses.resume, call.desk.store, call.name, call.who.by, call.desk.config.automation)
    return {"automation": call.name, "paused": False}


async def _try(call: Call) -> Any:  # noqa: ANN401
    rehearsal = await call.desk.rehearse(call.desk.config.present(call.name), call.given.event)
    return vars(rehearsal.would)


async def _proofs(call: Call) -> Any:  # noqa: ANN401
    return await asyncio.to_thread(overview.days, call.desk.store)


async def _actions(call: Call) -> Any:  # noqa: ANN401
    part: Page = call.given
    return await asyncio.to_thread(actions.listed, call.desk.store, limit=part.limit, before=part.before)


async def _search(call: Call) -> Any:  # noqa: ANN401
    return await asyncio.to_thread(call.desk.history.found, cleaned(call.given.q))


OPERATIONS = (
    Operation("GET", "/status", "How things stand.", _status, shapes.Status),
    Operation("GET", "/runs", "Runs, newest first.", _runs, list[shapes.RunLine], RunsWanted),
    Operation("GET", "/runs/{number}", "One run: steps, calls, plan, report, what can be ordered.", _run, shapes.Run),
    Operation("POST", "/runs/{number}/{order}", "Give an order to a run.", _order, shapes.RunGiven, Ordered),
    Operation("GET", "/events", "Events, newest first.", _events, list[shapes.EventLine], EventsWanted),
    Operation("GET", "/events/{number}", "One event: how it came, which automations took it.", _event, shapes.Event),
    Operation("POST", "/events/{number}/replay", "Dispatch an event again.", _replay, shapes.EventGiven),
    Operation("GET", "/automations", "How the automations do.", _automations, list[shapes.AutomationLine]),
    Operation("GET", "/automations/{name}", "One automation, with its text.", _automation, shapes.Automation),
    Operation("POST", "/automations/{name}/pause", "Let no run of it begin.", _pause, shapes.Paused),
    Operation("POST", "/automations/{name}/resume", "Let runs begin again.", _resume, shapes.Paused),
    Operation("POST", "/automations/{name}/try", "Say what it would do; nothing is written.", _try, shapes.Tried, Try),
    Operation("GET", "/proofs", "What was proved, day by day.", _proofs, list[shapes.Proof]),
    Operation("GET", "/actions", "What people ordered, newest first.", _actions, list[shapes.Action], Page),
    Operation("GET", "/search", "Rooms, files, tickets, deals.", _search, list[shapes.Subject], Sought),
)


def _endpoint(operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        desk: Desk = request.app.state.desk
        access: Access = request.app.state.access
        who = access.of_api(request)
        if who is None:
            said = "say who you are: a token of `dashboard: tokens`, as `Authorization: Bearer …`"
            return _said(desk, {"error": said}, 401, {"WWW-Authenticate": "Bearer"})
        if operation.method == "POST" and not who.may_act:
            return _said(desk, {"error": f"{who.name} may look, and not act"}, 403)
        try:
            given = operation.takes.model_validate(await _given(request, operation))
            return _said(desk, await operation.answer(Call(desk, who, request, given)))
        except ValidationError as error:
            return _said(desk, {"error": "; ".join(_fault(one) for one in error.errors())}, 400)
        except NotThere as error:
            return _said(desk, _told(error), 404)
        except OrderRefused as error:
            return _said(desk, _told(error), 409)
        except StoreUnavailable as error:
            return _said(desk, _told(error), 503)
        except RoomkeeperError as error:  # a service did not do what was asked of it, or the plan cannot be worked out
            return _said(desk, _told(error), 424)

    return endpoint


async def _given(request: Request, operation: Operation) -> Any:  # noqa: ANN401 - JSON
    """Read what was given. Raises ValidationError by way of what it gives."""
    if operation.method == "GET":
        return dict(request.query_params)
    sent = await body.soon(request)
    if sent is None:
        return "too much, or too slow"
    try:
        return json.loads(sent or b"{}")
    except (ValueError, RecursionError):
        return "not JSON"


def _fault(error: Any) -> str:  # noqa: ANN401 - pydantic's
    field = ".".join(map(str, error["loc"]))
    return f"`{field}`: {error['msg']}" if field else "the body must be a JSON object"


def _told(error: RoomkeeperError) -> dict[str, str]:
    return {"error": error.message, **({"remedy": error.remedy} if error.remedy else {})}


def _said(desk: Desk, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:  # noqa: ANN401
    text = cleaned(desk.redact(json.dumps(value, ensure_ascii=False, default=str)))
    common = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(text, status, media_type="application/json", headers={**common, **(headers or {})})


def _epoch(at: datetime | None) -> float | None:
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() if at is not None else None


async def missing(request: Request, _: Exception) -> Response:
    """Say that there is no such operation."""
    said = {"error": "there is no such operation", "remedy": f"{BASE}/openapi.json describes those there are"}
    return _said(request.app.state.desk, said, 404)


async def _openapi(_: Request) -> Response:
    """Describe the API."""
    return Response(_openapi_text(), media_type="application/json")


@functools.cache
def _openapi_text() -> bytes:
    """Write it once: anybody may ask for it, on the loop that acknowledges."""
    return json.dumps(openapi()).encode()


def openapi() -> dict[str, Any]:
    """Describe the API as OpenAPI 3.1."""
    paths: dict[str, Any] = {}
    known: dict[str, Any] = {}
    for one in OPERATIONS:
        paths.setdefault(f"{BASE}{one.path}", {})[one.method.lower()] = _described(one, known)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Roomkeeper", "version": "1", "description": "All that the pages show and do."},
        "paths": paths,
        "components": {"schemas": known, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "remedy": {"type": "string"}},
}
_TROUBLES = {
    "400": "What was given cannot be read; the error names the field.",
    "401": "No token, or one that is not known.",
    "403": "A viewer may not do this.",
    "404": "There is none of this number or name.",
    "409": "It makes no sense as things stand; the remedy says what does.",
    "424": "A service that had to be asked did not answer as it should.",
    "503": "The store does not answer; try again.",
}
_IN_PATH = {
    "number": {"type": "integer", "minimum": 1, "maximum": 10**15 - 1},
    "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$", "maxLength": 80},
    "order": {"enum": ["retry", "restart", "renew", "cancel", "approve", "undo"]},
}


def _described(one: Operation, known: dict[str, Any]) -> dict[str, Any]:
    """Describe one operation; the shapes that it names go to those that are known."""
    schema = one.takes.model_json_schema()
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": shape}
        for name, shape in _IN_PATH.items()
        if f"{{{name}}}" in one.path
    ]
    told: dict[str, Any] = {"summary": one.summary, "operationId": f"{one.method.lower()}{one.path}".replace("/", "_")}
    if one.method == "GET":
        parameters += [
            {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": _plain(shape)}
            | ({"description": shape["description"]} if "description" in shape else {})
            for name, shape in schema.get("properties", {}).items()
        ]
    elif one.takes is not Nothing:
        told["requestBody"] = {
            "required": bool(schema.get("required")),
            "content": {"application/json": {"schema": schema}},
        }
    fine = TypeAdapter(one.gives).json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    known |= fine.pop("$defs", {})
    answers = {"200": {"description": one.summary, "content": {"application/json": {"schema": fine}}}}
    troubles = {"400", "401", "503", *(["403"] if one.method == "POST" else [])}
    troubles |= {"404"} if "{" in one.path else set()
    troubles |= {"409"} if one.method == "POST" else set()
    troubles |= {"424"} if one.path.endswith("/try") else set()
    for status, said in [(status, said) for status, said in _TROUBLES.items() if status in troubles]:
        answers[status] = {"description": said, "content": {"application/json": {"schema": _ERROR}}}
    return told | {"parameters": parameters, "responses": answers}


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a query's parameter: in an address there is no null, only what is left out."""
    kinds = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    return dict(kinds[0]) if kinds else {name: one for name, one in schema.items() if name not in {"title", "default"}}


numbers.known()
ROUTES: list[Route] = [
    Route(f"{BASE}/openapi.json", _openapi),
    *(
        Route(BASE + one.path.replace("{number}", "{number:number}"), _endpoint(one), methods=[one.method])
        for one in OPERATIONS
    ),
]
