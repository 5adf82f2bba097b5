"""The stage for whole-product tests: a simulated portal and a real Roomkeeper, each a process, talking HTTP."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from roomkeeper.demo import Portal, free_port, wait_for
from roomkeeper.runs.history import History
from roomkeeper.runs.store import opened

SECRET = "a-secret-of-the-tests"
OWNER_KEY = "sk-" + "0" * 63 + "1"


@contextlib.contextmanager
def simulated_portal(**environment: str) -> Iterator[Portal]:
    """Start a simulated portal."""
    port = free_port()
    command = [sys.executable, "-m", "roomkeeper", "simulate", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**_unmeasured(), **environment})
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/_sim/usage")
        with contextlib.closing(Portal(url, OWNER_KEY).http) as http:
            yield Portal(url, OWNER_KEY, http)
    finally:
        process.terminate()
        process.wait(20)


def _unmeasured() -> dict[str, str]:
    """Leave coverage out of processes that it would slow down and that are not what is measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


class Rooms:
    """A client room and an internal room with the people they need."""

    def __init__(self, portal: Portal, name: str = "") -> None:
        self.portal = portal
        people = {"keeper": "room_admin", "guest": "guest"}
        made = {
            who: portal.direct(
                "POST", "/users", json={"name": f"{who}{name}", "email": f"{who}{name}@x.example", "kind": kind}
            )
            for who, kind in people.items()
        }
        self.keeper, self.keeper_key = made["keeper"]["id"], made["keeper"]["key"]
        self.guest, self.guest_key = made["guest"]["id"], made["guest"]["key"]
        self.client = self.add(f"Client: Acme{name}", {self.keeper: 9, self.guest: 11})
        self.internal = self.add(f"Acme{name} (internal)", {self.keeper: 9})

    def add(self, title: str, members: Mapping[str, int]) -> int:
        room: int = self.portal.call("POST", "/files/rooms", json={"title": title, "roomType": 5})["id"]
        invitations = [{"id": who, "access": access} for who, access in members.items()]
        self.portal.call("PUT", f"/files/rooms/{room}/share", json={"invitations": invitations})
        return room

    def upload(self, name: str, content: bytes = b"content", *, folder: int | None = None) -> dict[str, Any]:
        """Upload as the guest."""
        shown: dict[str, Any] = self.portal.upload(folder or self.client, name, content, key=self.guest_key)
        return shown

    def missing_and_doubled(self) -> tuple[list[Any], list[Any]]:
        """Compare the rooms: what has no copy with the same versions, and what is there too often."""
        wanted = Counter((*one["path"], one["title"], *one["digests"]) for one in self.portal.tree(self.client))
        there = Counter((*one["path"], one["title"], *one["digests"]) for one in self.portal.tree(self.internal))
        return list((wanted - there).elements()), list((there - wanted).elements())

    def copies(self) -> int:
        return len(self.portal.tree(self.internal))


def copy_uploads(rooms: Rooms, **changed: Any) -> dict[str, Any]:
    """Write the automation of the first job."""
    settings = {"to": rooms.internal, "keep_folders": True, "on_conflict": "version"} | changed
    return {
        "name": "copy-client-uploads",
        "on": "file.uploaded",
        "where": {"room": rooms.client},
        "gather": 100,
        "steps": [{"do": "copy_files", "with": settings}],
    }


class Keeper:
    """A Roomkeeper: its configuration, its store, its processes."""

    def __init__(
        self,
        folder: Path,
        portal: Portal,
        key: str,
        automations: list[Any],
        *,
        store: str = "./var",
        others: Mapping[str, Any] | None = None,
        measured: bool = True,
        **settings: Any,
    ) -> None:
        self.folder, self.portal, self.store = folder, portal, store
        self.port = free_port()
        self._history: History | None = None
        self.measured = measured
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = {"API_KEY": key, "SECRET": SECRET}
        acme = {"type": "docspace", "url": portal.url, "api_key": "!env API_KEY", "webhook_secret": "!env SECRET"}
        text = {
            "version": 1,
            "listen": f"127.0.0.1:{self.port}",
            "store": store,
            "connections": {"acme": acme | settings, **(others or {})},
            "automations": automations,
        }
        self.file = folder / "roomkeeper.yaml"
        # JSON is YAML; only the tags must lose their quotes.
        self.file.write_text(
            json.dumps(text).replace('"!env API_KEY"', "!env API_KEY").replace('"!env SECRET"', "!env SECRET")
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, port: int | None = None, role: str = "all", wait: bool = True) -> "subprocess.Popen[bytes]":
        log = (self.folder / "log.txt").open("ab")
        command = [
            sys.executable,
            "-m",
            "roomkeeper",
            "serve",
            "-c",
            str(self.file),
            "--port",
            str(self.port if port is None else port),
            "--role",
            role,
        ]
        environment = dict(os.environ) if self.measured else _unmeasured()
        process = subprocess.Popen(command, env={**environment, **self.environment}, stdout=log, stderr=log)
        log.close()
        self.processes.append(process)
        if wait:
            wait_for(
                f"http://127.0.0.1:{self.port if port is None else port}/readyz",
                process=process,
                said=self.folder / "log.txt",
            )
        return process

    def kill(self, process: "subprocess.Popen[bytes] | None" = None) -> None:
        """Pull the plug."""
        doomed = process or self.processes[-1]
        doomed.send_signal(signal.SIGKILL)
        doomed.wait(20)

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            if process.poll() is None:
                process.wait(30)
        if self._history is not None:
            self._history.close()
            self._history = None

    def register(self) -> None:
        self.portal.register(f"{self.url}/hooks/acme", SECRET)

    def say(self, *words: str, codes: tuple[int, ...] = (0, 3)) -> str:
        """Give a command."""
        command = [sys.executable, "-m", "roomkeeper", *words, "-c", str(self.file)]
        told = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        assert told.returncode in codes, told.stdout + told.stderr
        return told.stdout

    def ask(self, *words: str, codes: tuple[int, ...] = (0, 3)) -> Any:
        return json.loads(self.say(*words, "--json", codes=codes))

    def runs(self) -> list[dict[str, Any]]:
        """Read the runs as `runs list --json` does, without the price of a process."""
        if self._history is None:
            self._history = History(
                opened(str((self.folder / self.store).resolve()) if "://" not in self.store else self.store)
            )
        return self._history.runs(limit=100_000)

    def settle(self, holds: Callable[[], bool] | None = None, *, within: float = 240.0) -> list[dict[str, Any]]:
        """Wait until nothing is going on, or until something holds; gives the runs."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            shown = self.runs()
            still = not any(one["state"] in {"waiting", "running"} for one in shown)
            if still and (holds() if holds is not None else bool(shown)):
                return shown
            time.sleep(0.2)
        raise AssertionError(
            f"not settled: {[one for one in self.runs() if one['state'] != 'done']}\n{self.log()[-3000:]}"
        )

    def log(self) -> str:
        return (self.folder / "log.txt").read_text()

    def copy_requests(self) -> int:
        return sum(1 for one in self.portal.direct("GET", "/journal") if one["path"] == "/files/fileops/copy")


def until(holds: Callable[[], bool], within: float = 60.0) -> None:
    """Wait until something comes true."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come true in time")
