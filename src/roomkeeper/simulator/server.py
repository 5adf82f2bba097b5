"""Put the pretend portal together and serve it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from roomkeeper.simulator import api, control, crm, helpdesk
from roomkeeper.simulator.faults import Fault, FaultInjector
from roomkeeper.simulator.fileops import FileOps
from roomkeeper.simulator.history import History
from roomkeeper.simulator.limits import Limits
from roomkeeper.simulator.webhooks import Webhooks
from roomkeeper.simulator.world import Access, Key, Share, World


@dataclass(frozen=True)
class Example:
    """Two rooms and two accounts to try things with."""

    client: str = "Acme (client)"
    internal: str = "Acme (internal)"
    keeper_key: str = "sk-" + "0" * 63 + "2"
    guest_key: str = "sk-" + "0" * 63 + "3"
    room: int = 1002  # the client's: the first that is made


EXAMPLE = Example()
OWNER_KEY = "sk-" + "0" * 63 + "1"  # a pretend portal's key is no secret: it opens nothing else


class Protocol(HttpToolsProtocol):
    """Leaves the connection where faults can break it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["roomkeeper.transport"] = self.transport  # type: ignore[typeddict-unknown-key]


def build(*, pace: float = 0.02, base: str = "", example: bool = False) -> Any:
    """Make a portal with an owner and nothing else; `pace` 1 keeps the real portal's waits between deliveries."""
    world = World()
    world.base = base or world.base
    world.keys[OWNER_KEY] = Key(user=world.owner, name="owner", secret=OWNER_KEY)
    if example:
        furnish(world)
    webhooks, history = Webhooks(world, pace=pace), History()
    portal = api.Portal(world, webhooks, history, FileOps(world, webhooks, history), Limits())
    faults: list[Fault] = []
    app = api.build(portal, [*control.routes(faults), *crm.routes(portal), *helpdesk.routes(portal)])

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sending = asyncio.create_task(webhooks.run())
        try:
            yield
        finally:
            sending.cancel()

    app.router.lifespan_context = lifespan
    return FaultInjector(app, faults)


def furnish(world: World) -> None:
    """Make what `EXAMPLE` names."""
    keeper = world.add_user("Kim Keeper", "keeper@portal.example", "room_admin")
    guest = world.add_user("Gil Guest", "gil@client.example", "guest")
    world.keys |= {
        EXAMPLE.keeper_key: Key(user=keeper, name="roomkeeper", secret=EXAMPLE.keeper_key),
        EXAMPLE.guest_key: Key(user=guest, name="guest", secret=EXAMPLE.guest_key),
    }
    owner = world.owner.id
    for title, people in ((EXAMPLE.client, (keeper, guest)), (EXAMPLE.internal, (keeper,))):
        room = world.add_folder(world.rooms_root, title, world.owner, room_type=5)
        for one in people:
            access = Access.ROOM_MANAGER if one is keeper else Access.CONTENT_CREATOR
            room.shares[one.id] = Share(access, owner)


def serve(*, host: str = "127.0.0.1", port: int = 8090, pace: float = 0.02, example: bool = False) -> None:
    """Serve until stopped."""
    config = uvicorn.Config(
        build(pace=pace, base=f"http://{host}:{port}", example=example),
        host=host,
        port=port,
        log_level="critical",
        access_log=False,
        date_header=False,  # the fault injector dates the answers
        http=Protocol,
        lifespan="on",
    )
    uvicorn.Server(config).run()
