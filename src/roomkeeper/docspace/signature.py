"""Verify a delivery of the portal's webhook (facts/docspace.md 1.1). Pure."""

import hmac
from collections.abc import Sequence

from roomkeeper.errors import DeliveryRefused

HEADER = "x-docspace-signature-256"
_SCHEME = "sha256="


def verify(header: str | None, body: bytes, secrets: Sequence[str]) -> None:
    """Check the signature over the raw bytes, in constant time, against each secret.

    The server writes the hex digits in upper case; either case is accepted. Raises DeliveryRefused.
    """
    if not secrets:
        raise DeliveryRefused(
            "no secret is configured for this connection, so no delivery can be trusted",
            remedy="Set `webhook_secret` to the secret of the portal's webhook.",
        )
    if not header:
        raise DeliveryRefused(
            f"the header {HEADER} is missing",
            remedy="Give the portal's webhook a secret key; without one it sends no signature.",
        )
    if not header.lower().startswith(_SCHEME):
        raise DeliveryRefused(
            f"the header {HEADER} does not start with {_SCHEME}",
            remedy="DocSpace signs so; see what else sends to this address, or what in between rewrites headers.",
        )
    given = header[len(_SCHEME) :].strip().lower().encode("utf-8", "replace")
    expected = [hmac.digest(secret.encode(), body, "sha256").hex().encode() for secret in secrets]
    if not any([hmac.compare_digest(given, digest) for digest in expected]):  # noqa: C419 - constant time
        raise DeliveryRefused(
            "the signature does not fit the body: another secret, or the body was altered on its way",
            remedy="Compare `webhook_secret` with the secret key of the portal's webhook; "
            "nothing in between may rewrite the body.",
        )
