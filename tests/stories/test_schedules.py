"""What is due by the clock: one run for each moment, after a downtime too, whoever looks, and proved."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from mailboxes import Chat
from stage import Keeper, Portal, Rooms, copy_uploads, sized, until

from roomkeeper.automations.schedule import Schedule
from roomkeeper.store.database import opened
from roomkeeper.store.tables import trails

Make = Callable[..., Keeper]
EVERY = 600.0  # seconds


def due(name: str, **when: Any) -> dict[str, Any]:
    title = "{{ schedule.automation }} {{ schedule.due }}"
    step = {"do": "create_room", "with": {"title": title, "once_per": title}}
    return {"name": name, "on": "schedule", "steps": [step], **when}


def made(portal: Portal, name: str) -> list[str]:
    """List the moments for which there is a room; its title has them as the portal stores them."""
    titles = [one["title"] for one in portal.direct("GET", "/rooms")]
    mine = [one.partition(" ")[2][:19] for one in titles if one.startswith(f"{name} ")]
    return sorted(f"{one.replace('_', ':')}+00:00" for one in mine)


def be_away(keeper: Keeper, names: Sequence[str], since: datetime, every: float = EVERY) -> None:
    """Have it so that nobody has looked since then."""
    store = opened(keeper.store if "://" in keeper.store else str(keeper.folder / keeper.store))
    began = since.timestamp()
    places = [f"{name} every {every:g}s" for name in names]
    starts = {f"schedule in {place}": began for place in places}
    with store.write() as db:
        mine = sa.update(trails).where(trails.c.connection == "clock")
        position = json.dumps({place: since.isoformat() for place in places})
        db.execute(mine.values(position=position, began_at=began, starts=json.dumps(starts, sort_keys=True)))
    store.close()


def test_each_moment_of_a_downtime_has_what_the_file_says(portal: Portal, keepers: Make) -> None:
    rooms, names = Rooms(portal), ["once", "all", "skip"]
    keeper = keepers(portal, rooms.keeper_key, [due(name, every=f"{EVERY:.0f}s", missed=name) for name in names])
    keeper.start()
    until(lambda: bool(keeper.log().count("serving")))
    keeper.stop()
    since = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=35)
    be_away(keeper, names, since)
    moments = Schedule(every=EVERY).moments(since, datetime.now(UTC))
    late = [one for one in moments if datetime.now(UTC) - one > timedelta(minutes=2)]

    keeper.start()
    keeper.settle(lambda: len(made(portal, "all")) >= len(moments) and bool(made(portal, "once")))

    shown = [one.isoformat() for one in moments]
    assert made(portal, "all")[: len(shown)] == shown
    assert made(portal, "once")[0] == shown[-1]
    assert set(made(portal, "skip")) & {one.isoformat() for one in late} == set()
    counts = {name: keeper.ask("prove", name, "--since", "40m")["counts"] for name in names}
    assert counts["all"]["done"] >= len(shown)
    assert (counts["once"]["done"] >= 1, counts["once"]["excluded"]) == (True, len(shown) - 1)
    assert counts["skip"]["excluded"] == len(late)
    assert all("unaccounted" not in one for one in counts.values())


def test_two_processes_and_a_kill_make_one_run_for_each_moment(
    portal: Portal, keepers: Make, postgresql: Callable[[], str]
) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [due("often", every="10s")], store=postgresql())
    first = keeper.start_apart()
    keeper.start_apart(port=keeper.port + 1, role="worker")
    until(lambda: len(made(portal, "often")) >= 2)
    keeper.kill(first)
    seen = len(made(portal, "often"))
    until(lambda: len(made(portal, "often")) > seen)

    moments = [datetime.fromisoformat(one).timestamp() for one in made(portal, "often")]
    assert [later - earlier for earlier, later in itertools.pairwise(moments)] == [10.0] * (len(moments) - 1)


def test_each_of_many_missed_moments_has_one_run_on_two_machines_of_which_one_is_killed(
    portal: Portal, keepers: Make, postgresql: Callable[[], str]
) -> None:
    many, rooms, chat = sized(10_000, 120), Rooms(portal), Chat(knows_again=True)
    told = {"do": "notify", "via": "team", "with": {"text": "{{ schedule.due }}"}}
    often = {"name": "often", "on": "schedule", "every": "10s", "missed": "all", "gather": 1, "steps": [told]}
    team = {"type": "webhook", "url": chat.url, "token": "!env CRM_SECRET"}
    keeper = keepers(portal, rooms.keeper_key, [often], others={"team": team}, store=postgresql())
    keeper.start_apart()
    until(lambda: "every 10s" in looked_for(keeper))
    keeper.stop()
    since = datetime.fromtimestamp(datetime.now(UTC).timestamp() // 10 * 10, UTC) - timedelta(seconds=10 * many)
    be_away(keeper, ["often"], since, every=10.0)
    moments = {since + timedelta(seconds=10 * number) for number in range(1, many + 1)}

    def seen() -> Counter[datetime]:
        return Counter(datetime.fromisoformat(one["text"]) for one in list(chat.told))

    first = keeper.start_apart()
    keeper.start_apart(port=keeper.port + 1, role="worker")
    until(lambda: len(chat.told) > many // 4, within=2400)
    keeper.kill(first)
    until(lambda: moments <= set(seen()), within=2400)
    keeper.stop()
    chat.close()

    assert set(seen().values()) == {1}
    print(f"{many} moments that were missed, {len(seen())} runs with those that came meanwhile, each once")


def test_what_is_wrong_with_a_schedule_is_said_at_its_line(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    wrong = [
        due("neither"),
        due("both", every="1h", cron="0 8 * * *"),
        due("never", cron="0 0 30 2 *"),
        due("nowhere", cron="0 8 * * *", time_zone="Europe/Nowhere"),
        due("too-often", every="1s"),
        {**due("not-due", every="1h"), "on": "file.uploaded"},
    ]
    keeper = keepers(portal, rooms.keeper_key, wrong)

    said = keeper.complaints("check", codes=(2,))

    for part in ("needs `every` or `cron`", "cron expression", "time zone that this machine knows", "10s or more"):
        assert part in said
    assert "belong to `on: schedule`" in said


def test_started_by_hand_it_is_due_now_and_the_doctor_says_when_it_is_next(portal: Portal, keepers: Make) -> None:
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [due("yearly", cron="0 8 24 12 *", time_zone="Europe/Berlin")])
    keeper.start()
    keeper.say("start", "yearly", "--wait")

    (moment,) = made(portal, "yearly")
    assert abs(datetime.fromisoformat(moment) - datetime.now(UTC)) < timedelta(minutes=2)
    checks = {one["check"]: one["said"] for one in keeper.ask("doctor", codes=(0, 1, 3))["checks"]}
    assert "12-24 08:00 CET" in checks["schedule yearly"]
    assert keeper.ask("prove", "yearly", "--since", "7d")["counts"] == {"done": 1}


def test_another_schedule_under_the_same_name_begins_now_and_misses_nothing(portal: Portal, keepers: Make) -> None:
    """What would have been due by it before is no moment; nor is what was due while it was not in the file."""
    rooms = Rooms(portal)
    keeper = keepers(portal, rooms.keeper_key, [due("report", every=f"{EVERY:.0f}s", missed="all")])
    keeper.start()
    until(lambda: bool(keeper.log().count("serving")))
    keeper.stop()
    be_away(keeper, ["report"], datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1))
    keeper.rewrite(automations=[due("report", every="300s", missed="all")])
    keeper.start()
    until(lambda: "300s" in looked_for(keeper))
    keeper.stop()

    assert keeper.ask("prove", "report", "--since", "50m", codes=(0, 3))["lines"] == []

    keeper.rewrite(automations=[copy_uploads(rooms)])
    keeper.start()
    until(lambda: looked_for(keeper) == "{}")
    keeper.stop()
    assert "clock" not in keeper.say("check")


def looked_for(keeper: Keeper) -> str:
    store = opened(keeper.store if "://" in keeper.store else str(keeper.folder / keeper.store))
    with store.read() as db:
        found = db.execute(sa.select(trails.c.starts).where(trails.c.connection == "clock")).scalar() or ""
    store.close()
    return found
