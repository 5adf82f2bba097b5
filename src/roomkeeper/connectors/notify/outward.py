"""What connections have in common that are only told something: nothing is received from them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NoReturn

from pydantic import BaseModel

from roomkeeper.automations.event import Event
from roomkeeper.connectors.notify.steps import Notify, NotifyByMail, notify_by
from roomkeeper.contract.catalog import Client, Connector
from roomkeeper.contract.checkup import Examination, Finding
from roomkeeper.contract.delivery import Delivery
from roomkeeper.contract.message import Message
from roomkeeper.errors import Clash, DeliveryRefused, NotThere, RemoteError


def outward(
    type_: str,
    summary: str,
    settings: type[BaseModel],
    *,
    connect: Callable[..., Client],
    tell: Callable[[Any, Message], Awaitable[None]],
    try_out: Callable[[Any], Awaitable[str]],
    knows_addresses: bool = False,
) -> Connector:
    """Make the connector of a service that is only told something; `knows_addresses` if it can be told to whom.

    `try_out` tries whether it could be told, tells nothing, and says what came of it; it raises RemoteError.
    """

    async def examine(client: object, _about: Examination) -> AsyncIterator[Finding]:
        try:
            yield Finding("receiver", "ok", await try_out(client))
        except RemoteError as error:
            yield Finding("receiver", "warning" if isinstance(error, Clash) else "failed", error.message, error.remedy)

    return Connector(
        type=type_,
        summary=summary,
        settings=settings,
        events={},
        verify=_refuse,
        read=_nothing,
        connect=connect,
        by_hand=_none,
        steps=[notify_by(type_, tell, NotifyByMail if knows_addresses else Notify)],
        tell=tell,
        examine=examine,
    )


def _refuse(_settings: object, _delivery: Delivery) -> None:
    """Let nothing in. Raises DeliveryRefused."""
    raise DeliveryRefused(
        "nothing is received from this connection",
        remedy="It only sends messages; have deliveries go to the address of another connection.",
    )


def _nothing(_name: str, _settings: object, _delivery: Delivery) -> list[Event]:
    return []


def _none(_name: str, type_: str, _fields: Mapping[str, Any]) -> NoReturn:
    raise NotThere(f"{type_} is raised by no connection of this kind")
