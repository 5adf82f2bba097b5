"""A proof as a page of its own: it needs nothing but itself, to be kept or sent."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from roomkeeper.proving.prove import Proof

OUTCOMES = ("done", "waiting", "failed", "excluded", "unaccounted")
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def page(proof: Proof) -> str:
    """Write the page."""
    shown = {"proof": proof, "outcomes": OUTCOMES, "sentence": sentence(proof), "lines": proof.rows}
    return _pages.get_template("proof.html").render(shown)


def sentence(proof: Proof) -> str:
    """Say in a sentence how it stands."""
    counts, total = proof.counts, len(proof.lines)
    if lost := counts.get("unaccounted", 0):
        return f"{lost} of {total} {'is' if lost == 1 else 'are'} unaccounted for."
    if proof.blind:
        return f"{_all(total)} that could be looked at {_are(total)} accounted for; something could not be looked at."
    if failed := counts.get("failed", 0):
        them = "waits" if failed == 1 else "wait"
        return f"{_all(total)} {_are(total)} accounted for; {failed} failed and {them} for a person."
    if waits := counts.get("waiting", 0):
        return f"{waits} of {total} {'waits' if waits == 1 else 'wait'}; the others are accounted for."
    return f"{_all(total)} {_are(total)} accounted for." if total else "Nothing happened."


def _all(total: int) -> str:
    return "The one" if total == 1 else f"All {total}"


def _are(total: int) -> str:
    return "is" if total == 1 else "are"
