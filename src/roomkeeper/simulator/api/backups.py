"""Backups: one at a time, told of until the next begins (BackupController.cs, BackupWorker.cs, BackupProgressItem.cs).

None of it is recorded.
"""

import asyncio
import uuid
from typing import Any

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.request import Api, Portal, Routes
from roomkeeper.simulator.problems import ApiError, forbidden, missing
from roomkeeper.simulator.world import ARCHIVE_ROOT, ROOMS_ROOT, Folder, User, now

DOCUMENTS, THIRD_PARTY = "Documents", "ThridpartyDocuments"  # BackupServiceModel.cs


def backup_start(api: Api) -> Any:
    """While one is under way it is given, whoever began it and wherever it goes."""
    _only_administrators(api)
    folder = _folder(api)
    portal, backups = api.portal, api.portal.backups
    if backups.left is not None and backups.left <= 0:
        raise ApiError(402, "Your pricing plan does not support this option", "ASC.Core.Billing.BillingException")
    if backups.task is None or backups.task["isCompleted"]:
        backups.left = backups.left - 1 if backups.left is not None else None
        task: dict[str, Any] = {"isCompleted": False, "progress": 0, "error": None, "warning": None, "link": None}
        task |= {"tenantId": 1, "backupProgressEnum": 0, "status": 0, "taskId": str(uuid.uuid4())}
        backups.task = task
        portal.jobs.add(asyncio.get_running_loop().create_task(_make(portal, task, folder, api.user)))
    return dict(backups.task)


async def _make(portal: Portal, task: dict[str, Any], folder: Folder, user: User) -> None:
    backups = portal.backups
    await asyncio.sleep(backups.seconds / 2)
    task["progress"] = 50
    await asyncio.sleep(backups.seconds / 2)
    if backups.fails:
        task.update(isCompleted=True, error=backups.fails)
        return
    title = f"portal_{now():%Y-%m-%d_%H-%M-%S}.tar.gz"
    file = portal.world.add_file(folder, title, b"everything", user)
    record = {"id": task["taskId"], "fileName": title, "storageType": 0, "createdOn": dto.moment(now())}
    backups.kept.insert(0, record | {"expiresOn": "0001-01-01T00:00:00.0000000Z", "file": file.id})
    task.update(isCompleted=True, progress=100)


def backup_progress(api: Api) -> Any:
    _only_administrators(api)
    task = api.portal.backups.task
    return dict(task) if task is not None else None


def backup_history(api: Api) -> Any:
    """Those whose file is gone are forgotten (BackupService.cs, GetBackupHistoryAsync)."""
    _only_administrators(api)
    backups = api.portal.backups
    backups.kept = [one for one in backups.kept if one["file"] in api.world.files]
    return [{name: value for name, value in one.items() if name != "file"} for one in backups.kept]


def _only_administrators(api: Api) -> None:
    if not api.user.is_admin:
        raise forbidden()


def _folder(api: Api) -> Folder:
    """Read where it is to go (BackupService.cs, CheckAccessToFolderAsync)."""
    given = {one.get("key"): str(one.get("value")) for one in api.body.get("storageParams") or []}
    number, kind = given.get("folderId", ""), api.body.get("storageType") or DOCUMENTS
    if (kind == DOCUMENTS and not number.isdecimal()) or (kind == THIRD_PARTY and number.isdecimal()):
        raise ApiError(400, "wrong folder type", "System.ArgumentException")
    folder = api.world.folder(number)
    if folder is None:
        raise missing("folder")
    may_not = folder.kind in {ROOMS_ROOT, ARCHIVE_ROOT} or folder.root.kind == ARCHIVE_ROOT
    if may_not or not api.world.may_manage(api.user, folder):
        raise forbidden()
    return folder


ROUTES: Routes = [
    ("POST", "/backup/startbackup", backup_start, "*"),
    ("GET", "/backup/getbackupprogress", backup_progress, "*"),
    ("GET", "/backup/getbackuphistory", backup_history, "*"),
]
