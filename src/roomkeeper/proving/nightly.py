"""Every night: prove of each automation that nothing of the last days is unaccounted for, or say so."""

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import sqlalchemy as sa
import structlog

from roomkeeper.automations.automation import Automation
from roomkeeper.errors import StoreUnavailable
from roomkeeper.proving.prove import Proof, Prover, day_ago
from roomkeeper.store import alerts
from roomkeeper.store.alerts import Alert
from roomkeeper.store.database import Store
from roomkeeper.store.tables import proofs

log = structlog.get_logger("nightly")

_LOOK = 600.0  # seconds between two looks at the clock; at a start what was missed is searched for first
_AGAIN = 3600.0  # seconds until a proof is made again that was not complete
_HOUR = 2  # UTC, from which on the night's proof is due
_DAYS = 2.0  # that a night's proof goes back: one, and one more for what was late
_NAMED = 3  # lines that an alert names


async def keep(store: Store, prover: Prover, automations: Sequence[Automation]) -> None:
    """Prove each automation once a night, for ever; what is not complete, every hour until it is."""
    await asyncio.to_thread(alerts.retain, store, "proof ", [f"proof {one.name} " for one in automations])
    while True:
        await asyncio.sleep(_LOOK)
        await look(store, prover, automations, datetime.now(UTC))


async def look(store: Store, prover: Prover, automations: Sequence[Automation], now: datetime) -> None:
    """Prove those whose proof is due at a moment, and that nobody else has taken."""
    day = now.date().isoformat()
    for automation in automations if now.hour >= _HOUR else []:
        try:
            if await store.writing(partial(_claim, store, automation.name, day)):
                await prove(store, prover, automation, day)
        except StoreUnavailable as error:
            log.warning("cannot prove", automation=automation.name, reason=error.message)
        except Exception as error:  # a proof that fails must not stop the deliveries, and is the loudest alert
            log.exception("a proof failed", automation=automation.name)
            blind = f"proof {automation.name} blind"
            await asyncio.to_thread(alerts.settle, store, blind, [_impossible(blind, automation.name, error)])


async def prove(store: Store, prover: Prover, automation: Automation, day: str) -> Proof:
    """Prove what an automation did since the last complete proof, keep what came of it, and keep alerts of it."""
    since = await store.reading(partial(_since, automation.name))
    proof = await prover.prove(automation, since)
    await store.writing(partial(_note, store, proof, day))
    log.info("proved", automation=automation.name, counts=proof.counts, digest=proof.digest)
    await asyncio.to_thread(tell, store, proof)
    return proof


def tell(store: Store, proof: Proof) -> None:
    """Keep alerts of what a proof found, and close those of what it did not, if it went back as far as a night's."""
    unaccounted, blind = _unaccounted(proof), _blind(proof)
    goes_far = datetime.fromisoformat(proof.since) <= day_ago(_DAYS) + timedelta(hours=1)
    if unaccounted or (goes_far and not blind):  # what could not be looked at is not over
        alerts.settle(store, f"proof {proof.automation} unaccounted", unaccounted)
    if blind or goes_far:
        alerts.settle(store, f"proof {proof.automation} blind", blind)


def _impossible(key: str, automation: str, error: Exception) -> Alert:
    """Say that a proof cannot be made."""
    what = f"{automation}: whether anything was missed cannot be proved: {type(error).__name__}: {error}"
    remedy = "A fault in Roomkeeper itself: report it with the log. It is tried again every hour."
    return Alert(key, what, remedy)


def _unaccounted(proof: Proof) -> list[Alert]:
    lines = [one for one in proof.lines if one.outcome == "unaccounted"]
    if not lines:
        return []
    named = "; ".join(f"{one.subject}: {one.said}" for one in lines[:_NAMED])
    what = f"{proof.automation}: {len(lines)} unaccounted for since {proof.since[:10]}: {named}"
    remedy = f"`roomkeeper prove {proof.automation}` lists each with its remedy."
    return [Alert(f"proof {proof.automation} unaccounted", what, remedy)]


def _blind(proof: Proof) -> list[Alert]:
    if not proof.blind:
        return []
    what = f"{proof.automation}: it cannot be proved that nothing was missed: {'; '.join(proof.blind)}"
    return [Alert(f"proof {proof.automation} blind", what, "Put that right; it is tried again every hour.")]


def _claim(store: Store, automation: str, day: str, db: sa.Connection) -> bool:
    """Take the night's proof, or one that is to be made again: one process makes it."""
    row = {
        "automation": automation,
        "day": day,
        "made_at": time.time(),
        "counts": "{}",
        "digest": "",
        "complete": False,
    }
    made = db.execute(store.insert(proofs).values(row).on_conflict_do_nothing().returning(proofs.c.day))
    if made.first() is not None:
        return True
    this = (proofs.c.automation == automation, proofs.c.day == day)
    again = proofs.update().where(*this, proofs.c.complete.is_(False), proofs.c.made_at < time.time() - _AGAIN)
    return db.execute(again.values(made_at=time.time())).rowcount > 0


def _since(automation: str, db: sa.Connection) -> datetime:
    """Go back to the last complete proof, and a day more; two days at least."""
    complete = sa.select(sa.func.max(proofs.c.made_at)).where(proofs.c.automation == automation, proofs.c.complete)
    last = db.execute(complete).scalar()
    return min(day_ago(_DAYS), datetime.fromtimestamp(last, UTC) - timedelta(days=1)) if last else day_ago(_DAYS)


def _note(store: Store, proof: Proof, day: str, db: sa.Connection) -> None:
    row = {"automation": proof.automation, "day": day, "made_at": time.time()}
    row |= {"counts": json.dumps(proof.counts), "digest": proof.digest, "complete": proof.is_complete}
    keys = [proofs.c.automation, proofs.c.day]
    db.execute(store.insert(proofs).values(row).on_conflict_do_update(index_elements=keys, set_=row))
