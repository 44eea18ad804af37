"""What every source offers.

A factory `(rest of the spec, downloads folder) -> Source` is registered in `rightsized.sources` under the spec's
prefix.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from rightsized.core.egress import Egress
from rightsized.core.protocols import Progress
from rightsized.core.types import Frozen
from rightsized.store.cards import Card


class Fetched(Frozen, frozen=True):
    """What came: `source` names it exactly (with version or commit); facts may be empty where nothing is stated.

    `folder` holds the model's files; `finished` lists downloads that may go once the model is installed.
    """

    folder: str
    source: str
    licence: str = ""
    languages: tuple[str, ...] = ()
    finished: tuple[str, ...] = ()


class Source(Protocol):
    """A place that a model can be fetched from."""

    @property
    def destination(self) -> str:
        """What `Egress` must allow: `pypi`, `hub`, a host; empty where nothing leaves this machine."""
        ...

    @property
    def name(self) -> str:
        """A name for the model, if the user gives none."""
        ...

    def delivered(self, card: Card) -> bool:
        """True where an installed model of that name is what this source would bring, as far as it can tell."""
        ...

    def fetch(self, into: Path, *, egress: Egress, progress: Progress) -> Fetched:
        """Put the files into the empty folder `into`.

        Raises:
            EgressDeniedError: before anything is contacted.
            DownloadError: the source did not deliver. IntegrityError: it delivered something else.
        """
        ...
