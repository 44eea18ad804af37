"""`fit`: labelled examples in, an installed task with its certificate and its report out.

Order: read and split; embed; train both rungs with out-of-fold predictions; save; open what was saved and score the
calibrate rows through it; calibrate and sign; measure in a fresh process; report; install by one rename. Whatever fails
leaves the version in force as it was. Runs in a child process (`jobs`): training loads much that serving must not.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Protocol

import msgspec

from rightsized.cascade.reference import Reference
from rightsized.cascade.scores import Scores
from rightsized.core.config import EngineConfig
from rightsized.core.errors import RightsizedError
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Certificate, Task
from rightsized.engines.classifier import Classifier, open_rungs
from rightsized.engines.onnx import OnnxEncoder
from rightsized.explain.neighbours import Examples, quantised, save_examples
from rightsized.store import atomic
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks import rightsizing
from rightsized.tasks.certify import Evidence, certify, make_reference, slice_digest
from rightsized.tasks.dataset import SEPARATOR, Dataset
from rightsized.tasks.embeddings import Embedder
from rightsized.tasks.encoders import open_encoder
from rightsized.tasks.evaluate import ScoredRows, answered_by
from rightsized.tasks.identity import serving_digests
from rightsized.tasks.measure import Measurement, measure_serving, spread
from rightsized.tasks.opened import rescore
from rightsized.tasks.outcome import Outcome, machine_facts, messages_only, out_of_fold, report_of
from rightsized.tasks.records import FitReport
from rightsized.tasks.report import render_report
from rightsized.tasks.score import score_rows
from rightsized.tasks.slices import FitPlan, Slices, prepare
from rightsized.tasks.versions import TaskStore, check_name, write_record
from rightsized.tasks.watch import DRIFT_FILE, drift_reference
from rightsized.tune.classifier import Fitted, fit_classifier
from rightsized.tune.previous import Previous
from rightsized.tune.training import FitOptions, TrainingData, label_words

ROUGH_RUNG_MS = (0.2, 6.0)  # what a call of each rung takes, roughly: the costs that order configurations


class Context(Protocol):
    """What a job gives the function it runs."""

    def progress(self, stage: str, done: int, total: int) -> None: ...


def fit_job(arguments: dict[str, Any], context: Context) -> FitReport:
    """Entry of the child process."""
    return fit_task(msgspec.convert(arguments, FitPlan), context.progress)


def fit_task(plan: FitPlan, progress: Progress = no_progress) -> FitReport:
    """Fit, certify, report and install a task.

    Raises:
        DataError, InputError, NotFoundError: the data, the name or the encoder cannot be used; nothing was installed.
        DiskFullError, StoreError: the home folder cannot be written to; nothing was installed.
    """
    check_name(plan.task)
    started = time.process_time()
    home = Home(plan.home).ensure()
    encoder = open_encoder(plan.encoder, ModelStore(home), EngineConfig())
    try:
        progress("Reading", 0, 1)
        slices = prepare(plan)
        fitted = _train(home, plan, slices, encoder, progress)
        with TaskStore(home).staging(plan.task) as (version, folder):
            stage = _Stage(home, plan, slices, fitted, encoder, folder, version, progress)
            report = stage.finish(started)
    finally:
        encoder.close()
    if plan.promote == "always" or (plan.promote == "certified" and report.state == "certified"):
        TaskStore(home).promote(plan.task, version, "fit")
    return report


def _train(home: Home, plan: FitPlan, slices: Slices, encoder: OnnxEncoder, progress: Progress) -> Fitted:
    embedder = Embedder(home, encoder)
    vectors = embedder.vectors(slices.train.texts, progress)
    several = plan.columns.multi_label
    options = FitOptions(seed=plan.seed, multi_label=several, progress=progress, recheck=plan.recheck)
    labels: Any = slices.train.labels if several else [row[0] for row in slices.train.labels]
    names = {label: label_words(label) for label in sorted({label for row in slices.train.labels for label in row})}
    named = dict(zip(names, embedder.vectors(list(names.values())), strict=True))
    data = TrainingData(slices.train.texts, labels, vectors, encoder.digest, named)
    return fit_classifier(data, options, _previous(home, plan.task, plan.base) if plan.incremental else None)


def _previous(home: Home, task: str, version: str) -> Previous | None:
    """What the fit of a version, else of the one in force, left for a refit to start from."""
    store = TaskStore(home)
    if task not in store.names():
        return None
    try:
        return Previous.open(store.folder(task, version or None))
    except RightsizedError:  # whatever is wrong with the old version must not stop a new one
        return None


class _Stage:
    """A version in the making: its folder, and what has been found so far."""

    def __init__(
        self,
        home: Home,
        plan: FitPlan,
        slices: Slices,
        fitted: Fitted,
        encoder: OnnxEncoder,
        folder: Path,
        version: str,
        progress: Progress,
    ) -> None:
        self.home, self.plan, self.slices, self.fitted = home, plan, slices, fitted
        self.encoder, self.folder, self.version, self.progress = encoder, folder, version, progress
        fitted.save(folder)
        self.classifier = Classifier.open(folder)  # what serves is what was read back
        self.embedder = Embedder(home, encoder)
        self.rungs = open_rungs(self.classifier, self.embedder)
        self.task = Task(
            name=plan.task,
            kind="classify",
            labels=self.classifier.labels,
            version=version,
            multi_label=plan.columns.multi_label,
            encoder=plan.encoder,
            targets=plan.targets,
        )

    def finish(self, started: float) -> FitReport:
        """Score, certify, measure, report; everything but installing."""
        calibrate = self._score(self.slices.calibrate, "Scoring calibrate")
        report = self._score(self.slices.report, "Scoring report")
        held = out_of_fold(self.slices, self.fitted, self._score(self.slices.outside, "Scoring out-of-scope"))
        held = messages_only(held, self.slices, self.plan.described)
        reference = self._reference()
        evidence = self._evidence(held, calibrate, reference)
        checked = self.slices.checked
        evidence.checked = self._score(checked.people if checked else None, "Scoring checked")
        evidence.traffic = self._score(self.slices.traffic, "Scoring traffic")
        certificate = certify(evidence)
        self._save(certificate, reference)
        shown = calibrate or (held if certificate.state != "none" else None)  # where nothing is said, nothing can drift
        reference_of_drift = drift_reference(shown, certificate.thresholds) if shown else {}
        write_record(self.folder, DRIFT_FILE, reference_of_drift)
        self.progress("Measuring", 0, 1)
        serving = measure_serving(self._measurement(report or calibrate or held, certificate, report or calibrate))
        page = TaskStore(self.home).root / self.plan.task / self.version / "report.html"
        outcome = Outcome(
            plan=self.plan,
            task=self.task,
            slices=self.slices,
            fitted=self.fitted,
            held=held,
            calibrate=calibrate,
            report=report,
            certificate=certificate,
            serving=serving,
            sizes=self._sizes(),
            models=(self.rungs[0].model, self.rungs[1].model),
            machine=machine_facts({"runtime": self.encoder.runtime}),
            cpu_seconds=time.process_time() - started,
            path=str(page),
        )
        found = report_of(outcome)
        write_record(self.folder, "report.json", found)
        atomic.write(self.folder / "report.html", render_report(found).encode())
        return found

    def _score(self, data: Dataset | None, stage: str) -> ScoredRows | None:
        if data is None:
            return None
        self.embedder.prepare(data.texts, self.progress)
        multi_label = self.plan.columns.multi_label
        return asyncio.run(score_rows(self.rungs, data, multi_label=multi_label, stage=stage, progress=self.progress))

    def _reference(self) -> Reference:
        texts = make_reference(self.slices.train.texts, self.fitted.oof_scores).texts
        self.embedder.prepare(texts)
        scores = asyncio.run(rescore(self.rungs, texts))
        return Reference(texts, scores)

    def _evidence(self, held: ScoredRows, calibrate: ScoredRows | None, reference: Reference) -> Evidence:
        groups = [*self.slices.train.groups, *(self.slices.outside.groups if self.slices.outside else ())]
        chosen = [group or f"\0{i}" for i, group in enumerate(groups)] if any(groups) else ()
        return Evidence(
            plan=self.plan,
            slices=self.slices,
            selection=Scores(held.score, held.correct, chosen),
            scored=calibrate,
            costs=rightsizing.rung_costs(ROUGH_RUNG_MS),
            reference=reference,
            digests={
                **serving_digests(self.classifier.digest, self.encoder),
                "data.train": slice_digest(self.slices.train),
                "data.calibrate": slice_digest(self.slices.calibrate),
            },
        )

    def _save(self, certificate: Certificate, reference: Reference) -> None:
        train = self.slices.train
        vectors = self.embedder.vectors(train.texts)
        labels = [SEPARATOR.join(row) for row in train.labels]
        save_examples(self.folder, Examples(train.texts, labels, quantised(vectors)))
        write_record(self.folder, "task.json", self.task)
        write_record(self.folder, "reference.json", reference)
        write_record(self.folder, "certificate.json", certificate)

    def _measurement(self, rows: ScoredRows, certificate: Certificate, compare: ScoredRows | None) -> Measurement:
        """Rows spread evenly; where they are train rows, how far each goes is taken from its out-of-fold scores."""
        picked = spread(len(rows.texts), self.plan.timed)
        by = answered_by(rows.score, certificate.thresholds)
        return Measurement(
            home=self.plan.home,
            folder=str(self.folder),
            encoder=self.plan.encoder,
            texts=tuple(rows.texts[i] for i in picked),
            asked=tuple(len(self.rungs) if by[i] < 0 else int(by[i]) + 1 for i in picked),
            compare=compare is not None,
        )

    def _sizes(self) -> rightsizing.Sizes:
        head = self.classifier.head
        head_bytes = int(sum(array.nbytes for array in head.to_arrays().values()))
        variant = self.encoder.card.variants[self.encoder.variant].file
        weights = self.encoder.card.files[variant].size
        encoder_bytes = weights + self.encoder.card.files["tokenizer.json"].size
        return rightsizing.Sizes(self.classifier.size_bytes - head_bytes, head_bytes, encoder_bytes, weights)
