"""Read bodies that a customer wrote as a template at the vendor's: often broken JSON, with keys of their own. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

_ID = re.compile(r"""["']?(?:ticket|issue)[_\s-]?(?:id|number)["']?\s*[:=]\s*["']?(\d+)""", re.IGNORECASE)
_KINDS = ("type", "event", "eventtype", "action", "triggeredevent", "trigger")
_OTHER = re.compile(r"comment|updat|delet|solv|clos|merg|reply|replied|resolv|edit|assign|unknown", re.IGNORECASE)
_NEW = re.compile(r"creat|new|open", re.IGNORECASE)
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
    found = _ID.search(text)
    return ({"ticket_id": found[1], "not_json": True} if found else {}), reason


def flat(body: Mapping[str, Any]) -> dict[str, str]:
    """Give every scalar under its key, in one spelling: `Ticket ID`, `ticket_id` and `ticketID` are the same."""
    found: dict[str, str] = {}
    level: list[Mapping[str, Any]] = [body]
    for _ in range(_DEEP):
        deeper: list[Mapping[str, Any]] = []
        for node in level:
            for name, value in node.items():
                if isinstance(value, dict):
                    deeper.append(value)
                elif isinstance(value, str | int | float) and not isinstance(value, bool):
                    found.setdefault(re.sub(r"[^a-z0-9]", "", str(name).lower()), str(value).strip())
        level = deeper
    return found


def first(found: Mapping[str, str], *names: str) -> str:
    """Give the first of these fields that is there."""
    return next((found[name] for name in names if found.get(name)), "")


def why_not_created(found: Mapping[str, str]) -> str:
    """Say why the body tells of no new ticket, if it names what happened; empty if it does not, or if it is one."""
    for name in _KINDS:
        said = found.get(name, "")
        if said and _OTHER.search(said) and not _NEW.search(said):
            return f"{said[:80]!r} is not a new ticket"
    return ""
