"""Who is in a room, and who somebody is: looked up on the portal."""

from functools import partial
from typing import Literal

from roomkeeper.contract.step import StepContext
from roomkeeper.docspace import PathPart, Portal
from roomkeeper.docspace.models import Member, Person
from roomkeeper.errors import (
    StepFailed,
)

CORRECT_IT = "Correct it where it comes from, then retry the run."
#: What somebody may do in a room, as automations say it.
AccessName = Literal["room_manager", "content_creator", "editing", "review", "comment", "read", "fill_forms"]


async def of_room(context: StepContext, room: PathPart) -> tuple[Member, ...]:
    """List who is in a room, by whatever grant. Raises StepFailed where the account is shown nobody."""
    portal: Portal = context.client
    members = await context.call(partial(portal.rooms.members, room.id))
    if not members:  # every room has its owner: who may not read it is shown nobody (recorded: share.listing)
        what = f"the account is shown nobody in room {room.id} {room.title!r}"
        raise StepFailed(what, remedy="Invite the account of the API key into that room, then `roomkeeper runs retry`.")
    return members


async def person_of(context: StepContext, name: str) -> Person:
    """Find somebody by id or e-mail address. Raises NotFound, Forbidden."""
    people = context.client.people
    found: Person = await context.call(partial(people.by_email if "@" in name else people.get, name))
    return found
