"""A long contract, and a short one for the board alone, taken in by the product's own parsers, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rightsized.apps.search.collections import Collections
from rightsized.apps.search.protocols import View
from rightsized.apps.search.types import Document, Filters
from rightsized.core.egress import Egress
from rightsized.engines.fake import FakeEncoder
from rightsized.store.home import Home

SUBJECTS = (
    "Definitions", "Services", "Fees", "Invoices", "Term", "Termination", "Liability", "Insurance", "Secrecy",
    "Inventions", "Audit", "Assignment", "Disputes", "Notices",
)  # fmt: skip
SPECIAL = {
    "Termination": "Either party may end this agreement for convenience with ninety days of written notice.",
    "Liability": "The total liability of the supplier is capped at two million euros in a calendar year.",
    "Audit": "The customer may inspect the ledgers of the supplier once in a calendar year.",
}
FILLER = (
    "The parties shall act in good faith in all matters of {subject} and keep each other informed.",
    "Nothing in this clause about {subject} limits what the law of the seat requires of either party.",
    "A change to the rules on {subject} takes effect once both parties have signed it in writing.",
    "The schedule lists further details of {subject} and stands behind this clause where they differ.",
)
BOARD = "# Board memo\n\nThe board plans to end the agreement with Zorvex for convenience in May.\n"


def contract(clauses: int = 5) -> str:
    """A contract of 14 sections with so many numbered clauses each, in Markdown."""
    parts = ["# Master Services Agreement"]
    for number, subject in enumerate(SUBJECTS, 1):
        parts.append(f"## {number}. {subject}")
        for clause in range(1, clauses + 1):
            words = [SPECIAL[subject]] if clause == 2 and subject in SPECIAL else []
            words += [one.format(subject=f"{subject.lower()} {clause}") for one in FILLER]
            parts.append(f"{number}.{clause} {' '.join(words)}")
    return "\n\n".join(parts) + "\n"


class Counted(NamedTuple):
    total: int


class Counting(FakeEncoder):
    """The fake encoder, with as many tokens as words and two marks around a text."""

    def prepare(self, text: str) -> Counted:
        return Counted(len(text.split()) + 2)


class Sample(NamedTuple):
    """`view` is of somebody who sees the contract alone; `board` of the board."""

    view: View
    board: View
    contract: Document
    memo: Document
    encoder: Counting


@contextmanager
def taken_in(root: Path, clauses: int = 5) -> Iterator[Sample]:
    folder, home = root / "documents", Home(root / "home").ensure()
    folder.mkdir()
    (folder / "msa.md").write_text(contract(clauses), "utf-8")
    (folder / "memo.md").write_text(BOARD, "utf-8")
    rules = '[[rule]]\nmatch = "*"\nallow = ["everyone"]\n\n[[rule]]\nmatch = "memo.md"\nallow = ["group:board"]\n'
    (folder / ".rightsized-access.toml").write_text(rules, "utf-8")
    (folder / ".rightsized-access.toml").chmod(0o644)
    encoder = Counting(dimension=64)
    collections = Collections(home, lambda: encoder)
    try:
        collections.take_in("docs", [str(folder)], Egress.at(str(home.path), ()))
        collection = collections.open("docs")
        board = collection.view(["group:board"])
        by_key = {one.key: one for one in board.documents(Filters())}
        yield Sample(collection.view([]), board, by_key["msa.md"], by_key["memo.md"], encoder)
    finally:
        collections.close()
