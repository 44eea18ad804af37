"""A text as recognisers read it: disguises undone, with the way back to the places in the text as it was given.

Full-width letters, digits of other scripts, dashes and spaces of all kinds become their ASCII equals; characters
without width are dropped. Each character is folded by itself: a span found here is a span there, to the character.
"""

from __future__ import annotations

import functools
import re
import unicodedata

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u00ad"
_SOFT_HYPHEN = "\u00ad"


@functools.lru_cache(maxsize=4096)  # a text uses few kinds of characters
def fold(character: str) -> str:
    """The ASCII equal of a character; itself where it has none; nothing where it has no width."""
    category = unicodedata.category(character)
    if category == "Cf" or character == _SOFT_HYPHEN:
        return ""
    if category == "Nd":
        return str(unicodedata.digit(character))
    if category == "Zs":
        return " "
    if character in _DASHES:
        return "-"
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 and plain.isascii() else character


class View:
    """A folded text. Places are in the folded text until `place` takes them back.

    Args:
        original: the text as given.
    """

    def __init__(self, original: str) -> None:
        self.original = original
        self._dropped: list[int] = []  # places in the original, ascending
        self.text = original if original.isascii() else self._folded(original)
        self.lower = _lower(self.text)
        self.has_digit = any(digit in self.text for digit in "0123456789")

    def _folded(self, original: str) -> str:
        pieces, done = [], 0
        for match in _NOT_ASCII.finditer(original):
            plain = fold(match.group())
            if plain == match.group():
                continue
            start = match.start()
            pieces += [original[done:start], plain]
            done = start + 1
            if not plain:
                self._dropped.append(start)
        return "".join([*pieces, original[done:]])

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The same span in the original: characters dropped inside it belong to it, those at its ends do not."""
        if not self._dropped:
            return start, end
        return self._index(start), self._index(end - 1) + 1 if end > start else self._index(start)

    def _index(self, folded: int) -> int:
        """Place in the original of a character of the folded text: past every dropped one that stands before it."""
        low, high = 0, len(self._dropped)
        while low < high:  # dropped[k] - k is the folded place that the k-th dropped character stood before
            middle = (low + high) // 2
            if self._dropped[middle] - middle <= folded:
                low = middle + 1
            else:
                high = middle
        return folded + low

    def before(self, start: int, width: int = 48) -> str:
        """Lower-case text just before a place."""
        return self.lower[max(0, start - width) : start]

    def after(self, end: int, width: int = 24) -> str:
        """Lower-case text just after a place."""
        return self.lower[end : end + width]

    def near(self, start: int, end: int, words: re.Pattern[str], *, before: int = 48, after: int = 24) -> bool:
        """Whether one of the words stands near a span."""
        return bool(words.search(self.before(start, before)) or words.search(self.after(end, after)))

    def stands_alone(self, start: int, end: int) -> bool:
        """Whether no letter or digit touches the span."""
        text = self.text
        left = start == 0 or not (text[start - 1].isalnum() or text[start - 1] == "_")
        return left and (end >= len(text) or not (text[end].isalnum() or text[end] == "_"))


def words(*alternatives: str) -> re.Pattern[str]:
    """A pattern that finds any of these as whole words in lower-case text. Parts may be regular expressions."""
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(alternatives)})(?![^\W_])")


def _lower(text: str) -> str:
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := c.lower()) == 1 else c for c in text)
