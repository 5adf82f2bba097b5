"""Somebody who has nothing yet but a portal: a service without a configuration, and the link that it printed."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stage.ports import free_port
from stage.processes import Apart
from stage.waiting import until

PASSWORD = "correct horse battery"


class Newcomer:
    """A `serve` in a folder of its own, which asks for what it needs."""

    def __init__(self, folder: Path) -> None:
        self.file, self.port = folder / "roomkeeper.yaml", free_port()
        self._said = folder / "said"
        words = ["setup", "-c", str(self.file), "--listen", f"127.0.0.1:{self.port}"]
        self.process = Apart(words, os.environ, self._said)
        until(lambda: "once=" in self.said, within=60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        return self._said.read_text() if self._said.exists() else ""

    @property
    def link(self) -> str:
        found = re.search(r"http://\S+once=\S+", self.said)
        assert found is not None
        return found[0]

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            raise


@contextmanager
def newcomer(folder: Path) -> Iterator[Newcomer]:
    one = Newcomer(folder)
    try:
        yield one
    finally:
        one.stop()
