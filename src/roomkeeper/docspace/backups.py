"""Backups of the whole portal: one at a time, which whoever asks meanwhile is told of (BackupController.cs).

None of it is recorded. A backup is known by the id of its task, in the record of those that are kept, too
(BackupProgressItem.cs, DoJob); one that is over is told of until the next begins (BackupWorker.cs).
"""

from collections.abc import Awaitable, Callable

from roomkeeper.docspace.models import BackupRecord, BackupTask, EntryId
from roomkeeper.docspace.wire import Answer, Call
from roomkeeper.errors import Rejected

Send = Callable[[Call], Awaitable[Answer]]
_PLACES = {int: "Documents", str: "ThridpartyDocuments"}  # as the server spells it (BackupServiceModel.cs)


class Backups:
    """The portal's backups; only its administrators may make and see them."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def start(self, folder: EntryId) -> BackupTask:
        """Begin one that goes into a folder; not idempotent. Another that is under way is given instead.

        Raises Rejected, QuotaExceeded where the tariff has none left.
        """
        where = [{"key": "folderId", "value": str(folder)}]
        wanted = {"storageType": _PLACES[type(folder)], "storageParams": where, "dump": False}
        answer = await self._send(Call("POST", "/backup/startbackup", body=wanted))
        if answer.response is None:
            raise Rejected("The portal accepted the request for a backup, and began none", may_have_happened=True)
        return BackupTask.of(answer.response)

    async def latest(self) -> BackupTask | None:
        """Tell of the one that is under way, or of the last one, as long as the portal remembers it."""
        response = (await self._send(Call("GET", "/backup/getbackupprogress"))).response
        return BackupTask.of(response) if response is not None else None

    async def kept(self) -> tuple[BackupRecord, ...]:
        """List those that were made and whose file is still there."""
        return BackupRecord.many((await self._send(Call("GET", "/backup/getbackuphistory"))).response)
