"""The reader of sentences that ships: it is the one that its labels give, and it reads as it was fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rightsized import data
from rightsized.core.errors import IntegrityError
from rightsized.engines.sentence_kinds import CARD, KINDS, WEIGHTS, Placed, SentenceModel
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
    assert kind_of(model, "Your crampons were packed on Monday at our warehouse.", ours=True) == "fact"
    assert kind_of(model, "Kind regards") == "other"


def test_probabilities_are_some(model: SentenceModel) -> None:
    conversation = [one("Where is my tent?"), one("It left on Monday.", ours=True)]
    for scores in model.read(conversation):
        assert sum(scores[: len(KINDS)]) == pytest.approx(1.0)
        assert all(0 <= value <= 1 for value in scores)
    assert model.read([]) == []


def test_it_is_the_model_that_the_labels_give() -> None:
    labelled = sentences.threads(data.folder("mailbox"))
    assert len(labelled) >= 100
    fitted = sentences.fit(labelled)
    shipped = SentenceModel.open(data.folder("sentences"))
    thread = labelled[0].sentences
    assert np.allclose(np.array(fitted.read(thread)), np.array(shipped.read(thread)), atol=1e-3)


def test_on_threads_held_out_it_beats_the_first_three() -> None:
    labelled = sentences.threads(data.folder("mailbox"))
    model = sentences.fit([thread for at, thread in enumerate(labelled) if at % 3])
    ours, lead = 0.0, 0.0
    for thread in labelled[::3]:
        key = set(np.flatnonzero(thread.roles[:, 0]).tolist())
        ranked = np.argsort([-scores.key for scores in model.read(thread.sentences)], kind="stable")[:3].tolist()
        ours += len(key & set(ranked)) / max(1, len(key))
        lead += len(key & {0, 1, 2}) / max(1, len(key))
    assert ours > lead * 1.2


def test_files_that_are_not_the_model_are_refused(tmp_path: Path) -> None:
    folder = tmp_path
    with pytest.raises(IntegrityError):
        SentenceModel.open(folder)
    source = data.folder("sentences")
    (folder / CARD).write_bytes((source / CARD).read_bytes())
    (folder / WEIGHTS).write_bytes((source / WEIGHTS).read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="is not the file"):
        SentenceModel.open(folder)
