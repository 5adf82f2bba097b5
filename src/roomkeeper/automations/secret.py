"""Secrets in the configuration: by reference only, `!env NAME` or `!file path`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, SecretStr, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue

NOT_SET = "not-set"  # what stands for a secret that could not be looked up
IS_SECRET = object()  # the mark in a field's metadata


def _as_tuple(value: Any) -> Any:  # noqa: ANN401 - whatever the file says
    return tuple(value) if isinstance(value, list | tuple) else (value,)


_ONE: JsonSchemaValue = {"type": "string", "minLength": 1}
_ONE_OR_TWO: JsonSchemaValue = {"anyOf": [_ONE, {"type": "array", "items": _ONE, "maxItems": 2}]}
Secret = Annotated[SecretStr, WithJsonSchema(_ONE), IS_SECRET]
Secrets = Annotated[
    tuple[SecretStr, ...],
    BeforeValidator(_as_tuple),
    Field(max_length=2),
    WithJsonSchema(_ONE_OR_TWO),
    IS_SECRET,
]
"""One secret, or two while it is being changed."""


@dataclass(frozen=True)
class Reference:
    """`!env NAME` or `!file path`, as it stands in the file."""

    kind: str
    name: str

    def resolve(self, environment: Callable[[str], str | None], folder: Path) -> str:
        """Look it up. Raises LookupError with what is wrong and what to do about it."""
        if self.kind == "env":
            value = environment(self.name)
            if not value:
                raise LookupError(
                    f"the environment variable {self.name} is not set",
                    f"set it, or put a line {self.name}=… into the file .env beside this one",
                )
            return value
        path = folder / self.name
        try:
            value = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise LookupError(
                f"the file {path} cannot be read: {error}", "create it, readable for this user"
            ) from error
        if not value:
            raise LookupError(f"the file {path} is empty", "put the secret into it")
        return value


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting must not be written into the file."""
    maybe = [getattr(one, "__metadata__", ()) for one in get_args(field.annotation)]  # where it may be left out
    return IS_SECRET in field.metadata or any(IS_SECRET in one for one in maybe)
