"""How the tests are dealt out, what each process of them loads, and where the time goes.

What deals the tests out to others loads nothing of the product: all would wait for it.
"""

import gc
import importlib
import os
import sys
from pathlib import Path

import hypothesis
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))

#: Tests do not time things, and neither does Hypothesis: its neighbours may take the processor.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")
ROOT = Path(__file__).parents[1]
LEDGER = ROOT / "test-output" / "durations.tsv"


def pytest_configure(config: pytest.Config) -> None:
    """Load what is tried, and have what others are forked off forked off this process while it does nothing yet."""
    if _deals_out(config):
        return
    pytest.register_assert_rewrite("stage.fixtures")
    config.pluginmanager.register(importlib.import_module("stage.fixtures"))
    importlib.import_module("stage.processes").begin()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin the ledger of where the time goes."""
    if not hasattr(session.config, "workerinput"):
        LEDGER.parent.mkdir(exist_ok=True)
        LEDGER.write_text("")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have each worker begin with its part of what takes long, so that no such test stands alone at the end.

    Workers begin with equal parts of the list, and then take from each other's ends.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [one for one in items if one.get_closest_marker("long")]
    rest = [one for one in items if not one.get_closest_marker("long")]
    size, begun = -(-len(items) // workers), list[pytest.Item]()
    for worker in range(workers):
        part = long[worker::workers]
        begun += [*part, *rest[: size - len(part)]]
        del rest[: size - len(part)]
    items[:] = begun + rest
    gc.collect()
    gc.freeze()  # what is loaded stays: it need not be looked through again and again


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write a line for each part of a test that took time. Workers report to the one process that writes."""
    if report.duration >= 0.1 and "PYTEST_XDIST_WORKER" not in os.environ:
        with LEDGER.open("a") as ledger:
            ledger.write(f"{report.duration:.1f}\t{report.when}\t{report.outcome}\t{report.nodeid}\n")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Sort it, the slowest first; and let no process outlive the tests."""
    if "PYTEST_XDIST_WORKER" not in os.environ and LEDGER.exists():
        lines = LEDGER.read_text().splitlines()
        LEDGER.write_text("".join(f"{line}\n" for line in sorted(lines, key=lambda line: -float(line.split()[0]))))
    if _deals_out(session.config):
        return
    importlib.import_module("stage.measuring").gather()
    forks = importlib.import_module("stage.processes").forks
    children = psutil.Process().children(recursive=True)
    left = [f"{one.pid} {' '.join(one.cmdline())}" for one in children if not forks(one)]
    if left:
        raise pytest.UsageError(f"processes outlived the tests: {left}")


def _deals_out(config: pytest.Config) -> bool:
    return not hasattr(config, "workerinput") and bool(config.getoption("numprocesses", None))
