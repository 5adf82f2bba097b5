"""Receive deliveries: trust, read, keep, answer. What a delivery means is worked out later, by others."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from starlette.datastructures import URL
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from roomkeeper.automations import redaction
from roomkeeper.automations.event import Event
from roomkeeper.contract.delivery import Delivery
from roomkeeper.errors import DeliveryRefused, DeliveryUnreadable, StoreUnavailable
from roomkeeper.intake.inbox import Inbox, Verdict
from roomkeeper.telemetry import tracing
from roomkeeper.web import body
from roomkeeper.web.door import Bodies, Crowded

log = structlog.get_logger("receiver")

_BODY_WITHIN = 30.0  # seconds for the whole body to arrive
_KEPT_WITHIN = 20.0  # seconds; what is committed later all the same is a duplicate when it comes again
_RETRY_AFTER = {"Retry-After": "5"}
_WORDS = ("accepted", "unusable", "duplicate", "ignored")  # of a delivery of several events, the first that fits
_TAKEN = {word: JSONResponse({"status": word}) for word in _WORDS}  # nothing in them is of one delivery


@dataclass(frozen=True)
class Gate:
    """One connection at the door: `verify` raises DeliveryRefused, `read` DeliveryUnreadable.

    `url` is where the sender calls, if the configuration says so: some sign it, and a proxy may have rewritten it.
    `acknowledge` gives the answer to what was taken, where the sender wants one of its own.
    """

    name: str
    url: str
    verify: Callable[[Delivery], None]
    read: Callable[[Delivery], list[Event]]
    acknowledge: Callable[[Delivery], tuple[str, bytes] | None] | None
    listened: frozenset[str]
    signed_in: frozenset[str]  # the headers, in lower case, that sign the body
    largest: int  # bytes

    def proved(self, head: "_Head") -> bool:
        """Whether the head alone proves who sends. Raises DeliveryRefused where it shows that it is somebody else."""
        if not self.signed_in.isdisjoint(head.headers):
            return False  # the body is needed
        self.verify(self.delivery(head, b""))
        return True

    def delivery(self, head: "_Head", sent: bytes) -> Delivery:
        """Put together what arrived."""
        slash = "/" if self.url and head.scope["path"].endswith("/") else ""  # as it was pasted, and is signed
        called = f"{self.url or head.address}{slash}{head.query and f'?{head.query}'}"
        return Delivery(sent, head.headers, called, head.scope["method"])


@dataclass(frozen=True, slots=True)
class _Head:
    """How a delivery came; `headers` has the first of each name, in lower case."""

    scope: Scope
    query: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, scope: Scope) -> "_Head":
        """Read it once: it is wanted by all that follows."""
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        return cls(scope, scope["query_string"].decode("latin-1"), headers)

    @property
    def address(self) -> str:
        """Where the caller called, without the query."""
        return str(URL(scope=self.scope).replace(query=None))

    def __str__(self) -> str:
        """Describe it for people to look at, as JSON; what proves who sent it is left out."""
        return json.dumps(redaction.head(self.scope["method"], self.scope["path"], self.query, self.headers.items()))


class _NotTaken(Exception):
    """The delivery is not taken; `answer` says so."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class Receiver:
    """`POST /hooks/<connection>`; an ASGI application, so that nothing stands between it and the wire."""

    def __init__(self, gates: Mapping[str, Gate], inbox: Inbox) -> None:
        self._gates, self._inbox, self._bodies = gates, inbox, Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Never 410: the portal deletes a webhook that is answered so."""
        gate = self._gates.get(scope["path_params"]["connection"])
        if gate is None:
            response: Response = _said(404, "there is no connection of this name")
        elif scope["method"] == "HEAD":
            response = Response()  # the portal's probe, before it accepts the address (facts/docspace.md 1.6)
        else:
            response = await self._take(gate, Request(scope, receive), _Head.of(scope))
        await response(scope, receive, send)

    async def _take(self, gate: Gate, request: Request, head: _Head) -> Response:
        sent = None
        try:
            async with asyncio.timeout(_BODY_WITHIN) as limit:
                proved = gate.proved(head)
                sent = await self._sent(gate, request)
                if sent is None:
                    limit.reschedule(None)
                    return await self._too_large(gate, head, proved=proved)
                _leave_time(limit)
                delivery = gate.delivery(head, sent)
                gate.verify(delivery)
                events = [_judged(event, gate) for event in gate.read(delivery)]
                with tracing.delivery(gate.name) as trace:
                    verdicts = await self._inbox.accept(events, sent, str(head), trace)
        except _NotTaken as one:
            return one.answer
        except DeliveryRefused as refused:
            return await self._turn_away(gate, refused, head)
        except DeliveryUnreadable as unreadable:
            log.warning("delivery cannot be read", connection=gate.name, reason=unreadable.message)
            return await self._set_aside(gate, unreadable, sent or b"", head)
        except (StoreUnavailable, TimeoutError) as error:
            if sent is None:
                return _NOT_COME
            log.warning(
                "delivery cannot be kept", connection=gate.name, reason=str(error) or "the store does not answer"
            )
            return _said(503, "it cannot be kept just now; send it again", headers=_RETRY_AFTER)
        wanted = gate.acknowledge(delivery) if gate.acknowledge is not None else None
        if wanted is not None:
            return Response(wanted[1], media_type=wanted[0])
        return _TAKEN[_summary(verdicts)]

    async def _sent(self, gate: Gate, request: Request) -> bytes | None:
        """Read the body; None if it is too large. Raises _NotTaken."""
        try:
            return await body.read(request, gate.largest, self._bodies)
        except ClientDisconnect:
            raise _NotTaken(_NOT_COME) from None
        except Crowded:
            crowded = _said(503, "too many large bodies are under way; send it again", headers=_RETRY_AFTER)
            raise _NotTaken(crowded) from None

    async def _too_large(self, gate: Gate, head: _Head, *, proved: bool) -> Response:
        """Write down that something larger than the service ever sends was not read."""
        why = f"the body is larger than {gate.largest} bytes, and was not read"
        log.warning("delivery not read", connection=gate.name, reason=why)
        try:
            if proved:
                name = f"too large {time.time_ns()}"
                event = Event("unknown", gate.name, datetime.now(UTC), name, name, "", ignored=why, unusable=True)
                await self._inbox.accept([event], b"", str(head))
            else:
                await self._inbox.refuse(gate.name, why, head.__str__)
        except StoreUnavailable:
            pass  # the answer is the same
        return _said(413, why)

    async def _set_aside(self, gate: Gate, unreadable: DeliveryUnreadable, sent: bytes, head: _Head) -> Response:
        """Keep what is genuine and cannot be read, for a person; the sender is told, for it may be its mistake."""
        name = f"unreadable {hashlib.sha256(sent).hexdigest()}"
        at = datetime.now(UTC)
        why, keeps = unreadable.message, unreadable.keeps_body
        event = Event("unknown", gate.name, at, name, name, "", ignored=why, unusable=True, keeps_body=keeps)
        try:
            await self._inbox.accept([event], sent, str(head))
        except StoreUnavailable:
            return _said(503, "it cannot be kept just now; send it again", headers=_RETRY_AFTER)
        return _said(400, unreadable.message)

    async def _turn_away(self, gate: Gate, refused: DeliveryRefused, head: _Head) -> Response:
        said = {"connection": gate.name, "reason": refused.message, "remedy": refused.remedy}
        log.warning("a delivery is refused", **said, alike=gate.name)  # the reason may hold what a stranger chose
        try:
            await self._inbox.refuse(gate.name, refused.message, head.__str__)
        except StoreUnavailable:
            pass  # the answer is the same, and the sender's word is not worth a 503
        return _said(401, refused.message)


def _leave_time(limit: asyncio.Timeout) -> None:
    """Leave the store its time, if the body has taken too much: a clock is dear, and one is enough for most."""
    least = asyncio.get_running_loop().time() + _KEPT_WITHIN
    if (limit.when() or least) < least:
        limit.reschedule(least)


def _judged(event: Event, gate: Gate) -> Event:
    """Mark an event that no automation listens to: it is kept, but starts nothing."""
    if event.ignored or event.type in gate.listened:
        return event
    return replace(event, ignored=f"no automation listens to {event.type}")


def _summary(verdicts: list[Verdict]) -> str:
    """One word for a delivery of several events: the most that was done with any of them."""
    seen = {verdict.status for verdict in verdicts}
    return next((word for word in _WORDS if word in seen), "ignored")


def _said(status: int, error: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": error}, status, headers)


_NOT_COME = _said(400, "the body did not arrive")
