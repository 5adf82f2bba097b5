"""The portal's own records of what people did and when they came, and of what is used (facts/docspace.md 11.5)."""

from collections.abc import Awaitable, Callable, Mapping

from roomkeeper.docspace.models import AuditEntry, Quota, Section
from roomkeeper.docspace.wire import PAGE, Answer, Call
from roomkeeper.errors import Garbled

Send = Callable[[Call], Awaitable[Answer]]


class Activity:
    """The portal's records; only its administrators may read them (recorded: audit.events, quota.usage)."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def quota(self) -> Quota:
        """Read what the tariff holds."""
        return Quota.of((await self._send(Call("GET", "/portal/quota"))).response)

    async def kept_for(self) -> float:
        """Tell for how many days the portal keeps its records."""
        told = (await self._send(Call("GET", "/security/audit/settings/lifetime"))).response
        days = [told.get(name) for name in ("auditTrailLifeTime", "loginHistoryLifeTime")] if told else []
        known = [float(one) for one in days if isinstance(one, int | float)]
        if not known:
            raise Garbled("The portal does not say for how long it keeps its records")
        return min(known)

    async def page(self, what: str, start: int) -> tuple[AuditEntry, ...]:
        """Read a page of the `events` or the `login` record, newest first.

        A portal whose tariff lacks the audit gives its last twenty, whatever is asked (SecurityController.cs): see
        `quota` first. Nothing is filtered there: logins are cut into pages before that (LoginEventsRepository.cs).
        """
        query = {"count": PAGE, "startIndex": start}
        answer = await self._send(Call("GET", f"/security/audit/{what}/filter", query=query))
        return AuditEntry.many(answer.response)

    async def used(self) -> Mapping[str, Section]:
        """Tell how many bytes each section of the portal uses."""
        told = (await self._send(Call("GET", "/files/filesusedspace"))).response
        if not isinstance(told, dict) or not told:
            raise Garbled("The portal does not say what its files use")
        return {name: Section.of(one) for name, one in told.items() if isinstance(one, dict)}

    async def people(self) -> int:
        """Count the accounts."""
        told = (await self._send(Call("GET", "/portal/userscount"))).response
        if not isinstance(told, int):
            raise Garbled("The portal does not say how many accounts it has")
        return told
