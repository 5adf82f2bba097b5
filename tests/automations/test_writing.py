"""The file is replaced whole, or stays as it was."""

import os
from pathlib import Path

import pytest

from roomkeeper.configuration import writing
from roomkeeper.errors import OrderRefused


@pytest.fixture
def file(tmp_path: Path) -> Path:
    one = tmp_path / "roomkeeper.yaml"
    one.write_text("old\n")
    return one


def test_it_keeps_its_mode_and_its_line_ends_and_leaves_nothing_beside_it(file: Path) -> None:
    file.write_bytes(b"one\r\ntwo\r\n")
    file.chmod(0o640)

    writing.replace(file, "one\ntwo\n", "three\nfour\n")

    assert file.read_bytes() == b"three\r\nfour\r\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_what_somebody_wrote_meanwhile_is_not_written_over(file: Path) -> None:
    with pytest.raises(OrderRefused, match=r"Somebody has changed .* meanwhile"):
        writing.replace(file, "older\n", "new\n")

    assert file.read_text() == "old\n"


def test_a_file_that_is_gone_is_said_and_not_made(file: Path) -> None:
    file.unlink()

    with pytest.raises(OrderRefused, match="is not there any more") as refused:
        writing.replace(file, "old\n", "new\n")

    assert "Change it there" in refused.value.remedy
    assert not file.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_the_service_may_not_write_is_managed_elsewhere(file: Path) -> None:
    file.chmod(0o400)

    assert "managed elsewhere" in writing.why_not(file)


def test_what_cannot_be_written_to_its_end_leaves_the_old_one(file: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        writing.replace(file, "old\n", "half a character: \ud800\n")

    assert file.read_text() == "old\n"
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_a_folder_that_takes_no_file_is_said() -> None:
    """The kernel's own files: this one may be written, and nothing may be put beside it (proc(5))."""
    name = Path("/proc/self/comm")

    with pytest.raises(OrderRefused, match="cannot be written: "):
        writing.replace(name, name.read_text(), "new\n")
