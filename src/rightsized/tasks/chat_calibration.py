"""`calibrate chat`: labelled exchanges in, verifiers and a signed certificate for the ladder of tiers that write out.

Order: read and split as a classification fit does; fit each tier's verifier on train with out-of-fold predictions;
choose skips on those; save; open what was saved and score the calibrate rows through it; calibrate; sign; install.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized import __version__
from rightsized.cascade.attempts import count_attempt
from rightsized.cascade.calibrate import calibrate
from rightsized.cascade.certificate import CertificateFacts, make_certificate
from rightsized.cascade.estimates import estimate_thresholds
from rightsized.cascade.plan import Calibration, Plan
from rightsized.cascade.reference import REFERENCE_TEXTS, Reference
from rightsized.cascade.scores import Scores, regret
from rightsized.core.config import EngineConfig
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Certificate
from rightsized.engines.onnx import OnnxEncoder
from rightsized.engines.verifier import Verifier, open_verifier
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.certify import PERSON
from rightsized.tasks.chat_cascade import (
    CascadeFile,
    ReferenceRow,
    cascade_digests,
    gateways,
    likely,
    rescored,
    score_of,
    verifier_folder,
)
from rightsized.tasks.chat_data import ChatData, ChatRow
from rightsized.tasks.chat_records import ChatPlan, ChatReport, TierFigures
from rightsized.tasks.chat_skips import choose_skips
from rightsized.tasks.chat_slices import ChatSlices, digest_of, groups_of, prepare
from rightsized.tasks.embeddings import embed
from rightsized.tasks.encoders import open_encoder
from rightsized.tasks.identity import SIGNING_SECRET
from rightsized.tasks.records import Finding
from rightsized.tasks.versions import check_name, write_record
from rightsized.tune.uplift import FittedVerifier, Labelled, fit_verifier

COST_STEP = 10.0  # each tier's cost as a multiple of the one before, where nothing else is said: only the order counts


class Context(Protocol):
    """What a job gives the function it runs."""

    def progress(self, stage: str, done: int, total: int) -> None: ...


def calibrate_job(arguments: dict[str, Any], context: Context) -> ChatReport:
    """Entry of the child process."""
    return calibrate_chat(msgspec.convert(arguments, ChatPlan), context.progress)


def calibrate_chat(plan: ChatPlan, progress: Progress = no_progress) -> ChatReport:
    """Fit, calibrate, sign and install a cascade.

    Raises:
        DataError, InputError, NotFoundError: data, name or encoder cannot be used; nothing was installed.
    """
    check_name(plan.name)
    home = Home(plan.home).ensure()
    progress("Reading", 0, 1)
    slices = prepare(plan)
    progress("Reading", 1, 1)
    encoder = open_encoder(plan.encoder, ModelStore(home), EngineConfig()) if plan.encoder else None
    store = gateways(home)
    try:
        with store.staging(plan.name) as (version, folder):
            stage = _Stage(plan, home, slices, encoder, folder, progress)
            report = stage.finish(version, store.root / plan.name / version)
    finally:
        if encoder is not None:
            encoder.close()
    store.promote(plan.name, version, "calibrate chat")
    return report


class _Stage:
    """A version in the making."""

    def __init__(
        self,
        plan: ChatPlan,
        home: Home,
        slices: ChatSlices,
        encoder: OnnxEncoder | None,
        folder: Path,
        progress: Progress,
    ) -> None:
        self.plan, self.home, self.slices, self.encoder = plan, home, slices, encoder
        self.folder, self.progress = folder, progress
        tiers = slices.train.tiers
        self.checked = tiers if plan.person else tiers[:-1]  # tiers whose answers are judged
        self.rungs = (*tiers, PERSON) if plan.person else tiers
        self.costs = plan.costs or tuple(COST_STEP**k for k in range(len(self.rungs)))

    def finish(self, version: str, final: Path) -> ChatReport:
        """Fit, save, score, calibrate, sign and write; everything but installing."""
        fitted = [self._fit(tier) for tier in self.checked]
        for tier, one in zip(self.checked, fitted, strict=True):
            one.verifier.save(verifier_folder(self.folder, tier))
        verifiers = {tier: open_verifier(verifier_folder(self.folder, tier), self.encoder) for tier in self.checked}
        chosen = np.stack([self._scores(one) for one in fitted], axis=1)
        before = np.stack([[likely(float(u)) for u in one.uplift] for one in fitted], axis=1)
        correct = self._correct(self.slices.train)
        rough = estimate_thresholds(
            self.plan.targets.promise, self.plan.targets.max_error, Scores(chosen, correct), self.costs
        )
        skips = choose_skips(before, chosen, rough, self.costs)
        selection = Scores(_skipped(chosen, before, skips), correct, groups_of(self.slices.train.rows))
        reference = self._reference(verifiers)
        found, digests = self._calibrated(selection, verifiers, skips)
        certificate = self._signed(found, digests | {"reference": reference.digest})
        encoder = self.plan.encoder if self.encoder is not None else ""
        record = CascadeFile(
            self.slices.train.tiers,
            certificate.thresholds,
            skips,
            encoder,
            self.slices.train.label_kind,
            self.plan.loss,
            tuple(sorted(self.slices.logprobs.intersection(self.checked))),
        )
        for file, value in (("cascade", record), ("certificate", certificate), ("reference", reference)):
            write_record(self.folder, f"{file}.json", value)
        return self._report(version, final, fitted, certificate, skips)

    def _fit(self, tier: str) -> FittedVerifier:
        last, rows, whole = self.slices.train.tiers[-1], self.slices.about(tier), len(self.slices.train.rows)
        data = Labelled(
            exchanges=[row.exchange(tier) for row in rows],
            right=np.array([row.correct[tier] for row in rows], np.float64),
            last_right=None
            if self.plan.person and tier == last
            else np.array([row.correct.get(last, np.nan) for row in rows], np.float64),
            vectors=self._vectors(rows),
            domains=[row.domain for row in rows] if any(row.domain for row in rows) else (),
            groups=groups_of(rows),
        )
        fitted = fit_verifier(data, tier, self.encoder, seed=self.plan.seed, progress=self.progress)
        return fitted.first(whole)  # what follows compares tiers row by row

    def _scores(self, fitted: FittedVerifier) -> NDArray[np.float64]:
        """Out-of-fold scores under the loss."""
        if self.plan.loss != "regret" or fitted.better is None:
            return fitted.after
        return np.asarray(1.0 - (1.0 - fitted.after) * fitted.better, np.float64)

    def _vectors(self, rows: Sequence[ChatRow]) -> NDArray[np.float32] | None:
        if self.encoder is None:
            return None
        return embed(self.home, self.encoder, [row.prompt for row in rows], self.progress)

    def _right(self, data: ChatData, tier: str) -> NDArray[np.float64]:
        return np.array([row.correct[tier] for row in data.rows], np.float64)

    def _correct(self, data: ChatData) -> NDArray[np.bool_]:
        """What counts as right under the loss, (rows, checked tiers)."""
        right = np.stack([self._right(data, tier) > 0 for tier in self.checked], axis=1)
        return right if self.plan.loss == "error" else regret(right, self._right(data, data.tiers[-1]) > 0)

    def _calibrated(
        self, selection: Scores, verifiers: dict[str, Verifier], skips: tuple[float | None, ...]
    ) -> tuple[Calibration, dict[str, str]]:
        held, targets = self.slices.calibrate, self.plan.targets
        tiers = {f"tier.{name}" for name in self.slices.train.tiers}  # others may change: they answer nothing of this
        digests = {
            **{name: digest for name, digest in self.plan.serving.items() if name in tiers},
            **cascade_digests(verifiers, self.encoder),
            "data.train": digest_of([*self.slices.train.rows, *self.slices.partial]),
            "data.calibrate": digest_of(held.rows if held else ()),
        }
        calibration, attempt = None, 1
        if held is not None:
            scored = self._scored(held, verifiers)
            calibration = Scores(_skipped(scored[0], scored[1], skips), self._correct(held), groups_of(held.rows))
            asked = (targets.promise, targets.max_error, targets.confidence, self.plan.loss, self.plan.seed)
            body = (digests, asked, list(skips), self.costs, __version__, list(calibration.groups))
            trial = hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()
            rows = [row.digest for row in held.rows]
            attempt = count_attempt(self.home.path, task=f"gateway {self.plan.name}", rows=rows, trial=trial)
        plan = Plan(
            promise=targets.promise,
            epsilon=targets.max_error,
            delta=1 - targets.confidence,
            costs=self.costs,
            attempt=attempt,
            seed=self.plan.seed,
        )
        return calibrate(plan, selection, calibration), digests

    def _scored(
        self, data: ChatData, verifiers: dict[str, Verifier]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """After and before of every row, (rows, tiers), by the verifiers that were read back."""
        vectors = self._vectors(data.rows)
        after, before = np.zeros((2, len(data.rows), len(verifiers)))
        for i, row in enumerate(data.rows):
            vector = vectors[i] if vectors is not None else None
            for k, (tier, verifier) in enumerate(verifiers.items()):
                after[i, k] = score_of(verifier, row.exchange(tier), vector, self.plan.loss)
                before[i, k] = likely(verifier.before(row.prompt, vector))
            self.progress("Scoring calibrate", i + 1, len(data.rows))
        return after, before

    def _reference(self, verifiers: dict[str, Verifier]) -> Reference:
        rows = self.slices.train.rows
        picked = np.unique(np.linspace(0, len(rows) - 1, min(REFERENCE_TEXTS, len(rows))).astype(int))
        texts = tuple(
            msgspec.json.encode(ReferenceRow(rows[i].body, rows[i].answers, rows[i].logprobs)).decode() for i in picked
        )
        return Reference(texts, rescored(verifiers, Reference(texts, ()), self.plan.loss))

    def _signed(self, found: Calibration, digests: dict[str, str]) -> Certificate:
        facts = CertificateFacts(
            task=self.plan.name,
            rungs=self.rungs,
            sampling=self.slices.sampling,
            digests=digests,
            created=time.time(),
            code_version=__version__,
            label_kind=self.slices.train.label_kind,
            loss=self.plan.loss,
        )
        return make_certificate(found, facts, self.home.secret(SIGNING_SECRET))

    def _report(
        self,
        version: str,
        final: Path,
        fitted: list[FittedVerifier],
        certificate: Certificate,
        skips: tuple[float | None, ...],
    ) -> ChatReport:
        figures = []
        for k, (tier, one) in enumerate(zip(self.checked, fitted, strict=True)):
            right = self._right(self.slices.train, tier)
            figures.append(
                TierFigures(
                    name=tier,
                    accuracy=float(right.mean()),
                    auroc=_auroc(one.after, right),
                    auroc_prompt=_auroc(one.own, right),
                    threshold=certificate.thresholds[k],
                    skip=skips[k],
                )
            )
        held = self.slices.calibrate
        unpinned = [tier for tier in self.slices.train.tiers if f"tier.{tier}" not in self.plan.serving]
        if unpinned:
            words = f"The settings name no tier {', '.join(unpinned)}: the certificate cannot tell which model answers."
            self.slices.findings.append(Finding("unpinned", words))
        return ChatReport(
            name=self.plan.name,
            version=version,
            state=certificate.state,
            tiers=tuple(figures),
            certificate=certificate,
            n_train=len(self.slices.train.rows),
            n_calibrate=len(held.rows) if held else 0,
            split=self.slices.split.note,
            findings=tuple(self.slices.findings),
            folder=str(final),
        )


def _skipped(
    after: NDArray[np.float64], before: NDArray[np.float64], skips: tuple[float | None, ...]
) -> NDArray[np.float64]:
    """Scores as the ladder sees them: a tier that is not asked has none (NaN goes up)."""
    bars = np.array([-np.inf if skip is None else skip for skip in skips])
    return np.where(before >= bars[None, :], after, np.nan)


def _auroc(score: NDArray[np.float64], right: NDArray[np.float64]) -> float | None:
    """Chance that a right answer is scored above a wrong one, ties counted half; None with one kind only."""
    good, bad = score[right > 0], np.sort(score[right == 0])
    if not len(good) or not len(bad):
        return None
    below = np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")
    return float(below.mean() / (2 * len(bad)))
