"""Write the file that people may edit, too: whole or not at all, and never over what somebody wrote meanwhile."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from roomkeeper.errors import OrderRefused

_MOUNTED = frozenset({errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS})  # it, or what it lies in


def why_not(file: Path) -> str:
    """Say why the file cannot be written; empty if it can."""
    if not file.exists():
        return f"{file} is not there any more"
    if not os.access(file, os.W_OK):
        return f"the service may not write {file}: it is managed elsewhere"
    return ""


def replace(file: Path, old: str, new: str) -> None:
    """Write `new` in the place of `old`. Raises OrderRefused if another is there by now, or none can be written."""
    refused = why_not(file)
    if refused:
        raise OrderRefused(refused[0].upper() + refused[1:], remedy="Change it there, then have it read anew.")
    if file.read_text("utf-8") != old:
        raise OrderRefused(f"Somebody has changed {file} meanwhile", remedy="Look at the difference, and decide again.")
    newline = "\r\n" if b"\r\n" in file.read_bytes() else "\n"  # as whoever wrote it likes it
    try:
        _put_whole(file, new, newline)
    except OSError as error:
        if error.errno not in _MOUNTED:
            raise OrderRefused(f"{file} cannot be written: {error.strerror}") from error
        try:
            _write(file, new, newline)  # a file that is mounted alone, as containers do, cannot be replaced
        except OSError as failed:
            raise OrderRefused(f"{file} cannot be written: {failed.strerror}") from failed


def _put_whole(file: Path, text: str, newline: str) -> None:
    number, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    made = Path(name)
    try:
        os.close(number)
        _write(made, text, newline)
        before = file.stat()
        made.chmod(before.st_mode & 0o777)
        with contextlib.suppress(PermissionError):
            os.chown(made, before.st_uid, before.st_gid)
        made.replace(file)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def _write(file: Path, text: str, newline: str) -> None:
    with file.open("w", encoding="utf-8", newline=newline) as there:
        there.write(text)
        there.flush()
        os.fsync(there.fileno())
