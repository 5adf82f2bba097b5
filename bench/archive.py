"""How long archiving a large room takes, beside the portal's own time and the official sample program's steps.

Rooms of the same size in one simulated portal: the sample's steps (list one page of each folder, move in chunks of a
hundred with its pause of half a second, never look), our `flat` and our `tree`. The portal's own time is what its
operations take by themselves: so many files, so long each. A room of 300 files of one title shows what renames cost.
While it archives, the service's memory is looked at (of all its processes, what they share counted once, and of the
largest one), and how long the door leaves a question unanswered at the worst.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
import psutil
from processes import spawn

from roomkeeper.demo import Portal, free_port, wait_for

OWNER_KEY = "sk-" + "0" * 63 + "1"
ROOMS = ("sample", "flat", "tree", "different", "equal")
_GROWS = 600.0  # seconds in which a pretend room has its files
_LOOK = 1.0  # seconds between two looks whether it is done
PAUSE = 0.5  # seconds that the sample program waits between two chunks
CONFIG = """\
version: 1
listen: 127.0.0.1:{port}
store: ./var
connections:
  portal: {{type: docspace, url: "{portal}", api_key: !env KEY, unsigned: true}}
  erp: {{type: http, unsigned: true}}
automations:
{automations}
"""
AUTOMATION = """\
  - name: archive-{layout}
    on: deal.closed
    where: {{id: {layout}}}
    steps:
      - do: archive_files
        with: {{room: {room}, under: {under}, title: {layout}, layout: {layout}}}
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--files", type=int, default=10_000)
    arguments.add_argument("--folders", type=int, default=500)
    arguments.add_argument("--seconds-per-file", type=float, default=0.002)
    arguments.add_argument("--equal", type=int, default=300, help="files of one title, and as many of different ones")
    arguments.add_argument("--only", nargs="*", choices=ROOMS, default=ROOMS)
    options = arguments.parse_args()
    port = free_port()
    simulator = spawn("simulate", "--port", str(port))
    portal = Portal(f"http://127.0.0.1:{port}", OWNER_KEY)
    try:
        wait_for(f"{portal.url}/_sim/usage", process=simulator)
        portal.direct("PUT", "/operations", json={"seconds_per_item": options.seconds_per_file})
        keeper = portal.direct("POST", "/users", json={"name": "keeper", "email": "k@x.example", "kind": "room_admin"})
        vault = _room(portal, keeper["id"], "vault", None)
        if "sample" in options.only:
            room = _room(portal, keeper["id"], "sample", options)
            _told("the sample's steps", portal, _sample(portal, keeper["key"], room, vault), options)
        for layout in (one for one in ("flat", "tree") if one in options.only):
            room = _room(portal, keeper["id"], layout, options)
            _told(f"archive_files, {layout}", portal, _ours(portal, keeper["key"], room, vault, layout), options)
        options.files, options.folders = options.equal, 0
        for title, layout in (one for one in (("", "different"), ("Offer.docx", "equal")) if one[1] in options.only):
            room = _room(portal, keeper["id"], layout, options, title=title)
            seen = _ours(portal, keeper["key"], room, _room(portal, keeper["id"], f"vault of {layout}", None), "flat")
            _told(f"{options.files} {layout} titles", portal, seen, options)
    finally:
        simulator.terminate()
        simulator.wait(20)


def _room(portal: Portal, keeper: str, name: str, options: Any, *, title: str = "") -> int:
    room: int = portal.call("POST", "/files/rooms", json={"title": name, "roomType": 5})["id"]
    portal.call("PUT", f"/files/rooms/{room}/share", json={"invitations": [{"id": keeper, "access": 9}]})
    if options is not None:
        size = {"user": keeper, "folders": options.folders, "files": options.files} | (
            {"title": title} if title else {}
        )
        portal.direct("POST", f"/folders/{room}/grow", json=size, timeout=_GROWS)
    return room


def _sample(portal: Portal, key: str, room: int, vault: int) -> dict[str, Any]:
    """Do what archive-crm-deal-files does, and as long as it does it."""
    since, began = len(portal.direct("GET", "/journal")), time.monotonic()
    files, waiting = [], [room]
    while waiting:
        page = portal.call("GET", f"/files/{waiting.pop()}", key=key)
        files += [one["id"] for one in page["files"]]
        waiting += [one["id"] for one in page["folders"]]
    folder = portal.call("POST", f"/files/folder/{vault}", key=key, json={"title": "sample"})["id"]
    for at in range(0, len(files), 100):
        chunk = {"fileIds": files[at : at + 100], "folderIds": [], "destFolderId": folder, "deleteAfter": True}
        portal.call("PUT", "/files/fileops/move", key=key, json=chunk)
        time.sleep(PAUSE)
    return {"room": room, "seconds": time.monotonic() - began, "since": since, "seen": ""}


def _ours(portal: Portal, key: str, room: int, vault: int, layout: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        folder, port = Path(place), free_port()
        automations = AUTOMATION.format(layout=layout, room=room, under=vault)
        (folder / "roomkeeper.yaml").write_text(CONFIG.format(port=port, portal=portal.url, automations=automations))
        service = spawn("serve", "-c", str(folder / "roomkeeper.yaml"), KEY=key)
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz", process=service)
            since, began = len(portal.direct("GET", "/journal")), time.monotonic()
            httpx2.post(f"http://127.0.0.1:{port}/hooks/erp", json={"dealId": layout, "clientName": layout})
            run: dict[str, Any] = {"state": "waiting"}
            memory, silence, looked_at = [(0.0, 0.0)], [0.0], began
            while run["state"] in {"waiting", "running"}:
                memory.append(_memory(service.pid))
                silence.append(_silence(port))
                if time.monotonic() - looked_at > _LOOK:
                    looked_at = time.monotonic()
                    run = (_runs(folder) or [run])[0]
            seconds = time.monotonic() - began
        finally:
            service.terminate()
            service.wait(20)
        if run["state"] != "done":
            raise SystemExit(f"the run is {run['state']}: {run.get('error')}")
        every, largest = (max(each) for each in zip(*memory, strict=True))
        seen = (
            f", {every:.0f} MiB ({largest:.0f} the largest process), the door silent for {1000 * max(silence):.0f} ms"
        )
        return {"room": room, "seconds": seconds, "since": since, "seen": seen}


def _memory(service: int) -> tuple[float, float]:
    """Give the memory of a service and its parts, in MiB, what they share counted once; and all that one part has."""
    one = psutil.Process(service)
    parts = [each.memory_full_info() for each in (one, *one.children(recursive=True))]
    return sum(each.pss for each in parts) / 2**20, max(each.rss for each in parts) / 2**20


def _silence(port: int) -> float:
    time.sleep(0.1)
    asked = time.monotonic()
    httpx2.get(f"http://127.0.0.1:{port}/livez", timeout=60)
    return time.monotonic() - asked


def _runs(folder: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "roomkeeper", "runs", "list", "--json", "-c", str(folder / "roomkeeper.yaml")]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    shown: list[dict[str, Any]] = json.loads(told)
    return shown


def _told(what: str, portal: Portal, seen: dict[str, Any], options: Any) -> None:
    time.sleep(2)  # what the sample left running
    journal = [one for one in portal.direct("GET", "/journal")[seen["since"] :] if one["user"] == "keeper"]
    moves = sum(1 for one in journal if one["path"].endswith("/fileops/move") and one["method"] == "PUT")
    reads = sum(
        1
        for one in journal
        if one["method"] == "GET" and one["path"].startswith("/files/") and "fileops" not in one["path"]
    )
    renames = sum(1 for one in journal if one["method"] == "PUT" and one["path"].startswith("/files/file/"))
    left = len(portal.tree(seen["room"]))
    own = options.files * options.seconds_per_file
    print(
        f"{what:>22}: {seen['seconds']:6.1f} s ({own:.0f} s of it the portal's own for {options.files} files), "
        f"{moves} requests to move, {renames} renames, {reads} reads, {left} files left behind{seen['seen']}",
        flush=True,
    )


if __name__ == "__main__":
    main()
