"""The records of legal discovery: sets, their members, tags, and who saw what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from rightsized.apps.search.types import Filters
from rightsized.core.errors import InputError
from rightsized.core.frozen import Frozen

RESPONSIVE, NOT_RESPONSIVE, PRIVILEGED = "responsive", "not-responsive", "privileged"
DECIDING = (RESPONSIVE, NOT_RESPONSIVE)  # a document with one of them is reviewed; it never has both
Action = Literal[
    "created", "added", "text", "tag", "untag", "batch", "sampled", "certified", "produced", "withheld"
]  # fmt: skip
Kind = Literal["filter", "terms", "search", "family"]
_TAG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Asker(Frozen, frozen=True):
    """Who works on a set: `account` is who they are, `principals` as whom they see documents."""

    account: str
    principals: tuple[str, ...]

    @property
    def reviewer(self) -> str:
        """Whose work it is: "anna", or "root as anna" where an account acts as another user.

        >>> Asker("root", ("user:anna", "group:legal")).reviewer
        'root as anna'
        """
        users = [one.removeprefix("user:") for one in self.principals if one.startswith("user:")]
        return self.account if not users or self.account in users else f"{self.account} as {users[0]}"


class Criterion(Frozen, frozen=True):
    """What puts documents into a set.

    `filter`: all that pass `filters`. `terms`: those of them with a passage that fits `text` in the syntax of search;
    of plain words all must be in it. `search`: the `most` that the search ranks best. `family`: what was added because
    it belongs to another (an attachment, the mail that it came with).
    """

    kind: Kind
    text: str = ""
    filters: Filters = Filters()
    most: int = 0


class Member(Frozen, frozen=True):
    """A document of a set; `content` is the sha256 of its bytes when it was added."""

    document: str
    content: str
    key: str
    source: str
    criterion: int
    added: float


class Tagging(Frozen, frozen=True):
    """One decision on one tag of one document; later ones take its place, none is changed or removed.

    `on` false takes the tag away. `content` is the sha256 of the document's bytes then.
    """

    document: str
    content: str
    tag: str
    on: bool
    by: str
    at: float
    note: str = ""
    number: int = 0


class Entry(Frozen, frozen=True):
    """One row of the log. `digest` covers the row and the digest before it, so that none can be taken out unseen."""

    number: int
    at: float
    account: str
    seen_as: tuple[str, ...]
    action: Action
    document: str
    detail: str
    digest: str


class ReviewSet(Frozen, frozen=True):
    """A named set. `number` is never used twice."""

    number: int
    name: str
    created: float
    by: str
    note: str = ""


def checked_tag(tag: str) -> str:
    """The tag. Raises InputError where it is none."""
    if not _TAG.fullmatch(tag):
        raise InputError(
            f"{tag!r} is no tag.", fix="Write 1 to 64 small letters, digits, `.`, `_` and `-`, such as hot or issue-2."
        )
    return tag


def current(taggings: Sequence[Tagging]) -> dict[str, dict[str, Tagging]]:
    """The tags that stand, by document and tag; `taggings` in the order in which they were made."""
    found: dict[str, dict[str, Tagging]] = {}
    for one in taggings:
        tags = found.setdefault(one.document, {})
        if one.on:
            tags[one.tag] = one
        else:
            tags.pop(one.tag, None)
    return found
