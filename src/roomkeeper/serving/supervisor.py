"""The supervisor: each part of a service in a process of its own, watched, and started again when it dies or hangs.

It loads everything once and forks the parts off, which share that memory and begin without loading. It listens, and
lets nobody in: while the door is started again, who calls waits. It does nothing else, so it has nothing to die of.
"""

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog

from roomkeeper.app.app import BROKEN, STUCK, Role
from roomkeeper.errors import StoreTakenAway
from roomkeeper.serving.listening import BACKLOG
from roomkeeper.web.passage import between

log = structlog.get_logger("supervisor")

BEAT = 5.0  # seconds between two signs of life of a part; ours
HUNG_AFTER = 30.0  # seconds without one, after which it is ended and started again; ours
BEGUN_WITHIN = 1800.0  # seconds until the first: a large store may take its time to be migrated; ours
STOPPING = 27.0  # seconds until what does not end is ended: less than the unit's TimeoutStopSec
_DOOR_LEAVES = 8.0  # seconds that the door has for its last answers, before the others are asked to stop
_LIVED = 60.0  # seconds after which a part that ends is not said to have failed at its start
_REST_FIRST, _REST_LONGEST = 0.5, 30.0  # seconds until a part is started again that ended soon after its start
_ASKED_TO_STOP = frozenset({signal.SIGTERM, signal.SIGINT})
_HEARD = (*_ASKED_TO_STOP, signal.SIGHUP, signal.SIGCHLD)


@dataclass(frozen=True)
class Place:
    """What a part has of the others: where callers come from, the way to the other side, and how it is woken."""

    role: Role
    is_first: bool  # whether the part has not run before: the file was read a moment ago
    line: socket.socket
    passage: socket.socket | None
    wakes: int | None  # a descriptor to write to when there is something new
    woken_by: int | None  # and one to read from
    pulse: int  # a descriptor to write signs of life to

    def beat(self) -> None:
        """Give a sign of life."""
        with contextlib.suppress(BlockingIOError):  # nobody reads just now: it is none the less alive
            os.write(self.pulse, b".")

    def wake(self) -> None:
        """Tell the other part that there is something new."""
        if self.wakes is not None:
            with contextlib.suppress(BlockingIOError):  # it has been told often enough
                os.write(self.wakes, b".")


@dataclass
class Part:
    """One part as the supervisor sees it. Moments are of the monotonic clock."""

    role: Role
    pid: int = 0  # 0 while it does not run
    begun_at: float = 0.0
    beat_at: float = 0.0
    due_at: float = 0.0  # when it is to be started
    falls: int = 0  # how often in a row it ended soon after its start
    is_ready: bool = False
    was_started: bool = False

    def ended(self, now: float) -> float:
        """Note that it has ended; gives the seconds until it is to be started again."""
        self.falls = self.falls + 1 if now - self.begun_at < _LIVED else 0
        rest = min(_REST_LONGEST, _REST_FIRST * 2 ** (self.falls - 2)) if self.falls > 1 else 0.0
        self.pid, self.due_at = 0, now + rest
        return rest

    def is_hung(self, now: float) -> bool:
        """Whether it runs and has given no sign of life for too long; for the first one it has longer."""
        return self.pid != 0 and now - self.beat_at > (HUNG_AFTER if self.is_ready else BEGUN_WITHIN)


class Supervisor:
    """Runs parts, begun in this order; `become` is called in the process of each, and gives its exit code.

    Everything that a part needs is loaded before. Raises nothing: what ends it is an exit code.
    """

    def __init__(self, roles: Sequence[Role], line: socket.socket, become: Callable[[Place], int]) -> None:
        self._parts = [Part(role) for role in roles]
        self._line, self._become = line, become
        self._passages: Mapping[Role, socket.socket] = dict(zip(("door", "desk"), between(), strict=True))
        self._woken, self._wakes = _pipe()
        self._lives, self._life = os.pipe()  # a part that reads its end has no supervisor any more
        self._is_up = False
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Run until it is asked to stop, or cannot begin; gives the exit code."""
        self._line.listen(BACKLOG)
        with self._heard() as signals:
            gc.collect()
            gc.freeze()  # what is loaded is shared; looking through it would copy it
            for part in self._parts:
                self._start(part)
            while True:
                heard = self._wait(signals, self._until_next())
                if heard & _ASKED_TO_STOP:
                    return self._stop(signals)
                if signal.SIGHUP in heard:
                    self._tell(signal.SIGHUP)
                ended = self._ended()
                if ended and not self._is_up:  # it has said why
                    self._stop(signals)
                    return max(0, ended[0][1]) or BROKEN
                if any(
                    code == StoreTakenAway.exit_code for _, code in ended
                ):  # the others will see it, too, and none begins anew
                    self._stop(signals)
                    return StoreTakenAway.exit_code
                for part, code in ended:
                    self._restart_later(part, code)
                self._look(time.monotonic())

    # --- what is seen -------------------------------------------------------------------------------------------

    def _wait(self, signals: int, seconds: float) -> set[int]:
        """Wait for a signal, a sign of life, or so long; gives the signals."""
        heard, began = set[int](), time.monotonic()
        for key, _ in self._selector.select(seconds):
            told = os.read(key.fd, 4096)
            if key.fd == signals:
                heard |= set(told)
            elif told:
                part: Part = key.data
                part.beat_at, part.is_ready = time.monotonic(), True
            else:  # its process is gone, and so is the other end
                self._forget_pulse_of(key.data)
        if time.monotonic() - began > seconds + BEAT:  # we were stopped for a while, and so may have been the others
            for part in self._parts:
                part.beat_at = time.monotonic()
        self._is_up = self._is_up or all(part.is_ready for part in self._parts)
        return heard

    def _until_next(self) -> float:
        now = time.monotonic()
        waits = [part.due_at - now for part in self._parts if not part.pid]
        waits += [part.beat_at + HUNG_AFTER - now for part in self._parts if part.pid and part.is_ready]
        return max(0.05, min(waits, default=HUNG_AFTER))

    def _ended(self) -> list[tuple[Part, int]]:
        """List the parts whose process has ended, and its exit code; a negative one is that of a signal."""
        ended = []
        for part in self._parts:
            if part.pid:
                pid, status = os.waitpid(part.pid, os.WNOHANG)
                if pid:
                    ended.append((part, os.waitstatus_to_exitcode(status)))
                    part.pid = 0
                    self._forget_pulse_of(part)
        return ended

    def _forget_pulse_of(self, part: Part) -> None:
        """Read no more of what a process that is gone has left: it is no sign of the next one's life."""
        for key in [one for one in self._selector.get_map().values() if one.data is part]:
            self._selector.unregister(key.fd)
            os.close(key.fd)

    def _look(self, now: float) -> None:
        """End what hangs, and start what is due."""
        for part in self._parts:
            if part.is_hung(now):
                log.critical("a part of the service hangs; ended, to be started again", part=part.role, pid=part.pid)
                os.kill(part.pid, signal.SIGKILL)
                part.is_ready = False
            elif not part.pid and part.due_at <= now:
                self._start(part)

    # --- what is done -------------------------------------------------------------------------------------------

    def _restart_later(self, part: Part, code: int) -> None:
        rest = part.ended(time.monotonic())
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        log.error("a part of the service ended; it is started again", part=part.role, ended_by=why, seconds=rest)

    def _start(self, part: Part) -> None:
        reads, pulse = _pipe()
        place = self._place(part.role, pulse, is_first=not part.was_started)
        with _held_back():
            pid = _forked(lambda: self._child(place, reads))
        os.close(pulse)
        self._selector.register(reads, selectors.EVENT_READ, part)
        now = time.monotonic()
        part.pid, part.begun_at, part.beat_at, part.is_ready = pid, now, now, False
        part.was_started = True

    def _place(self, role: Role, pulse: int, *, is_first: bool) -> Place:
        wakes, woken = (self._wakes if role == "door" else None), (self._woken if role == "worker" else None)
        return Place(role, is_first, self._line, self._passages.get(role), wakes, woken, pulse)

    def _child(self, place: Place, reads: int) -> int:
        """Become a part: in its process, from here on."""
        self._selector.close()
        for unneeded in (reads, self._life):
            os.close(unneeded)
        threading.Thread(target=_end_without, args=(self._lives,), name="lifeline", daemon=True).start()
        return self._become(place)

    def _stop(self, signals: int) -> int:
        """Ask all to stop, the door first, and wait; what does not end is ended."""
        self._line.close()
        end = time.monotonic() + STOPPING
        self._tell(signal.SIGTERM, "door")
        self._wait_until_gone(signals, min(end, time.monotonic() + _DOOR_LEAVES), "door")
        self._tell(signal.SIGTERM)
        self._wait_until_gone(signals, end)
        left = [part for part in self._parts if part.pid]
        for part in left:
            log.critical("stopping took too long; ending a part of the service", part=part.role, seconds=STOPPING)
            os.kill(part.pid, signal.SIGKILL)
            os.waitpid(part.pid, 0)
        return STUCK if left else 0

    def _wait_until_gone(self, signals: int, end: float, role: Role | None = None) -> None:
        while any(part.pid for part in self._parts if role in {None, part.role}):
            if time.monotonic() > end:
                return
            self._wait(signals, min(0.5, end - time.monotonic()) if end > time.monotonic() else 0.0)
            self._ended()

    def _tell(self, number: int, role: Role | None = None) -> None:
        for part in self._parts:
            if part.pid and role in {None, part.role}:
                os.kill(part.pid, number)

    @contextlib.contextmanager
    def _heard(self) -> Iterator[int]:
        """Hear signals as bytes of a descriptor."""
        reads, writes = _pipe()
        before = {number: signal.getsignal(number) for number in _HEARD}
        signal.set_wakeup_fd(writes, warn_on_full_buffer=False)  # first: a signal that only the handlers see is lost
        for number in _HEARD:
            if number == signal.SIGHUP and sys.stderr.isatty():
                continue  # there it says that the terminal is gone
            signal.signal(number, lambda *_: None)
        self._selector.register(reads, selectors.EVENT_READ)
        try:
            yield reads
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            for one in (reads, writes):
                os.close(one)


def _forked(become: Callable[[], int]) -> int:
    """Fork; in the new process, do what is given, and end. Gives the new one's number."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = BROKEN
    try:
        signal.set_wakeup_fd(-1)
        for number in (*_HEARD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN if number in {signal.SIGINT, signal.SIGPIPE} else signal.SIG_DFL)
        # What asks for another text waits until somebody hears it (`Service.stop_on_signals`).
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_HEARD} - {signal.SIGHUP})
        code = become()
    except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as the one that it was forked off
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Hold signals back: the new process shall get those that come before it is ready for them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)


def _end_without(lives: int) -> None:
    """End when the supervisor has: nobody would start this part again, and another service may want its place."""
    os.read(lives, 1)
    os._exit(BROKEN)


def _pipe() -> tuple[int, int]:
    reads, writes = os.pipe()
    os.set_blocking(reads, False)
    os.set_blocking(writes, False)
    return reads, writes
