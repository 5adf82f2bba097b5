"""What is measured: that it is there, that it is right, and that the dashboard and the rules ask for what there is."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from people import PROGRAM, PROGRAMS, with_a_token
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML
from stage import Keeper, Rooms, copy_uploads, simulated_portal, until

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"


class Collector:
    """A pretend OpenTelemetry collector: takes spans by HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = ExportTraceServiceRequest()
                sent.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
                collector.spans += [s for r in sent.resource_spans for scope in r.scope_spans for s in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Keeper]:
    with simulated_portal() as portal:
        rooms = Rooms(portal)
        folder = tmp_path_factory.mktemp("metrics")
        top = {"dashboard": PROGRAMS}
        one = with_a_token(Keeper(folder, portal, rooms.keeper_key, [copy_uploads(rooms)], catch_up=False, top=top))
        one.environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        one.start_apart()  # tracing is a matter of the whole process
        one.register()
        rooms.upload("File.docx")
        one.settle(lambda: rooms.copies() == 1)
        yield one
        one.stop()


def metrics(keeper: Keeper) -> dict[str, list[Any]]:
    text = httpx2.get(f"{keeper.url}/metrics", headers=PROGRAM).text
    found: dict[str, list[Any]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def test_what_happened_is_measured(keeper: Keeper) -> None:
    until(lambda: "roomkeeper_runs_ended_total" in metrics(keeper))
    found = metrics(keeper)

    accepted = [one for one in found["roomkeeper_events_total"] if one.labels["status"] == "accepted"]
    assert [one.value for one in accepted] == [1]
    (ended,) = found["roomkeeper_runs_ended_total"]
    assert (ended.labels, ended.value) == ({"automation": "copy-client-uploads", "state": "done"}, 1)
    (verified,) = found["roomkeeper_event_to_verified_seconds_count"]
    assert verified.value == 1
    assert {one.labels["step"] for one in found["roomkeeper_step_seconds_count"]} == {"copy_files"}
    assert {one.labels["status"] for one in found["roomkeeper_call_seconds_count"]} == {"200"}
    (limit,) = found["roomkeeper_budget_writes_a_day_limit"]
    assert limit.value == 10_000
    (used,) = found["roomkeeper_budget_writes_today"]
    assert used.value > 0


def test_the_dashboard_and_the_rules_ask_for_what_there_is(keeper: Keeper) -> None:
    until(lambda: "roomkeeper_runs_ended_total" in metrics(keeper))
    known = set(metrics(keeper))
    rules = YAML(typ="safe").load((MONITORING / "alerts.yaml").read_text())
    panels = json.loads((MONITORING / "grafana.json").read_text())["panels"]

    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    asked += [target["expr"] for panel in panels for target in panel["targets"]]
    names = {name for expression in asked for name in re.findall(r"roomkeeper_\w+", expression)}
    assert len(asked) > 15
    assert names <= known


def test_one_trace_leads_from_a_delivery_to_its_verified_effect(keeper: Keeper, collector: Collector) -> None:
    def named(start: str) -> list[Any]:
        return [span for span in collector.spans if span.name.startswith(start)]

    until(lambda: bool(named("run copy-client-uploads")))
    (run,) = named("run copy-client-uploads")
    trace = [span for span in collector.spans if span.trace_id == run.trace_id]

    (delivery,) = [span for span in trace if span.name == "receive delivery"]
    (step,) = [span for span in trace if span.name == "step copy_files"]
    calls = [span for span in trace if span.parent_span_id == step.span_id]
    assert run.parent_span_id == step.parent_span_id == delivery.span_id
    paths = {one.value.string_value for call in calls for one in call.attributes if one.key == "url.path"}
    assert "/files/fileops/copy" in paths
    assert all(delivery.start_time_unix_nano <= call.start_time_unix_nano for call in calls)
    assert not any(SECRETS.search(str(span)) for span in collector.spans)


SECRETS = re.compile(r"a-secret-of|sk-\w{20}")
