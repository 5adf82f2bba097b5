"""Notices: tell people outside of the pages what is wrong, once, in groups, and when it is over."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2
import sqlalchemy as sa
import structlog

from roomkeeper.contract.catalog import Source
from roomkeeper.contract.message import Message
from roomkeeper.errors import RemoteError, StoreUnavailable, Unreachable
from roomkeeper.remote import fetched, trusted
from roomkeeper.store import alerts, services
from roomkeeper.store.alerts import Alert
from roomkeeper.store.database import Store
from roomkeeper.store.moments import moment
from roomkeeper.store.tables import alerts as opened
from roomkeeper.store.tables import messengers, notices

log = structlog.get_logger("notices")

_EVERY = 5.0  # seconds between two looks for something to tell
GATHER = 20.0  # seconds in which more may follow, to be told with the first
_BEGINS = 10  # seconds that a service has to say that it is there (ours)
_SENDS = 90.0  # seconds that a process has for sending before another tries
_AGAIN_FIRST, _AGAIN_LONGEST = 10.0, 600.0  # seconds until a messenger is tried again that failed
_NAMED = 20  # alerts that one message names


@dataclass(frozen=True)
class Heartbeat:
    """An address that is called every so many seconds while the service works: who misses the calls raises alarm."""

    url: str
    every: float


class Notices:
    """Tells the messengers. `address` is where the pages are, for links; empty if that is not known."""

    def __init__(self, store: Store, tellers: Sequence[Source], address: str = "") -> None:
        self._store, self._tellers, self._address = store, tellers, address

    async def keep(self) -> None:
        """Tell each messenger for ever."""
        kept = [f"messenger {one.name} " for one in self._tellers]
        await asyncio.to_thread(alerts.retain, self._store, "messenger ", kept)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.Event().wait())  # also where there is none
            for one in self._tellers:
                tasks.create_task(self._keep_one(one))

    async def tell(self, teller: Source, now: float) -> int:
        """Tell one messenger what it has not been told; gives how many things. Raises RemoteError, StoreUnavailable."""
        if not await self._store.writing(partial(self._claim, teller.name, now)):
            return 0
        new, over = await self._store.reading(partial(_untold, teller.name))
        try:
            if not new and not over:
                return 0
            if 0 <= now - min(row.closed_at or row.opened_at for row in [*new, *over]) < GATHER:
                return 0  # more may follow, to be told with it
            tell = teller.connector.tell
            if tell is not None:
                async with asyncio.timeout(_SENDS / 2):
                    await tell(teller.client, written(new, over, self._address))
            await self._store.writing(partial(self._told, teller.name, new, over, now))
            await self._settle(teller, [])
            return len(new) + len(over)
        except TimeoutError as error:
            raise Unreachable(f"{teller.name} did not take it within {_SENDS / 2:.0f} seconds") from error
        finally:
            mine = (messengers.c.name == teller.name, messengers.c.claimed_at == now)
            free = messengers.update().where(*mine).values(claimed_at=0.0)
            await self._store.writing(lambda db: db.execute(free))

    async def _keep_one(self, teller: Source) -> None:
        again = 0.0
        while True:
            await asyncio.sleep(again or _EVERY)
            try:
                await self.tell(teller, time.time())
                again = 0.0
            except StoreUnavailable as error:
                log.warning("cannot tell", messenger=teller.name, reason=error.message)
            except RemoteError as error:
                again = min(_AGAIN_LONGEST, again * 2 or _AGAIN_FIRST)
                await self._failed(teller, error.message, error.remedy)
            except Exception as error:  # what one messenger cannot take must not stop the deliveries
                log.exception("telling failed", messenger=teller.name)
                again = min(_AGAIN_LONGEST, again * 2 or _AGAIN_FIRST)
                await self._failed(teller, f"a fault in Roomkeeper: {type(error).__name__}", "The log says which.")

    async def _failed(self, teller: Source, reason: str, remedy: str) -> None:
        """Let the others tell that this one fails."""
        log.warning("cannot tell", messenger=teller.name, reason=reason)
        what = f"{teller.name} cannot be told of alerts: {reason}"
        with contextlib.suppress(StoreUnavailable):
            await self._settle(teller, [Alert(f"messenger {teller.name} fails", what, remedy)])

    async def _settle(self, teller: Source, wrong: Sequence[Alert]) -> None:
        await asyncio.to_thread(alerts.settle, self._store, f"messenger {teller.name} ", wrong)

    def _claim(self, name: str, now: float, db: sa.Connection) -> bool:
        """Take one's turn: of several processes one sends."""
        row = {"name": name, "claimed_at": 0.0}
        db.execute(self._store.insert(messengers).values(row).on_conflict_do_nothing())
        free = sa.or_(messengers.c.claimed_at <= now - _SENDS, messengers.c.claimed_at > now)
        mine = messengers.update().where(messengers.c.name == name, free)
        return db.execute(mine.values(claimed_at=now)).rowcount > 0

    def _told(self, name: str, new: Sequence[Any], over: Sequence[Any], now: float, db: sa.Connection) -> None:
        for row in new:
            known = {"alert_id": row.id, "messenger": name, "opening_told_at": now}
            db.execute(self._store.insert(notices).values(known).on_conflict_do_nothing())
        ended = notices.update().where(notices.c.messenger == name, notices.c.alert_id.in_([row.id for row in over]))
        db.execute(ended.values(closing_told_at=now))


async def beat(heart: Heartbeat, store: Store) -> None:
    """Call the address for ever, as long as the store keeps what is written."""
    async with httpx2.AsyncClient(verify=trusted(), timeout=10.0) as http:
        await _until_begun(store)
        while True:
            try:
                await asyncio.to_thread(services.must_be_kept, store)
                (await fetched(http, "GET", heart.url)).raise_for_status()
            except (httpx2.HTTPError, httpx2.InvalidURL, StoreUnavailable) as error:
                log.warning("the heartbeat did not arrive", reason=type(error).__name__)  # its address is a secret
            await asyncio.sleep(heart.every)


async def _until_begun(store: Store) -> None:
    """Wait a moment for this service to have said that it is there: it does so while the heart begins to beat."""
    for _ in range(_BEGINS):
        with contextlib.suppress(StoreUnavailable):
            if await asyncio.to_thread(services.running, store):
                return
        await asyncio.sleep(1.0)


def written(new: Sequence[Any], over: Sequence[Any], address: str) -> Message:
    """Write one message of all that is new and all that is over."""
    parts = [f"{len(new)} alert{'s' if len(new) > 1 else ''}"] if new else []
    parts += [f"{len(over)} over"] if over else []
    lines = [line for row in new[:_NAMED] for line in _lines(row, address)]
    lines += [f"and {len(new) - _NAMED} more"] if len(new) > _NAMED else []
    lines += [f"✓ over: {row.what}" for row in over[:_NAMED]]
    lines += [f"and {len(over) - _NAMED} more are over"] if len(over) > _NAMED else []
    subject = f"Roomkeeper: {', '.join(parts)}"
    text = "\n".join([subject, *lines, *([address] if address else [])])
    shown = {"alerts": [_shown(row, address) for row in new], "over": [_shown(row, address) for row in over]}
    return Message(subject, text, shown)


def _lines(row: Any, address: str) -> list[str]:  # noqa: ANN401 - a database row
    where = _page(row.key, address)
    return [f"• {row.what}", *([f"   → {row.remedy}"] if row.remedy else []), *([f"   {where}"] if where else [])]


def _page(key: str, address: str) -> str:
    """Give the page where an alert can be put right; of runs each has one."""
    kind, _, rest = key.partition(" ")
    return f"{address}/runs/{rest}" if kind == "run" and address else ""


def _untold(name: str, db: sa.Connection) -> tuple[Sequence[Any], Sequence[Any]]:
    """Find what is open and was not told, and what was told and is over; what came and went between is neither."""
    mine = sa.and_(notices.c.alert_id == opened.c.id, notices.c.messenger == name)
    joined = sa.select(opened).select_from(opened.outerjoin(notices, mine))
    # That it cannot be told itself is for the others to tell.
    new = joined.where(
        opened.c.closed_at.is_(None),
        notices.c.alert_id.is_(None),
        ~opened.c.key.startswith(f"messenger {name} ", autoescape=True),
    )
    over = joined.where(
        opened.c.closed_at.is_not(None), notices.c.alert_id.is_not(None), notices.c.closing_told_at.is_(None)
    )
    return db.execute(new.order_by(opened.c.id)).all(), db.execute(over.order_by(opened.c.id)).all()


def _shown(row: Any, address: str) -> dict[str, Any]:  # noqa: ANN401 - a database row
    return {
        "key": row.key,
        "kind": row.key.partition(" ")[0],
        "url": _page(row.key, address) or address or None,
        "what": row.what,
        "remedy": row.remedy,
        "opened_at": moment(row.opened_at),
        "closed_at": moment(row.closed_at),
    }
