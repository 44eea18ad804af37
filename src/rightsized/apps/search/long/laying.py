"""Lays pieces of documents out as one text: under titles and headings, with a mark wherever something is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rightsized.apps.search.passages.outline import single_line
from rightsized.apps.search.types import Found

GAP = "[...]"  # stands where the document goes on and the context does not
PARTED = " > "


class Laid(NamedTuple):
    """Characters `start` to `end` of a passage's own text."""

    found: Found
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.found.passage.text[self.start : self.end]


def laid_out(pieces: Sequence[Laid]) -> str:
    """One text of pieces that stand in the order of their documents."""
    return "".join(segments(pieces))


def segments(pieces: Sequence[Laid]) -> list[str]:
    """What `laid_out` joins: each piece as it is, and what stands between them.

    A title opens each document, headings stand above the first piece below them, and GAP wherever text that is not
    blank was left out before a piece.
    """
    found: list[str] = []
    before: Laid | None = None
    for one in pieces:
        document = one.found.document
        opens = before is None or before.found.document.id != document.id
        if opens:
            found += ["\n" if before else "", document.title or document.key, "\n"]
        if not opens and before is not None and _adjoin(before, one):
            found += [_joint(before, one), one.text]
        else:
            found += ["" if opens else "\n", f"{GAP}\n" if _skipped(before, one, opens) else ""]
            found += [*(f"{line}\n" for line in _headings(before, one, opens)), one.text]
        before = one
    return [one for one in found if one]


def _skipped(before: Laid | None, one: Laid, opens: bool) -> bool:
    if opens or before is None:
        return one.found.passage.ordinal > 0 or one.start > 0
    return True


def _adjoin(before: Laid, one: Laid) -> bool:
    """Whether one piece ends where the other begins."""
    follows = one.found.passage.ordinal == before.found.passage.ordinal + 1
    return follows and one.start == 0 and before.end == len(before.found.passage.text)


def _joint(before: Laid, one: Laid) -> str:
    """Between two pieces that adjoin: the headings that are new, unless they open the piece's own text."""
    new = _headings(before, one, opens=False)
    blank = "\n" if one.found.passage.start > before.found.passage.end else ""
    return "\n" + "\n".join([*new, ""]) if new else blank


def _headings(before: Laid | None, one: Laid, opens: bool) -> list[str]:
    """A line with the headings above a piece, where they are others than those above the piece before it."""
    path = one.found.passage.path
    if not opens and before is not None and before.found.passage.path == path:
        return []
    own = single_line(one.text[: sum(map(len, path)) + 200])
    above = [single_line(name) for name in path if name]
    while above and own.startswith(above[-1]):
        own = own[len(above.pop()) :].lstrip()
    title = one.found.document.title
    line = PARTED.join(name for name in above if name != title)
    return [line] if line else []
