"""Rooms as people name them: by title, by number, or as a list of them writes one."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar


class Titled(Protocol):
    """A room: its id and title."""

    @property
    def id(self) -> int | str: ...  # noqa: D102

    @property
    def title(self) -> str: ...  # noqa: D102


R = TypeVar("R", bound=Titled)


def written(room: Titled) -> str:
    """Write a room so that it is known again, whatever its title."""
    return f"{room.title} ({room.id})"


def called(rooms: Sequence[R], word: str, same_title: Callable[[str, str], bool]) -> list[R]:
    """Find the rooms that a word means: what a list writes so, an id, a title; or else those with it in their title."""
    if not word:
        return []
    ways: list[Callable[[R], bool]] = [
        lambda room: word == written(room),
        lambda room: word == str(room.id),
        lambda room: same_title(room.title, word),
        lambda room: word.casefold() in room.title.casefold(),
    ]
    return next((found for fits in ways if (found := [room for room in rooms if fits(room)])), [])
