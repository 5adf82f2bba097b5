"""The JSON Schema of `roomkeeper.yaml`, from the same models that check it."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from roomkeeper.automations.automation import Automation
from roomkeeper.automations.event import OWN_TYPE
from roomkeeper.configuration.top import Top
from roomkeeper.contract.catalog import Catalog
from roomkeeper.contract.step import StepKind

_TEMPLATE = {"type": "string", "pattern": r"\{[{%]", "description": "A template."}


def json_schema(catalog: Catalog) -> dict[str, Any]:
    """Build the schema for this catalogue."""
    schema = Top.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    connections = [_connection(c.type, c.summary, c.settings, definitions) for c in catalog.written]
    schema["properties"]["connections"]["additionalProperties"] = {"oneOf": connections}
    schema["properties"]["automations"]["items"] = {"$ref": "#/$defs/Automation"}
    automation = _inlined(Automation, definitions)
    one, several = automation["properties"]["on"]["anyOf"]
    kinds = {"anyOf": [{"enum": catalog.event_types}, {"pattern": OWN_TYPE}]}
    one |= kinds
    several["items"] |= kinds
    definitions["Automation"] = automation
    definitions["Step"]["properties"]["do"]["enum"] = catalog.steps
    definitions["Step"]["allOf"] = [
        {
            "if": {"properties": {"do": {"const": step.name}}},
            "then": {"properties": {"with": _params(step.params, step.summary, definitions)}},
        }
        for step in (_fullest(catalog.kinds(name)) for name in catalog.steps)
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "roomkeeper.yaml",
        **_without_titles(schema),
    }


def _fullest(kinds: Mapping[str, StepKind]) -> StepKind:
    """Choose the kind of a step that can be told most: an editor knows the step's name, and not where it acts."""
    return max(kinds.values(), key=lambda kind: len(kind.params.model_fields))


def _connection(type_: str, summary: str, settings: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _inlined(settings, definitions)
    schema["properties"] = {"type": {"const": type_}, **schema["properties"]}
    schema["required"] = ["type", *schema.get("required", [])]
    return schema | {"description": summary}


def _params(params: type[BaseModel], summary: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Describe a step's settings; each of them may be a template instead."""
    schema = _inlined(params, definitions)
    schema["properties"] = {
        name: {"anyOf": [one, _TEMPLATE], "description": one.get("description", "")}
        for name, one in schema["properties"].items()
    }
    return schema | {"description": summary}


def _inlined(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    definitions.update(schema.pop("$defs", {}))
    return schema


def _without_titles(node: Any, *, inside_properties: bool = False) -> Any:  # noqa: ANN401 - JSON
    """Leave out pydantic's titles, which repeat the names; but keep a property that is called `title`."""
    if isinstance(node, dict):
        return {
            name: _without_titles(one, inside_properties=name == "properties" and not inside_properties)
            for name, one in node.items()
            if inside_properties or name != "title" or not isinstance(one, str)
        }
    if isinstance(node, list):
        return [_without_titles(one) for one in node]
    return node
