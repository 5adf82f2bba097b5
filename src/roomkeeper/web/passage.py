"""The passage: how an open connection goes from one process to another, with what was read of it.

Door and desk share one address. Whoever reads a request that is the other's hands the whole connection over (the
system passes the descriptor on), so that neither repeats what the other sends, and no request waits for the wrong one.
"""

import asyncio
import os
import socket
import tempfile
from collections import deque
from collections.abc import Callable

_IN_THE_LETTER = 32 * 1024  # bytes that go with it; more goes as a file: letters between processes are small; ours
_MOST_WAITING = 120  # connections that wait to be handed over: less than half of the handles kept back; ours
_LARGEST = 64 * 1024  # bytes of a letter

Admit = Callable[[socket.socket, bytes], None]


class Passage:
    """One end of the passage; both ends are made by `between`. For one loop."""

    def __init__(self, near: socket.socket, is_here: Callable[[str], bool]) -> None:
        self.is_here = is_here  # whether a path is answered on this side
        self._near, self._waiting = near, deque[tuple[list[int], bytes]]()
        near.setblocking(False)

    def receive(self, admit: Admit) -> None:
        """Have what is handed over from the other side admitted, from now on."""
        asyncio.get_running_loop().add_reader(self._near.fileno(), self._take, admit)

    def close(self) -> None:
        """Take and hand over nothing more; what waits here is given up, and its senders see that."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._near.fileno())
        loop.remove_writer(self._near.fileno())
        while self._waiting:
            _close(self._waiting.popleft()[0])

    def hand_over(self, line: int, read: bytes) -> bool:
        """Hand a connection over, by a descriptor of it that is closed here; False if too many wait."""
        if len(self._waiting) >= _MOST_WAITING:
            os.close(line)
            return False
        try:
            self._waiting.append(_letter(line, read))
        except OSError:  # no place for a file, or no handle
            os.close(line)
            return False
        if len(self._waiting) == 1:
            self._send()
        return True

    def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            lines, read = self._waiting[0]
            try:
                socket.send_fds(self._near, [read or b"\0"], lines)
            except (BlockingIOError, InterruptedError):
                loop.add_writer(self._near.fileno(), self._send)
                return
            except OSError:
                pass  # this one is lost: its sender sees that the connection is closed, as of a server that ends
            self._waiting.popleft()
            _close(lines)
        loop.remove_writer(self._near.fileno())

    def _take(self, admit: Admit) -> None:
        while True:
            try:
                read, lines, _, _ = socket.recv_fds(self._near, _LARGEST, 2)
            except OSError:
                return  # nothing more for now
            if not lines:
                return
            line = socket.socket(fileno=lines[0])
            if len(lines) > 1:
                read = _whole(lines[1])
            admit(line, read)


def between() -> tuple[socket.socket, socket.socket]:
    """Make the two ends; what is sent into one before anybody listens at the other waits there."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


def _letter(line: int, read: bytes) -> tuple[list[int], bytes]:
    """Put what was read beside the connection, or into a file of its own."""
    if len(read) <= _IN_THE_LETTER:
        return [line], read
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(read)
        return [line, os.dup(file.fileno())], b""


def _whole(file: int) -> bytes:
    with os.fdopen(file, "rb") as opened:
        opened.seek(0)
        return opened.read()


def _close(lines: list[int]) -> None:
    for one in lines:
        os.close(one)
