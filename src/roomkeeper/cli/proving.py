"""`prove`: what became of each upload, deal or ticket."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from roomkeeper import connecting
from roomkeeper.automations.automation import Automation
from roomkeeper.cli.options import DEFAULT, FAILED, NEEDS_A_PERSON, AsJson, ConfigFile, store_of
from roomkeeper.cli.printing import err, escaped, out, print_csv, print_json, print_table, stop
from roomkeeper.cli.reconciling import moment_of
from roomkeeper.configuration.config import Config
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.proving.prove import Proof
from roomkeeper.web import proof as pages


def prove(
    name: Annotated[str, typer.Argument(help="The automation.", metavar="AUTOMATION")],
    config: ConfigFile = DEFAULT,
    since: Annotated[str, typer.Option(help="How far back: 30d, 12h, or a moment such as 2026-11-20T08:00.")] = "30d",
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page of its own into this file.", metavar="FILE")] = None,
    every: Annotated[bool, typer.Option("--all", help="Show what is done, too, not only what is not.")] = False,
) -> None:
    """Account for everything an automation is for: exit 1 if something is unaccounted for, 3 if something failed."""
    loaded = load(config, CATALOG)
    if loaded.automation(name) is None:
        known = ", ".join(one.name for one in loaded.automations) or "none"
        raise typer.BadParameter(f"there is no automation {name!r}; there is: {known}", param_hint="AUTOMATION")
    proof = asyncio.run(_proved(loaded, loaded.present(name), moment_of(since)))
    if html is not None:
        try:
            html.write_text(pages.page(proof), "utf-8")
        except OSError as error:
            stop(f"{html} cannot be written: {error.strerror}", "Choose another file.", FAILED)
    if as_json:
        told: dict[str, object] = {
            "automation": proof.automation,
            "since": proof.since,
            "until": proof.until,
            "counts": proof.counts,
        }
        told |= {"total": len(proof.lines), "sha256": proof.digest, "blind": list(proof.blind)}
        told |= {"notes": list(proof.notes)}
        print_json(told | {"lines": [dict(vars(one)) for one in proof.lines]})
    elif as_csv:
        print_csv([dict(vars(one)) for one in proof.lines])
    else:
        _show(proof, every=every)
    if html is not None and not (as_json or as_csv):
        out.print(f"The page is in {escaped(str(html))}.")
    if not proof.is_complete:
        raise typer.Exit(FAILED)
    if proof.counts.get("failed"):
        raise typer.Exit(NEEDS_A_PERSON)


def _show(proof: Proof, *, every: bool) -> None:
    rows = [dict(vars(one)) for one in proof.lines if every or one.outcome != "done"]
    if rows:
        print_table(("at", "subject", "outcome", "said", "event", "run", "done_at"), rows, "")
        for line in [one for one in proof.lines if one.remedy]:
            out.print(f"    {escaped(line.subject)} → {escaped(line.remedy)}")
    for note in proof.notes:
        err.print(escaped(note))
    for unseen in proof.blind:
        err.print(f"[yellow]not looked at: {escaped(unseen)}[/yellow]")
    colour = "green" if proof.is_complete and not proof.counts.get("failed") else "red"
    out.print(f"[{colour}]{escaped(pages.sentence(proof))}[/{colour}]")
    counts = ", ".join(f"{proof.counts[one]} {one}" for one in pages.OUTCOMES if proof.counts.get(one))
    out.print(f"Since {proof.since[:19]}: {counts or 'nothing'}. SHA-256 {proof.digest}")


async def _proved(config: Config, automation: Automation, since: datetime) -> Proof:
    return await connecting.proved(config, store_of(config), automation, since)
