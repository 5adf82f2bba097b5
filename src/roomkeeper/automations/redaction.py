"""Redaction: leave secrets out of what is kept, shown or logged."""

import html
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import markupsafe
from pydantic import BaseModel, SecretStr

from roomkeeper import outside

LEFT_OUT = "(left out)"
_TELLING = re.compile(
    r"authoriz|cookie|signature|token|secret|passw|passphrase|api[-_]?key|private[-_]?key|credential|session[-_]?id|hmac|jwt",
    re.IGNORECASE,
)
#: In an address or a header, also what is a secret there only.
_GIVEN = re.compile(rf"{_TELLING.pattern}|^(?:sig|key|code|auth)$|^x-auth", re.IGNORECASE)
_FIELD = re.compile(r"(?:^|(?<=&))([^=&\s]+)=([^&\s]*)")
_ELEMENT = re.compile(r"<((?:\w{1,100}:)?(\w{1,100}))(\s[^<>]{0,1000})?>[^<]*</\1>")
#: A field of JSON that is broken: whatever it holds, up to its end, or that of the text.
_MEMBER = re.compile(r'"([^"\\]{1,100})"(\s{0,20}:\s{0,20})("(?:[^"\\]|\\.)*(?:"|$)|[^\s",}\]]+)', re.DOTALL)
#: Names under which lists of pairs have the name of a field, beside its `value`.
_NAMES = ("name", "key", "field", "title", "label", "id")
_SHORTEST = 6  # characters: what is shorter stands in ordinary text, too
_LONGEST = 300  # characters of a header that are worth keeping
_MOST, _WHOLE = 60, 8_000  # headers, and characters of all that are kept; the vendors' are below four thousand


def head(method: str, path: str, query: str, headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Describe how a delivery came, without what proves who sent it."""
    given = parse_qsl(query[: 10 * _LONGEST])[:_MOST]
    parameters = [(name[:_LONGEST], LEFT_OUT if _GIVEN.search(name) else value[:_LONGEST]) for name, value in given]
    kept: dict[str, str] = {}
    room = _WHOLE
    for name, value in list(headers)[:_MOST]:
        shown, said = name[:_LONGEST].lower(), LEFT_OUT if _is_given(name) else value[:_LONGEST]
        room -= len(shown) + len(said)
        if room < 0:
            break
        kept[shown] = said
    return {"method": method, "path": path[:_LONGEST], "query": urlencode(parameters, safe="() "), "headers": kept}


@lru_cache(maxsize=256)
def _is_given(name: str) -> bool:
    """Whether a header's name says that its value proves something: they are the same with each delivery."""
    return _GIVEN.search(name) is not None


def body(text: str) -> str:
    """Give a body as it may be shown: JSON in lines; the values of what is called a secret left out."""
    try:
        return json.dumps(without_secrets(outside.document(text).value), indent=2, ensure_ascii=False)
    except outside.Unreadable:
        return _FIELD.sub(_field, _MEMBER.sub(_member, _ELEMENT.sub(_element, text)))


def without_secrets(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Leave out the values of what is called a secret."""
    if isinstance(value, Mapping):
        hidden = {"value"} if any(_is_secret(value.get(name), value.get("value")) for name in _NAMES) else set()
        return {
            name: LEFT_OUT if name in hidden or _is_secret(name, one) else without_secrets(one)
            for name, one in value.items()
        }
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
        written = {form for one in long for form in _forms(one)}
        longest_first = sorted(written, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if written else None

    def __call__(self, text: str) -> str:
        """Give the text without them."""
        return self._known.sub(LEFT_OUT, text) if self._known is not None else text


def _is_secret(name: object, value: object) -> bool:
    return _TELLING.search(str(name)) is not None and value not in (None, "", True, False)


def _forms(secret: str) -> Iterable[str]:
    """List how a secret may be written: plain, in HTML (two ways), in JSON (two ways), in an address (two ways)."""
    as_json = json.dumps(secret)[1:-1]
    yield from (secret, html.escape(secret), str(markupsafe.escape(secret)), as_json, quote(secret), quote_plus(secret))
    for sign in "<>&'":  # as Jinja writes JSON into a page
        as_json = as_json.replace(sign, f"\\u{ord(sign):04x}")
    yield as_json


def _field(found: re.Match[str]) -> str:
    return f"{found.group(1)}={LEFT_OUT}" if _GIVEN.search(found.group(1)) else found.group(0)


def _member(found: re.Match[str]) -> str:
    return f'"{found.group(1)}"{found.group(2)}"{LEFT_OUT}"' if _TELLING.search(found.group(1)) else found.group(0)


def _element(found: re.Match[str]) -> str:
    name, bare, attributes = found.group(1), found.group(2), found.group(3) or ""
    return f"<{name}{attributes}>{LEFT_OUT}</{name}>" if _TELLING.search(bare) else found.group(0)
