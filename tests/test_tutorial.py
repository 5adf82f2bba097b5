"""The tutorial, followed to the letter: each command is given, and prints what stands there."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from stage import free_port

PAGE = Path(__file__).parents[1] / "docs" / "tutorial" / "first-hour.md"


@dataclass
class Given:
    """One command, what it is to print, and how it is given."""

    kind: str
    words: str
    printed: list[str] = field(default_factory=list)


def commands(text: str) -> Iterator[Given]:
    for kind, block in re.findall(r"^```console ?(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        given: list[Given] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                given.append(Given(kind, line[2:]))
            else:
                given[-1].printed.append(line)
        yield from given


def fits(expected: list[str], printed: str) -> bool:
    """Whether it is what stands there; `…` alone on a line stands for any lines, within one for anything in it."""
    parts = [r"(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r" *\n" for line in expected]
    return (
        re.fullmatch("".join(parts), printed if printed.endswith("\n") or not printed else f"{printed}\n") is not None
    )


class Reader:
    """Somebody who follows the page: two ports of their own, a folder, terminals."""

    def __init__(self, folder: Path) -> None:
        self.ports = {"8090": str(free_port()), "8080": str(free_port())}
        self.folder = folder
        self.state = folder / "state"
        self.state.write_text(f"cd {folder}\n")
        binaries = Path(sys.executable).parent
        self.environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "COLUMNS": "240"}
        self.others: list[subprocess.Popen[bytes]] = []

    def own(self, text: str) -> str:
        for there, here in self.ports.items():
            text = re.sub(rf"\b{there}\b", here, text)
        return text

    def give(self, words: str) -> str:
        """Give a command in the first terminal; where it is and what it exported stays."""
        script = f". {self.state}\n{self.own(words)}\n{{ export -p; echo cd $PWD; }} > {self.state}"
        told = subprocess.run(
            ["bash", "-ec", script], env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert told.returncode == 0, f"{words}\n{told.stdout}{told.stderr}"
        return told.stdout

    def give_elsewhere(self, given: Given) -> None:
        """Give a command in a terminal of its own, and read until what stands there has come."""
        log = self.folder / f"terminal-{len(self.others)}"
        with log.open("wb") as there:
            script = f". {self.state}\nexec {self.own(given.words)}"
            self.others.append(
                subprocess.Popen(["bash", "-ec", script], env=self.environment, stdout=there, stderr=there)
            )
        port = self.ports["8090" if "simulate" in given.words else "8080"]
        self.give(
            f"for n in $(seq 300); do curl -s -o /dev/null http://127.0.0.1:{port}/livez && break; sleep 0.1; done"
        )
        assert fits([self.own(line) for line in given.printed], log.read_text()), log.read_text()

    def leave(self) -> None:
        for one in reversed(self.others):
            one.send_signal(signal.SIGTERM)
            one.wait(30)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    one = Reader(tmp_path)
    yield one
    one.leave()


@pytest.mark.long
def test_each_command_of_the_first_hour_prints_what_stands_there(reader: Reader) -> None:
    followed = 0
    for given in commands(PAGE.read_text()):
        expected = [reader.own(line) for line in given.printed]
        if given.kind == "second":
            reader.give_elsewhere(given)
        elif given.kind == "settled":
            end = time.monotonic() + 60
            while not fits(expected, printed := reader.give(given.words)) and time.monotonic() < end:
                time.sleep(0.5)
            assert fits(expected, printed), f"{given.words}\n{printed}"
        else:
            printed = reader.give(given.words)
            assert fits(expected, printed), f"{given.words}\n{printed}"
        followed += 1

    assert followed >= 19


@pytest.mark.parametrize(
    ("expected", "printed", "does"),
    [
        (["a … c"], "a b c\n", True),
        (["a … c"], "a b d\n", False),
        (["a", "…", "c"], "a\nb\nb\nc\n", True),
        (["a", "c"], "a\nb\nc\n", False),
        (["a", "…"], "a\n", True),
        ([], "", True),
        ([], "surprise\n", False),
    ],
)
def test_what_is_printed_is_compared(expected: list[str], printed: str, does: bool) -> None:
    assert fits(expected, printed) is does
