"""The desk: all that pages and the API can reach, put together in one place."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from roomkeeper.automations.automation import Automation
from roomkeeper.automations.redaction import Redactor
from roomkeeper.configuration.config import Config
from roomkeeper.desk.history import History
from roomkeeper.errors import NotThere
from roomkeeper.running.rehearsal import Rehearsed
from roomkeeper.store.database import Store


@dataclass(frozen=True)
class Desk:
    """`limits` are the portals' budgets; `rehearse(automation, event)` works out a plan and writes nothing."""

    config: Config
    store: Store
    history: History
    warnings: Sequence[str]
    limits: Mapping[str, Mapping[str, int]]
    rehearse: Callable[[Automation, int], Awaitable[Rehearsed]]
    redact: Redactor

    def automation(self, name: str) -> Automation:
        """Find an automation. Raises NotThere."""
        found = self.config.automation(name)
        if found is None:
            known = ", ".join(one.name for one in self.config.automations) or "none"
            raise NotThere(f"There is no automation {name!r}", remedy=f"There is: {known}.")
        return found
