"""Passwords: only what argon2 makes of them is kept."""

from functools import cache

import argon2

SHORTEST, LONGEST = 12, 1000  # characters; ours


def hashed(given: str) -> str:
    """Give what is kept of a password."""
    return argon2.PasswordHasher().hash(given)


def fits(kept: str | None, given: str) -> bool:
    """Whether it is the password of which this was kept; nobody's takes as long to deny."""
    try:
        argon2.PasswordHasher().verify(kept if kept is not None else _nobodys(), given)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return kept is not None


@cache
def _nobodys() -> str:
    return hashed("nobody's")
