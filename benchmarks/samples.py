"""A reply of realistic size, for benchmarks of what stands around answers."""

from __future__ import annotations

from rightsized.core.types import Attempt, LabelScore, Prediction, Reply


def reply(decision_id: str, task: str, label: str = "label-0") -> Reply:
    """What a task of two rungs and five labels answers at its second rung, under a certificate."""
    prediction = Prediction(label, (label,), tuple(LabelScore(f"label-{i}", 0.9 / (i + 1)) for i in range(5)))
    model = "sha256:" + "a" * 64
    return Reply(
        id=decision_id,
        task=task,
        status="answered",
        output=prediction,
        rung="encoder",
        tier=3,
        model=model,
        confidence=0.95,
        state="certified",
        certificate="sha256:" + "c" * 64,
        certified=True,
        latency_ms=5.0,
        attempts=(
            Attempt("ngram", 3, model, 0.5, 0.9, False, prediction, "0.500 is below 0.900", 0.15),
            Attempt("encoder", 3, model, 0.95, 0.9, True, prediction, "", 5.0),
        ),
    )
