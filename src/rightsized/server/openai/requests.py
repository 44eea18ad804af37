"""Reads a body twice over: as the JSON object that goes on to a model server, and as the fields checked here."""

from __future__ import annotations

import re
from typing import Any, Generic, TypeVar

import msgspec

from rightsized.server.openai.errors import InvalidError
from rightsized.server.openai.exchange import Exchange
from rightsized.server.reading import JSON_TYPE, read_body, require_type

T = TypeVar("T", bound=msgspec.Struct)

MAX_DEPTH = 100  # of arrays and objects in one another; deeper ones would overflow whoever writes them again
_WHERE = re.compile(r"^(?P<what>.*) - at `\$\.?(?P<path>.*)`$", re.S)
_MISSING = re.compile(r"required field `(?P<name>[^`]+)`")


class Body(Generic[T]):
    """Reads bodies of one kind. `limit` is the largest, bytes."""

    def __init__(self, kind: type[T], limit: int) -> None:
        self._kind, self._limit = kind, limit
        self._decoder = msgspec.json.Decoder(dict[str, Any])

    async def read(self, exchange: Exchange) -> tuple[dict[str, Any], T]:
        """The object as sent, and its checked fields. Raises RefusedError, InvalidError, DisconnectedError."""
        require_type(exchange.headers, JSON_TYPE)
        return self.decode(await read_body(exchange.receive, exchange.headers, self._limit))

    def decode(self, body: bytes) -> tuple[dict[str, Any], T]:
        """The object and its checked fields. Raises InvalidError, which names the field."""
        try:
            given = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidError(f"The body is no JSON object that can be read: {error}.", code="invalid_json") from None
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
            _check_depth(given)
        return given, convert(given, self._kind)


def convert(given: Any, kind: type[T]) -> T:
    """The checked fields of an object. Raises InvalidError, which names the field."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def _invalid(said: str) -> InvalidError:
    """The decoder's complaint with the field apart: `Expected ... - at `$.messages[0].role``."""
    found = _WHERE.match(said)
    what, path = (found["what"], found["path"]) if found else (said, "")
    missing = _MISSING.search(what)
    if missing:
        path = f"{path}.{missing['name']}".lstrip(".")
        return InvalidError(f"The field {path!r} is missing.", path, "missing_required_parameter")
    return InvalidError(f"{path}: {what}." if path else f"{what}.", path or None, "invalid_value")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise InvalidError(f"The body nests arrays and objects more than {MAX_DEPTH} deep.", code="invalid_json")


def _inside(value: Any) -> list[Any]:
    """The arrays and objects that stand in one."""
    parts = value.values() if isinstance(value, dict) else value
    return [part for part in parts if isinstance(part, dict | list)]
