"""Read `roomkeeper.yaml`: every fault with its file, its line and the remedy.

The file is YAML 1.2, so `on:` is a word. What a connection and a step may say comes from the catalogue.
"""

import difflib
import importlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from roomkeeper.automations import template
from roomkeeper.automations.address import is_outside
from roomkeeper.automations.automation import Automation, Step, acts_on
from roomkeeper.automations.secret import NOT_SET, Reference, is_secret
from roomkeeper.configuration.dashboard import Dashboard
from roomkeeper.configuration.notify import Notify
from roomkeeper.contract.catalog import Catalog, Connector
from roomkeeper.contract.step import EventKind, StepKind
from roomkeeper.errors import ConfigError, Problem, TemplateError

M = TypeVar("M", bound=BaseModel)
Path_ = tuple[str | int, ...]
_LABEL = 64  # characters: a part of a host's name is shorter
GATHER = 100  # what a run takes at most where every step can take many and the file does not say


class Retention(BaseModel):
    """How long what is over is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    events_days: int = Field(
        default=90, ge=1, description="Days that events and their raw bodies are kept.", examples=[90]
    )
    runs_days: int = Field(default=90, ge=1, description="Days that runs and their steps are kept.", examples=[90])


class Top(BaseModel):
    """The top level of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = Field(description="The version of this format.", examples=[1])
    listen: str = Field(
        default="127.0.0.1:8080", description="Address and port to listen on.", examples=["127.0.0.1:8080"]
    )
    public_url: str | None = Field(
        default=None, description="How the portal and the vendors reach us.", examples=["https://hooks.acme.example"]
    )
    store: str = Field(
        default="./var",
        description="A folder for embedded SQLite files, or postgresql://user@host/db.",
        examples=["./var", "postgresql://roomkeeper@db/roomkeeper"],
    )
    connections: dict[str, Any] = Field(description="The portals, helpdesks and CRMs, by name.", min_length=1)
    automations: list[Any] = Field(default_factory=list, description="What to do when something happens.")
    plugins: list[str] = Field(
        default_factory=list,
        description="Installed packages with steps of your own: each names them in `STEPS`, a list of StepKind.",
        examples=[["acme_steps"]],
    )
    retention: Retention = Field(default=Retention(), description="How long what is over is kept.")
    dashboard: Dashboard = Field(default=Dashboard(), description="Who may see the pages and use the API.")
    notify: Notify = Field(default=Notify(), description="Who is told when something wants a person.")

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://none")
        is_plain = parts.scheme in {"http", "https"} and parts.hostname and not parts.query and not parts.fragment
        if (
            not is_plain
            or parts.username
            or any(not 0 < len(label) < _LABEL for label in str(parts.hostname).split("."))
        ):
            raise ValueError("must be an address such as https://hooks.acme.example, without a query or a user in it")
        return value


@dataclass(frozen=True)
class Connection:
    """A configured connection: its settings are an instance of its connector's model."""

    name: str
    type: str
    settings: Any


@dataclass(frozen=True)
class Config:
    """A configuration that has been checked."""

    file: Path
    host: str
    port: int
    public_url: str | None
    store: str
    connections: Mapping[str, Connection]
    automations: tuple[Automation, ...]
    retention: Retention
    dashboard: Dashboard
    notify: Notify
    #: What the file's automations are made of: ours, and the plugins' steps.
    catalog: Catalog
    #: The automations as they stand in the file, by name.
    texts: Mapping[str, str] = field(default_factory=dict)
    #: Secrets that could not be looked up, where that was allowed.
    notes: tuple[Problem, ...] = field(default=())

    def automation(self, name: str) -> Automation | None:
        """Find an automation by name."""
        return next((one for one in self.automations if one.name == name), None)


def gathered(automation: Automation, catalog: Catalog) -> int:
    """How many events one run of this automation takes at most."""
    if automation.gather is not None:
        return automation.gather
    kinds = [kind for step in automation.steps for kind in catalog.kinds(step.do).values()]
    return GATHER if kinds and all(kind.takes_many for kind in kinds) else 1


def wanted_of(connector: Connector, config: Config) -> frozenset[str]:
    """List which fields of this connector's events the automations use, dotted: {"company", "fields.room"}."""
    wanted: set[str] = set()
    for one in config.automations:
        if one.on not in connector.events:
            continue
        wanted |= set(one.where)
        for step in one.steps:
            for _, text, condition in _templates(step):
                paths = template.references(text, condition=condition)
                wanted |= {".".join(path[1:]) for path in paths if path[0] == one.on.partition(".")[0]}
    return frozenset(wanted - {""})


def load(file: Path, catalog: Catalog, *, secrets_required: bool = True) -> Config:
    """Read and check a configuration file. Raises ConfigError with every problem found."""
    reader = _Reader(file, catalog, secrets_required=secrets_required)
    config = reader.read()
    if reader.problems or config is None:
        raise ConfigError(sorted(reader.problems, key=lambda problem: problem.line))
    return config


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
    """Keeps lines, and reads `!env` and `!file`."""


def _reference(kind: str) -> Callable[[Any, Any], Reference]:
    return lambda _, node: Reference(kind, str(node.value).strip())


_Constructor.add_constructor("!env", _reference("env"))
_Constructor.add_constructor("!file", _reference("file"))


class _Reader:
    """One reading of one file; collects problems as it goes."""

    def __init__(self, file: Path, catalog: Catalog, *, secrets_required: bool) -> None:
        self.file, self.catalog, self.secrets_required = file, catalog, secrets_required
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self.root: Any = None
        self.local = dotenv_values(file.parent / ".env")

    def read(self) -> Config | None:
        self.root = self._parse()
        if self.problems:
            return None
        top = self._model(Top, self._resolved(self.root, (), Top), ())
        if top is None:
            return None
        self._take_in(top.plugins)
        host, port = self._listen(top.listen)
        self._check_store(top.store)
        # A connection with a fault of its own still counts as one, so that its fault is not reported at each step.
        connections = {name: one for name in top.connections if (one := self._connection(name)) is not None}
        read = [self._automation(at, connections) for at in range(len(top.automations))]
        automations = [automation for automation in read if automation is not None]
        self._check_names(automations)
        self._check_dashboard(top)
        self._check_notify(top.notify, connections)
        self._check_circles(automations)
        if not self.problems:
            self._note_what_is_odd(connections, automations)
            self._note_who_sees(top)
        return Config(
            file=self.file,
            host=host,
            port=port,
            public_url=top.public_url.rstrip("/") if top.public_url else None,
            store=self._store(top.store),
            connections=connections,
            automations=tuple(automations),
            retention=top.retention,
            dashboard=top.dashboard,
            notify=top.notify,
            catalog=self.catalog,
            texts=self._texts(automations),
            notes=tuple(self.notes),
        )

    # --- the file -----------------------------------------------------------------------------------------

    def _parse(self) -> Any:  # noqa: ANN401 - YAML
        yaml = YAML(typ="rt")
        yaml.Constructor = _Constructor
        try:
            root = yaml.load(self.file.read_text("utf-8"))
        except OSError as error:
            self._say((), f"the file cannot be read: {error.strerror}", "check the path, or give another with -c")
            return None
        except UnicodeDecodeError:
            self._say((), "the file is not UTF-8 text", "save it as UTF-8")
            return None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = " ".join(str(error.problem or error.context or "it is not valid YAML").split())
            line = mark.line + 1 if mark else 1
            self.problems.append(
                Problem(str(self.file), line, what, "correct the YAML; look at indentation and quotes")
            )
            return None
        except (YAMLError, RecursionError, ValueError) as error:
            self._say((), f"it is not valid YAML: {error}", "correct the YAML")
            return None
        if not isinstance(root, CommentedMap):
            self._say((), "the file is empty or not a mapping", "start with `version: 1`; the README has an example")
        return root

    def _texts(self, automations: Sequence[Automation]) -> dict[str, str]:
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

    def _listen(self, text: str) -> tuple[str, int]:
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - the highest port
            self._say(("listen",), f"`listen: {text}` is not an address and a port", "write it as 127.0.0.1:8080")
            return "127.0.0.1", 8080
        return host.strip("[]"), int(port)

    def _note_what_is_odd(self, connections: Mapping[str, Connection], automations: Sequence[Automation]) -> None:
        """Say what is allowed and seldom meant."""
        env = self.file.parent / ".env"
        if env.exists() and env.stat().st_mode & 0o077:
            self._note((), f"{env} can be read by others", f"chmod 600 {env}")
        for at, one in enumerate(automations):
            if "room" not in one.where and one.on.startswith("file."):
                what = f"{one.name} has no `where: {{room: …}}`, so it is for every room that the account is in"
                self._note(("automations", at), what, "name the rooms, unless that is what you want")
        for name, connection in connections.items():
            settings, needed = self.root["connections"][name], self.catalog.connectors[connection.type].trusted_by
            listened = any(name in self._sources(one, connections) and one.from_ in {None, name} for one in automations)
            delivered = listened and not getattr(connection.settings, "polls", False)
            if delivered and needed and not settings.get("unsigned") and not any(key in settings for key in needed):
                secrets = " or ".join(f"`{key}`" for key in needed)
                what = f"{name} has nothing to tell its deliveries from a stranger's"
                self._note(("connections", name), what, f"set {secrets}; until then every delivery is refused")

    def _note_who_sees(self, top: Top) -> None:
        if is_outside(top.public_url) and not top.dashboard.has_login:
            what = "nobody can log in, and the service can be reached from outside: so its pages are shown to nobody"
            self._note(("public_url",), what, "add `dashboard: users`; `roomkeeper password` makes the hash")

    def _note(self, where: Path_, what: str, remedy: str) -> None:
        self.notes.append(Problem(str(self.file), self._line(where), what, remedy))

    def _check_store(self, store: str) -> None:
        if "://" not in store:
            return
        parts = urlsplit(store)
        if parts.scheme != "postgresql":
            remedy = "give a folder, or postgresql://user@host/db"
            self._say(("store",), f"a store of the kind {parts.scheme}:// is not known", remedy)
        elif (parts.password or "password" in parts.query) and not isinstance(self.root.get("store"), Reference):
            remedy = "write `store: !env DATABASE_URL`, or leave the password to PGPASSWORD or ~/.pgpass"
            self._say(("store",), "the store's address has a password in it, and secrets do not belong here", remedy)

    def _store(self, store: str) -> str:
        return store if "://" in store else str((self.file.parent / store).resolve())

    def _take_in(self, plugins: Sequence[str]) -> None:
        """Add the steps of a company's own packages; a name that is taken stays ours."""
        more: list[StepKind] = []
        for at, name in enumerate(plugins):
            try:
                found = list(importlib.import_module(name).STEPS)
            except Exception as error:  # noqa: BLE001 - whatever somebody's package raises
                what = f"the plugin {name!r} cannot be used: {type(error).__name__}: {error}"
                self._say(("plugins", at), what, "install it into this environment, with a list `STEPS` of StepKind")
                continue
            for step in found:
                if not isinstance(step, StepKind) or self.catalog.kinds(step.name):
                    shown = getattr(step, "name", step)
                    what = f"the plugin {name!r} has {shown!r} in STEPS, which is no step or not a new one"
                    self._say(("plugins", at), what, "give it a StepKind with a name of its own")
                else:
                    more.append(step)
        self.catalog = self.catalog.extended(more)

    # --- connections --------------------------------------------------------------------------------------

    def _connection(self, name: str) -> Connection | None:
        where: Path_ = ("connections", name)
        node = self.root["connections"][name]
        if not isinstance(node, CommentedMap):
            self._say(where, f"the connection {name} is not a mapping", "give it at least `type` and `url`")
            return None
        type_ = node.get("type")
        connector = self.catalog.connectors.get(str(type_))
        if connector is None:
            known = sorted(self.catalog.connectors)
            self._say(
                (*where, "type"),
                f"the connection {name} has the type {type_!r}, which is not known",
                _hint(str(type_), known),
            )
            return None
        settings = self._resolved(node, where, connector.settings)
        settings.pop("type", None)
        model = self._model(connector.settings, settings, where)
        return Connection(name, connector.type, model)

    def _resolved(self, node: Mapping[str, Any], where: Path_, model: type[BaseModel]) -> dict[str, Any]:
        """Look up the references of one mapping; a secret that stands in the file is a problem."""
        out: dict[str, Any] = {}
        for name, value in node.items():
            known = model.model_fields.get(str(name))
            within = _model_within(known.annotation) if known is not None else None
            if within is not None and isinstance(value, Mapping):
                out[str(name)] = self._resolved(value, (*where, name), within)
            elif within is not None and isinstance(value, list):
                out[str(name)] = [
                    self._resolved(one, (*where, name, at), within) if isinstance(one, Mapping) else one
                    for at, one in enumerate(value)
                ]
            else:
                out[str(name)] = self._value(value, (*where, name), secret=known is not None and is_secret(known))
        return out

    def _value(self, value: Any, where: Path_, *, secret: bool) -> Any:  # noqa: ANN401 - YAML
        if isinstance(value, Reference):
            return self._looked_up(value, where)
        tag = str(getattr(getattr(value, "tag", None), "value", "") or "")
        if tag.startswith("!") and not tag.startswith("!!"):
            self._say(where, f"the tag {tag} is not known", "write `!env NAME` or `!file path`")
            return NOT_SET
        if secret and isinstance(value, list):
            return [self._value(one, (*where, at), secret=True) for at, one in enumerate(value)]
        if secret:
            name = str(where[-1])
            remedy = (
                f"write `{name}: !env {name.upper()}` or `{name}: !file path`, and change the secret: it has leaked"
            )
            self._say(where, f"the secret `{name}` stands in the file", remedy)
            return "x"
        return value

    def _looked_up(self, reference: Reference, where: Path_) -> str:
        if reference.kind == "env" and not reference.name.isidentifier():
            remedy = (
                "write `!env NAME`, and put NAME=… into .env; if this is the secret itself, change it: it has leaked"
            )
            self._say(where, "what stands after `!env` is not the name of a variable", remedy)
            return NOT_SET
        try:
            return reference.resolve(lambda name: os.environ.get(name) or self.local.get(name), self.file.parent)
        except LookupError as error:
            what, remedy = error.args
            problem = Problem(str(self.file), self._line(where), what, remedy)
            (self.problems if self.secrets_required else self.notes).append(problem)
            return NOT_SET

    # --- people -------------------------------------------------------------------------------------------

    def _check_dashboard(self, top: Top) -> None:
        where: Path_ = ("dashboard",)
        for kind, named in (("users", top.dashboard.users), ("tokens", top.dashboard.tokens)):
            names = [one.name for one in named]
            for at, name in enumerate(names):
                if name in names[:at]:
                    self._say((*where, kind, at, "name"), f"{name!r} is there twice", "give each a name of its own")
        if top.dashboard.oidc is None:
            return
        if top.public_url is None:
            what = "a login service sends people back to `public_url`, which is not set"
            self._say((*where, "oidc"), what, "set `public_url` to the address that people open the pages by")
        if not top.dashboard.oidc.operators and not top.dashboard.oidc.viewers:
            what = "nobody whom the login service knows may come in"
            self._say((*where, "oidc"), what, "list who may in `operators` or `viewers`")

    def _check_notify(self, notify: Notify, connections: Mapping[str, Connection]) -> None:
        telling = [name for name, one in connections.items() if self.catalog.connectors[one.type].tell is not None]
        for at, name in enumerate(notify.to):
            if name not in telling:
                what = f"`notify` names {name!r}, which is no connection that takes messages"
                hint = _hint(name, telling) if telling else "add one of the type slack, smtp or webhook"
                self._say(("notify", "to", at), what, hint)

    # --- automations --------------------------------------------------------------------------------------

    def _automation(self, at: int, connections: Mapping[str, Connection]) -> Automation | None:
        where: Path_ = ("automations", at)
        automation = self._model(Automation, self.root["automations"][at], where)
        if automation is None:
            return None
        kind = self.catalog.event(automation.on)
        if kind is None:
            hint = _hint(automation.on, self.catalog.event_types)
            self._say(
                (*where, "on"), f"{automation.name} listens to {automation.on!r}, which no connection raises", hint
            )
            return automation
        self._check_source(automation, connections, where)
        self._check_where(automation, kind, where)
        self._check_steps(automation, kind, connections, where)
        return automation

    def _check_source(self, automation: Automation, connections: Mapping[str, Connection], where: Path_) -> None:
        sources = self._sources(automation, connections)
        if automation.from_ is not None and automation.from_ not in sources:
            self._say(
                (*where, "from"),
                f"no connection {automation.from_!r} raises {automation.on}",
                _hint(automation.from_, sources),
            )
        elif not sources:
            self._say(
                (*where, "on"), f"no connection of this file raises {automation.on}", "add the connection it comes from"
            )
        elif len(sources) > 1 and automation.from_ is None and "room" in automation.where:
            remedy = f"add `from:` with one of {', '.join(sources)}"
            self._say(
                (*where, "where"), "several portals raise this event, and a room is a room of one of them", remedy
            )

    def _sources(self, automation: Automation, connections: Mapping[str, Connection]) -> list[str]:
        """Name the connections that raise what the automation listens to."""
        return [
            name
            for name, one in connections.items()
            if automation.on in self.catalog.connectors[one.type].raised(one.settings)
        ]

    def _check_where(self, automation: Automation, kind: EventKind, where: Path_) -> None:
        noun = kind.type.partition(".")[0]
        if any(str(one) in {"", "0"} for one in automation.rooms):
            self._say((*where, "where", "room"), "`room` is empty", "write the room's id or its exact title")
        fields = kind.fields.get(noun) or {}
        for name in automation.where:
            node: Any = fields
            for part in name.split("."):
                if node is None or name == "actor":
                    break
                if part not in node:
                    known = ["actor", *fields]
                    self._say(
                        (*where, "where", name), f"{kind.type} has no field {name!r} to ask for", _hint(name, known)
                    )
                    break
                node = node[part]

    def _check_steps(
        self, automation: Automation, kind: EventKind, connections: Mapping[str, Connection], where: Path_
    ) -> None:
        many = gathered(automation, self.catalog) > 1
        known: dict[str, Any] = {name: dict(fields or {}) for name, fields in kind.fields.items()}
        names: set[str] = set()
        for at, step in enumerate(automation.steps):
            here: Path_ = (*where, "steps", at)
            self._check_step(step, here, many=many)
            self._check_target(step, automation, connections, here)
            self._check_sense(step, automation, here)
            self._check_variables(step, kind, known, here, many=many)
            if step.name in names:
                self._say(
                    here, f"two steps of {automation.name} are called {step.name!r}", "tell them apart with `as:`"
                )
            names.add(step.name)
            if step.as_ is not None and (not step.as_.isidentifier() or step.as_ in kind.fields):
                remedy = "take another word of letters, digits and _"
                self._say((*here, "as"), f"`as: {step.as_}` cannot be a variable's name here", remedy)
            kinds = self.catalog.kinds(step.do)
            if step.as_ is not None and kinds:
                known[step.as_] = {name: None for one in kinds.values() for name in one.result.model_fields}

    def _check_step(self, step: Step, where: Path_, *, many: bool) -> None:
        kinds = self.catalog.kinds(step.do)
        if not kinds:
            self._say((*where, "do"), f"there is no step {step.do!r}", _hint(step.do, self.catalog.steps))
            return
        for kind in kinds.values():
            self._model(kind.params, step.with_, (*where, "with"), templates=True)
        if many and not all(kind.takes_many for kind in kinds.values()):
            self._say(where, f"{step.do} acts on one event, but this automation gathers several", "set `gather: 1`")

    def _check_target(
        self, step: Step, automation: Automation, connections: Mapping[str, Connection], where: Path_
    ) -> None:
        """Make sure that it is clear which connection the step acts on."""
        kinds = self.catalog.kinds(step.do)
        if not kinds or "" in kinds:
            return
        fitting = [name for name, one in connections.items() if one.type in kinds]
        if step.via is not None and step.via not in fitting:
            self._say((*where, "via"), f"{step.do} cannot act on {step.via!r}", _hint(step.via, fitting))
        elif not fitting:
            types = " or ".join(kinds)
            self._say(where, f"{step.do} needs a connection of the type {types}", "add one under `connections`")
        elif step.via is None:
            named, types_of = automation.from_, {name: one.type for name, one in connections.items()}
            origins = [named] if named is not None else self._sources(automation, connections)
            if any(acts_on(step, kinds, one, types_of) is None for one in origins if one in types_of):
                what = f"it is not clear on which connection {step.do} acts: {', '.join(fitting)}"
                self._say(where, what, f"add `via:` with one of them, for example `via: {fitting[0]}`")

    def _check_sense(self, step: Step, automation: Automation, where: Path_) -> None:
        """Say what cannot work in the room that an earlier step of this automation makes."""
        used = (
            template.references(str(step.with_.get("room", "")))
            if template.is_template(step.with_.get("room"))
            else set()
        )
        makers = {one.name: one for one in automation.steps if one.do == "create_room"}
        made_by = next((makers[path[0]] for path in used if path[0] in makers), None)
        if made_by is None or made_by.with_.get("from_template") is not None:
            return
        kind = made_by.with_.get("type", "collaboration")
        if template.is_template(kind):
            return
        for one in self.catalog.kinds(step.do).values():
            for path, what, remedy in one.mistakes(step.with_, str(kind)) if one.mistakes is not None else []:
                self._say((*where, "with", *path), what, remedy)

    def _check_variables(
        self, step: Step, kind: EventKind, known: Mapping[str, Any], where: Path_, *, many: bool
    ) -> None:
        for path, text, condition in _templates(step):
            try:
                used = template.references(text, condition=condition)
            except TemplateError as error:
                self._say((*where, *path), error.message, "see the Jinja2 template syntax")
                continue
            for reference in sorted(used):
                self._check_reference(reference, kind, known, (*where, *path), many=many)

    def _check_reference(
        self, reference: template.Reference, kind: EventKind, known: Mapping[str, Any], where: Path_, *, many: bool
    ) -> None:
        root, *rest = reference
        written, node, seen = ".".join(reference), known, ""
        for part in reference:
            if node is None:
                break  # what only the sender knows
            if part not in node:
                self._say(where, *_unknown(seen, part, written, node))
                return
            node, seen = node[part], f"{seen}.{part}".lstrip(".")
        if many and root in kind.fields and (root, rest[0] if rest else "") not in kind.shared:
            remedy = "set `gather: 1` for this automation, or leave it out"
            self._say(where, f"`{written}` differs between the events that one run gathers", remedy)

    def _check_names(self, automations: Sequence[Automation]) -> None:
        seen: set[str] = set()
        for at, automation in enumerate(automations):
            if automation.name in seen:
                self._say(("automations", at, "name"), f"two automations are called {automation.name!r}", "rename one")
            seen.add(automation.name)

    def _check_circles(self, automations: Sequence[Automation]) -> None:
        """Refuse automations that feed each other's rooms: what one copies, the other would copy back."""
        edges = [
            (source, target, at)
            for at, one in enumerate(automations)
            for source in map(str, one.rooms)
            for target in _targets(one, self.catalog)
        ]
        for source, target, at in edges:
            if _reaches(target, source, edges):
                what = f"{automations[at].name} copies from {source} to {target}, and from there a way leads back"
                remedy = "let files go one way only: take out one of these automations, or choose another room"
                self._say(("automations", at), what, remedy)

    # --- saying what is wrong -----------------------------------------------------------------------------

    def _model(self, model: type[M], data: Any, where: Path_, *, templates: bool = False) -> M | None:  # noqa: ANN401
        """Validate; where templates may stand, their values are not judged before they are worked out."""
        try:
            return model.model_validate(_plain(data))
        except ValidationError as error:
            for one in error.errors():
                if templates and template.is_template(one["input"]) and one["type"] != "extra_forbidden":
                    continue
                path = tuple(part for part in one["loc"] if not (isinstance(part, str) and "[" in part))
                what, remedy = _explain(one, model, path)
                self._say((*where, *path), what, remedy)
            return None

    def _say(self, where: Path_, what: str, remedy: str) -> None:
        problem = Problem(str(self.file), self._line(where), what, remedy)
        if problem not in self.problems:
            self.problems.append(problem)

    def _line(self, where: Path_) -> int:
        """Find the line of a place in the file, or of the nearest thing around it."""
        node, line = self.root, 1
        for part in where:
            try:
                position = node.lc.item(part) if isinstance(node, CommentedSeq) else node.lc.key(part)
                line, node = position[0] + 1, node[part]
            except (KeyError, IndexError, AttributeError, TypeError):
                break
        return line


def _unknown(seen: str, part: str, written: str, node: Mapping[str, Any]) -> tuple[str, str]:
    """Say which part of a variable is not known, and what there is."""
    if not seen:
        return f"nothing provides `{written}` here", _hint(part, sorted(node))
    if not node:
        return f"`{seen}` has no fields of its own", f"write `{seen}`"
    return f"`{seen}` has no field {part!r}", _hint(part, sorted(node))


def _plain(data: Any) -> Any:  # noqa: ANN401 - YAML to plain Python
    if isinstance(data, Mapping):
        return {str(name): _plain(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    return data


def _explain(error: Any, model: type[BaseModel], path: Path_) -> tuple[str, str]:  # noqa: ANN401
    """Say a validation error in our words, and what to do."""
    name = str(path[-1]) if path else "it"
    kind, said = str(error["type"]), str(error["msg"])
    if kind == "extra_forbidden":
        return f"{name!r} is not known here", _hint(name, _names(model))
    if kind == "missing":
        return f"{name!r} is missing", f"add `{name}:`{_example(model, name)}"
    said = said.removeprefix("Value error, ")
    return f"{name}: {said[:1].lower() + said[1:]}", f"correct the value{_example(model, name)}"


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _example(model: type[BaseModel], name: str) -> str:
    known = next((one for key, one in model.model_fields.items() if name in {key, one.alias}), None)
    return f", for example `{name}: {known.examples[0]}`" if known is not None and known.examples else ""


def _model_within(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - a type
    """Find the model that a setting is made of: itself, or in a list, or perhaps not there."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    within = [_model_within(one) for one in get_args(annotation)]
    return next((one for one in within if one is not None), None)


def _hint(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there is: {', '.join(known)}" if known else "there is none"


def _templates(step: Step) -> Iterator[tuple[Path_, str, bool]]:
    """Find every template of a step: where it stands, its text, and whether it is a condition."""
    if step.if_ is not None:
        yield ("if",), step.if_, True
    yield from _strings(step.with_, ("with",))


def _strings(value: Any, where: Path_) -> Iterator[tuple[Path_, str, bool]]:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _strings(one, (*where, name))
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _strings(one, (*where, at))
    elif template.is_template(value):
        yield where, value, False


def _targets(automation: Automation, catalog: Catalog) -> list[str]:
    kinds = [(step, kind) for step in automation.steps for kind in catalog.kinds(step.do).values()]
    found = [step.with_.get(kind.destination) for step, kind in kinds if kind.destination]
    return [str(one) for one in found if one is not None and not template.is_template(one)]


def _reaches(start: str, goal: str, edges: Sequence[tuple[str, str, int]]) -> bool:
    seen, waiting = set(), [start]
    while waiting:
        here = waiting.pop()
        if here == goal:
            return True
        if here not in seen:
            seen.add(here)
            waiting += [target for source, target, _ in edges if source == here]
    return False
