"""The portal's webhooks: who gets what, signed how, tried how often, logged where."""

import asyncio
import hashlib
import hmac
import ipaddress
import itertools
import json
import secrets
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2

from roomkeeper.simulator.dto import dotnet_json, employee, utc, with_offset
from roomkeeper.simulator.outward import outward
from roomkeeper.simulator.problems import ApiError
from roomkeeper.simulator.world import File, Folder, User, World, now

TRIGGERS = {  # WebhookTrigger.cs; recorded: hooks.events
    1: "user.created",
    2: "user.invited",
    4: "user.updated",
    8: "user.deleted",
    16: "group.created",
    32: "group.updated",
    64: "group.deleted",
    128: "file.created",
    256: "file.uploaded",
    512: "file.updated",
    1024: "file.trashed",
    2048: "file.deleted",
    4096: "file.restored",
    8192: "file.copied",
    16384: "file.moved",
    32768: "folder.created",
    65536: "folder.updated",
    131072: "folder.trashed",
    262144: "folder.deleted",
    524288: "folder.restored",
    1048576: "folder.copied",
    2097152: "folder.moved",
    4194304: "room.created",
    8388608: "room.updated",
    16777216: "room.archived",
    33554432: "room.deleted",
    67108864: "room.restored",
    134217728: "room.copied",
    268435456: "form.submit",
    536870912: "form.filled.out",
    1073741824: "form.stopped",
    2**31: "agent.created",
    2**32: "agent.updated",
    2**33: "agent.deleted",
    2**34: "file.downloaded",
    2**35: "folder.downloaded",
}
#: What only those may listen to who may make rooms (recorded: hooks.create).
FOR_MANAGERS = {"user.created", "user.invited", "group.created", "group.updated", "group.deleted"}
FOR_MANAGERS |= {"room.created", "room.copied", "agent.created"}
IDS = {name: number for number, name in TRIGGERS.items()}
SECRET_LIMITS = (8, 30)  # characters; the policy may ask for more than the least (recorded: hooks.create)
# WebhookSender.cs; recorded: hooks.failures
RETRIES = (1, 2, 4, 8, 16)  # seconds before each retry; nothing after the last
BATCH = 10  # WorkerService.cs; recorded: hooks.burst
IDLE = 5.0  # seconds between two looks at the queue (WorkerService.cs)
_TIMES = ("last_success", "last_failure", "last_failure_content", "last_status")
WRITTEN_BACK = ("name", "uri", "secret", "enabled", "ssl", "triggers", "target", *_TIMES)  # DbWorker.cs
# WebhookSender.cs
TRUSTED = timedelta(days=3)  # without a success, after which one failed connection disables a webhook


@dataclass
class Config:
    id: int
    name: str
    uri: str
    secret: str
    enabled: bool
    ssl: bool
    triggers: int
    target: str | None
    by: User
    created: datetime = field(default_factory=now)
    modified: datetime | None = None
    modified_by: User | None = None
    last_success: datetime | None = None
    last_failure: datetime | None = None
    last_failure_content: str | None = None
    last_status: int = 0

    def flags(self) -> list[str]:
        if self.triggers == 0:
            return ["*"]
        return [name for bit, name in TRIGGERS.items() if self.triggers & bit]


@dataclass
class LogRow:
    id: int
    config: Config
    trigger: int
    created: datetime
    body: dict[str, Any]
    text: str = ""
    status: int = 0
    delivery: datetime | None = None
    failed: datetime | None = None
    sent: str = ""  # the headers, as JSON; and those of the answer
    answered: str = ""
    response: str = ""


class Webhooks:
    """Publishes what happens to whoever registered for it."""

    def __init__(self, world: World, *, pace: float) -> None:
        self.world = world
        self.pace = pace
        self.configs: dict[int, Config] = {}
        self.log: list[LogRow] = []
        self.suppressed = False  # a fault: events get a row, but are never sent, as after a restart of the portal
        self.refuses_private = False  # as the cloud does; off, for everything here is on this machine
        self.policy = {"minLength": 8, "upperCase": False, "digits": False, "specSymbols": False}
        self._ids, self._rows = itertools.count(1), itertools.count(9000)
        self._queue: deque[LogRow] = deque()
        self._going = 0
        self._http = outward(seconds=100.0)

    async def run(self) -> None:
        """Send what waits, in batches of ten that wait for their slowest."""
        while True:
            await asyncio.sleep(IDLE * self.pace)
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                self._going = len(batch)
                await asyncio.gather(*(self._deliver(row) for row in batch))
                self._going = 0

    @property
    def pending(self) -> int:
        """How many deliveries wait or are on their way."""
        return len(self._queue) + self._going

    async def register(self, wanted: dict[str, Any], by: User) -> Config:
        config = Config(
            id=next(self._ids),
            name=wanted["name"],
            uri=wanted["uri"],
            secret=wanted.get("secretKey") or "",
            enabled=True,  # `false` is taken for "not said" (recorded: hooks.create)
            ssl=True,
            triggers=int(wanted.get("triggers") or 0),
            target=wanted.get("targetId") or None,
            by=by,
        )
        if any((one.name, one.uri) == (config.name, config.uri) for one in self.configs.values()):
            raise ApiError(400, "Webhook with the same name and payload URL already exists", "System.ArgumentException")
        await self.probe(config.uri)
        self.configs[config.id] = config
        return config

    async def probe(self, uri: str) -> None:
        """The HEAD request on create, on every update and on enable."""
        scheme, separator, _ = uri.partition("://")
        if not separator:
            raise ApiError(400, "Invalid URL format", "System.ArgumentException")
        if scheme not in {"http", "https"}:
            what = f"Invalid URL scheme: {scheme}. Only http and https are allowed"
            raise ApiError(400, what, "System.ArgumentException")
        host = urlsplit(uri).hostname or ""
        try:
            await asyncio.get_running_loop().getaddrinfo(host, None)
        except OSError as error:
            raise ApiError(400, f"DNS resolution failed for {host}", "System.ArgumentException") from error
        if self.refuses_private and _is_private(uri):
            raise ApiError(400, "The address is not allowed", "System.ArgumentException")
        trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
        try:
            answer = await self._sent("HEAD", uri, {"traceparent": trace}, seconds=10.0)
        except httpx2.HTTPError as error:
            what = f"Connection refused ({urlsplit(uri).netloc})"
            raise ApiError(500, what, "System.Net.Http.HttpRequestException") from error
        if not 200 <= answer.status_code < 300:
            what = "Webhook URL is not available. HEAD request is not response 200 http status."
            raise ApiError(400, what, "System.ArgumentException")

    def fits(self, secret: str) -> bool:
        """Whether it is a password by the portal's policy; 30 is the end whatever the field admits."""
        asked = {
            "upperCase": any(one.isupper() for one in secret),
            "digits": any(one.isdigit() for one in secret),
            "specSymbols": any(not one.isalnum() for one in secret),
        }
        is_plain = all("\x21" <= one <= "\x7e" for one in secret)
        is_long = self.policy["minLength"] <= len(secret) <= SECRET_LIMITS[1]
        return is_long and is_plain and all(asked[name] for name in asked if self.policy[name])

    def policy_told(self) -> str:
        least, most = self.policy["minLength"], SECRET_LIMITS[1]
        return f"Password must contain from {least} to {most} characters, only latin letters, no spaces"

    def publish(self, trigger: str, entity: File | Folder, actor: User) -> None:
        """Tell of a file, a folder or a room whoever may see it."""
        folder = entity.folder if isinstance(entity, File) else entity
        is_shown = trigger.startswith("room.") and bool(folder.shares)
        self._publish(trigger, _payload(entity, is_shared=is_shown), entity.id, actor, folder)

    def publish_form(self, trigger: str, original: File, submitted: File, actor: User) -> None:
        """Tell of a form that was filled in: two entities in one payload (WebhookManager.cs)."""
        both = {"originalForm": original, "submittedForm": submitted}
        payload = {name: _payload(one, is_shared=False) for name, one in both.items()}
        self._publish(trigger, payload, original.id, actor, original.folder)

    def publish_person(self, trigger: str, person: User, actor: User) -> None:
        self._publish(trigger, _person(person, is_invited=trigger == "user.invited"), person.id, actor)

    def publish_group(self, trigger: str, group: str, actor: User) -> None:
        name = self.world.groups[group][0]
        self._publish(trigger, {"id": group, "name": name, "authenticationType": "ASC", "key": group}, group, actor)

    def _publish(
        self, trigger: str, payload: dict[str, Any], subject: object, actor: User, folder: Folder | None = None
    ) -> None:
        """Write a log row for each configuration that matches, and queue it."""
        bit = IDS[trigger]
        for config in self.configs.values():
            if not config.enabled or (config.triggers and not config.triggers & bit):
                continue
            if config.target is not None and config.target != str(subject):
                continue
            if actor is not config.by and not (
                # Of people and groups whoever makes rooms is told (recorded: hooks.events).
                self.world.may_read(config.by, folder) if folder is not None else config.by.may_manage_rooms
            ):
                continue
            row = LogRow(next(self._rows), config, bit, now(), {})
            row.body = {
                "event": {
                    "id": row.id,
                    "createOn": utc(row.created),
                    "createBy": actor.id,
                    "trigger": trigger,
                    "triggerId": bit,
                },
                "payload": payload,
                "webhook": {"id": config.id, "name": config.name, "url": config.uri, "triggers": config.flags()},
            }
            if config.target is not None:
                row.body["webhook"]["target"] = {"id": subject, "type": trigger.partition(".")[0]}
            self.log.append(row)
            if not self.suppressed:
                self._queue.append(row)

    def resend(self, row: LogRow) -> LogRow:
        """A manual retry: a new row with a new id and the same event otherwise."""
        again = LogRow(next(self._rows), row.config, row.trigger, now(), dict(row.body))
        again.body["event"] = row.body["event"] | {"id": again.id}
        again.body["webhook"] = {
            name: value
            for name, value in row.body["webhook"].items()
            if name not in {"retryCount", "retryOn", "lastFailureOn", "lastFailureContent"}
        }
        self.log.append(again)
        self._queue.append(again)
        return again

    def row_dto(self, row: LogRow) -> dict[str, Any]:
        out: dict[str, Any] = {
            "id": row.id,
            "configName": row.config.name,
            "trigger": row.trigger,
            "creationTime": utc(row.created),
            "requestPayload": row.text or dotnet_json(_unsent(row.body)),
            "status": row.status,
        }
        if row.sent:
            out |= {"requestHeaders": row.sent, "responsePayload": row.response}
        if row.delivery is not None:
            out |= {"responseHeaders": row.answered, "delivery": utc(row.delivery)}
        return out

    def config_dto(self, config: Config) -> dict[str, Any]:
        out: dict[str, Any] = {
            "id": config.id,
            "name": config.name,
            "uri": config.uri,
            "enabled": config.enabled,
            "ssl": config.ssl,
            "triggers": config.triggers,
            "createdBy": employee(config.by),
            "createdOn": with_offset(config.created),
        }
        if config.modified is not None:
            out["modifiedOn"] = with_offset(config.modified)
        if config.modified_by is not None:
            out["modifiedBy"] = employee(config.modified_by)
        if config.target is not None:
            out["targetId"] = config.target
        if config.last_success is not None:
            out["lastSuccessOn"] = with_offset(config.last_success)
        if config.last_failure is not None:
            out["lastFailureOn"] = with_offset(config.last_failure)
            out["lastFailureContent"] = config.last_failure_content
        return out

    async def _deliver(self, row: LogRow) -> None:
        """Send it by what the configuration is now, and write that back at the end (WebhookSender.cs, DbWorker.cs)."""
        live = row.config
        as_read = row.config = replace(live)
        try:
            await self._tried(row)
        finally:
            row.config = live
            for name in WRITTEN_BACK:
                setattr(live, name, getattr(as_read, name))

    async def _tried(self, row: LogRow) -> None:
        if await self._attempt(row):
            return
        for count, wait in enumerate(RETRIES if row.config.enabled else (), start=1):
            await asyncio.sleep(wait * self.pace)
            row.body["webhook"] |= {
                "retryCount": count,
                "retryOn": utc(now()),
                "lastFailureOn": utc(row.failed or now()),
                "lastFailureContent": row.response,
            }
            if row.config.last_success is not None:
                row.body["webhook"]["lastSuccessOn"] = utc(row.config.last_success)
            if await self._attempt(row):
                return
        # Only the last try is written down as a failure, and a success later leaves it (recorded: hooks.failures).
        row.config.last_failure, row.config.last_failure_content = row.failed, row.response
        if row.status == 410:
            self.configs.pop(row.config.id, None)

    async def _attempt(self, row: LogRow) -> bool:
        config = row.config
        if self.refuses_private and _is_private(config.uri):
            self.configs.pop(config.id, None)  # it resolves to an address that is not allowed: deleted
            return False
        if config.ssl and not config.uri.startswith("https://"):  # UrlValidator.cs: refused as "HTTPS required"
            config.enabled = False
            row.failed, row.response = now(), "HTTPS required"
            return False
        row.text = dotnet_json(row.body)
        body = row.text.encode()
        digest = hmac.new(config.secret.encode(), body, hashlib.sha256).hexdigest().upper()
        headers = {
            "Accept": "*/*",
            "x-docspace-signature-256": f"sha256={digest}",
            "Content-Type": "application/json; charset=utf-8",
        }
        row.sent = json.dumps({name: [value] for name, value in headers.items() if name != "Content-Type"})
        try:
            answer = await self._sent("POST", config.uri, headers, content=body)
        except httpx2.TimeoutException:
            row.status, row.failed, row.response = 500, now(), "timeout"
            config.last_status = row.status
            return False
        except httpx2.HTTPError as error:
            row.status, row.failed, row.response = 0, now(), str(error)
            config.last_status = row.status
            if now() - (config.last_success or config.created) > TRUSTED:
                config.enabled = False
            return False
        row.status, config.last_status = answer.status_code, answer.status_code
        if 200 <= row.status < 300:
            row.response = answer.text
            row.answered = json.dumps({name: [value] for name, value in answer.headers.items()})
            row.delivery = config.last_success = now()
            return True
        row.failed = now()
        row.response = f"Response status code does not indicate success: {row.status} ({answer.reason_phrase})."
        return False

    async def _sent(
        self, method: str, uri: str, headers: dict[str, str], *, content: bytes = b"", seconds: float = 100.0
    ) -> httpx2.Response:
        """Send with these headers and no others (recorded: hooks.signature, hooks.create)."""
        request = self._http.build_request(method, uri, content=content, timeout=seconds)
        length = {"Content-Length": str(len(content))} if content else {}
        request.headers = httpx2.Headers({"Host": request.headers["Host"], **headers, **length})
        return await self._http.send(request)


def available(bit: int, user: User) -> bool:
    """Whether somebody may listen to an event."""
    name = TRIGGERS[bit]
    if name in FOR_MANAGERS:
        return user.may_manage_rooms
    return True


def _person(person: User, *, is_invited: bool) -> dict[str, Any]:
    first, _, last = person.name.partition(" ")
    shown: dict[str, Any] = {
        "id": person.id,
        "firstName": first,
        "lastName": last,
        "userName": person.email.partition("@")[0],
        "email": person.email,
        "status": person.status,
        "activationStatus": 2,
        "tenantId": 1,
        "createDate": utc(person.registered),
        "lastModified": utc(person.registered),
        "createdBy": person.created_by.id if person.created_by is not None else person.id,
    }
    shown["checkActivation"] = True
    return shown | ({"cultureName": "en-US"} if is_invited else {"workFromDate": utc(person.registered)})


def _unsent(body: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a delivery before it is sent: its id is put in only then."""
    return body | {"event": {name: value for name, value in body["event"].items() if name != "id"}}


def _is_private(uri: str) -> bool:
    host = urlsplit(uri).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def _payload(entity: File | Folder, *, is_shared: bool) -> dict[str, Any]:
    """The entity as the base type FileEntry: what only files or only folders have is not in it."""
    is_file = isinstance(entity, File)
    parent = entity.folder if isinstance(entity, File) else entity.parent
    root = (entity.folder if isinstance(entity, File) else entity).root
    by = entity.current.by if isinstance(entity, File) else (entity.modified_by or entity.created_by)
    modified = entity.current.at if isinstance(entity, File) else entity.modified
    out: dict[str, Any] = {
        "id": entity.id,
        "parentId": parent.id if parent else 0,
        "securityByUsers": {},
        "folderIdDisplay": parent.id if parent else 0,
        "rootId": root.id,
        "title": entity.title,
        "createBy": entity.created_by.id,
        "modifiedBy": by.id,
        "createOn": utc(entity.created),
        "modifiedOn": utc(modified),
        "rootFolderType": root.kind,
        "rootCreateBy": root.created_by.id,
        "fileEntryType": 2 if is_file else 1,
    }
    shown = {name: value for name, value in out.items() if value or name == "securityByUsers"}
    return shown | ({"shared": True, "sharedForUser": True, "sharedExternal": True} if is_shared else {})
