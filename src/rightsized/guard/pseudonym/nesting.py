"""How deep in strings of JSON a place in growing JSON text is: JSON that is the content of a string counts again.

Arguments of tools are JSON in a string, and hold payloads that are JSON in a string themselves. A value put there has
to be escaped once a level. A string counts as JSON where its content begins with a brace or a bracket.
"""

from __future__ import annotations

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_OPENING = "{["
DEEPEST = 4  # levels followed; deeper ones are taken for plain text


class Nesting:
    """Reads JSON text character by character. Text that is not valid JSON is read as far as it makes sense."""

    def __init__(self, level: int = 1) -> None:
        self._level = level
        self._in_string = self._escaped = self._begun = False
        self._digits: str | None = None  # of a \\uXXXX under way
        self._inner: Nesting | None = None

    @property
    def depth(self) -> int:
        """In how many strings the next character stands."""
        if not self._in_string:
            return 0
        return 1 + (self._inner.depth if self._inner else 0)

    def feed(self, text: str) -> None:
        """Take in more of the text."""
        for c in text:
            self._take(c)

    def _take(self, c: str) -> None:
        if not self._in_string:
            if c == '"':
                self._in_string, self._begun, self._inner = True, False, None
        elif self._digits is not None:
            self._digits += c
            if len(self._digits) == 4:
                self._content(_character(self._digits))
                self._digits = None
        elif self._escaped:
            self._escaped = False
            if c == "u":
                self._digits = ""
            else:
                self._content(_ESCAPES.get(c, c))
        elif c == "\\":
            self._escaped = True
        elif c == '"':
            self._in_string, self._inner = False, None
        else:
            self._content(c)

    def _content(self, c: str) -> None:
        if not self._begun and not c.isspace():
            self._begun = True
            if c in _OPENING and self._level < DEEPEST:
                self._inner = Nesting(self._level + 1)
        if self._inner is not None:
            self._inner._take(c)


def _character(digits: str) -> str:
    try:
        return chr(int(digits, 16))
    except ValueError:
        return "?"
