"""What each part of a service is, in the process that it has to itself."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import structlog
import typer
import uvloop  # noqa: F401 - loaded before the parts are forked off, which share it

from roomkeeper.app import works
from roomkeeper.app.app import App
from roomkeeper.app.building import build
from roomkeeper.app.door import build_door
from roomkeeper.configuration.config import Config, digest_of
from roomkeeper.errors import RoomkeeperError
from roomkeeper.serving.log import start_log
from roomkeeper.serving.service import Service
from roomkeeper.serving.supervisor import BEAT, Place
from roomkeeper.store import services, texts
from roomkeeper.store.database import Store
from roomkeeper.telemetry import tracing
from roomkeeper.web.doorway import is_here
from roomkeeper.web.passage import Passage

log = structlog.get_logger("serve")


Read = Callable[[Config, str | None], Config]


def must_be_alone(loaded: Config) -> None:
    """See that no other service has this store. Raises AlreadyRunning."""
    if "://" in loaded.store or not Path(loaded.store).exists():
        return
    store = Store(loaded.store)
    try:
        works.must_be_alone(store)
    finally:
        store.close()


async def served(place: Place, loaded: Config, read_anew: Read) -> None:
    """Serve one part until it is asked to stop. `loaded` is what the whole service began with.

    `read_anew(running, text)` reads the file, or a text that stands for it, to take the place of what runs. Raises
    StoreUnavailable: then the part ends, and is started again.
    """
    config = loaded if place.is_first else _as_the_others(loaded, read_anew)
    app = _built(place, config)
    start_log(app.redact, sys.stderr, part=place.role)
    tracing.start()
    is_door = place.role == "door"
    beating: list[asyncio.Task[None]] = []
    service = Service(
        app,
        place.line,
        say=typer.echo if place.role == "desk" and place.is_first else None,
        renew=lambda running: _built(place, read_anew(running.config, None)),
        passage=_passage(place),
        lets_in=is_door,
        on_ready=lambda: beating.append(asyncio.create_task(_beat(place))),
    )
    service.stop_on_signals(interrupts=False)
    if place.woken_by is not None:
        asyncio.get_running_loop().add_reader(place.woken_by, _woken, place.woken_by, service)
    await service.serve()


def _built(place: Place, config: Config) -> App:
    if place.role == "door":
        return build_door(config, on_new=place.wake)
    return build(config, role=place.role)


def _passage(place: Place) -> Passage | None:
    if place.passage is None:
        return None
    is_door = place.role == "door"
    return Passage(place.passage, lambda path: is_here(path) is is_door)


def _as_the_others(loaded: Config, read_anew: Read) -> Config:
    """Give the text that the others run by now: the file may be in the middle of a change. Raises StoreUnavailable."""
    store = Store(loaded.store)
    try:
        others = {one.text for one in services.running(store)}
        kept = texts.newest(store)
    finally:
        store.close()
    run_by_others = [text for text in kept if digest_of(text) in others]
    for text in [*run_by_others, *kept]:
        try:
            return read_anew(loaded, text)
        except RoomkeeperError as error:
            log.warning("a text that was run is not taken", reason=error.message)
    return loaded


async def _beat(place: Place) -> None:
    while True:
        place.beat()
        await asyncio.sleep(BEAT)


def _woken(descriptor: int, service: Service) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(descriptor, 4096)
    service.wake()
