"""Train and calibrate rows of labelled exchanges: who sees which row, by the rules that classification follows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rightsized.core.errors import DataError, InputError
from rightsized.core.protocols import Progress, no_progress
from rightsized.tasks.chat_admission import Admission
from rightsized.tasks.chat_agreement import only_drawn, tiers_with_samples, without_samples
from rightsized.tasks.chat_barred import admission_of, mark, told, unsaid
from rightsized.tasks.chat_data import ChatData, ChatRow, read_chat
from rightsized.tasks.chat_logprobs import left_out, only, tiers_with_logprobs
from rightsized.tasks.chat_records import ChatPlan
from rightsized.tasks.chat_tested import run_tests
from rightsized.tasks.judged import JUDGE, JUDGED, LabelRule, check_labels
from rightsized.tasks.records import Finding
from rightsized.tasks.split import Split, split_rows
from rightsized.tune.duplicates import straddling

OUTCOMES = 2  # right and wrong: what the split asks rows to train for


@dataclass(frozen=True)
class ChatSlices:
    """Train and calibrate rows; `calibrate` is None where all rows train.

    `partial` rows hold some tiers only: they train those tiers' verifiers and choose nothing. `people` are rows that
    people labelled beside a judge; None where nobody checked one.
    """

    train: ChatData
    calibrate: ChatData | None
    split: Split
    sampling: str
    findings: list[Finding]
    partial: list[ChatRow] = field(default_factory=list)
    logprobs: frozenset[str] = frozenset()  # tiers whose check reads log probabilities
    sampled: frozenset[str] = frozenset()  # tiers whose check reads further samples
    people: ChatData | None = None

    def every(self) -> list[ChatRow]:
        """All rows, whatever they are for."""
        parts = [part.rows for part in (self.calibrate, self.people) if part is not None]
        return [row for part in (self.train.rows, self.partial, *parts) for row in part]

    def about(self, tier: str) -> list[ChatRow]:
        """Train rows that hold this tier's answer: those of all tiers first, then partial ones."""
        return [*self.train.rows, *(row for row in self.partial if tier in row.answers)]


def prepare(plan: ChatPlan, progress: Progress = no_progress) -> ChatSlices:
    """Read, check and split. Raises DataError, InputError, NotFoundError."""
    slices = _split(plan, progress)
    for name, data in (("train", slices.train), ("calibrate", slices.calibrate), ("checked", slices.people)):
        slices.findings.extend(told(data, name) if data is not None else ())
    parts = [data for data in (slices.train, slices.calibrate, slices.people) if data is not None]
    fair, tiers = [row for data in parts for row in data.rows if not row.train_only], slices.train.tiers
    kept, drawn = tiers_with_logprobs(fair, tiers), tiers_with_samples(fair, tiers, plan.samples)
    slices.findings.extend(left_out(fair, tiers, kept))
    slices.findings.extend(without_samples(fair, tiers, plan.samples, drawn))
    for data in parts:
        data.rows = only_drawn(only(data.rows, kept), plan.samples, drawn)
    partial = only_drawn(only(slices.partial, kept), plan.samples, drawn)
    return replace(slices, partial=partial, logprobs=kept, sampled=drawn)


def _people(plan: ChatPlan, data: ChatData, admission: Admission | None, progress: Progress) -> ChatData | None:
    """The rows that people labelled beside the judge. Raises DataError, InputError."""
    rule = label_rule(plan, data.label_kind)
    check_labels(rule)
    if plan.judge_check is None:
        return None
    if plan.loss != "error":
        raise InputError(f"Rows checked by people say nothing of the loss {plan.loss!r}.", fix="Use --loss error.")
    given = read_chat(Path(plan.judge_check), data.tiers, "human")
    mark(given, admission)
    run_tests(given, plan.settings, progress)
    if any(row.train_only or not row.judge for row in given.rows):
        raise DataError(
            f"{given.name} holds rows without the judge's labels, or rows that a model picked.",
            fix='Each line: "correct" as people say, and "judge" as the judge says, of every tier.',
        )
    return given


def label_rule(plan: ChatPlan, label_kind: str) -> LabelRule:
    """Whose labels these are, and whether people checked them, by the rules of tasks."""
    judge = label_kind.removeprefix(JUDGED)
    kind = JUDGE + judge if judge != label_kind else "human"
    return LabelRule(kind, check=plan.judge_check, share=plan.judge_share)


def _split(plan: ChatPlan, progress: Progress) -> ChatSlices:
    data = read_chat(Path(plan.data), plan.tiers, plan.label_kind)
    _check(plan, data)
    admission = admission_of(plan, data.tiers)
    mark(data, admission)
    run_tests(data, plan.settings, progress)
    data.findings.extend(unsaid(data, admission))
    people = _people(plan, data, admission, progress)
    if plan.calibrate is not None:
        given = read_chat(Path(plan.calibrate), data.tiers, plan.label_kind)
        mark(given, admission)
        run_tests(given, plan.settings, progress)
        if given.label_kind != data.label_kind or any(row.train_only for row in given.rows):
            raise DataError(
                f"{given.name} cannot calibrate: its labels are by {given.label_kind}, or a model picked its rows.",
                fix="Calibrate on a random sample of traffic with one kind of label, the same as in --data.",
            )
        split = Split(tuple(range(len(data.rows))), tuple(range(len(given.rows))), (), "file", "two files")
        sampling = plan.sampling or f"of {given.name}, taken to be a random sample of the traffic"
        return _apart(data, given, people, split, sampling)
    fair = [i for i, row in enumerate(data.rows) if not row.train_only]
    groups, targets = [data.rows[i].conversation for i in fair], plan.targets
    drawn = split_rows(groups, OUTCOMES, targets.max_error, 1 - targets.confidence, plan.seed)
    held = [fair[i] for i in (*drawn.calibrate, *drawn.report)]  # a verifier needs no third slice
    train = sorted(set(range(len(data.rows))).difference(held))
    split = Split(tuple(train), tuple(sorted(held)), (), drawn.mode, drawn.note)
    sampling = plan.sampling or f"drawn at random from {data.name} before anything was fitted"
    return _apart(data.take(train), data.take(split.calibrate) if held else None, people, split, sampling)


def _check(plan: ChatPlan, data: ChatData) -> None:
    rungs = len(data.tiers) + plan.person
    if rungs < 2:
        raise InputError(
            f"{data.name} has answers of one tier only, {data.tiers[0]!r}: there is nowhere to escalate to.",
            fix="Give the answers of a bigger tier too, or let a person stand last: --person",
        )
    if plan.loss != "error" and plan.person:
        raise InputError(f"The loss {plan.loss!r} compares with the last tier, and a person stands last.")
    if plan.costs and len(plan.costs) != rungs:
        raise InputError(f"{len(plan.costs)} costs were given for {rungs} rungs: one each, a person's last.")


def _apart(train: ChatData, held: ChatData | None, people: ChatData | None, split: Split, sampling: str) -> ChatSlices:
    """Take out of train what belongs with a row that measures: the same conversation, or nearly the same prompt."""
    measuring = [row for part in (held, people) if part is not None for row in part.rows]
    if not measuring:
        return _whole(train, held, people, split, sampling)
    groups = {row.conversation for row in measuring if row.conversation}
    shared = {i for i, row in enumerate(train.rows) if row.conversation in groups}
    near = {p.first for p in straddling([r.prompt for r in train.rows], [r.prompt for r in measuring])}
    findings: list[Finding] = []
    for kind, rows, words in (
        ("shared-group", shared, "share a conversation with calibrate rows"),
        ("near-duplicate", near - shared, "nearly repeat calibrate rows"),
    ):
        if rows:
            numbers = tuple(train.rows[i].number for i in sorted(rows)[:100])
            findings.append(Finding(kind, f"{len(rows)} train rows {words} and were left out.", numbers))
    kept = [i for i in range(len(train.rows)) if i not in shared | near]
    found = _whole(train.take(kept), held, people, split, sampling)
    if len(found.train.rows) < 2:
        raise DataError(
            f"{len(found.train.rows)} rows of {train.name} are left to train on; the others also calibrate."
        )
    found.findings.extend(findings)
    return found


def _whole(train: ChatData, held: ChatData | None, people: ChatData | None, split: Split, sampling: str) -> ChatSlices:
    """Rows of every tier apart from partial ones."""
    whole = [i for i, row in enumerate(train.rows) if len(row.answers) == len(train.tiers)]
    partial = [row for row in train.rows if len(row.answers) < len(train.tiers)]
    return ChatSlices(train.take(whole), held, split, sampling, list(train.findings), partial, people=people)


def groups_of(rows: Sequence[ChatRow]) -> Sequence[str]:
    """A group for every row where any row names a conversation; else none."""
    if not any(row.conversation for row in rows):
        return ()
    return [row.conversation or f"\0{row.number}" for row in rows]


def digest_of(rows: Sequence[ChatRow]) -> str:
    """`sha256:...` of prompts and labels, in order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(row.digest.encode())
    return f"sha256:{digest.hexdigest()}"
