"""Whether the answer has the form that was asked for: JSON, JSON of a schema, code that parses, sources cited."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

import msgspec

from rightsized.engines.signals.signal import MAX_CHARS, Exchange, Side

MAX_DEPTH = 32  # levels of a schema that are checked; below them anything passes
MAX_CODE = 100_000  # characters of an answer in which code to run is looked for
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FENCE = re.compile(r"```(\w*)\n(.*?)(?:```|\Z)", re.DOTALL)
_CITED = re.compile(r"\[(?:\d{1,3}|[\w.-]+:\d+)\]|\(\w[^()]{0,60}, ?\d{4}\)|https?://[^\s)\]]+")
_ASKS_SOURCES = re.compile(r"\b(?:cite|citation|source|reference|according to)\b", re.IGNORECASE)


class Form:
    """JSON where JSON was asked for, and whether it satisfies its schema."""

    name = "form"
    side: Side = "answer"
    features = ("asked", "parses", "valid", "wrapped")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        if exchange.output == "text":
            return (0.0, 0.0, 0.0, 0.0)
        text = exchange.answer.strip()
        fence = _FENCE.search(text)
        try:
            value = msgspec.json.decode(fence.group(2) if fence else text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return (1.0, 0.0, 0.0, float(fence is not None))
        wanted = {"type": "object"} if exchange.output == "json_object" else exchange.schema
        return (1.0, 1.0, float(satisfies(value, wanted)), float(fence is not None))


class Code:
    """Whether code in the answer parses (Python only; nothing is run)."""

    name = "code"
    side: Side = "answer"
    features = ("blocks", "python", "parses", "functions")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        answer = exchange.answer[:MAX_CHARS]
        blocks, python = _FENCE.findall(answer), python_blocks(answer)
        trees = [tree for tree in map(_parsed, python) if tree is not None]
        functions = sum(isinstance(node, ast.FunctionDef) for tree in trees for node in tree.body)
        whole = float(bool(python) and len(trees) == len(python))
        return (float(min(len(blocks), 5)), float(bool(python)), whole, float(min(functions, 5)))


class Citations:
    """Whether sources are named, and whether the prompt asked for them."""

    name = "citations"
    side: Side = "answer"
    features = ("asked", "cited", "asked_and_cited")

    def read(self, exchange: Exchange) -> tuple[float, ...]:
        asked = _ASKS_SOURCES.search(exchange.prompt[:MAX_CHARS]) is not None
        cited = min(len(_CITED.findall(exchange.answer[:MAX_CHARS])), 10)
        return (float(asked), float(cited), float(asked and cited > 0))


def python_blocks(answer: str) -> list[str]:
    """Code in an answer that may be Python: its fenced blocks, or all of it where it begins as Python does."""
    python = [body for language, body in _FENCE.findall(answer) if language.lower() in ("", "python", "py")]
    return [answer] if not python and re.match(r"\s*(?:def|import|from|class)\s", answer) else python


def python_code(answer: str) -> str:
    """The code that an answer offers: its blocks that define functions or classes, in order; without such, the first.

    Empty where there is none. Longer answers than `MAX_CODE` characters are read so far.
    """
    blocks = python_blocks(answer[:MAX_CODE])
    trees = [(block, _parsed(block)) for block in blocks]
    defining = [block for block, tree in trees if tree is not None and any(isinstance(n, _DEFINES) for n in tree.body)]
    return "\n".join(defining or blocks[:1])


def satisfies(value: object, schema: Mapping[str, object], depth: int = 0) -> bool:
    """Whether a decoded JSON value satisfies the common part of JSON Schema: type, enum, const, properties, required,
    additionalProperties: false, items, minItems, maxItems, minimum, maximum, minLength, maxLength, anyOf.

    Keywords beyond these are not checked: this is a signal, not a gate.
    """
    if depth > MAX_DEPTH:
        return True
    if "enum" in schema and value not in _list(schema["enum"]):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    options = _list(schema.get("anyOf", ()))
    if options and not any(isinstance(o, Mapping) and satisfies(value, o, depth + 1) for o in options):
        return False
    kinds = schema.get("type", ())
    wanted = [kinds] if isinstance(kinds, str) else _list(kinds)
    if wanted and not any(_is(value, str(kind)) for kind in wanted):
        return False
    return _within(value, schema) and _inside(value, schema, depth)


def _is(value: object, kind: str) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "string": isinstance(value, str),
        "number": number,
        "integer": number and value == int(value) if isinstance(value, int | float) else False,
        "boolean": isinstance(value, bool),
        "null": value is None,
    }.get(kind, True)


def _within(value: object, schema: Mapping[str, object]) -> bool:
    """Bounds of numbers and of lengths."""
    if isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return _between(value, schema, "minimum", "maximum")
    if isinstance(value, str):
        return _between(len(value), schema, "minLength", "maxLength")
    return _between(len(value), schema, "minItems", "maxItems") if isinstance(value, list) else True


def _between(value: float, schema: Mapping[str, object], low: str, high: str) -> bool:
    least, most = schema.get(low), schema.get(high)
    return (not isinstance(least, int | float) or value >= least) and (
        not isinstance(most, int | float) or value <= most
    )


def _inside(value: object, schema: Mapping[str, object], depth: int) -> bool:
    """The members of an object and the items of an array."""
    if isinstance(value, list):
        items = schema.get("items")
        return not isinstance(items, Mapping) or all(satisfies(item, items, depth + 1) for item in value)
    if not isinstance(value, dict):
        return True
    known = schema.get("properties")
    properties = known if isinstance(known, Mapping) else {}
    if any(name not in value for name in _list(schema.get("required", ()))):
        return False
    if schema.get("additionalProperties") is False and any(name not in properties for name in value):
        return False
    return all(
        satisfies(value[name], part, depth + 1)
        for name, part in properties.items()
        if name in value and isinstance(part, Mapping)
    )


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _parsed(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
