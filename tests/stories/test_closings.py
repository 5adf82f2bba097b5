"""A closing is a change to closed, however often, in whatever order and by whatever way it is told.

Each history of a deal is played at each CRM twice: told by deliveries, and found in the CRM's list alone.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from stage import SECRET, ClosingDeals, Keeper, Portal, next_second, until

Make = Callable[..., Keeper]
LATER = (datetime.now(UTC) + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
WON, LOST, REOPENED = {"status": "won"}, {"status": "lost"}, {"status": "open"}
EDITED = {"own": {"amount_checked": "yes"}}
#: What happens to a deal, and how many closings that are.
HISTORIES: Mapping[str, tuple[list[dict[str, Any]], int]] = {
    "won": ([WON], 1),
    "won, then in another won stage": ([WON, {"stage": "invoiced"}], 1),
    "won, then the moment is corrected": ([WON, {"won_time": LATER}], 1),
    "won, then edited": ([WON, EDITED], 1),
    "won, reopened and won again the same day": ([WON, REOPENED, WON], 2),
    "won, lost after all": ([WON, LOST], 2),
}


@pytest.fixture
def scene(portal: Portal) -> ClosingDeals:
    return ClosingDeals(portal)


@pytest.mark.parametrize("told", [True, False], ids=["told", "found"])
@pytest.mark.parametrize("vendor", ["hubspot", "pipedrive", "salesforce"])
def test_each_closing_is_acted_on_once(scene: ClosingDeals, keepers: Make, vendor: str, told: bool) -> None:
    note = {"do": "note_on_deal", "with": {"text": "Closed: {{ deal.status }}"}}
    automation = {"name": "note", "on": "deal.closed", "steps": [note]}
    keeper = keepers(scene.portal, scene.keeper_key, [automation], others={vendor: scene.connection(vendor)})
    keeper.start()
    made = {name: scene.deal(name=name) for name in HISTORIES}

    for step in range(max(len(changes) for changes, _ in HISTORIES.values())):
        next_second()  # nobody wins a deal twice in one, and a CRM tells no smaller time
        for name, (changes, _) in HISTORIES.items():
            if step < len(changes):
                _change(scene, keeper, vendor if told else "", made[name], changes[step])
        keeper.ask("reconcile")
        until(lambda: all(one["state"] != "new" for one in keeper.ask("events", "list", "--limit", "1000")))
        keeper.settle(lambda: True)
    again = keeper.ask("reconcile")  # for nothing: what was told of is known by the names of the list, too
    keeper.settle(lambda: True)

    assert {one["state"] for one in keeper.runs()} == {"done"}
    assert [one["new"] for one in again if one["new"]] == []
    notes = {name: len(scene.notes(deal)) for name, deal in made.items()}
    assert notes == {name: closings for name, (_, closings) in HISTORIES.items()}


def _change(scene: ClosingDeals, keeper: Keeper, vendor: str, deal: int, change: Mapping[str, Any]) -> None:
    if vendor:
        scene.close(keeper, deal, vendor, **({"status": _status(scene, deal)} | dict(change)))
    else:
        scene.portal.direct("PUT", f"/crm/deals/{deal}", json=dict(change))


def _status(scene: ClosingDeals, deal: int) -> str:
    return str(scene.portal.direct("GET", f"/crm/deals/{deal}")["status"])


def test_any_sender_of_json_tells_of_a_closing_once_until_it_tells_of_a_reopening(
    scene: ClosingDeals, keepers: Make
) -> None:
    fields = {"id": "dealId", "status": "status", "company": "clientName", "at": "closedAt"}
    sender = {"type": "http", "event": "deal.closed", "token": "!env SECRET", "fields": fields}
    room = scene.client
    archive = {"room": str(room), "under": scene.archive, "title": "{{ deal.company }}"}
    steps = [{"do": "archive_files", "with": archive}]
    automation = {"name": "archive", "on": "deal.closed", "where": {"status": "won"}, "steps": steps}
    keeper = keepers(scene.portal, scene.keeper_key, [automation], others={"erp": sender})
    keeper.start()

    def tell(status: str, at: str) -> str:
        deal = {"dealId": "1", "status": status, "clientName": "Northwind", "closedAt": at}
        headers = {"Authorization": f"Bearer {SECRET}"}
        answer = httpx2.post(f"{keeper.url}/hooks/erp", json=deal, headers=headers)
        assert answer.status_code == 200
        until(lambda: all(one["state"] != "new" for one in keeper.ask("events", "list")))
        keeper.settle()
        return str(answer.json()["status"])

    tell("Closed Won", "2026-11-25T10:00:00+01:00")
    scene.upload("Put there meanwhile.docx")
    tell("Closed Won", "2026-11-26T09:12:44+01:00")  # somebody edited the deal

    assert len(keeper.runs()) == 1
    assert [one["title"] for one in scene.portal.tree(room)] == ["Put there meanwhile.docx"]
    tell("Negotiation", "2026-11-26T10:00:00+01:00")
    tell("Closed Won", "2026-11-26T11:00:00+01:00")
    keeper.settle(lambda: len(keeper.runs()) == 2)
    assert scene.portal.tree(room) == []


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "status", "status": 429, "times": 1, "headers": {"Retry-After": "1"}},
        {"kind": "drop_before", "times": 1},
        {"kind": "delay", "seconds": 2.0, "times": 1},
    ],
    ids=lambda one: str(one["kind"]),
)
def test_while_nobody_can_say_what_a_stage_means_no_closing_is_passed_over(
    scene: ClosingDeals, keepers: Make, trouble: dict[str, Any]
) -> None:
    """The first of several asks, and is not answered, or late: it was said of the others that they are not closed."""
    keeper = keepers(
        scene.portal, scene.keeper_key, [scene.automation()], others={"hubspot": scene.connection("hubspot")}
    )
    keeper.start()
    scene.portal.direct("PUT", "/faults", json=[trouble | {"path": "/hubspot/crm/v3/pipelines/deals"}])

    for deal in [scene.deal() for _ in range(3)]:
        scene.close(keeper, deal, "hubspot")
    runs = keeper.settle(lambda: len(keeper.runs()) >= 3)

    assert {one["state"] for one in runs} == {"done"}
    assert "ignored" not in {one["status"] for one in keeper.ask("events", "list")}
