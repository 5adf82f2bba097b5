"""Webhooks: list, register, change and remove them, and read what they delivered (facts/docspace.md 1.6 to 1.8)."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from roomkeeper.docspace.models import LoggedDelivery, Webhook
from roomkeeper.docspace.wire import PAGE, Answer, Call
from roomkeeper.errors import Garbled

Send = Callable[[Call], Awaitable[Answer]]
NAME_LIMIT = 50  # characters (WebhooksConfigRequestsDto.cs)
ANSWERED = 2 | 4 | 8 | 16  # groupStatus: answered by somebody, with whatever (DbWorker.cs; recorded: hooks.failures)
# groupStatus: not sent, or answered 3xx, which is not followed, 4xx or 5xx (WebhookSender.cs; recorded: hooks.failures)
UNDELIVERED = 1 | 4 | 8 | 16
#: What can be listened to (1.3), each a bit of `triggers` in this order.
TRIGGERS: Mapping[str, int] = {  # WebhookTrigger.cs; recorded: hooks.events
    name: 1 << at
    for at, name in enumerate(
        (
            *("user.created", "user.invited", "user.updated", "user.deleted"),
            *("group.created", "group.updated", "group.deleted"),
            *("file.created", "file.uploaded", "file.updated", "file.trashed", "file.deleted", "file.restored"),
            *("file.copied", "file.moved"),
            *("folder.created", "folder.updated", "folder.trashed", "folder.deleted", "folder.restored"),
            *("folder.copied", "folder.moved"),
            *("room.created", "room.updated", "room.archived", "room.deleted", "room.restored", "room.copied"),
            *("form.submit", "form.filled.out", "form.stopped"),
            *("agent.created", "agent.updated", "agent.deleted"),
            *("file.downloaded", "folder.downloaded"),
        )
    )
}


@dataclass(frozen=True)
class Logged:
    """A page of the log, newest first; `total` counts all of them."""

    rows: tuple[LoggedDelivery, ...]
    total: int


def mask(types: Collection[str]) -> int:
    """Give the triggers' number for these kinds of event; 0 would mean every kind there is."""
    return sum(TRIGGERS[one] for one in set(types))


def names(triggers: int) -> frozenset[str]:
    """Give the kinds of event that a triggers' number stands for; 0 stands for all."""
    return frozenset(name for name, bit in TRIGGERS.items() if not triggers or triggers & bit)


class Webhooks:
    """The portal's webhooks. Reading needs a key with `*:read`, changing one with full access (1.6, 8)."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def all(self) -> tuple[Webhook, ...]:
        """List the webhooks that this account may see: an administrator all, others their own."""
        response = (await self._send(Call("GET", "/settings/webhook"))).response
        if not isinstance(response, list | None):
            raise Garbled("The portal's answer is not a list of webhooks")
        return tuple(Webhook.of(_merged(one)) for one in response or ())

    async def register(self, wanted: Webhook, secret: str) -> Webhook:
        """Make a webhook. The portal first asks the address with HEAD. Raises Rejected, with what it says."""
        return Webhook.of((await self._send(Call("POST", "/settings/webhook", body=_body(wanted, secret)))).response)

    async def change(self, wanted: Webhook, secret: str = "") -> Webhook:
        """Change a webhook; without a secret it keeps the one it has. The portal asks the address with HEAD."""
        body = {"id": wanted.id, **_body(wanted, secret)}
        return Webhook.of((await self._send(Call("PUT", "/settings/webhook", body=body))).response)

    async def remove(self, number: int) -> None:
        """Delete a webhook; what it delivered is no longer listed afterwards (1.8)."""
        await self._send(Call("DELETE", f"/settings/webhook/{number}"))

    async def log(self, number: int, start: int = 0, *, only: int = 0, count: int = PAGE) -> Logged:
        """Read a page of what a webhook delivered, newest first; never by date, which hides what failed (1.8)."""
        query: dict[str, object] = {"configId": number, "count": count, "startIndex": start}
        answer = await self._send(
            Call("GET", "/settings/webhooks/log", query=query | ({"groupStatus": only} if only else {}))
        )
        return Logged(LoggedDelivery.many(answer.response), answer.total or 0)


def _merged(row: object) -> object:
    """Take a row of the list, `{configs: {…}, status}`, for one webhook."""
    if not isinstance(row, dict) or not isinstance(row.get("configs"), dict):
        return row
    return {**row["configs"], "status": row.get("status") or 0}


def _body(wanted: Webhook, secret: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": wanted.name,
        "uri": wanted.uri,
        "enabled": wanted.enabled,
        "ssl": wanted.ssl,
        "triggers": wanted.triggers,
    }
    return (
        body | ({"targetId": wanted.target_id} if wanted.target_id else {}) | ({"secretKey": secret} if secret else {})
    )
