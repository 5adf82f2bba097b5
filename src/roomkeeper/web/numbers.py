"""Numbers in addresses: those of runs and events."""

import re

from starlette.convertors import Convertor, register_url_convertor


class _Number(Convertor[int]):
    """A number of ours: none is too large for the store."""

    regex = "[0-9]{1,15}"

    def convert(self, value: str) -> int:
        """Read it."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Write it."""
        return str(value)


def read(text: str | None) -> int | None:
    """Read a number that somebody wrote; None if it is none."""
    return int(text) if text and re.fullmatch(_Number.regex, text) else None


def known() -> None:
    """Let routes say `{number:number}`."""
    register_url_convertor("number", _Number())
