"""Evidence: what a step says it left behind, so that it can be looked for later."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Evidence:
    """Something that must be there: a file, folder or room by its id.

    `item` is what it was made for, such as the id of an uploaded file, empty for the event as a whole. `within` is
    the folder below which it was put; `stays`, whether it must be there still. `version` is the one that was made, 0
    if it is not known, `size` that version's bytes. `made` tells it from another that has its id now: when it was
    made, as the service writes it, empty if that is not known.
    """

    kind: Literal["file", "folder", "room"]
    id: int | str
    item: str = ""
    within: int | str | None = None
    stays: bool = False
    version: int = 0
    size: int | None = None
    made: str = ""
    said: str = ""


@dataclass(frozen=True)
class Sight:
    """What is to be seen of something that must be there: whether it is, and how, in words."""

    stands: bool
    said: str
