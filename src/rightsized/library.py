"""The Python face of Rightsized: `fit`, `load`, and a task that answers.

Plain functions over the asynchronous core: one event loop runs in a background thread and belongs to the task.
Nothing is recorded from here; decisions are recorded by `rightsized serve`, `ask` and `queue`.
"""

from __future__ import annotations

import asyncio
import html
import threading
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, get_args

import msgspec

from rightsized.core import config as settings
from rightsized.core.errors import InputError
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Certificate, Explanation, Promise, Reply, Targets
from rightsized.jobs.local import run_in_child
from rightsized.store.home import Home
from rightsized.tasks.dataset import Columns
from rightsized.tasks.evaluation import Evaluation, evaluate_rows
from rightsized.tasks.judged import SHARE as JUDGE_SHARE
from rightsized.tasks.judged import LabelRule, check_labels
from rightsized.tasks.records import FitReport
from rightsized.tasks.segments import SHARE, SegmentRule, check_rule
from rightsized.tasks.service import open_service
from rightsized.tasks.slices import FitPlan
from rightsized.tasks.versions import TaskStore

T = TypeVar("T")
Label = str | Sequence[str]
_Rows = tuple[list[str], list[Any]]


class FitOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The rarer options of `fit`.

    `sampling` says in words how the calibrate rows were drawn; it is printed on the certificate.
    `segment_by` tests parts of the traffic on their own: `label` by predicted label; else the name of what
    `segment_values` gives for each text and for each calibrate text. `segments` names the parts; empty takes every
    label, or every value the texts have. Together they get `segment_share` of delta, in equal parts.
    `label_kind` says who labelled the calibrate texts: `human`, `exact` or `judge:NAME`. `judge_check` are texts drawn
    at random with people's and the judge's labels; wrong answers that the judge let pass get `judge_share` of the
    budget. `traffic` are unlabelled texts, from which the share that will be answered here is told.
    """

    seed: int = 0
    encoder: str = "minilm"
    multi_label: bool = False
    sampling: str = ""
    out_of_scope: str = "out_of_scope"
    segment_by: str = ""
    segments: Sequence[str] = ()
    segment_share: float = SHARE
    segment_values: tuple[Sequence[str], Sequence[str]] | None = None
    label_kind: str = "human"
    judge_check: tuple[Sequence[str], Sequence[Label], Sequence[Label]] | None = None
    judge_share: float = JUDGE_SHARE
    traffic: Sequence[str] | None = None
    budget_ms: float | None = None
    budget_mb: float | None = None
    home: str | Path | None = None
    progress: Progress = no_progress


def fit(
    texts: Sequence[str],
    labels: Sequence[Label],
    *,
    task: str = "task",
    max_error: float = 0.05,
    confidence: float = 0.95,
    promise: Promise = "selective_error",
    calibrate: tuple[Sequence[str], Sequence[Label]] | None = None,
    options: FitOptions | None = None,
) -> FittedTask:
    """Train, calibrate, certify and install a task, in a child process.

    Args:
        texts: labelled examples.
        labels: one label each; a sequence of labels each in a multi-label task.
        task: name to install it under; the version before it is kept.
        max_error: error budget in (0, 1).
        confidence: confidence level of the certificate in (0, 1).
        promise: `selective_error` or `wrong_local_rate`.
        calibrate: texts and labels of a random sample of traffic, none of them among `texts`; split off if absent.
        options: seed, encoder, multi-label, budgets, home, progress.
    Raises:
        InputError: an argument is of the wrong type or out of range; nothing was started.
        DataError: the examples cannot be learned from.
        NotFoundError: the encoder is not installed; names the command.
    """
    options = options or FitOptions()
    _check_targets(max_error, confidence, promise)
    for name, given in (("texts", texts), ("calibrate[0]", calibrate[0] if calibrate else ())):
        _check_texts(name, given)
    for name, said in (("labels", labels), ("calibrate[1]", calibrate[1] if calibrate else ())):
        _check_labels(name, said)
    targets = Targets(max_error, confidence, promise, options.budget_ms, options.budget_mb)
    plan = _plan(task, targets, _rows(texts, labels), _rows(*calibrate) if calibrate else None, options)
    run_in_child(
        Home(plan.home),
        "fit",
        entry="rightsized.tasks.fit:fit_job",
        arguments=msgspec.to_builtins(plan),
        result_type=FitReport,
        progress=options.progress,
    )
    return load(task, home=options.home)


def _plan(task: str, targets: Targets, rows: _Rows, calibrate: _Rows | None, options: FitOptions) -> FitPlan:
    plan = FitPlan(
        home=_config(options.home).home,
        task=task,
        rows=rows,
        calibrate_rows=calibrate,
        columns=Columns(multi_label=options.multi_label, out_of_scope=options.out_of_scope),
        targets=targets,
        sampling=options.sampling,
        encoder=options.encoder,
        seed=options.seed,
        segments=_segments(options),
        labelled=_labelled(options),
        traffic_texts=None if options.traffic is None else list(options.traffic),
    )
    check_labels(plan.labelled)
    check_rule(plan.segments, targets.promise, plan.columns.label)
    _check_values(options, rows, calibrate)
    return plan


def _segments(options: FitOptions) -> SegmentRule:
    given = options.segment_values
    values = None if given is None else (tuple(given[0]), tuple(given[1]))
    return SegmentRule(options.segment_by, tuple(options.segments), options.segment_share, values)


def _labelled(options: FitOptions) -> LabelRule:
    rows = None
    if options.judge_check is not None:
        texts, people, judge = options.judge_check
        rows = (list(texts), [_plain(label) for label in people], [_plain(label) for label in judge])
    return LabelRule(options.label_kind, check_rows=rows, share=options.judge_share)


def _check_values(options: FitOptions, rows: _Rows, calibrate: _Rows | None) -> None:
    """One value for each row; rows without a calibrate sample of their own need no second list."""
    if options.segment_values is None:
        return
    for values, given in zip(options.segment_values, (rows, calibrate), strict=True):
        if given is not None and len(values) != len(given[0]):
            raise InputError(f"segment_values has {len(values)} values for {len(given[0])} texts: one each.")


def _rows(texts: Sequence[str], labels: Sequence[Label]) -> _Rows:
    return list(texts), [_plain(label) for label in labels]


def load(task: str, *, home: str | Path | None = None) -> FittedTask:
    """Open a fitted task. Raises NotFoundError, IntegrityError."""
    return FittedTask(task, _config(home))


class FittedTask:
    """A task that answers. Close it, or use it in a `with` block, to free its threads."""

    def __init__(self, name: str, config: settings.Config) -> None:
        self.name = name
        store = TaskStore(Home(config.home))
        self.report: FitReport = store.read(name, "report.json", FitReport)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"rightsized-{name}", daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        try:
            self._service = self._wait(
                self._stack.enter_async_context(open_service(config, purpose="library", record=False))
            )
            self._service.task(name)
        except BaseException:
            self.close()
            raise

    @property
    def certificate(self) -> Certificate:
        """The certificate in force, whatever its state."""
        return self._service.task(self.name).certificate

    def answer(self, text: str) -> Reply:
        """Answer one text. Raises InputError, BusyError."""
        _check_texts("text", [text])
        return self._wait(self._service.classify(self.name, text))

    def answer_many(self, texts: Sequence[str]) -> list[Reply]:
        """Answer several, in order. Raises InputError, BusyError."""
        _check_texts("texts", texts)
        return self._wait(self._service.classify_many(self.name, list(texts)))

    def explain(self, text: str) -> Explanation:
        """Which words moved the answer, and the nearest labelled examples. Raises InputError."""
        _check_texts("text", [text])
        return self._wait(self._service.explain(self.name, text))

    def evaluate(self, texts: Sequence[str], labels: Sequence[Label]) -> Evaluation:
        """Figures on labelled texts that were not used to fit. Raises InputError, DataError."""
        _check_texts("texts", texts)
        _check_labels("labels", labels)
        return self._wait(evaluate_rows(self._service, self.name, list(texts), [_plain(y) for y in labels]))

    def close(self) -> None:
        """Free threads and models; calling it again does nothing."""
        if self._loop.is_closed():
            return
        self._wait(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            work.close()
            raise InputError(f"The task {self.name!r} was closed.", fix=f"Open it again: rs.load({self.name!r})")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<FittedTask {self.name!r}, {self.certificate.state}, {len(self.report.task.labels)} labels>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the promise in words, and the main figures."""
        measured = self.report.measured
        rows = [
            ("accuracy", measured.accuracy),
            ("answered here", measured.coverage),
            ("wrong among those", measured.selective_error),
        ]
        cells = "".join(
            f"<tr><td>{name}</td><td>{x.value:.1%}</td><td>{x.low:.1%} to {x.high:.1%}</td><td>n = {x.n:,}</td></tr>"
            for name, x in rows
        )
        head = f"<b>{html.escape(self.name)}</b>: {html.escape(self.certificate.state)}"
        return f"<p>{head}</p><p>{html.escape(self.certificate.sentence)}</p><table>{cells}</table>"


def _config(home: str | Path | None) -> settings.Config:
    return settings.load(flags={"home": str(home) if home else None})


def _plain(label: Label) -> Any:
    return label if isinstance(label, str) else list(label)


def _check_targets(max_error: float, confidence: float, promise: str) -> None:
    for name, value in (("max_error", max_error), ("confidence", confidence)):
        if not 0 < value < 1:
            raise InputError(f"{name} = {value!r} must lie between 0 and 1, such as 0.05 for 5%.")
    if promise not in get_args(Promise):
        raise InputError(f"promise = {promise!r} is not known.", fix=f"Known: {', '.join(get_args(Promise))}.")


def _check_texts(name: str, texts: Sequence[str]) -> None:
    """One text where several belong would be taken apart into letters."""
    if isinstance(texts, (str, bytes)):
        raise InputError(f"{name} is one text.", fix=f"Give a list: {name}=[...].")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"{name}, number {place}: {text!r} is no text but {type(text).__name__}.")


def _check_labels(name: str, labels: Sequence[Label]) -> None:
    if isinstance(labels, (str, bytes)):
        raise InputError(f"{name} is one text.", fix=f"Give a list with a label for each text: {name}=[...].")
    for place, label in enumerate(labels):
        known = isinstance(label, str) or (isinstance(label, Iterable) and all(isinstance(part, str) for part in label))
        if not known:
            raise InputError(
                f"{name}, number {place}: {label!r} is no label but {type(label).__name__}.",
                fix="A label is a text, or a list of texts in a multi-label task; turn numbers into text with str().",
            )
