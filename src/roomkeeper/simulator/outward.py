"""How the pretend services call others."""

from functools import cache
from ssl import SSLContext

import httpx2


def outward(*, seconds: float, connections: int = 100) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(verify=_trusted(), timeout=seconds, limits=httpx2.Limits(max_connections=connections))


@cache
def _trusted() -> SSLContext:
    """Loaded once: it takes tens of milliseconds, and a world that is put back to nothing has new clients."""
    return httpx2.create_ssl_context()
