"""Groups of people."""

import uuid
from typing import Any

from starlette.responses import Response

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.request import Api, Reply, Routes, bodiless
from roomkeeper.simulator.problems import ApiError, unauthorised


def groups_list(api: Api) -> Any:
    if not api.user.may_manage_rooms:
        raise unauthorised()
    text = api.query("filterValue").casefold()
    shown = [_shown(api, id_) for id_, (name, _) in api.world.groups.items() if text in name.casefold()]
    start, count = api.number("startIndex", 0), api.number("count", 100)
    page = shown[start : start + count]
    return Reply(page, count=len(page), total=len(shown))


def group_one(api: Api) -> Any:
    return group_shown(api, _id(api))


def group_shown(api: Api, id_: str) -> dict[str, Any]:
    return _shown(api, id_) | {"members": [dto.employee(api.world.users[one]) for one in api.world.groups[id_][1]]}


def group_create(api: Api) -> Any:
    if not api.user.is_admin:
        raise unauthorised()
    id_ = str(uuid.uuid4())
    api.world.groups[id_] = (str(api.body.get("groupName")), {str(one) for one in api.body.get("members") or []})
    api.portal.webhooks.publish_group("group.created", id_, api.user)
    return group_shown(api, id_)


def group_change(api: Api) -> Any:
    if not api.user.is_admin:
        raise unauthorised()
    id_ = _id(api)
    name, members = api.world.groups[id_]
    members = (members | set(api.body.get("membersToAdd") or [])) - set(api.body.get("membersToRemove") or [])
    api.world.groups[id_] = (api.body.get("groupName") or name, members)
    api.portal.webhooks.publish_group("group.updated", id_, api.user)
    return group_shown(api, id_)


@bodiless
def group_delete(api: Api) -> Any:
    if not api.user.is_admin:
        raise unauthorised()
    id_ = _id(api)
    api.portal.webhooks.publish_group("group.deleted", id_, api.user)
    del api.world.groups[id_]
    return Response(status_code=204)


def _id(api: Api) -> str:
    id_: str = api.request.path_params["id"]
    if id_ not in api.world.groups:
        raise ApiError(404, "The group could not be found", "ASC.Common.Web.ItemNotFoundException")
    return id_


def _shown(api: Api, id_: str) -> dict[str, Any]:
    name, members = api.world.groups[id_]
    return dto.group(id_, name, len(members)) | {"manager": dto.profile(api.world.owner)}


ROUTES: Routes = [
    ("GET", "/group", groups_list, "group"),
    ("GET", "/group/{id}", group_one, "group"),
    ("POST", "/group", group_create, "group"),
    ("PUT", "/group/{id}", group_change, "group"),
    ("DELETE", "/group/{id}", group_delete, "group"),
]
