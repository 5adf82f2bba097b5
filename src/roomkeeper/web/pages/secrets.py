"""Secrets: which of them the configuration asks for, and a place to put them in. They are never shown."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request

from roomkeeper.configuration import env
from roomkeeper.errors import OrderRefused
from roomkeeper.store import services
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.pages import configuration
from roomkeeper.web.rendering import Shown


async def view(request: Request, desk: Desk, _who: Who) -> Shown:
    """Say which are there, and which are missing."""
    return await _asked(desk, request.query_params.get("name", ""), put=request.query_params.get("put", ""))


async def put(request: Request, desk: Desk, who: Who, form: Mapping[str, str]) -> Shown | str:
    """Write one into `.env`, and have what runs read it anew. Raises OrderRefused."""
    name, secret = form.get("name", "").strip(), form.get("secret", "").strip()
    text = await asyncio.to_thread(configuration.in_file, desk.config)
    wrong = await asyncio.to_thread(configuration.put_in, desk, who, text, {name: secret})
    if wrong:
        return await _asked(desk, name, wrong=wrong[name])
    try:
        await configuration.taken_over(request, desk, await asyncio.to_thread(services.order, desk.store, who.by))
    except OrderRefused as error:
        what = f"{name} is written, but what runs does not know it yet. {error.message}"
        raise OrderRefused(what, remedy=error.remedy) from error
    return f"/secrets?put={name}"


async def _asked(desk: Desk, name: str, *, wrong: str = "", put: str = "") -> Shown:
    text = await asyncio.to_thread(configuration.in_file, desk.config)
    names, file = env.asked_for(text), configuration.env_of(desk)
    data = {
        "file": str(file),
        "known": await asyncio.to_thread(_known, file, names),
        "fields": _fields(name, names),
        "wrong": {"name" if env.why_not_named(file, name) else "secret": wrong} if wrong else {},
        "refused": configuration.why_not(desk),
        "put": put if put.isidentifier() else "",
        "is_asked_for": put in names,
    }
    return Shown("Secrets", "secrets.html", data, status=422 if wrong else 200, is_live=False)


def _fields(name: str, names: Sequence[str]) -> list[dict[str, Any]]:
    called = {
        "name": "name",
        "label": "Its name",
        "kind": "text",
        "value": name,
        "options": [(one, "") for one in names],
        "hint": "as it stands after `!env` in the configuration",
        "is_needed": True,
    }
    return [called, {"name": "secret", "label": "The secret", "kind": "new-password", "value": "", "is_needed": True}]


def _known(file: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"name": one, "is_set": env.is_set(file, one), "is_outside": env.is_outside(file, one)} for one in names]
