"""`{{ … }}` in values and expressions in `if:`: sandboxed Jinja2 with strict undefined.

A value that is one expression keeps its type: `{{ deal.fields.room }}` stays a number.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import SecurityError
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from roomkeeper.errors import TemplateError

LARGEST = 1_000_000  # characters of a value, and digits of a number
_COMPARE = "write == to compare"
_KEPT = 1024  # texts whose meaning is remembered: a list's items have one in common (ours)


class _Bounded(ImmutableSandboxedEnvironment):
    """Works out only what has an end that one can wait for: what strangers wrote is in the variables."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401
        """Refuse what would be too large. Raises SecurityError."""
        if _size(operator, left, right) > LARGEST:
            raise SecurityError(f"what `{operator}` makes here is too large")
        return super().call_binop(context, operator, left, right)


def _size(operator: str, left: Any, right: Any) -> float:  # noqa: ANN401
    """Say how large at most something becomes."""
    if operator == "%":
        return max([int(digits) for digits in re.findall(r"\d{1,20}", left)], default=0) if isinstance(left, str) else 0
    if isinstance(left, int) and isinstance(right, int):
        return abs(right) * left.bit_length() / 3 if operator == "**" else 0
    texts = [one for one in (left, right) if isinstance(one, str | list | tuple)]
    counts = [one for one in (left, right) if isinstance(one, int)]
    return len(texts[0]) * abs(counts[0]) if texts and counts else 0


class _Missing(StrictUndefined):
    """What is not there: to use it is a fault, said so that whoever wrote the template knows what to write."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        return f"there is no {str(self._undefined_name)!r}: write `| default('')` behind what may be missing"


def _default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - Jinja's
    """Give the value, or `default_value` where it is not there, or null; or empty, with `true` behind it."""
    is_missing = value is None or isinstance(value, Undefined) or (boolean and not value)
    return default_value if is_missing else value


# A helpdesk writes null for what is empty: in a text, that is nothing, and no word.
_environment = _Bounded(
    undefined=_Missing,
    autoescape=False,
    keep_trailing_newline=True,
    finalize=lambda value: "" if value is None else value,
)
_environment.filters |= {"default": _default, "d": _default}


class _LeftOut(_Missing):
    """What a step gives that was left out: not there, and nothing that one asks of it is."""

    def __getattr__(self, name: str) -> "_LeftOut":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    __getitem__ = __getattr__  # type: ignore[assignment]


def left_out(step: str) -> Undefined:
    """Give what stands for the result of a step that was left out: `{{ told.room | default('') }}` can be asked."""
    return _LeftOut(name=step)


Reference = tuple[str, ...]
"""A variable as it is used: `deal.fields.x` is ("deal", "fields", "x")."""


def filters() -> Mapping[str, Any]:
    """Give the filters that may be used, by name."""
    return _environment.filters


def tests() -> Mapping[str, Any]:
    """Give the tests that may be used, by name."""
    return _environment.tests


def functions() -> Mapping[str, Any]:
    """Give the functions that may be called, by name."""
    return _environment.globals


def is_template(value: object) -> bool:
    """Whether the value is a string that has to be worked out."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def inside(value: object) -> list[str]:
    """List the templates inside a JSON value."""
    if isinstance(value, Mapping):
        return [text for one in value.values() for text in inside(one)]
    if isinstance(value, list | tuple):
        return [text for one in value for text in inside(one)]
    return [value] if isinstance(value, str) and is_template(value) else []


def render(value: Any, variables: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """Work out every template inside a JSON value. Raises TemplateError."""
    if isinstance(value, Mapping):
        return {name: render(one, variables) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [render(one, variables) for one in value]
    if not is_template(value):
        return value
    expression = _only_expression(value)
    try:
        if expression is not None:
            return _evaluate(expression, variables)
        return _written(_template(value).generate(variables), value)
    except (JinjaError, ArithmeticError, TypeError, ValueError, LookupError) as error:
        raise TemplateError(f"{value!r} cannot be worked out: {error}") from error


def _written(parts: Iterator[str], template: str) -> str:
    """Put a text together. Raises TemplateError where it grows too long."""
    text = ""
    for part in parts:
        text += part
        if len(text) > LARGEST:
            raise TemplateError(f"{template!r} cannot be worked out: it becomes longer than {LARGEST} characters")
    return text


def holds(condition: str, variables: Mapping[str, Any]) -> bool:
    """Work out the expression of an `if:`. A variable that is not there counts as false. Raises TemplateError."""
    try:
        return bool(_expression(condition, undefined_to_none=True)(**variables))
    except (JinjaError, ArithmeticError, TypeError, ValueError, LookupError) as error:
        raise TemplateError(f"the condition {condition!r} cannot be worked out: {error}") from error


def references(source: str, *, condition: bool = False) -> set[Reference]:
    """List the variables that a template or a condition uses. Raises TemplateError if it can never be worked out."""
    tree = _parsed(source, condition=condition)
    for kind, known in ((nodes.Filter, _environment.filters), (nodes.Test, _environment.tests)):
        for one in tree.find_all(kind):
            if one.name not in known:
                raise _unknown(source, kind.__name__.lower(), one.name, known)
    own = {name.name for name in tree.find_all(nodes.Name) if name.ctx in {"store", "param"}} | {"loop"}
    return {path for path in _paths(tree) if path[0] not in own and path[0] not in _environment.globals}


def _parsed(source: str, *, condition: bool) -> nodes.Template:
    """Parse it. Raises TemplateError: also for a condition that is, or compares, a whole template."""
    try:
        tree = _environment.parse("{{ " + source + " }}" if condition else source)
    except TemplateSyntaxError as error:
        if condition and is_template(source):
            raise _in_braces(source) from error
        what = f"{source!r} is not a valid {'condition' if condition else 'template'}: {error}"
        compares = "got '='" in str(error)  # Jinja's words
        raise TemplateError(what, remedy=_COMPARE if compares else "see the Jinja2 template syntax") from error
    if condition and any(_is_whole(one.value) for one in tree.find_all(nodes.Const)):
        raise _in_braces(source)
    return tree


def _in_braces(source: str) -> TemplateError:
    what = f"the condition {source!r} has a template in it, and is an expression already"
    return TemplateError(what, remedy="write it without {{ }} and without more quotes: file.extension == 'pdf'")


def _is_whole(value: object) -> bool:
    """Whether a text in a condition is a template and nothing else: it is compared as it stands there."""
    return isinstance(value, str) and value.strip().startswith("{{") and value.strip().endswith("}}")


def _unknown(source: str, kind: str, name: str, known: Collection[str]) -> TemplateError:
    """Say that a filter or a test is not there, which Jinja2 says only once it gets there; and what was meant."""
    near = get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return TemplateError(f"{source!r}: there is no {kind} {name!r}", remedy=f"{meant}the reference lists all {kind}s")


@lru_cache(_KEPT)
def _template(source: str) -> Template:
    return _environment.from_string(source)


@lru_cache(_KEPT)
def _expression(source: str, *, undefined_to_none: bool) -> TemplateExpression:
    return _environment.compile_expression(source, undefined_to_none=undefined_to_none)


@lru_cache(_KEPT)
def _only_expression(value: str) -> str | None:
    """Give the expression if the value is nothing but one, else None."""
    text = value.strip()
    body = _environment.parse(text).body
    if len(body) != 1 or not isinstance(body[0], nodes.Output) or len(body[0].nodes) != 1:
        return None
    if isinstance(body[0].nodes[0], nodes.TemplateData):
        return None
    inner = text.removeprefix("{{").removesuffix("}}")
    # Marks that trim what is around stand at the very edge; a sign has a blank before it.
    return inner.removeprefix("-").removesuffix("-").strip()


def _evaluate(expression: str, variables: Mapping[str, Any]) -> Any:  # noqa: ANN401
    value = _expression(expression, undefined_to_none=False)(**variables)
    if isinstance(value, StrictUndefined):
        str(value)  # raises what Jinja2 has to say about it
    if isinstance(value, str) and len(value) > LARGEST:
        raise SecurityError(f"it becomes longer than {LARGEST} characters")
    # Filters such as `select` give what has yet to be gone through: here, where its errors are met.
    return list(value) if isinstance(value, Iterator) else value


def _paths(node: nodes.Node) -> Iterator[Reference]:
    path = _path(node)
    if path is not None:
        yield path
        return
    for child in node.iter_child_nodes():
        yield from _paths(child)


def _path(node: nodes.Node) -> Reference | None:
    if isinstance(node, nodes.Name) and node.ctx == "load":
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        inner = _path(node.node)
        return (*inner, node.attr) if inner is not None else None
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        inner = _path(node.node)
        return (*inner, str(node.arg.value)) if inner is not None else None
    return None
