"""The stage for whole-product tests: a simulated portal and a real Roomkeeper, each a process, talking HTTP."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from roomkeeper.demo import Portal, free_port, wait_for
from roomkeeper.runs.history import History
from roomkeeper.runs.store import opened

FULL = os.environ.get("ROOMKEEPER_TESTS") == "full"
SECRET = "a-secret-of-the-tests"
CRM_SECRETS = {  # the pretend CRMs' own, and what their deliveries are signed with
    "HUBSPOT_TOKEN": "pat-pretend",
    "PIPEDRIVE_TOKEN": "pipedrive-pretend",
    "SALESFORCE_SECRET": "salesforce-pretend",
    "CRM_SECRET": "a-secret-of-the-crm",
    "HELPDESK_TOKEN": "helpdesk-pretend",
}
ORGANIZATION = "00D5g000004pReT"
OWNER_KEY = "sk-" + "0" * 63 + "1"


def sized(full: int, quick: int) -> int:
    """Choose a number by the size of the tests: `make test` takes the quick one, `make test-full` the full one."""
    return full if FULL else quick


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


class ClosingDeals:
    """A client room full of files, an archive, a guest whom the keeper invited, and deals at three pretend CRMs."""

    def __init__(self, portal: Portal, *, owned: bool = False) -> None:
        self.portal = portal
        people = {"keeper": "room_admin", "guest": "guest"}
        made = {
            who: portal.direct("POST", "/users", json={"name": who, "email": f"{who}@x.example", "kind": kind})
            for who, kind in people.items()
        }
        self.keeper, self.keeper_key = made["keeper"]["id"], made["keeper"]["key"]
        self.guest, self.guest_key = made["guest"]["id"], made["guest"]["key"]
        self.client = self.room("Client: Northwind", by=self.keeper_key if owned else "")
        self.share(self.client, self.guest, 11, by=self.keeper_key)
        vault = self.room("Vault")
        self.archive = portal.call("POST", f"/files/folder/{vault}", json={"title": "Archive"})["id"]
        self.deals: dict[str, int] = {}

    def room(self, title: str, *, by: str = "") -> int:
        room: int = self.portal.call("POST", "/files/rooms", key=by, json={"title": title, "roomType": 5})["id"]
        if not by:
            self.share(room, self.keeper, 9)
        return room

    def share(self, room: int, who: str, access: int, *, by: str = "") -> None:
        invitations = [{"id": who, "access": access}]
        self.portal.call("PUT", f"/files/rooms/{room}/share", key=by, json={"invitations": invitations})

    def members(self) -> set[str]:
        return set(self.portal.direct("GET", f"/rooms/{self.client}/members"))

    def fill(self) -> None:
        """250 files: 12 nested folders, one of 150 files, 20 equal names, titles that are hard to keep."""
        paths = ["Big", *(f"{year}/{kind}" for year in (2025, 2026) for kind in ("Offers", "Bills", "Photos"))]
        made = self.portal.folders(self.client, [*paths, "2026/Offers/Old", "2026/Offers/Old/Older", "Empty"])
        assert len(made) == 12
        for number in range(150):
            self.upload(f"File {number}.docx", made["Big"])
        places = [self.client, *(made[path] for path in made if path not in {"Big", "Empty"})]
        for number in range(20):  # some in one folder, too: the portal allows it
            self.portal.call(
                "POST",
                f"/files/{places[number % 8]}/upload",
                key=self.guest_key,
                params={"createNewIfExist": "false"},
                files={"file": ("Offer.docx", f"offer {number}".encode())},
            )
        for number in range(79):
            self.upload(f"Letter {number}.pdf", places[number % len(places)])
        hard = {"fileName": 'A/B: C+ "2026".docx', "fileSize": 4}
        session = self.portal.call("POST", f"/files/{made['2026/Photos']}/session", key=self.guest_key, json=hard)["id"]
        chunk = {"file": ("chunk", b"2026")}
        self.portal.call("POST", f"/files/{made['2026/Photos']}/session/{session}", key=self.guest_key, files=chunk)

    def upload(self, name: str, folder: int | None = None, content: bytes | None = None) -> Any:
        return self.portal.upload(folder or self.client, name, content or name.encode(), key=self.guest_key)

    def deal(self, **changed: Any) -> int:
        """Make a deal at the CRMs."""
        own = {"docspace_room_id": self.client, "docspace_guest_id": self.guest}
        wanted = {"name": "Renewal", "company": "Northwind / Sons", "contact": "ann@n.example", "own": own} | changed
        made: int = self.portal.direct("POST", "/crm/deals", json=wanted)["id"]
        return made

    def close(self, keeper: "Keeper", deal: int, vendor: str, **changed: Any) -> list[dict[str, Any]]:
        """Let a CRM say that a deal is won."""
        secret = {"pipedrive": f"roomkeeper:{CRM_SECRETS['CRM_SECRET']}"}.get(vendor, CRM_SECRETS["CRM_SECRET"])
        told = {"status": "won", "vendor": vendor, "to": f"{keeper.url}/hooks/{vendor}", "secret": secret} | changed
        answers: list[dict[str, Any]] = self.portal.direct("PUT", f"/crm/deals/{deal}", json=told)
        return answers

    def notes(self, deal: int) -> list[str]:
        shown: list[str] = self.portal.direct("GET", f"/crm/deals/{deal}")["notes"]
        return shown

    def connection(self, vendor: str) -> dict[str, Any]:
        url = f"{self.portal.url}/{vendor}"
        return {
            "hubspot": {"access_token": "!env HUBSPOT_TOKEN", "client_secret": "!env CRM_SECRET"},
            "pipedrive": {
                "api_token": "!env PIPEDRIVE_TOKEN",
                "webhook_user": "roomkeeper",
                "webhook_password": "!env CRM_SECRET",
            },
            "salesforce": {
                "client_id": "app",
                "client_secret": "!env SALESFORCE_SECRET",
                "organization_id": ORGANIZATION,
                "webhook_token": "!env CRM_SECRET",
            },
        }[vendor] | {"type": vendor, "url": url}

    def automation(self, *more: dict[str, Any], layout: str = "flat", **archive: Any) -> dict[str, Any]:
        """Write the automation of the second job; `more` steps come after revoking the guest."""
        room = "{{ deal.fields.docspace_room_id }}"
        settings = {"room": room, "under": self.archive, "title": "{{ deal.company }}", "layout": layout} | archive
        guest = "{{ deal.fields.docspace_guest_id }}"
        return {
            "name": "archive-closed-deal",
            "on": "deal.closed",
            "where": {"status": "won"},
            "steps": [
                {"do": "archive_files", "as": "archive", "with": settings},
                {
                    "do": "revoke_guest",
                    "if": "deal.fields.docspace_guest_id",
                    "with": {"guest": guest, "room": room},
                },
                *more,
            ],
        }

    def asked(self, method: str, pattern: str) -> list[int]:
        """Find calls in the portal's journal; gives their positions."""
        journal = self.portal.direct("GET", "/journal")
        return [
            at
            for at, one in enumerate(journal)
            if one["method"] == method and re.search(pattern, one["path"]) and one["user"] == "keeper"
        ]


class OpeningTickets:
    """A portal with a team, and tickets at three pretend helpdesks."""

    group = "0b5e1f0c-0000-4000-8000-00000000beef"

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        made = {
            who: portal.direct("POST", "/users", json={"name": who, "email": f"{who}@x.example", "kind": kind})
            for who, kind in {"keeper": "room_admin", "lead": "room_admin", "ann": "user"}.items()
        }
        self.keeper_key, self.lead = made["keeper"]["key"], made["lead"]["id"]
        team = {"id": self.group, "name": "Support", "members": [made["ann"]["id"]]}
        portal.direct("POST", "/groups", json=team)

    def connection(self, vendor: str) -> dict[str, Any]:
        url = f"{self.portal.url}/{vendor}"
        return {
            "zendesk": {
                "email": "bot@x.example",
                "api_token": "!env HELPDESK_TOKEN",
                "webhook_secret": "!env CRM_SECRET",
            },
            "freshdesk": {"api_key": "!env HELPDESK_TOKEN", "webhook_token": "!env CRM_SECRET"},
            "jira": {
                "email": "bot@x.example",
                "api_token": "!env HELPDESK_TOKEN",
                "webhook_secret": "!env CRM_SECRET",
            },
        }[vendor] | {"type": vendor, "url": url}

    def automation(self, *more: dict[str, Any], members: Any = None, **room: Any) -> dict[str, Any]:
        """Write the automation of the third job."""
        members = members or [
            {"group": "Support", "access": "editing"},
            {"email": "lead@x.example", "access": "room_manager"},
        ]
        settings = {
            "title": "Ticket #{{ ticket.id }} – {{ ticket.subject }}",
            "type": "collaboration",
            "folders": ["Logs", "Attachments", "Findings"],
            "once_per": "{{ ticket.connection }}-{{ ticket.id }}",
        } | room
        return {
            "name": "investigation-room",
            "on": "ticket.created",
            "steps": [
                {"do": "create_room", "as": "room", "with": settings},
                {"do": "invite", "with": {"room": "{{ room.id }}", "members": members}},
                {"do": "share_link", "as": "link", "with": {"room": "{{ room.id }}"}},
                *more,
                {"do": "note_on_ticket", "with": {"text": "Investigation room: {{ link.url }}"}},
            ],
        }

    def open(self, vendor: str, *addresses: str, subject: str = "Printer on fire", **changed: Any) -> dict[str, Any]:
        """Open a ticket at a helpdesk, which tells each address at once."""
        told = {"by": vendor, "to": list(addresses), "secret": CRM_SECRETS["CRM_SECRET"]}
        made: dict[str, Any] = self.portal.direct(
            "POST", "/helpdesk/tickets", json={"subject": subject} | told | changed
        )
        return made

    def ticket(self, number: int) -> dict[str, Any]:
        shown: dict[str, Any] = self.portal.direct("GET", f"/helpdesk/tickets/{number}")
        return shown

    def rooms(self) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = self.portal.direct("GET", "/rooms")
        return shown

    def faults_of(self, tickets: Sequence[int], vendor: str) -> list[str]:
        """Look at the portal and the helpdesk; gives what is not as it must be for each of these tickets."""
        wrong: list[str] = []
        by_tag: dict[str, list[dict[str, Any]]] = {}
        for room in self.rooms():
            for tag in room["tags"]:
                by_tag.setdefault(tag, []).append(room)
        for number in tickets:
            rooms = by_tag.get(f"{vendor}-{number}", [])
            notes = self.ticket(number)["notes"]
            if len(rooms) != 1:
                wrong.append(f"{number}: {len(rooms)} rooms")
                continue
            (room,) = rooms
            if room["folders"] != ["Attachments", "Findings", "Logs"]:
                wrong.append(f"{number}: folders {room['folders']}")
            if room["members"] != {self.group: 10, self.lead: 9}:
                wrong.append(f"{number}: members {room['members']}")
            if len(notes) != 1 or notes[0]["public"]:
                wrong.append(f"{number}: notes {notes}")
            elif f"{self.portal.url}/rooms/shared/{room['id']}" not in json.dumps(notes[0]["body"]):
                wrong.append(f"{number}: another link {notes[0]['body']}")
        return wrong


NOTE = {"do": "note_on_deal", "with": {"text": "Archived {{ archive.files }} files: {{ archive.url }}"}}


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
        top: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.folder, self.portal, self.store = folder, portal, store
        self.port = free_port()
        self._history: History | None = None
        self.measured = measured
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = {"API_KEY": key, "SECRET": SECRET, **CRM_SECRETS}
        acme = {"type": "docspace", "url": portal.url, "api_key": "!env API_KEY", "webhook_secret": "!env SECRET"}
        text = {
            "version": 1,
            "listen": f"127.0.0.1:{self.port}",
            "store": store,
            "connections": {"acme": acme | settings, **(others or {})},
            "automations": automations,
            **(top or {}),
        }
        self.file = folder / "roomkeeper.yaml"
        # JSON is YAML; only the tags must lose their quotes.
        self.file.write_text(re.sub(r'"(!env \w+)"', r"\1", json.dumps(text)))

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
                process.wait(60)
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

    def settle(self, holds: Callable[[], bool] | None = None, *, within: float = 480.0) -> list[dict[str, Any]]:
        """Wait until nothing is going on, or until something holds; gives the runs."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            if holds is None or (self._is_still(self.runs()) and holds()):
                shown = self.runs()  # read after what holds: it may hold because a run has just been made
                if self._is_still(shown) and (shown or holds is not None):
                    return shown
            time.sleep(0.2)
        raise AssertionError(
            f"not settled: {[one for one in self.runs() if one['state'] != 'done']}\n{self.log()[-3000:]}"
        )

    @staticmethod
    def _is_still(shown: Sequence[Mapping[str, Any]]) -> bool:
        return not any(one["state"] in {"waiting", "running"} for one in shown)

    def log(self) -> str:
        return (self.folder / "log.txt").read_text()

    def copy_requests(self) -> int:
        return sum(1 for one in self.portal.direct("GET", "/journal") if one["path"] == "/files/fileops/copy")


def until(holds: Callable[[], bool], within: float = 180.0) -> None:
    """Wait until something comes true."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come true in time")
