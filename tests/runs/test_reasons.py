"""Why an automation took an event, or did not, is said by the configuration as it is now."""

from datetime import UTC, datetime
from typing import Any

import pytest

from roomkeeper.automations.automation import Automation
from roomkeeper.automations.event import Event
from roomkeeper.desk import reasons
from roomkeeper.docspace.wire import sanitise_title

AT = datetime(2026, 11, 26, tzinfo=UTC)
UPLOAD = Event("file.uploaded", "acme", AT, "d", "m", "s", facts={"file": {"id": 5, "title": "Offer.docx"}})
ROOM = {"kind": "room", "number": "111", "title": "Client"}


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ({"on": "file.created"}, "it listens to file.created"),
        ({"from": "other"}, "it listens to the connection other"),
        ({"where": {"room": 7}}, "its `where` does not hold: "),
        ({"where": {"room": "Client"}}, "by the configuration as it is now it would"),
    ],
)
def test_each_reason_is_said(said: dict[str, Any], because: str) -> None:
    automation = Automation.model_validate({"name": "a", "on": "file.uploaded", "steps": [{"do": "x"}]} | said)

    (judged,) = reasons.why([automation], UPLOAD, [], [ROOM], sanitise_title)

    assert judged["because"].startswith(because)
    assert not judged["took"]


def test_one_that_took_it_needs_no_reason() -> None:
    automation = Automation.model_validate({"name": "a", "on": "file.created", "steps": [{"do": "x"}]})

    assert reasons.why([automation], UPLOAD, ["a"], [], sanitise_title) == [
        {"automation": "a", "took": True, "because": ""}
    ]
