"""A round trip: make a file where nobody sees it, so that its event can be waited for, and remove it again."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from roomkeeper.connectors.docspace.events.trails import is_ours
from roomkeeper.contract.upkeep import Hook
from roomkeeper.docspace import Portal
from roomkeeper.errors import NotThere

_SCRATCH = "Roomkeeper doctor"
_BY_UPLOADING = ("file.uploaded", "file.created")  # a single upload raises both (facts/docspace.md 1.4)


@contextlib.asynccontextmanager
async def round_trip(portal: Portal, hook: Hook) -> AsyncIterator[str]:
    """Make something in a scratch folder in the account's own documents; gives the occurrence to be seen.

    What happens in somebody's own documents is told only to webhooks of their own (1.5). Raises NotThere if that, or
    the lack of something harmless that raises what is listened to, rules it out; RemoteError.
    """
    wanted = next((one for one in (*_BY_UPLOADING, "folder.created") if one in hook.types), None)
    if wanted is None:
        raise NotThere(f"nothing that could be made and removed again raises {', '.join(sorted(hook.types))}")
    account = await portal.people.myself()
    makers = {one.created_by.id for one in await portal.webhooks.all() if is_ours(one, hook.url) and one.created_by}
    if makers and account.id not in makers:
        raise NotThere("the webhook was made by another account, which is not told of this one's own documents")
    home = await portal.folders.mine()
    for left in [one for one in await portal.folders.subfolders(home) if one.title.startswith(_SCRATCH)]:
        await portal.folders.delete(left.id)  # of an examination that was interrupted
    scratch = await portal.folders.create(home, f"{_SCRATCH} {datetime.now(UTC):%H%M%S}")
    try:
        if wanted == "folder.created":
            yield f"{wanted} {scratch.id}"
        else:
            file = await portal.files.upload(
                scratch.id, "doctor.txt", b"Made by `roomkeeper doctor`, and removed again.\n"
            )
            yield f"{wanted} {file.id}"
    finally:
        await portal.folders.delete(scratch.id)
