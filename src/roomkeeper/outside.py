"""Read what comes from outside: what strangers, services and files wrote, bounded and cleaned where it enters. Pure.

What is behind this door is ordinary: JSON that can be written again, text without half characters or signs that
steer a terminal, times that a clock can show.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any

DEEPEST = 64  # levels of objects and lists; the deepest that a vendor's documentation shows are eight
_DIGITS = 18  # of a whole number: more do not fit a column, and stay text
_REPLACEMENT = "\ufffd"
#: Half characters, control characters but for tab and line ends, and what turns the direction of the text after it
#: (Unicode 15, 23.2; UAX 9, explicit directional formatting).
_STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]")
#: What in a body may stand for one of them: a sign itself, or an escape.
_SUSPICIOUS = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]"
    r"|\\u(?:[dD][89a-fA-F]|00[01789]|20[26])|\\[bf]"
)


_CONTAINERS = (dict, list)


class Unreadable(ValueError):
    """It is not JSON, or no JSON that an honest sender writes; the message goes on after "the body"."""


@dataclass(frozen=True)
class Document:
    """A body that was read."""

    value: Any
    _sent: str = field(repr=False)
    _strict: bool = True

    @cached_property
    def repeated(self) -> frozenset[str]:
        """The names that an object in it has twice, with different values. Looked for only where somebody asks."""
        found: set[str] = set()

        def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            made = dict(pairs)
            if len(made) < len(pairs):
                found.update(_different(pairs))
            return made

        _loaded(self._sent, strict=self._strict, pairs=once)
        return frozenset(found)


def document(body: bytes | str, *, strict: bool = True) -> Document:
    """Read JSON. Not `strict`, line ends may stand inside of text, as templates write them. Raises Unreadable."""
    sent = decoded(body) if isinstance(body, bytes) else body
    try:
        value = _loaded(sent, strict=strict)
    except RecursionError as error:
        raise Unreadable("is nested too deeply") from error
    except ValueError as error:
        raise Unreadable(f"is not valid JSON: {getattr(error, 'msg', error)}") from error
    if sent.count("{") + sent.count("[") > DEEPEST and _is_deep(value):
        raise Unreadable(f"is nested deeper than {DEEPEST} levels")
    return Document(_clean(value) if _is_suspicious(sent) else value, sent, strict)


def _is_suspicious(sent: str) -> bool:
    """Whether there may be something to clean; of most bodies that is known without looking closely."""
    is_plain = sent.isascii() and sent.isprintable() and "\\" not in sent
    return not is_plain and _SUSPICIOUS.search(sent) is not None


def _loaded(sent: str, *, strict: bool, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:  # noqa: ANN401
    if pairs is not None:
        return json.loads(sent, strict=strict, object_pairs_hook=pairs, **_CAREFUL)
    return _decoder(strict).decode(sent)


@cache
def _decoder(strict: bool) -> json.JSONDecoder:  # noqa: FBT001 - the key of a cache
    return json.JSONDecoder(strict=strict, **_CAREFUL)


def decoded(body: bytes) -> str:
    """Read a body as text: in UTF-8, or in what its beginning says (RFC 4627, 3), as .NET and PowerShell send it."""
    return body.decode(json.detect_encoding(body), "replace").removeprefix("\ufeff")


def cleaned(text: str) -> str:
    """Give a text in which nothing is half or steers what shows it: U+FFFD stands in its place."""
    return _STEERING.sub(_REPLACEMENT, text)


def one_line(text: str, longest: int = 200) -> str:
    """Give the beginning of a text as one line."""
    return cleaned(" ".join(text[: 4 * longest].split()))[:longest]


def moment(value: object) -> datetime | None:
    """Read a time in ISO 8601; None where it is none, or none that a clock of ours can show. No zone means UTC."""
    try:
        read = datetime.fromisoformat(str(value))
        read = read if read.tzinfo is not None else read.replace(tzinfo=UTC)
        shown = read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return read if _can_be_shown(shown) else None


def moment_of(seconds: float) -> datetime | None:
    """Read a time in seconds since 1970; None where a clock of ours cannot show it."""
    try:
        read = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return read if _can_be_shown(read) else None


def spelled(name: str) -> str:
    """Give a field's name in one spelling: `Ticket ID`, `ticket_id` and `ticketId` are the same.

    It is in the sender's own language; of what is no word at all a question mark is left, so that it is a name.
    """
    return "".join(letter for letter in name.lower() if letter.isalnum()) or "?"


def _can_be_shown(read: datetime) -> bool:
    return 1970 <= read.year < 9000  # noqa: PLR2004 - beyond, a zone takes it out of what can be written


def _different(pairs: Iterable[tuple[str, Any]]) -> set[str]:
    known: dict[str, Any] = {}
    return {name for name, value in pairs if known.setdefault(name, value) != value}


def _no_number(name: str) -> Any:  # noqa: ANN401 - it never returns
    raise Unreadable(f"has {name}, which is no number of JSON")


def _decimal(digits: str) -> float | str:
    value = float(digits)
    return value if abs(value) != float("inf") else digits


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= _DIGITS else digits


_CAREFUL: dict[str, Any] = {"parse_int": _whole, "parse_float": _decimal, "parse_constant": _no_number}


def _is_deep(value: object) -> bool:
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inside(one) if isinstance(inner, _CONTAINERS)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:  # noqa: ANN401 - JSON
    return value.values() if isinstance(value, dict) else value


def _clean(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return cleaned(value)
    if isinstance(value, dict):
        return {cleaned(name): _clean(inner) for name, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value
