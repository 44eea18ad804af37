"""Patterns of paths as in .gitignore: `*`, `?`, `[a-z]` within a name, `**` over folders.

A pattern without a slash (but at its end) holds for a name at any depth, one with a slash from the folder of the file
that it stands in. What holds for a folder holds for all that is beneath.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rightsized.core.errors import ConfigError

LONGEST = 1000  # characters of a pattern


class Glob:
    """One pattern.

    Args:
        pattern: without a leading `!`.
    Raises ConfigError.
    """

    def __init__(self, pattern: str) -> None:
        self.folders_only = pattern.endswith("/")
        body = pattern.rstrip("/")
        if not body.strip("/") or len(pattern) > LONGEST:
            raise ConfigError(f"{pattern[:80]!r} is no pattern.", fix="Write something like contracts/**/*.pdf.")
        anchored = "/" in body
        expression = _expression(body.lstrip("/"))
        self._regex = re.compile(expression if anchored else rf"(?:.*/)?{expression}", re.DOTALL)

    def matches(self, path: str, *, folder: bool = False) -> bool:
        """Whether it holds for a path relative to its folder, or for a folder above that."""
        if (folder or not self.folders_only) and self._regex.fullmatch(path):
            return True
        return any(self._regex.fullmatch(path[:at]) for at, letter in enumerate(path) if letter == "/")


@lru_cache(maxsize=4096)
def _expression(body: str) -> str:
    parts = body.split("/")
    found = ""
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":
            found += ".*" if last else "(?:.*/)?"
        else:
            found += _name(part) + ("" if last else "/")
    return found


def _name(part: str) -> str:
    found, at = "", 0
    while at < len(part):
        letter = part[at]
        at += 1
        if letter == "*":
            found += "[^/]*" if not found.endswith("[^/]*") else ""
        elif letter == "?":
            found += "[^/]"
        elif letter == "[" and (end := part.find("]", at + 1)) > 0:
            inside = part[at:end].replace("\\", r"\\").replace("[", r"\[").replace("&&", r"&\&").replace("~~", r"~\~")
            inside = inside.replace("||", r"|\|").replace("--", r"-\-")
            found += f"(?!/)[{'^' + inside[1:] if inside[0] in '!^' else inside}]"
            at = end + 1
        elif letter == "\\" and at < len(part):
            found += re.escape(part[at])
            at += 1
        else:
            found += re.escape(letter)
    try:
        re.compile(found)
    except re.error as error:
        raise ConfigError(f"{part[:80]!r} is no pattern: {error}.", fix="Write [ as \\[.") from None
    return found
