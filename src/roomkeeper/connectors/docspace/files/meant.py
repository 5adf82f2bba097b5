"""The one file that a step is about: the event's, or the one that is named."""

from collections.abc import Sequence
from functools import partial

from roomkeeper.automations.event import Event
from roomkeeper.connectors.docspace.files.identity import entries_of, is_by_another, is_told_of
from roomkeeper.contract.step import StepContext
from roomkeeper.docspace import EntryId, File, Portal
from roomkeeper.errors import Forbidden, NotFound, StepFailed

LET_IN = (
    "Invite the account of the API key into the file's room as room manager or content creator, then "
    "`roomkeeper runs retry`."
)


async def file_meant(number: EntryId | None, context: StepContext) -> File:
    """Read the file of this number, or the event's. Raises StepFailed, RemoteError."""
    portal: Portal = context.client
    about = context.events[0].facts.get("file", {}) if context.events else {}
    is_told = number is None
    number = about.get("id") if is_told else number
    if number is None:
        raise StepFailed("the event is about no file", remedy="Say which one with `file:`.")
    if isinstance(number, str) and not number.isdecimal():
        what = f"file {number} lies in third-party storage, where this cannot be verified"
        raise StepFailed(what, remedy="Choose a file of the portal's own storage.")
    try:
        file = await context.call(partial(portal.files.get, number))
    except NotFound as error:
        raise StepFailed(f"file {number} is gone: {error.message}", remedy=_GONE) from error
    except Forbidden as error:
        await context.call(portal.people.myself)  # a dead key is answered so as well: this says it
        raise StepFailed(f"the account may not see file {number}: {error.message}", remedy=LET_IN) from error
    if file.is_in_trash:
        raise StepFailed(f"{named(file)} lies in the trash", remedy=_GONE)
    if is_told and not await tells_of(context, context.events[:1], file):
        what = f"file {number} {about.get('title', '')!r} was deleted for good, and another has its number now"
        raise StepFailed(what, remedy="There is nothing left to act on: `roomkeeper runs cancel`.")
    return file


async def tells_of(context: StepContext, events: Sequence[Event], file: File) -> bool:
    """Whether these events told of this very file; where their words do not say, its own history does.

    Raises RemoteError where that cannot be read.
    """
    told = is_told_of(file, events)
    if told is not None:
        return told
    wanted, start = entries_of(events), 0
    while True:
        try:
            page = await context.call(partial(context.client.history.of_file, file.id, start))
        except NotFound:  # it was deleted just now, as whoever acts on it finds and says
            return True
        if not wanted.isdisjoint(one.id for one in page.entries):
            return True
        made = next((by for one in page.entries if (by := is_by_another(one, file, events)) is not None), None)
        if made is not None or page.following is None:
            return not made and len(wanted) < len(events)  # one that was delivered has no entry to be found
        start = page.following


def must_not_be_locked(file: File) -> None:
    """Say so beforehand: the refusal reads as if the server were out of order (recorded: file.rename)."""
    if file.is_locked_by_another:
        what = f"{named(file)} is locked by {file.locked_by}"
        raise StepFailed(what, remedy="Have it unlocked, then `roomkeeper runs retry`.")


def named(file: File) -> str:
    """Name a file, for people."""
    return f"file {file.id} {file.title!r}"


_GONE = "Restore it from the trash, then `roomkeeper runs retry`; if it was meant to go, `roomkeeper runs cancel`."
