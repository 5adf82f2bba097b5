"""The configuration: the file as it is, changed here or elsewhere, and taken over by what runs."""

import asyncio
import difflib
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from roomkeeper.automations.automation import Automation
from roomkeeper.configuration import env, writing
from roomkeeper.configuration.config import Config, digest_of
from roomkeeper.configuration.words import words
from roomkeeper.desk.offers import Offer
from roomkeeper.errors import ConfigError, OrderRefused, Problem
from roomkeeper.intake import stranded
from roomkeeper.outside import one_line
from roomkeeper.store import actions, services, texts
from roomkeeper.web import numbers
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.rendering import HEADERS, Shown, fit_to_send

LARGEST = 1024 * 1024  # bytes of the form that brings it
_WITHIN = 20.0  # seconds
_CHOSEN_FROM = 20  # events that a text can be tried with; the latest
_FIELD = "secret-"  # what the fields for secrets begin with
_WHY = 200  # characters
#: What is said once an order was carried out.
_CAME = {
    "published": "It is published, and runs: it is the newest version below. What arrives is shown on the first page.",
    "taken-over": "The file is taken over, and runs as it stands below.",
}
_OFFER = Offer(
    "reload",
    "Take it over",
    (
        "The file is checked first; if anything is wrong with it, all stays as it is.",
        "Runs at work go on with the text that they were made with.",
        "What waits for an automation that is not there any more is kept, and named.",
        "What arrives meanwhile waits for a second or two, and none is lost.",
    ),
)


async def view(request: Request, desk: Desk, _who: Who) -> Shown:
    """Show the file as it is, or a version that was run before."""
    number = numbers.read(request.query_params.get("version", ""))
    text = (await asyncio.to_thread(texts.one, desk.store, number)).text if number is not None else None
    name = request.query_params.get("automation", "")
    begins = (name, _line_of(name, await asyncio.to_thread(in_file, desk.config)))
    came = _CAME.get(request.query_params.get("came", ""))
    return await _edited(desk, text, {"version": number, "came": came, "begins": begins})


async def order(request: Request, desk: Desk, who: Who, form: Mapping[str, str]) -> Shown | str:
    """Check a text, try it, or publish it: into the file, and taken over. Raises OrderRefused, NotThere."""
    text, wanted = form.get("text", "").replace("\r\n", "\n"), form.get("order")
    base, current = form.get("base", "").replace("\r\n", "\n"), await asyncio.to_thread(in_file, desk.config)
    wrong = await asyncio.to_thread(put_in, desk, who, text, _secrets(form)) if wanted == "put-in" else {}
    problems, new = await asyncio.to_thread(_checked, desk, text)
    if wanted in {"try", "publish"} and (refused := why_not(desk) or _why_not_whole(desk, current)):
        raise OrderRefused(refused)
    moved = base != current
    if new is None or wanted != "publish" or moved:
        checked = {"problems": problems, "is_checked": True, "is_in_order": new is not None, "moved": moved}
        checked["wrong"] = wrong
        found = await _found_out(desk, new, form) if new is not None else {}
        return await _edited(desk, text, checked | found | {"why": form.get("why", "")[:_WHY]})
    await asyncio.to_thread(writing.replace, desk.config.file, current, text)
    try:
        await _run(request, desk, who, text, did="published the configuration", why=form.get("why", ""))
    except OrderRefused:
        await asyncio.to_thread(writing.replace, desk.config.file, text, current)
        raise
    return "/configuration?came=published"


async def known_words(_request: Request, desk: Desk, _who: Who) -> Response:
    """Give the words that may stand in the file, for the editor."""
    return JSONResponse(words(desk.config.catalog), headers=HEADERS)


async def ask_reload(_request: Request, desk: Desk, _who: Who) -> Shown:
    """Show what was changed in the file, and what taking it over does."""
    now = await asyncio.to_thread(in_file, desk.config)
    data: dict[str, Any] = {
        "offer": _OFFER,
        "back": "/configuration",
        "asks_why": True,
        "changes": _changes(desk.config.text, now),
    }
    data["file"] = str(desk.config.file)
    return Shown("Take over the changed configuration?", "reload.html", data, is_live=False)  # somebody writes there


async def reload(request: Request, desk: Desk, who: Who, form: Mapping[str, str]) -> str:
    """Have all services on this store read the file anew. Raises OrderRefused with what is wrong with it."""
    text = await asyncio.to_thread(in_file, desk.config)
    await _run(request, desk, who, text, did=services.READ_ANEW, why=form.get("why", ""))
    return "/configuration?came=taken-over"


def put_in(desk: Desk, who: Who, text: str, given: Mapping[str, str]) -> dict[str, str]:
    """Write secrets into `.env` with which a text has no other fault than without; else gives, by name, what is wrong.

    Raises OrderRefused if they cannot be written.
    """
    if refused := why_not(desk):
        raise OrderRefused(refused, remedy="Put it where the configuration is managed.")
    file = env_of(desk)
    said = {name: env.why_not_named(file, name) or env.why_not(secret) for name, secret in given.items()}
    if wrong := {name: why for name, why in said.items() if why}:
        return wrong
    known = {one.what for one in _checked(desk, text)[0]}
    for name, secret in given.items():
        new = [one for one in _checked(desk, text, {name: secret})[0] if one.what not in known]
        if new:
            wrong[name] = f"{new[0].what.replace(secret, '…')} (line {new[0].line})."
            continue
        try:
            env.put(file, name, secret)
        except OSError as error:
            what = f"{file} cannot be written: {error.strerror}"
            raise OrderRefused(what, remedy="Let the user whom the service runs as write there.") from error
        with desk.store.write() as db:
            actions.record(db, who.by, f"put the secret {name} in")
    return wrong


def env_of(desk: Desk) -> Path:
    """Name the file of the secrets."""
    return desk.config.file.parent / ".env"


async def taken_over(request: Request, desk: Desk, ordered_at: float) -> None:
    """Wait until what runs has settled the order, or lets go of this request to do so. Raises OrderRefused."""
    leaving, clock = request.app.state.leaving, asyncio.get_running_loop().time
    end = clock() + _WITHIN
    while not leaving.is_set() and clock() < end:
        rows = await asyncio.to_thread(services.running, desk.store)
        settled = [one for one in rows if one.settled_at >= ordered_at]
        if refused := [one for one in settled if one.trouble]:
            said = f"It was not taken over, and all goes on as it was: {refused[0].trouble}"
            raise OrderRefused(said, remedy="Correct it, then take it over again.")
        if len(settled) == len(rows):
            return
        await asyncio.sleep(0.1)


async def _run(request: Request, desk: Desk, who: Who, text: str, *, did: str, why: str) -> None:
    """Have the text in the file taken over; kept, with who says so and why, if any does so. Raises OrderRefused."""
    why = one_line(why, _WHY)
    kept = await asyncio.to_thread(texts.keep, desk.store, text, by=who.by, why=why)
    try:
        ordered_at = await asyncio.to_thread(services.order, desk.store, who.by, did, why=why)
        await taken_over(request, desk, ordered_at)
    except OrderRefused as error:
        await asyncio.to_thread(_refused, desk, who, text, kept, error)
        raise


def _refused(desk: Desk, who: Who, text: str, kept: int | None, error: OrderRefused) -> None:
    """Write down that an order came to nothing, and forget a text that nothing runs."""
    if not services.is_run(desk.store, digest_of(text)):
        texts.forget(desk.store, kept)
    with desk.store.write() as db:
        actions.record(db, who.by, f"was refused that: {error.message}")


def why_not(desk: Desk) -> str:
    """Say why the file cannot be changed here; empty if it can."""
    if not desk.config.dashboard.editing:
        return "It is managed elsewhere: `dashboard: editing` is off."
    return writing.why_not(desk.config.file)


async def _found_out(desk: Desk, new: Config, form: Mapping[str, str]) -> dict[str, Any]:
    """Find out what a text that is in order would come to: what it strands, and, if asked, what it would do."""
    automations, number = _differing(desk.config, new), numbers.read(form.get("event", ""))
    types = {type_ for one in automations for type_ in one.event_types}
    return {
        "strands": await asyncio.to_thread(_stranded, desk, new),
        "happened": await asyncio.to_thread(partial(desk.history.events, limit=_CHOSEN_FROM, types=types)),
        "event": number,
        "tried": await desk.try_out(new, automations, number) if form.get("order") == "try" else None,
    }


def _differing(now: Config, new: Config) -> list[Automation]:
    """Give the automations that are new or written otherwise; all of them, if what differs is around them."""
    return [one for one in new.automations if now.texts.get(one.name) != new.texts[one.name]] or list(new.automations)


async def _edited(desk: Desk, text: str | None, more: Mapping[str, Any]) -> Shown:
    """Show an editor with a text in it, and how it differs from the file."""
    current = await asyncio.to_thread(in_file, desk.config)
    text = text if text is not None else current
    data: dict[str, Any] = {
        "text": text,
        "base": current,
        "changes": _changes(current, text),
        "file": str(desk.config.file),
        "refused": why_not(desk) or _why_not_whole(desk, current, text),
        "versions": await asyncio.to_thread(texts.listed, desk.store),
    }
    return Shown("Configuration", "configuration.html", data | dict(more), is_live=False)  # somebody writes there


def _line_of(automation: str, text: str) -> int | None:
    named = re.compile(rf"\bname[\"']?\s*:\s*[\"']?{re.escape(automation)}(?![\w-])")
    return next((at for at, line in enumerate(text.split("\n"), start=1) if automation and named.search(line)), None)


def _why_not_whole(desk: Desk, *shown: str) -> str:
    """Say why a text is not shown whole, so that it must not be written back; empty if it is."""
    if any(fit_to_send(desk, text) != text for text in shown):
        return "A word in it is a secret of yours, too, or cannot be shown, so it is not whole here: change the file."
    return ""


def in_file(config: Config) -> str:
    """Give the text as it stands in the file by now."""
    changed = config.changed_text
    return config.text if changed is None else changed


def _secrets(form: Mapping[str, str]) -> dict[str, str]:
    said = {name.removeprefix(_FIELD): secret.strip() for name, secret in form.items() if name.startswith(_FIELD)}
    return {name: secret for name, secret in said.items() if secret}


def _checked(
    desk: Desk, text: str, given: Mapping[str, str] = MappingProxyType({})
) -> tuple[Sequence[Problem], Config | None]:
    """Check a text: what is wrong with it; or what is odd about it, and what it means."""
    try:
        config = desk.check(text, given)
    except ConfigError as error:
        return error.problems, None
    return config.notes, config


def _stranded(desk: Desk, new: Config) -> list[str]:
    """Say what would wait for what is not there any more."""
    with desk.store.read() as db:
        found = stranded.wrong(db, [one.name for one in new.automations], new.connections)
    return [one.what for one in found]


def _changes(old: str, new: str) -> list[tuple[str, str]]:
    """Give the lines that differ, each with its kind: taken, added, or around."""
    kinds = {"-": "taken", "+": "added", "@": "place"}
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
    return [(kinds.get(line[:1], "around"), line) for line in list(lines)[2:]]
