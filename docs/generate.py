"""Write the pages of `docs/reference` from the models: what is described there is what the product knows.

`python docs/generate.py` writes them; `tests/test_documentation.py` fails where they differ from what it would write.
"""

import ast
import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from roomkeeper import errors
from roomkeeper.automations import duration, template
from roomkeeper.automations.automation import Automation, Step
from roomkeeper.automations.condition import Condition
from roomkeeper.automations.secret import is_secret
from roomkeeper.cli import cli
from roomkeeper.configuration.dashboard import Dashboard
from roomkeeper.configuration.top import Retention, Top
from roomkeeper.connectors import CATALOG
from roomkeeper.contract.catalog import Connector
from roomkeeper.contract.step import EventKind, StepKind
from roomkeeper.desk.history import EVENT_STATUSES, RUN_STATES
from roomkeeper.store.alerts import KINDS
from roomkeeper.telemetry.metrics import described

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "roomkeeper"
PAGES = ROOT / "docs" / "reference"
MADE = "<!-- Made by `make reference` from the models; change those. -->\n\n"


def pages() -> dict[str, str]:
    """Give every page by its name."""
    made = {
        "configuration.md": configuration(),
        "connections.md": connections(),
        "events.md": events(),
        "steps.md": steps(),
        "language.md": language(),
        "commands.md": commands(),
        "states-alerts-metrics.md": states(),
        "errors.md": sentences(),
    }
    return {
        name: f"{text.split(chr(10), 1)[0]}\n\n{MADE}{text.split(chr(10), 1)[1].strip()}\n"
        for name, text in made.items()
    }


# --- settings -------------------------------------------------------------------------------------------------


def settings(model: type[BaseModel], *, within: str = "") -> Iterator[str]:
    """List a model's settings as rows; those of a section within it follow it, dotted."""
    for name, field in model.model_fields.items():
        shown = f"{within}{field.alias or name}"
        yield row(shown, field)
        inner = model_within(field.annotation)
        if inner is not None:
            yield from settings(inner, within=f"{shown}.")


def row(name: str, field: FieldInfo) -> str:
    """Write one setting."""
    assert field.description, f"{name} is not described"
    return f"| `{name}` | {kind(field)} | {default(field)} | {cell(field.description)}{example(field)} |"


def table(model: type[BaseModel]) -> str:
    """Write a model's settings as a table."""
    rows = list(settings(model))
    if not rows:
        return "No settings.\n"
    return "\n".join(["| setting | takes | default | meaning |", "| --- | --- | --- | --- |", *rows]) + "\n"


def kind(field: FieldInfo) -> str:
    """Say what a setting takes."""
    if is_secret(field):
        return "a secret, by reference"
    if _is_duration(field):
        return "a duration (`90s`, `1h`, `7d`)"
    return " or ".join(dict.fromkeys(words(field.annotation)))


def _is_duration(field: FieldInfo) -> bool:
    validators = [one for one in field.metadata if isinstance(one, BeforeValidator)]
    inside = [one for part in get_args(field.annotation) for one in getattr(part, "__metadata__", ())]
    return any(getattr(one, "func", None) is duration.seconds for one in [*validators, *inside])


def words(annotation: Any) -> list[str]:
    """Say in words what a type takes."""
    plain = {str: "text", int: "a number", float: "a number", bool: "true or false", type(None): "", Any: "anything"}
    if annotation in plain:
        return [plain[annotation]] if plain[annotation] else []
    origin = get_origin(annotation)
    if origin is not None and str(origin).endswith("Literal"):
        return [f"`{one}`" for one in get_args(annotation)]
    if origin in {list, tuple, Sequence}:
        return [f"a list of {' or '.join(dict.fromkeys(words(get_args(annotation)[0]))) or 'anything'}"]
    if origin in {dict, Mapping}:
        return ["a mapping"]
    if origin is not None:
        return [word for one in get_args(annotation) for word in words(one)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return ["a section"]
    return ["text"]


def default(field: FieldInfo) -> str:
    """Say what holds where a setting is left out."""
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined or isinstance(value, BaseModel) or value in ([], {}, "", ()):
        return ""
    if _is_duration(field) and isinstance(value, float):
        return f"`{duration.spoken(value)}`"
    return f"`{json.dumps(value, default=str)}`".replace('"', "")


def example(field: FieldInfo) -> str:
    """Give an example of a value."""
    shown = [json.dumps(one, ensure_ascii=False, default=str) for one in field.examples or []]
    return f" Example: {', '.join(f'`{cell(one)}`' for one in shown)}" if shown else ""


def cell(text: str) -> str:
    """Keep a text from ending its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def model_within(annotation: Any) -> type[BaseModel] | None:
    """Find the section that a setting is."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := model_within(one)) is not None), None)


def configuration() -> str:
    """The file's sections."""
    parts = [
        "# The file: `roomkeeper.yaml`\n",
        "YAML 1.2. `roomkeeper check` reads it, and names each fault with its line and remedy; in your editor, the",
        "[JSON Schema](../../roomkeeper.schema.json) does.",
        "Secrets stand in it by reference only: `!env NAME` (the environment, or `.env` beside it) or `!file path`.\n",
        "## Top level\n",
        "\n".join(["| setting | takes | default | meaning |", "| --- | --- | --- | --- |", *_top()]),
        "\n## `automations`\n",
        table(Automation),
        "## `automations[].steps`\n",
        table(Step),
        "## `retention`\n",
        table(Retention),
        "## `dashboard`\n",
        table(Dashboard),
        "## `notify`\n",
        table(Top.model_fields["notify"].annotation),  # type: ignore[arg-type]
        "## `connections`\n",
        "Each type has settings of its own: [connections](connections.md).",
    ]
    return "\n".join(parts)


def _top() -> Iterator[str]:
    for name, field in Top.model_fields.items():
        yield row(field.alias or name, field)


def connections() -> str:
    """Every type of connection."""
    parts = ["# Connections\n", "Under `connections:`, by a name of your own; deliveries come to `/hooks/<name>`.\n"]
    for one in CATALOG.written:
        parts += [f"## `{one.type}`\n", f"{one.summary}\n", table(one.settings), *_about(one)]
    return "\n".join(parts)


def _about(one: Connector) -> Iterator[str]:
    if one.trusted_by:
        yield f"Deliveries are trusted by {' or '.join(f'`{name}`' for name in one.trusted_by)}.\n"
    if one.events:
        yield f"Raises {', '.join(f'[`{name}`](events.md#{anchor(name)})' for name in sorted(one.events))}.\n"
    if one.steps:
        yield f"Steps: {', '.join(f'[`{step.name}`](steps.md#{anchor(step.name)})' for step in one.steps)}.\n"
    if one.tell is not None:
        yield "Takes messages: name it under `notify: to`.\n"


def anchor(name: str) -> str:
    """Give the anchor of a heading, as the repository's pages and the site's have it."""
    return name.lower().replace(".", "").replace(" ", "-")


# --- events and steps -----------------------------------------------------------------------------------------


_RAW = (
    "| `event.raw` | the delivery's body as it came, parsed; of an event that was asked for or found, and not "
    "delivered, what the service's record says of it: so take what stands under the event's own names |\n"
)


def events() -> str:
    """Every kind of event, its fields and an example of a delivery."""
    parts = ["# Events\n", "What `on:` may name. Every event also has:\n"]
    parts += [
        "| variable | meaning |",
        "| --- | --- |",
        "| `event.id` | its number here, as `roomkeeper events list` shows it |",
        "| `event.type` | the name below |",
        "| `event.connection` | the connection that told of it |",
        "| `event.at` | when it happened, ISO 8601 |",
        "| `event.actor` | who did it: the account's id at the service, where it says so |",
        _RAW,
        "A field that ends in `…` holds whatever the service has under its own names.\n",
    ]
    raised: dict[str, list[Connector]] = {}
    for connector in CATALOG.connectors.values():
        for name in connector.events:
            raised.setdefault(name, []).append(connector)
    for name, by in sorted(raised.items()):
        kind_ = by[0].events[name]
        parts += [f"## `{name}`\n", f"From {', '.join(f'`{one.type}`' for one in by)}.\n"]
        parts += [*_fields(kind_), "", *_bodies(name, by)]
        if any(name in one.undelivered for one in by):
            parts.append(
                "No delivery tells of it: it is found in the room's history, each `look_every` (`poll_every`).\n"
            )
    return "\n".join(parts)


def _fields(kind_: EventKind) -> Iterator[str]:
    named: list[str] = []
    for noun, fields in kind_.fields.items():
        if noun == "event":
            continue
        for name, inner in (fields or {"…": None}).items():
            if inner:
                named += [f"`{noun}.{name}.{deeper}`" for deeper in inner]
            else:
                named.append(f"`{noun}.{name}{'.…' if name == 'fields' else ''}`")
    yield f"Fields: {', '.join(named)}."


def _bodies(name: str, by: Sequence[Connector]) -> Iterator[str]:
    for one in by:
        body = body_of(name, one)
        if body is not None:
            what = "An entry of a room's history" if name in one.undelivered else f"A delivery by `{one.type}`"
            yield f"{what}:\n\n```json\n{json.dumps(body, indent=2, ensure_ascii=False)}\n```\n"


def body_of(name: str, connector: Connector) -> Any:
    """Find the sample of a delivery that this connector reads as such an event."""
    folder = PACKAGE / "connectors" / connector.settings.__module__.split(".")[2] / "samples"
    exact = (folder / "history" if name in connector.undelivered else folder) / f"{name}.json"
    if exact.exists():
        return json.loads(exact.read_text())
    noun = name.partition(".")[0]
    alike = next(iter(sorted(folder.glob(f"{noun}.*.json"))), None)
    if alike is None:
        files = sorted(folder.glob("*.json"))
        return json.loads(files[0].read_text()) if files and connector.type != "docspace" else None
    body = json.loads(alike.read_text())
    return _named(body, name)


def _named(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Give a portal's delivery another trigger; the body is otherwise that of its kind."""
    from roomkeeper.docspace.webhooks import TRIGGERS  # noqa: PLC0415

    body["event"] |= {"trigger": name, "triggerId": TRIGGERS[name]}
    body["webhook"]["triggers"] = [name]
    return body


def steps() -> str:
    """Every step, its settings, results and an example."""
    parts = ["# Steps\n", "What `do:` may name. `as:` names the result for later steps: `{{ name.field }}`.\n"]
    for name in CATALOG.steps:
        parts += _step(list(CATALOG.kinds(name).values()))
    return "\n".join(parts)


def _step(kinds: Sequence[StepKind]) -> Iterator[str]:
    """Describe a step; one that several types of connection have is the same on all of them."""
    one = kinds[0]
    types = [f"`{kind_.connection_type}`" for kind_ in kinds if kind_.connection_type]
    yield f"## `{one.name}`\n"
    yield f"{one.summary}\n"
    on = f"a connection of the type {' or '.join(types)}" if types else "no connection"
    many = "One call serves all events that a run gathers." if one.takes_many else "It serves one event."
    needs = f" Its key needs {', '.join(f'`{scope}`' for scope in sorted(one.scopes))}." if one.scopes else ""
    yield f"Acts on {on}. {many}{needs}\n"
    for kind_ in kinds if len({table(each.params) for each in kinds}) > 1 else [one]:
        yield f"On `{kind_.connection_type}`:\n" if kind_ is not one else ""
        yield table(kind_.params)
    yield _results(one.result)
    yield f"```yaml\n- do: {one.name}\n{_written(one.params)}```\n"


def _results(result: type[BaseModel]) -> str:
    """Say what a step gives those after it, and what its lists hold."""
    rows = list(_given(result))
    if not rows:
        return "It has no result.\n"
    return "\n".join(["| its result | is | meaning |", "| --- | --- | --- |", *rows]) + "\n"


def _given(model: type[BaseModel], within: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = model_within(field.annotation)
        several = inner is not None and any(one.startswith("a list") for one in words(field.annotation))
        said = " or ".join(dict.fromkeys(words(field.annotation))).replace("a section", "a mapping")
        yield f"| `{within}{name}` | {cell(said)} | {cell(field.description or '')} |"
        if inner is not None:
            yield from _given(inner, f"{within}{name}{'[]' if several else ''}.")


def _written(params: type[BaseModel]) -> str:
    """Write the settings that are needed, and those that most people set, with their examples."""
    shown = {
        field.alias or name: field.examples[0]
        for name, field in params.model_fields.items()
        if field.examples and (field.is_required() or name in {"text", "message", "title", "to", "room"})
    }
    return "  with:\n" + "".join(f"    {name}: {json.dumps(value)}\n" for name, value in shown.items()) if shown else ""


# --- the language ---------------------------------------------------------------------------------------------


def language() -> str:
    """`where`, `if`, templates."""
    parts = [
        "# The language: `where`, `if`, templates\n",
        "## `where`\n",
        "What an event's fields must be. A list means any of them; several fields must all hold.",
        "`room` takes an id or an exact title, and means the room or any folder in it. `actor` is who did it.",
        "Dotted names go deeper: `where: {fields.region: emea}`. Small and large letters are the same.\n",
        "Where being the same is not what you ask, write a mapping; of several words in it, all must hold:\n",
        "```yaml",
        "where:",
        '  room: {like: "Client: *"}',
        "  extension: [pdf, docx]",
        "  title: {contains: [invoice, offer], not: draft.docx}",
        "```\n",
        table(Condition),
        "## `if`\n",
        "A Jinja2 expression, without `{{ }}`: `if: file.extension == 'pdf'`. The step is left out if it is false.",
        "What is not there counts as false. Of a step that was left out nothing is there for those after it:",
        "`{{ told.room | default('') }}`.\n",
        "## Templates\n",
        "`{{ … }}` in any setting of a step, in sandboxed Jinja2; a variable that is not there is an error.",
        "A value that is one expression keeps its type: `{{ deal.fields.room }}` stays a number.\n",
        "Variables are the event's (see [events](events.md)) and the results of earlier steps, by their `as:`.\n",
        "### Filters\n",
        "| filter | what it does |",
        "| --- | --- |",
        *_jinja(template.filters()),
        "\n### Tests\n",
        "| test | what it asks |",
        "| --- | --- |",
        *_jinja(template.tests()),
        "\n### Functions\n",
        "| function | what it does |",
        "| --- | --- |",
        *_jinja(template.functions()),
    ]
    return "\n".join(parts)


def _jinja(named: Mapping[str, Any]) -> Iterator[str]:
    for name, one in sorted(named.items()):
        said = (inspect.getdoc(one) or "").partition("\n\n")[0]
        yield f"| `{cell(name)}` | {cell(said.replace('``', '`').replace(':func:', '').replace(':class:', ''))} |"


# --- commands -------------------------------------------------------------------------------------------------


def commands() -> str:
    """Every command with its options."""
    parts = [
        "# Commands\n",
        "Exit codes: 0 ok, 1 it failed, 2 usage or configuration, 3 something needs a person, 130 interrupted.",
        "`--json` prints the result for programs. `roomkeeper --version` prints the version.\n",
    ]
    for words_, command in _commands(typer.main.get_command(cli), ("roomkeeper",)):
        usage = " ".join([*words_, *(_argument(one) for one in command.params if one.param_type_name == "argument")])
        parts += [
            f"## `{' '.join(words_)}`\n",
            f"{_paragraph(command.help)}\n",
            f"```\n{usage} [OPTIONS]\n```\n",
        ]
        rows = [_option(one) for one in command.params if one.name != "help"]
        if rows:
            parts += ["| | default | |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(parts)


def _commands(group: Any, words_: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from _commands(one, (*words_, name))
        else:
            yield (*words_, name), one


def _argument(one: Any) -> str:
    return str(one.metavar or one.name.upper())


def _option(one: Any) -> str:
    shown = ", ".join([*one.opts, *one.secondary_opts]) if one.param_type_name == "option" else _argument(one)
    value = "" if one.default in (None, False, "", ()) or one.required or callable(one.default) else f"`{one.default}`"
    needed = "needed" if one.required else value
    return f"| `{shown}` | {needed} | {cell(getattr(one, 'help', None) or '')} |"


def _paragraph(text: str | None) -> str:
    return " ".join((text or "").split())


# --- states, alerts, metrics ----------------------------------------------------------------------------------


def states() -> str:
    """What a thing can be, what is told of, what is measured."""
    meanings = {
        "accepted": "kept, and handed to the automations that it is for",
        "duplicate": "known already: it told of the same occurrence",
        "ignored": "authentic, and nothing listens to it; the reason says why",
        "unusable": "authentic, but broken or ambiguous; its body is kept, and there is an alert",
        "refused": "not from who it says; its body is not kept",
        "waiting": "made, and waits for its turn",
        "running": "at work",
        "done": "finished, and its result was seen",
        "needs_attention": "a step failed or asks for consent: a person must look",
        "cancelled": "stopped by a person",
    }
    parts = ["# States, alerts, metrics\n", "## What an event can be\n", "| status | meaning |", "| --- | --- |"]
    parts += [f"| `{one}` | {meanings[one]} |" for one in EVENT_STATUSES]
    parts += ["\n## What a run can be\n", "| state | meaning |", "| --- | --- |"]
    parts += [f"| `{one}` | {meanings[one]} |" for one in RUN_STATES]
    parts += ["\n## Alerts\n", "Each is opened once, and closed when it is over.\n", "| kind | when | what to do |"]
    parts += ["| --- | --- | --- |", *(f"| `{name}` | {one.when} | {one.do} |" for name, one in KINDS.items())]
    parts += ["\n## Metrics\n", "| name | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    parts += [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {cell(one.meaning)} |"
        for one in described()
    ]
    return "\n".join(parts)


# --- errors ---------------------------------------------------------------------------------------------------


def sentences() -> str:
    """Every error: its kinds, and the sentences that are said, with their remedies, as they stand in the source."""
    parts = [
        "# Errors\n",
        "What is said, to what, and what to do. `…` stands for what the case fills in.\n",
        "## Kinds\n",
        "| kind | meaning | remedy | tried again by itself |",
        "| --- | --- | --- | --- |",
    ]
    for one in _kinds(errors.RoomkeeperError):
        again = "yes" if getattr(one, "retryable", False) else ""
        parts.append(f"| `{one.__name__}` | {cell(_paragraph(one.__doc__))} | {cell(one.remedy)} | {again} |")
    parts.append("\n## Sentences\n")
    for where, found in _said():
        parts += [f"### {where}\n", "| what is said | what to do |", "| --- | --- |"]
        parts += [f"| {cell(what)} | {cell(remedy)} |" for what, remedy in found]
        parts.append("")
    return "\n".join(parts)


def _kinds(kind_: type[errors.RoomkeeperError]) -> Iterator[type[errors.RoomkeeperError]]:
    if kind_ is not errors.RoomkeeperError:
        yield kind_
    for one in kind_.__subclasses__():
        if one.__module__ == errors.__name__:
            yield from _kinds(one)


#: Calls that say what is wrong and what to do, with the positions of the two.
_SAYING = {
    "_say": (1, 2),
    "say": (1, 2),
    "note": (1, 2),
    "FailedItem": (1, 2),
    "Alert": (1, 2),
    "Finding": (2, 3),
    "stop": (0, 1),
    "unavailable": (0, None),
}
_SAYING |= {name: (0, None) for name, one in vars(errors).items() if inspect.isclass(one)} | {"FailedItem": (1, 2)}
_SAYING |= {"AddressTaken": (0, None), "AlreadyRunning": (0, None)}


def _said() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE)
        if place.parts[0] == "simulator" or place.name == "demo.py":
            continue
        found = list(dict.fromkeys(_sentences(ast.parse(file.read_text()))))
        if found:
            yield " / ".join(place.with_suffix("").parts), found


def _sentences(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        everywhere, here = dict(_imported(tree)) | dict(_assigned(tree.body)), list(_assigned(ast.walk(scope)))
        for call in ast.walk(scope):
            if isinstance(call, ast.Call) and (at := _SAYING.get(_name(call.func))) is not None:
                # Of what was called so before, the nearest is meant: one name serves several sentences.
                before = sorted((one for one in here if one[1].lineno <= call.lineno), key=lambda one: one[1].lineno)
                known = everywhere | dict(here) | dict(before)
                what = _text(_nth(call, at[0], "message"), known)
                remedy = _text(_nth(call, at[1], "remedy"), known)
                if " " in what.strip("… "):
                    yield what, remedy


def _imported(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Give the constants that a module has from others: what several say stands in one place."""
    for one in tree.body:
        if isinstance(one, ast.ImportFrom) and one.module and one.module.startswith("roomkeeper."):
            file = (PACKAGE.parent / one.module.replace(".", "/")).with_suffix(".py")
            wanted = {name.name for name in one.names if name.name.isupper()}
            if wanted and file.exists():
                yield from (
                    (name, value) for name, value in _assigned(ast.parse(file.read_text()).body) if name in wanted
                )


def _assigned(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    for one in nodes:
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
            yield one.targets[0].id, one.value
        elif isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Tuple) and isinstance(one.value, ast.Tuple):
            pairs = zip(one.targets[0].elts, one.value.elts, strict=False)
            yield from ((name.id, value) for name, value in pairs if isinstance(name, ast.Name))


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _nth(call: ast.Call, at: int | None, keyword: str) -> ast.expr | None:
    named = next((one.value for one in call.keywords if one.arg == keyword), None)
    if named is not None or at is None or at >= len(call.args):
        return named
    return call.args[at]


def _text(node: ast.expr | None, known: Mapping[str, ast.expr], depth: int = 3) -> str:
    """Give the text of an expression; what is filled in becomes `…`."""
    if node is None:
        return ""
    if isinstance(node, ast.Constant):
        return str(node.value) if isinstance(node.value, str) else "…"
    if isinstance(node, ast.JoinedStr):
        parts = [_text(one, known, 0) if isinstance(one, ast.Constant) else "…" for one in node.values]
        return "".join(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, known, depth) + _text(node.right, known, depth)
    if isinstance(node, ast.IfExp):
        return _text(node.body, known, depth)
    if isinstance(node, ast.Name) and node.id in known and depth:
        return _text(known[node.id], known, depth - 1)
    return "…"


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for name, text in pages().items():
        (PAGES / name).write_text(text)
