"""From findings to the class of a text. Deny by default: an unknown type counts as the most restrictive class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rightsized.core.generation import DataClass, strictest
from rightsized.core.pii import MOST_RESTRICTIVE, Finding

NOTHING_FOUND: DataClass = "internal"  # no detector can know that a text is meant for everybody


def data_class(found: Iterable[Finding], classes: Mapping[str, DataClass]) -> DataClass:
    """The most restrictive class among the findings' types; `internal` where there are none.

    Args:
        found: findings of one text.
        classes: class of each known type; a type that is missing here counts as `MOST_RESTRICTIVE`.
    """
    return strictest(NOTHING_FOUND, *(classes.get(one.type, MOST_RESTRICTIVE) for one in found))
