"""From files or lists to the three slices of a fit: read, check, split, and keep near-duplicates on one side."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import field

from rightsized.core.errors import DataError, InputError
from rightsized.core.types import Frozen, Targets
from rightsized.tasks.dataset import SOURCE_COLUMN, Columns, Dataset, check, from_lists, read
from rightsized.tasks.judged import Checked, LabelRule, check_labels, finding_of, read_checked
from rightsized.tasks.records import Finding
from rightsized.tasks.repeats import repeats
from rightsized.tasks.segments import (
    Declared,
    SegmentRule,
    by_label,
    by_prediction,
    by_request,
    check_rule,
    column_values,
    numbered,
    power_finding,
)
from rightsized.tasks.split import Split, split_rows
from rightsized.tasks.traffic import read_traffic, sampled, traffic_of
from rightsized.tune.duplicates import straddling

_SAID = {"queue": "review queue", "correction": "correction of an answer"}


Promotion = Literal["always", "certified", "never"]


class FitPlan(Frozen, frozen=True):
    """Everything a fit is told. Data come as a file or as rows ([texts, labels]); so do calibrate rows."""

    home: str
    task: str
    file: str | None = None
    rows: tuple[list[str], list[Any]] | None = None
    calibrate: str | None = None
    calibrate_rows: tuple[list[str], list[Any]] | None = None
    calibrate_decisions: tuple[str, ...] = ()  # the requests that calibrate rows are of, where they are on record
    columns: Columns = field(default_factory=Columns)
    targets: Targets = Targets()
    sampling: str = ""
    encoder: str = "minilm"
    seed: int = 0
    segments: SegmentRule = SegmentRule()
    labelled: LabelRule = LabelRule()
    traffic: str | None = None  # unlabelled texts, for the share that will be answered here
    traffic_texts: list[str] | None = None
    incremental: bool = False  # start from the version in force: faster, but not repeatable from the data alone
    base: str = ""  # start from this version instead of the one in force
    recheck: int = 0  # rows scored anew all the same, at least, where out-of-fold scores are taken over
    timed: int = 200  # texts timed in a fresh process
    described: tuple[int, ...] = ()  # numbers of the rows that are words about a label, not messages
    train_only: bool = False  # set no row aside: all train, the figures are cross-fitted
    promote: Promotion = "always"  # whether what was fitted is put in force, or only where it is certified


class Slices(msgspec.Struct):
    """The slices of a fit. `calibrate` and `report` are None where all rows train.

    `outside` are the rows beside `train` that no label fits: they never train, but count when thresholds are chosen.
    `segments` are the parts of the traffic to be tested on their own, `checked` the rows that people labelled beside a
    judge, `traffic` unlabelled texts.
    """

    data: Dataset
    labels: list[str]
    train: Dataset
    calibrate: Dataset | None
    report: Dataset | None
    split: Split
    sampling: str
    findings: list[Finding]
    outside: Dataset | None = None
    segments: Declared | None = None
    checked: Checked | None = None
    traffic: Dataset | None = None


def prepare(plan: FitPlan) -> Slices:
    """Read, check and split, and declare what will be tested. Raises DataError, InputError, NotFoundError."""
    check_rule(plan.segments, plan.targets.promise, plan.columns.label)
    check_labels(plan.labelled)
    slices = _cut(plan)
    slices.findings.extend(finding_of(plan.labelled))
    slices.checked = read_checked(plan.labelled, plan.columns) if plan.labelled.checked else None
    if slices.checked is not None:
        _no_train_only(slices.checked.people)
    slices.traffic = _traffic(plan, slices)
    slices = _without_straddlers(slices, plan)
    slices.segments = _declared(plan, slices) if plan.segments.by else None
    return slices


def _traffic(plan: FitPlan, slices: Slices) -> Dataset | None:
    if plan.traffic is None and plan.traffic_texts is None:
        return None
    given = traffic_of(plan.traffic_texts or ()) if plan.traffic is None else None
    traffic = given or read_traffic(Path(str(plan.traffic)), plan.columns)
    return sampled(traffic, plan.seed, slices.findings)


def _cut(plan: FitPlan) -> Slices:
    data = _data(plan, plan.file, plan.rows, "the examples")
    labels = check(data)
    if plan.calibrate or plan.calibrate_rows:
        return _given(plan, data, labels)
    every = Split(tuple(range(len(data))), (), (), "cross-fitted", f"All {len(data)} rows train; none was set aside.")
    split = every if plan.train_only else _split(plan, data, labels)
    calibrate = data.take(split.calibrate) if split.calibrate else None
    report = data.take(split.report) if split.report else None
    sampling = plan.sampling or f"drawn at random from {data.name} before anything was fitted"
    return Slices(data, labels, data.take(split.train), calibrate, report, split, sampling, _findings(data, split))


def _declared(plan: FitPlan, slices: Slices) -> Declared:
    """The parts of the traffic that get a test of their own; what that asks of the data is told as a finding."""
    rule = plan.segments
    if by_label(rule, plan.columns.label):
        declared = by_prediction(rule, slices.labels)
    else:
        of_rows, of_calibrate = _values(plan, rule)
        train = {of_rows.get(row, "") for row in slices.train.rows} if not rule.names else set()
        rows = slices.calibrate.rows if slices.calibrate else []
        declared = by_request(rule, train, {row: of_calibrate.get(row, "") for row in rows}, slices.findings)
    slices.findings.append(power_finding(declared, plan.targets))
    return declared


def _values(plan: FitPlan, rule: SegmentRule) -> tuple[dict[int, str], dict[int, str]]:
    """The value of each row, and of each calibrate row, by number; one and the same where the rows are split."""
    if rule.values is not None:
        rows, calibrate = (numbered(values) for values in rule.values)
        return rows, calibrate if plan.calibrate_rows else rows
    if plan.file is None:
        raise InputError(f"Rows from Python have no column {rule.by!r}.", fix="Give the value of each row.")
    rows = column_values(Path(plan.file), rule.by)
    return rows, column_values(Path(plan.calibrate), rule.by) if plan.calibrate else rows


def _split(plan: FitPlan, data: Dataset, labels: list[str]) -> Split:
    """Split at random the rows that may measure; those that may only train, train."""
    targets, train_only = plan.targets, data.train_only()
    fair = sorted(set(range(len(data))).difference(train_only))
    groups = [data.groups[i] for i in fair]
    delta = 1 - targets.confidence
    split = split_rows(groups, len(labels), targets.max_error, delta, plan.seed, len(train_only))
    train, calibrate, report = (tuple(fair[i] for i in part) for part in (split.train, split.calibrate, split.report))
    train = tuple(sorted((*train, *train_only)))
    note = f"{split.note} {len(train_only)} more train only." if train_only else split.note
    return Split(train, calibrate, report, split.mode, note)


def _findings(data: Dataset, split: Split) -> list[Finding]:
    """What reading found, and which rows were kept from measuring."""
    train_only = data.train_only()
    if not train_only:
        return list(data.findings)
    count = f"{len(train_only)} rows carry a label" if len(train_only) > 1 else "1 row carries a label"
    message = (
        f"{count} from the review queue or from a correction ({SOURCE_COLUMN}). The model or a user picked them, so "
        "they train and are in neither calibrate nor report."
    )
    if split.mode == "cross-fitted":
        message += " The out-of-fold figures count them: they are likely worse than the traffic's."
    return [*data.findings, Finding("train-only", message, tuple(data.rows[i] for i in train_only[:100]))]


def _no_train_only(calibrate: Dataset) -> None:
    """Raises DataError where a row that may only train is given to calibrate on."""
    picked = calibrate.train_only()
    if picked:
        row, source = calibrate.rows[picked[0]], calibrate.sources[picked[0]]
        raise DataError(
            f"{calibrate.name}, row {row}: this label comes from the {_SAID[source]} ({SOURCE_COLUMN} is {source!r}; "
            f"{len(picked)} such rows). The model or a user picked that message; a test on it would promise nothing "
            "about the traffic.",
            fix="Put those rows into the file to train on. Calibrate on messages drawn at random.",
        )


def _given(plan: FitPlan, data: Dataset, labels: list[str]) -> Slices:
    calibrate = _data(plan, plan.calibrate, plan.calibrate_rows, "the calibrate rows")
    _no_train_only(calibrate)
    if not len(calibrate):
        raise DataError(f"{calibrate.name} has no usable row to calibrate on.")
    note = f"All {len(data)} rows of {data.name} train; all {len(calibrate)} rows of {calibrate.name} calibrate."
    split = Split(tuple(range(len(data))), tuple(range(len(calibrate))), (), "file", note)
    sampling = plan.sampling or f"of {calibrate.name}, taken to be a random sample of the traffic"
    findings = [*_findings(data, split), *calibrate.findings]
    unknown = sorted({label for row in calibrate.labels for label in row} - set(labels))
    if unknown:
        message = (
            f"{len(unknown)} labels of {calibrate.name} were never trained and always count as wrong: {unknown[:5]}."
        )
        findings.append(Finding("unknown-label", message))
    return Slices(data, labels, data, calibrate, None, split, sampling, findings)


def _data(plan: FitPlan, file: str | None, rows: tuple[list[str], list[Any]] | None, name: str) -> Dataset:
    if file is not None:
        return read(Path(file), plan.columns)
    if rows is None:
        raise DataError("No examples were given.")
    return from_lists(rows[0], rows[1], plan.columns, name)


def _without_straddlers(slices: Slices, plan: FitPlan) -> Slices:
    """Take out of train what is out of scope, or belongs with a row that measures; the measuring rows stay whole."""
    train = slices.train
    drop: dict[int, Finding] = {}

    def leave_out(kind: str, rows: list[int], words: str) -> None:
        fresh = [i for i in rows if i not in drop]
        finding = Finding(kind, f"{len(fresh)} {words}.", tuple(train.rows[i] for i in fresh[:100]))
        if fresh:
            slices.findings.append(finding)
            drop.update(dict.fromkeys(fresh, finding))

    outside = [] if plan.columns.multi_label else [i for i, labels in enumerate(train.labels) if not labels]
    if outside:
        leave_out("out-of-scope", outside, "out-of-scope rows were kept out of training")
    people = slices.checked.people if slices.checked is not None else None
    measuring = [part for part in (slices.calibrate, slices.report, people) if part is not None]
    if measuring:
        groups = {group for part in measuring for group in part.groups if group}
        shared = [i for i, group in enumerate(train.groups) if group in groups]
        leave_out(
            "shared-group", shared, "train rows share a conversation with calibrate or report rows and were left out"
        )
        texts = [text for part in measuring for text in part.texts]
        near = sorted({pair.first for pair in straddling(train.texts, texts)})
        words = "train rows nearly repeat calibrate or report rows and were not trained on"
        leave_out("near-duplicate", near, words)
        outside = sorted(set(outside).difference(shared, near))
    slices.outside = train.take(outside) if outside else None
    if len(drop) == len(train) and measuring:
        raise DataError(
            f"No row is left to train on: all {len(train)} also stand, or nearly, among the rows that measure.",
            fix="Give --calibrate rows of their own, or leave it out: fit then sets rows aside by itself.",
        )
    slices.train = train.take([i for i in range(len(train)) if i not in drop])
    slices.labels = check(slices.train)
    slices.findings.extend(repeats(slices.train))
    return slices
