"""A validator for the part of JSON Schema that the API's description uses; anything else in a schema is an error."""

from __future__ import annotations

from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = {
    "$ref", "type", "title", "description", "properties", "required", "additionalProperties", "items", "anyOf", "enum",
    "default", "minItems", "maxItems", "minLength", "maxLength", "prefixItems", "minimum", "maximum",
}  # fmt: skip


def violations(value: Any, schema: dict[str, Any], components: dict[str, Any], at: str = "$") -> list[str]:
    """What is wrong with `value`, as `path: reason`; empty where it fits the schema."""
    unknown = set(schema) - KNOWN
    if unknown:
        raise ValueError(f"the validator does not know {unknown}")
    if "$ref" in schema:
        return violations(value, components[schema["$ref"].rpartition("/")[2]], components, at)
    if "anyOf" in schema:
        tries = [violations(value, option, components, at) for option in schema["anyOf"]]
        return [] if any(not found for found in tries) else [f"{at}: fits none of {len(tries)} options: {tries}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r} is not one of {schema['enum']}"]
    if "type" in schema and not _is(value, schema["type"]):
        return [f"{at}: {value!r} is not of type {schema['type']}"]
    if isinstance(value, dict):
        return _object(value, schema, components, at)
    if isinstance(value, list):
        inner = schema.get("items", {})
        return [v for i, item in enumerate(value) for v in violations(item, inner or {}, components, f"{at}[{i}]")]
    return []


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, TYPES[kind])


def _object(value: dict[str, Any], schema: dict[str, Any], components: dict[str, Any], at: str) -> list[str]:
    properties = schema.get("properties", {})
    extra = schema.get("additionalProperties", True)
    found = [f"{at}: {name!r} is missing" for name in schema.get("required", []) if name not in value]
    for name, inner in value.items():
        if name in properties:
            found += violations(inner, properties[name], components, f"{at}.{name}")
        elif extra is False:
            found.append(f"{at}: {name!r} is not described")
        elif isinstance(extra, dict):
            found += violations(inner, extra, components, f"{at}.{name}")
    return found
