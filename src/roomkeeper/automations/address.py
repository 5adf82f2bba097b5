"""Addresses of services and of our own, as the configuration gives them."""

from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def address(value: str) -> str:
    """Take a service's address, without a slash at its end. Raises ValueError."""
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with https:// (or http:// on your own network)")
    if "@" in value.partition("://")[2].partition("/")[0]:
        raise ValueError("must have no user or password in it: they belong into the settings for them")
    return value.rstrip("/")


def is_outside(url: str | None) -> bool:
    """Whether an address of ours can be reached from other machines."""
    return url is not None and urlsplit(url).hostname not in LOOPBACK
