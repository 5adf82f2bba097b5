"""The log: a line is an object wherever it comes from, no secret is in it, and nobody fails by it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from roomkeeper.serving.log import start_log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    handlers = logging.getLogger().handlers[:]
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers


def lines(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


def test_each_line_is_an_object_that_names_whom_it_is_about_and_holds_no_secret() -> None:
    stream = io.StringIO()
    start_log(lambda text: text.replace("hidden", "…"), stream, part="supervisor")

    structlog.get_logger("a").warning("a part ended", part="door", by="hidden")
    structlog.get_logger("a").warning("stopping")
    logging.getLogger("dbos").error("cannot reach hidden\nat all")
    logging.getLogger("somebody.else").error("broken", exc_info=ValueError("hidden"))

    written = lines(stream.getvalue())
    assert [one["part"] for one in written] == ["door", "supervisor", "supervisor", "supervisor"]
    assert [one["event"].splitlines()[0] for one in written] == ["a part ended", "stopping", "cannot reach …", "broken"]
    assert "hidden" not in stream.getvalue()


class Full(io.StringIO):
    """A stream on a disk that is full, or that nobody reads any more."""

    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise BrokenPipeError


def test_a_log_that_cannot_be_written_changes_nothing() -> None:
    start_log(str, Full())

    structlog.get_logger("a").error("nobody reads this", exc_info=ValueError("x"))
    logging.getLogger("dbos").error("nor this")
