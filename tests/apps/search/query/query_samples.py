"""A small real collection for tests of search: documents of several askers, indexed with a stand-in for the encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.search_acl_corpus import chunk, parse
from rightsized.apps.search.index.collection import Collection, open_collection
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.sync.steps import Steps
from rightsized.apps.search.types import Item
from rightsized.engines.fake import FakeEncoder

DAY = 86_400.0
NOW = 1.75e9


class Sample(NamedTuple):
    key: str
    text: str
    principals: tuple[str, ...] = ("everyone",)
    age_days: float = 100.0
    author: str = ""


BETWEEN = "This agreement is made by and between"
LEAVE = "Staff have thirty days of annual leave."
BOARD = ("group:board",)
SAMPLES = (
    Sample(
        "contracts/steel.txt",
        f"Supply Agreement\n\n{BETWEEN} Castrovia Steel GmbH and Nordhelm Seals, Inc.\n\nEither party may terminate"
        " with ninety days of notice. Notices are sent in writing.\n\nPrices rise by two percent.",
        author="Anna Berg",
    ),
    Sample(
        "contracts/motors.txt",
        f"Supply Agreement\n\n{BETWEEN} Pellmont Motors SA and Nordhelm Seals, Inc.\n\nEither party may terminate with"
        " thirty days of notice.\n\nPayment is due within ten days.",
        age_days=5.0,
        author="Bo Lind",
    ),
    Sample("hr/leave.txt", f"Leave Policy\n\n{LEAVE}\n\nCarry-over ends in March."),
    Sample("hr/leave-copy.txt", f"Leave Rules\n\n{LEAVE}\n\nOld rules end soon.", age_days=900.0),
    Sample(
        "hr/travel.txt",
        "Travel Policy\n\nTrains are paid in full. Flights need approval.\n\nHotels cost at most 120 euros.",
    ),
    Sample("board/plan.txt", f"Merger Plan\n\n{BETWEEN} Zorvex Holdings, Inc. and us. The merger is in May.", BOARD),
    Sample("board/pay.txt", "Leave Policy\n\nDirectors have sixty days of leave and a jubilation bonus.", BOARD),
)


class Source:
    source = "memory:samples"
    problems: tuple[str, ...] = ()

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = {one.key: one for one in samples}

    def items(self) -> Iterator[Item]:
        for key, one in sorted(self._samples.items()):
            metadata = {"author": one.author} if one.author else {}
            yield Item(key, "1", len(one.text), NOW - one.age_days * DAY, one.principals, metadata)

    def read(self, item: Item, into: Path) -> None:
        into.write_text(self._samples[item.key].text, "utf-8")


def collection_of(home: Path, samples: Sequence[Sample] = SAMPLES) -> tuple[Collection, FakeEncoder]:
    encoder = FakeEncoder(dimension=64)
    collection = open_collection(home, "samples", encoder, create=True)
    sync(collection, Source(samples), Steps(parse, chunk, "samples-1"))
    return collection, encoder
