"""Roomkeepers in processes of their own, forked off this one before it does anything: to load takes seconds."""

import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path

import psutil
import pytest

from stage import measuring

_forking = multiprocessing.get_context("forkserver")
_servers = set[int]()  # the process that forks


def begin() -> None:
    """Begin what forks; it is forked off this process, where multiprocessing would start it and have it load anew."""
    resource_tracker.ensure_running()
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(util, "spawnv_passfds", _forked)
        forkserver.ensure_running()


def _forked(_path: str, words: Sequence[str], kept: Sequence[int]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what else runs here waits for the next test to do
        process = os.fork()
    if process:
        _servers.add(process)
        return process
    warnings.resetwarnings()
    warnings.simplefilter("ignore")  # as it is where no test is
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    first = 3
    for one in [*sorted(kept), os.sysconf("SC_OPEN_MAX")]:
        os.closerange(first, one)
        first = one + 1
    with contextlib.suppress(SystemExit):  # as it ends when this process has ended
        exec(words[-1], {})
    os._exit(0)


class Apart:
    """A command that runs apart; what can be done with it is named as `subprocess.Popen` names it."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], said: Path) -> None:
        self._process = _forking.Process(target=_run, args=(list(words), dict(environment), str(said)))
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
    """Whether it is the one that others are forked off, or the one that counts what they share: both end with this."""
    return process.pid in _servers or "from multiprocessing.resource_tracker" in " ".join(process.cmdline())
