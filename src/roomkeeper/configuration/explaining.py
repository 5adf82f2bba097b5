"""Say in our words what is wrong with a value, and what to write instead. Pure."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel


def hint(word: str, known: Sequence[str]) -> str:
    """Suggest the nearest of what is known, or list it."""
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there is: {', '.join(known)}" if known else "there is none"


def unknown(seen: str, part: str, written: str, node: Mapping[str, Any]) -> tuple[str, str]:
    """Say which part of a variable is not known, and what there is."""
    if not seen:
        return f"nothing provides `{written}` here", hint(part, sorted(node))
    if not node:
        return f"`{seen}` has no fields of its own", f"write `{seen}`"
    return f"`{seen}` has no field {part!r}", hint(part, sorted(node))


def explained(error: Any, model: type[BaseModel], path: tuple[str | int, ...]) -> tuple[str, str]:  # noqa: ANN401
    """Say a validation error in our words, and what to do."""
    name = str(path[-1]) if path else "it"
    kind, said = str(error["type"]), str(error["msg"])
    if kind == "extra_forbidden":
        return f"{name!r} is not known here", hint(name, _names(model))
    if kind == "missing":
        return f"{name!r} is missing", f"add `{name}:`{_example(model, name)}"
    said = said.removeprefix("Value error, ")
    return f"{name}: {said[:1].lower() + said[1:]}", f"correct the value{_example(model, name)}"


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _example(model: type[BaseModel], name: str) -> str:
    known = next((one for key, one in model.model_fields.items() if name in {key, one.alias}), None)
    return f", for example `{name}: {known.examples[0]}`" if known is not None and known.examples else ""
