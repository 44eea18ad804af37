"""Values between the process that judges and the one that holds the answer: JSON, tagged where JSON has no such type.

Values of Python's own types go by value, by their exact type. Everything else stays where it is and is named by a
number. Reading makes nothing but those types and names: it runs no code of the other side. Standard library only.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import json
import os
from collections.abc import Callable
from typing import Any

LONGEST = 4 << 20  # bytes of one frame
DEEPEST = 60  # levels of values in one another
HEAD = 4  # bytes of a frame's length


class WireError(Exception):
    """What came is no value, is too long or too deep, or there is no other side any more."""


def send(descriptor: int, message: Any) -> None:
    """One message. Raises WireError where it is too long; OSError where nobody reads."""
    data = json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode()
    if len(data) > LONGEST:
        raise WireError("a value is too long to be handed over")
    view = memoryview(len(data).to_bytes(HEAD, "big") + data)
    while view:
        view = view[os.write(descriptor, view) :]


def receive(descriptor: int) -> Any:
    """The next message. Raises WireError."""
    length = int.from_bytes(_exactly(descriptor, HEAD), "big")
    if length > LONGEST:
        raise WireError("a message is too long")
    try:
        return json.loads(_exactly(descriptor, length))
    except (ValueError, RecursionError):
        raise WireError("a message cannot be read") from None


def _exactly(descriptor: int, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        chunk = os.read(descriptor, length - len(data))
        if not chunk:
            raise WireError("the other side has ended")
        data += chunk
    return bytes(data)


Name = Callable[[Any], Any]  # an object that stays here -> how it is named
Find = Callable[[Any], Any]  # how an object is named -> the object, or what stands for it


def pack(value: Any, name: Name, depth: int = 0) -> Any:
    """A value for `send`. Raises WireError where it is too deep."""
    if depth > DEEPEST:
        raise WireError("a value is too deep to be handed over")
    kind = type(value)
    if value is None or kind in (bool, str, float):
        return value
    if kind is int:
        return value if value.bit_length() < 64 else {"i": hex(value)}
    several = _SEVERAL.get(kind)
    if several:
        return {several: [pack(one, name, depth + 1) for one in value]}
    mapping = _MAPPINGS.get(kind)
    if mapping:
        return {mapping: [[pack(k, name, depth + 1), pack(v, name, depth + 1)] for k, v in value.items()]}
    plain = _PLAIN.get(kind)
    if plain:
        return {plain[0]: plain[1](value)}
    fields = getattr(kind, "_fields", None)
    if isinstance(value, tuple) and type(fields) is tuple and len(fields) == len(value):
        return {"n": [kind.__name__, list(fields), [pack(one, name, depth + 1) for one in value]]}
    return {"o": name(value)}


def unpack(given: Any, find: Find, depth: int = 0) -> Any:
    """The inverse of `pack`. Raises WireError."""
    if depth > DEEPEST:
        raise WireError("a value is too deep")
    if not isinstance(given, dict):
        if isinstance(given, list):
            raise WireError("a value has no tag")
        return given
    if len(given) != 1:
        raise WireError("a value has not one tag")
    ((tag, body),) = given.items()
    try:
        if tag == "o":
            return find(body)
        if tag in _MAKE_SEVERAL:
            return _MAKE_SEVERAL[tag](unpack(one, find, depth + 1) for one in body)
        if tag in _MAKE_MAPPINGS:
            return _MAKE_MAPPINGS[tag]((unpack(k, find, depth + 1), unpack(v, find, depth + 1)) for k, v in body)
        if tag == "n":
            typename, fields, values = body
            return collections.namedtuple(typename, fields)(*(unpack(one, find, depth + 1) for one in values))
        return _MAKE_PLAIN[tag](body)
    except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError):
        raise WireError("a value cannot be read") from None


_SEVERAL: dict[type, str] = {list: "l", tuple: "t", set: "s", frozenset: "z", collections.deque: "q"}
_MAPPINGS: dict[type, str] = {
    dict: "d",
    collections.OrderedDict: "O",
    collections.Counter: "C",
    collections.defaultdict: "d",
}
_PLAIN: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bytes: ("b", bytes.hex),
    bytearray: ("y", bytearray.hex),
    complex: ("c", lambda value: [value.real, value.imag]),
    range: ("r", lambda value: [hex(value.start), hex(value.stop), hex(value.step)]),
    decimal.Decimal: ("D", str),
    fractions.Fraction: ("F", str),
    datetime.datetime: ("T", datetime.datetime.isoformat),
    datetime.date: ("A", datetime.date.isoformat),
    datetime.time: ("M", datetime.time.isoformat),
    datetime.timedelta: ("L", lambda value: [value.days, value.seconds, value.microseconds]),
    type(NotImplemented): ("N", lambda value: 0),
    type(...): ("E", lambda value: 0),
}
_MAKE_SEVERAL: dict[str, Callable[[Any], Any]] = {
    "l": list,
    "t": tuple,
    "s": set,
    "z": frozenset,
    "q": collections.deque,
}
_MAKE_MAPPINGS: dict[str, Callable[[Any], Any]] = {
    "d": dict,
    "O": collections.OrderedDict,
    "C": lambda pairs: collections.Counter(dict(pairs)),
}
_MAKE_PLAIN: dict[str, Callable[[Any], Any]] = {
    "i": lambda text: int(text, 16),
    "b": bytes.fromhex,
    "y": bytearray.fromhex,
    "c": lambda parts: complex(*parts),
    "r": lambda parts: range(*(int(one, 16) for one in parts)),
    "D": decimal.Decimal,
    "F": fractions.Fraction,
    "T": datetime.datetime.fromisoformat,
    "A": datetime.date.fromisoformat,
    "M": datetime.time.fromisoformat,
    "L": lambda parts: datetime.timedelta(*parts),
    "N": lambda _: NotImplemented,
    "E": lambda _: ...,
}
