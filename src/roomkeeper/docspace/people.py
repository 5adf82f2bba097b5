"""People: whose key this is (facts/docspace.md 8)."""

from collections.abc import Awaitable, Callable

from roomkeeper.docspace.models import Account
from roomkeeper.docspace.wire import Answer, Call
from roomkeeper.errors import Forbidden, Garbled, NotFound, Unavailable

Send = Callable[[Call], Awaitable[Answer]]


class People:
    """The portal's people."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def myself(self) -> Account:
        """Tell whose key this is.

        `keys/@self` answers any key and names its maker, as whom it acts; `people/@self` needs a scope of its own,
        so it is only asked where the first has no answer, as with an OAuth token.
        """
        try:
            key = (await self._send(Call("GET", "/keys/@self"))).response
        except (NotFound, Forbidden, Unavailable):
            key = None
        maker = key.get("createBy") if isinstance(key, dict) else None
        if isinstance(maker, dict) and maker.get("id"):
            return Account(id=str(maker["id"]), name=str(maker.get("displayName") or ""))
        person = (await self._send(Call("GET", "/people/@self"))).response
        if not isinstance(person, dict) or not person.get("id"):
            raise Garbled("The portal does not say whose key this is")
        return Account(id=str(person["id"]), name=str(person.get("displayName") or ""))
