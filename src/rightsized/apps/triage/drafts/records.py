"""What passes between the parts that draft replies."""

from __future__ import annotations

from rightsized.core.frozen import Frozen


class Example(Frozen, frozen=True):
    """Our own answer to a solved message; `number` is that message's, `people` the names of who took part."""

    number: int
    text: str
    people: tuple[str, ...] = ()
