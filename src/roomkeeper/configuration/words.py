"""The words that may stand in the file, each with what it means: what an editor offers where one writes. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from roomkeeper.automations.automation import Automation, Step
from roomkeeper.automations.event import noun_of
from roomkeeper.configuration.top import Top
from roomkeeper.contract.catalog import Catalog

Words = Mapping[str, str]


def words(catalog: Catalog) -> dict[str, Any]:
    """Give them by the place where they may stand."""
    return {
        "top": _fields(Top),
        "automation": _fields(Automation),
        "step": _fields(Step),
        "types": {one.type: one.summary for one in catalog.written},
        "connections": {one.type: {"type": "What it is.", **_fields(one.settings)} for one in catalog.written},
        "events": {type_: _said(catalog, type_) for type_ in catalog.event_types},
        "where": {type_: dict.fromkeys(_asked_for(catalog, type_), "") for type_ in catalog.event_types},
        "steps": {name: next(iter(catalog.kinds(name).values())).summary for name in catalog.steps},
        "with": {name: _settings(catalog, name) for name in catalog.steps},
    }


def _fields(model: type[BaseModel]) -> Words:
    return {one.alias or name: one.description or "" for name, one in model.model_fields.items()}


def _settings(catalog: Catalog, step: str) -> Words:
    """Of a step that serves several kinds of connection, all that any of them takes."""
    return {name: said for kind in catalog.kinds(step).values() for name, said in _fields(kind.params).items()}


def _said(catalog: Catalog, type_: str) -> str:
    named = [one.type for one in catalog.connectors.values() if type_ in one.events]
    return f"from {', '.join(named)}"


def _asked_for(catalog: Catalog, type_: str) -> list[str]:
    kind = catalog.event(type_)
    return ["actor", *(kind.fields.get(noun_of(type_)) or {})] if kind is not None else []
