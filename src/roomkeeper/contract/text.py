"""Texts that an automation gives a step: what is made from an event's fields may come out as a number, or empty."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("came out empty")
    return value.strip()


def _an_address(value: str) -> str:
    value = value.strip()
    if "@" not in value.strip("@") or any(letter.isspace() or letter in "<>" for letter in value):
        raise ValueError("is no e-mail address alone, such as ann@acme.example")
    return value


#: An e-mail address and nothing beside it: what a portal reads out of more is another text than was given.
EmailAddress = Annotated[str, AfterValidator(_an_address)]
#: A text, or a number that stands for one, such as an id.
Text = Annotated[str, BeforeValidator(_as_text)]
#: The same, and not empty; blanks around it are taken off.
NotBlank = Annotated[Text, AfterValidator(_not_blank)]
