"""Evidence: what a step says it left behind, so that it can be looked for later."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Evidence:
    """Something that must be there: a file, folder or room by its id.

    `item` is what it was made for, such as the id of an uploaded file, empty for the event as a whole. `within` is
    the folder below which it must be, `version` the least that it must have.
    """

    kind: Literal["file", "folder", "room"]
    id: int | str
    item: str = ""
    within: int | str | None = None
    version: int = 0
    said: str = ""
