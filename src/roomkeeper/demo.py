"""The whole story, played: a simulated portal, a real Roomkeeper, faults, and a check of what came of it.

Everything goes the way it goes in earnest: the portal and the service are processes of their own that talk HTTP.
Nothing is taken on trust: the summary compares every version of every file, byte for byte, with what lies in the
internal room.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console

Check = tuple[str, bool]
FILES = 60
FOLDERS = ("Invoices", "Contracts/2026", "Photos")
TICKETS = 6
SUPPORT, EDITING = "0b5e1f0c-0000-4000-8000-00000000beef", 10
TRIGGER_UPLOADED, TRIGGER_CREATED = 256, 128

_CONFIG = """\
version: 1
listen: 127.0.0.1:{port}
store: ./var
dashboard:
  tokens: [{{name: demo, token: !env DEMO_TOKEN}}]
connections:
  portal:
    type: docspace
    url: {portal}
    api_key: !env DEMO_API_KEY
    webhook_secret: !env DEMO_WEBHOOK_SECRET
  sales:
    type: hubspot
    url: {portal}/hubspot
    access_token: !env DEMO_HUBSPOT_TOKEN
    client_secret: !env DEMO_HUBSPOT_SECRET
  support:
    type: zendesk
    url: {portal}/zendesk
    email: bot@acme.example
    api_token: !env DEMO_ZENDESK_TOKEN
    webhook_secret: !env DEMO_ZENDESK_SECRET
automations:
  - name: copy-client-uploads
    on: file.uploaded
    where: {{room: {client}}}
    gather: 100
    steps:
      - do: copy_files
        with: {{to: {internal}, keep_folders: true, on_conflict: version}}
  - name: archive-closed-deal
    on: deal.closed
    where: {{status: won}}
    steps:
      - do: archive_files
        as: archive
        with:
          room: "{{{{ deal.fields.docspace_room_id }}}}"
          under: {archive}
          title: "{{{{ deal.company }}}}"
          layout: flat
      - do: revoke_guest
        if: deal.fields.docspace_guest_id
        with: {{guest: "{{{{ deal.fields.docspace_guest_id }}}}", room: "{{{{ deal.fields.docspace_room_id }}}}"}}
      - do: note_on_deal
        with: {{text: "Archived {{{{ archive.files }}}} files: {{{{ archive.url }}}}"}}
  - name: investigation-room
    on: ticket.created
    steps:
      - do: create_room
        as: room
        with:
          title: "Ticket #{{{{ ticket.id }}}} - {{{{ ticket.subject }}}}"
          type: collaboration
          folders: [Logs, Attachments, Findings]
          once_per: "{{{{ ticket.connection }}}}-{{{{ ticket.id }}}}"
      - do: invite
        with: {{room: "{{{{ room.id }}}}", members: [{{group: Support, access: editing}}]}}
      - do: share_link
        as: link
        with: {{room: "{{{{ room.id }}}}"}}
      - do: note_on_ticket
        with: {{text: "Investigation room: {{{{ link.url }}}}"}}
"""


@dataclass
class Portal:
    """The simulated portal, as its people and its director see it."""

    url: str
    owner: str
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=30.0))

    def call(self, method: str, path: str, *, key: str = "", **request: Any) -> Any:
        """Call the portal's API as somebody."""
        headers = {"Authorization": f"Bearer {key or self.owner}"}
        answer = self.http.request(method, f"{self.url}/api/2.0{path}", headers=headers, **request)
        answer.raise_for_status()
        return answer.json().get("response")

    def upload(self, folder: int, name: str, content: bytes, *, key: str = "") -> Any:
        """Upload a file in a single request."""
        return self.call("POST", f"/files/{folder}/upload", key=key, files={"file": (name, content)})[0]

    def folders(self, room: int, paths: Sequence[str]) -> dict[str, int]:
        """Create folders, nested ones by path; gives the id of each."""
        made: dict[str, int] = {}
        for path in paths:
            here, parts = room, path.split("/")
            for depth, title in enumerate(parts, start=1):
                way = "/".join(parts[:depth])
                if way not in made:
                    made[way] = self.call("POST", f"/files/folder/{here}", json={"title": title})["id"]
                here = made[way]
        return made

    def register(
        self, url: str, secret: str, *, key: str = "", triggers: int = TRIGGER_UPLOADED | TRIGGER_CREATED
    ) -> Any:
        """Register a webhook for uploads, and for creations as many people do."""
        wanted = {"name": "roomkeeper", "uri": url, "secretKey": secret, "enabled": True, "ssl": False}
        wanted |= {"triggers": triggers}
        made = self.call("POST", "/settings/webhook", key=key, json=wanted)
        # What is made comes out with `ssl: true`, whatever was asked, and would be disabled at its first delivery.
        return self.call("PUT", "/settings/webhook", key=key, json=wanted | {"id": made["id"]})

    def tree(self, room: int) -> list[dict[str, Any]]:
        """List every file below a room, with its path and the digest of each version."""
        shown: list[dict[str, Any]] = self.direct("GET", f"/folders/{room}/tree")
        return shown

    def direct(self, method: str, path: str, **request: Any) -> Any:
        """Do what only a simulated portal can."""
        answer = self.http.request(method, f"{self.url}/_sim{path}", **request)
        answer.raise_for_status()
        return answer.json()


@dataclass(frozen=True)
class Scene:
    """The rooms and the people of the story."""

    client: int
    internal: int
    archive: int
    folders: dict[str, int]
    guest: str
    guest_key: str
    keeper_key: str


def play(out: Console, *, once: bool, port: int) -> bool:
    """Play the story; true if all that was promised came true. Its folder goes with it, unless something failed."""
    began = time.monotonic()
    if not _is_free(port):
        out.print(f"Port {port} is taken on this machine, so the pages get another one.")
        port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="roomkeeper-demo-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        out.print("Starting a simulated portal, helpdesk and CRM, and Roomkeeper …")
        portal = _start_portal(stack)
        scene = set_scene(portal)
        secret = secrets.token_hex(12)
        (folder / "roomkeeper.yaml").write_text(
            _CONFIG.format(
                port=port, portal=portal.url, client=scene.client, internal=scene.internal, archive=scene.archive
            )
        )
        env = {"DEMO_API_KEY": scene.keeper_key, "DEMO_WEBHOOK_SECRET": secret}
        env |= {"DEMO_HUBSPOT_TOKEN": "pat-pretend", "DEMO_HUBSPOT_SECRET": secret}
        env |= {"DEMO_ZENDESK_TOKEN": "helpdesk-pretend", "DEMO_ZENDESK_SECRET": secret}
        env |= {"DEMO_TOKEN": secrets.token_urlsafe(24)}
        service = _start_service(stack, folder, env, port)
        portal.register(f"{service}/hooks/portal", secret)
        opening = "" if once else f"; its pages, by a link that is good once: {service}{_link(folder)}"
        out.print(f"A simulated portal runs at {portal.url}, Roomkeeper at {service}{opening}")
        runs = _Runs(service, env["DEMO_TOKEN"])
        checks = _copying(out, portal, scene, runs)
        checks += _archiving(out, portal, scene, runs, hook=f"{service}/hooks/sales", secret=secret)
        checks += _investigating(out, portal, runs, hook=f"{service}/hooks/support", secret=secret)
        checks += _ended(runs)
        done = _told(out, checks)
        out.print(f"Played in {time.monotonic() - began:.0f} s.")
        if not done:
            kept = Path(shutil.copytree(folder, f"{folder}-failed"))
            out.print(f"Something failed: its configuration, log and store are kept in {kept}")
        if not once:
            out.print(f"Its configuration and store are in {folder}, and the pages stay, until you press Ctrl+C.")
            _until_interrupted()
    return done


def _copying(out: Console, portal: Portal, scene: Scene, runs: "_Runs") -> list[Check]:
    """Play the first job."""
    out.print(f"\n[bold]1.[/bold] Clara, a guest, uploads {FILES} files into the client room and its folders.")
    out.print(
        "   Meanwhile the portal loses every fourth answer to a copy after doing it, and now and then fails with 500."
    )
    portal.direct(
        "PUT",
        "/faults",
        json=[
            {"kind": "drop_after", "method": "PUT", "path": "/fileops/copy", "every": 4},
            {"kind": "status", "method": "GET", "path": "/files/(file|folder)/", "every": 15, "status": 500},
        ],
    )
    places = [scene.client, *scene.folders.values()]
    for number in range(FILES):
        name, content = f"File {number + 1}.docx", f"content {number}".encode()
        portal.upload(places[number % len(places)], name, content, key=scene.guest_key)
    runs.settle(out)
    out.print("\n[bold]2.[/bold] The owner uploads a new version of five of them under the same titles.")
    for number in range(5):
        portal.upload(scene.client, f"File {number * len(places) + 1}.docx", f"second {number}".encode())
    runs.settle(out)
    out.print("\n[bold]3.[/bold] Somebody has the portal send every delivery again; each comes with a new id.")
    log = portal.call("GET", "/settings/webhooks/log", params={"count": 100})
    before = portal.tree(scene.internal)
    portal.call("PUT", "/settings/webhook/retry", json={"ids": [row["id"] for row in log]})
    runs.settle(out)
    portal.direct("PUT", "/faults", json=[])
    return _copied(portal, scene, unchanged=before == portal.tree(scene.internal))


def _archiving(out: Console, portal: Portal, scene: Scene, runs: "_Runs", *, hook: str, secret: str) -> list[Check]:
    """Play the second job."""
    before = portal.tree(scene.client)
    out.print("\n[bold]4.[/bold] The CRM closes Northwind's deal, and tells it five times at once.")
    out.print("   Meanwhile the portal loses the answer to the first request to move, and the CRM's to the first note.")
    lost = [("PUT", "/fileops/move"), ("POST", "/hubspot/crm/v3/objects/notes$")]
    faults = [{"kind": "drop_after", "method": method, "path": path, "times": 1} for method, path in lost]
    portal.direct("PUT", "/faults", json=faults)
    own = {"docspace_room_id": scene.client, "docspace_guest_id": scene.guest}
    deal = portal.direct("POST", "/crm/deals", json={"name": "Renewal", "company": "Northwind / Sons", "own": own})[
        "id"
    ]
    told = {"status": "won", "vendor": "hubspot", "to": hook, "secret": secret, "times": 5}
    portal.direct("PUT", f"/crm/deals/{deal}", json=told)
    runs.settle(out)
    portal.direct("PUT", "/faults", json=[])
    return _archived(portal, scene, before, deal)


def _investigating(out: Console, portal: Portal, runs: "_Runs", *, hook: str, secret: str) -> list[Check]:
    """Play the third job."""
    out.print(
        f"\n[bold]5.[/bold] The helpdesk gets {TICKETS} tickets, and tells each of them twice at the same moment."
    )
    out.print(
        "   Meanwhile the portal loses every third answer to making a room, and the helpdesk every third to a note."
    )
    lost = [("POST", "/files/rooms$"), ("PUT", "/zendesk/api/v2/tickets/")]
    faults = [{"kind": "drop_after", "method": method, "path": path, "every": 3} for method, path in lost]
    portal.direct("PUT", "/faults", json=faults)
    told = {"by": "zendesk", "to": [hook, hook], "secret": secret}
    tickets = [
        portal.direct("POST", "/helpdesk/tickets", json=told | {"subject": f"Problem {number + 1}"})["id"]
        for number in range(TICKETS)
    ]
    runs.settle(out)
    portal.direct("PUT", "/faults", json=[])
    return _investigated(portal, tickets)


def _investigated(portal: Portal, tickets: Sequence[int]) -> list[Check]:
    rooms = [room for room in portal.direct("GET", "/rooms") if any(tag.startswith("support-") for tag in room["tags"])]
    whole = [one for one in rooms if len(one["folders"]) == 3 and one["members"] == {SUPPORT: EDITING}]
    notes = [portal.direct("GET", f"/helpdesk/tickets/{ticket}")["notes"] for ticket in tickets]
    told = [
        one
        for one in notes
        if len(one) == 1 and not one[0]["public"] and f"{portal.url}/rooms/shared/" in one[0]["body"]
    ]
    return [
        (f"{len(rooms)} rooms for {len(tickets)} tickets", len(rooms) == len(tickets)),
        (f"{len(whole)} of them with their folders and their team", len(whole) == len(tickets)),
        (f"{len(told)} tickets with one internal note and the room's link", len(told) == len(tickets)),
    ]


def _archived(portal: Portal, scene: Scene, before: list[dict[str, Any]], deal: int) -> list[Check]:
    left, there = portal.tree(scene.client), portal.tree(scene.archive)
    same = {one["id"]: one["digests"] for one in there} == {one["id"]: one["digests"] for one in before}
    titles = {one["title"].casefold() for one in there}
    notes = portal.direct("GET", f"/crm/deals/{deal}")["notes"]
    gone = scene.guest not in portal.direct("GET", f"/rooms/{scene.client}/members")
    return [
        (f"{len(there)} of {len(before)} files in the archive, {len(left)} left behind", same and not left),
        (f"{len(there) - len(titles)} titles twice in one folder", len(titles) == len(there)),
        ("the guest has lost access to the room", gone),
        (f"{len(notes)} note on the deal, told five times", len(notes) == 1),
    ]


def _copied(portal: Portal, scene: Scene, *, unchanged: bool) -> list[Check]:
    sources, copies = portal.tree(scene.client), portal.tree(scene.internal)
    wanted = {(*one["path"], one["title"]): one["digests"] for one in sources}
    there: dict[tuple[str, ...], list[list[str]]] = {}
    for one in copies:
        there.setdefault((*one["path"], one["title"]), []).append(one["digests"])
    missing = [where for where in wanted if where not in there]
    twice = [where for where, found in there.items() if len(found) > 1 or where not in wanted]
    wrong = [where for where, digests in wanted.items() if where in there and there[where][0] != digests]
    asked = [one for one in portal.direct("GET", "/journal") if one["path"] == "/files/fileops/copy"]
    versions = sum(len(one["digests"]) for one in sources)
    return [
        (
            f"{len(sources)} files with {versions} versions in the client room, {len(missing)} without a copy",
            not missing,
        ),
        (f"{len(copies)} copies in the internal room, {len(twice)} too many", not twice),
        (f"{len(wrong)} copies whose versions differ from the original's, byte for byte", not wrong),
        (f"{len(asked)} requests to copy; nothing changed when everything was delivered again", unchanged),
    ]


def _ended(runs: "_Runs") -> list[Check]:
    stuck = [one for one in runs.all() if one["state"] != "done"]
    return [(f"{len(runs.all())} runs, {len(stuck)} of them not done", not stuck)]


def _told(out: Console, checks: Sequence[Check]) -> bool:
    out.print("\n[bold]Summary, checked against the portal[/bold]")
    for text, holds in checks:
        out.print(f"  {'[green]ok[/green]    ' if holds else '[red]failed[/red]'} {text}")
    return all(holds for _, holds in checks)


class _Runs:
    """Roomkeeper's runs, as its own API tells them."""

    def __init__(self, service: str, token: str) -> None:
        self._http = httpx2.Client(base_url=service, headers={"Authorization": f"Bearer {token}"})
        self._told: set[tuple[int, str]] = set()

    def all(self) -> list[dict[str, Any]]:
        """List them, the newest first."""
        shown: list[dict[str, Any]] = self._http.get("/api/v1/runs", params={"limit": 1000}).raise_for_status().json()
        return shown

    def settle(self, out: Console) -> None:
        """Print each run as it ends, until nothing has been going on for two seconds."""
        quiet_since = time.monotonic()
        until = time.monotonic() + 120
        while time.monotonic() < until:
            shown = self.all()
            for one in reversed(shown):
                if one["state"] not in {"waiting", "running"} and (one["id"], one["state"]) not in self._told:
                    self._told.add((one["id"], one["state"]))
                    quiet_since = time.monotonic()
                    colour = "green" if one["state"] == "done" else "red"
                    said = f": {one['error']}" if one["error"] else ""
                    out.print(
                        f"   run {one['id']} [{colour}]{one['state']}[/{colour}], {len(one['events'])} events{said}"
                    )
            if any(one["state"] in {"waiting", "running"} for one in shown):
                quiet_since = time.monotonic()
            if time.monotonic() - quiet_since > 2:
                return
            time.sleep(0.2)


def set_scene(portal: Portal) -> Scene:
    """Make the rooms and the people."""
    keeper = portal.direct(
        "POST", "/users", json={"name": "Roomkeeper", "email": "keeper@portal.example", "kind": "room_admin"}
    )
    guest = portal.direct(
        "POST", "/users", json={"name": "Clara Client", "email": "clara@client.example", "kind": "guest"}
    )
    client = portal.call("POST", "/files/rooms", json={"title": "Client: Northwind", "roomType": "CustomRoom"})["id"]
    internal = portal.call("POST", "/files/rooms", json={"title": "Northwind (internal)", "roomType": "CustomRoom"})[
        "id"
    ]
    team = {"id": SUPPORT, "name": "Support", "members": []}
    portal.direct("POST", "/groups", json=team)
    vault = portal.call("POST", "/files/rooms", json={"title": "Vault", "roomType": "CustomRoom"})["id"]
    for room in (client, internal, vault):
        everyone = [{"id": keeper["id"], "access": 9}]
        portal.call("PUT", f"/files/rooms/{room}/share", json={"invitations": everyone})
    # Roomkeeper's account invites the guest: nobody else's guest can be sent away (facts/docspace.md 14).
    clara = [{"id": guest["id"], "access": 11}]
    portal.call("PUT", f"/files/rooms/{client}/share", key=keeper["key"], json={"invitations": clara})
    archive = portal.folders(vault, ["Archive"])["Archive"]
    folders = portal.folders(client, FOLDERS)
    return Scene(client, internal, archive, folders, guest["id"], guest["key"], keeper["key"])


def _start_portal(stack: contextlib.ExitStack) -> Portal:
    port = free_port()
    process = _spawn(stack, ["simulate", "--port", str(port)], {})
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/_sim/usage", process=process)
    return Portal(url, "sk-" + "0" * 63 + "1")


def _start_service(stack: contextlib.ExitStack, folder: Path, env: dict[str, str], port: int) -> str:
    log = stack.enter_context((folder / "roomkeeper.log").open("w"))
    process = _spawn(stack, ["serve", "-c", str(folder / "roomkeeper.yaml")], env, stderr=log)
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/readyz", process=process, said=folder / "roomkeeper.log")
    return url


def _link(folder: Path) -> str:
    """Make the link that opens the pages."""
    from roomkeeper.store.database import opened  # noqa: PLC0415 - only who looks at the pages needs it
    from roomkeeper.web import sessions  # noqa: PLC0415

    store = opened(str(folder / "var"))
    try:
        return sessions.link(store)
    finally:
        store.close()


def _spawn(
    stack: contextlib.ExitStack, words: Sequence[str], env: dict[str, str], **streams: Any
) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "roomkeeper", *words]
    process = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, **streams)
    stack.callback(_end, process)
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


def wait_for(url: str, *, process: "subprocess.Popen[bytes] | None" = None, said: Path | None = None) -> None:
    """Wait until an address answers with success. Raises SystemExit after two minutes, or if its process has ended."""
    until = time.monotonic() + 120
    with httpx2.Client() as http:
        while time.monotonic() < until and (process is None or process.poll() is None):
            with contextlib.suppress(httpx2.TransportError):
                if http.get(url).is_success:
                    return
            time.sleep(0.1)
    raise SystemExit(
        f"{url} does not answer" + (f"; see {said}:\n{said.read_text()[-4000:]}" if said is not None else "")
    )


def _is_free(port: int) -> bool:
    """Whether nobody answers there, and nobody has taken it."""
    with socket.socket() as caller:
        caller.settimeout(1.0)
        if caller.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Find a port of this machine that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _until_interrupted() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)
