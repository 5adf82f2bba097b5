"""What nobody expects in a body or in an answer."""

from typing import Any

from hypothesis import strategies as st

#: What broke something once, and its like.
HARD = [
    "\ud83d",
    "\x00\x1b[2J",
    "\u202eexe.fdp",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-12:00",
    'x","ticket_id":"1',
    10**30,
    -1,
    1e308,
    float("nan"),
    "1e999",
    True,
    None,
    "",
    "a" * 5000,
    [[[[[[]]]]]],
    {"id": {"id": {"id": "1"}}},
    ["1"],
]
values = st.sampled_from(HARD) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(document, dict | list):
        return [path]
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    return [path, *(place for name, one in inner for place in _places(one, (*path, name)))]


def _replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copied = dict(document) if isinstance(document, dict) else list(document)
    copied[path[0]] = _replaced(document[path[0]], path[1:], value)
    return copied


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """A document with one or two of its values replaced."""
    for _ in range(draw(st.integers(1, 2))):
        document = _replaced(document, draw(st.sampled_from(_places(document))), draw(values))
    return document
