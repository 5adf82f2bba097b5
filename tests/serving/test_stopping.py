"""A signal that asks to stop is heard whenever it comes: while a loop runs, before it, between two, after the last."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable

import pytest
from starlette.applications import Starlette

from roomkeeper.serving.listening import Stopped, bound, fast_loop, serve_until

LOOPS = [asyncio.new_event_loop, fast_loop]


def ask() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def served(stopped: Stopped, loop_of: Callable[[], asyncio.AbstractEventLoop], *, over: bool = False) -> None:
    """Serve until it is over, or for as long as nobody asks to stop."""

    async def one() -> None:
        ended = asyncio.Event()
        if over:
            ended.set()
        with bound("127.0.0.1", 0) as line:
            await asyncio.wait_for(serve_until(ended, Starlette(), line, stopped), 20)

    with asyncio.Runner(loop_factory=loop_of) as runner:
        runner.run(one())


@pytest.mark.parametrize("loop_of", LOOPS)
def test_one_that_comes_while_it_serves_ends_it(loop_of: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with Stopped() as stopped:
        threading.Timer(0.3, ask).start()
        served(stopped, loop_of)

    assert stopped.asked


@pytest.mark.parametrize("loop_of", LOOPS)
def test_one_that_came_before_ends_it_at_once(loop_of: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with Stopped() as stopped:
        ask()
        served(stopped, loop_of)

    assert stopped.asked


@pytest.mark.parametrize("loop_of", LOOPS)
def test_one_that_comes_when_the_loop_is_closed_is_known_to_who_goes_on(
    loop_of: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Stopped() as stopped:
        served(stopped, loop_of, over=True)
        assert not stopped.asked
        ask()

    assert stopped.asked
    assert signal.getsignal(signal.SIGTERM) is before
