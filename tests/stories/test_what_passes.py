"""Refusals that pass by themselves are waited for: one note, and nobody is asked (facts/vendors.md; vendors' pages)."""

import json
from collections.abc import Callable

import pytest
from stage import NOTE, ClosingDeals, Keeper, Portal

Make = Callable[..., Keeper]
LOCKED = json.dumps([{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access", "fields": []}])
PAGE = "<html><title>Access denied</title>error code: 1015</html>"


MOVING = '{"message": "Migration in progress"}'
#: At which vendor, in which call, what is answered.
REFUSALS = [
    ("salesforce", "/sobjects/Task", 400, LOCKED),
    ("hubspot", "/crm/v3/objects/notes$", 423, '{"message": "Locked"}'),
    ("hubspot", "/crm/v3/objects/notes$", 477, MOVING),
    ("hubspot", r"/crm/v3/objects/deals/\d+$", 477, MOVING),
    ("pipedrive", "/api/v1/notes$", 403, PAGE),
    ("pipedrive", r"/api/v2/deals/\d+$", 403, PAGE),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=[f"{one[0]} {one[2]} {one[1][-9:]}" for one in REFUSALS])
def test_it_is_tried_again_and_nobody_is_asked(
    portal: Portal, keepers: Make, refusal: tuple[str, str, int, str]
) -> None:
    vendor, path, status, body = refusal
    scene = ClosingDeals(portal)
    automation = {"name": "note", "on": "deal.closed", "steps": [{**NOTE, "with": {"text": "Closed."}}]}
    keeper = keepers(portal, scene.keeper_key, [automation], others={vendor: scene.connection(vendor)})
    headers = {"Content-Type": "text/html" if body is PAGE else "application/json", "Retry-After": "1"}
    fault = {"kind": "status", "path": f"/{vendor}.*{path}", "status": status, "times": 2, "body": body}
    portal.direct("PUT", "/faults", json=[fault | {"headers": headers}])
    keeper.start()
    deal = scene.deal()

    scene.close(keeper, deal, vendor)
    (run,) = keeper.settle()

    assert (run["state"], len(scene.notes(deal))) == ("done", 1)


def test_a_look_that_a_limit_stops_waits_and_goes_on(portal: Portal, keepers: Make) -> None:
    scene = ClosingDeals(portal)
    note = {"name": "note", "on": "deal.closed", "steps": [{**NOTE, "with": {"text": "Closed."}}]}
    keeper = keepers(portal, scene.keeper_key, [note], others={"hubspot": scene.connection("hubspot")})
    keeper.start()
    deals = [scene.deal(name=f"Deal {number}") for number in range(12)]
    for deal in deals:
        portal.direct("PUT", f"/crm/deals/{deal}", json={"status": "won"})  # nobody is told
    limit = {"kind": "status", "path": "/hubspot/crm/v3/objects/deals/", "status": 429, "every": 5, "times": 4}
    portal.direct("PUT", "/faults", json=[limit | {"headers": {"Retry-After": "1"}}])

    keeper.ask("reconcile")
    keeper.settle(lambda: len(keeper.runs()) == len(deals))

    assert [len(scene.notes(deal)) for deal in deals] == [1] * len(deals)
