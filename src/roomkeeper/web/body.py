"""What was sent: read once, and never more than is taken."""

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import Request

from roomkeeper.web.door import SMALL_BODY, Bodies

_WITHIN = 10.0  # seconds for a form to arrive
FORM = 64 * 1024  # bytes of a form, or of what the API is given


class NotCome(Exception):
    """What was announced did not come, or is far too much."""


async def read(request: Request, most: int, bodies: Bodies | None = None) -> bytes | None:
    """Read the raw body; None if it is larger than `most` bytes.

    What is larger than a small one takes its place among the `bodies` under way. Raises ClientDisconnect, Crowded.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        return None
    body = bytearray()
    taken = 0
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                return None
            if bodies is not None and len(body) > SMALL_BODY:
                bodies.take(len(body) - taken)
                taken = len(body)
        return bytes(body)
    finally:
        if bodies is not None:
            bodies.give_back(taken)


async def soon(request: Request, most: int = FORM) -> bytes | None:
    """Read what people and programs send; None if it is too large, or does not come soon. Raises ClientDisconnect."""
    try:
        async with asyncio.timeout(_WITHIN):
            return await read(request, most)
    except TimeoutError:
        return None


async def form(request: Request, most: int = FORM) -> dict[str, str]:
    """Read a form's fields. Raises NotCome if it is too large, or too slow, to be one of ours."""
    sent = await soon(request, most)
    if sent is None:
        raise NotCome
    return dict(parse_qsl(sent.decode("utf-8", "replace"), keep_blank_values=True))
