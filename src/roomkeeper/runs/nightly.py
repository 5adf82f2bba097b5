"""Every night: prove of each automation that nothing of the last days is unaccounted for, or say so."""

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import sqlalchemy as sa
import structlog

from roomkeeper.automations.automation import Automation
from roomkeeper.errors import StoreUnavailable
from roomkeeper.runs import alerts
from roomkeeper.runs.alerts import Alert
from roomkeeper.runs.prove import Proof, Prover, day_ago
from roomkeeper.runs.store import Store, proofs

log = structlog.get_logger("nightly")

_LOOK = 600.0  # seconds between two looks at the clock
_HOUR = 2  # UTC, from which on the night's proof is due
_DAYS = 2.0  # that a night's proof goes back: one, and one more for what was late
_NAMED = 3  # lines that an alert names


async def keep(store: Store, prover: Prover, automations: Sequence[Automation]) -> None:
    """Prove each automation once a night, for ever."""
    while True:
        now = datetime.now(UTC)
        for automation in automations if now.hour >= _HOUR else []:
            try:
                if await store.writing(partial(_claim, store, automation.name, now.date().isoformat())):
                    await prove(store, prover, automation)
            except StoreUnavailable as error:
                log.warning("cannot prove", automation=automation.name, reason=error.message)
        await asyncio.sleep(_LOOK)


async def prove(store: Store, prover: Prover, automation: Automation) -> Proof:
    """Prove an automation's last days, keep what came of it, and keep an alert of what is unaccounted for."""
    proof = await prover.prove(automation, day_ago(_DAYS))
    day = datetime.now(UTC).date().isoformat()
    await store.writing(partial(_note, store, proof, day))
    log.info("proved", automation=automation.name, counts=proof.counts, digest=proof.digest)
    scope = f"proof {automation.name} "
    await asyncio.to_thread(alerts.settle, store, scope, _wrong(proof, scope))
    return proof


def _wrong(proof: Proof, scope: str) -> list[Alert]:
    lines = [one for one in proof.lines if one.outcome == "unaccounted"]
    found = []
    if lines:
        named = "; ".join(f"{one.subject}: {one.said}" for one in lines[:_NAMED])
        what = f"{proof.automation}: {len(lines)} unaccounted for in the last days: {named}"
        remedy = f"`roomkeeper prove {proof.automation}` lists each with its remedy."
        found.append(Alert(f"{scope}unaccounted", what, remedy))
    return found


def _claim(store: Store, automation: str, day: str, db: sa.Connection) -> bool:
    """Take the night's proof: one process makes it."""
    row = {"automation": automation, "day": day, "made_at": time.time(), "counts": "{}", "digest": ""}
    made = db.execute(store.insert(proofs).values(row).on_conflict_do_nothing().returning(proofs.c.day))
    return made.first() is not None


def _note(store: Store, proof: Proof, day: str, db: sa.Connection) -> None:
    row = {"automation": proof.automation, "day": day, "made_at": time.time()}
    row |= {"counts": json.dumps(proof.counts), "digest": proof.digest}
    keys = [proofs.c.automation, proofs.c.day]
    db.execute(store.insert(proofs).values(row).on_conflict_do_update(index_elements=keys, set_=row))
