"""Whatever a sender writes, no reader throws anything but its own refusal, and what it gives can be kept and listed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stage import sized
from stage.hostile import changed

from roomkeeper.cli.printing import print_json
from roomkeeper.connectors import CATALOG
from roomkeeper.contract.delivery import Delivery
from roomkeeper.desk.history import History
from roomkeeper.errors import DeliveryUnreadable
from roomkeeper.intake.inbox import Inbox
from roomkeeper.store.database import opened

SAMPLES = {
    file: file.parent.parent.name
    for file in sorted((Path(__file__).parents[2] / "src/roomkeeper/connectors").glob("*/samples/*.json"))
    if file.parent.parent.name != "notify"
}
SETTINGS: dict[str, dict[str, Any]] = {
    "docspace": {"url": "https://a.example", "api_key": "k"},
    "zendesk": {"url": "https://a.example", "email": "b@a.example", "api_token": "t"},
    "freshdesk": {"url": "https://a.example", "api_key": "k"},
    "jira": {"url": "https://a.example", "email": "b@a.example", "api_token": "t"},
    "hubspot": {"access_token": "t"},
    "pipedrive": {"url": "https://a.example", "api_token": "t", "webhook_user": "rk"},
    "salesforce": {
        "url": "https://a.example",
        "client_id": "c",
        "client_secret": "s",
        "organization_id": "00D5g000004pReT",
    },
    "http": {"event": "deal.closed", "fields": {"id": "dealId", "status": "status", "at": "closedAt"}},
}


def _of_each(reader: str) -> int:
    """Give how many bodies are made of one sample, so that its reader meets 100,000 in all."""
    return -(-100_000 // list(SAMPLES.values()).count(reader))


@st.composite
def bodies(draw: st.DrawFn, document: Any) -> bytes:
    """A sample with one or two of its values replaced; often broken as JSON, too."""
    document = draw(changed(document))
    text = json.dumps(document, ensure_ascii=draw(st.booleans()))
    broken = draw(st.sampled_from(["", "", "cut", "twice", "quoted"]))
    if broken == "cut":
        text = text[: draw(st.integers(0, len(text)))]
    if broken == "twice":
        text = text.replace("{", '{"id": 7, "ticket_id": "9", ', 1)
    if broken == "quoted":
        text = text.replace('": "', '": "a "b" ', 1)
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: f"{one.parent.parent.name}-{one.stem}")
def test_no_reader_breaks_and_every_row_is_shown(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connector = CATALOG.connectors[SAMPLES[sample]]
    given_settings = connector.settings.model_validate(SETTINGS[connector.type])
    store = opened(str(tmp_path / "var"))
    inbox, kept = Inbox(store), list[int]()

    @settings(
        max_examples=sized(_of_each(connector.type), 60),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(bodies(json.loads(sample.read_text())))
    def read(body: bytes) -> None:
        try:
            events = connector.read(connector.type, given_settings, Delivery(body))
        except DeliveryUnreadable as refused:
            assert refused.message
            return
        for event in events:  # each is to be another occurrence here
            number = str(len(kept))
            other = replace(event, delivery=number + event.delivery, meaning=number + event.meaning)
            kept.append(inbox.hand_in(other, automation="any"))

    read()
    history = History(store)
    shown = history.events(limit=100_000)

    assert len(shown) == len(kept)
    print_json([history.event(one["id"]) for one in shown[:200]])
    printed = capsys.readouterr().out
    assert printed.encode()
    assert not set(printed) & {chr(one) for one in (*range(9), *range(14, 32), 0x7F, 0x202E)}
    store.close()
