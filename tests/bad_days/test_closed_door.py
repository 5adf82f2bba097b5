"""What comes in between the archive and the end of the guest's access is archived, too: by the step's own promise."""

import threading
import time
from collections.abc import Callable

import pytest
from stage import ClosingDeals, Keeper, Portal, until

Make = Callable[..., Keeper]


def closing(portal: Portal, keepers: Make, layout: str) -> tuple[ClosingDeals, Keeper]:
    scene = ClosingDeals(portal)
    for number in range(5):
        scene.upload(f"Before {number}.docx")
    others = {"hubspot": scene.connection("hubspot")}
    keeper = keepers(portal, scene.keeper_key, [scene.automation(layout=layout)], others=others)
    keeper.start()
    return scene, keeper


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_what_comes_in_after_a_failed_revocation_is_archived_on_retry(
    portal: Portal, keepers: Make, layout: str
) -> None:
    """Archive, failed revocation, five more uploads, retry: "done", with five files left."""
    scene, keeper = closing(portal, keepers, layout)
    said = '{"error": {"message": "not now"}}'
    refusal = {"kind": "status", "status": 403, "method": "PUT", "path": "/files/rooms/[0-9]+/share$", "body": said}
    portal.direct("PUT", "/faults", json=[refusal])
    scene.close(keeper, scene.deal(), "hubspot")
    (run,) = keeper.settle()
    assert run["state"] == "needs_attention"
    for number in range(5):
        scene.upload(f"After {number}.docx")

    portal.direct("PUT", "/faults", json=[])
    keeper.say("runs", "retry", str(run["id"]))
    (run,) = keeper.settle(lambda: keeper.runs()[0]["state"] == "done")

    assert portal.tree(scene.client) == []
    assert len(portal.tree(scene.archive)) == 10
    assert scene.guest not in scene.members()
    assert keeper.ask("prove", "archive-closed-deal", "--since", "1h")["counts"] == {"done": 1}


def test_what_comes_in_while_the_guest_leaves_is_archived(portal: Portal, keepers: Make) -> None:
    scene, keeper = closing(portal, keepers, "flat")
    slow = {"kind": "delay", "method": "PUT", "path": "/files/rooms/[0-9]+/share$", "seconds": 1.5}
    portal.direct("PUT", "/faults", json=[slow])

    def keep_uploading() -> None:
        until(lambda: len(portal.tree(scene.archive)) == 5)
        for number in range(5):
            scene.upload(f"Meanwhile {number}.docx")
            time.sleep(0.05)

    client = threading.Thread(target=keep_uploading)
    client.start()
    scene.close(keeper, scene.deal(), "hubspot")
    client.join()
    (run,) = keeper.settle()

    assert run["state"] == "done"
    assert portal.tree(scene.client) == []
    assert len(portal.tree(scene.archive)) == 10
