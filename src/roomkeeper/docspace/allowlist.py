"""The addresses that people may come from (IpRestrictionsController.cs; an empty list is recorded: settings.version).

Who comes from another one is refused everything, but for the portal's owner (IPSecurity.cs).
"""

from collections.abc import Awaitable, Callable, Sequence

from roomkeeper.docspace.models import AllowedAddress
from roomkeeper.docspace.wire import Answer, Call
from roomkeeper.errors import Garbled

Send = Callable[[Call], Awaitable[Answer]]
_PATH = "/settings/iprestrictions"


class Allowlist:
    """The portal's list; only its administrators may see and change it."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def addresses(self) -> tuple[AllowedAddress, ...]:
        """List the addresses, whether the list is in force or not."""
        return AllowedAddress.many((await self._send(Call("GET", _PATH))).response)

    async def is_on(self) -> bool:
        """Tell whether the list is in force."""
        told = (await self._send(Call("GET", f"{_PATH}/settings"))).response
        if not isinstance(told, dict) or not isinstance(told.get("enable"), bool):
            raise Garbled("The portal does not say whether its list of addresses is in force")
        return bool(told["enable"])

    async def save(self, addresses: Sequence[AllowedAddress]) -> None:
        """Replace the list, which stays in force; doing it twice is harmless. Raises Rejected."""
        wanted = [{"ip": one.ip, "forAdmin": one.for_admin} for one in addresses]
        await self._send(Call("PUT", _PATH, body={"ipRestrictions": wanted, "enable": True}))
