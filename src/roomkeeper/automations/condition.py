"""What a field must be: this, one of these, or like that. Pure."""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

Scalar = str | int | float | bool
Several = Annotated[list[str], Field(min_length=1)]


class Condition(BaseModel):
    """What a field must be like; of several words, all must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    contains: str | Several | None = Field(
        default=None, description="A text, or any of several, that stands in it.", examples=["invoice"]
    )
    like: str | Several | None = Field(
        default=None,
        description="A pattern for the whole, or any of several: `*` is any text, `?` any character.",
        examples=["Client: *"],
    )
    above: float | None = Field(default=None, description="It is a number, and greater.", examples=[1000])
    below: float | None = Field(default=None, description="It is a number, and smaller.", examples=[1000])
    not_: Scalar | Annotated[list[Scalar], Field(min_length=1)] | None = Field(
        default=None, alias="not", description="It is none of these; nor is what is not known.", examples=["draft"]
    )

    @model_validator(mode="after")
    def _says_something(self) -> "Condition":
        said = {name: getattr(self, name) for name in self.model_fields_set}
        if not said or None in said.values():
            raise ValueError("must say what it contains, is like, is above, is below or is not")
        return self

    @model_serializer(mode="wrap")
    def _as_it_stands(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {word: wanted for word, wanted in handler(self).items() if wanted is not None}

    def as_stored(self, stored: Callable[[str], str]) -> "Condition":
        """Give the condition as it must be asked of titles that a service stores otherwise than people write them."""

        def character(one: str) -> str:
            return one if one in "*?" else stored(f"x{one}x")[1:-1]

        def part(text: object) -> str:
            return "".join(map(character, str(text)))

        def whole(one: object) -> object:
            return stored(one) if isinstance(one, str) else one

        told = {"contains": part, "like": part, "not_": whole}
        changed = {
            name: [change(one) for one in listed(getattr(self, name))]
            for name, change in told.items()
            if getattr(self, name) is not None
        }
        return self.model_copy(update=changed)

    def holds(self, values: Sequence[object]) -> bool:
        """Whether it holds for a field, of the values that may stand for it; a field that is not known has none."""
        texts = [comparable(one) for one in values if one is not None]
        return (
            _any_of(self.contains, texts, lambda part, text: part in text)
            and _any_of(self.like, texts, _is_like)
            and (self.above is None or any(number > self.above for number in _numbers(texts)))
            and (self.below is None or any(number < self.below for number in _numbers(texts)))
            and (self.not_ is None or not {comparable(one) for one in listed(self.not_)} & set(texts))
        )

    def __str__(self) -> str:
        """Say it as it stands in the file."""
        said = self.model_dump(by_alias=True)
        return ", ".join(f"{word} {wanted!r}" for word, wanted in said.items())


def _condition(value: object) -> object:
    """Read a mapping as a condition. Raises ValueError, in words: of the other things that it is not, nobody asks."""
    if not isinstance(value, Mapping):
        return value
    try:
        return Condition.model_validate(value)
    except ValidationError as error:
        errors = error.errors()
        wrong = next((one for one in errors if not one["type"].endswith("_type")), errors[0])
        if wrong["type"] == "extra_forbidden":
            raise ValueError(_unknown(".".join(map(str, wrong["loc"][:1])))) from error
        what = wrong["msg"]
        raise ValueError(what.removeprefix("Value error, ")) from error


def _unknown(word: str) -> str:
    """Say that a word means nothing here, and which may have been meant."""
    words = [field.alias or name for name, field in Condition.model_fields.items()]
    near = difflib.get_close_matches(word, words, n=1)
    return f"{word!r} is not one of {', '.join(words)}" + (f": did you mean {near[0]!r}?" if near else "")


#: What a field must be: this, one of these, or like that.
Asked = Annotated[Scalar | list[Scalar] | Condition, BeforeValidator(_condition)]


def is_met(wanted: object, values: Sequence[object]) -> bool:
    """Whether a field is what is asked of it, of the values that may stand for it; what is not known is None."""
    if isinstance(wanted, Condition):
        return wanted.holds(values)
    have = {comparable(value) for value in values if value is not None}
    return any(comparable(one) in have for one in listed(wanted))


def never_met(wanted: object) -> str:
    """Say why what is asked of a field can hardly be meant; empty if it can."""
    if wanted == []:
        return "is to be one of none, so it never holds"
    is_condition = isinstance(wanted, Condition)
    asked = [wanted.contains, wanted.like, wanted.not_] if isinstance(wanted, Condition) else [wanted]
    texts = [text for one in asked for text in listed(one) if isinstance(text, str)]
    if any("{{" in text for text in texts):
        return "has a template in it, which is not worked out here"
    if not is_condition and any("*" in text for text in texts):
        return "has a `*`, which stands for itself here"
    return ""


def asking_for(known: Collection[str], what: str) -> AfterValidator:
    """Refuse a `where` that asks for a field that is not known; `what` is what has those that are."""

    def check(where: Mapping[str, Any]) -> Mapping[str, Any]:
        unknown = sorted(set(where) - set(known))
        if unknown:
            raise ValueError(f"asks for {', '.join(unknown)}; {what} has {', '.join(sorted(known))}")
        return where

    return AfterValidator(check)


def fits(where: Mapping[str, object], fields: Mapping[str, object]) -> bool:
    """Whether fields are as a `where` asks; of a field that is a list, any of it."""
    return all(is_met(wanted, listed(fields[name])) for name, wanted in where.items())


def comparable(value: object) -> str:
    """Compare as text, for payloads write numbers as strings; titles without regard to case, as the portal does."""
    return str(value).casefold()


def listed(wanted: object) -> Sequence[object]:
    """Take one for a list of one."""
    return wanted if isinstance(wanted, list | tuple) else (wanted,)


def _any_of(wanted: object, texts: Sequence[str], fits: Callable[[str, str], bool]) -> bool:
    return wanted is None or any(fits(comparable(one), text) for one in listed(wanted) for text in texts)


def _is_like(pattern: str, text: str) -> bool:
    return fnmatchcase(text, pattern.replace("[", "[[]"))  # titles have brackets, and mean them


def _numbers(texts: Sequence[str]) -> list[float]:
    found = []
    for text in texts:
        try:
            found.append(float(text))
        except ValueError:
            continue
    return found
