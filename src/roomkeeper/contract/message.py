"""A message: what is told to people, or to their programs, outside of Roomkeeper's own pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Message:
    """`subject` is one line, `text` the whole; `data` says the same to a program."""

    subject: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    #: The addresses it goes to, of a connection that knows addresses, in place of its own.
    to: tuple[str, ...] = ()
