"""A checkup: what a connection needs, tried live, and what came of each check."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Finding:
    """What one check came to: `said` is for people, `remedy` is what they can do about it."""

    check: str
    state: State
    said: str
    remedy: str = ""


@dataclass(frozen=True)
class Needed:
    """A room or folder that an automation names, and what the account must be able to do there."""

    place: int | str
    right: Literal["read", "write", "manage"]
    #: Who needs it: `copy-client-uploads: to`.
    where: str


@dataclass(frozen=True)
class Examination:
    """What is to be tried of one connection: what its automations listen to and act on."""

    connection: str
    settings: Any
    types: frozenset[str] = frozenset()
    places: Sequence[Needed] = ()
    #: The permissions that steps need, by who needs them.
    scopes: Mapping[str, str] = field(default_factory=dict)
    polls: bool = False
    #: The groups that steps name, each with who names it.
    groups: Mapping[str, str] = field(default_factory=dict)


#: `examine(client, about)` tries everything; it raises nothing but what it did not foresee.
Examine = Callable[[Any, Examination], AsyncIterator[Finding]]
