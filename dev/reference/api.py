"""The Python names that users import, with their signatures, fields and docstrings."""

from __future__ import annotations

import inspect
import typing
from typing import Any

import msgspec

import rightsized
from reference.markdown import cell, code, table

OPENING = """# Python

`import rightsized as rs` gives these names and no others; everything else may change between versions. Importing is
light: a name loads what it needs when it is first used. Records are frozen `msgspec` structs: `msgspec.json.encode`
writes them, and every one compares by value.

"""


def page() -> str:
    """The page."""
    parts = [OPENING]
    shown: set[type] = set()
    inner: list[type] = []
    for name in sorted(rightsized.__all__, key=lambda n: (n[0].isupper(), n.lower())):
        found = getattr(rightsized, name)
        parts.append(_entry(name, found))
        shown.add(found)
        inner += _records_in(found)
    parts.append("\n# Records inside\n\nWhat the records above are made of.\n")
    waiting = sorted(_closure(inner) - shown, key=lambda kind: kind.__name__)
    parts += [_entry(kind.__name__, kind) for kind in waiting]
    return "\n".join(parts)


def _entry(name: str, found: Any) -> str:
    text = inspect.getdoc(found) or ""
    if inspect.isfunction(found):
        return f"## `{name}`\n\n```text\n{_signature(name, found)}\n```\n\n{_prose(text)}\n"
    if isinstance(found, type) and issubclass(found, msgspec.Struct):
        return f"## `{name}`\n\n{_prose(text)}\n\n{_fields(found)}{_methods(found, properties_only=True)}"
    return f"## `{name}`\n\n{_prose(text)}\n\n{_methods(found)}"


def _prose(docstring: str) -> str:
    """A docstring as Markdown: the summary as text, indented sections as written."""
    lines = docstring.splitlines()
    section = next((i for i, line in enumerate(lines) if line in ("Args:", "Raises:", "Returns:")), len(lines))
    rest = "\n".join(lines[section:]).strip()
    return "\n".join(lines[:section]).strip() + (f"\n\n```text\n{rest}\n```" if rest else "")


def _signature(name: str, function: Any) -> str:
    """The call as a reader would write it, over several lines where it is long."""
    signature = inspect.signature(function)
    parts = []
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
        parts.append(f"{parameter.name}: {parameter.annotation}{default}")
    flat = f"{name}({', '.join(parts)}) -> {signature.return_annotation}"
    if len(flat) <= 100:
        return flat
    inner = "".join(f"    {part},\n" for part in parts)
    return f"{name}(\n{inner}) -> {signature.return_annotation}"


def _fields(kind: type[msgspec.Struct]) -> str:
    rows = []
    for field in msgspec.structs.fields(kind):
        rows.append((code(field.name), code(_type(field.type)), code(_default(field))))
    return table(("field", "type", "default"), rows) if rows else ""


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        value = field.default
        return value.__name__ if callable(value) else repr(value)
    return "{}" if field.default_factory is dict else "" if field.required else "made anew"


def _type(annotation: Any) -> str:
    if annotation is type(None):
        return "None"
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(repr(value) for value in inner)
    if origin is not None and "Union" in str(origin):
        return " or ".join(_type(part) for part in inner)
    if origin is None:
        return getattr(annotation, "__name__", str(annotation))
    return f"{getattr(origin, '__name__', origin)}[{', '.join('...' if p is Ellipsis else _type(p) for p in inner)}]"


def _methods(kind: type, properties_only: bool = False) -> str:
    rows = []
    for name, member in vars(kind).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            rows.append((code(name), cell(inspect.getdoc(member) or "")))
        elif inspect.isfunction(member) and not properties_only:
            rows.append((code(_signature(name, member)), cell(inspect.getdoc(member) or "")))
    return ("\n" + table(("member", "meaning"), rows)) if rows else ""


def _records_in(found: Any) -> list[type]:
    hints: dict[str, Any] = {}
    if inspect.isfunction(found):
        hints = typing.get_type_hints(found)
    elif isinstance(found, type) and issubclass(found, msgspec.Struct):
        hints = {field.name: field.type for field in msgspec.structs.fields(found)}
    elif isinstance(found, type):
        for member in vars(found).values():
            function = member.fget if isinstance(member, property) else member
            if inspect.isfunction(function) and not function.__name__.startswith("_"):
                hints |= {f"{function.__name__}.{k}": v for k, v in typing.get_type_hints(function).items()}
    return [kind for hint in hints.values() for kind in _structs(hint)]


def _structs(hint: Any) -> list[type]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [hint]
    return [kind for part in typing.get_args(hint) for kind in _structs(part)]


def _closure(kinds: list[type]) -> set[type]:
    found: set[type] = set()
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found.add(kind)
            waiting += _records_in(kind)
    return found
