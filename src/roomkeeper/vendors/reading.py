"""Read what vendors send, whatever it lacks. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from roomkeeper import outside


def mapping(value: object) -> Mapping[str, Any]:
    """Take an object of an answer; anything else counts as an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """Take a field of an answer as text; what is absent is empty."""
    return "" if value is None or isinstance(value, dict | list) else str(value)


def moment(value: str) -> datetime:
    """Read a time; one that is missing, or no time that can be shown, is now."""
    return outside.moment(value) or datetime.now(UTC)


def overlaid(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one over the other, field by field; what is empty does not hide what is known."""
    out = dict(known)
    for name, value in more.items():
        if isinstance(value, Mapping) and isinstance(out.get(name), Mapping):
            out[name] = overlaid(out[name], value)
        elif value not in (None, "") or name not in out:
            out[name] = value
    return out


def inside(value: object, path: str) -> object:
    """Follow a dotted path: fields of objects, and positions in lists; None where it leads nowhere.

    A name may have full stops of its own (`statecode@OData.Community.Display.V1.FormattedValue`).
    """
    parts = path.split(".")
    for at, part in enumerate(parts):
        rest = ".".join(parts[at:])
        if isinstance(value, dict) and rest in value:
            return value[rest]
        if isinstance(value, list):
            value = value[int(part)] if part.isdecimal() and int(part) < len(value) else None
        else:
            value = mapping(value).get(part)
    return value
