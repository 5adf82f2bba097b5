"""Offers: what a person can order of a run or an event as it is, and what that will do, said before it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roomkeeper.contract.catalog import Catalog
from roomkeeper.running.orders import MOVES, question_of
from roomkeeper.store.tables import OPEN

Shown = Mapping[str, Any]
_SHOWN = 8  # lines of what is asked about (ours)


@dataclass(frozen=True)
class Offer:
    """An order that makes sense now: its name, what the button says, and what it will do, in sentences.

    `question` is what a consent is to: given back with the order, it is refused if something else is asked by then.
    """

    order: str
    label: str
    will: tuple[str, ...]
    question: str = ""


def of_run(run: Shown, present: Shown | None, catalog: Catalog) -> list[Offer]:
    """List what can be ordered of a run, as `History.run` shows it; `present` is its automation as it is now."""
    if run["undone_by"] is not None:
        return []
    asking = next((step for step in run["steps"] if step["state"] == "asks"), None)
    offers = []
    if run["state"] == "needs_attention" and asking is not None:
        offers.append(_approve(run, asking, catalog))
    if run["state"] in {"needs_attention", "cancelled"}:
        if present is not None and present["steps"] != run["text"]["steps"] and run["undoes"] is None:
            offers.append(_renew(run, present))  # first: whoever changed the automation did it for this run, perhaps
        offers.append(_retry(run, asks=asking is not None))
    if run["state"] not in OPEN and run["steps"]:
        offers.append(_restart(run))
    if run["state"] in {*OPEN, "needs_attention"} and not run["cancel_requested"]:
        offers.append(_cancel(run))
    if run["state"] not in OPEN and _moved(run):
        offers.append(_undo(run))
    return offers


def of_runs(stuck: Sequence[Shown]) -> Offer:
    """Offer to retry several runs at once: those that failed, for a consent is given to one."""
    errors = {run["error"] for run in stuck}
    why = [f"What failed: {error}" for error in errors] if len(errors) == 1 else []
    shown = [_briefly(run, says=not why) for run in stuck[:_SHOWN]]
    left = len(stuck) - len(shown)
    more = [f"… and {left} more run{'' if left == 1 else 's'}"] if left > 0 else []
    goes = "Each goes on from the step that failed; what is done is not repeated."
    text = "Each goes by its automation's text as it was when the run was made; its own page offers that of now, too."
    return Offer("retry", f"Retry {len(stuck)} run{'' if len(stuck) == 1 else 's'}", (goes, text, *why, *shown, *more))


def _briefly(run: Shown, *, says: bool) -> str:
    about = f", about {run['about'][0]}" if run["about"] else ""
    return f"Run {run['id']} of {run['automation']}{about}{': ' + str(run['error']) if says else ''}"


def of_event(event: Shown) -> list[Offer]:
    """List what can be ordered of an event, as `History.event` shows it."""
    if event["status"] in {"duplicate", "unusable", "refused"} or event["body"] is None or event["state"] == "new":
        return []
    will = (
        "The event is dispatched again, by the configuration as it is now.",
        "What was done for it already is not done twice: the ledger knows it.",
    )
    return [Offer("replay", "Replay", will)]


def _approve(run: Shown, asking: Shown, catalog: Catalog) -> Offer:
    what = f"Run {run['id']} goes on with what it plans: {asking['error']}"
    until = f"Without it nothing is done, and the question ends at {asking['ask_until'][:16].replace('T', ' ')} UTC."
    will = (what, *_planned(asking), *_lasting(run, asking, catalog), until)
    return Offer("approve", "Approve", will, question_of(asking["position"], asking["executions"]))


def _planned(asking: Shown) -> list[str]:
    """Tell what was planned: what this step would do, in part if it is much, and all that the later ones would."""
    plan = asking["plan"] or []
    lines = plan.get("lines", []) if isinstance(plan, Mapping) else plan
    later = [line for line in lines if line.startswith("then ")]
    own = [line for line in lines if line not in later and line not in str(asking["error"])]
    left = len(own) - _SHOWN
    more = [f"… and {left} more line{'' if left == 1 else 's'}, on the run's page"] if left > 0 else []
    return [*own[:_SHOWN], *more, *later]


def _lasting(run: Shown, asking: Shown, catalog: Catalog) -> list[str]:
    """Tell what of this step and the later ones cannot be taken back."""
    to_come = run["text"]["steps"][asking["position"] :]
    kinds = [kind for step in to_come for kind in catalog.kinds(step["do"]).values()]
    return list(dict.fromkeys(f"For good: {kind.lasting}" for kind in kinds if kind.lasting))


def _retry(run: Shown, *, asks: bool) -> Offer:
    done = [step["name"] for step in run["steps"] if step["state"] in {"done", "skipped"}]
    left = [step["name"] for step in run["steps"] if step["state"] not in {"done", "skipped"}]
    later = [_name(step) for step in run["text"]["steps"][len(run["steps"]) :]]
    kept = f"What is done is not repeated: {', '.join(done)}." if done else "No step was finished so far."
    goes = f"It goes on with: {', '.join([*left, *later])}." if [*left, *later] else "There is no step left to do."
    asked = ("What it asks about is planned anew: something may have come in meanwhile.",) if asks else ()
    label = "Look again, and ask anew" if asks else "Retry from the step that failed"
    return Offer("retry", label, (goes, kept, *asked))


def _restart(run: Shown) -> Offer:
    names = ", ".join(_name(step) for step in run["text"]["steps"])
    will = (
        f"Every step is done again, from the first: {names}.",
        "Each looks first for what is there: nothing is made, copied or moved a second time.",
        "The automation's text is the one that this run was made with.",
    )
    return Offer("restart", "Retry from the start", will)


def _renew(run: Shown, present: Shown) -> Offer:
    names = ", ".join(_name(step) for step in present["steps"])
    will = (
        f"The steps of {run['automation']} as it is now are done, from the first: {names}.",
        "Each looks first for what is there: nothing is made, copied or moved a second time.",
        "From then on the run keeps this text.",
    )
    return Offer("renew", "Retry with the automation as it is now", will)


def _cancel(run: Shown) -> Offer:
    when = "before its next call" if run["state"] == "running" else "now"
    will = (f"The run stops {when}.", "What it has done so far stays as it is.", "It can be retried later.")
    return Offer("cancel", "Cancel", will)


def _undo(run: Shown) -> Offer:
    files = sum(int((step["result"] or {}).get("files") or 0) for step in run["steps"] if step["do"] in MOVES)
    what = f"A run is made that puts {files or 'the'} moved file{'' if files == 1 else 's'} back where they were."
    will = (what, "Folders that are gone are made again; what cannot go back is named.", "Access stays as it is now.")
    return Offer("undo", "Undo", will)


def _moved(run: Shown) -> bool:
    moves = [step for step in run["steps"] if step["do"] in MOVES]
    return any((step["plan"] or {}).get("folder") is not None for step in moves)


def _name(step: Shown) -> str:
    return str(step.get("as") or step["do"])
