"""API keys: whose this is, what it may do, and making one."""

from datetime import timedelta
from typing import Any

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.request import Api, Reply, Routes, bodiless, lacking
from roomkeeper.simulator.problems import ApiError, ValidationError
from roomkeeper.simulator.world import Key, now

PERMISSIONS = (
    *("*", "*:read", "*:write", "accounts:read", "accounts:write", "accounts.self:read", "accounts.self:write"),
    *("files:read", "files:write", "rooms:read", "rooms:write"),
)
NAME_LIMIT, DAYS_LIMIT = 30, 365  # recorded: keys.create


def keys_self(api: Api) -> Any:
    """Guests have no keys: what they come with is a token, about which this call fails (recorded: keys.self)."""
    if api.user.kind == "guest":
        raise ApiError(500, "Object reference not set to an instance of an object.", "System.NullReferenceException")
    return dto.key(api.key)


def keys_list(api: Api) -> Any:
    mine = [key for key in api.world.keys.values() if api.user.is_admin or key.user is api.user]
    return Reply([dto.key(key) for key in reversed(mine) if key.user.kind != "guest"], count=1)


def keys_permissions(_: Api) -> Any:
    return list(PERMISSIONS)


def keys_create(api: Api) -> Any:
    if "name" not in api.body:
        raise lacking("CreateApiKeyRequestDto", "name")
    name, days = api.body.get("name"), api.body.get("expiresInDays")
    if not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT:
        raise ValidationError({"Name": ["Incorrect name. Length must be less than 30"]})
    if days is not None and not 1 <= int(days) <= DAYS_LIMIT:
        raise ValidationError({"ExpiresInDays": ["Incorrect number of days. Value must be between 1 and 365"]})
    if api.user.kind == "guest":
        raise ApiError(403, "Access denied", "System.UnauthorizedAccessException")
    permissions = _permissions(api)
    key = api.world.add_key(api.user, name, permissions)
    key.expires = now() + timedelta(days=int(days)) if days is not None else None
    return dto.key(key, with_secret=True)


def _permissions(api: Api) -> list[str] | None:
    asked = api.body.get("permissions")
    if asked and not set(asked) <= set(PERMISSIONS):
        raise ApiError(400, "Permissions are not valid.", "System.ArgumentException")
    return list(asked) if asked else None


def keys_change(api: Api) -> Any:
    key = _mine(api)
    if key is None:
        return False
    key.name = api.body.get("name") or key.name
    key.permissions = _permissions(api)
    key.is_active = api.body.get("isActive", key.is_active)
    return True


@bodiless
def keys_delete(api: Api) -> Any:
    wanted = api.request.path_params["id"]
    if not any(one.id == wanted for one in api.world.keys.values()):
        raise ApiError(500, "Object reference not set to an instance of an object.", "System.NullReferenceException")
    key = _mine(api)
    if key is None:
        return False
    del api.world.keys[key.secret]
    return True


def _mine(api: Api) -> Key | None:
    found = (one for one in api.world.keys.values() if one.id == api.request.path_params["id"])
    return next((one for one in found if api.user.is_admin or one.user is api.user), None)


ROUTES: Routes = [
    ("GET", "/keys/@self", keys_self, ""),
    ("GET", "/keys/permissions", keys_permissions, "*"),
    ("GET", "/keys", keys_list, "*"),
    ("POST", "/keys", keys_create, "*"),
    ("PUT", "/keys/{id}", keys_change, "*"),
    ("DELETE", "/keys/{id}", keys_delete, "*"),
]
SENSITIVE = {keys_create}
