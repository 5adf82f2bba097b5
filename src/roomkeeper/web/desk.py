"""The desk: all that pages and the API can reach, put together in one place."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from roomkeeper.automations.automation import Automation
from roomkeeper.automations.redaction import Redactor
from roomkeeper.configuration.config import Config
from roomkeeper.contract.catalog import NamedRoom
from roomkeeper.desk.history import History
from roomkeeper.proving.prove import Proof
from roomkeeper.running.rehearsal import Rehearsal, Tried
from roomkeeper.store.database import Store


@dataclass(frozen=True)
class Desk:
    """`limits` are the portals' budgets.

    `rehearse(automation, event)` works out a plan and writes nothing; without an event, with what happened last. Raises
    NotThere.
    """

    config: Config
    store: Store
    history: History
    warnings: Sequence[str]
    limits: Mapping[str, Mapping[str, int]]
    rehearse: Callable[[Automation, int | None], Awaitable[Rehearsal]]
    redact: Redactor
    #: Accounts for an automation since a moment.
    prove: Callable[[Automation, datetime], Awaitable[Proof]]
    #: Lists the rooms that the accounts of the portals see; raises RemoteError.
    rooms: Callable[[], Awaitable[Sequence[NamedRoom]]]
    #: Checks a text of the configuration, with secrets that go before those that are there; raises ConfigError.
    check: Callable[[str, Mapping[str, str]], Config]
    #: Tries a configuration live, and some automations of it, with an event of this number or what happened last.
    try_out: Callable[[Config, Sequence[Automation], int | None], Awaitable[Tried]]

    def text_of(self, name: str) -> Mapping[str, Any] | None:
        """Give an automation as it is now, as runs keep theirs; None if there is none of that name."""
        found = self.config.automation(name)
        return found.model_dump(mode="json", by_alias=True) if found is not None else None
