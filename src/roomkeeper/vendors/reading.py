"""Read what vendors send, whatever it lacks. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from roomkeeper import outside

#: Seconds or milliseconds, bare or as Dynamics writes them: `/Date(1506384247000)/`.
_COUNTED = re.compile(r"(?:/Date\()?(\d{10}|\d{13})(?:[+-]\d{4})?(?:\)/)?")
_SECONDS = 10  # digits of a time in seconds, from 2001 to 2286


def mapping(value: object) -> Mapping[str, Any]:
    """Take an object of an answer; anything else counts as an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """Take a field of an answer as text; what is absent is empty."""
    return "" if value is None or isinstance(value, dict | list) else str(value)


def moment(value: str) -> datetime:
    """Read a time, in ISO 8601 or counted since 1970; one that is missing, or no time that can be shown, is now."""
    counted = _COUNTED.fullmatch(value.strip())
    if counted is None:
        return outside.moment(value) or datetime.now(UTC)
    seconds = int(counted[1]) / (1000 if len(counted[1]) > _SECONDS else 1)
    return outside.moment_of(seconds) or datetime.now(UTC)


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

    A name may have full stops of its own (`statecode@OData.Community.Display.V1.FormattedValue`). Where a path so leads
    to several things, as when somebody adds a field to a template, it leads nowhere.
    """
    found = [one for one in _ends(value, path.split(".")) if one is not None]
    return found[0] if found and all(one == found[0] for one in found) else None


def _ends(value: object, parts: Sequence[str]) -> Iterator[object]:
    if not parts:
        yield value
    elif isinstance(value, list):
        if parts[0].isdecimal() and int(parts[0]) < len(value):
            yield from _ends(value[int(parts[0])], parts[1:])
    elif isinstance(value, dict):
        for many in range(1, len(parts) + 1):
            name = ".".join(parts[:many])
            if name in value:
                yield from _ends(value[name], parts[many:])
