"""Objects of the other process: what stands for them here, and who may ask what of an object that stays here.

Both processes use this. The one that judges lets little be asked of its objects (`Reserved`); the one that holds the
answer lets everything be asked (`Open`): there is nothing in it to protect. Standard library only.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Protocol

from rightsized.engines.testrun.wire import WireError, pack, receive, send, unpack

MOST_OBJECTS = 100_000  # named to the other side in one run
CHANGING = (list, dict, set, bytearray)  # what a call may change in place; its contents are handed back
PLAIN = (bool, int, float, complex, str, bytes, bytearray, tuple, list, dict, set, frozenset)
_COMPARED = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_ASKED = (
    "__len__", "__getitem__", "__setitem__", "__delitem__", "__contains__", "__iter__", "__next__", "__bool__",
    "__str__", "__repr__", "__int__", "__float__", "__index__", "__hash__", "__enter__", "__exit__", "__reversed__",
    "__neg__", "__pos__", "__abs__", "__invert__", "__round__",
    *(f"__{side}{name}__" for side in ("", "r") for name in (
        "add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "and", "or", "xor", "lshift", "rshift",
        "matmul")),
    *(f"__i{name}__" for name in ("add", "sub", "mul", "and", "or", "xor")),
)  # fmt: skip
OPERATIONS = frozenset((*_ASKED, *_COMPARED))
_BY_FUNCTION: dict[str, Callable[..., Any]] = {
    "__bool__": bool, "__len__": len, "__str__": str, "__repr__": repr, "__hash__": hash, "__iter__": iter,
    "__contains__": lambda where, what: what in where,
}  # fmt: skip


class Rule(Protocol):
    """What the other side may ask of an object of this one."""

    def allows(self, verb: str, target: Any, name: str) -> bool: ...


class Open:
    """Everything."""

    def allows(self, verb: str, target: Any, name: str) -> bool:
        """Yes."""
        return True


class Reserved:
    """To call what was handed over, to walk an iterator, and the public attributes of objects whose class the tests
    define: nothing through which another object could be reached."""

    def __init__(self, module: str) -> None:
        self._module = module

    def allows(self, verb: str, target: Any, name: str) -> bool:
        """Whether that may be asked."""
        own = getattr(type(target), "__module__", "") == self._module
        if verb == "call":
            return callable(target)
        if verb in ("get", "set"):
            return own and not name.startswith("_")
        if verb == "do":
            return own or (name in ("__iter__", "__next__") and hasattr(target, "__next__"))
        return False


class Side:
    """One end of the line between both processes.

    Args:
        reading: descriptor from which the other side is heard; `writing`: to which is spoken.
        rule: what the other side may ask of objects here.
    """

    def __init__(self, reading: int, writing: int, rule: Rule) -> None:
        self._reading, self._writing, self._rule = reading, writing, rule
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._mirrors: dict[int, type[BaseException]] = {}
        self.gone = False  # whether the line broke
        self.modules = True  # whether the other side may name modules of the standard library for ours

    def ask(self, verb: str, target: int, *arguments: Any, changing: Iterable[Any] = ()) -> Any:
        """What the other side says. Raises what it raised; WireError where it ended or spoke nonsense."""
        try:
            send(self._writing, ["do", verb, target, [pack(one, self._name) for one in arguments]])
            while True:
                message = receive(self._reading)
                kind, *body = message
                if kind != "do":
                    return self._told(kind, body, list(changing))
                self._serve(body)
        except (OSError, ValueError, TypeError) as error:
            if isinstance(error, OSError):
                self.gone = True
                raise WireError("the other side has ended") from None
            raise WireError("the other side said what cannot be read") from None
        except WireError:
            self.gone = True
            raise

    def begin(self, root: Any) -> None:
        """Make an object known to the other side as number 0, by which it finds all others."""
        self._name(root)

    def serve(self) -> None:
        """Do what the other side asks, until it ends. Raises WireError at the end."""
        while True:
            kind, *body = receive(self._reading)
            if kind == "do":
                self._serve(body)

    def _told(self, kind: str, body: list[Any], changing: list[Any]) -> Any:
        if kind == "raised":
            error = self._error(*body)
            return _Raised(error)
        value, changed = unpack(body[0], self._find), body[1]
        for place, packed in changed:
            _restore(changing[place], unpack(packed, self._find))
        return Awaited(value) if kind == "awaited" else value

    def _serve(self, body: list[Any]) -> None:
        verb, target, packed = body
        try:
            reply = self._done(str(verb), self._objects[target], packed)
        except WireError:
            raise
        except BaseException as error:  # noqa: BLE001 - it is the other side's to handle
            reply = ["raised", *self._described(error)]
        send(self._writing, reply)

    def _done(self, verb: str, target: Any, packed: list[Any]) -> list[Any]:
        given = [unpack(one, self._find) for one in packed]
        name = str(given[0]) if verb in ("get", "set", "do") else ""
        if not self._rule.allows(verb, target, name):
            raise PermissionError("the tests keep that to themselves")
        before = packed[0]["l"] if verb == "call" else []
        value = _VERBS[verb](target, *given)
        kind = "is"
        if inspect.iscoroutine(value):
            kind, value = "awaited", importlib.import_module("asyncio").run(value)
        changed = []
        for place, one in enumerate(given[0] if verb == "call" else ()):
            if isinstance(one, CHANGING) and (now := pack(one, self._name)) != before[place]:
                changed.append([place, now])
        return [kind, pack(value, self._name), changed]

    def _name(self, value: Any) -> list[Any]:
        """How an object is told to the other side: as its own, as a module, or as one of ours."""
        if isinstance(value, Far):
            return ["yours", number_of(value)]
        if isinstance(value, ModuleType) and value.__name__ in sys.stdlib_module_names:
            return ["module", value.__name__]
        number = self._numbers.get(id(value))
        if number is None:
            if len(self._objects) >= MOST_OBJECTS:
                raise WireError("too many objects are handed over")
            number = self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        if isinstance(value, type) and issubclass(value, BaseException):
            return ["error", number, value.__name__, _built_in(value).__name__]
        return ["class" if isinstance(value, type) else "object", number]

    def _find(self, told: Any) -> Any:
        kind, what, *more = told
        if kind == "yours":
            return self._objects[_number(what)]
        if kind == "module":
            if not self.modules or what not in sys.stdlib_module_names:
                raise WireError("a module is named where none may be")
            return importlib.import_module(what)
        if kind == "error":
            return self._mirror(_number(what), *more)
        return (FarClass if kind == "class" else Far)(self, _number(what))

    def _mirror(self, number: int, name: str, base: str) -> type[BaseException]:
        """A class of errors here that stands for one there."""
        if number not in self._mirrors:
            self._mirrors[number] = type(str(name), (_exception(base),), {})
        return self._mirrors[number]

    def _described(self, error: BaseException) -> list[Any]:
        kind = type(error)
        try:
            arguments = [pack(one if isinstance(one, PLAIN) else str(one), self._name) for one in error.args]
        except BaseException:  # noqa: BLE001 - an error whose words cannot be told is told without
            arguments = []
        own = kind.__module__ != "builtins"
        return [self._name(kind) if own else None, _built_in(kind).__name__, arguments]

    def _error(self, kind: Any, base: str, arguments: list[Any]) -> BaseException:
        found = self._find(kind) if kind is not None else _exception(base)
        values = [unpack(one, self._find) for one in arguments]
        try:
            return found(*values)
        except BaseException:  # noqa: BLE001 - one that wants other arguments than it was raised with
            return _exception("Exception")(*values)


class _Raised:
    """An error of the other side on its way to be raised, outside what reads the line."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Awaited:
    """What a coroutine of the other side came to: awaiting it gives the value."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Any:
        yield from ()
        return self._value


class Far:
    """Stands for an object of the other side. Compared with a plain value it is the value of its built-in base, or
    none: an object that claims to equal everything equals nothing that is written in a test."""

    __slots__ = ("_far_number", "_far_side")

    def __init__(self, side: Side, number: int) -> None:
        object.__setattr__(self, "_far_side", side)
        object.__setattr__(self, "_far_number", number)

    def __call__(self, *positional: Any, **named: Any) -> Any:
        return _ask(self, "call", list(positional), named, changing=positional)

    def __getattr__(self, name: str) -> Any:
        return _ask(self, "get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "set", name, value)


class FarClass(Far):
    """Stands for a class of the other side."""

    __slots__ = ()

    def __instancecheck__(self, instance: Any) -> bool:
        return bool(_ask(self, "instance", instance))

    def __subclasscheck__(self, kind: Any) -> bool:
        return bool(_ask(self, "subclass", kind))


def number_of(far: Far) -> int:
    """The number by which the other side knows the object."""
    return int(object.__getattribute__(far, "_far_number"))


def _ask(far: Far, verb: str, *arguments: Any, changing: Iterable[Any] = ()) -> Any:
    side: Side = object.__getattribute__(far, "_far_side")
    found = side.ask(verb, number_of(far), *arguments, changing=changing)
    if isinstance(found, _Raised):
        raise found.error from None
    return found


def _operation(name: str) -> Callable[..., Any]:
    def asked(self: Far, *arguments: Any) -> Any:
        return _ask(self, "do", name, *arguments)

    return asked


def _comparison(name: str) -> Callable[[Far, Any], Any]:
    def compared(self: Far, other: Any) -> Any:
        if isinstance(other, Far):
            return _ask(self, "do", name, other)
        plain = _ask(self, "plain")
        if type(plain) is not tuple or len(plain) != 1 or isinstance(plain[0], Far):
            return NotImplemented
        return getattr(plain[0], name)(other)

    return compared


for _each in _ASKED:
    setattr(Far, _each, _operation(_each))
for _each in _COMPARED:
    setattr(Far, _each, _comparison(_each))


def _do(target: Any, name: str, *arguments: Any) -> Any:
    if name not in OPERATIONS:
        raise AttributeError(name)
    if name in _BY_FUNCTION:
        return _BY_FUNCTION[name](target, *arguments)
    operation = getattr(type(target), name, None)
    if operation is None and name == "__getitem__" and isinstance(target, type):
        return target[arguments[0]]  # type: ignore[index]  # a generic class
    return NotImplemented if operation is None else operation(target, *arguments)


def _plain(target: Any) -> tuple[Any, ...]:
    """The value of an object's built-in base in a tuple of one; an empty one where it has none."""
    base = next((kind for kind in PLAIN if isinstance(target, kind)), None)
    return () if base is None else (base(target),)


_VERBS: dict[str, Callable[..., Any]] = {
    "call": lambda target, positional, named: target(*positional, **named),
    "get": lambda target, name: getattr(target, name),
    "set": lambda target, name, value: setattr(target, name, value),
    "do": _do,
    "instance": lambda target, one: isinstance(one, target),
    "subclass": lambda target, one: issubclass(one, target),
    "plain": _plain,
}


def _restore(value: Any, now: Any) -> None:
    """Give a value that a call was handed the contents that the call left in it."""
    if isinstance(value, list | bytearray):
        value[:] = now
    elif isinstance(value, dict | set):
        value.clear()
        value.update(now)


def _built_in(kind: type[BaseException]) -> type[BaseException]:
    return next(one for one in kind.__mro__ if one.__module__ == "builtins" and issubclass(one, BaseException))


def _exception(name: str) -> type[BaseException]:
    """A built-in class of errors by its name; Exception where there is none."""
    found = getattr(importlib.import_module("builtins"), str(name), None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else Exception


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise WireError("an object has no number")
    return value
