"""Redaction: leave secrets out of what is kept, shown or logged."""

import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel, SecretStr

LEFT_OUT = "(left out)"
_TELLING = re.compile(
    r"authoriz|cookie|signature|token|secret|passw|passphrase|api[-_]?key|private[-_]?key|credential|session[-_]?id|hmac|jwt",
    re.IGNORECASE,
)
_ELEMENT = re.compile(r"<((?:\w+:)?(\w+))(\s[^>]*)?>[^<]*</\1>")
_SHORTEST = 6  # characters: what is shorter stands in ordinary text, too
_LONGEST = 300  # characters of a header that are worth keeping
_MOST = 60  # headers


def head(method: str, path: str, query: str, headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Describe how a delivery came, without what proves who sent it."""
    parameters = [(name, LEFT_OUT if _TELLING.search(name) else value) for name, value in parse_qsl(query)]
    kept = {
        name.lower(): LEFT_OUT if _TELLING.search(name) else value[:_LONGEST] for name, value in list(headers)[:_MOST]
    }
    return {"method": method, "path": path, "query": urlencode(parameters, safe="() "), "headers": kept}


def body(text: str) -> str:
    """Give a body as it may be shown: JSON in lines; the values of what is called a secret left out."""
    try:
        return json.dumps(without_secrets(json.loads(text)), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return _ELEMENT.sub(_element, text)


def without_secrets(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Leave out the values of what is called a secret."""
    if isinstance(value, Mapping):
        told = {name for name, one in value.items() if _TELLING.search(str(name)) and isinstance(one, str | list)}
        return {name: LEFT_OUT if name in told else without_secrets(one) for name, one in value.items()}
    return [without_secrets(one) for one in value] if isinstance(value, list | tuple) else value


def secrets_in(value: Any) -> Iterable[str]:  # noqa: ANN401 - settings
    """List the secrets that settings hold."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_in(getattr(value, name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from secrets_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from secrets_in(one)


class Redactor:
    """Takes known secrets out of a text, however they got there: the last net below all that is said."""

    def __init__(self, secrets: Iterable[str]) -> None:
        long = {one for one in secrets if len(one) >= _SHORTEST}
        written = {form for one in long for form in (one, html.escape(one), json.dumps(one)[1:-1])}
        longest_first = sorted(written, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if written else None

    def __call__(self, text: str) -> str:
        """Give the text without them."""
        return self._known.sub(LEFT_OUT, text) if self._known is not None else text


def _element(found: re.Match[str]) -> str:
    name, bare, attributes = found.group(1), found.group(2), found.group(3) or ""
    return f"<{name}{attributes}>{LEFT_OUT}</{name}>" if _TELLING.search(bare) else found.group(0)
