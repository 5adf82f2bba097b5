"""The client reads what a real portal answered (`recorded/answers.json`, DocSpace 3.7.2): no field is guessed."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx2
import pytest
from pydantic import AliasChoices, BaseModel
from stage.recorded import ASKED, RECORDED
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roomkeeper.docspace import Budget, Limits, Portal
from roomkeeper.docspace.budget import LocalTally
from roomkeeper.docspace.models import Entry
from roomkeeper.errors import Rejected

#: Fields that the client reads and an answer came without, and why that is well.
LEFT_OUT = {
    r".*\b(created_by|updated_by|create_by|initiator)\.(email|status|is_\w+|registration_date)": (
        "who only did something has id and name"
    ),
    r"(\w+\.)*groups": "only who is in a group has them (recorded: groups)",
    r"(\w+\.)?(room_type|tags)": "only a room has it",
    r"(files\.)?(locked|locked_by)": "only a locked file has it",
    r"(files\.)?comment": "only a version that somebody commented on has one (recorded: file.lock)",
    r"shared_link\.(expiration_date|password)": "only a link that has one says so",
    r"shared_link\.request_token": "an invitation link has none",
    r"shared_to_group": "the row of a person",
    r"(target_id|expires_at|last_(failure|success)_\w+)": "null is left out",
    r"status": "only the list of webhooks has it",
    r"((folders|current)\.)?lifetime": "only a room that has one says so (recorded: rooms.create)",
    r"((folders|current)\.)?watermark": "only a room that has one says so (FolderDto.cs)",
    r"((folders|current)\.)?logo(\.cover)?": "only a room has one, and only one without a picture a cover (Logo.cs)",
    r"(files|folders)": "an operation says only what it has",
}
#: Numbers that the client has names for.
NUMBERED = {"access", "kind", "root_folder_type", "room_type", "files.root_folder_type", "folders.room_type"}
MISSING = object()
#: What is read until all that is counted was shown.
COUNTED = {"/files/rooms", "/files/rooms/{id}/share"}


def _short(answer: Any) -> Any:
    """The recorded page, which is kept short: it counts what it shows, for whoever asks for all to be shown all."""
    told = answer.get("response") if isinstance(answer, dict) else None
    if isinstance(told, dict) and "total" in told:
        return answer | {"response": told | {"total": len(told.get("files", [])) + len(told.get("folders", []))}}
    return answer | {"total": len(told)} if isinstance(told, list) and "total" in answer else answer


def _beyond(answer: Any) -> Any:
    """The page after the recorded one, which is kept short: there is nothing more on it."""
    told = answer["response"]
    empty = told | {"files": [], "folders": []} if isinstance(told, dict) else []
    return answer | {"response": empty}


def _portal(answer: object) -> tuple[Portal, list[str]]:
    asked: list[str] = []

    async def handle(request: Request) -> Response:
        path = re.sub(r"/(\d+|[0-9a-f]{8}-[0-9a-f-]{27})(?=/|$)", "/{id}", request.url.path.removeprefix("/api/2.0"))
        asked.append(f"{request.method} {path}")
        shown = _short(answer) if path in COUNTED else answer
        return JSONResponse(_beyond(answer) if int(request.query_params.get("startIndex", 0)) else shown)

    app = Starlette(routes=[Route("/{path:path}", handle, methods=["GET", "POST", "PUT", "DELETE"])])
    transport = httpx2.ASGITransport(app=app)
    return Portal("http://portal", "sk-x", budget=Budget(Limits(), LocalTally()), transport=transport), asked


def _beside(name: str, read: Any, told: Any) -> tuple[Any, Any]:
    """Set what was read beside what says it: some calls unwrap the answer."""
    match name:
        case "delivery log":
            return read.rows, told
        case "history":
            return read.entries, told
        case "rooms":
            return read, told["folders"]
        case "uploaded" | "operation, begun":
            return read, told[0]
        case "webhooks":
            return read, [row["configs"] | {"status": row["status"]} for row in told]
    return read, told


def _fields(read: object, told: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Give each field that was read: its place, what was read, what the portal said."""
    if isinstance(read, BaseModel | Entry):
        for name, field in type(read).__pydantic_fields__.items():
            choice = field.validation_alias
            keys = choice.choices if isinstance(choice, AliasChoices) else [field.alias or name]
            said = next((told[key] for key in keys if key in told), MISSING)
            yield from _fields(getattr(read, name), said, f"{at}.{name}".lstrip("."))
    elif isinstance(read, tuple) and isinstance(told, list):
        yield f"{at}[]", len(read), len(told)
        for one, said in zip(read, told, strict=True):
            yield from _fields(one, said, at)
    else:
        yield at, read, told


def _is_left_out(at: str) -> bool:
    return any(re.fullmatch(rule, at) for rule in LEFT_OUT)


@pytest.mark.parametrize("name", ASKED)
async def test_every_field_that_is_read_is_one_that_the_portal_wrote(name: str) -> None:
    recorded = RECORDED[name]
    portal, asked = _portal(recorded["answer"])

    read, told = _beside(name, await ASKED[name](portal), recorded["answer"]["response"])

    assert set(asked) == {recorded["call"]}
    fields = list(_fields(read, told))
    assert [at for at, _, said in fields if said is MISSING and not _is_left_out(at)] == []
    for at, value, said in fields:
        if said is MISSING:
            continue
        if isinstance(value, datetime):
            assert value == datetime.fromisoformat(said), at
        else:
            assert value == (tuple(said) if isinstance(said, list) else said), at
        if type(value) is int:
            assert at not in NUMBERED, f"{at} is {value}, and no name is known for it"


async def test_no_excuse_is_left_over() -> None:
    missing = set()
    for name, ask in ASKED.items():
        portal, _ = _portal(RECORDED[name]["answer"])
        fields = _fields(*_beside(name, await ask(portal), RECORDED[name]["answer"]["response"]))
        missing |= {at for at, _, said in fields if said is MISSING}

    assert [rule for rule in LEFT_OUT if not any(re.fullmatch(rule, at) for at in missing)] == []


async def test_the_conflict_check_gives_the_sources() -> None:
    recorded = RECORDED["colliding"]
    portal, _ = _portal(recorded["answer"])

    assert await portal.files.colliding([2], 16) == {one["id"] for one in recorded["answer"]["response"]} == {2}


async def test_a_link_that_was_not_made_is_answered_200() -> None:
    portal, _ = _portal(RECORDED["no link"]["answer"])

    with pytest.raises(Rejected, match="made none"):
        await portal.links.make("rooms", 1, {})
