"""Secrets: which of them the configuration asks for, and a place to put them in. They are never shown."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request

from roomkeeper.configuration import env
from roomkeeper.errors import OrderRefused
from roomkeeper.store import actions, services
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.pages import configuration
from roomkeeper.web.rendering import Shown

_LONGEST = 4000  # characters; keys of services are shorter (ours)
_CAME = "It is written, and what runs knows it."


async def view(request: Request, desk: Desk, _who: Who) -> Shown:
    """Say which are there, and which are missing."""
    came = _CAME if request.query_params.get("came") == "put" else ""
    return await _asked(desk, request.query_params.get("name", ""), came=came)


async def put(request: Request, desk: Desk, who: Who, form: Mapping[str, str]) -> Shown | str:
    """Write one into `.env`, and have what runs read it anew. Raises OrderRefused."""
    name, secret = form.get("name", "").strip(), form.get("secret", "").strip()
    refused = configuration.why_not(desk)
    if refused:
        raise OrderRefused(refused, remedy="Put it where the configuration is managed.")
    wrong = _wrong(name, secret, _file(desk))
    if wrong:
        return await _asked(desk, name, wrong=wrong)
    try:
        await asyncio.to_thread(env.put, _file(desk), name, secret)
    except OSError as error:
        what = f"{_file(desk)} cannot be written: {error.strerror}"
        raise OrderRefused(what, remedy="Let the user whom the service runs as write there.") from error
    ordered_at = await asyncio.to_thread(_order, desk, who, name)
    try:
        await configuration.taken_over(request, desk, ordered_at)
    except OrderRefused as error:
        what = f"{name} is written, but what runs does not know it yet. {error.message}"
        raise OrderRefused(what, remedy=error.remedy) from error
    return "/secrets?came=put"


async def _asked(desk: Desk, name: str, *, wrong: Mapping[str, str] | None = None, came: str = "") -> Shown:
    text = await asyncio.to_thread(configuration.in_file, desk.config)
    known = await asyncio.to_thread(_known, _file(desk), env.asked_for(text))
    data = {
        "file": str(_file(desk)),
        "known": known,
        "fields": _fields(name, [one["name"] for one in known]),
        "wrong": wrong or {},
        "refused": configuration.why_not(desk),
        "came": came,
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
    written = env.known(file)
    return [{"name": one, "is_set": env.is_set(file, one), "is_outside": _is_outside(one, written)} for one in names]


def _is_outside(name: str, written: Mapping[str, str]) -> bool:
    """Whether the service has it from elsewhere; what `.env` says is in its environment, too."""
    return bool(os.environ.get(name)) and os.environ.get(name) != written.get(name)


def _wrong(name: str, secret: str, file: Path) -> dict[str, str]:
    wrong = {}
    if not (name.isidentifier() and name.isascii()):
        wrong["name"] = "A name has letters, digits and _, and begins with no digit, such as HUBSPOT_TOKEN."
    elif _is_outside(name, env.known(file)):
        wrong["name"] = "The service has it from its environment, which goes before the file: change it there."
    if not secret or len(secret) > _LONGEST or not secret.isprintable():
        wrong["secret"] = f"It is one line of at most {_LONGEST} characters."
    return wrong


def _order(desk: Desk, who: Who, name: str) -> float:
    with desk.store.write() as db:
        actions.record(db, who.by, f"put the secret {name} in")
    return services.order(desk.store, who.by)


def _file(desk: Desk) -> Path:
    return desk.config.file.parent / ".env"
