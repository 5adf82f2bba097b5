"""Addresses of services and of our own, as the configuration gives them."""

from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def address(value: str) -> str:
    """Take a service's address, without a slash at its end. Raises ValueError."""
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with https:// (or http:// on your own network)")
    if "@" in value.partition("://")[2].partition("/")[0]:
        raise ValueError("must have no user or password in it: they belong into the settings for them")
    if not is_address(value):
        raise ValueError("must name a host, and a port by its number if there is one")
    return value.rstrip("/")


def is_address(value: str) -> bool:
    """Whether it is one at all: a host is named, and a port, if there is one, can be."""
    try:
        parts = urlsplit(value)
        has_place = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return has_place and parts.scheme in {"http", "https"} and not any(letter.isspace() for letter in value)


def is_outside(url: str | None) -> bool:
    """Whether an address of ours can be reached from other machines."""
    return url is not None and urlsplit(url).hostname not in LOOPBACK


def listening(text: str) -> tuple[str, int] | None:
    """Read an address to listen on, such as `127.0.0.1:8080`; None if it is none."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004 - the highest port
        return None
    return host.strip("[]"), int(port)


def reached(host: str, port: int) -> str:
    """Write how what listens there is reached on this machine: what listens everywhere does so here, too."""
    here = "127.0.0.1" if host in {"0.0.0.0", "::"} else host
    return f"http://{f'[{here}]' if ':' in here else here}:{port}"
