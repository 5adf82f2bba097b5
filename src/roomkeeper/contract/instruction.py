"""What an administrator does at a service, click by click: beside the setup's fields, and on the page of the docs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Instruction:
    """One thing to be done there, in the service's present words; emphasis and code are written as in Markdown.

    `{hook}` in the text stands for the address that deliveries go to.
    """

    title: str
    text: str
    #: What is to be put there as it is.
    paste: str = ""
    #: Whether it is for deliveries: where the service is asked for events instead, it is left out.
    is_for_deliveries: bool = False


def followed(instructions: Sequence[Instruction], hook: str | None) -> list[Instruction]:
    """Give them as one is to follow them; without an address, those for deliveries are left out."""
    return [
        replace(one, text=one.text.replace("{hook}", hook or ""))
        for one in instructions
        if hook is not None or not one.is_for_deliveries
    ]
