"""The HTTP API: every route with its parameters, bodies and failures, from the OpenAPI document; and the metrics."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from reference.markdown import cell, code, table
from rightsized.core.config import AuditConfig
from rightsized.core.errors import StoreError
from rightsized.server import openapi
from rightsized.server.metrics import Metrics
from rightsized.tasks.promises import Promises
from rightsized.tasks.record_views import RecordStatus
from rightsized.tasks.service_protocol import Service

OPENING = """# HTTP API

The server describes itself at `/openapi.json` (OpenAPI 3.1); this page says the same. Bodies are JSON, decoded
strictly: an unknown field is an error. Every failure is a problem document (RFC 9457, `application/problem+json`) with
`type`, `title`, `status`, `detail`, `instance`, and two members of our own: `code` for programs and `fix` for people.
[Errors](errors.md) lists the codes. The addresses of the OpenAI-compatible API (those whose failures are an
[ErrorBody](#errorbody)) differ in that: fields that are not listed go on to the model server, and failures have the
shape that OpenAI clients raise; [how OpenAI clients use them](../how-to/openai-clients.md).
`POST /v1/classify` sends the header fields `X-Rightsized-Decision`,
`X-Rightsized-Tier`, `X-Rightsized-Rung` and `X-Rightsized-State` with the reply to a single text.

"""


class _NoRecord:
    def status(self) -> RecordStatus:
        raise StoreError("Nothing is recorded.")


class _NoTasks:
    gateway = None
    record = _NoRecord()
    promises = Promises(AuditConfig())

    def tasks(self) -> list[Any]:
        return []


def page() -> str:
    """The page."""
    document = openapi.document()
    routes = [
        _route(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    bodies = [_body(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return OPENING + "\n".join(routes) + "\n# Bodies\n\n" + "\n".join(bodies) + "\n# Metrics\n\n" + _metrics()


def _route(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"## `{method.upper()} {path}`\n\n{operation['summary']}\n"]
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [(code(p["name"]), p["in"], _type(p["schema"]), cell(p.get("description", ""))) for p in parameters]
        parts.append(table(("parameter", "in", "type", "meaning"), rows))
    if "requestBody" in operation:
        parts.append(f"Body: {_content(operation['requestBody']['content'])}.\n")
    answers = [
        (status, _content(answer.get("content", {})), cell(answer["description"]))
        for status, answer in operation["responses"].items()
    ]
    parts.append(table(("status", "body", "meaning"), answers))
    return "\n".join(parts)


def _content(content: dict[str, Any]) -> str:
    return ", ".join(
        _type(entry["schema"]) if "$ref" in entry["schema"] else code(media) for media, entry in content.items()
    )


def _type(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words, with links to the bodies on this page."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        anchor = name.lower().replace(".", "")  # of a name that two modules have, with its module
        return f"[{name}](#{anchor})"
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(code(value) for value in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        inner = schema.get("items") or {}
        return f"list of {_type(inner)}" if inner else "list"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    limits = [f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema]
    if schema.get("default") not in (None, ""):
        limits.append(f"default {msgspec.json.encode(schema['default']).decode()}")
    return f"{kind} ({', '.join(limits)})" if limits else kind


_LIMITS = {"minimum": "from", "maximum": "to", "minLength": "length from", "maxLength": "length to"}


def _body(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", []))
    rows = [
        (code(field), _type(kind), "yes" if field in required else "no")
        for field, kind in schema.get("properties", {}).items()
    ]
    description = schema.get("description", "")
    return f"## {name}\n\n{description}\n\n{table(('field', 'type', 'always there?'), rows)}"


def _metrics() -> str:
    registry = Metrics(cast("Service", _NoTasks())).registry
    rows = []
    for family in sorted(registry.collect(), key=lambda family: family.name):
        suffix = "_total" if family.type == "counter" else ""
        rows.append((code(family.name + suffix), family.type, cell(family.documentation)))
    return table(("metric", "type", "meaning"), rows)
