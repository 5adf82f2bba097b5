"""Serve an application on an address until it is asked to stop, and stop in time."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TextIO

import structlog

from roomkeeper.app.app import STUCK, App
from roomkeeper.automations.address import reached
from roomkeeper.errors import RoomkeeperError, StoreTakenAway, StoreUnavailable
from roomkeeper.serving.listening import Server
from roomkeeper.serving.log import start_log
from roomkeeper.store import services, texts
from roomkeeper.store.changes import change
from roomkeeper.web.front import Front
from roomkeeper.web.passage import Passage

log = structlog.get_logger("serve")

STOPPING = 25.0  # seconds until a service that was asked to stop is ended: less than the unit's TimeoutStopSec
_LOOK = 1.0  # seconds between two looks for an order
_PATIENCE = 60.0  # seconds that the store may be away while the application is exchanged


class Service:
    """One application on one bound socket, or on a part of what comes there.

    `say` tells who started it what is for nobody else. `renew` reads the file anew and builds another application, to
    take the place of the one that is given; without it, nothing is ever exchanged. `passage` leads to the process that
    answers the rest; who is not the one that lets callers in does not listen (`lets_in`).
    """

    def __init__(
        self,
        app: App,
        line: socket.socket,
        *,
        say: Callable[[str], None] | None = None,
        renew: Callable[[App], App] | None = None,
        logged_to: TextIO = sys.stderr,
        passage: Passage | None = None,
        lets_in: bool = True,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._app, self._line, self._say, self._renew, self._logged_to = app, line, say, renew, logged_to
        self._said_of = {} if lets_in and passage is None else {"part": app.role}
        self._lets_in, self._on_ready = lets_in, on_ready
        self._address = line.getsockname()[:2]
        self._name = f"{socket.gethostname()} process {os.getpid()}"
        self._front = Front(app)
        self._works = contextlib.AsyncExitStack()
        self._exchange, self._hangup = asyncio.Lock(), asyncio.Event()
        self._server = Server(self._front, passage) if lets_in or passage is not None else None
        self._over = asyncio.Event()
        if not lets_in:
            line.close()

    async def serve(self) -> None:
        """Serve until `stop`; what works is ended in order after the last request."""
        await self._works.enter_async_context(self._app.working())
        keeper = asyncio.create_task(self._keep_text())
        keeper.add_done_callback(lambda _: self.stop())  # it ends only by a fault: it is raised below
        seen = asyncio.create_task(self._keep_seen())
        try:
            if self._lets_in:
                for warning in self._app.warnings:
                    log.warning(warning)
            host, port = self._address
            address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            log.info("serving", address=address, role=self._app.role, store=self._app.store.said)
            await self._say_where(reached(host, port))
            self._on_ready()
            if self._server is not None:
                await self._server.serve(sockets=[self._line] if self._lets_in else [])
            else:
                await self._over.wait()
            log.info("stopping")
        finally:
            async with self._exchange:
                seen.cancel()
                keeper.cancel()
                fault, _ = await asyncio.gather(keeper, seen, return_exceptions=True)
                with contextlib.suppress(StoreUnavailable):
                    await asyncio.to_thread(services.leave, self._app.store, self._name)
                await self._works.aclose()
        if isinstance(fault, Exception):
            raise fault
        log.info("stopped")

    async def _say_where(self, address: str) -> None:
        """Tell who started it what runs, and how the pages are opened; not the log: others may read that."""
        if self._say is None:
            return
        config = self._app.config
        automations = [f"{one.name}{' (paused)' if one.paused else ''}" for one in config.automations]
        self._say(f"Connections: {', '.join(config.shown)}. Automations: {', '.join(automations) or 'none yet'}.")
        if self._app.role == "worker":
            return
        where = config.public_url or address
        path = await asyncio.to_thread(self._app.link)
        self._say(f"The pages, by a link that is good once: {where}{path}" if path else f"The pages: {where}")

    def stop(self) -> None:
        """Stop taking requests, and end. From the loop that serves."""
        self._front.let_go()
        self._over.set()
        if self._server is not None:
            self._server.should_exit = True

    def wake(self) -> None:
        """Look at once for what is new."""
        self._app.wake()

    # --- another text -------------------------------------------------------------------------------------------

    async def _keep_text(self) -> None:
        """Take over the file as it is now whenever that is ordered, here or from another machine."""
        with contextlib.suppress(StoreUnavailable):
            await self._announce()
        seen = None
        while True:
            await change(self._app.store, self._hangup, seen, look=_LOOK, longest=services.SEEN_EVERY)
            seen = self._app.store.version()
            self._must_be_in_place()
            try:
                ordered = await asyncio.to_thread(services.is_ordered, self._app.store, self._name)
                if ordered is None:  # somebody took this service for gone
                    await self._announce()
                elif ordered or self._hangup.is_set():
                    self._hangup.clear()
                    await self._after_those_that_work(is_ordered=ordered)
                    await self._take_over()
                    seen = None  # that of another connection
            except StoreUnavailable as error:
                log.warning("cannot see whether another text is to be taken over", reason=error.message)

    async def _keep_seen(self) -> None:
        """Say every few seconds that this service is there, whatever else is being done: it is what readiness is."""
        while True:
            await asyncio.sleep(services.SEEN_EVERY)
            try:
                async with self._exchange:  # or else its store may be closed by now
                    store = self._app.store
                    await store.writing(partial(services.see, store, self._name))
            except StoreUnavailable as error:
                log.warning("cannot say that this service is there", reason=error.message, remedy=error.remedy)

    def _must_be_in_place(self) -> None:
        """End rather than keep what comes in a file that has no name any more. Raises StoreTakenAway."""
        store = self._app.store
        if not store.is_in_place():
            raise StoreTakenAway(f"The store in {store.said} was taken away, or replaced, while it was in use")

    async def _after_those_that_work(self, *, is_ordered: bool) -> None:
        """Let who works here take the text over first: what comes by a new text must not be judged by an old one."""
        if self._app.role not in {"door", "web"}:
            return
        store, machine = self._app.store, self._name.partition(" ")[0]
        since = None if is_ordered else await asyncio.to_thread(services.clock, store) - _LOOK
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            late = await asyncio.to_thread(services.late, store, machine, since)
            if not late:
                return
            await asyncio.sleep(0.1)

    async def _announce(self) -> None:
        app = self._app
        await asyncio.to_thread(texts.keep, app.store, app.config.text)
        await asyncio.to_thread(services.announce, app.store, self._name, app.role, app.config.digest)

    async def _take_over(self) -> None:
        """Exchange the application for one of the file as it is now; without one that can be, all stays as it is.

        It ends and begins as by a stop and a start, for which everything is made; only the address stays open, and who
        calls meanwhile waits. Raises StoreUnavailable if the store does not come back.
        """
        if self._renew is None:
            return
        try:
            new = await asyncio.to_thread(self._renew, self._app)
        except RoomkeeperError as error:
            why = self._app.redact(error.said)
            log.warning("the file is not taken over; the service goes on as it was", reason=why)
            await asyncio.to_thread(services.refuse, self._app.store, self._name, why)
            return
        async with self._exchange:
            await self._front.close()
            await self._works.aclose()
            await self._begin(new)
            self._front.open(new)
        log.info("took over the file", file=str(new.config.file), automations=len(new.config.automations))
        await self._announce()

    async def _begin(self, new: App) -> None:
        """Begin to work, once the store answers: what was checked a moment ago is in order."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                await self._works.enter_async_context(new.working())
            except StoreUnavailable:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(_LOOK)
            else:
                self._app = new
                start_log(new.redact, self._logged_to, **self._said_of)
                return

    def stop_on_signals(self, *, interrupts: bool = True) -> None:
        """Stop on SIGTERM and SIGINT, in time: what does not end by itself is ended.

        Nothing is lost by that: what was accepted is committed, and runs at work are taken up by the next start, as
        after kill -9.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM) if interrupts else (signal.SIGTERM,):
            loop.add_signal_handler(number, self._end_in_time)
        if not self._logged_to.isatty():  # there it says that the terminal is gone; to a service: read your file
            loop.add_signal_handler(signal.SIGHUP, self._hangup.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # a supervisor holds it back until now

    def _end_in_time(self) -> None:
        if not self._over.is_set():
            watchdog = threading.Timer(STOPPING, _give_up)
            watchdog.daemon = True
            watchdog.start()
        self.stop()


def _give_up() -> None:
    log.critical("stopping took too long; ending the process", seconds=STOPPING)
    sys.stderr.flush()
    os._exit(STUCK)
