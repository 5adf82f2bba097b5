"""What is genuine and cannot be used is kept with its body, shown, and told of; nothing is started by it."""

from collections.abc import Callable

import httpx2
from signing import signed
from stage import SECRET, Keeper, Portal, Rooms, copy_uploads, until

Make = Callable[..., Keeper]


def test_it_is_kept_and_somebody_is_told(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    erp = {"type": "http", "event": "deal.closed", "token": "!env SECRET", "fields": {"id": "dealId"}}
    keeper = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], others={"erp": erp})
    keeper.start()
    broken = b'{"dealId": "1", "clientName": "Mueller "Bau" GmbH", "dealId": "2", "password": "hunter22"}'
    bearer = {"Authorization": f"Bearer {SECRET}"}

    told = httpx2.post(f"{keeper.url}/hooks/erp", content=broken, headers=bearer)
    stranger = httpx2.post(f"{keeper.url}/hooks/erp", content=broken, headers={"Authorization": "Bearer guessed"})
    cut = httpx2.post(f"{keeper.url}/hooks/acme", content=b"{", headers=signed(b"{"))
    large = httpx2.post(f"{keeper.url}/hooks/erp", content=b"x" * 3_000_000, headers=bearer)

    assert (told.status_code, stranger.status_code, cut.status_code, large.status_code) == (400, 401, 400, 413)
    kept = keeper.ask("events", "list", "--status", "unusable")
    assert sorted(one["connection"] for one in kept) == ["acme", "erp", "erp"]
    shown = keeper.ask("events", "show", str(kept[-1]["id"]))
    assert "Mueller" in shown["body"]
    assert "hunter22" not in shown["body"]
    said = keeper.say("events", "replay", str(kept[-1]["id"]), codes=(1,))
    assert said == "" or "roomkeeper start" in said
    until(lambda: len(_alerts(keeper)) == 2)
    assert "2 deliveries of the last day could not be used" in " ".join(_alerts(keeper))
    assert keeper.runs() == []


def _alerts(keeper: Keeper) -> list[str]:
    found = keeper.ask("doctor", "--no-round-trip", codes=(0, 1, 3))["checks"]
    return [one["said"] for one in found if one["check"] == "alert" and "could not be used" in one["said"]]
