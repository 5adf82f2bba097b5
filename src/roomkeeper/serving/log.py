"""The log: for people on a terminal, as JSON lines elsewhere; whatever is said, no secret is in it."""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO, cast

import structlog

_SAID_AGAIN = 60.0  # seconds; ours
_MOST = 1_000  # different warnings that are remembered; ours


def start_log(redact: Callable[[str], str], stream: TextIO, **known: str) -> None:
    """Log from now on; `known` is told with every line."""
    human = stream.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            Sparingly(),
            lambda _, __, line: {**known, **line},  # what is about another part names that one
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if human else [structlog.processors.format_exc_info]),
            structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer(),
            lambda _, __, line: redact(str(line)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Unfailing(stream))),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Redacting(redact, known, human=human))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    engine = logging.getLogger("dbos")  # it would write by itself, past what takes secrets out
    engine.handlers[:], engine.propagate = [logging.NullHandler()], True
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # what strangers do wrong is said by the door, sparingly


class Sparingly:
    """Lets the same warning through once a minute, and says with the next one how often it was the case since.

    The same are those that say the same in every word; or of which `alike` is the same, for words that a stranger may
    choose. What says `each` is said each time: somebody counts it, or it is one of two words about the same.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._said: dict[str, tuple[float, int]] = {}

    def __call__(self, _: object, level: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Let a line through. Raises DropEvent."""
        alike, each = line.pop("alike", None), line.pop("each", False)
        if level != "warning" or each:
            return line
        key = repr((line["event"], alike if alike is not None else sorted(line.items(), key=lambda one: one[0])))
        now = self._now()
        at, many = self._said.get(key, (now - _SAID_AGAIN, 0))
        if now - at < _SAID_AGAIN:
            self._said[key] = (at, many + 1)
            raise structlog.DropEvent
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said[key] = (now, 0)
        return {**line, "times_since": many} if many else line


class _Unfailing:
    """A stream that nobody fails by: a full disk or a reader that is gone must not change what is logged about."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write it, or lose it."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        """See that it is written, or lose it."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class _Redacting(logging.Formatter):
    """Writes what libraries log, tracebacks too, without secrets: as the other lines are."""

    def __init__(self, redact: Callable[[str], str], known: Mapping[str, str], *, human: bool) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s" if human else "%(message)s")
        self._redact, self._known, self._human = redact, known, human

    def format(self, record: logging.LogRecord) -> str:
        """Write one line; for people, more if there are more."""
        said = super().format(record)
        if not self._human:
            at = datetime.fromtimestamp(record.created, UTC).isoformat()
            line = {"logger": record.name, "event": said, "level": record.levelname.lower(), "timestamp": at}
            said = json.dumps(dict(self._known) | line)
        return self._redact(said)
