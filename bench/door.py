"""What strangers cost those who are genuine: the same deliveries with nobody else there, and while strangers try.

One Roomkeeper, copies going on as in `ack.py`; 50 genuine deliveries a second, timed from when they were due. Before
each kind of stranger the quiet median is taken anew, so that a noisy machine is noisy for both. Memory and store are
those of the same processes before and after.

    python bench/door.py [--seconds 6]
"""

import argparse
import asyncio
import contextlib
import itertools
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import psutil
from ack import keeper_at_work, steadily

RATE = 50  # genuine deliveries a second
MEGABYTE = 1024 * 1024

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def opened(port: int) -> Line:
    return await asyncio.open_connection("127.0.0.1", port)


async def pour_heads(port: int) -> None:
    """Twenty times a second a head of up to 4 MB."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await opened(port)
            writer.write(b"POST /hooks/portal HTTP/1.1\r\nHost: x\r\n")
            for _ in range(500):
                writer.write(b"X-Much: " + b"x" * 8000 + b"\r\n")
                await writer.drain()
            writer.close()
        await asyncio.sleep(0.05)


async def say_nothing(port: int) -> None:
    """1,100 connections on which nothing comes; what is closed is opened again."""
    silent: list[Line] = []
    while True:
        silent = [line for line in silent if not line[0].at_eof()]
        with contextlib.suppress(OSError):
            silent += [await opened(port) for _ in range(min(50, 1100 - len(silent)))]
        await asyncio.sleep(0.02)


async def halve_bodies(port: int) -> None:
    """400 bodies of 2 MB that lack a byte, with a signature that is none."""
    head = f"POST /hooks/portal HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * MEGABYTE}\r\n"
    begun = f"{head}X-DocSpace-Signature-256: sha256=00\r\n\r\n".encode()

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await opened(port)
                writer.write(begun)
                for _ in range(31):
                    writer.write(b"x" * 65_536)
                    await writer.drain()
                await reader.read()
                writer.close()
            await asyncio.sleep(10)

    await asyncio.gather(*(one() for _ in range(400)))


async def be_refused(port: int) -> None:
    """100 times a second a request without a proof, with 50 names of 500 characters."""
    names = "".join(f"x-{number}-{'n' * 500}: {'v' * 100}\r\n" for number in range(50))
    whole = f"POST /hooks/portal HTTP/1.1\r\nHost: x\r\n{names}Content-Length: 9\r\n\r\nsomething".encode()
    await _asking(port, whole)


async def read_the_api(port: int) -> None:
    """100 times a second what the API would say of itself."""
    await _asking(port, b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")


async def _asking(port: int, whole: bytes) -> None:
    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await opened(port)
                writer.write(whole)
                await reader.read(100)
                writer.close()
            await asyncio.sleep(0.1)

    await asyncio.gather(*(one() for _ in range(10)))


STRANGERS: dict[str, Callable[[int], Awaitable[None]]] = {
    "heads": pour_heads,
    "silence": say_nothing,
    "half bodies": halve_bodies,
    "refused": be_refused,
    "the API": read_the_api,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, _ = stack.enter_context(keeper_at_work(folder))
        port, numbers = int(url.rpartition(":")[2]), itertools.count()
        served = [one for one in psutil.process_iter() if str(folder) in " ".join(_command(one))]

        def median() -> float:
            took, _ = asyncio.run(steadily(url, numbers, options.seconds, rate=RATE))
            return statistics.median(took) * 1000

        median()  # what is loaded at the first deliveries is nobody's fault
        print(f"{'':12} {'quiet':>9} {'with them':>10} {'ratio':>6} {'memory':>9} {'store':>8}")
        for name in STRANGERS:
            quiet, memory, store = median(), _memory(served), _size(folder)
            strangers = subprocess.Popen([sys.executable, __file__, "--stranger", name, str(port)])
            try:
                time.sleep(2)
                beside = median()
            finally:
                strangers.terminate()
                strangers.wait()
            grown, more = _memory(served) - memory, _size(folder) - store
            told = f"{quiet:6.1f} ms {beside:7.1f} ms {beside / quiet:6.2f}"
            print(f"{name:12} {told} {grown / MEGABYTE:6.1f} MB {more / MEGABYTE:5.1f} MB", flush=True)


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def _memory(served: Sequence[psutil.Process]) -> int:
    """Measure what a service takes in all its processes; what they share is counted for each, before and after."""
    return sum(one.memory_info().rss for one in served)


def _size(folder: Path) -> int:
    """Measure the store without its journal, which has a size of its own."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.name.endswith("-wal"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--stranger"]:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        asyncio.run(STRANGERS[sys.argv[2]](int(sys.argv[3])))  # type: ignore[arg-type]
    else:
        main()
