"""Addresses of services, as the configuration gives them."""


def address(value: str) -> str:
    """Take a service's address, without a slash at its end. Raises ValueError."""
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with https:// (or http:// on your own network)")
    if "@" in value.partition("://")[2].partition("/")[0]:
        raise ValueError("must have no user or password in it: they belong into the settings for them")
    return value.rstrip("/")
