"""A Roomkeeper to be tried: its configuration, its store, and its service, here or in processes of its own."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import psutil
import sqlalchemy as sa

from roomkeeper.app.app import App
from roomkeeper.app.building import build
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.demo import Portal, wait_for
from roomkeeper.desk.history import History
from roomkeeper.serving.listening import bound, fast_loop
from roomkeeper.serving.log import start_log
from roomkeeper.serving.service import Service
from roomkeeper.store import services
from roomkeeper.store.database import Store, opened
from roomkeeper.store.tables import OPEN, runs, trails
from roomkeeper.web import sessions
from stage.commands import command, surroundings
from stage.ports import free_port
from stage.processes import Apart
from stage.stores import put_blank
from stage.waiting import looks, until

SECRET = "a-secret-of-the-tests"
CRM_SECRETS = {  # the pretend CRMs' own, and what their deliveries are signed with
    "HUBSPOT_TOKEN": "pat-pretend",
    "PIPEDRIVE_TOKEN": "pipedrive-pretend",
    "SALESFORCE_SECRET": "salesforce-pretend",
    "CRM_SECRET": "a-secret-of-the-crm",
    "HELPDESK_TOKEN": "helpdesk-pretend",
}
#: How long an unanswered request may still have an effect here: the pretend services are late by less.
SETTLE_AFTER = "4s"
_HASTE = 0.1
_GOING_ON = sa.select(runs.c.id).where(runs.c.state.in_(OPEN)).limit(1)


class Keeper:
    """A Roomkeeper: its configuration, its store, its service.

    `start` serves in this process, on a port and a loop of its own; of those there is one at a time, for the engine
    is one to a process. `start_apart` serves in a process, for tests about processes: kills, signals, several at once;
    `start_in_parts` in several.
    """

    def __init__(
        self,
        folder: Path,
        portal: Portal,
        key: str,
        automations: list[Any],
        *,
        store: str = "./var",
        others: Mapping[str, Any] | None = None,
        top: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.folder, self.portal, self.store = folder, portal, store
        if "://" not in store:
            put_blank(folder / store)
        self.port = free_port()
        self._store: Store | None = None
        self._opening = threading.Lock()  # who kills looks into the store beside who waits
        self._here: _Here | None = None
        self.processes: list[Apart | subprocess.Popen[bytes]] = []
        self.environment = {"API_KEY": key, "SECRET": SECRET, **CRM_SECRETS}
        acme = {"type": "docspace", "url": portal.url, "api_key": "!env API_KEY", "webhook_secret": "!env SECRET"}
        self.text: dict[str, Any] = {
            "version": 1,
            "listen": f"127.0.0.1:{self.port}",
            "store": store,
            "settle_after": SETTLE_AFTER,
            "connections": {"acme": acme | settings, **(others or {})},
            "automations": automations,
            **(top or {}),
        }
        self.file = folder / "roomkeeper.yaml"
        self.rewrite()

    def rewrite(self, **changed: Any) -> None:
        """Write the file, with some of its sections changed."""
        self.text |= changed
        # JSON is YAML; only the tags must lose their quotes.
        self.file.write_text(re.sub(r'"(!env \w+)"', r"\1", json.dumps(self.text, indent=1)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve in this process."""
        assert _Here.served is None, "one at a time: the engine is one to a process"
        self._here = _Here(self)
        self._here.start()

    @property
    def is_serving(self) -> bool:
        """Whether it serves in this process."""
        return self._here is not None

    def start_apart(self, *, port: int | None = None, role: str = "all", wait: bool = True) -> Apart:
        """Serve in a process of its own."""
        return self._start(port, ["--role", role, "--together"], wait=wait)

    def start_in_parts(self, *, wait: bool = True) -> Apart:
        """Serve as the command does by itself: a supervisor, and a process for each part."""
        return self._start(None, [], wait=wait)

    def _start(self, port: int | None, more: Sequence[str], *, wait: bool) -> Apart:
        port = self.port if port is None else port
        said = self.folder / "log.txt"
        process = Apart(self._serving(port, *more), os.environ | self.environment, said)
        self.processes.append(process)
        if wait:
            wait_for(f"http://127.0.0.1:{port}/readyz", process=process, said=said)
        return process

    def start_by_command(self) -> None:
        """Serve in a process that was started by a command line, for whoever looks at that."""
        said = self.folder / "log.txt"
        with said.open("ab") as log:
            command_line = [sys.executable, "-m", "roomkeeper", *self._serving(self.port)]
            process = subprocess.Popen(command_line, env=os.environ | self.environment, stdout=log, stderr=log)
        self.processes.append(process)
        wait_for(f"{self.url}/readyz", process=process, said=said)

    def _serving(self, port: int, *more: str) -> list[str]:
        return ["serve", "-c", str(self.file), "--port", str(port), *more]

    def parts(self) -> dict[str, psutil.Process]:
        """Find the processes of the parts, by what they say of themselves in the store."""
        found = {}
        alive = {one.pid: one for one in psutil.Process(self.processes[-1].pid).children()}
        for row in services.running(self.opened()):
            number = int(row.name.rpartition(" ")[2])
            if number in alive:
                found[row.role] = alive[number]
        return found

    def kill(self, process: Apart | None = None) -> None:
        """Pull the plug."""
        doomed = process or self.processes[-1]
        doomed.send_signal(signal.SIGKILL)
        doomed.wait(20)

    def stop(self) -> None:
        if self._here is not None:
            self._here.stop()
            self._here = None
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            if process.poll() is None:
                process.wait(30)
        if self._store is not None:
            self._store.close()
            self._store = None

    def visitor(self) -> httpx2.Client:
        """Open the pages by a link, as who started the service does; it is for whoever cannot log in."""
        client = httpx2.Client(base_url=self.url, timeout=30.0, limits=httpx2.Limits(max_keepalive_connections=0))
        assert client.get(sessions.link(self.opened())).status_code == 303
        return client

    def register(self) -> None:
        self.portal.register(f"{self.url}/hooks/acme", SECRET)

    def say(self, *words: str, codes: tuple[int, ...] = (0, 3)) -> str:
        """Give a command, as the command line does."""
        return command(*words, "-c", str(self.file), environment=self.environment, codes=codes).out

    def complaints(self, *words: str, codes: tuple[int, ...] = (0, 3)) -> str:
        """Give a command; gives what it says beside its result."""
        return command(*words, "-c", str(self.file), environment=self.environment, codes=codes).complaints

    def ask(self, *words: str, codes: tuple[int, ...] = (0, 3)) -> Any:
        return json.loads(self.say(*words, "--json", codes=codes))

    def runs(self) -> list[dict[str, Any]]:
        """Read the runs as `runs list --json` does, without the price of a command."""
        return History(self.opened()).runs(limit=100_000)

    def opened(self) -> Store:
        """Look into its store from here; it is closed with the keeper."""
        with self._opening:
            if self._store is None:
                self._store = opened(self.store if "://" in self.store else str((self.folder / self.store).resolve()))
            return self._store

    def settle(self, holds: Callable[[], bool] | None = None, *, within: float = 240.0) -> list[dict[str, Any]]:
        """Wait until nothing is going on, or until something holds; gives the runs."""
        for _ in looks(within):
            if self._is_still() and (holds is None or holds()):
                shown = self.runs()  # read after what holds: it may hold because a run has just been made
                if not _going_on(shown) and (shown or holds is not None):
                    return shown
        raise AssertionError(
            f"not settled: {[one for one in self.runs() if one['state'] != 'done']}\n"
            f"{self.ask('events', 'list')}\n{self.log()[-3000:]}"
        )

    def _is_still(self) -> bool:
        with self.opened().read() as connection:
            return connection.execute(_GOING_ON).first() is None

    def look_back(self) -> None:
        """Wait until the service's own first search for what was missed is over."""
        searched = sa.select(trails.c.name).where(trails.c.name == "history", trails.c.searched_at.is_not(None))

        def is_over() -> bool:
            with self.opened().read() as connection:
                return connection.execute(searched).first() is not None

        until(is_over)

    def log(self) -> str:
        return (self.folder / "log.txt").read_text()

    def copy_requests(self) -> int:
        return sum(1 for one in self.portal.direct("GET", "/journal") if one["path"] == "/files/fileops/copy")


async def _hurry(seconds: float) -> None:
    """Wait less: between two attempts there is nothing to see. What a lost answer may still do has its full time."""
    await asyncio.sleep(seconds * _HASTE)


def _going_on(shown: Sequence[Mapping[str, Any]]) -> bool:
    return any(one["state"] in {"waiting", "running"} for one in shown)


class _Here:
    """A service in this process: what `roomkeeper serve` does, on a thread."""

    served: "_Here | None" = None  # the one that is

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._thread = threading.Thread(target=self._run, name="roomkeeper")
        self._begun = threading.Event()
        self._failed: BaseException | None = None
        self._ended: list[int] = []  # exit codes with which the process would have been ended
        self._surroundings = contextlib.ExitStack()

    def start(self) -> None:
        _Here.served = self
        self._surroundings.enter_context(surroundings(self._keeper.environment, self._keeper.folder))
        self._thread.start()
        assert self._begun.wait(60), "it did not begin"
        if self._failed is not None:
            self._thread.join()
            self._leave()
            raise self._failed
        wait_for(f"{self._keeper.url}/readyz")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._service.stop)
        self._thread.join(60)
        self._leave()
        assert not self._thread.is_alive(), f"it did not stop: {self._keeper.log()[-3000:]}"
        assert self._ended == [], self._keeper.log()[-3000:]

    def _leave(self) -> None:
        self._surroundings.close()
        _Here.served = None

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=fast_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told to who started it
            self._failed = error
            self._begun.set()

    def _built(self) -> App:
        return build(load(self._keeper.file, CATALOG), end=self._ended.append, rest=_hurry)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        app = self._built()
        with (self._keeper.folder / "log.txt").open("a") as log:
            start_log(app.redact, log)
            line = bound("127.0.0.1", self._keeper.port)
            self._service = Service(app, line, renew=lambda _: self._built(), logged_to=log)
            self._begun.set()
            await self._service.serve()
            start_log(app.redact, sys.__stderr__)
