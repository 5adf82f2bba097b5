"""People: who asks, who is who, who may not come any more."""

from typing import Any

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.request import Api, Reply, Routes, bodiless
from roomkeeper.simulator.problems import ApiError, forbidden, missing, rule_broken, unauthorised
from roomkeeper.simulator.world import User

KINDS = {1: "room_admin", 2: "guest", 3: "admin", 4: "user"}  # EmployeeType (recorded: people.lookup)
NAMES = {"roomadmin": 1, "guest": 2, "docspaceadmin": 3, "user": 4}  # recorded: people.lookup
ACTIVE, TERMINATED = 1, 2  # recorded: people.lookup
PENDING, ALL, DEFAULT = 4, 7, 5  # EmployeeStatus.cs
STATUSES = {"active": ACTIVE, "1": ACTIVE, "terminated": TERMINATED, "2": TERMINATED}


def people_self(api: Api) -> Any:
    return dto.profile(api.user, api.user, is_self=True)


def people_one(api: Api) -> Any:
    wanted = api.request.path_params["user_id"].casefold()
    for user in api.world.users.values():
        if wanted in {user.id, user.email.casefold(), user.email.partition("@")[0].casefold()}:
            return _shown(api, _looked_up(api, user))
    raise missing("user")


def people_email(api: Api) -> Any:
    wanted = api.query("email").casefold()
    if not wanted:
        raise ApiError(400, "Value cannot be null. (Parameter 'email')", "System.ArgumentNullException")
    for user in api.world.users.values():
        if user.email.casefold() == wanted:
            return _shown(api, _looked_up(api, user))
    raise missing("user")


def _shown(api: Api, user: User) -> dict[str, Any]:
    """Show somebody with their groups, where there are any (recorded: groups)."""
    groups = [{"id": id_, "name": name} for id_, (name, members) in api.world.groups.items() if user.id in members]
    return dto.profile(user, api.user) | ({"groups": groups} if groups else {})


def _looked_up(api: Api, user: User) -> User:
    """Users and guests look up nobody but themselves, and a guest only whoever has a relation (people.lookup)."""
    if not _is_seen(api, user):
        raise forbidden()
    return user


def _is_seen(api: Api, user: User) -> bool:
    viewer = api.user
    if viewer is user or viewer.is_admin:
        return True
    return viewer.kind == "room_admin" and (user.kind != "guest" or user.id in api.world.relations.get(viewer.id, ()))


def people_list(api: Api) -> Any:
    """A page of those whom the viewer may see, by what is asked of them (recorded: people.lookup)."""
    if not api.user.may_manage_rooms:
        raise forbidden()
    found = [one for one in api.world.users.values() if _is_seen(api, one) and _fits(api, one)]
    found.sort(key=lambda one: one.name.casefold())
    start, count = api.number("startIndex", 0), api.number("count", 100)
    page = found[start : start + count]
    return Reply([_shown(api, one) for one in page], count=len(page), total=len(found))


def _fits(api: Api, user: User) -> bool:
    kind, status, text = api.query("employeeType"), api.query("employeeStatus"), api.query("filterValue").casefold()
    asked = KINDS.get(int(kind) if kind.isdigit() else NAMES.get(kind.casefold(), 0))
    if kind and user.kind != asked:
        return False
    if not _has_status(api, user, int(status) if status.isdigit() else ALL if not status else 0):
        return False
    if api.query("invitedByMe").casefold() == "true" and user.created_by is not api.user:
        return False
    if api.query("area").casefold() == "guests" and user.kind != "guest":
        return False
    return text in f"{user.name} {user.email}".casefold()


def _has_status(api: Api, user: User, asked: int) -> bool:
    """Each status is asked for by itself, and only administrators are shown the disabled (DbUserService.cs)."""
    if user.status == TERMINATED and not api.user.is_admin:
        return False
    return asked == ALL or user.status == (ACTIVE if asked == DEFAULT else asked)


def people_search(api: Api) -> Any:
    text = api.query("query").casefold()
    found = [
        one for one in api.world.users.values() if _is_seen(api, one) and text in f"{one.name} {one.email}".casefold()
    ]
    return Reply([dto.profile(one, api.user) for one in found], count=1)


def people_guests_delete(api: Api) -> Any:
    """End the caller's relation to guests, and the shares that the caller granted: nothing more."""
    guests = [api.person(one) for one in api.body.get("userIds") or []]
    mine = api.world.relations.get(api.user.id, set())
    if not api.user.may_manage_rooms or any(
        one.kind != "guest" or one.status != ACTIVE or one.id not in mine for one in guests
    ):
        raise forbidden()
    for guest in guests:
        mine.discard(guest.id)
        for folder in api.world.folders.values():
            if guest.id in folder.shares and folder.shares[guest.id].granted_by == api.user.id:
                del folder.shares[guest.id]
    return Reply(None)


def people_status(api: Api) -> Any:
    status = STATUSES.get(api.request.path_params["status"].casefold())
    if status is None:
        raise ApiError(400, "The value is invalid.", "System.ArgumentException")
    if not api.user.is_admin:
        raise unauthorised()
    people = [api.world.users.get(str(one)) for one in api.body.get("userIds") or []]
    if any(one is None or one is api.user or one.kind == "owner" for one in people):
        raise forbidden()
    for one in people:
        if one is not None:
            one.status = status
            api.portal.webhooks.publish_person("user.updated", one, api.user)
    return Reply([dto.profile(one, api.user) for one in people if one is not None])


def people_make(api: Api) -> Any:
    if not api.user.may_manage_rooms:
        raise unauthorised()
    user = _made(api, str(api.body.get("email")), api.body.get("type", 4))
    user.name = f"{api.body.get('firstName', '')} {api.body.get('lastName', '')}".strip()
    api.portal.webhooks.publish_person("user.created", user, api.user)
    return dto.profile(user, api.user)


def people_invite(api: Api) -> Any:
    if not api.user.may_manage_rooms:
        raise unauthorised()
    there = {user.email.casefold(): user for user in api.world.users.values()}
    for one in api.body.get("invitations") or []:
        email, kind = str(one.get("email")), KINDS.get(int(one.get("type", 4)), "user")
        known = there.get(email.casefold())
        if known is not None and known.status == TERMINATED:
            raise ApiError(400, f"User disabled: {email}", "System.ArgumentException")
        may = {"admin": {"owner"}, "room_admin": {"owner", "admin"}, "guest": set()}  # UserController.cs, InviteUsers
        if api.user.kind not in may.get(kind, {"owner", "admin", "room_admin"}):
            raise forbidden()
        if known is None:
            user = _made(api, email, one.get("type", 4))
            user.status = PENDING
            api.portal.webhooks.publish_person("user.invited", user, api.user)
    return Reply([dto.employee(one) for one in api.world.users.values()])


def _made(api: Api, email: str, kind: object) -> User:
    user = api.world.add_user(email, email, KINDS.get(int(str(kind)), "user"))
    user.created_by = api.user
    return user


def people_change(api: Api) -> Any:
    """An administrator may not change somebody's name, and 200 says nothing of it (recorded: hooks.events)."""
    user = api.person(api.request.path_params["user_id"])
    if not api.user.is_admin and api.user is not user:
        raise forbidden()
    if api.user is user:
        names = user.name.partition(" ")
        user.name = f"{api.body.get('firstName', names[0])} {api.body.get('lastName', names[2])}".strip()
        api.portal.webhooks.publish_person("user.updated", user, api.user)
    return dto.profile(user, api.user)


def people_delete_many(api: Api) -> Any:
    people = [api.person(one) for one in api.body.get("userIds") or []]
    if not api.user.is_admin:
        raise unauthorised()
    if any(one.status != TERMINATED for one in people):
        raise rule_broken("Users are not suspended")
    for one in people:
        del api.world.users[one.id]
    return Reply([dto.profile(one, api.user) for one in people])


@bodiless
def people_delete(api: Api) -> Any:
    """Refused even to the owner while what the account has is not given to another (recorded: people.delete)."""
    if not api.user.is_admin:
        raise unauthorised()
    raise rule_broken("Not Found")


ROUTES: Routes = [
    ("GET", "/people", people_list, "accounts"),
    ("GET", "/people/@self", people_self, "accounts.self"),
    ("GET", "/people/email", people_email, "accounts"),
    ("GET", "/people/filter", people_list, "accounts"),
    ("GET", "/people/status/{status}/search", people_search, "accounts"),
    ("DELETE", "/people/guests", people_guests_delete, "accounts"),
    ("PUT", "/people/status/{status}", people_status, "accounts"),
    ("PUT", "/people/delete", people_delete_many, "accounts"),
    ("POST", "/people/active", people_make, "accounts"),
    ("POST", "/people/invite", people_invite, "accounts"),
    ("PUT", "/people/{user_id}", people_change, "accounts"),
    ("DELETE", "/people/{user_id}", people_delete, "accounts"),
    ("GET", "/people/{user_id}", people_one, ""),
]
