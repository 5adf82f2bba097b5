"""People: whose key this is, who is there, and what becomes of accounts (facts/docspace.md 6, 8)."""

from collections.abc import Awaitable, Callable

from roomkeeper.docspace.models import Account, Group, Handover, Key, Person
from roomkeeper.docspace.wire import LOOKS, PAGE, Answer, Call, Pages, segment, whole
from roomkeeper.errors import Forbidden, Garbled, NotFound, RemoteFault, ScopeMissing, Unavailable

Send = Callable[[Call], Awaitable[Answer]]
_TYPES = {"room_admin": 1, "guest": 2, "admin": 3, "user": 4}  # EmployeeType (recorded: people.lookup)


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
        except (NotFound, Forbidden, ScopeMissing, Unavailable, RemoteFault):
            # 500 to a token that is no key (recorded: keys.self).
            key = None
        maker = key.get("createBy") if isinstance(key, dict) else None
        if isinstance(maker, dict) and maker.get("id"):
            return Account(id=str(maker["id"]), name=str(maker.get("displayName") or ""))
        person = (await self._send(Call("GET", "/people/@self"))).response
        if not isinstance(person, dict) or not person.get("id"):
            raise Garbled("The portal does not say whose key this is")
        return Account(id=str(person["id"]), name=str(person.get("displayName") or ""))

    async def key(self) -> Key:
        """Read what this key is and may do; any key may ask (8). What another token may do is not known."""
        try:
            return Key.of((await self._send(Call("GET", "/keys/@self"))).response)
        except (NotFound, Forbidden, ScopeMissing, Unavailable, Garbled, RemoteFault):
            account = await self.myself()
            return Key(name="token", create_by=Person(id=account.id, display_name=account.name))

    async def get(self, person: str) -> Person:
        """Look somebody up by id. Raises NotFound."""
        return Person.of((await self._send(Call("GET", f"/people/{segment(person)}"))).response)

    async def by_email(self, email: str) -> Person:
        """Look somebody up by e-mail address. Raises NotFound."""
        return Person.of((await self._send(Call("GET", "/people/email", query={"email": email}))).response)

    async def all(self, status: int) -> tuple[Person, ...]:
        """List everybody whom this account sees, with an account of that status: each is asked for by itself.

        An administrator sees all (recorded: people.lookup). Raises Garbled where not all that are counted are shown.
        """

        async def read(_look: int, start: int) -> tuple[list[tuple[str, Person]], int]:
            query = {"employeeStatus": status, "count": PAGE, "startIndex": start}
            answer = await self._send(Call("GET", "/people/filter", query=query))
            if answer.total is None:
                raise Garbled("The portal does not say how many people it has")
            return [(one.id, one) for one in Person.many(answer.response)], answer.total

        return await whole(read, looks=LOOKS, what="people")

    async def groups(self) -> tuple[Group, ...]:
        """List the portal's groups; needs the scope `accounts:read` (8)."""
        found: dict[str, Group] = {}
        pages = Pages()
        while pages.start is not None:
            answer = await self._send(Call("GET", "/group", query={"count": PAGE, "startIndex": pages.start}))
            page = Group.many(answer.response)
            found |= {one.id: one for one in page}
            pages.turn([one.id for one in page], answer.total or len(page))
        return tuple(found.values())

    async def forget_guest(self, guest: str) -> None:
        """End this account's relation to a guest and the access that this account granted, nothing else (6.1).

        Not idempotent: a second call is refused, as is one for a guest whom somebody else invited.
        """
        await self._send(Call("DELETE", "/people/guests", body={"userIds": [guest]}))

    async def invite(self, email: str, kind: str, language: str | None) -> None:
        """Make an account for an address; the portal writes to it (recorded: hooks.events; UserController.cs).

        An address that has an account is left as it is, unless its type is a lesser one: that is raised. Raises
        QuotaExceeded, Rejected, Forbidden.
        """
        body = {"invitations": [{"email": email, "type": _TYPES[kind]}], "culture": language or ""}
        await self._send(Call("POST", "/people/invite", body=body))

    async def reassign(self, person: str, to: str) -> Handover | None:
        """Start giving to another what a disabled account has; it may be repeated (ReassignController.cs).

        Raises Rejected where one of the two is not as it must be.
        """
        body = {"fromUserId": person, "toUserId": to, "deleteProfile": False}
        return _handover((await self._send(Call("POST", "/people/reassign/start", body=body))).response)

    async def reassigning(self, person: str) -> Handover | None:
        """Tell how far it is; None if the portal knows of none, as some time after its end."""
        call = Call("GET", f"/people/reassign/progress/{segment(person)}")
        return _handover((await self._send(call)).response)

    async def disable(self, person: str) -> None:
        """Disable an account: whoever it is is logged out at once, and can be enabled again (6.2)."""
        await self._send(Call("PUT", "/people/status/Terminated", body={"userIds": [person]}))


def _handover(response: object) -> Handover | None:
    return Handover.of(response) if response is not None else None
