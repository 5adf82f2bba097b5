"""What was sent: read once, and never more than is taken."""

from urllib.parse import parse_qsl

from starlette.requests import Request

FORM = 64 * 1024  # bytes of a form, or of what the API is given


async def read(request: Request, most: int) -> bytes | None:
    """Read the raw body; None if it is larger than `most` bytes. Raises ClientDisconnect."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)


async def form(request: Request) -> dict[str, str]:
    """Read a form's fields; none if it is too large to be one of ours."""
    sent = await read(request, FORM)
    return dict(parse_qsl((sent or b"").decode("utf-8", "replace"), keep_blank_values=True))
