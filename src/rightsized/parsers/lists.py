"""Numbers of list items as they are displayed: 1, a, A, i, I, counted for each open list."""

from __future__ import annotations

from collections.abc import Mapping


def letters(value: int) -> str:
    """1 is a, 27 is aa, as spreadsheets count."""
    text = ""
    while value > 0:
        value, rest = divmod(value - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x")),
    *((9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)


def roman(value: int) -> str:
    """In small letters; empty for what Rome could not count."""
    if not 0 < value < 4000:
        return ""
    text = ""
    for worth, sign in _ROMAN:
        while value >= worth:
            text, value = text + sign, value - worth
    return text


def counted(value: int, style: str) -> str:
    """A number in one of the styles `1`, `a`, `A`, `i`, `I`; as digits where the style cannot show it."""
    texts = {"a": letters(value), "A": letters(value).upper(), "i": roman(value), "I": roman(value).upper()}
    return texts.get(style) or str(value)


class Lists:
    """The lists of HTML that are open, innermost last."""

    def __init__(self) -> None:
        self._open: list[tuple[bool, str, int]] = []  # ordered, style, next number

    @property
    def depth(self) -> int:
        return max(1, len(self._open))

    def open(self, ordered: bool, attributes: Mapping[str, str | None]) -> None:
        self._open.append((ordered, attributes.get("type") or "1", _number(attributes.get("start"), 1)))

    def close(self) -> None:
        if self._open:
            self._open.pop()

    def marker(self, attributes: Mapping[str, str | None]) -> str:
        """What stands before the next item of the innermost list; empty for a bullet."""
        if not self._open or not self._open[-1][0]:
            return ""
        _, style, following = self._open[-1]
        value = _number(attributes.get("value"), following)
        self._open[-1] = (True, style, value + 1)
        return f"{counted(value, style)}."


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.lstrip("-").isdecimal() and len(text) < 9 else default
