"""Recipes: automations that are tested, with open places for one's own rooms; and how one is put into a configuration.

A recipe is a folder with a README for people and a `roomkeeper.yaml`; the three jobs are among the examples, which say
what they do in their first comment. Rooms and folders stand in them as numbers of one digit (`111111`), each with a
word about it. What is put into a text leaves all that stands there as it is.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from roomkeeper.errors import OrderRefused

_INSTALLED, _IN_REPOSITORY = Path(__file__).parents[1], Path(__file__).parents[3]
_JOBS = ("copy-client-*.yaml", "archive-*.yaml", "room-for-*.yaml")
_THE_JOBS = "The three jobs"
_PLACE = re.compile(r"\b(\d)\1{5}\b")
#: What the examples have and nobody else: people, addresses of services, and their hosts (RFC 2606; `acme`).
_OF_AN_EXAMPLE = re.compile(
    r"(?P<mail>[\w.+-]{1,64}@[\w-]{1,60}\.example)\b"
    r"|(?P<url>https://(?:acme\.[\w.-]{1,80}|[\w.-]{1,80}\.example)(?:/[\w./-]{0,80})?)"
    r"|(?P<host>\b[\w-]{1,60}(?:\.[\w-]{1,60}){0,3}\.example)\b"
)
#: What may stand in their place: what YAML takes as it is, also within brackets.
_FITTING = {
    "mail": re.compile(r"[\w.+-]{1,64}@[\w.-]{1,255}"),
    "url": re.compile(r"https?://[\w.:-]{1,255}(?:/[\w./~%+=?&-]{0,1000})?"),
    "host": re.compile(r"(?=[\w-]{0,63}[A-Za-z])[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"),
}
_TYPE = re.compile(r"^    type: (\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Open:
    """An open place: what stands for it, and a word about it.

    A room or folder is a number; a person, an address or a host is that of the example.
    """

    mark: str
    about: str
    kind: str = "room"

    def why_not(self, given: str) -> str:
        """Say why this cannot stand there; empty if it can. Rooms are looked for at the portal instead."""
        fits = self.kind not in _FITTING or _FITTING[self.kind].fullmatch(given)
        return "" if fits else f"It is to be such as {self.mark}."


@dataclass(frozen=True)
class Recipe:
    """One recipe."""

    name: str
    title: str
    does: str
    needs: str
    #: Its automations and its connections beside the portal's, as they stand in its file.
    automations: str
    connections: Mapping[str, str]
    #: What it is about, in a word or two: those of one group stand together.
    group: str

    @property
    def text(self) -> str:
        """All that it says, to look for a word in."""
        return "\n".join((self.title, self.does, self.needs, self.group, self.automations, *self.connections.values()))

    @property
    def types(self) -> dict[str, str]:
        """The types of its connections beside the portal's, by name."""
        return {name: found[1] for name, one in self.connections.items() if (found := _TYPE.search(one))}

    @property
    def places(self) -> list[Open]:
        """The rooms and folders that one has to name."""
        found: dict[str, str] = {}
        for line in self.automations.split("\n"):
            _, comment = _commented(line)
            for place in _PLACE.finditer(line):
                about = found.get(place[0], "")
                found[place[0]] = about or comment
        return [Open(number, about or "the room") for number, about in found.items()]

    def texts(self, types: Mapping[str, str]) -> list[Open]:
        """List the people and addresses of the example, in whose place one's own come.

        `types` are those of the connections that are there: what is not added needs none.
        """
        added = [one for name, one in self.connections.items() if self.instead_of(name, types) is None]
        found: dict[str, Open] = {}
        for line in "".join([*added, self.automations]).split("\n"):
            said, comment = _commented(line)
            for place in _OF_AN_EXAMPLE.finditer(said):
                found.setdefault(place[0], Open(place[0], comment, str(place.lastgroup)))
        return list(found.values())

    def instead_of(self, name: str, types: Mapping[str, str]) -> str | None:
        """Name the connection that is there and does for one of its own; None where that is to be added."""
        if re.search(rf"\bfrom: {re.escape(name)}\b", self.automations):
            return None  # what starts it is its own: two senders of one kind tell of different things
        return next((there for there, kind in types.items() if kind == self.types.get(name)), None)

    def called(self, name: str, types: Mapping[str, str]) -> str:
        """Say what one of its connections is called beside those that are there."""
        return self.instead_of(name, types) or _free(name, types)


@cache
def all_of_them() -> Mapping[str, Recipe]:
    """Read the recipes that come with Roomkeeper, by name."""
    root = _INSTALLED if (_INSTALLED / "recipes").is_dir() else _IN_REPOSITORY
    jobs = [_job(one) for pattern in _JOBS for one in sorted((root / "examples").glob(pattern))]
    others = [_read(one.parent) for one in sorted((root / "recipes").glob("*/roomkeeper.yaml"))]
    return {one.name: one for one in (*jobs, *others)}


def _job(file: Path) -> Recipe:
    text = file.read_text("utf-8")
    said = next(line for line in text.split("\n")[1:] if line.startswith("# ")).removeprefix("# ")
    title, _, does = said.partition(": ")
    key = next(_commented(line)[1] for line in text.split("\n") if line.startswith("    api_key:"))
    does = does[:1].upper() + does[1:]
    return _recipe(file.stem, text, title=title, does=does, needs=f"An API key {key}.", group=_THE_JOBS)


def _read(folder: Path) -> Recipe:
    said, text = (folder / "README.md").read_text("utf-8"), (folder / "roomkeeper.yaml").read_text("utf-8")
    blocks = [one.strip() for one in said.split("\n\n")]
    needs, group = (_after(blocks, f"**{mark}.**") for mark in ("What it needs", "About"))
    return _recipe(
        folder.name,
        text,
        title=blocks[0].removeprefix("# "),
        does=blocks[1],
        needs=needs.partition("\n")[0],
        group=group,
    )


def _after(blocks: Sequence[str], mark: str) -> str:
    return next((one.removeprefix(mark).strip() for one in blocks if one.startswith(mark)), "")


def _recipe(name: str, text: str, *, title: str, does: str, needs: str, group: str) -> Recipe:
    connections = dict(_named(_block(text, "connections")))
    others = {called: one for called, one in connections.items() if "type: docspace" not in one}
    return Recipe(name, title, does, needs, _block(text, "automations"), others, group)


def put_into(
    text: str,
    recipe: Recipe,
    rooms: Mapping[str, tuple[int | str, str]],
    types: Mapping[str, str],
    texts: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Put a recipe into a configuration; `rooms` are by their open places, each with its id and title.

    `types` are those of the connections that are there: of its own, what starts it is added, and what is of no type
    that is there. `texts` take the place of the example's people and addresses.
    Raises OrderRefused where the text is written so that nothing can be put into it without changing the rest.
    """
    automations = _own(_filled(recipe.automations, rooms), texts)
    for name, one in recipe.connections.items():
        there, called = recipe.instead_of(name, types), recipe.called(name, types)
        automations = re.sub(rf"\b(via|from): {re.escape(name)}\b", rf"\1: {called}", automations)
        if there is None:
            text = _with(text, "connections", _own(one, texts).replace(f"  {name}:", f"  {called}:", 1))
    return _with(text, "automations", _called_anew(automations, _names(text)))


def _own(text: str, texts: Mapping[str, str]) -> str:
    """Put one's own people and addresses in the place of the example's."""
    return _OF_AN_EXAMPLE.sub(lambda found: texts.get(found[0]) or found[0], text)


def _filled(text: str, rooms: Mapping[str, tuple[int | str, str]]) -> str:
    """Put rooms into the open places, and what they are called beside them."""
    lines = []
    for line in text.removesuffix("\n").split("\n"):
        found = [one[0] for one in _PLACE.finditer(line)]
        bare = _commented(line)[0] if found else line
        for number in found:
            bare = json.dumps(rooms[number][0], ensure_ascii=False).join(re.split(rf"\b{number}\b", bare))
        titles = [title for number in found if (title := " ".join(rooms[number][1].split()))]
        lines.append(f"{bare}   # {', '.join(dict.fromkeys(titles))}" if titles else bare)
    return "\n".join(lines) + "\n"


def _commented(line: str) -> tuple[str, str]:
    """Divide a line of a recipe into what it says and its comment."""
    said, _, comment = line.partition(" # ")
    return said.rstrip(), comment.strip()


def _called_anew(automations: str, taken: Collection[str]) -> str:
    """Give an automation whose name is taken another one."""
    return re.sub(r"(- name: )([\w-]+)", lambda found: found[1] + _free(found[2], taken), automations)


def _free(name: str, taken: Collection[str]) -> str:
    """Give a name that is not taken: this one, or it with a number."""
    names = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    return next(one for one in names if one not in taken)


def _names(text: str) -> set[str]:
    return set(re.findall(r"^[\s-]*name: [\"']?([\w-]+)", text, re.MULTILINE))


def _block(text: str, key: str) -> str:
    """Give what stands below a key of the file."""
    lines = text.removesuffix("\n").split("\n")
    begin = lines.index(f"{key}:") + 1
    end = _end(lines, begin)
    return "\n".join(lines[begin:end]).strip("\n") + "\n"


def _named(block: str) -> list[tuple[str, str]]:
    """Divide a mapping's text by its keys."""
    parts = re.split(r"^(?=  \w)", block, flags=re.MULTILINE)
    return [(part.strip().partition(":")[0], part) for part in parts if part.strip()]


def _with(text: str, key: str, block: str) -> str:
    """Put a block at the end of what stands below a key, in as much depth as that has."""
    lines = text.removesuffix("\n").split("\n")
    at = next((at for at, line in enumerate(lines) if re.match(rf"{key}:\s*(\[\]|\{{\}})?\s*(#.*)?$", line)), None)
    if at is None and re.search(rf'(^|[{{,"]\s*){key}"?\s*:', text, re.MULTILINE):
        what = f"What stands below `{key}` is written in one piece, as JSON is, so nothing can be put at its end"
        raise OrderRefused(what, remedy="Copy what the recipe's page shows into the file by hand.")
    if at is None:
        return "\n".join([*lines, "", f"{key}:", block.rstrip("\n")]) + "\n"
    lines[at] = re.sub(r":\s*(\[\]|\{\})", ":", lines[at])
    end = _end(lines, at + 1)
    depth = next((len(line) - len(line.lstrip()) for line in lines[at + 1 : end] if _says(line)), 2)
    new = [(" " * depth + line[2:]) if line.strip() else line for line in block.rstrip("\n").split("\n")]
    gap = [""] if key == "automations" and any(_says(line) for line in lines[at + 1 : end]) else []
    return "\n".join([*lines[:end], *gap, *new, *lines[end:]]) + "\n"


def _end(lines: Sequence[str], begin: int) -> int:
    """Find the line after the last one of a block."""
    after = next((at for at in range(begin, len(lines)) if re.match(r"[^\s#-]", lines[at])), len(lines))
    while after > begin and not _says(lines[after - 1]) and not lines[after - 1].startswith(" "):
        after -= 1
    return after


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")
