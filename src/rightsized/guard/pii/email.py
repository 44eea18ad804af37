"""E-mail addresses: dot-atom local parts (RFC 5322, section 3.4.1), and the ways people write `@` to hide them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import CLEAR, PROVEN, Example, Hit
from rightsized.guard.pii.view import View

_LOCAL, _DOMAIN = 64, 255  # most characters (RFC 5321, section 4.5.3.1)
_AFTER = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_](?:[\w-]{0,61}[^\W_])")
_LOCAL_END = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}$")
_QUOTED_END = re.compile(r'"[^"\n]{1,62}"$')
_HIDDEN = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64} ?(?:\[ ?(?:at|@) ?\]|\( ?(?:at|@) ?\)|\{ ?at ?\}|<at>) ?"
    r"[\w-]{1,63}(?: ?(?:\[ ?dot ?\]|\( ?dot ?\)|\{ ?dot ?\}|<dot>|\.) ?[\w-]{1,63}){1,4}(?![\w-])",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"://[^\s/]*$")  # what stands before `@` in a URL is no local part
_EDGES = "'*/=?^`{|}~!#$%&."


class Email:
    """Finds e-mail addresses."""

    name = "email"
    classes: ClassVar[Mapping[str, DataClass]] = {"email": "personal"}
    examples = (
        Example("Write to jane.doe+news@mail.example.org.", "jane.doe+news@mail.example.org", "email"),
        Example("jörg@müller.example, or call", "jörg@müller.example", "email"),
        Example("jane (at) example (dot) com", "jane (at) example (dot) com", "email"),
    )

    def __init__(self, config: PiiConfig) -> None:
        pass

    def find(self, view: View) -> Iterator[Hit]:
        text, place = view.text, view.text.find("@")
        while place >= 0:
            after = _AFTER.match(text, place + 1, place + 1 + _DOMAIN)
            start = _start(text, place) if after else place
            if after and start < place and not _IN_URL.search(text[max(0, start - _LOCAL) : start]):
                yield Hit(start, after.end(), "email", PROVEN)
            place = text.find("@", place + 1)
        for match in _HIDDEN.finditer(text):
            yield Hit(*match.span(), "email", CLEAR)


def _start(text: str, at: int) -> int:
    """Where the local part before an `@` begins; `at` itself where there is none."""
    before = text[max(0, at - _LOCAL - 1) : at]
    match = _QUOTED_END.search(before) or _LOCAL_END.search(before)
    if match is None:
        return at
    local = match.group()
    return at - len(local.lstrip(_EDGES)) if not local.endswith(".") else at
