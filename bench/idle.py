"""What a service costs that has nothing to do: processor time and memory, by the number of connections.

Of all its processes together; memory that they share is counted once (PSS). Once in parts and once as one process
(`--together`). Beside it in the same run: an interpreter that sleeps, and looks at its clock ten times a second.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from processes import end, spawn

from roomkeeper.demo import Portal, free_port, wait_for

OWNER_KEY = "sk-" + "0" * 63 + "1"
SLEEPER = "import time\nwhile True: time.sleep(0.1); time.time()"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--connections", type=int, nargs="+", default=[1, 5, 15, 40])
    arguments.add_argument("--seconds", type=float, default=30.0)
    options = arguments.parse_args()
    sleeper = subprocess.Popen([sys.executable, "-c", SLEEPER])
    _told("an interpreter that sleeps", sleeper, options.seconds)
    port = free_port()
    simulator = spawn("simulate", "--port", str(port))
    try:
        portal = Portal(f"http://127.0.0.1:{port}", OWNER_KEY)
        wait_for(f"{portal.url}/_sim/usage", process=simulator)
        keeper = portal.direct("POST", "/users", json={"name": "keeper", "email": "k@x.example", "kind": "room_admin"})
        for number in options.connections:
            for more in ([], ["--together"]):
                _measured(portal, keeper["key"], number, more, options.seconds)
    finally:
        end(simulator)


def _measured(portal: Portal, key: str, number: int, more: list[str], seconds: float) -> None:
    with tempfile.TemporaryDirectory() as place:
        port, file = free_port(), Path(place) / "roomkeeper.yaml"
        lines = ["version: 1", f"listen: 127.0.0.1:{port}", "connections:"]
        portals = f"{{type: docspace, url: '{portal.url}', api_key: !env KEY, unsigned: true}}"
        lines += [f"  portal{at}: {portals}" for at in range(number)]
        copy = "on: file.uploaded, steps: [{do: copy_files, with: {to: 1}}]"
        lines += ["automations:", *(f"  - {{name: copies{at}, from: portal{at}, {copy}}}" for at in range(number))]
        file.write_text("\n".join(lines) + "\n")
        service = spawn("serve", "-c", str(file), *more, KEY=key)
        wait_for(f"http://127.0.0.1:{port}/readyz", process=service)
        time.sleep(45)  # what is done at the start only: also the second search, half a minute later
        shape = "together" if more else "in parts"
        _told(f"{number} connection{'s' if number > 1 else ''}, {shape}", service, seconds)


def _told(what: str, process: "subprocess.Popen[bytes]", seconds: float) -> None:
    try:
        first = psutil.Process(process.pid)
        seen = [first, *first.children(recursive=True)]
        before = [sum(one.cpu_times()[:2]) for one in seen]
        time.sleep(seconds)
        used = [sum(one.cpu_times()[:2]) - then for one, then in zip(seen, before, strict=True)]
        memory = sum(one.memory_full_info().pss for one in seen) / 2**20
        each = " + ".join(f"{100 * one / seconds:.1f}" for one in used)
        print(f"{what:>26}: {100 * sum(used) / seconds:5.1f} % of a core ({each}), {memory:4.0f} MiB", flush=True)
    finally:
        end(process)


if __name__ == "__main__":
    main()
