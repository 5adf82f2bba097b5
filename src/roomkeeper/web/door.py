"""The door: how much of this process strangers may take before anything of theirs is believed.

A head is small and comes soon; those who are silent make way for those who speak; the large bodies under way share a
room, while small ones, as nearly all deliveries are, always find place.
"""

import asyncio
import contextlib
import os
import resource
from collections.abc import Callable
from urllib.parse import unquote

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from roomkeeper.web.passage import Passage

log = structlog.get_logger("door")

LARGEST_HEAD = 32 * 1024  # bytes of address and headers; the vendors' are below four kilobytes; ours
MOST_HEADERS = 100
HEAD_WITHIN = 10.0  # seconds from connecting, or from the beginning of a further head
KEPT_BACK = 256  # file handles for the store and for calls to others
MOST_OPEN = 1000  # connections, if there are so many handles
SMALL_BODY = 16 * 1024  # bytes; a body up to this needs no place of its own
BODIES = 26 * 1024 * 1024  # bytes of larger bodies under way, in all: the largest that anybody sends finds place; ours
_COME_AGAIN = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


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

    def take(self, size: int) -> None:
        """Take so many bytes. Raises Crowded."""
        if size > self._free:
            log.warning("large bodies under way fill their room; further ones are asked to come again")
            raise Crowded
        self._free -= size

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        self._free += size


class Hall:
    """The connections that are open, and who of them makes way if they are too many. For one loop."""

    def __init__(self, most: int) -> None:
        self._most, self._open = most, 0
        self._silent: dict[Connection, None] = {}  # no head has come, or none since the last answer; the oldest first
        self._sending: dict[Connection, None] = {}  # a head has come, and not the whole of its body
        self._leaving: set[Connection] = set()

    def come(self, one: "Connection") -> None:
        """Let somebody in; if the hall is full, who has been silent or slow for longest makes way."""
        self._open += 1
        while self._open - len(self._leaving) > self._most and one not in self._leaving:
            log.warning("as many connections are open as may be; silent and slow ones are closed, the oldest first")
            victim = next(iter((*self._silent, *self._sending)), one) if self._silent or self._sending else one
            self._forget(victim)
            self._leaving.add(victim)
            victim.transport.abort()
        if one not in self._leaving:
            self._silent[one] = None

    def speak(self, one: "Connection") -> None:
        """Note that a whole head has come."""
        self._forget(one)
        self._sending[one] = None

    def work(self, one: "Connection") -> None:
        """Note that a whole request has come."""
        self._forget(one)

    def rest(self, one: "Connection") -> None:
        """Note that an answer has gone, and that nothing of a further request has come."""
        if not one.transport.is_closing():
            self._silent[one] = None

    def go(self, one: "Connection") -> None:
        """Note that a connection is closed."""
        self._open -= 1
        self._forget(one)
        self._leaving.discard(one)

    def _forget(self, one: "Connection") -> None:
        self._silent.pop(one, None)
        self._sending.pop(one, None)


class TooMuch(ValueError):
    """A head is larger than any honest one."""


class Connection(HttpToolsProtocol):
    """One connection: the server's own, with bounds for what comes before, between and after bodies.

    With a passage, whoever asks for what the other side answers is handed over. `read` is what the other side has read.
    """

    def __init__(self, hall: Hall, passage: Passage | None = None, read: bytes = b"", **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type]
        self._hall, self._passage, self._read = hall, passage, read
        self._head = b""  # what has come of a request whose head is not complete
        self._leaves = False  # whether it is to be handed over
        self._beside = 0  # bytes since a head was complete, or a part of a body came
        self._headers = 0  # bytes of the headers of a head
        self._is_whole = True  # whether nothing of a request is outstanding
        self._is_in_head = False  # whether a request has begun whose head is not complete
        self._too_late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait_for_head()
        self._hall.come(self)
        if self._read:
            self.data_received(self._read)
            self._read = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_waiting()
        self._hall.go(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, if it is not too much beside bodies: of a head, or of what chunks bring with them."""
        self._beside += len(data)
        if self._passage is not None and (self._is_whole or self._head):
            self._head += data
        super().data_received(data)
        if self._leaves:
            self._hand_over()
        elif self._beside > LARGEST_HEAD:
            self._refuse()
        elif self._is_in_head and self._too_late is None:  # most heads come whole, and need no clock
            self._wait_for_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._is_whole, self._is_in_head, self._headers = False, True, 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the address. Raises TooMuch."""
        super().on_url(url)
        if len(self.url) > LARGEST_HEAD:
            raise TooMuch

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Raises TooMuch."""
        super().on_header(name, value)
        self._headers += len(name) + len(value)
        if len(self.headers) > MOST_HEADERS or self._headers > LARGEST_HEAD:
            raise TooMuch

    def on_headers_complete(self) -> None:
        """Go on to the request, or to whoever answers it."""
        self._beside, self._is_in_head = 0, False
        self._stop_waiting()
        if self._passage is not None and not self._passage.is_here(_path(self.url)):
            self._leaves = True
            return
        self._head = b""
        self._hall.speak(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body; one that is not read any more, as its answer has gone, is let pass."""
        self._beside = 0
        if not self._leaves:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if self._leaves:
            return
        self._beside, self._is_whole = 0, True
        self._hall.work(self)
        super().on_message_complete()
        if self.cycle.response_complete:  # it was answered before its body had come
            self._hall.rest(self)

    def on_response_complete(self) -> None:
        """Be ready for a further head."""
        if self._is_whole:
            self._hall.rest(self)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or too much of one; the log is told sparingly."""
        log.warning("somebody sends what is no HTTP request, or a head that is too large; refused")
        super().send_400_response(msg)

    def _hand_over(self) -> None:
        """Hand the connection to the other side; from here on it is none of ours.

        Of requests that are sent before the one ahead of them was answered, the later one is not handed over: who
        sends so has to be ready for that (RFC 9112, 9.3.2).
        """
        self.transport.pause_reading()
        is_answered = getattr(self.cycle, "response_complete", True) and not self.transport.get_write_buffer_size()
        if self._passage is None or not self._head or not is_answered:
            self.transport.close()  # once what is on its way has gone
            return
        line = os.dup(self.transport.get_extra_info("socket").fileno())
        if self._passage.hand_over(line, self._head):
            self.transport.abort()
            return
        log.warning("more is asked for than is taken on; some are asked to come again")
        self.transport.write(_COME_AGAIN)
        self.transport.close()

    def _wait_for_head(self) -> None:
        self._too_late = self.loop.call_later(HEAD_WITHIN, self._refuse)

    def _stop_waiting(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _refuse(self) -> None:
        """Refuse a head that is too large or slow; where an answer may be on its way, close without a word."""
        if self.transport.is_closing():
            return
        if not getattr(self.cycle, "response_complete", True):  # there is none before the first request
            self.transport.abort()
        else:
            self.send_400_response("The request's head is too large, or came too slowly.")


def connections(most: int, passage: Passage | None = None) -> Callable[..., Connection]:
    """Give what the server makes its connections with."""
    hall = Hall(most)
    return lambda **given: Connection(hall, passage, **given)


def _path(url: bytes) -> str:
    """Read the path of an address as the server does."""
    with contextlib.suppress(httptools.HttpParserError, UnicodeDecodeError):
        return unquote((httptools.parse_url(url).path or b"").decode("ascii"))
    return ""
