"""Text as a reader sees it: characters that are not shown, and those that turn the direction of writing, are taken out.

They cut words apart for a rule and not for a reader, carry text that only a model reads (tag characters), and show
`exe.fdp` as a PDF's name. Joiners of scripts and of emoji stay.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a blank stands for each
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """The text without what is not shown.

    >>> visible("in\u200bvo\u00adice \u202efdp.exe")
    'invoice fdp.exe'
    """
    return _UNSEEN.sub("", _CONTROLS.sub(" ", text))


def visible_with(text: str, places: Sequence[tuple[int, int]]) -> tuple[str, list[tuple[int, int]]]:
    """The same, with stretches of the text as they lie afterwards."""
    gone = [found.start() for found in _UNSEEN.finditer(text)]
    moved = [(start - bisect_left(gone, start), end - bisect_left(gone, end)) for start, end in places]
    return visible(text), moved
