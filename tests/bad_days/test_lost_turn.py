"""A process dies between giving a run its turn and the engine's record of it: the run has its turn all the same."""

from collections.abc import Callable

import sqlalchemy as sa
from stage import Keeper, Portal, Rooms, copy_uploads

from roomkeeper.store.tables import runs

Make = Callable[..., Keeper]


def test_a_run_that_was_handed_over_and_never_begun_is_begun(portal: Portal, keepers: Make, store_address: str) -> None:
    rooms = Rooms(portal)
    portal.direct("PUT", "/faults", json=[{"kind": "status", "status": 403, "path": "/fileops/copy", "body": "{}"}])
    before = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], store=store_address)
    before.start()
    before.register()
    rooms.upload("Offer.docx")
    (run,) = before.settle(lambda: [one["state"] for one in before.runs()] == ["needs_attention"])
    before.stop()
    portal.direct("PUT", "/faults", json=[])
    before.say("runs", "retry", str(run["id"]))
    with before.opened().write() as connection:
        connection.execute(runs.update().where(runs.c.id == run["id"]).values(handed_over=sa.true()))

    after = keepers(portal, rooms.keeper_key, [copy_uploads(rooms)], store=store_address)
    after.start()
    (run,) = after.settle(lambda: rooms.copies() == 1)

    assert run["state"] == "done"
