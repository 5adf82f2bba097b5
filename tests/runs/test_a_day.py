"""A day of a service, played fast: what goes wrong is told once, by every way, and its end too."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from mailboxes import Chat, Mailbox
from pydantic import SecretStr
from stage import free_port

from roomkeeper.connectors.notify import slack, smtp, webhook
from roomkeeper.contract.catalog import Source
from roomkeeper.errors import RemoteError
from roomkeeper.intake.inbox import BLANK
from roomkeeper.store import alerts, services
from roomkeeper.store.alerts import Alert
from roomkeeper.store.database import Store
from roomkeeper.store.tables import days, events, runs
from roomkeeper.store.tables import services as table
from roomkeeper.watching.notices import GATHER, Heartbeat, Notices, beat
from roomkeeper.watching.watch import Watch

HOUR, DAY = 3600.0, 86_400.0
MIDNIGHT = (time.time() // DAY) * DAY


@pytest.fixture
def chat() -> Iterator[Chat]:
    one = Chat()
    yield one
    one.close()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    one = Mailbox(free_port())
    yield one
    one.close()


def by_chat(chat: Chat) -> Source:
    settings = slack.Slack(url=SecretStr(chat.url))
    return Source("ops-chat", slack.CONNECTOR, slack.connect(settings, tally=None))


def by_program(chat: Chat) -> Source:
    settings = webhook.Webhook(url=chat.url, token=SecretStr("a-token"), hmac_secret=SecretStr("a-key"))
    return Source("ops-program", webhook.CONNECTOR, webhook.connect(settings, tally=None))


def by_mail(mailbox: Mailbox) -> Source:
    given = {
        "host": "127.0.0.1",
        "port": mailbox.port,
        "security": "none",
        "from": "r@x.example",
        "to": ["o@x.example"],
    }
    return Source("ops-mail", smtp.CONNECTOR, smtp.connect(smtp.Smtp(**given), tally=None))


KNOWN: dict[str, Any] = {"automations": ["copies"], "connections": ["acme", "quiet"]}


class Day:
    """A service's day: every five minutes it is looked at, and people are told."""

    def __init__(self, store: Store, tellers: list[Source]) -> None:
        self.store, self.tellers = store, tellers
        self.watch = Watch(store, listened=["acme", "quiet"], writes={"acme": 100}, **KNOWN)
        self.notices = Notices(store, tellers, "https://hooks.acme.example")
        self.now = MIDNIGHT

    def happened_before(self) -> None:
        """For four days something arrived every ten minutes."""
        with self.store.write() as db:
            for at in range(int(4 * DAY / 600)):
                self._arrive(db, MIDNIGHT - 4 * DAY + at * 600)

    def arrive(self) -> None:
        with self.store.write() as db:
            self._arrive(db, self.now)

    def _arrive(self, db: sa.Connection, at: float) -> None:
        told = {"delivery": f"{at}", "meaning": f"{at}", "received_at": at, "at": at, "type": "file.uploaded"}
        db.execute(
            sa.insert(events).values(
                BLANK | {"connection": "acme", "status": "accepted", "at": at, "received_at": at} | told
            )
        )

    def run(self, number: int, state: str) -> None:
        values = {"automation": "copy", "key": f"{number}", "connection": "acme", "text": "{}", "gather": 1}
        values |= {"claims": False, "made_at": self.now, "error": "copy_files: it is locked", "remedy": "Unlock it."}
        with self.store.write() as db:
            if db.execute(runs.update().where(runs.c.id == number).values(state=state)).rowcount == 0:
                db.execute(sa.insert(runs).values(id=number, state=state, **values))

    def hold(self, reason: str) -> None:
        """Let an event wait for something to be put right; without a reason, let it go on."""
        with self.store.write() as db:
            db.execute(events.update().where(events.c.id == 1).values(state="new" if reason else "over", reason=reason))

    def write(self, writes: int) -> None:
        row = {"budget": "acme", "day": int(self.now // DAY), "writes": writes}
        with self.store.write() as db:
            db.execute(sa.delete(days))
            db.execute(sa.insert(days).values(row))

    async def go(self, until: float, *, arrives: bool = True) -> None:
        """Play on."""
        while self.now < until:
            self.now += 300
            if arrives and self.now % 600 == 0:
                self.arrive()
            await asyncio.to_thread(self.watch.look, self.now)
            for one in self.tellers:
                await self.notices.tell(one, self.now + GATHER)


@pytest.mark.long
async def test_each_alert_of_a_day_is_told_once_and_so_is_its_end(store: Store, chat: Chat, mailbox: Mailbox) -> None:
    program = Chat()
    day = Day(store, [by_chat(chat), by_program(program), by_mail(mailbox)])
    day.happened_before()
    await day.go(MIDNIGHT + 2 * HOUR)
    assert chat.told == []

    day.run(1, "needs_attention")
    day.run(2, "needs_attention")
    await day.go(MIDNIGHT + 4 * HOUR)
    day.run(3, "needs_attention")
    await day.go(MIDNIGHT + 5 * HOUR)
    for number in (1, 2, 3):
        day.run(number, "done")
    await day.go(MIDNIGHT + 6 * HOUR)
    ill = Alert("webhook acme disabled", "acme: it is disabled", "Enable it.")
    alerts.settle(store, "webhook acme ", [ill], day.now)
    day.hold("waits: the key is not accepted")
    await day.go(MIDNIGHT + 8 * HOUR)
    alerts.settle(store, "webhook acme ", [], day.now)
    day.hold("")
    day.write(95)
    await day.go(MIDNIGHT + 10 * HOUR)
    day.write(10)
    await day.go(MIDNIGHT + 14 * HOUR)
    await day.go(MIDNIGHT + 20 * HOUR, arrives=False)
    await day.go(MIDNIGHT + 24 * HOUR)

    said = [(len(one["alerts"]), len(one["over"])) for one in program.told]
    assert said == [(2, 0), (1, 0), (0, 3), (2, 0), (1, 2), (0, 1), (1, 0), (0, 1)]
    opened = [alert["key"] for one in program.told for alert in one["alerts"]]
    closed = [alert["key"] for one in program.told for alert in one["over"]]
    expected = ["run 1", "run 2", "run 3", "webhook acme disabled", "waiting acme", "budget acme", "silence acme"]
    assert sorted(opened) == sorted(closed) == sorted(expected)
    assert len(chat.told) == len(mailbox.mails) == len(program.told)
    for line in (
        "• run 1 (copy): copy_files: it is locked\n   → Unlock it.\n   https://hooks.acme.example/runs/1",
        "95 of today's 100 writes",
        "the longest pause of the 14 days before was 20 minutes",
        "✓ over: acme: it is disabled",
        "https://hooks.acme.example",
    ):
        assert line in chat.texts
    assert mailbox.mails[0]["Subject"] == "Roomkeeper: 2 alerts"
    assert mailbox.mails[0]["Auto-Submitted"] == "auto-generated"
    program.close()


async def test_a_program_can_see_who_tells_it(store: Store, chat: Chat) -> None:
    alerts.settle(store, "webhook acme ", [Alert("webhook acme x", "ill")], MIDNIGHT)

    await Notices(store, []).tell(by_program(chat), MIDNIGHT + GATHER)

    (sent,) = chat.headers
    assert sent["Authorization"] == "Bearer a-token"
    assert sent["X-Signature-256"] == f"sha256={hmac.new(b'a-key', sent['body'].encode(), hashlib.sha256).hexdigest()}"


async def test_two_processes_tell_it_once(store: Store, chat: Chat) -> None:
    day = Day(store, [])
    day.run(1, "needs_attention")
    day.watch.look(day.now)
    others = [Notices(store, [by_chat(chat)]) for _ in range(4)]

    told = await asyncio.gather(*(one.tell(by_chat(chat), day.now + GATHER) for one in others))

    assert sorted(told) == [0, 0, 0, 1]
    assert len(chat.told) == 1


async def test_what_comes_and_goes_between_two_looks_is_not_told(store: Store, chat: Chat) -> None:
    day = Day(store, [by_chat(chat)])
    day.run(1, "needs_attention")
    day.watch.look(day.now)
    assert await day.notices.tell(day.tellers[0], day.now) == 0  # more may follow
    day.run(1, "done")
    day.watch.look(day.now + 10)

    assert await day.notices.tell(day.tellers[0], day.now + 2 * GATHER) == 0
    assert chat.told == []


async def test_a_chat_that_does_not_answer_is_told_later_and_the_others_at_once(store: Store, chat: Chat) -> None:
    program = Chat()
    day = Day(store, [])
    day.run(1, "needs_attention")
    day.watch.look(day.now)
    chat.answer = 503
    with pytest.raises(RemoteError) as failed:
        await day.notices.tell(by_chat(chat), day.now + GATHER)
    assert "planted-chat-secret" not in failed.value.message

    assert await day.notices.tell(by_program(program), day.now + GATHER) == 1
    chat.answer = 200
    assert await day.notices.tell(by_chat(chat), day.now + 2 * GATHER) == 1
    assert len(chat.told) == len(program.told) == 1
    program.close()


async def test_that_a_chat_failed_is_over_once_it_was_told(store: Store, chat: Chat) -> None:
    wrong = [Alert("messenger ops-chat fails", "ops-chat cannot be told"), Alert("messenger gone fails", "gone fails")]
    for one in wrong:
        alerts.settle(store, one.key.rpartition(" ")[0], [one], MIDNIGHT)  # before a restart
    alerts.settle(store, "webhook acme ", [Alert("webhook acme x", "ill")], MIDNIGHT)
    task = asyncio.create_task(Notices(store, [by_chat(chat)]).keep())

    while len(alerts.current(store)) > 1:  # noqa: ASYNC110 - the store is looked at
        await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [one.key for one in alerts.current(store)] == ["webhook acme x"]


async def test_names_of_files_cannot_ping_a_channel(store: Store, chat: Chat) -> None:
    wrong = [Alert("webhook acme x", "<!channel> & <https://evil.example|click>")]
    alerts.settle(store, "webhook acme ", wrong, MIDNIGHT)

    await Notices(store, []).tell(by_chat(chat), MIDNIGHT + GATHER)
    assert "<" not in chat.texts
    assert "&lt;!channel&gt; &amp;" in chat.texts


async def test_a_mail_server_that_refuses_is_named(store: Store) -> None:
    given: dict[str, Any] = {"host": "127.0.0.1", "port": free_port(), "security": "none"}
    mailer = smtp.connect(smtp.Smtp(**given, **{"from": "r@x.example", "to": ["o@x.example"]}), tally=None)
    alerts.settle(store, "webhook acme ", [Alert("webhook acme x", "ill")], MIDNIGHT)

    with pytest.raises(RemoteError, match="cannot be written to"):
        await Notices(store, []).tell(Source("ops-mail", smtp.CONNECTOR, mailer), MIDNIGHT + GATHER)


async def test_the_heart_beats_while_the_store_keeps_what_is_written(store: Store, chat: Chat) -> None:
    task = asyncio.create_task(beat(Heartbeat(chat.url, 0.05), store))
    await asyncio.sleep(0.3)
    assert chat.beats == 0  # nobody has said yet that they are there
    services.announce(store, "here process 1", "worker", "text")
    async with asyncio.timeout(60):
        while chat.beats < 3:  # noqa: ASYNC110 - a server in a thread
            await asyncio.sleep(0.02)

    with store.write() as db:
        db.execute(sa.update(table).values(seen_at=time.time() - 60))
    await asyncio.sleep(0.3)  # for the last one
    heard = chat.beats
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert chat.beats == heard
