"""Say in our words what is wrong with a value, and what to write instead. Pure."""

import difflib
from collections.abc import Mapping, Sequence
from datetime import date
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


def alternatives(errors: Sequence[Any]) -> dict[tuple[str | int, ...], list[Any]]:
    """Bring together what is wrong with one value: where it may be of several types, each of them complains."""
    together: dict[tuple[str | int, ...], list[Any]] = {}
    for one in errors:
        path = [part for part in one["loc"] if not (isinstance(part, str) and "[" in part)]
        if path and path[-1] in _TYPES and str(one["type"]).endswith(_NOT_OF_IT):
            path.pop()
        together.setdefault(tuple(path), []).append(one)
    return together


def explained(errors: Sequence[Any], model: type[BaseModel], path: tuple[str | int, ...]) -> tuple[str, str]:
    """Say what is wrong with a value in our words, and what to do."""
    name = str(path[-1]) if path else "it"
    kind, said, value = str(errors[0]["type"]), str(errors[0]["msg"]), errors[0].get("input")
    if _is_bare_template(value):
        return f"{name} begins with a brace, which YAML takes for a mapping", f"put the template in quotes: {_QUOTED}"
    if kind == "string_type" and isinstance(value, date | bool | int | float):
        return f"{name} is {_said_of(value)} to YAML, and must be a text", "put it in quotes"
    if len(errors) > 1:
        kinds = list(dict.fromkeys(_kind_of(one) for one in errors))
        given = type(errors[0]["input"]).__name__
        what = f"{name} must be {', '.join(kinds[:-1])} or {kinds[-1]}, and is {_GIVEN.get(given, given)}"
        return what, f"correct the value{_example(model, str(path[0]) if path else name)}"
    if kind == "extra_forbidden":
        return f"{name!r} is not known here", hint(name, _names(model))
    if kind == "missing":
        return f"{name!r} is missing", f"add `{name}:`{_example(model, name)}"
    said = said.removeprefix("Value error, ")
    return f"{name}: {said[:1].lower() + said[1:]}", f"correct the value{_example(model, name)}"


_QUOTED = 'title: "{{ file.title }}"'


def _is_bare_template(value: object) -> bool:
    """Whether somebody wrote `{{ … }}` without quotes: a mapping of a mapping of nothing."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    ((key, inner),) = value.items()
    return inner is None and str(key).startswith("{")


def _said_of(value: object) -> str:
    return "a date" if isinstance(value, date) else "true or false" if isinstance(value, bool) else "a number"


def _kind_of(error: Any) -> str:  # noqa: ANN401 - pydantic's
    """Say what one alternative would have been."""
    expected = (error.get("ctx") or {}).get("expected")
    return (
        f"one of {expected}"
        if error["type"] in {"literal_error", "enum"} and expected
        else _KINDS.get(str(error["type"]), "something else")
    )


#: The types that a value of the configuration may have, as validation names them.
_TYPES = frozenset({"str", "int", "float", "bool"})
_NOT_OF_IT = ("_type", "_parsing", "_from_float")
_KINDS = {
    "string_type": "a text",
    "int_type": "a number",
    "int_parsing": "a number",
    "int_from_float": "a number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list of such",
    "dict_type": "a mapping",
    "none_required": "empty",
}
_GIVEN = {"dict": "a mapping", "list": "a list", "NoneType": "empty", "str": "a text", "float": "a number"}


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _example(model: type[BaseModel], name: str) -> str:
    known = next((one for key, one in model.model_fields.items() if name in {key, one.alias}), None)
    return f", for example `{name}: {known.examples[0]}`" if known is not None and known.examples else ""
