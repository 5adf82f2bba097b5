"""The portal's webhooks: who gets what, signed how, tried how often, logged where."""

import asyncio
import hashlib
import hmac
import ipaddress
import itertools
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2

from roomkeeper.simulator.dto import TENANT, dotnet_json, employee, utc
from roomkeeper.simulator.world import ApiError, File, Folder, User, World, now

TRIGGERS = {
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
IDS = {name: number for number, name in TRIGGERS.items()}
RETRIES = (1, 2, 4, 8, 16)  # seconds before each retry; nothing after the last
BATCH = 10
IDLE = 5.0  # seconds between two looks at the queue
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
        self._http = httpx2.AsyncClient(timeout=100.0, follow_redirects=False)

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
            raise ApiError(400, "Webhook with this name and url already exists", "System.ArgumentException")
        await self.probe(config.uri)
        self.configs[config.id] = config
        return config

    async def probe(self, uri: str) -> None:
        """The HEAD request on create, on every update and on enable."""
        if not uri.startswith(("http://", "https://")):
            raise ApiError(400, "Invalid url", "System.ArgumentException")
        if self.refuses_private and _is_private(uri):
            raise ApiError(400, "The address is not allowed", "System.ArgumentException")
        try:
            answer = await self._http.head(uri, timeout=10.0)
        except httpx2.HTTPError as error:
            raise ApiError(500, str(error), "System.Net.Http.HttpRequestException") from error
        if not 200 <= answer.status_code < 300:
            raise ApiError(400, f"{uri} is not available", "System.ArgumentException")

    def publish(self, trigger: str, entity: File | Folder, actor: User) -> None:
        """Write a log row for each configuration that matches, and queue it."""
        bit = IDS[trigger]
        for config in self.configs.values():
            if not config.enabled or (config.triggers and not config.triggers & bit):
                continue
            if config.target is not None and config.target != str(entity.id):
                continue
            folder = entity.folder if isinstance(entity, File) else entity
            if actor is not config.by and not self.world.may_read(config.by, folder):
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
                "payload": _payload(entity),
                "webhook": {"id": config.id, "name": config.name, "url": config.uri, "triggers": config.flags()},
            }
            if config.target is not None:
                row.body["webhook"]["target"] = {"id": entity.id, "type": trigger.partition(".")[0]}
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
            "creationTime": f"{row.created.astimezone(TENANT):%Y-%m-%dT%H:%M:%S}",
            "requestPayload": row.text or dotnet_json(_unsent(row.body)),
            "status": row.status,
        }
        if row.response:
            out["responsePayload"] = row.response
        if row.delivery is not None:
            out["delivery"] = f"{row.delivery:%Y-%m-%dT%H:%M:%S}"
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
            "createdOn": f"{config.created:%Y-%m-%dT%H:%M:%S}",
        }
        if config.modified is not None:
            out["modifiedOn"] = f"{config.modified:%Y-%m-%dT%H:%M:%S}"
        if config.target is not None:
            out["targetId"] = config.target
        if config.last_success is not None:
            out["lastSuccessOn"] = f"{config.last_success:%Y-%m-%dT%H:%M:%S}"
        if config.last_failure is not None:
            out["lastFailureOn"] = f"{config.last_failure:%Y-%m-%dT%H:%M:%S}"
            out["lastFailureContent"] = config.last_failure_content
        return out

    async def _deliver(self, row: LogRow) -> None:
        if await self._attempt(row):
            return
        for count, wait in enumerate(RETRIES if row.config.enabled else (), start=1):
            await asyncio.sleep(wait * self.pace)
            row.body["webhook"] |= {
                "retryCount": count,
                "retryOn": utc(now()),
                "lastFailureOn": utc(row.config.last_failure or now()),
                "lastFailureContent": row.config.last_failure_content,
            }
            if row.config.last_success is not None:
                row.body["webhook"]["lastSuccessOn"] = utc(row.config.last_success)
            if await self._attempt(row):
                return
        if row.status == 410:
            self.configs.pop(row.config.id, None)

    async def _attempt(self, row: LogRow) -> bool:
        config = row.config
        if self.refuses_private and _is_private(config.uri):
            self.configs.pop(config.id, None)  # it resolves to an address that is not allowed: deleted
            return False
        if config.ssl and not config.uri.startswith("https://"):  # UrlValidator.cs: refused as "HTTPS required"
            config.enabled, config.last_failure, config.last_failure_content = False, now(), "HTTPS required"
            return False
        row.text = dotnet_json(row.body)
        body = row.text.encode()
        digest = hmac.new(config.secret.encode(), body, hashlib.sha256).hexdigest().upper()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Accept": "*/*",
            "x-docspace-signature-256": f"sha256={digest}",
        }
        try:
            answer = await self._http.post(config.uri, content=body, headers=headers)
        except httpx2.TimeoutException:
            row.status, config.last_failure, config.last_failure_content = 500, now(), "timeout"
            config.last_status = row.status
            return False
        except httpx2.HTTPError as error:
            row.status, config.last_failure, config.last_failure_content = 0, now(), str(error)
            config.last_status = row.status
            if now() - (config.last_success or config.created) > TRUSTED:
                config.enabled = False
            return False
        row.status, row.response = answer.status_code, answer.text[:2000]
        config.last_status = row.status
        if 200 <= row.status < 300:
            row.delivery = config.last_success = now()
            return True
        config.last_failure, config.last_failure_content = now(), row.response
        return False


def _unsent(body: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a delivery before it is sent: its id is put in only then."""
    return body | {"event": {name: value for name, value in body["event"].items() if name != "id"}}


def _is_private(uri: str) -> bool:
    host = urlsplit(uri).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def _payload(entity: File | Folder) -> dict[str, Any]:
    """The entity as the base type FileEntry: what only files or only folders have is not in it."""
    is_file = isinstance(entity, File)
    parent = entity.folder if isinstance(entity, File) else entity.parent
    root = (entity.folder if isinstance(entity, File) else entity).root
    by = entity.current.by if isinstance(entity, File) else (entity.modified_by or entity.created_by)
    modified = entity.current.at if isinstance(entity, File) else entity.modified
    out: dict[str, Any] = {
        "id": entity.id,
        "parentId": parent.id if parent else 0,
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
    return {name: value for name, value in out.items() if value} | {"securityByUsers": {}}
