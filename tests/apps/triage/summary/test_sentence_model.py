"""The reader of sentences that ships: it is the one that its labels give, and it reads as it was fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rightsized import data
from rightsized.core.errors import IntegrityError
from rightsized.engines.sentence_kinds import CARD, KINDS, WEIGHTS, Bars, Placed, Scores, SentenceModel, Strengths
from rightsized.tune import sentences


@pytest.fixture(scope="module")
def model() -> SentenceModel:
    return SentenceModel.open(data.folder("sentences"))


def one(text: str, *, ours: bool = False) -> Placed:
    return Placed(text, 0, 1, 0, 1, ours, "Order FH-1")


def kind_of(model: SentenceModel, text: str, *, ours: bool = False) -> str:
    (scores,) = model.read([one(text, ours=ours)])
    return KINDS[int(np.argmax(scores[: len(KINDS)]))]


def test_it_tells_kinds_apart_that_it_was_not_shown(model: SentenceModel) -> None:
    assert kind_of(model, "Could you please send the crampons to my new address?") == "request"
    assert kind_of(model, "The parcel was handed to the carrier on Monday.", ours=True) == "fact"
    assert kind_of(model, "My tent has a hole in the floor.") == "fact"
    assert kind_of(model, "We will send you a new strap tomorrow.", ours=True) == "commitment"
    assert kind_of(model, "I'll send the photos tonight.") == "commitment"
    assert kind_of(model, "Kind regards") == "other"


def test_it_tells_what_is_wrong_from_what_is_so(model: SentenceModel) -> None:
    torn, came = "The crampons arrived on Monday and one strap is torn.", "The crampons arrived on Monday."
    assert model.read([one(torn)])[0].complaint > model.bars.complaint > model.read([one(came)])[0].complaint


def test_probabilities_are_some(model: SentenceModel) -> None:
    conversation = [one("Where is my tent?"), one("It left on Monday.", ours=True)]
    for scores in model.read(conversation):
        assert sum(scores[: len(KINDS)]) == pytest.approx(1.0)
        assert all(0 <= value <= 1 for value in scores)
    assert model.read([]) == []


def test_it_is_the_model_that_the_labels_give() -> None:
    labelled = sentences.threads(data.folder("mailbox"))
    assert len(labelled) >= 100
    shipped = SentenceModel.open(data.folder("sentences"))
    fitted = sentences.fit(labelled, shipped.card.strengths, shipped.bars)
    thread = labelled[0].sentences
    assert np.allclose(np.array(fitted.read(thread)), np.array(shipped.read(thread)), atol=1e-3)


def test_on_threads_held_out_it_beats_the_first_three() -> None:
    labelled = sentences.threads(data.folder("mailbox"))
    model = sentences.fit([thread for at, thread in enumerate(labelled) if at % 3], Strengths(), Bars())
    ours, lead = 0.0, 0.0
    for thread in labelled[::3]:
        key = set(np.flatnonzero(thread.roles[:, 0]).tolist())
        ranked = np.argsort([-scores.key for scores in model.read(thread.sentences)], kind="stable")[:3].tolist()
        ours += len(key & set(ranked)) / max(1, len(key))
        lead += len(key & {0, 1, 2}) / max(1, len(key))
    assert ours > lead * 1.2


def test_settings_and_bars_are_chosen_by_the_threads_given_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (
        ("WORDS", (0.3,)),
        ("KIND_STRENGTHS", (0.001, 0.3)),
        ("RARE", (0.5,)),
        ("ROLE_STRENGTHS", (0.3,)),
    ):
        monkeypatch.setattr(sentences, name, few)
    labelled = sentences.threads(data.folder("mailbox"))[:15]
    chosen = sentences.fit(labelled).card
    assert chosen.strengths == Strengths(0.3, 0.3, 0.3, 0.5)  # with 0.001 rare kinds are never told
    assert all(bar in sentences.STEPS for bar in (chosen.bars.key, chosen.bars.action, chosen.bars.complaint))


def test_bars_are_those_that_do_best() -> None:
    thread = sentences.threads(data.folder("mailbox"))[0]
    roles = np.zeros((4, 3), bool)
    roles[0] = roles[1, 0] = True
    short = thread._replace(sentences=thread.sentences[:4], roles=roles)
    told = [Scores(0, 0, 1, 0, *(one,) * 3) for one in (0.7, 0.5, 0.3, 0.1)]
    assert sentences.chosen_bars([short], [told]) == Bars(key=0.32, action=0.52, complaint=0.52)
    assert sentences.f_score(np.array([True, True]), np.array([True, False]), 2.0) == pytest.approx(5 / 6)


def test_files_that_are_not_the_model_are_refused(tmp_path: Path) -> None:
    folder = tmp_path
    with pytest.raises(IntegrityError):
        SentenceModel.open(folder)
    source = data.folder("sentences")
    (folder / CARD).write_bytes((source / CARD).read_bytes())
    (folder / WEIGHTS).write_bytes((source / WEIGHTS).read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="is not the file"):
        SentenceModel.open(folder)
