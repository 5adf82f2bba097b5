"""Sign a delivery as the portal does."""

import hashlib
import hmac

from stage import SECRET


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().upper()
    return {"x-docspace-signature-256": f"sha256={digest}", "Content-Type": "application/json"}
