"""Read bodies that a customer wrote as a template at the vendor's: often broken JSON, with keys of their own. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

_ID = re.compile(
    r"""(?:^|[{,\[&])\s*["']?(?:ticket|issue)[_\s-]?(?:id|number)["']?\s*[:=]\s*["']?(\d+)""", re.IGNORECASE
)
_EVENT = re.compile(r"""["'](?:event|event_?type|action|triggered_?event)["']\s*:\s*["']([^"']{1,80})""", re.IGNORECASE)
_KINDS = ("event", "eventtype", "action", "triggeredevent", "trigger", "webhookevent")
_OTHER = re.compile(
    r"comment|note|repl(?:y|ied)|updat|delet|chang|reopen|solv|clos|merg|edit|assign|escalat", re.IGNORECASE
)
_COMMENT = re.compile(r"comment|reply", re.IGNORECASE)
_DEEP = 6  # levels that are looked into


def parsed(body: bytes) -> tuple[Mapping[str, Any], str]:
    """Read JSON, or a form, or at least the ticket's id; gives what is wrong with it, too, empty if nothing."""
    text = body.decode("utf-8", "replace")
    try:
        document = json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        reason = f" (the body is not valid JSON: {getattr(error, 'msg', 'nested too deeply')})"
    else:
        return (document, "") if isinstance(document, dict) else ({}, " (the body is not a JSON object)")
    form = dict(parse_qsl(text)) if "=" in text and "{" not in text else {}
    if form:
        return form, ""
    numbers = set(_ID.findall(text))
    if len(numbers) != 1:
        return {}, f"{reason}; it may name several tickets" if numbers else reason
    event = _EVENT.search(text)
    return {"ticket_id": numbers.pop(), "not_json": True} | ({"event": event[1]} if event else {}), reason


def flat(body: Mapping[str, Any]) -> dict[str, str]:
    """Give every scalar under its path, in one spelling: `Ticket ID`, `ticket_id` and `ticket: {id}` are the same."""
    found: dict[str, str] = {}
    level: list[tuple[str, Mapping[str, Any]]] = [("", body)]
    for _ in range(_DEEP):
        deeper: list[tuple[str, Mapping[str, Any]]] = []
        for path, node in level:
            for name, value in node.items():
                here = path + re.sub(r"[^a-z0-9]", "", str(name).lower())
                if isinstance(value, dict):
                    deeper.append((here, value))
                elif isinstance(value, str | int | float) and not isinstance(value, bool):
                    found.setdefault(here, str(value).strip())
        level = deeper
    return found


def ticket_id(found: Mapping[str, str]) -> str:
    """Give the ticket's number: by a field that says so, else by a bare `id` at the top."""
    names = ("ticketid", "ticketnumber", "ticketticketid", "issueid", "id")
    return next((found[name] for name in names if re.fullmatch(r"\d+", found.get(name, ""))), "")


def first(found: Mapping[str, str], *names: str) -> str:
    """Give the first of these fields that is there."""
    return next((found[name] for name in names if found.get(name)), "")


def why_not_created(found: Mapping[str, str]) -> str:
    """Say why the body tells of no new ticket, if it names what happened; empty if it does not, or if it is one.

    `type` is often the ticket's own, so only a comment counts there.
    """
    said = next((found[name] for name in _KINDS if _OTHER.search(found.get(name, ""))), "")
    if not said and _COMMENT.search(found.get("type", "")):
        said = found["type"]
    return f"{said[:80]!r} is not a new ticket" if said else ""
