"""The file as it is written: its nodes with their lines, the faults found in it, and its references to secrets.

The file is YAML 1.2, so `on:` is a word.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from roomkeeper.automations import template
from roomkeeper.automations.automation import Automation
from roomkeeper.automations.secret import Reference
from roomkeeper.configuration.explaining import alternatives, explained
from roomkeeper.errors import Problem

M = TypeVar("M", bound=BaseModel)
#: Where something stands: names and positions from the top.
Place = tuple[str | int, ...]
_MOST = 100_000  # values of a file, aliases written out (ours)


class Document:
    """One file, or another `text` in its place.

    `root` is its top mapping, `problems` what must be mended, `notes` what is allowed and seldom meant.
    """

    def __init__(self, file: Path, text: str | None = None) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self.text = text
        self.root: Any = None
        self.root = self._parsed()

    def say(self, where: Place, what: str, remedy: str) -> None:
        """Note a fault that must be mended."""
        problem = Problem(str(self.file), self.line(where), what, remedy)
        if problem not in self.problems:
            self.problems.append(problem)

    def note(self, where: Place, what: str, remedy: str) -> None:
        """Note what is allowed and seldom meant."""
        self.notes.append(Problem(str(self.file), self.line(where), what, remedy))

    def model(self, model: type[M], data: Any, where: Place, *, templates: bool = False) -> M | None:  # noqa: ANN401
        """Validate; where templates may stand, their values are not judged before they are worked out."""
        try:
            return model.model_validate(_plain(data))
        except ValidationError as error:
            told = [
                one
                for one in error.errors()
                if one["type"] == "extra_forbidden" or not (templates and template.is_template(one["input"]))
            ]
            for path, several in alternatives(told).items():
                what, remedy = explained(several, model, path)
                self.say((*where, *path), what, remedy)
            return None

    def texts(self, automations: Sequence[Automation]) -> dict[str, str]:
        """Give the automations' texts as the file has them, comments too."""
        node = self.root.get("automations")
        if not isinstance(node, CommentedSeq) or len(node) != len(automations):
            return {}
        texts = {}
        for one, written in zip(automations, node, strict=True):
            text = io.StringIO()
            YAML(typ="rt").dump(written, text)
            texts[one.name] = text.getvalue().strip()
        return texts

    def _parsed(self) -> Any:  # noqa: ANN401 - YAML
        yaml = YAML(typ="rt")
        yaml.Constructor = _Constructor
        try:
            if self.text is None:
                self.text = self.file.read_text("utf-8")
            root = yaml.load(self.text)
        except OSError as error:
            self.say(
                (),
                f"the file cannot be read: {error.strerror}",
                "check the path, or give another with -c; `roomkeeper setup` and `roomkeeper init` make a first one",
            )
            return None
        except UnicodeDecodeError:
            self.say((), "the file is not UTF-8 text", "save it as UTF-8")
            return None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = " ".join(str(error.problem or error.context or "it is not valid YAML").split())
            line = mark.line + 1 if mark else 1
            written = self.text.splitlines()[line - 1 : line] if self.text else []
            has_tab = any("\t" in one[: len(one) - len(one.lstrip())] for one in written)
            remedy = "indent with blanks: YAML allows no tabs" if has_tab else "look at indentation and quotes"
            self.problems.append(Problem(str(self.file), line, what, f"correct the YAML; {remedy}"))
            return None
        except (YAMLError, RecursionError, ValueError) as error:
            self.say((), f"it is not valid YAML: {error}", "correct the YAML")
            return None
        if not isinstance(root, CommentedMap):
            self.say((), "the file is empty or not a mapping", "start with `version: 1`; the README has an example")
        if _is_too_much(root):
            what = f"with its aliases (`*name`) written out, the file has more than {_MOST:,} values"
            self.problems.append(Problem(str(self.file), 1, what, "write fewer aliases of what has aliases itself"))
            return None
        for line in _cut_off(root, self.text.splitlines()):
            what = "what stands behind `#` is a comment to YAML, and there is a template in it"
            remedy = "put the whole value in quotes, unless it is meant so"
            self.notes.append(Problem(str(self.file), line, what, remedy))
        return root

    def line(self, where: Place) -> int:
        """Find the line of a place in the file, or of the nearest thing around it."""
        node, line = self.root, 1
        for part in where:
            try:
                position = node.lc.item(part) if isinstance(node, CommentedSeq) else node.lc.key(part)
                line, node = position[0] + 1, node[part]
            except (KeyError, IndexError, AttributeError, TypeError):
                break
        return line


def references(file: Path) -> Mapping[tuple[str, str], Reference]:
    """List what the connections of a file refer to, by connection and setting: the first where there are two.

    Raises nothing: what cannot be read is for `load` to name.
    """
    try:
        yaml = YAML(typ="rt")
        yaml.Constructor = _Constructor
        connections = yaml.load(file.read_text("utf-8"))["connections"]
        found = {
            (str(name), str(key)): value[0] if isinstance(value, list) and value else value
            for name, settings in connections.items()
            for key, value in settings.items()
        }
    except (OSError, YAMLError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {where: value for where, value in found.items() if isinstance(value, Reference)}


class _Constructor(RoundTripConstructor):
    """Keeps lines, reads `!env` and `!file`, and puts letters together that JSON writes in two halves."""

    def construct_scalar(self, node: Any) -> Any:  # noqa: ANN401 - the library's
        """Give a scalar's value. Raises ConstructorError where half a letter stands alone: nothing could hold it."""
        if isinstance(node.value, str) and any("\ud800" <= one <= "\udfff" for one in node.value):
            try:
                node.value = node.value.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError as error:
                what = "there is half a letter (a surrogate) without its other half"
                raise ConstructorError(None, None, what, node.start_mark) from error
        return super().construct_scalar(node)


def _reference(kind: str) -> Callable[[Any, Any], Reference]:
    return lambda _, node: Reference(kind, str(node.value).strip())


_Constructor.add_constructor("!env", _reference("env"))
_Constructor.add_constructor("!file", _reference("file"))


def _is_too_much(root: Any) -> bool:  # noqa: ANN401 - YAML
    """Whether it is more than anybody writes: what refers to what refers to others grows with each line."""
    seen, left = 0, [root]
    while left and seen <= _MOST:
        node, seen = left.pop(), seen + 1
        left += node.values() if isinstance(node, Mapping) else node if isinstance(node, list | tuple) else ()
    return seen > _MOST


def _plain(data: Any) -> Any:  # noqa: ANN401 - YAML to plain Python
    if isinstance(data, Mapping):
        return {str(dict(name) if isinstance(name, Mapping) else name): _plain(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    return data


def _cut_off(node: Any, lines: Sequence[str]) -> Iterator[int]:  # noqa: ANN401 - YAML
    """Find the lines on which a comment behind a value begins with a template: `title: Ticket #{{ ticket.id }}`."""
    if not isinstance(node, CommentedMap | CommentedSeq):
        return
    for tokens in node.ca.items.values():
        for token in tokens or ():
            said = getattr(token, "value", "").split("\n")[0]
            if said.startswith("#{{"):
                at = token.start_mark
                if lines[at.line][: at.column].strip():  # else it is a line of its own
                    yield at.line + 1
    for one in node.values() if isinstance(node, CommentedMap) else node:
        yield from _cut_off(one, lines)
