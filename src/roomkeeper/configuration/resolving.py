"""Look up what the file refers to; a secret that stands in the file itself is a fault."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from dotenv import dotenv_values
from pydantic import BaseModel

from roomkeeper.automations.secret import NOT_SET, Reference, is_secret
from roomkeeper.configuration.document import Document, Place
from roomkeeper.errors import Problem

#: A reference without its exclamation mark.
_FORGOTTEN = re.compile(r"(env|file) ([A-Za-z0-9_./-]{1,200})")


class Local:
    """The `.env` beside the file, for what a step reads from the environment while it runs.

    What was set outside goes before it; what came from it changes with it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._taken: dict[str, str] = {}

    def read(self) -> None:
        """Have in the environment what it says now."""
        for name, value in self._taken.items():
            if os.environ.get(name) == value:
                del os.environ[name]
        said = dotenv_values(self._file, interpolate=False)
        self._taken = {name: value for name, value in said.items() if value is not None and name not in os.environ}
        os.environ.update(self._taken)


class Resolver:
    """Resolves references by the environment, the `.env` beside the file, and files.

    Where secrets are not `required`, one that cannot be looked up is noted and no fault.
    """

    def __init__(self, document: Document, *, required: bool, given: Mapping[str, str]) -> None:
        self._document, self._required, self._given = document, required, given
        self._local = dotenv_values(document.file.parent / ".env", interpolate=False)

    def resolved(self, node: Mapping[str, Any], where: Place, model: type[BaseModel]) -> dict[str, Any]:
        """Look up the references of one mapping; a secret that stands in the file is a problem."""
        out: dict[str, Any] = {}
        for name, value in node.items():
            known = model.model_fields.get(str(name))
            within = _model_within(known.annotation) if known is not None else None
            if within is not None and isinstance(value, Mapping):
                out[str(name)] = self.resolved(value, (*where, name), within)
            elif within is not None and isinstance(value, list):
                out[str(name)] = [
                    self.resolved(one, (*where, name, at), within) if isinstance(one, Mapping) else one
                    for at, one in enumerate(value)
                ]
            else:
                out[str(name)] = self._value(value, (*where, name), secret=known is not None and is_secret(known))
        return out

    def _value(self, value: Any, where: Place, *, secret: bool) -> Any:  # noqa: ANN401 - YAML
        if isinstance(value, Reference):
            return self._looked_up(value, where)
        tag = str(getattr(getattr(value, "tag", None), "value", "") or "")
        if tag.startswith("!") and not tag.startswith("!!"):
            self._document.say(where, f"the tag {tag} is not known", "write `!env NAME` or `!file path`")
            return NOT_SET
        if secret and isinstance(value, list):
            return [self._value(one, (*where, at), secret=True) for at, one in enumerate(value)]
        if secret:
            name = str(where[-1])
            if value in (None, ""):
                self._document.say(where, f"`{name}` is empty", f"write `{name}: !env {name.upper()}`")
                return NOT_SET
            if forgotten := _FORGOTTEN.fullmatch(str(value)):
                what = f"`{name}` names {forgotten[2]} without the mark that it is to be read from there"
                self._document.say(where, what, f"write `{name}: !{forgotten[1]} {forgotten[2]}`")
                return NOT_SET
            remedy = (
                f"write `{name}: !env {name.upper()}` or `{name}: !file path`, and change the secret: it has leaked"
            )
            self._document.say(where, f"the secret `{name}` stands in the file", remedy)
            return NOT_SET
        return value

    def is_set(self, variable: str) -> bool:
        """Whether a variable is set, here or in the `.env` beside the file."""
        return bool(self._variable(variable))

    def _variable(self, name: str) -> str | None:
        return self._given.get(name) or os.environ.get(name) or self._local.get(name)

    def _looked_up(self, reference: Reference, where: Place) -> str:
        if reference.kind == "env" and not reference.name.isidentifier():
            remedy = (
                "write `!env NAME`, and put NAME=… into .env; if this is the secret itself, change it: it has leaked"
            )
            self._document.say(where, "what stands after `!env` is not the name of a variable", remedy)
            return NOT_SET
        try:
            return reference.resolve(self._variable, self._document.file.parent)
        except LookupError as error:
            what, remedy = error.args
            missing = reference.name if reference.kind == "env" else ""
            problem = Problem(str(self._document.file), self._document.line(where), what, remedy, missing)
            (self._document.problems if self._required else self._document.notes).append(problem)
            return NOT_SET


def _model_within(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - a type
    """Find the model that a setting is made of: itself, or in a list, or perhaps not there."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    within = [_model_within(one) for one in get_args(annotation)]
    return next((one for one in within if one is not None), None)
