"""Threads join what answers each other and nothing else; near texts are those that share their runs of words."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from discovery_samples import STEPS, mail
from hypothesis import given
from hypothesis import strategies as st
from production_case import ROOT, Case

from rightsized.apps.search.discovery.records import Criterion
from rightsized.apps.search.discovery.relations.near import NEAR, common, families, shingles, signature
from rightsized.apps.search.discovery.relations.related import Related
from rightsized.apps.search.discovery.relations.threads import base_subject, threads
from rightsized.apps.search.discovery.review import gathered
from rightsized.apps.search.sync.run import sync
from rightsized.apps.search.types import Document

DAY = 86_400.0
WORDS = [f"word{at}" for at in range(400)]
TWO = {"from": "Anna <anna@a.example>", "to": "Bo <bo@b.example>"}


def message(name: str, day: float = 0.0, **metadata: str) -> Document:
    named = {key.replace("_", "-"): value for key, value in metadata.items()}
    return Document(name, "s", name, name, "", "message/rfc822", 1, day * DAY, day * DAY, metadata=named)


def test_what_names_another_mail_is_of_its_thread() -> None:
    found = threads(
        [
            message("c", 3, message_id="<3@x>", references="<1@x> <2@x>"),
            message("b", 2, message_id="<2@x>", in_reply_to="<1@x> from anna@a.example"),
            message("a", 1, message_id="<1@x>", subject="Steel"),
            message("other", 1, message_id="<9@x>", subject="Steel"),
        ]
    )
    assert found == {"a": "a", "b": "a", "c": "a", "other": "other"}


def test_a_mail_that_is_not_here_joins_its_answers() -> None:
    gone = "<gone@x>"
    assert threads([message("a", 2, in_reply_to=gone), message("b", 1, references=gone), message("c", 3)]) == {
        "a": "b",
        "b": "b",
        "c": "c",
    }


def test_copies_of_one_mail_are_of_one_thread_and_circles_end() -> None:
    found = threads(
        [
            message("a", 1, message_id="<1@x>", references="<2@x>"),
            message("b", 1, message_id="<2@x>", references="<1@x>"),
            message("a2", 1, message_id="<1@x>"),
        ]
    )
    assert set(found.values()) == {"a"}


def test_a_subject_joins_only_replies_to_the_one_thread_of_the_same_people() -> None:
    first = message("first", 1, message_id="<1@x>", subject="Price of steel", **TWO)
    reply = message("reply", 2, message_id="<2@x>", subject="AW: price of  steel", **TWO)
    assert threads([first, reply])["reply"] == "first"
    alike = message("alike", 2, message_id="<3@x>", subject="Price of steel", **TWO)  # no reply
    assert threads([first, alike])["alike"] == "alike"
    late = message("late", 90, message_id="<4@x>", subject="Re: Price of steel", **TWO)
    assert threads([first, late])["late"] == "late"
    stranger = message("stranger", 2, subject="Re: Price of steel", **{**TWO, "from": "c@c.example"})
    assert threads([first, stranger])["stranger"] == "stranger"
    second = message("second", 1.5, message_id="<5@x>", subject="Price of steel", **TWO)
    assert threads([first, second, reply])["reply"] == "reply"  # of which of the two?
    named = message("named", 2, subject="Re: Price of steel", references="<77@x>", **TWO)
    assert threads([first, named])["named"] == "named"
    short = [message("hi", 1, subject="Hi", **TWO), message("re", 2, subject="Re: Hi", **TWO)]
    assert threads(short)["re"] == "re"


@pytest.mark.parametrize(
    ("subject", "base", "replied"),
    [
        ("Re: RE[2]: Fwd: Steel", "steel", True),
        ("Steel", "steel", False),
        ("Rent: due", "rent: due", False),
        ("SV:Steel", "steel", True),
        ("", "", False),
    ],
)
def test_what_is_put_before_subjects(subject: str, base: str, replied: bool) -> None:
    assert base_subject(subject) == (base, replied)


def written(words: list[str]) -> str:
    return " ".join(words)


def test_shingles_are_runs_of_words() -> None:
    assert len(shingles("a b c d e f g")) == 3
    assert len(shingles("A b, C")) == 1
    assert len(shingles("")) == 0
    assert np.array_equal(shingles("One, two three four five!"), shingles("one two THREE four five"))
    assert common(shingles("a b c d e f"), shingles("a b c d e g")) == pytest.approx(1 / 3)
    assert common(shingles(""), shingles("")) == 0.0


@given(st.integers(0, 1 << 30))
def test_a_signature_estimates_what_is_common(seed: int) -> None:
    draw = random.Random(seed)
    words = [draw.choice(WORDS) for _ in range(600)]
    other = words[:500] + [draw.choice(WORDS) for _ in range(100)]
    one, two = shingles(written(words)), shingles(written(other))
    estimate = float((signature(one) == signature(two)).mean())
    assert abs(estimate - common(one, two)) < 0.3  # five standard deviations of 64 draws


def test_families_are_those_that_every_pair_would_give() -> None:
    draw, texts = random.Random(4), dict[str, str]()
    for family in range(30):
        words = [draw.choice(WORDS) for _ in range(draw.randrange(60, 300))]
        texts[f"{family:02d}-0"] = written(words)
        for copy in range(1, draw.randrange(1, 4)):
            changed = list(words)
            changed[draw.randrange(len(words))] = f"change{copy}"
            texts[f"{family:02d}-{copy}"] = written(changed)
    names = sorted(texts)
    found = families(names, np.stack([signature(shingles(texts[one])) for one in names]), texts.__getitem__)
    for name in names:
        leader = f"{name[:2]}-0"
        near = name != leader and common(shingles(texts[name]), shingles(texts[leader])) >= NEAR
        assert (found.get(name) == leader) == (near or (name == leader and leader in found.values()))
    assert len(set(found.values())) > 10


def test_texts_without_words_are_near_nothing() -> None:
    assert families(["a", "b"], np.stack([signature(shingles(""))] * 2), lambda _: "") == {}


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    found = Case(tmp_path / "home")
    body = "Counsel advises on the steel: settle before the hearing in May, and say nothing to the other side.\n"
    found.source.put("counsel.eml", mail("Settle the steel", body, Message_ID="<c1@quell.example>"))
    quoted = f"Agreed, steel it is. Let us do that soon.\n\n> {body}"
    reply = mail("Re: Settle the steel", quoted, Message_ID="<c2@quell.example>", In_Reply_To="<c1@quell.example>")
    found.source.put("reply.eml", reply)
    found.source.put("draft.txt", f"Settle the steel\n\n{body}")
    sync(found.collection, found.source, STEPS)
    found.collection.refresh()
    view = found.collection.view(ROOT.principals)
    new = asyncio.run(gathered(view, [Criterion("terms", "steel")], found.collection.encoder, True))
    found.store.add(found.review.set, ROOT, new)
    found.review = found.open()
    found.review.tag(["counsel.eml", "reply.eml", "draft.txt"], ["responsive"])
    yield found
    found.close()


def keys(case: Case, documents: list[str]) -> set[str]:
    return {case.review.documents[one].key for one in documents}


def test_what_belongs_to_a_document(case: Case) -> None:
    related = Related(case.review, case.cache)
    counsel = case.review.resolve("counsel.eml")
    found = related.of(counsel)
    assert {way: keys(case, others) for way, others in found.items()} == {
        "thread": {"reply.eml"},
        "near": {"draft.txt"},
    }
    assert keys(case, related.widened([counsel], ["thread", "near"])) == {"counsel.eml", "reply.eml", "draft.txt"}
    assert keys(case, related.widened([case.review.resolve("advice.eml")], ["copies"])) == {
        "advice.eml",
        "copies/advice.eml",
    }
    assert keys(case, related.widened([case.review.resolve("offer.eml!/memo.txt")], ["family"])) == {
        "offer.eml",
        "offer.eml!/memo.txt",
        "offer.eml!/offer.txt",
    }


def test_what_is_near_or_quotes_privileged_mail_stops_a_production(case: Case) -> None:
    case.privileged("counsel.eml")
    assert {(one.kind, one.key) for one in case.planned().conflicts} == {
        ("thread", "reply.eml"),
        ("near", "draft.txt"),
    }
    case.privileged("reply.eml")
    assert {(one.kind, one.key) for one in case.planned().conflicts} == {("near", "draft.txt")}


def test_groups_are_told_by_numbers_that_went_out(case: Case, tmp_path: Path) -> None:
    rows = {row["FILEPATH"]: row for row in case.export(tmp_path / "all")}
    assert rows["counsel.eml"]["THREADID"] == rows["reply.eml"]["THREADID"] == rows["counsel.eml"]["BEGDOC"]
    assert rows["draft.txt"]["NEARDUPID"] == rows["counsel.eml"]["NEARDUPID"] != ""
    assert rows["order.txt"]["THREADID"] == rows["order.txt"]["NEARDUPID"] == ""
    case.privileged("counsel.eml")
    rows = {row["FILEPATH"]: row for row in case.export(tmp_path / "some", allowed=("thread", "near"))}
    assert rows["reply.eml"]["THREADID"] == ""  # nothing else of it went out
    assert {row["THREADID"] + row["NEARDUPID"] for row in rows.values() if row["WITHHELD"]} == {""}
