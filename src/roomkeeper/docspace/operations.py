"""File operations: watch them to their end (facts/docspace.md 2.3).

The server reports a finished operation once, to whichever call of this user meets it first. What any view of
this portal sees finished is therefore kept until whoever waits for it asks.
"""

from collections.abc import Awaitable, Callable

from roomkeeper.docspace.models import Operation
from roomkeeper.docspace.wire import Answer, Call

Send = Callable[[Call], Awaitable[Answer]]
_KEPT = 500  # finished operations remembered at most (ours)


class Operations:
    """The account's file operations."""

    def __init__(self, send: Send, finished: dict[str, Operation]) -> None:
        self._send = send
        self._finished = finished

    async def get(self, operation: str) -> Operation | None:
        """Ask for one operation. None says that it has vanished, which does not mean that it succeeded."""
        if operation not in self._finished:
            answer = await self._send(Call("GET", "/files/fileops", query={"id": operation}))
            wanted = next((one for one in self._read(answer) if one.id == operation), None)
            if wanted is not None and not wanted.finished:
                return wanted
        return self._finished.pop(operation, None)  # with a hundred files in each, they are not kept for longer

    async def all(self) -> tuple[Operation, ...]:
        """List all operations of this user. It consumes the finished ones, so it is for emergencies."""
        return self._read(await self._send(Call("GET", "/files/fileops")))

    def _read(self, answer: Answer) -> tuple[Operation, ...]:
        found = Operation.many(answer.response)
        for one in found:
            if one.finished:
                self._finished[one.id] = one
        while len(self._finished) > _KEPT:
            self._finished.pop(next(iter(self._finished)))
        return found
