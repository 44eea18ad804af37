"""Texts that are JSON: read as what they say, since a name may stand there as `M\\u00fcller`, and written again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

LEAST_DIGITS = 7  # a number of fewer digits names nobody
_OPENING = ("{", "[")

Leaf = Callable[[str], str]


class _UnclearError(ValueError):
    """JSON that could be read in two ways."""


def through(text: str, leaf: Leaf) -> str:
    """The text with each string and key in it replaced by `leaf`; the same text where nothing changes.

    JSON in strings of JSON is read too. What is no JSON object or array, or says a key twice, is one leaf.
    """
    value = parsed(text)
    if value is None:
        return leaf(text)
    replaced = deep(value, leaf)
    return text if replaced == value else json.dumps(replaced, ensure_ascii=False)


def parsed(text: str) -> Any:
    """The object or array that a text is; None where it is none."""
    if not text.lstrip().startswith(_OPENING):
        return None
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_float)
    except (ValueError, RecursionError):
        return None


def deep(value: Any, leaf: Leaf) -> Any:
    """A JSON value with each string, key and long number in it replaced. A number that changes becomes a string."""
    if isinstance(value, str):
        return through(value, leaf)
    if isinstance(value, list):
        return [deep(one, leaf) for one in value]
    if isinstance(value, dict):
        return {leaf(str(name)): deep(one, leaf) for name, one in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and len(str(abs(value))) >= LEAST_DIGITS:
        written = leaf(str(value))
        return value if written == str(value) else written
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _UnclearError
    return found


def _refuse(constant: str) -> Any:
    raise _UnclearError(constant)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _UnclearError(text)
    return value
