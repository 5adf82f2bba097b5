"""Take what an answer must have. What is not there is never taken for nothing: it is said, and asked for again. Pure.

A list that cannot be read is no empty list (a note that is not found would be written a second time), and an answer
that is not the record asked for says nothing of it (a deal would be taken for an open one).
"""

from collections.abc import Mapping
from typing import Any

from roomkeeper.errors import Garbled
from roomkeeper.vendors.reading import mapping, text


def rows(value: object, what: str) -> list[Mapping[str, Any]]:
    """Take a list of objects; null, as some write an empty one, is one. Raises Garbled."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Garbled(f"{what} cannot be read: a list of objects was expected, not {_shown(value)}")
    return value


def record(value: object, what: str, *, name: str = "id") -> Mapping[str, Any]:
    """Take the record that was asked for, which has a value under `name`. Raises Garbled."""
    found = mapping(value)
    if not text(found.get(name)):
        raise Garbled(f"{what} cannot be read: the answer has no `{name}`: {_shown(value)}")
    return found


def count(value: object, what: str) -> int:
    """Take how many there are, a number or one as text; absent is none. Raises Garbled."""
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _DIGITS:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Garbled(f"{what} cannot be counted: a number was expected, not {_shown(value)}")
    return value


class Pages:
    """The way through a list: a list that leads back to where it was has no end, and is given up."""

    def __init__(self, what: str) -> None:
        self._what, self._seen = what, set[str]()

    def next(self, cursor: object) -> str:
        """Take where the next page is; empty if there is none. Raises Garbled."""
        following = text(cursor)
        if following in self._seen:
            raise Garbled(f"{self._what} has no end: the answer leads back to {_shown(following)}")
        if following:
            self._seen.add(following)
        return following


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]} …"


_DIGITS = 18  # of a count that is written as text (ours)
_SHOWN = 60  # characters of what was sent instead (ours)
