"""Roomkeepers in processes of their own, forked off one that is loaded: loading takes a second and a half."""

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import psutil
import pytest

from stage import measuring

_forking = multiprocessing.get_context("forkserver")
#: What measures is the first: it marks what is loaded after it.
_forking.set_forkserver_preload([measuring.plugin.__name__, "stage.loaded"])


@functools.cache
def _loaded() -> Any:
    """Give what forks, once what it forks is loaded. It has no other way to learn where the tests' modules lie."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return _forking


class Apart:
    """A command that runs apart; what can be done with it is named as `subprocess.Popen` names it."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], said: Path) -> None:
        self._process = _loaded().Process(target=_run, args=(list(words), dict(environment), str(said)))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _run(words: list[str], environment: dict[str, str], said: str) -> None:
    """Do what `python -m roomkeeper` does, in the environment and with the output that a process of its own has."""
    from roomkeeper import cli

    os.environ.clear()
    os.environ.update(environment)
    output = os.open(said, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    sys.argv[:] = ["roomkeeper", *words]
    measuring.written_at_the_end()
    cli.main()


def forks(process: psutil.Process) -> bool:
    """Whether it is one that others are forked off, or counts what they share: they end with this process."""
    return any(word.startswith("from multiprocessing.") for word in process.cmdline())
