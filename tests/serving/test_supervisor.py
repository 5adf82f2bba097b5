"""The supervisor by itself: what fails at the start ends all, what hangs is ended, what keeps falling is given time."""

import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest
from stage import until

from roomkeeper.serving import supervisor
from roomkeeper.serving.supervisor import Part

BEGIN = """
import os, signal, socket, sys, threading, time
from roomkeeper.serving import supervisor
from roomkeeper.serving.log import start_log

supervisor.BEAT, supervisor.HUNG_AFTER, supervisor.STOPPING = 0.2, 1.5, 3.0
start_log(str, sys.stderr, part="supervisor")

def lives(place):
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(1))
    while not over:
        place.beat()
        time.sleep(0.1)
    os.write(1, f"{place.role} stopped\\n".encode())  # in one piece: the others write there, too
    return 0

def run(become, roles=("door", "worker", "desk")):
    line = socket.socket()
    line.bind(("127.0.0.1", 0))
    sys.exit(supervisor.Supervisor(roles, line, become).run())
"""


def started(become: str) -> "subprocess.Popen[str]":
    """Supervise parts that do what is given."""
    script = BEGIN + textwrap.dedent(become) + "\nrun(become)\n"
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_all_stop_when_it_is_asked_to_and_the_door_is_the_first() -> None:
    service = started("become = lives")
    until(lambda: len(psutil.Process(service.pid).children()) == 3)
    time.sleep(0.5)  # they hear signals
    service.send_signal(signal.SIGTERM)
    said, _ = service.communicate(timeout=20)

    assert service.returncode == 0
    assert said.splitlines()[0] == "door stopped"
    assert sorted(said.splitlines()) == ["desk stopped", "door stopped", "worker stopped"]


def test_what_cannot_begin_ends_all_with_its_exit_code() -> None:
    service = started(
        """
        def become(place):
            if place.role != "desk":
                return lives(place)
            time.sleep(1)  # the others hear signals
            return 2
        """
    )
    said, _ = service.communicate(timeout=20)

    assert service.returncode == 2
    assert "door stopped" in said
    assert "worker stopped" in said


def test_a_fault_in_a_part_is_said_and_ends_only_that_part() -> None:
    service = started(
        """
        def become(place):
            if place.role == "desk":
                place.beat()
                time.sleep(0.5 if place.is_first else 3600)
                raise ValueError("something of ours")
            return lives(place)
        """
    )
    until(lambda: len(psutil.Process(service.pid).children()) == 3)
    (first, *_) = (one.pid for one in psutil.Process(service.pid).children()[:1])
    time.sleep(1.2)
    after = [one.pid for one in psutil.Process(service.pid).children()]
    service.send_signal(signal.SIGTERM)
    said, _ = service.communicate(timeout=20)

    assert first in after
    assert "ValueError: something of ours" in said
    assert "a part of the service ended; it is started again" in said


def test_what_hangs_is_ended_and_started_again() -> None:
    service = started(
        """
        def become(place):
            if place.role == "worker" and place.is_first:
                place.beat()
                time.sleep(3600)
            if place.role == "worker":  # who is asked to stop before it hears signals says nothing
                threading.Timer(0.5, os.write, (1, b"worker is there again\\n")).start()
            return lives(place)
        """
    )
    said = ""
    assert service.stdout is not None
    while "worker is there again" not in said or "signal 9" not in said:
        said += service.stdout.readline()
    service.send_signal(signal.SIGTERM)
    rest, _ = service.communicate(timeout=20)

    assert "a part of the service hangs" in said
    assert "worker stopped" in rest


def test_what_does_not_stop_is_ended() -> None:
    service = started(
        """
        def become(place):
            if place.role != "worker":
                return lives(place)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                place.beat()
                time.sleep(0.1)
        """
    )
    until(lambda: len(psutil.Process(service.pid).children()) == 3)
    time.sleep(0.5)
    children = psutil.Process(service.pid).children()
    service.send_signal(signal.SIGINT)
    said, _ = service.communicate(timeout=20)

    assert service.returncode == 71
    assert "stopping took too long" in said
    assert [one for one in children if one.is_running()] == []


def test_who_falls_again_and_again_is_given_ever_more_time_and_none_after_it_has_lived() -> None:
    part = Part("worker")
    rests = []
    for _ in range(9):
        part.begun_at = 100.0
        rests.append(part.ended(100.5))
    part.begun_at = 100.0

    assert rests == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert part.ended(100.0 + 61) == 0.0


@pytest.mark.parametrize(
    ("part", "is_hung"),
    [
        (Part("worker", pid=7, is_ready=True, beat_at=0.0), True),
        (Part("worker", pid=7, is_ready=False, beat_at=0.0), False),  # it begins: a store may take its time to migrate
        (Part("worker", pid=7, is_ready=False, beat_at=-supervisor.BEGUN_WITHIN), True),
        (Part("worker", pid=0, is_ready=True, beat_at=0.0), False),
        (Part("worker", pid=7, is_ready=True, beat_at=100.0), False),
    ],
)
def test_a_part_hangs_when_it_was_there_and_gives_no_sign(part: Part, is_hung: bool) -> None:
    assert part.is_hung(supervisor.HUNG_AFTER + 1.0) is is_hung
