"""What the portal says before there is a configuration: whose key it is, and what can be chosen."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from roomkeeper.automations.address import is_address as is_any_address
from roomkeeper.docspace import Budget, Limits, Portal
from roomkeeper.docspace.budget import LocalTally
from roomkeeper.docspace.models import Folder
from roomkeeper.docspace.titles import same_title
from roomkeeper.docspace.wire import sanitise_title
from roomkeeper.errors import Forbidden, RoomkeeperError, ScopeMissing, Unauthorized

T = TypeVar("T")
MAKE_A_KEY = "On the portal: Developer Tools, API keys; best with an account of its own, a room admin in these rooms."


@dataclass(frozen=True)
class Seen:
    """Whose key it is, and the rooms that this account sees, by their titles."""

    who: str
    rooms: Sequence[Folder]

    @property
    def said(self) -> str:
        """Say it in a sentence."""
        return f"it acts as {self.who}, who sees {len(self.rooms)} room{'' if len(self.rooms) == 1 else 's'}"


async def look(url: str, key: str) -> Seen:
    """Try a key. Raises RemoteError, whose remedy says which of the two is to be corrected."""

    async def both(portal: Portal) -> Seen:
        maker = (await portal.people.key()).create_by
        rooms = sorted(await portal.rooms.all(), key=lambda one: one.title.casefold())
        return Seen(maker.display_name or maker.id, rooms)

    try:
        return await _asking(url, key, both)
    except (Unauthorized, Forbidden, ScopeMissing) as error:
        error.remedy = f"Give another key. {MAKE_A_KEY}"
        raise
    except RoomkeeperError as error:
        error.remedy = (
            f"Correct the address ({url}): the portal's own, with nothing after the host's name; or see that it is up."
        )
        raise


async def groups(url: str, key: str) -> dict[str, str] | None:
    """Give the portal's groups by their folded names; None if the key may not list them. Raises RemoteError."""
    try:
        found = await _asking(url, key, lambda portal: portal.people.groups())
    except (Forbidden, ScopeMissing, Unauthorized):
        return None
    return {one.name.casefold(): one.name for one in found}


async def _asking(url: str, key: str, what: Callable[[Portal], Awaitable[T]]) -> T:
    portal = Portal(url, key, budget=Budget(Limits(), LocalTally()), timeout=30.0)
    try:
        return await what(portal)
    finally:
        await portal.close()


def is_address(said: str) -> bool:
    """Whether somebody gave an address; one with a user or a password in it is none."""
    return is_any_address(said) and "@" not in urlsplit(said).netloc


def may_be_key(said: str) -> bool:
    """Whether something can be an API key."""
    return bool(said) and said.isascii() and said.isprintable() and " " not in said


def same_stored_title(title: str, said: str) -> bool:
    """Whether somebody says a room's title, as the portal stores and compares it."""
    return same_title(title, sanitise_title(said))
