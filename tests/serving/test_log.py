"""The log: a line is an object wherever it comes from, no secret is in it, and nobody fails by it."""

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from roomkeeper.serving.log import Sparingly, start_log


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


def test_what_is_said_again_and_again_is_one_line_and_the_next_one_counts_it() -> None:
    stream = io.StringIO()
    start_log(str, stream)
    said = structlog.get_logger("a")

    for number in range(1000):
        said.warning("a delivery is refused", connection="crm", reason=f"signed {number} s ago", alike="crm")
        said.warning("cannot look for events", reason="the store cannot be read")
        said.warning("an event waits", event_id=number % 3)
        said.error("a part ended")

    written = lines(stream.getvalue())
    assert [one["event"] for one in written if one["level"] == "warning"] == [
        "a delivery is refused",
        "cannot look for events",
        *["an event waits"] * 3,
    ]
    assert len(written) == 1005
    assert all("alike" not in one for one in written)


def test_after_a_minute_it_is_said_again_with_how_often_it_was_the_case() -> None:
    now = [1_000.0]
    sparingly = Sparingly(lambda: now[0])
    heard = []

    for _ in range(130):
        with contextlib.suppress(structlog.DropEvent):
            heard.append(sparingly(None, "warning", {"event": "cannot look"}).get("times_since", 0))
        now[0] += 1.0

    assert heard == [0, 59, 59]


def test_what_is_remembered_is_bounded() -> None:
    sparingly = Sparingly()

    for number in range(10_000):
        sparingly(None, "warning", {"event": "an event waits", "event_id": number})

    assert len(sparingly._said) <= 1_000
