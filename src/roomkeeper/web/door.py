"""The door: how much of this process strangers may take before anything of theirs is believed.

A head is small and comes soon; those who are silent make way for those who speak; the large bodies under way share a
room, while small ones, as nearly all deliveries are, always find place.
"""

import asyncio
import contextlib
import resource
import time
from collections.abc import Callable

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = structlog.get_logger("door")

LARGEST_HEAD = 32 * 1024  # bytes of address and headers; the vendors' are below four kilobytes; ours
MOST_HEADERS = 100
HEAD_WITHIN = 10.0  # seconds from connecting, or from the beginning of a further head
KEPT_BACK = 256  # file handles for the store and for calls to others
MOST_OPEN = 2000  # connections, if there are so many handles
SMALL_BODY = 64 * 1024  # bytes; a body up to this needs no place of its own
BODIES = 64 * 1024 * 1024  # bytes of larger bodies under way, in all
_SAY_AGAIN = 60.0  # seconds


def most_open() -> int:
    """Say how many connections may be open at once; takes all the file handles that this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or soft < hard:
        wanted = hard if hard != resource.RLIM_INFINITY else max(soft, MOST_OPEN + KEPT_BACK)
        with contextlib.suppress(OSError, ValueError):  # a hardened service may not; then it has to do with what it has
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return max(16, min(MOST_OPEN, soft - KEPT_BACK))


class Crowded(Exception):
    """There is no place for a large body just now."""


class Bodies:
    """The room that large bodies share. For one loop."""

    def __init__(self, most: int = BODIES) -> None:
        self._free = most
        self._say = Sparingly()

    def take(self, size: int) -> None:
        """Take so many bytes. Raises Crowded."""
        if size > self._free:
            self._say("large bodies under way fill their room; further ones are asked to come again")
            raise Crowded
        self._free -= size

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        self._free += size


class Sparingly:
    """Says the same thing once a minute, and how often it was the case."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[float, int]] = {}

    def __call__(self, what: str) -> None:
        """Say it, or count it."""
        at, many = self._said.get(what, (-_SAY_AGAIN, 0))
        if time.monotonic() - at < _SAY_AGAIN:
            self._said[what] = (at, many + 1)
            return
        log.warning(what, **({"times_since": many} if many else {}))
        self._said[what] = (time.monotonic(), 0)


class Hall:
    """The connections that are open, those who have said nothing yet in the order in which they came. For one loop."""

    def __init__(self, most: int) -> None:
        self._most, self._open = most, 0
        self._silent: dict[Connection, None] = {}
        self.say = Sparingly()

    def come(self, one: "Connection") -> None:
        """Let somebody in; if the hall is full, who has been silent for longest makes way, or else who comes."""
        self._open += 1
        self._silent[one] = None
        if self._open > self._most:
            self.say("as many connections are open as may be; the silent ones are closed, the oldest first")
            next(iter(self._silent)).transport.abort()

    def speak(self, one: "Connection") -> None:
        """Note that a whole head has come."""
        self._silent.pop(one, None)

    def rest(self, one: "Connection") -> None:
        """Note that an answer has gone, and nothing has come since."""
        self._silent[one] = None

    def go(self, one: "Connection") -> None:
        """Note that a connection is closed."""
        self._open -= 1
        self._silent.pop(one, None)


class TooMuch(ValueError):
    """A head is larger than any honest one."""


class Connection(HttpToolsProtocol):
    """One connection: the server's own, with bounds for what comes before a body."""

    def __init__(self, hall: Hall, **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type]
        self._hall = hall
        self._head: int | None = 0  # bytes of the head that is coming; None while a body is, or an answer goes
        self._too_late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait_for_head()
        self._hall.come(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_waiting()
        self._hall.go(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, if it is not too much."""
        if self._head is not None:
            if self._too_late is None:
                self._wait_for_head()
            self._head += len(data)
        super().data_received(data)
        if self._head is not None and self._head > LARGEST_HEAD and not self.transport.is_closing():
            self._refuse()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address. Raises TooMuch."""
        super().on_url(url)
        if len(self.url) > LARGEST_HEAD:
            raise TooMuch

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Raises TooMuch."""
        super().on_header(name, value)
        if len(self.headers) > MOST_HEADERS or sum(len(one) + len(other) for one, other in self.headers) > LARGEST_HEAD:
            raise TooMuch

    def on_headers_complete(self) -> None:
        """Go on to the request."""
        self._head = None
        self._stop_waiting()
        self._hall.speak(self)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Be ready for a further head."""
        self._head = 0
        self._hall.rest(self)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or too much of one; the log is told sparingly."""
        self._hall.say("somebody sends what is no HTTP request, or a head that is too large; refused")
        super().send_400_response(msg)

    def _wait_for_head(self) -> None:
        self._too_late = self.loop.call_later(HEAD_WITHIN, self._refuse)

    def _stop_waiting(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _refuse(self) -> None:
        if not self.transport.is_closing():
            self.send_400_response("The request's head is too large, or came too slowly.")


def connections(most: int) -> Callable[..., Connection]:
    """Give what the server makes its connections with."""
    hall = Hall(most)
    return lambda **given: Connection(hall, **given)
