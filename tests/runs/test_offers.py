"""What is offered to a person, and what is said of it before they choose."""

from typing import Any

import pytest

from roomkeeper.connectors import CATALOG
from roomkeeper.desk import causes, offers

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


def failed(number: int, error: str, remedy: str = "Put it right, then `roomkeeper runs retry`.", **more: Any) -> Any:
    run = {"id": number, "automation": "copy", "error": error, "remedy": remedy, "asks": False, "about": ["a.docx"]}
    return run | more


def test_runs_that_failed_in_the_same_words_are_one_cause_and_others_are_not() -> None:
    stuck = [
        failed(9, "copy_files: file 7 'a.docx': it is locked"),
        failed(8, "copy_files: the portal is full"),
        failed(7, "copy_files: file 12 'b \"c\".docx': it is locked"),
        failed(6, "copy_files: the portal is full", automation="other"),
        failed(5, "copy_files: the portal is full", remedy="Buy more, then `roomkeeper runs retry`."),
        failed(4, "move 3 files?", asks=True),
        failed(3, "move 4 files?", asks=True),
    ]

    found = causes.of(stuck)

    assert [[run["id"] for run in one.runs] for one in found] == [[9, 7], [8], [6], [5], [4], [3]]
    assert found[0].newest is stuck[0]
    assert found[0].numbers == "9,7"
    assert [one.may_be_retried for one in found] == [True, *[False] * 5]


def test_what_is_to_be_given_up_is_not_offered_to_be_retried() -> None:
    gone = "There is nothing left to act on: `roomkeeper runs cancel`."
    either = "Restore it, then `roomkeeper runs retry`; if it was meant to go, `roomkeeper runs cancel`."

    assert not causes.of([failed(2, "gone", gone), failed(1, "gone", gone)])[0].may_be_retried
    assert causes.of([failed(2, "gone", either), failed(1, "gone", either)])[0].may_be_retried


def test_of_many_runs_some_are_named() -> None:
    said = offers.of_runs([failed(number, "the portal is full") for number in range(12, 0, -1)])

    assert said.label == "Retry 12 runs"
    assert "What failed: the portal is full" in said.will
    assert "Run 12 of copy, about a.docx" in said.will
    assert said.will[-1] == "… and 4 more runs"
    two = offers.of_runs([failed(2, "it is gone", about=[]), failed(1, "the portal is full")]).will
    assert "Run 2 of copy: it is gone" in two
    assert "Run 1 of copy, about a.docx: the portal is full" in two


def run(state: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    shown = [{"name": one["do"], "plan": None, "result": None, "state": "done", **one} for one in steps]
    text = {"steps": STEPS}
    known: dict[str, Any] = {"id": 3, "state": state, "undone_by": None, "undoes": None, "cancel_requested": False}
    return known | {"automation": "x", "text": text, "steps": shown} | more


MOVED = {"do": "archive_files", "plan": {"folder": 5}, "result": {"files": 12}}


@pytest.mark.parametrize(
    ("shown", "offered"),
    [
        (run("running", MOVED), ["cancel"]),
        (run("running", MOVED, cancel_requested=True), []),
        (run("waiting"), ["cancel"]),
        (run("needs_attention", {"do": "archive_files", "state": "failed"}), ["renew", "retry", "restart", "cancel"]),
        (run("needs_attention", undoes=2), ["retry", "cancel"]),
        (run("cancelled", MOVED), ["renew", "retry", "restart", "undo"]),
        (run("done", MOVED), ["restart", "undo"]),
        (run("done", {"do": "note_on_deal"}), ["restart"]),
        (run("done", MOVED, undone_by=4), []),
    ],
)
def test_only_what_makes_sense_now_is_offered(shown: dict[str, Any], offered: list[str]) -> None:
    changed = {"steps": STEPS[:1]}

    assert [one.order for one in offers.of_run(shown, changed, CATALOG)] == offered


def test_what_was_not_changed_is_not_offered_to_be_done_by_its_new_text() -> None:
    stuck = run("needs_attention", {"do": "archive_files", "state": "failed"})

    for present in ({"steps": STEPS}, None):
        assert [one.order for one in offers.of_run(stuck, present, CATALOG)] == ["retry", "restart", "cancel"]


def test_what_each_will_do_is_said_before_it_is_done() -> None:
    said = {one.order: " ".join(one.will) for one in offers.of_run(run("cancelled", MOVED), {"steps": []}, CATALOG)}

    assert "puts 12 moved files back" in said["undo"]
    assert "It goes on with: revoke_guest, note_on_deal, note_on_deal." in said["retry"]
    assert "What is done is not repeated: archive_files." in said["retry"]
    assert "from the first: archive_files, revoke_guest, note_on_deal, note_on_deal." in said["restart"]


@pytest.mark.parametrize(
    ("event", "offered"),
    [
        ({"status": "accepted", "body": "{}", "state": "dispatched"}, ["replay"]),
        ({"status": "ignored", "body": "{}", "state": "dispatched"}, ["replay"]),
        ({"status": "accepted", "body": None, "state": "dispatched"}, []),
        ({"status": "accepted", "body": "{}", "state": "new"}, []),
        ({"status": "duplicate", "body": "{}", "state": "dispatched"}, []),
        ({"status": "unusable", "body": "{}", "state": "dispatched"}, []),
    ],
)
def test_an_event_that_is_kept_and_was_looked_at_can_be_replayed(event: dict[str, Any], offered: list[str]) -> None:
    assert [one.order for one in offers.of_event(event)] == offered
