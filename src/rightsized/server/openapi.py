"""The OpenAPI 3.1 description, generated from the route table and from the records' own types."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

import rightsized
from rightsized.server import problems
from rightsized.server.openai.errors import ErrorBody
from rightsized.server.problems import Problem
from rightsized.server.routes import OPERATIONS, Operation

_REFERENCE = "#/components/schemas/{name}"
_ANSWERED_BY = {
    "X-Rightsized-Decision": "Id of the decision; empty where nothing is recorded.",
    "X-Rightsized-Tier": "3 task-specific model, 2 small language model, 1 large one, 0 a person.",
    "X-Rightsized-Rung": "The rung of the ladder that answered.",
    "X-Rightsized-State": "State of the promise under which the answer was given.",
    "X-Rightsized-Steps": "In how many steps a chat too long for every tier was read; absent where it was one.",
}
_WHEN = " Sent where a tier or a task answered; the state is `certified` or `uncertified`."


def document() -> dict[str, Any]:
    """The whole description as a JSON-like dictionary."""
    types: set[type[Struct]] = {Problem, ErrorBody, *(t for o in OPERATIONS for t in (o.request, o.response) if t)}
    ordered = sorted(types, key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rightsized",
            "version": rightsized.__version__,
            "description": "Answers with the smallest model that keeps within an error budget. "
            "A failure is a problem document (RFC 9457); the OpenAI-compatible API has errors of its own shape.",
        },
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "responses": {**_success(operation), **_failures(operation)},
    }
    parameters = _parameters(operation)
    if parameters:
        described["parameters"] = parameters
    if operation.request:
        described["requestBody"] = {"required": True, "content": _content(operation.request)}
    return described


def operation_id(operation: Operation) -> str:
    """A unique name made of method and path: `get_v1_tasks_name`."""
    path = operation.path.replace("{", "").replace("}", "").replace(".", "_")
    return operation.method.lower() + path.replace("/", "_")


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    in_path = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in in_path
    ]
    for place, parameters in (("query", operation.query), ("header", operation.headers)):
        for parameter in parameters:
            entry = {"name": parameter.name, "in": place, "description": parameter.meaning, "schema": parameter.schema}
            found.append(entry)
    return found


def _success(operation: Operation) -> dict[str, Any]:
    if operation.response is None and operation.method == "DELETE":
        return {"204": {"description": "Done."}}
    if operation.response is None:
        kind = "object" if operation.media == "application/json" else "string"
        return {"200": {"description": operation.summary, "content": {operation.media: {"schema": {"type": kind}}}}}
    success: dict[str, Any] = {"description": _first_line(operation.response), "content": _content(operation.response)}
    if operation.streams:
        success["content"]["text/event-stream"] = {"schema": {}}  # a schema would be that of one event
    if operation.path == "/v1/classify" or operation.headers:
        when = _WHEN if operation.headers else " Sent for a single text."
        success["headers"] = {
            name: {"description": meaning + when, "schema": {"type": "string"}}
            for name, meaning in _ANSWERED_BY.items()
        }
    return {"200": success}


def _failures(operation: Operation) -> dict[str, Any]:
    if operation.failures:
        shape = {"application/json": {"schema": {"$ref": _REFERENCE.format(name=ErrorBody.__name__)}}}
        return {
            str(status): {"description": meaning, "content": shape}
            for status, meaning in sorted(operation.failures.items())
        }
    known = problems.kinds()
    by_status: dict[str, list[str]] = {}
    for code in (*operation.problems, "wrong-host", "internal"):
        status, title = known[code]
        by_status.setdefault(str(status), []).append(f"`{code}`: {title}")
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}
    return {status: {"description": " ".join(lines), "content": content} for status, lines in sorted(by_status.items())}


def _content(kind: type[Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(name=kind.__name__)}}}


def _first_line(kind: type[Struct]) -> str:
    return (kind.__doc__ or kind.__name__).strip().split("\n", 1)[0]
