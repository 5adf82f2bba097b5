"""Commands, given in this process as the command line gives them."""

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import load_dotenv

from roomkeeper import cli


@dataclass(frozen=True)
class Told:
    """What a command wrote, and what it complained of."""

    out: str
    complaints: str

    @property
    def all(self) -> str:
        return self.out + self.complaints


def command(*words: str, environment: Mapping[str, str], codes: tuple[int, ...] = (0,)) -> Told:
    """Give a command; its exit code must be one of these."""
    told, complaints = io.StringIO(), io.StringIO()
    with surroundings(environment), contextlib.redirect_stdout(told), contextlib.redirect_stderr(complaints):
        code = cli.run(words)
    assert code in codes, f"{code}: {told.getvalue()}{complaints.getvalue()}"
    return Told(told.getvalue(), complaints.getvalue())


@contextlib.contextmanager
def surroundings(environment: Mapping[str, str], folder: Path | None = None) -> Iterator[None]:
    """Have an environment around, and what the `.env` of a folder adds to it, as `serve` does."""
    before = dict(os.environ)
    os.environ.update(environment)
    if folder is not None:
        load_dotenv(folder / ".env")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
