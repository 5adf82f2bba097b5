"""Tracing: one trace from a delivery to its verified effect, for those who run an OpenTelemetry collector.

An extra (`pip install 'roomkeeper[tracing]'`); it is on where OTEL_EXPORTER_OTLP_ENDPOINT is set, and costs nothing
elsewhere. A run may be walked by several processes, so its trace is passed on with its events.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import structlog

log = structlog.get_logger("tracing")

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_NANOSECONDS = 1_000_000_000
_tracer: Any = None


def start() -> None:
    """Trace, if that is wanted and installed."""
    global _tracer  # noqa: PLW0603 - a process traces, or does not
    if not os.environ.get(_ENDPOINT):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        log.warning("not traced", reason=f"{_ENDPOINT} is set, and the extra is not installed: roomkeeper[tracing]")
        return
    provider = TracerProvider(resource=Resource.create({"service.name": "roomkeeper"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer("roomkeeper")


@contextlib.contextmanager
def delivery(connection: str) -> Iterator[str]:
    """Trace the taking of a delivery; gives what is to be kept with its events, empty if nothing is traced."""
    if _tracer is None:
        yield ""
        return
    with _tracer.start_as_current_span("receive delivery", attributes={"roomkeeper.connection": connection}) as span:
        context = span.get_span_context()
        yield f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def is_on() -> bool:
    """Whether this process traces."""
    return _tracer is not None


@contextlib.contextmanager
def step(trace: str, run: int, name: str, do: str) -> Iterator[Any]:
    """Trace a step of a run, below the delivery that it is for; gives the span, for its calls."""
    if _tracer is None:
        yield None
        return
    about = {"roomkeeper.run": run, "roomkeeper.step": do}
    with _tracer.start_as_current_span(f"step {name}", context=_below(trace or _of_run(run)), attributes=about) as span:
        yield span


def call(span: Any, connection: str, made: Mapping[str, Any]) -> None:  # noqa: ANN401 - a span
    """Trace a call to a service that was just made."""
    if _tracer is None or span is None:
        return
    from opentelemetry.trace import SpanKind, set_span_in_context  # noqa: PLC0415 - an extra

    ended = int(time.time() * _NANOSECONDS)
    about = {
        "http.request.method": made["method"],
        "url.path": made["path"],
        "http.response.status_code": made["status"],
        "roomkeeper.connection": connection,
    }
    one = _tracer.start_span(
        f"{made['method']} {connection}",
        context=set_span_in_context(span),
        kind=SpanKind.CLIENT,
        start_time=ended - made["milliseconds"] * 1_000_000,
        attributes=about,
    )
    one.end(end_time=ended)


def ended(trace: str, run: int, automation: str, state: str, began: float) -> None:
    """Trace a run as a whole: from when it was made until what it did was verified."""
    if _tracer is None:
        return
    about = {"roomkeeper.run": run, "roomkeeper.state": state}
    start_at = int(began * _NANOSECONDS)
    context = _below(trace or _of_run(run))
    _tracer.start_span(f"run {automation}", context=context, start_time=start_at, attributes=about).end()


def _below(trace: str) -> Any:  # noqa: ANN401 - a context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - an extra

    return TraceContextTextMapPropagator().extract({"traceparent": trace})


def _of_run(run: int) -> str:
    """Make up a trace for a run whose events were not delivered, the same in every process."""
    digest = hashlib.sha256(f"run {run}".encode()).hexdigest()
    return f"00-{digest[:32]}-{digest[32:48]}-01"
