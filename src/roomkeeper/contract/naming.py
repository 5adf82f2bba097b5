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
_SHOWN = 10  # rooms that are named where several fit (ours)


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


def one_called(rooms: Sequence[R], word: str, same_title: Callable[[str, str], bool]) -> R:
    """Find the one room that a word means. Raises LookupError, which says why there is none, or not one."""
    found = called(rooms, word, same_title)
    if not found:
        raise LookupError(
            "The account of the key sees no room that is called so. Invite it into the room, or choose another."
        )
    if len(found) > 1:
        named = ", ".join(written(room) for room in found[:_SHOWN])
        raise LookupError(f"Several rooms are called so; write one as it is here: {named}.")
    return found[0]
