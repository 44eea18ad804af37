"""`calibrate chat`: labelled exchanges in, verifiers and a signed certificate for the ladder of tiers that write out.

Order: read and split as a classification fit does; fit each tier's verifier and the domain on train, with out-of-fold
predictions; choose skips on those; save; open what was saved; certify (`chat_certify`); install.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.cascade.estimates import estimate_thresholds
from rightsized.cascade.parameters import parameters_of
from rightsized.cascade.reference import REFERENCE_TEXTS, Reference
from rightsized.cascade.scores import Scores
from rightsized.core.config import EngineConfig
from rightsized.core.generation import RunResult
from rightsized.core.protocols import Progress, no_progress
from rightsized.engines.domain import open_domain
from rightsized.engines.onnx import OnnxEncoder
from rightsized.engines.verifier import Verifier, open_verifier
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.certify import PERSON
from rightsized.tasks.chat_admission import routing_of
from rightsized.tasks.chat_barred import barred_from
from rightsized.tasks.chat_cascade import (
    CascadeFile,
    ReferenceRow,
    cascade_digests,
    gateways,
    rescored,
    verifier_folder,
)
from rightsized.tasks.chat_certify import ChatEvidence, certify, correct
from rightsized.tasks.chat_data import ChatRow
from rightsized.tasks.chat_records import ChatPlan, ChatReport
from rightsized.tasks.chat_report import Made, report_of
from rightsized.tasks.chat_scoring import Reader, Rules, as_seen, refused_at
from rightsized.tasks.chat_skips import choose_skips
from rightsized.tasks.chat_slices import ChatSlices, digest_of, groups_of, prepare
from rightsized.tasks.chat_verifier import likely
from rightsized.tasks.encoders import open_encoder
from rightsized.tasks.versions import check_name, write_record
from rightsized.tune.domain import FittedDomain, fit_domain
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
    slices = prepare(plan, progress)
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
        self.reader = Reader(home, encoder, progress)
        tiers = slices.train.tiers
        self.checked = tiers if plan.person else tiers[:-1]  # tiers whose answers are judged
        self.rungs = (*tiers, PERSON) if plan.person else tiers
        self.costs = plan.costs or tuple(COST_STEP**k for k in range(len(self.rungs)))

    def finish(self, version: str, final: Path) -> ChatReport:
        """Fit, save, score, calibrate, sign and write; everything but installing."""
        fitted = [self._fit(tier) for tier in self.checked]
        domain = self._domain()
        for tier, one in zip(self.checked, fitted, strict=True):
            one.verifier.save(verifier_folder(self.folder, tier))
        if domain is not None:
            domain.domain.save(self.folder)
        selection, skips = self._selection(fitted, domain)
        record = self._record(skips, domain is not None)
        verifiers = {tier: open_verifier(verifier_folder(self.folder, tier), self.encoder) for tier in self.checked}
        reference = self._reference(verifiers)
        rules = Rules(verifiers, skips, open_domain(self.folder) if domain is not None else None, self.plan.loss)
        certificate = certify(
            ChatEvidence(
                self.plan,
                self.home,
                self.slices,
                self.checked,
                self.rungs,
                self.costs,
                rules,
                self.reader,
                selection,
                self._digests(rules) | {"reference": reference.digest, "rules": record.digest},
            )
        )
        record = msgspec.structs.replace(record, thresholds=certificate.thresholds)
        for file, value in (("cascade", record), ("certificate", certificate), ("reference", reference)):
            write_record(self.folder, f"{file}.json", value)
        return report_of(Made(self.plan, self.slices, self.checked, version, str(final), fitted, certificate, skips))

    def _fit(self, tier: str) -> FittedVerifier:
        last, rows, whole = self.slices.train.tiers[-1], self.slices.about(tier), len(self.slices.train.rows)
        data = Labelled(
            exchanges=self.reader.exchanges(rows, tier),
            right=np.array([row.correct[tier] for row in rows], np.float64),
            last_right=None
            if self.plan.person and tier == last
            else np.array([row.correct.get(last, np.nan) for row in rows], np.float64),
            vectors=self.reader.vectors(rows),
            domains=[row.domain for row in rows] if any(row.domain for row in rows) else (),
            groups=groups_of(rows),
        )
        fitted = fit_verifier(data, tier, self.encoder, seed=self.plan.seed, progress=self.progress)
        return fitted.first(whole)  # what follows compares tiers row by row

    def _domain(self) -> FittedDomain | None:
        """Fitted on rows that were not picked by a model: those of the queue are the odd ones."""
        rows = self.slices.train.rows
        fair = [i for i, row in enumerate(rows) if not row.train_only]
        vectors = self.reader.vectors([rows[i] for i in fair])
        if vectors is None:
            return None
        found = fit_domain(vectors, groups_of([rows[i] for i in fair]), self.plan.seed)
        if found is None:
            return None
        outside = np.zeros(len(rows), np.bool_)
        outside[fair] = found.outside
        return FittedDomain(found.domain, outside)

    def _selection(
        self, fitted: list[FittedVerifier], domain: FittedDomain | None
    ) -> tuple[Scores, tuple[float | None, ...]]:
        """Out-of-fold scores as the ladder would see them, and the skips chosen on them."""
        after = np.stack([self._scores(one) for one in fitted], axis=1)
        before = np.stack([[likely(float(u)) for u in one.uplift] for one in fitted], axis=1)
        right, targets = correct(self.slices.train, self.checked, self.plan.loss), self.plan.targets
        outside = domain.outside if domain is not None else np.zeros(len(after), np.bool_)
        barred = barred_from(self.slices.train.rows, self.checked)
        refused = refused_at(self.slices.train.rows, self.checked)
        after, before = np.where(barred | refused, np.nan, after), np.where(barred, np.nan, before)
        inside = np.where(outside[:, None], np.nan, after)
        rough = estimate_thresholds(targets.promise, targets.max_error, Scores(inside, right), self.costs)
        skips = choose_skips(before, inside, rough, self.costs)
        return Scores(as_seen(after, before, skips, outside), right, groups_of(self.slices.train.rows)), skips

    def _scores(self, fitted: FittedVerifier) -> NDArray[np.float64]:
        """Out-of-fold scores under the loss."""
        if self.plan.loss != "regret" or fitted.better is None:
            return fitted.after
        return np.asarray(1.0 - (1.0 - fitted.after) * fitted.better, np.float64)

    def _record(self, skips: tuple[float | None, ...], domain: bool) -> CascadeFile:
        """The rules of the cascade, without thresholds yet."""
        slices, checked = self.slices, self.checked
        return CascadeFile(
            slices.train.tiers,
            (None,) * len(checked),
            skips,
            self.plan.encoder if self.encoder is not None else "",
            slices.train.label_kind,
            self.plan.loss,
            tuple(sorted(slices.logprobs.intersection(checked))),
            {tier: self.plan.samples[tier] for tier in checked if tier in slices.sampled},
            domain,
            parameters_of(row.generation for row in (slices.calibrate or slices.train).rows),
        )

    def _digests(self, rules: Rules) -> dict[str, str]:
        """Of what answers, what scores and the rows; other tiers may change: they answer nothing of this."""
        names = self.slices.train.tiers
        tiers, held, people = {f"tier.{name}" for name in names}, self.slices.calibrate, self.slices.people
        return {
            **{name: digest for name, digest in self.plan.serving.items() if name in tiers},
            **routing_of(self.plan.settings, names if self.plan.loss == "regret" else self.checked),
            **cascade_digests(dict(rules.verifiers), self.encoder, rules.domain),
            "data.train": digest_of([*self.slices.train.rows, *self.slices.partial]),
            "data.calibrate": digest_of(held.rows if held else ()),
            **({"data.people": digest_of(people.rows)} if people is not None else {}),
        }

    def _reference(self, verifiers: dict[str, Verifier]) -> Reference:
        rows = self.slices.train.rows
        picked = np.unique(np.linspace(0, len(rows) - 1, min(REFERENCE_TEXTS, len(rows))).astype(int))
        texts = tuple(msgspec.json.encode(_reference_row(rows[i])).decode() for i in picked)
        return Reference(texts, rescored(verifiers, self.encoder, Reference(texts, ()), self.plan.loss))


def _reference_row(row: ChatRow) -> ReferenceRow:
    tested = {tier: RunResult(one.outcome) for tier, one in row.tested.items()}  # the same whenever it is run
    return ReferenceRow(row.body, row.answers, row.logprobs, row.samples, tested)
