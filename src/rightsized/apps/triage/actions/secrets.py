"""Reads what a system is shown or signed with, from an environment variable or a file, when it is needed."""

from __future__ import annotations

import os
from pathlib import Path

from rightsized.core.errors import ConfigError

MOST_BYTES = 16 << 10


def read_secret(env: str, file: str, what: str) -> str:
    """A secret by the name of a variable or file, exactly one of which is given.

    Args:
        what: the option's stem, such as "token" of `token_env` and `token_file`, with whose it is in words after it.
    Raises ConfigError: none or both are given, or what they name is not there.
    """
    stem = what.partition(" ")[0]
    if bool(env) == bool(file):
        raise ConfigError(
            f"The {what} is named {'twice' if env else 'nowhere'}.", fix=f"Set {stem}_env or {stem}_file."
        )
    if env:
        found = os.environ.get(env, "")
        if not found:
            raise ConfigError(f"The environment variable {env} ({what}) is not set.", fix=f"Set {env}.")
        return found
    path = Path(file).expanduser()
    try:
        with path.open("rb") as opened:
            body = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} ({what}) cannot be read: {error.strerror}.") from None
    text = body.decode("utf-8", "replace").strip()
    if not text or len(body) > MOST_BYTES or not text.isprintable():
        raise ConfigError(f"{path} ({what}) holds no single line of text.")
    return text
