"""A round trip: make a file where nobody sees it, so that its event can be waited for, and remove it again."""

import contextlib
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime

from roomkeeper.docspace import Portal
from roomkeeper.errors import NotThere

_BY_UPLOADING = ("file.uploaded", "file.created")  # a single upload raises both (facts/docspace.md 1.4)


@contextlib.asynccontextmanager
async def round_trip(portal: Portal, types: Collection[str]) -> AsyncIterator[str]:
    """Make something in a scratch folder in the account's own documents; gives the occurrence to be seen.

    Raises NotThere if nothing harmless raises what is listened to, RemoteError.
    """
    wanted = next((one for one in (*_BY_UPLOADING, "folder.created") if one in types), None)
    if wanted is None:
        raise NotThere(f"nothing that could be made and removed again raises {', '.join(sorted(types))}")
    scratch = await portal.folders.create(await portal.folders.mine(), f"Roomkeeper doctor {datetime.now(UTC):%H%M%S}")
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
