"""How long a ticket takes from delivery to note, beside the sum of the calls that must follow one another.

The simulated portal and helpdesk take 50 ms for each call. One ticket after another is told; each run's own record
of its calls says how long they took. What must follow one another: find the room by its tag, make it, read it, make
its folders (side by side), then invite and share (side by side; the longer of the two), then look for the note, and
write it.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from processes import spawn

from roomkeeper.demo import SUPPORT, Portal, free_port, wait_for

OWNER_KEY = "sk-" + "0" * 63 + "1"
SECRET = "the-secret-of-the-bench"
CONFIG = """\
version: 1
listen: 127.0.0.1:{port}
store: ./var
connections:
  acme: {{type: docspace, url: "{portal}", api_key: !env KEY, unsigned: true}}
  support:
    type: zendesk
    url: {portal}/zendesk
    email: b@x.example
    api_token: !env TOKEN
    webhook_secret: !env SECRET
automations:
  - name: investigation-room
    on: ticket.created
    steps:
      - do: create_room
        as: room
        with:
          title: "Ticket #{{{{ ticket.id }}}} {{{{ ticket.subject }}}}"
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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tickets", type=int, default=30)
    arguments.add_argument("--call", type=float, default=0.05, help="seconds that each call takes")
    options = arguments.parse_args()
    port = free_port()
    simulator = spawn("simulate", "--port", str(port))
    portal = Portal(f"http://127.0.0.1:{port}", OWNER_KEY)
    with tempfile.TemporaryDirectory() as place:
        service = None
        try:
            wait_for(f"{portal.url}/_sim/usage", process=simulator)
            keeper = portal.direct(
                "POST", "/users", json={"name": "keeper", "email": "k@x.example", "kind": "room_admin"}
            )
            portal.direct("POST", "/groups", json={"id": SUPPORT, "name": "Support", "members": []})
            slow = [{"kind": "delay", "path": path, "seconds": options.call} for path in ("/api/2.0/", "/zendesk/")]
            portal.direct("PUT", "/faults", json=slow)
            folder, own = Path(place), free_port()
            (folder / "roomkeeper.yaml").write_text(CONFIG.format(port=own, portal=portal.url))
            secrets = {"KEY": keeper["key"], "TOKEN": "helpdesk-pretend", "SECRET": SECRET}
            service = spawn("serve", "-c", str(folder / "roomkeeper.yaml"), **secrets)
            wait_for(f"http://127.0.0.1:{own}/readyz", process=service)
            took = [_one(portal, f"http://127.0.0.1:{own}/hooks/support", number) for number in range(options.tickets)]
            sums = [_in_a_row(run) for run in _runs(folder, secrets)]
        finally:
            for process in (service, simulator):
                if process is not None:
                    process.terminate()
                    process.wait(20)
    took, sums = took[2:], sums[2:]  # the first ones warm everything up
    needed = statistics.median(sums)
    p50, p95 = statistics.median(took), statistics.quantiles(took, n=20)[-1]
    print(f"{len(took)} tickets, {options.call * 1000:.0f} ms a call, from delivery to note:")
    print(f"  p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms")
    print(f"  the calls that must follow one another took {needed * 1000:.0f} ms")
    print(f"  p50 is {p50 / needed:.2f} of that sum (aim: 1.3), p95 {p95 / needed:.2f}")


def _one(portal: Portal, hook: str, number: int) -> float:
    ticket = portal.direct("POST", "/helpdesk/tickets", json={"subject": f"Problem {number}"})["id"]
    body = json.dumps({"ticket_id": str(ticket), "subject": f"Problem {number}"}).encode()
    stamp = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    signed = base64.b64encode(hmac.new(SECRET.encode(), stamp.encode() + body, hashlib.sha256).digest()).decode()
    headers = {"X-Zendesk-Webhook-Signature": signed, "X-Zendesk-Webhook-Signature-Timestamp": stamp}
    began = time.monotonic()
    httpx2.post(hook, content=body, headers=headers).raise_for_status()
    while not portal.direct("GET", f"/helpdesk/tickets/{ticket}")["notes"]:
        time.sleep(0.005)
    seconds = time.monotonic() - began
    time.sleep(0.3)
    return seconds


def _in_a_row(run: dict[str, Any]) -> float:
    """Add up a run's calls, as the calls took: those that ran side by side count as the longest of them."""
    by_step = {step["name"]: step["calls"] for step in run["steps"]}
    folders = [call for call in by_step["room"] if "/files/folder/" in call["path"] and call["method"] == "POST"]
    others = [call for call in by_step["room"] if call not in folders]
    room = _total(others) + max((call["milliseconds"] for call in folders), default=0)
    side_by_side = max(_total(by_step["invite"]), _total(by_step["link"]))
    return (room + side_by_side + _total(by_step["note_on_ticket"])) / 1000


def _total(calls: list[dict[str, Any]]) -> int:
    return sum(call["milliseconds"] for call in calls)


def _runs(folder: Path, secrets: dict[str, str]) -> list[dict[str, Any]]:
    time.sleep(1)
    listed = _ask(folder, secrets, "runs", "list", "--limit", "1000")
    return [_ask(folder, secrets, "runs", "show", str(one["id"])) for one in reversed(listed)]


def _ask(folder: Path, secrets: dict[str, str], *words: str) -> Any:
    command = [sys.executable, "-m", "roomkeeper", *words, "--json", "-c", str(folder / "roomkeeper.yaml")]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **secrets})
    return json.loads(told.stdout)


if __name__ == "__main__":
    main()
