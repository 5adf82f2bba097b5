"""Where the numbers come from that the product or the pretend portal knows of DocSpace: each names its source.

A source is a probe of the recording (`recorded: links`), a file of the server's source (`WebhookSender.cs`), or `ours`,
which says that the number is a decision of ours and believes nothing about a portal. `pytest -s` on this file prints
how many there are.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "roomkeeper"
RECORDING = PACKAGE.parents[2] / "shared" / "recorded" / "facts.json"
PARTS = {
    "the product": ["docspace", "connectors/docspace"],
    "the pretend portal": ["simulator"],
}
#: Of the simulator what is no portal: other vendors' services, and what tests and people steer it by.
NO_PORTAL = {"crm.py", "helpdesk.py", "vendor.py", "faults.py", "control.py", "server.py"}
SOURCE = re.compile(r"recorded: \w+[\w.]*|\b\w+\.cs\b|\bours\b", re.IGNORECASE)


@dataclass(frozen=True)
class Known:
    """A constant with a number in it, or an enumeration."""

    where: str
    text: str  # of its lines and the comment above

    @property
    def is_ours(self) -> bool:
        return re.search(r"\bours\b", self.text, re.IGNORECASE) is not None


def constants(part: str) -> Iterator[Known]:
    files = [file for folder in PARTS[part] for file in sorted((PACKAGE / folder).rglob("*.py"))]
    for file in (file for file in files if file.name not in NO_PORTAL):
        lines = file.read_text().splitlines()
        for statement in ast.parse("\n".join(lines)).body:
            for one in _parts_of(statement):
                yield Known(f"{file.relative_to(PACKAGE)}:{one.lineno}", _with_comment(lines, one))


def _parts_of(statement: ast.stmt) -> Iterator[ast.stmt]:
    if isinstance(statement, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in statement.bases):
        yield statement
    elif isinstance(statement, ast.ClassDef) and statement.decorator_list:
        yield from (one for one in statement.body if _numbers(one) - {0, 1})
    elif _numbers(statement):
        yield statement


def _numbers(statement: ast.stmt) -> set[float]:
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
        return set()
    parts = (one.value for one in ast.walk(statement.value) if isinstance(one, ast.Constant))
    return {one for one in parts if isinstance(one, int | float) and not isinstance(one, bool)}


def _with_comment(lines: list[str], statement: ast.stmt) -> str:
    first = statement.lineno - 1
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return "\n".join(lines[first : statement.end_lineno])


@pytest.mark.parametrize("part", PARTS)
def test_each_number_says_where_it_comes_from(part: str) -> None:
    found = list(constants(part))
    print(f"{part}: {len(found)} numbers, {sum(one.is_ours for one in found)} of them decisions of ours")

    assert [one.where for one in found if not SOURCE.search(one.text)] == []
    assert len(found) > 50, "the walk finds what there is"
    assert any(not one.is_ours for one in found)


def test_a_number_without_a_source_is_found() -> None:
    statement = ast.parse("LIMIT = 170  # characters").body[0]

    assert _numbers(statement) == {170}
    assert not SOURCE.search("LIMIT = 170  # characters, as the portal counts them in course of time")
    assert SOURCE.search("LIMIT = 170  # characters  # CreateRoomRequestDto.cs")


@pytest.mark.skipif(not RECORDING.exists(), reason="the recording is not beside this checkout")
def test_what_is_recorded_is_in_the_recording() -> None:
    told = (RECORDING.parents[1] / "facts" / "docspace.md").read_text()  # also of probes that were kept back
    probes = set(json.loads(RECORDING.read_text())) | set(re.findall(r"[a-z]+\.[a-z]+(?:-[a-z]+)?", told))
    text = "\n".join(one.text for part in PARTS for one in constants(part))
    named = {name for names in re.findall(r"recorded: ([\w.-]+(?:, [\w.-]+)*)", text) for name in names.split(", ")}

    assert named - probes == set()
