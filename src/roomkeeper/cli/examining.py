"""`doctor`: everything that the configuration needs, tried live."""

import asyncio
import json
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from roomkeeper import connecting
from roomkeeper.cli.options import DEFAULT, FAILED, NEEDS_A_PERSON, AsJson, ConfigFile, store_of
from roomkeeper.cli.printing import escaped, out, print_json
from roomkeeper.configuration.config import Config
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.contract.checkup import Finding
from roomkeeper.doctor import SEEN_WITHIN, Doctor, worst
from roomkeeper.store.database import Store

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


def examine(
    config: ConfigFile = DEFAULT,
    writes: Annotated[
        bool, typer.Option("--round-trip/--no-round-trip", help="Make a file on the portal, and remove it again.")
    ] = True,
    patience: Annotated[
        float, typer.Option(help="Seconds that the round trip's event has to come.", min=1)
    ] = SEEN_WITHIN,
    record: Annotated[
        Path | None,
        typer.Option(help="Write into this file how the portal answers, without contents and names: for a report."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try everything that the configuration needs: a line a check. Exit 0 all well, 3 warnings, 1 something failed."""
    loaded = load(config, CATALOG)
    store = store_of(loaded)
    if record is not None:
        lines = asyncio.run(_recorded(loaded, store))
        record.write_text(json.dumps(lines, indent=1) + "\n", "utf-8")
        out.print(f"How the portal answers is in {escaped(str(record))}: look through it, and add it to your report.")
    findings = asyncio.run(_examined(loaded, store, writes=writes, patience=patience, aloud=not as_json))
    outcome = worst([one for _, one in findings])
    if as_json:
        print_json({"outcome": outcome, "checks": [{"connection": name, **vars(one)} for name, one in findings]})
    else:
        counts = {state: sum(1 for _, one in findings if one.state == state) for state in _COLOURS}
        warnings = f"{counts['warning']} warning{'' if counts['warning'] == 1 else 's'}"
        out.print(f"\n{counts['ok']} ok, {warnings}, {counts['failed']} failed")
    if outcome != "ok":
        raise typer.Exit(FAILED if outcome == "failed" else NEEDS_A_PERSON)


async def _examined(
    config: Config, store: Store, *, writes: bool, patience: float, aloud: bool
) -> list[tuple[str, Finding]]:
    sources = connecting.connected(config, store)
    findings = []
    try:
        async for name, one in Doctor(config, store, sources, patience=patience).examine(writes=writes):
            findings.append((name, one))
            if aloud:
                _say(name, one)
    finally:
        await connecting.close(sources)
    return findings


async def _recorded(config: Config, store: Store) -> dict[str, object]:
    """Record each connection that can be, under its type: its name is the customer's."""
    sources = connecting.connected(config, store)
    kept: dict[str, object] = {"roomkeeper": version("roomkeeper")}
    try:
        for number, source in enumerate(sources.values(), start=1):
            if source.connector.record is not None:
                kept[f"{source.connector.type} {number}"] = await source.connector.record(source.client)
    finally:
        await connecting.close(sources)
    return kept


def _say(name: str, finding: Finding) -> None:
    where = f"{name} " if name else ""
    colour = _COLOURS[finding.state]
    out.print(f"[{colour}]{finding.state:8}[/{colour}]{escaped(f'{where}{finding.check}: {finding.said}')}")
    if finding.remedy and finding.state != "ok":
        out.print(f"        → {escaped(finding.remedy)}")
