"""What is offered to a person, and what is said of it before they choose."""

from typing import Any

from roomkeeper.connectors import CATALOG
from roomkeeper.desk import offers

STEPS = [{"do": "archive_files"}, {"do": "revoke_guest"}, {"do": "note_on_deal"}, {"do": "note_on_deal"}]


def asked(lines: list[str], *, at: int = 0) -> tuple[str, ...]:
    """Tell what is said to whoever is asked to approve."""
    step = {"name": "archive", "do": STEPS[at]["do"], "state": "asks", "position": at, "executions": 1}
    step |= {
        "error": "move 12 files?",
        "plan": {"lines": lines, "folder": None},
        "ask_until": "2026-12-01T10:00:00+00:00",
        "result": None,
    }
    run: dict[str, Any] = {"id": 3, "state": "needs_attention", "undone_by": None, "cancel_requested": False}
    run |= {"automation": "x", "text": {"steps": STEPS}, "steps": [step]}
    return offers.of_run(run, None, CATALOG)[0].will


def test_who_approves_is_told_the_later_steps_however_much_the_first_one_plans() -> None:
    moves = [f"move {number}.docx" for number in range(12)]
    said = asked([*moves, "then revoke_guest: end the access of Ann <ann@x.example> to room 7 'Acme'"])

    assert "move 0.docx" in said
    assert "move 11.docx" not in said
    assert "… and 4 more lines, on the run's page" in said
    assert "then revoke_guest: end the access of Ann <ann@x.example> to room 7 'Acme'" in said


def test_who_approves_is_told_once_what_of_it_lasts_and_nothing_of_steps_that_are_over() -> None:
    first, last = asked(["move a.docx"]), asked(["write a note"], at=2)

    assert [one for one in first if one.startswith("For good: A note")] == [
        "For good: A note stays until somebody deletes it there."
    ]
    assert any("the guest is to be invited again" in one for one in first)
    assert not any("the guest is to be invited again" in one for one in last)
