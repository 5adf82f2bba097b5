"""When two titles are one to the portal: by its database's collation, not by Unicode's case folding. Pure.

The portal keeps titles in MySQL under `utf8mb3_general_ci`: `Résumé` is `Resume`, `Straße` is `Strase` and not
`Strasse`, the dotless i is `I`; `й` is not `и`; trailing blanks do not count. `weights.json` was measured on a running
server (recorded/title-weights.json). A portal on PostgreSQL compares exactly: so whether a title is taken is asked of
the portal, and this decides only which of its files has it.
"""

import json
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Protocol, TypeVar


class _Entry(Protocol):
    @property
    def title(self) -> str: ...


_Titled = TypeVar("_Titled", bound=_Entry)
_PLANE = 0xFFFF  # the end of the basic multilingual plane (ours)


def title_key(title: str) -> str:
    """Give what is equal for titles that are one to the portal."""
    return title.rstrip(" ").translate(_weights())


def same_title(one: str, other: str) -> bool:
    """Compare titles as the portal's database does."""
    return title_key(one) == title_key(other)


def bearing(title: str, entries: Iterable[_Titled]) -> list[_Titled]:
    """Give the entries of exactly this title; if there are none, those whose title MySQL takes for the same.

    So a room that is there is found however it was written, and where the portal compares exactly and has both
    `Müller` and `Muller`, each is found by its own name.
    """
    same = [one for one in entries if same_title(one.title, title)]
    return [one for one in same if one.title == title] or same


def extension(title: str) -> str:
    """Give a title's ending, in small letters and without its dot; empty if there is none."""
    return title.rpartition(".")[2].lower() if "." in title else ""


class _Weights(dict[int, str]):
    """A letter's weight; one that is not listed stands for itself, one beyond U+FFFF is stored as two underscores."""

    def __missing__(self, letter: int) -> str:
        return "__" if letter > _PLANE else chr(letter)


@cache
def _weights() -> _Weights:
    table = json.loads((resources.files("roomkeeper.docspace") / "weights.json").read_text("utf-8"))
    return _Weights(zip(map(ord, table["letters"]), table["weights"], strict=True))
