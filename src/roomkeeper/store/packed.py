"""JSON that may be very long, such as the plan for a hundred thousand files: kept packed, and read as it was."""

import base64
import zlib
from typing import Any

import sqlalchemy as sa

_PACKED = "zlib:"  # no JSON begins so
_LONG = 64 * 1024  # bytes above which it is packed (ours)
_QUICK = 1  # of zlib's levels: it leaves a twelfth of a plan, and a slower one not much less (measured)


class Packed(sa.types.TypeDecorator[str]):
    """A column of JSON texts. Drivers copy what they write and keep it: of what is long they get little.

    Takes `str` or, of what is long, UTF-8 as `bytes`; gives `str`.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | bytes | None, dialect: Any) -> str | None:  # noqa: ANN401, ARG002
        """Pack what is long."""
        if value is None or (isinstance(value, str) and len(value) <= _LONG):
            return value
        written = value.encode() if isinstance(value, str) else value
        if len(written) <= _LONG:
            return written.decode()
        return _PACKED + base64.b64encode(zlib.compress(written, _QUICK)).decode()

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:  # noqa: ANN401, ARG002
        """Unpack it."""
        if value is None or not value.startswith(_PACKED):
            return value
        return zlib.decompress(base64.b64decode(value[len(_PACKED) :])).decode()
