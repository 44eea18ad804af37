"""TOML tables into frozen structs, with errors that name the key, the table and the file, and say what was meant."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec

from rightsized.core.errors import ConfigError

T = TypeVar("T", bound=msgspec.Struct)


def read_toml(path: Path, what: str) -> tuple[dict[str, Any], bytes]:
    """The document and its bytes. `what` names the file's role in errors, such as "policy". Raises ConfigError."""
    try:
        raw = path.read_bytes()
        return tomllib.loads(raw.decode("utf-8")), raw
    except FileNotFoundError:
        raise ConfigError(f"The {what} file {path} does not exist.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The {what} file {path} is not valid TOML: {error}.") from None
    except OSError as error:
        raise ConfigError(f"The {what} file {path} cannot be read: {error.strerror}.") from None


def read_table(kind: type[T], value: Any, where: str) -> T:
    """One table as a struct. `where` names the table and its file, such as "rule 'a' in policy.toml".

    Raises ConfigError: not a table, an unknown key (with the one it is nearest to), a key that is missing, a value of
    the wrong type.
    """
    if not isinstance(value, dict):
        raise ConfigError(f"{_upper(where)} is {value!r}, not a table.")
    known = kind.__struct_fields__
    for key in value:
        if key not in known:
            raise ConfigError(f"Unknown key {key!r} of {where}.", fix=meant(key, known))
    for field in msgspec.structs.fields(kind):
        if field.name in value:
            try:
                msgspec.convert(value[field.name], field.type)
            except msgspec.ValidationError as error:
                raise ConfigError(f"{field.name} of {where} cannot be used: {told(error, field.type)}.") from None
        elif field.required:
            raise ConfigError(f"{_upper(where)} has no {field.name}.", fix=f"Write {field.name} = ... in it.")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:  # what the fields together must keep to
        raise ConfigError(f"{_upper(where)} cannot be used: {error}.") from None


def read_tables(kind: type[T], value: Any, name: str, origin: str) -> tuple[T, ...]:
    """A list of tables, `[[name]]`. Raises ConfigError."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ConfigError(f"{name} in {origin} is not a list of tables.", fix=f"Begin each with a line [[{name}]].")
    return tuple(read_table(kind, one, called(name, place, one, origin)) for place, one in enumerate(value, 1))


def called(name: str, place: int, value: dict[str, Any], origin: str) -> str:
    """How errors call one table of a list: by its id or name, else by its place."""
    own = value.get("id", value.get("name"))
    return f"[[{name}]] {own!r} in {origin}" if isinstance(own, str) else f"[[{name}]] number {place} in {origin}"


def meant(key: str, known: Sequence[str]) -> str:
    """What an unknown key may have been meant for."""
    return f"{nearest(key, known)}Known here: {', '.join(known)}."


def nearest(word: str, known: Iterable[str]) -> str:
    """ "Did you mean X? ", or nothing where no known word is near."""
    close = difflib.get_close_matches(word, list(known), 1, 0.7)
    return f"Did you mean {close[0]}? " if close else ""


def told(error: msgspec.ValidationError, target: Any) -> str:
    """What is wrong with a value; where it must be one of some words, which."""
    said = str(error).partition(" - at ")[0].rstrip(".")
    words = list(dict.fromkeys(_words(target)))
    return f"{said}; it may be {', '.join(words)}" if words and "enum" in said else said


def _words(target: Any) -> list[str]:
    """The words that a type names, at any depth of it."""
    return [word for one in get_args(target) for word in ([one] if isinstance(one, str) else _words(one))]


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
