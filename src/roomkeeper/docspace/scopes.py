"""Which scope a key needs for a call (facts/docspace.md 8: the first that fits). Pure."""

import re

_FAMILIES = (
    (re.compile(r"/files/rooms"), "rooms"),
    (re.compile(r"/files"), "files"),
    (re.compile(r"/people/@self"), "accounts.self"),
    (re.compile(r"/(people|group)"), "accounts"),
)
_OTHERWISE = "*"  # settings, webhooks, audits, keys


def needed(method: str, path: str) -> str:
    """Name the scope; `path` is below /api/2.0."""
    family = next((name for pattern, name in _FAMILIES if pattern.match(path)), _OTHERWISE)
    return f"{family}:{'read' if method == 'GET' else 'write'}"
