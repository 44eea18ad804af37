"""Who may see a document: principals are `user:NAME`, `group:NAME`, or `everyone`. Who they are is decided elsewhere.

Names are compared as they are written: `user:anna` is not `user:Anna`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rightsized.core.errors import InputError

EVERYONE = "everyone"  # what every asker is
_NAMED = re.compile(r"(?:user|group):[^\s:,][^\s,]{0,255}")


def checked(principals: Iterable[str]) -> tuple[str, ...]:
    """The principals, each once, in the order given.

    >>> checked(["user:anna", "everyone", "user:anna"])
    ('user:anna', 'everyone')

    Raises InputError for anything else than `user:NAME`, `group:NAME` or `everyone`.
    """
    found = tuple(dict.fromkeys(principals))
    for one in found:
        if one != EVERYONE and not _NAMED.fullmatch(one):
            raise InputError(
                f"{one!r} is no principal.", fix="Write user:NAME, group:NAME or everyone, without blanks or commas."
            )
    return found
