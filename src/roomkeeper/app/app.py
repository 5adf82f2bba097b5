"""A service that is put together, and the parts that it may have."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.applications import Starlette

from roomkeeper.automations.redaction import Redactor
from roomkeeper.configuration.config import Config
from roomkeeper.store.database import Store

#: What one process is for: everything; what is reached from outside (`web`), which is the door, where deliveries are
#: kept, and the desk, the pages; or what works.
Role = Literal["all", "web", "door", "desk", "worker"]

#: Exit codes of a process that must not go on, and wants to be started again: a part of it ended by a fault; stopping
#: took too long; another process took over its runs.
BROKEN, STUCK, TAKEN_OVER = 70, 71, 75


def _nothing() -> None:
    """There is nothing that could be woken, and no page to link to."""


@dataclass(frozen=True)
class App:
    """`site` answers HTTP, and what works runs while its lifespan lasts."""

    site: Starlette
    role: Role
    store: Store
    redact: Redactor
    config: Config
    #: What is to be said aloud wherever somebody looks.
    warnings: Sequence[str]
    #: Looks at once for what is new; may be called from any thread.
    wake: Callable[[], None] = _nothing
    #: Makes the path of a link that opens the pages once; None where people log in, or there are no pages.
    link: Callable[[], str | None] = _nothing

    def working(self) -> "contextlib.AbstractAsyncContextManager[object]":
        """Work as long as this lasts."""
        return self.site.router.lifespan_context(self.site)
