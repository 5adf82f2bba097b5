"""The hashed files are installed as they are, without resolving: so they must lack nothing."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["build"]]
DEV = [*RUNTIME, *PROJECT["optional-dependencies"]["dev"]]


def pinned(file: str) -> dict[str, Version]:
    """Read which versions a file pins here."""
    found = {}
    for line in (ROOT / file).read_text().splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            one = Requirement(line.rstrip("\\ "))
            if one.marker is None or one.marker.evaluate():
                (specifier,) = one.specifier
                found[canonicalize_name(one.name)] = Version(specifier.version)
    return found


def lacking(wanted: Iterable[str], there: dict[str, Version]) -> Iterator[str]:
    """Say which requirement, of these or of what they need in turn, is not met."""
    left = [("pyproject.toml", Requirement(one)) for one in wanted]
    seen = set()
    while left:
        whose, one = left.pop()
        name, extras = canonicalize_name(one.name), frozenset(one.extras)
        if (name, extras) in seen or not applies(one, ""):
            continue
        seen.add((name, extras))
        if name not in there or not one.specifier.contains(there[name], prereleases=True):
            yield f"{whose} needs {one}, and {there.get(name, 'nothing')} is pinned"
            continue
        needed = map(Requirement, metadata.requires(name) or [])
        left += [(name, each) for each in needed if any(applies(each, extra) for extra in ("", *extras))]


def applies(one: Requirement, extra: str) -> bool:
    return one.marker is None or one.marker.evaluate({"extra": extra})


@pytest.mark.parametrize(("file", "wanted"), [("requirements.txt", RUNTIME), ("requirements-dev.txt", DEV)])
def test_a_file_of_requirements_has_everything_that_anything_in_it_needs(file: str, wanted: list[str]) -> None:
    assert list(lacking(wanted, pinned(file))) == []


def test_a_gap_is_seen() -> None:
    there = pinned("requirements-dev.txt")
    del there["tabulate"]
    there["starlette"] = Version("0.1")

    told = " ".join(lacking(DEV, there))
    assert "tabulate" in told
    assert "starlette" in told


def test_what_runs_here_is_what_the_files_say() -> None:
    there = pinned("requirements-dev.txt")
    here = {canonicalize_name(one.name): Version(one.version) for one in metadata.distributions() if one.name}

    assert {name: here.get(name) for name in there} == there
    assert set(pinned("requirements.txt").items()) <= set(there.items())


def test_every_pin_has_a_hash_and_no_host() -> None:
    for file in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / file).read_text()
        pins = re.findall(r"^[A-Za-z0-9].*==.*\\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", text, re.MULTILINE)
        assert len(pins) == len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE))
        assert "://" not in text
        assert "--index" not in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_exposes_little() -> None:
    """`systemd-analyze security` rates from 0 (nothing) to 10 (everything)."""
    command = ["systemd-analyze", "security", "--offline=true", str(ROOT / "deploy" / "roomkeeper.service")]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout

    found = re.search(r"exposure level for roomkeeper.service: ([\d.]+)", said)
    if found is None:
        pytest.skip("this systemd-analyze knows no `security --offline`")
    assert float(found.group(1)) <= 2.0
