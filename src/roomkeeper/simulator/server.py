"""Put the pretend portal together and serve it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from roomkeeper.simulator import api, control, crm, helpdesk
from roomkeeper.simulator.faults import Fault, FaultInjector
from roomkeeper.simulator.fileops import FileOps
from roomkeeper.simulator.history import History
from roomkeeper.simulator.limits import Limits
from roomkeeper.simulator.rights import Access
from roomkeeper.simulator.webhooks import Webhooks
from roomkeeper.simulator.world import Key, Share, World


@dataclass(frozen=True)
class Example:
    """Three rooms, two accounts and a group to try things with."""

    client: str = "Acme (client)"
    internal: str = "Acme (internal)"
    archive: str = "Archive"
    guest: str = "gil@client.example"
    group: str = "Support"
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


@dataclass(frozen=True)
class Scene:
    """One portal with its people, its faults and what it sends."""

    app: ASGIApp
    webhooks: Webhooks


def build(*, pace: float = 0.02, base: str = "", example: bool = False) -> Scene:
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

    return Scene(FaultInjector(app, faults), webhooks)


class Stage:
    """Serves one scene, and another one in its place when it is asked to: `POST /_sim/reset`."""

    def __init__(self, build: Callable[[], Scene]) -> None:
        self._build = build
        self._scene: Scene | None = None
        self._sending: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scene = self._scene
        if scene is None or (scope["path"], scope["method"]) == ("/_sim/reset", "POST"):
            scene = await self._changed()
        if scope["path"] == "/_sim/reset":
            await JSONResponse({})(scope, receive, send)
        else:
            await scene.app(scope, receive, send)

    async def _changed(self) -> Scene:
        """End what the old scene has under way: none of it may reach who comes after."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        self._scene = self._build()
        self._sending = asyncio.create_task(self._scene.webhooks.run())
        return self._scene


def furnish(world: World) -> None:
    """Make what `EXAMPLE` names."""
    keeper = world.add_user("Kim Keeper", "keeper@portal.example", "room_admin")
    guest = world.add_user("Gil Guest", EXAMPLE.guest, "guest")
    world.keys |= {
        EXAMPLE.keeper_key: Key(user=keeper, name="roomkeeper", secret=EXAMPLE.keeper_key),
        EXAMPLE.guest_key: Key(user=guest, name="guest", secret=EXAMPLE.guest_key),
    }
    world.groups["0b5e1f0c-0000-4000-8000-00000000beef"] = (EXAMPLE.group, set())
    world.relations[keeper.id] = {guest.id}  # the keeper invited the guest
    owner = world.owner.id
    for title, people in (
        (EXAMPLE.client, (keeper, guest)),
        (EXAMPLE.internal, (keeper,)),
        (EXAMPLE.archive, (keeper,)),
    ):
        room = world.add_folder(world.rooms_root, title, world.owner, room_type=5)
        for one in people:
            is_keeper = one is keeper
            access = Access.ROOM_MANAGER if is_keeper else Access.CONTENT_CREATOR
            room.shares[one.id] = Share(access, owner if is_keeper else keeper.id)


def serve(*, host: str = "127.0.0.1", port: int = 8090, pace: float = 0.02, example: bool = False) -> None:
    """Serve until stopped."""
    config = uvicorn.Config(
        Stage(partial(build, pace=pace, base=f"http://{host}:{port}", example=example)),
        host=host,
        port=port,
        log_level="critical",
        access_log=False,
        date_header=False,  # the fault injector dates the answers
        timeout_keep_alive=75,  # as what stands before a portal has it (nginx, keepalive_timeout); clients close sooner
        http=Protocol,
        lifespan="off",
    )
    uvicorn.Server(config).run()
