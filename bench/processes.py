"""Roomkeeper's commands as processes of their own, quiet ones."""

import os
import subprocess
import sys


def spawn(*words: str, **environment: str) -> "subprocess.Popen[bytes]":
    """Give a command, with some more in its environment."""
    command = [sys.executable, "-m", "roomkeeper", *words]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env={**os.environ, **environment}, stdout=quiet, stderr=quiet)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Have it end, and wait until it has."""
    process.terminate()
    process.wait(30)
