"""What a calibration of tiers that write is told, and what it found: frozen records, no behaviour."""

from __future__ import annotations

from msgspec import field

from rightsized.cascade.samples import SamplePlan
from rightsized.core.config import Config
from rightsized.core.generation import DataClass
from rightsized.core.types import Certificate, Frozen, Loss, Targets
from rightsized.tasks.judged import SHARE
from rightsized.tasks.records import Finding


class ChatPlan(Frozen, frozen=True):
    """Everything a calibration is told.

    Args:
        data: labelled exchanges; `calibrate` more of them, a random sample of traffic, which then alone calibrate.
        tiers: names in order of cost; empty takes the order of the first row's answers.
        person: a person stands after the last tier, whose answers are then checked too.
        loss: `error`, or `regret`: wrong counts only where the last tier would have been right.
        costs: US dollars a call, one a tier and last the person's; empty takes 1, 10, 100 ...
        serving: digests of what will answer, such as `tier.small`.
        samples: tiers that draw further samples in service, and how.
        settings: those that will serve, whose rules rows are held against; None: no tier is vetoed for any row.
        data_class: of rows that say none; None takes that of the settings.
        judge_check: rows with the labels of people and of the judge; `judge_share`: the part of the error budget left
            to wrong answers that the judge let pass.
    """

    home: str
    name: str
    data: str
    calibrate: str | None = None
    targets: Targets = Targets()
    tiers: tuple[str, ...] = ()
    person: bool = False
    loss: Loss = "error"
    label_kind: str = ""
    sampling: str = ""
    encoder: str = "minilm"
    costs: tuple[float, ...] = ()
    serving: dict[str, str] = field(default_factory=dict)
    seed: int = 0
    samples: dict[str, SamplePlan] = field(default_factory=dict)
    judge_check: str | None = None
    judge_share: float = SHARE
    settings: Config | None = None
    data_class: DataClass | None = None


class TierFigures(Frozen, frozen=True):
    """One tier on the train rows: how often it is right, and how well its verifier tells (AUROC, out-of-fold).

    `samples`: further answers that its check reads.
    """

    name: str
    accuracy: float
    auroc: float | None
    auroc_prompt: float | None
    threshold: float | None
    skip: float | None
    samples: int = 0


class ChatReport(Frozen, frozen=True):
    """What a calibration found and where it was installed."""

    name: str
    version: str
    state: str
    tiers: tuple[TierFigures, ...]
    certificate: Certificate
    n_train: int
    n_calibrate: int
    split: str
    findings: tuple[Finding, ...]
    folder: str
