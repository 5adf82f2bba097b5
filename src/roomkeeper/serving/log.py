"""The log: for people on a terminal, as JSON lines elsewhere; whatever is said, no secret is in it."""

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO, cast

import structlog


def start_log(redact: Callable[[str], str], stream: TextIO, **known: str) -> None:
    """Log from now on; `known` is told with every line."""
    human = stream.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
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
