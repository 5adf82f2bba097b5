"""What somebody leaves is given to another (ReassignController.cs, ReassignProgressItem.cs); none of it is recorded."""

import asyncio
from typing import Any

from roomkeeper.simulator.api.request import Api, Routes
from roomkeeper.simulator.problems import ApiError, forbidden
from roomkeeper.simulator.world import ARCHIVE_ROOT, User

DISABLED = 2  # recorded: people.lookup


def start(api: Api) -> Any:
    """The account must be disabled, the heir able to own rooms; what an administrator has is the owner's to give."""
    if not api.user.is_admin:
        raise forbidden()
    heir = api.person(api.body.get("toUserId"), "$.toUserId")
    if not heir.may_manage_rooms or heir.status == DISABLED:
        raise _refused(f"Can not reassign data to user with id = {heir.id}")
    leaving = api.person(api.body.get("fromUserId"), "$.fromUserId")
    is_beyond = leaving.kind == "admin" and api.user.kind != "owner"
    if leaving.kind == "owner" or leaving is api.user or leaving.status != DISABLED or is_beyond:
        raise _refused(f"Can not reassign data from user with id = {leaving.id}")
    known = api.portal.handovers.get(leaving.id)
    if known is None or known["isCompleted"]:
        known = {"id": f"1_{leaving.id}_ReassignProgressItem", "error": None, "percentage": 0}
        known |= {"isCompleted": False, "status": 0}
        api.portal.handovers[leaving.id] = known
        api.portal.jobs.add(asyncio.get_running_loop().create_task(_give(api, known, leaving, heir)))
    return dict(known)


def _refused(what: str) -> ApiError:
    return ApiError(400, what, "System.ArgumentException")


async def _give(api: Api, task: dict[str, Any], leaving: User, heir: User) -> None:
    await asyncio.sleep(api.portal.handover_seconds)
    for folder in api.world.folders.values():
        if folder.room is not None and folder.created_by is leaving:
            folder.created_by = heir
            folder.shares.pop(heir.id, None)
    task.update(percentage=100, isCompleted=True, status=2)


def progress(api: Api) -> Any:
    if not api.user.is_admin:
        raise forbidden()
    known = api.portal.handovers.get(api.person(api.request.path_params["user_id"]).id)
    return dict(known) if known is not None else None


def necessary(api: Api) -> Any:
    if not api.user.is_admin:
        raise forbidden()
    leaving = api.person(api.query("userId"))
    rooms = [room for room in api.world.rooms() if room.root.kind != ARCHIVE_ROOT]
    return any(room.created_by is leaving or leaving.id in room.shares for room in rooms)  # FolderDao.cs


ROUTES: Routes = [
    ("POST", "/people/reassign/start", start, "accounts"),
    ("GET", "/people/reassign/progress/{user_id}", progress, "accounts"),
    ("GET", "/people/reassign/necessary", necessary, "accounts"),
]
