"""The report of a calibration of tiers that write: figures of each tier, and what was noticed on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rightsized.core.types import Certificate
from rightsized.tasks.chat_records import ChatPlan, ChatReport, TierFigures
from rightsized.tasks.chat_slices import ChatSlices
from rightsized.tasks.records import Finding
from rightsized.tune.uplift import FittedVerifier


@dataclass(frozen=True)
class Made:
    """A version that was made, and what it was made from. `checked`: tiers whose answers are judged."""

    plan: ChatPlan
    slices: ChatSlices
    checked: Sequence[str]
    version: str
    folder: str
    fitted: Sequence[FittedVerifier]
    certificate: Certificate
    skips: tuple[float | None, ...]


def report_of(made: Made) -> ChatReport:
    """All that is told of a calibration."""
    slices, held, certificate = made.slices, made.slices.calibrate, made.certificate
    unpinned = [tier for tier in slices.train.tiers if f"tier.{tier}" not in made.plan.serving]
    if unpinned:
        words = f"The settings name no tier {', '.join(unpinned)}: the certificate cannot tell which model answers."
        slices.findings.append(Finding("unpinned", words))
    return ChatReport(
        name=made.plan.name,
        version=made.version,
        state=certificate.state,
        tiers=tuple(_figures(made, k, tier) for k, tier in enumerate(made.checked)),
        certificate=certificate,
        n_train=len(slices.train.rows),
        n_calibrate=len(held.rows) if held else 0,
        split=slices.split.note,
        findings=tuple(slices.findings),
        folder=made.folder,
    )


def _figures(made: Made, k: int, tier: str) -> TierFigures:
    right = np.array([row.correct[tier] for row in made.slices.train.rows], np.float64)
    return TierFigures(
        name=tier,
        accuracy=float(right.mean()),
        auroc=_auroc(made.fitted[k].after, right),
        auroc_prompt=_auroc(made.fitted[k].own, right),
        threshold=made.certificate.thresholds[k],
        skip=made.skips[k],
        samples=made.plan.samples[tier].count if tier in made.slices.sampled else 0,
    )


def _auroc(score: NDArray[np.float64], right: NDArray[np.float64]) -> float | None:
    """Chance that a right answer is scored above a wrong one, ties counted half; None with one kind only."""
    good, bad = score[right > 0], np.sort(score[right == 0])
    if not len(good) or not len(bad):
        return None
    below = np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")
    return float(below.mean() / (2 * len(bad)))
