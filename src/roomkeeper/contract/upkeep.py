"""Upkeep: what a service must be told so that it delivers to us, and goes on doing so."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hook:
    """The webhook that a connection needs: where it delivers to, what it tells of, and the secret it signs with."""

    connection: str
    url: str
    types: frozenset[str]
    secret: str
    #: Whether one of ours was seen before, so that a missing one was deleted.
    was_there: bool = False
    #: Where ours delivered to when it was last seen, if that was another address.
    former: str = ""
    #: The newest delivery when the secret was last set right; one that is refused later has another reason.
    mark: int = 0
    #: Whether that was done twice within the hour: it may not be the service's secret that is wrong.
    is_marked_lately: bool = False
    #: Seconds for which the service may still be at what it began with the former secret; and whether it may be now.
    settles: float = 120.0
    is_settling: bool = False


@dataclass(frozen=True)
class Registered:
    """A webhook as the service has it; `days_left` until it is disabled for want of a success, None if it cannot be."""

    id: int | str
    name: str
    url: str
    enabled: bool
    types: Sequence[str]
    last_success: str | None
    days_left: float | None
    is_ours: bool


@dataclass(frozen=True)
class Ailment:
    """What is wrong with a webhook: `key` for machines, the rest for people; `mended` if it was put right."""

    key: str
    what: str
    remedy: str
    mended: bool = False
    #: The newest delivery that it was told by.
    mark: int = 0


@dataclass(frozen=True)
class Upkeep:
    """How a service's webhooks are looked after. All raise RemoteError.

    `list(client, hook)` lists them; `ail(client, hook)` says what is wrong with ours; `mend(client, hook, twins=…)`
    puts right what can be, `twins` telling whether to delete superfluous ones; `register(client, hook)` makes ours
    unless it is there, and `remove(client, hook)` deletes ours: both give the ids.
    """

    list: Callable[[Any, Hook], Awaitable[Sequence[Registered]]]
    ail: Callable[[Any, Hook], Awaitable[Sequence[Ailment]]]
    mend: Callable[..., Awaitable[Sequence[Ailment]]]
    register: Callable[[Any, Hook], Awaitable[int | str]]
    remove: Callable[[Any, Hook], Awaitable[Sequence[int | str]]]
    #: Makes a secret that the service takes.
    secret: Callable[[], str]
