"""The log: for people on a terminal, as JSON lines elsewhere; whatever is said, no secret is in it."""

import logging
from collections.abc import Callable
from typing import TextIO

import structlog


def start_log(redact: Callable[[str], str], stream: TextIO, **known: str) -> None:
    """Log from now on; `known` is told with every line."""
    human = stream.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            lambda _, __, line: {**line, **known},
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if human else [structlog.processors.format_exc_info]),
            structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer(),
            lambda _, __, line: redact(str(line)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Redacting(redact))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # what strangers do wrong is said by the door, sparingly


class _Redacting(logging.Formatter):
    """Writes what libraries log, tracebacks too, without secrets."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Write one line, or more."""
        return self._redact(super().format(record))
