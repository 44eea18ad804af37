"""Sample data written for this project: support messages of an invented shop, a small task about tone, the papers of an
invented maker of pumps with judged questions, in `documents/`; a labelled mailbox of the shop, in `mailbox/`; and the
weights of the name tagger, in `names/`.

Only finds the files; reading them is the business of `tasks`. README.md in this folder describes each file.
"""

from __future__ import annotations

from pathlib import Path

from rightsized.core.errors import NotFoundError

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Names of the data files, sorted."""
    return sorted(file.name for file in _FOLDER.glob("*.csv"))


def path(name: str) -> Path:
    """The file of a sample data set.

    Args:
        name: such as `support_train.csv`, `support_calibrate.csv`, `support_stream.csv` or `tone.csv`.
    Raises:
        NotFoundError: no such file; names those there are.
    """
    if name not in names():
        raise NotFoundError(f"No sample data is named {name!r}.", fix=f"There are: {', '.join(names())}.")
    return _FOLDER / name


def folder(name: str) -> Path:
    """A folder of files that belong together: `documents`, for search; `mailbox`, for triage; `names`, the
    weights of the name tagger."""
    place = _FOLDER / name
    if not place.is_dir():
        raise NotFoundError(f"No folder {name!r} comes with this package.", fix="Install rightsized again.")
    return place
