"""Webhooks as their owners see them: registering, changing, the log of deliveries (recorded: hooks.*)."""

from typing import Any

from roomkeeper.simulator.api.request import Api, Reply, Routes, bodiless, lacking, not_of_type, units
from roomkeeper.simulator.problems import ApiError, ValidationError, forbidden, missing
from roomkeeper.simulator.webhooks import TRIGGERS, Config, available
from roomkeeper.simulator.world import now

# DbWorker.cs; recorded: hooks.failures
GROUPS = {"notsent": 1, "status2xx": 2, "status3xx": 4, "status4xx": 8, "status5xx": 16}
NAME_LIMIT, SECRET_LIMIT, TARGET_LIMIT = 50, 50, 255  # WebhooksConfigRequestsDto.cs


def webhooks_list(api: Api) -> Any:
    if api.user.kind == "guest":
        raise forbidden()
    mine = [one for one in api.portal.webhooks.configs.values() if api.user.is_admin or one.by is api.user]
    rows = [{"configs": api.portal.webhooks.config_dto(one), "status": one.last_status} for one in mine]
    return Reply(rows, count=1)


async def webhook_create(api: Api) -> Any:
    if api.user.kind == "guest":
        raise forbidden()
    _check(api)
    if api.body.get("secretKey") is None:
        raise ApiError(400, "Value cannot be null. (Parameter 'secret')", "System.ArgumentNullException")
    _check_secret(api)
    return api.portal.webhooks.config_dto(await api.portal.webhooks.register(api.body, api.user))


async def webhook_update(api: Api) -> Any:
    config = await _checked_change(api)
    await api.portal.webhooks.probe(api.body.get("uri"))
    config.name, config.uri = api.body.get("name"), api.body.get("uri")
    config.enabled, config.ssl = bool(api.body.get("enabled")), bool(api.body.get("ssl"))
    config.triggers, config.target = int(api.body.get("triggers") or 0), api.body.get("targetId")
    config.secret = api.body.get("secretKey") or config.secret
    config.modified, config.modified_by = now(), api.user
    return api.portal.webhooks.config_dto(config)


async def webhook_enable(api: Api) -> Any:
    config = await _checked_change(api)
    if api.body.get("enabled"):
        await api.portal.webhooks.probe(config.uri)
    config.enabled, config.modified, config.modified_by = bool(api.body.get("enabled")), now(), api.user
    return api.portal.webhooks.config_dto(config)


async def _checked_change(api: Api) -> Config:
    if "id" not in api.body:
        raise lacking("UpdateWebhooksConfigRequestsDto", "id")
    _check(api)
    if api.body.get("secretKey") is not None:
        _check_secret(api)
    return _config(api, api.body.get("id"))


@bodiless
def webhook_delete(api: Api) -> Any:
    config = _config(api, api.request.path_params["id"])
    api.portal.webhooks.configs.pop(config.id)
    return api.portal.webhooks.config_dto(config)


def webhook_triggers(api: Api) -> Any:
    shown = [{"name": "*", "id": 0, "available": True}]
    shown += [{"name": name, "id": bit, "available": available(bit, api.user)} for bit, name in TRIGGERS.items()]
    return Reply(shown)


def webhook_log(api: Api) -> Any:
    hooks = api.portal.webhooks
    asked = api.query("groupStatus").casefold()
    group = GROUPS.get(asked) or int(asked or 0)
    rows = [
        row
        for row in reversed(hooks.log)
        if row.config.id in hooks.configs
        and (api.user.is_admin or row.config.by is api.user)
        and (not api.query("configId") or row.config.id == int(api.query("configId")))
        and (not api.query("eventId") or row.id == int(api.query("eventId")))
        and (not api.query("trigger") or row.trigger == int(api.query("trigger")))
        and (not api.query("hookUri") or row.config.uri == api.query("hookUri"))
        and (not (api.query("deliveryFrom") or api.query("deliveryTo")) or row.delivery is not None)
        and (not group or _status_group(row.status) & group)
    ]
    start, count = api.start(), api.number("count", 100, most=100)
    page = [hooks.row_dto(row) for row in rows[start : start + count]]
    return Reply(page, count=1, total=len(rows))


def webhook_retry_many(api: Api) -> Any:
    return Reply(_retried(api, api.body.get("ids") or []), count=1)


@bodiless
def webhook_retry(api: Api) -> Any:
    wanted = int(api.request.path_params["id"])
    row = next((one for one in api.portal.webhooks.log if one.id == wanted), None)
    if row is None:
        raise missing_record()
    if not api.user.is_admin and row.config.by is not api.user:
        raise forbidden()
    return _retried(api, [wanted])[0]


def _retried(api: Api, ids: list[Any]) -> list[dict[str, Any]]:
    wanted, hooks = {int(one) for one in ids if one is not None}, api.portal.webhooks
    rows = [row for row in hooks.log if row.id in wanted and (api.user.is_admin or row.config.by is api.user)]
    shown = [hooks.row_dto(hooks.resend(row)) for row in rows]
    return [{name: value for name, value in row.items() if name != "configName"} for row in shown]


def _status_group(status: int) -> int:
    return {0: 1, 2: 2, 3: 4, 4: 8, 5: 16}.get(status // 100, 16)


def _config(api: Api, wanted: Any) -> Config:
    config = api.portal.webhooks.configs.get(int(wanted or 0))
    if config is None:
        raise missing_record()
    if not api.user.is_admin and config.by is not api.user:
        raise forbidden()
    return config


def missing_record() -> ApiError:
    error = missing("record")
    error.message = "The record could not be found"
    return error


def _check(api: Api) -> None:
    body, problems = api.body, {}
    name, target = str(body.get("name") or ""), body.get("targetId")
    if not str(body.get("uri") or "").strip():
        problems["Uri"] = ["The Uri field is required."]
    if not name.strip():
        problems["Name"] = ["The Name field is required."]
    if units(name) > NAME_LIMIT:
        problems["Name"] = [f"The field Name must be a string with a maximum length of {NAME_LIMIT}."]
    if units(str(body.get("secretKey") or "")) > SECRET_LIMIT:
        problems["SecretKey"] = [f"The field SecretKey must be a string with a maximum length of {SECRET_LIMIT}."]
    if target is not None and not isinstance(target, str):
        raise not_of_type("targetId", "System.String")
    if units(target or "") > TARGET_LIMIT:
        problems["TargetId"] = [f"The field TargetId must be a string with a maximum length of {TARGET_LIMIT}."]
    triggers = body.get("triggers", 0)
    if not isinstance(triggers, int):
        raise not_of_type("triggers", "ASC.Webhooks.Core.WebhookTrigger")
    if problems:
        raise ValidationError(problems)
    if any(triggers & bit and not available(bit, api.user) for bit in TRIGGERS) or api.user.kind == "guest":
        raise ApiError(400, "Trigger is not available", "System.ArgumentException")
    if body.get("ssl") and not str(body.get("uri")).startswith("https://"):
        raise ApiError(400, "HTTPS is required", "System.ArgumentException")


def _check_secret(api: Api) -> None:
    if not api.portal.webhooks.fits(str(api.body.get("secretKey") or "")):
        raise ApiError(400, api.portal.webhooks.policy_told(), "System.ArgumentException")


ROUTES: Routes = [
    ("GET", "/settings/webhook/triggers", webhook_triggers, "*"),
    ("GET", "/settings/webhook", webhooks_list, "*"),
    ("POST", "/settings/webhook", webhook_create, "*"),
    ("PUT", "/settings/webhook/enable", webhook_enable, "*"),
    ("PUT", "/settings/webhook/retry", webhook_retry_many, "*"),
    ("PUT", "/settings/webhook/{id}/retry", webhook_retry, "*"),
    ("PUT", "/settings/webhook", webhook_update, "*"),
    ("DELETE", "/settings/webhook/{id}", webhook_delete, "*"),
    ("GET", "/settings/webhooks/log", webhook_log, "*"),
]
SENSITIVE = {webhook_retry}
