"""The file `.rightsized-access.toml`: who may see what in its folder and beneath.

It is believed only where none but its owner may write it, and the owner is one who may say so: else whoever may write
into a folder could show everybody what they may not read themselves.
"""

from __future__ import annotations

import os
import stat
import tomllib
from typing import NamedTuple

import msgspec

from rightsized.apps.search.access.globs import Glob
from rightsized.apps.search.access.names import private_group
from rightsized.core.errors import ConfigError, InputError
from rightsized.core.frozen import Frozen
from rightsized.core.principals import checked

NAME = ".rightsized-access.toml"
MOST_BYTES = 1 << 20


class Rule(Frozen, frozen=True):
    """Whoever is in `allow` may see what `match` holds for; an empty `allow` is nobody."""

    match: str
    allow: tuple[str, ...]


class _File(Frozen, frozen=True):
    rule: tuple[Rule, ...]


class Sidecar:
    """The rules of one file: the last that matches decides, and where none does nobody sees the document."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = [(Glob(rule.match), checked(rule.allow)) for rule in rules]
        self._rules.reverse()

    def principals(self, path: str) -> tuple[str, ...]:
        """Who may see a document, by its path relative to the sidecar's folder."""
        return next((tuple(sorted(allow)) for glob, allow in self._rules if glob.matches(path)), ())


class Trusted(NamedTuple):
    """Owners whose sidecars are believed."""

    owners: frozenset[int]

    @classmethod
    def of(cls, root: os.stat_result) -> Trusted:
        """The superuser, who runs this, and who owns the folder that is indexed."""
        return cls(frozenset({0, os.geteuid(), root.st_uid}))


def read_sidecar(folder: int, where: str, trusted: Trusted) -> Sidecar | None:
    """The sidecar of an open folder; None where there is none.

    Args:
        folder: descriptor of the folder.
        where: its path, for messages.
    Raises ConfigError that says what is wrong with it.
    """
    path = f"{where}/{NAME}"
    try:
        descriptor = os.open(NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", fix=_FIX) from None
    with os.fdopen(descriptor, "rb") as file:
        _check(os.fstat(descriptor), path, trusted)
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path} has more than {MOST_BYTES:,} bytes.", fix=_FIX)
    return parse_sidecar(data, path)


_FIX = "Until it is mended nobody sees what is beneath."


def _check(status: os.stat_result, path: str, trusted: Trusted) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{path} is no regular file.", fix=_FIX)
    shared = status.st_mode & stat.S_IWGRP and not private_group(status.st_uid, status.st_gid)
    if shared or status.st_mode & stat.S_IWOTH:
        raise ConfigError(f"{path} may be written by others than its owner.", fix=f"Run: chmod go-w {path}. {_FIX}")
    if status.st_uid not in trusted.owners:
        raise ConfigError(
            f"{path} belongs to the user number {status.st_uid}, who neither owns the indexed folder nor runs this.",
            fix=f"Run: chown root {path}. {_FIX}",
        )


def parse_sidecar(data: bytes, path: str) -> Sidecar:
    """The rules in a file's bytes; `path` is for messages. Raises ConfigError."""
    try:
        found = msgspec.convert(tomllib.loads(data.decode("utf-8")), _File)
        return Sidecar(found.rule)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path} cannot be understood: {error}.", fix=_FIX) from None
    except (InputError, ConfigError) as error:
        raise ConfigError(f"{path}: {error.message}", fix=f"{error.fix} {_FIX}") from None
